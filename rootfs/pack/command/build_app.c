#include "rootfs/pack/command/build.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "init/spec/config.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/image/app.h"
#include "rootfs/pack/image/check.h"
#include "rootfs/pack/image/image.h"
#include "rootfs/pack/image/python.h"

enum { CONF_MAX = 1 << 20 /* bytes of the configuration */ };

static void replace(struct strings *to, struct strings *by)
{
	if (by->count == 0)
		return;
	strings_free(to);
	*to = *by;
	*by = (struct strings){ 0 };
}

static int replace_string(char **to, const char *by, struct fault *reterr)
{
	char *copy;

	if (!by)
		return 0;
	copy = strdup(by);
	if (!copy)
		return fault_system(reterr, ENOMEM, "build");
	free(*to);
	*to = copy;
	return 0;
}

/* NAME=VALUE stands for what the image has under that name. */
static int set_variable(struct strings *env, const char *entry,
			struct fault *reterr)
{
	const char *equals = strchr(entry, '=');

	if (!equals || equals == entry)
		return fault_usage(reterr, "--env: %s: not NAME=VALUE", entry);
	return strings_set_variable(env, entry, reterr);
}

/* As `docker run` has it: another entrypoint drops the image's command. */
static int override(struct build *b, struct image *image, struct fault *reterr)
{
	if (b->entrypoint.count > 0)
		strings_free(&image->cmd);
	replace(&image->entrypoint, &b->entrypoint);
	replace(&image->cmd, &b->cmd);
	if (replace_string(&image->user, b->user, reterr) < 0 ||
	    replace_string(&image->workdir, b->workdir, reterr) < 0 ||
	    replace_string(&image->stop_signal, b->stop_signal, reterr) < 0)
		return -1;
	for (size_t i = 0; i < b->env.count; i++)
		if (set_variable(&image->env, b->env.items[i], reterr) < 0)
			return -1;
	return 0;
}

/* Where init looks for its configuration in an image that has one. */
static const char own_conf[] = "/etc/enclave-init.conf";

/* The configuration that the user names, else the image's own; NULL: none. */
static int read_conf(const struct command *c, struct build *b,
		     struct image *image, char **ret, const char **ret_path,
		     struct fault *reterr)
{
	const struct tree_node *own = tree_find(image->tree, own_conf, true);
	size_t len = 0;

	if (b->config) {
		*ret_path = b->config;
		if (content_slurp_path(b->config, CONF_MAX, ret, &len, reterr) <
			    0 ||
		    digest_text(*ret, len, b->config_digest, reterr) < 0)
			return fault_prefix(reterr, "--config");
		if (own)
			command_note(c, "%s takes the place of the image's %s",
				     b->config, own_conf);
	} else if (own && !b->parts.init_is_ours) {
		command_note(c,
			     "%s: not enclave-init: the image's %s has no "
			     "effect",
			     b->parts.init_file.path, own_conf);
	} else if (own) {
		*ret_path = own_conf;
		if (!S_ISREG(own->inode->mode))
			return fault_refuse(
				reterr, "the image's %s: not a file", own_conf);
		len = (size_t)own->inode->content.len;
		if (content_slurp(&own->inode->content, CONF_MAX, own_conf, ret,
				  reterr) < 0)
			return -1;
	}
	return *ret ? app_check_conf(*ret, len, *ret_path, reterr) : 0;
}

/* In the image, which it reads before it mounts a squashfs. */
static bool init_finds_conf(const struct build *b)
{
	return !b->config && !b->ramdisk.squashfs;
}

static int check_init_takes(const struct command *c, const struct build *b,
			    const struct app *app, struct fault *reterr)
{
	if (b->parts.init_is_ours)
		return 0;
	if (b->config)
		return fault_refuse(reterr,
				    "%s: not enclave-init: it would not read "
				    "--config",
				    b->parts.init_file.path);
	if (b->ramdisk.squashfs)
		return fault_refuse(reterr,
				    "%s: not enclave-init: it would not mount "
				    "what --squashfs makes",
				    b->parts.init_file.path);
	if (app->needs_conf)
		return fault_refuse(reterr,
				    "%s: not enclave-init: it cannot take an "
				    "argument or a variable with a newline",
				    b->parts.init_file.path);
	for (size_t i = 0; i < app->only_conf.count; i++)
		command_note(c,
			     "%s: not enclave-init: the image's %s has no "
			     "effect",
			     b->parts.init_file.path, app->only_conf.items[i]);
	return 0;
}

/* mmdebstrap, and who copies a machine's root, take that machine's along. */
static void note_resolver(const struct command *c, const struct image *image)
{
	const struct tree_node *n =
		tree_find(image->tree, "/etc/resolv.conf", false);

	if (n && S_ISREG(n->inode->mode) && n->inode->content.len > 0)
		command_note(c, "/etc/resolv.conf of the image is measured, "
				"and most likely that of the machine that made "
				"it: without it the PCRs are the same "
				"wherever it is made");
}

static int note_python(const struct command *c, const struct build *b,
		       const struct image *image, struct fault *reterr)
{
	size_t count = 0;

	if (b->ramdisk.keep_times)
		return 0;
	if (python_count_stale(tree_root(image->tree), b->ramdisk.mtime, &count,
			       reterr) < 0)
		return -1;
	if (count > 0)
		command_note(c,
			     "Python compiles modules at each start, since "
			     "%zu .pyc files name the times of their sources: "
			     "--keep-times, or compileall --invalidation-mode "
			     "unchecked-hash when the image is built, keeps "
			     "them in use",
			     count);
	return 0;
}

static void note_quotes(const struct command *c, const struct app *app)
{
	const char *word;

	for (size_t i = 0; i < app->config->service_count; i++) {
		word = config_find_quote(&app->config->services[i].command);
		if (word)
			command_note(c, "command: %s: %s", word,
				     config_quote_hint);
	}
}

int build_load_app(const struct command *c, struct build *b,
		   const struct output *output, struct image *image,
		   struct app *app, struct fault *reterr)
{
	const struct image_options o = {
		.arch = eif_arch_name(b->parts.eif_arch),
		.arch_is_given = b->parts.arch != NULL,
		.tag = b->tag,
		.drop_capabilities = b->drop_capabilities,
		.keep_owner = build_options_is_keep(b->owner),
		.owner_is_given = b->owner != NULL,
		.keep_capabilities = b->ramdisk.squashfs,
		.large_files = b->ramdisk.squashfs,
		.output = output,
	};
	const struct app_asked asked = {
		.user = b->user,
		.workdir = b->workdir,
		.stop_signal = b->stop_signal,
		.command = b->entrypoint.count > 0 || b->cmd.count > 0,
	};
	const char *conf_path = NULL;
	char *conf = NULL;
	int r = -1;

	if (image_load(b->image, &o, image, reterr) < 0)
		goto out;
	if (parts_add_files(&b->parts, image->tree, reterr) < 0 ||
	    override(b, image, reterr) < 0 ||
	    read_conf(c, b, image, &conf, &conf_path, reterr) < 0 ||
	    app_make(image, &asked, conf, conf_path, init_finds_conf(b), app,
		     reterr) < 0 ||
	    check_image(image, app, b->parts.eif_arch, reterr) < 0 ||
	    build_check_api(c, image, app, reterr) < 0 ||
	    check_init_takes(c, b, app, reterr) < 0 ||
	    note_python(c, b, image, reterr) < 0)
		goto out;
	for (size_t i = 0; i < image->notes.count; i++)
		command_note(c, "%s", image->notes.items[i]);
	note_resolver(c, image);
	note_quotes(c, app);
	if (app->config->hand_over && image->stop_signal)
		command_note(c,
			     "STOPSIGNAL %s has no effect: with hand-over "
			     "nothing sends it",
			     image->stop_signal);
	r = 0;
out:
	free(conf);
	return r;
}
