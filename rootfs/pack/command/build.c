#include "rootfs/pack/command/command.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/spec/config.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/json.h"
#include "rootfs/pack/base/output.h"
#include "rootfs/pack/base/tree.h"
#include "rootfs/pack/command/inputs.h"
#include "rootfs/pack/command/sign_options.h"
#include "rootfs/pack/eif/eif.h"
#include "rootfs/pack/eif/metadata.h"
#include "rootfs/pack/eif/pcrs.h"
#include "rootfs/pack/image/app.h"
#include "rootfs/pack/image/check.h"
#include "rootfs/pack/image/digest.h"
#include "rootfs/pack/image/image.h"
#include "rootfs/pack/ramdisk/gzip.h"
#include "rootfs/pack/ramdisk/parts.h"
#include "rootfs/pack/ramdisk/ramdisk.h"
#include "rootfs/pack/ramdisk/squashfs.h"
#include "rootfs/pack/sign/signature.h"

enum {
	TEXT_MAX = 1 << 20, /* bytes of a file of text that an option names */
};

struct build {
	/* As asked for; NULL: not said. */
	const char *image, *output, *tag;
	const char *name, *version, *custom, *metadata, *flags, *config;
	const char *user, *workdir, *stop_signal;
	struct sign_key_source sign;
	struct strings entrypoint, cmd, env;
	struct parts parts;
	struct part_list ramdisks;
	struct ramdisk_options ramdisk;
	bool drop_capabilities;
	const char *owner; /* "root", "keep" */
	const char *docker_uri, *kernel_config, *mtime;
	const char *default_mem, *default_cpus;
	char *docker_image; /* --docker-uri for skopeo */
	uint64_t mem, cpus;
	bool json;
	struct pcrs_expected expected;
	char config_digest[DIGEST_TEXT_MAX]; /* of what was read */
	cJSON *inputs;
};

/* --- options --- */

enum {
	O_IMAGE = 1,
	O_OUTPUT,
	O_ARCH,
	O_TAG,
	O_ENTRYPOINT,
	O_CMD,
	O_ENV,
	O_USER,
	O_WORKDIR,
	O_STOP_SIGNAL,
	O_CONFIG,
	O_BLOBS,
	O_KERNEL,
	O_MODULE,
	O_CMDLINE,
	O_INIT,
	O_BOOT_FILE,
	O_NAME,
	O_IMAGE_VERSION,
	O_METADATA,
	O_METADATA_SECTION,
	O_FLAGS,
	O_RAMDISK,
	O_COMPRESS,
	O_SQUASHFS,
	O_KEEP_TIMES,
	O_DROP_CAPABILITIES,
	O_OWNER,
	O_MTIME,
	O_CMDLINE_SECTION,
	O_DEFAULT_MEM,
	O_DEFAULT_CPUS,
	O_DOCKER_URI,
	O_JSON,
	O_KERNEL_CONFIG,
};

static const struct option options[] = {
	{ "image", required_argument, NULL, O_IMAGE },
	{ "output", required_argument, NULL, O_OUTPUT },
	{ "arch", required_argument, NULL, O_ARCH },
	{ "tag", required_argument, NULL, O_TAG },
	{ "entrypoint", required_argument, COMMAND_REPEATS, O_ENTRYPOINT },
	{ "cmd", required_argument, COMMAND_REPEATS, O_CMD },
	{ "env", required_argument, COMMAND_REPEATS, O_ENV },
	{ "user", required_argument, NULL, O_USER },
	{ "workdir", required_argument, NULL, O_WORKDIR },
	{ "stop-signal", required_argument, NULL, O_STOP_SIGNAL },
	{ "config", required_argument, NULL, O_CONFIG },
	{ "blobs", required_argument, NULL, O_BLOBS },
	{ "kernel", required_argument, NULL, O_KERNEL },
	{ "module", required_argument, COMMAND_REPEATS, O_MODULE },
	{ "cmdline", required_argument, NULL, O_CMDLINE },
	{ "init", required_argument, NULL, O_INIT },
	{ "boot-file", required_argument, COMMAND_REPEATS, O_BOOT_FILE },
	{ "name", required_argument, NULL, O_NAME },
	{ "image-version", required_argument, NULL, O_IMAGE_VERSION },
	{ "metadata", required_argument, NULL, O_METADATA },
	{ "metadata-section", required_argument, NULL, O_METADATA_SECTION },
	{ "flags", required_argument, NULL, O_FLAGS },
	{ "ramdisk", required_argument, COMMAND_REPEATS, O_RAMDISK },
	{ "compress", required_argument, NULL, O_COMPRESS },
	{ "squashfs", optional_argument, NULL, O_SQUASHFS },
	{ "keep-times", no_argument, NULL, O_KEEP_TIMES },
	{ "drop-capabilities", no_argument, NULL, O_DROP_CAPABILITIES },
	{ "owner", required_argument, NULL, O_OWNER },
	{ "mtime", required_argument, NULL, O_MTIME },
	{ "cmdline-section", required_argument, NULL, O_CMDLINE_SECTION },
	{ "default-mem", required_argument, NULL, O_DEFAULT_MEM },
	{ "default-cpus", required_argument, NULL, O_DEFAULT_CPUS },
	{ "docker-uri", required_argument, NULL, O_DOCKER_URI },
	{ "json", no_argument, NULL, O_JSON },
	{ "kernel_config", required_argument, NULL, O_KERNEL_CONFIG },
	PCRS_EXPECT_OPTIONS,
	SIGN_OPTIONS,
	/* nitro-cli's names. */
	{ "output-file", required_argument, NULL, O_OUTPUT },
	{ "version", required_argument, NULL, O_IMAGE_VERSION },
	{ 0 },
};

static const struct command_hint hints[] = {
	COMMAND_HINT_OUTPUT,
	SIGN_OPTIONS_HINTS,
	{ "command", COMMAND_HINT("cmd") },
	{ "docker-dir",
	  "mkeif builds no Dockerfile: docker build -t NAME DIR, or buildah, and "
	  "then --docker-uri NAME, or --image" },
	{ "build-time", "BuildTime is SOURCE_DATE_EPOCH" },
	{ "pcrs_output", "mkeif pcr X.eif prints them" },
	{ "build-tool", "the metadata name mkeif" },
	{ "build-tool-version", "the metadata name mkeif" },
	{ "img-os", "the kernel says it, or --metadata-section" },
	{ "img-kernel", "the kernel says it, or --metadata-section" },
	{ "algo", "hypervisors measure by SHA-384 alone" },
	{ 0 },
};

static int take_compress(struct build *b, const char *value,
			 struct fault *reterr)
{
	b->ramdisk.gzip = strcmp(value, "gzip") == 0;
	if (b->ramdisk.gzip || strcmp(value, "none") == 0)
		return 0;
	return fault_usage(reterr, "--compress: %s: neither none nor gzip",
			   value);
}

/* VALUE may be NULL. */
static int take_squashfs(struct build *b, const char *value,
			 struct fault *reterr)
{
	const char *const *name = squashfs_compressors;

	while (value && *name && strcmp(*name, value) != 0)
		name++;
	if (!*name)
		return fault_usage(reterr,
				   "--squashfs: %s: none of zstd, gzip, xz",
				   value);
	b->ramdisk.squashfs = *name;
	return 0;
}

static int take_owner(struct build *b, const char *value, struct fault *reterr)
{
	b->owner = value;
	if (strcmp(value, "keep") == 0 || strcmp(value, "root") == 0)
		return 0;
	return fault_usage(reterr, "--owner: %s: neither root nor keep", value);
}

static bool is_keep(const char *owner)
{
	return owner && strcmp(owner, "keep") == 0;
}

static int take_option(struct build *b, int option, struct fault *reterr)
{
	/* Those that are a string, once. */
	const struct {
		int option;
		const char **to;
	} strings[] = {
		{ O_IMAGE, &b->image },
		{ O_OUTPUT, &b->output },
		{ O_ARCH, &b->parts.arch },
		{ O_TAG, &b->tag },
		{ O_USER, &b->user },
		{ O_WORKDIR, &b->workdir },
		{ O_CONFIG, &b->config },
		{ O_STOP_SIGNAL, &b->stop_signal },
		{ O_BLOBS, &b->parts.blobs },
		{ O_KERNEL, &b->parts.kernel_file.path },
		{ O_CMDLINE, &b->parts.cmdline_option },
		{ O_INIT, &b->parts.init_file.path },
		{ O_NAME, &b->name },
		{ O_IMAGE_VERSION, &b->version },
		{ O_METADATA, &b->custom },
		{ O_METADATA_SECTION, &b->metadata },
		{ O_FLAGS, &b->flags },
		{ O_MTIME, &b->mtime },
		{ O_CMDLINE_SECTION, &b->parts.cmdline_section },
		{ O_DEFAULT_MEM, &b->default_mem },
		{ O_DEFAULT_CPUS, &b->default_cpus },
		{ O_DOCKER_URI, &b->docker_uri },
		{ O_KERNEL_CONFIG, &b->kernel_config },
	};
	int r;

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		if (strings[i].option != option)
			continue;
		*strings[i].to = optarg;
		return 0;
	}
	r = sign_options_take(&b->sign, option, optarg, reterr);
	if (r == 0)
		r = pcrs_expect_take(&b->expected, option, optarg, reterr);
	if (r != 0)
		return r < 0 ? -1 : 0;
	switch (option) {
	case O_JSON:
		b->json = true;
		return 0;
	case O_ENTRYPOINT:
		return strings_add(&b->entrypoint, optarg, reterr);
	case O_CMD:
		return strings_add(&b->cmd, optarg, reterr);
	case O_ENV:
		return strings_add(&b->env, optarg, reterr);
	case O_MODULE:
		return part_add(&b->parts.modules, optarg, "--module", reterr);
	case O_BOOT_FILE:
		return part_add(&b->parts.boot_files, optarg, "--boot-file",
				reterr);
	case O_RAMDISK:
		return part_add(&b->ramdisks, optarg, "--ramdisk", reterr);
	case O_COMPRESS:
		return take_compress(b, optarg, reterr);
	case O_SQUASHFS:
		return take_squashfs(b, optarg, reterr);
	case O_OWNER:
		return take_owner(b, optarg, reterr);
	case O_KEEP_TIMES:
		b->ramdisk.keep_times = true;
		return 0;
	default:
		b->drop_capabilities = true;
		return 0;
	}
}

/* An image of the local Docker's, as nitro-cli takes it; without a tag it is the latest. */
static int take_docker_uri(struct build *b, struct fault *reterr)
{
	const char *name, *slash;

	if (!b->docker_uri)
		return 0;
	if (b->image)
		return fault_usage(reterr,
				   "either --image or --docker-uri, not both");
	if (*b->docker_uri == '\0' || strstr(b->docker_uri, "://"))
		return fault_usage(reterr,
				   "--docker-uri: %s: not a name of Docker's; "
				   "--image takes all others",
				   b->docker_uri);
	slash = strrchr(b->docker_uri, '/');
	name = slash ? slash + 1 : b->docker_uri;
	if (asprintf(&b->docker_image, "docker-daemon:%s%s", b->docker_uri,
		     strpbrk(name, ":@") ? "" : ":latest") < 0) {
		b->docker_image = NULL;
		return fault_system(reterr, ENOMEM, "build");
	}
	b->image = b->docker_image;
	return 0;
}

static int take_number(const char *option, const char *text, uint64_t *ret,
		       struct fault *reterr)
{
	char *end;

	if (!text)
		return 0;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	if (errno || *end || *text < '0' || *text > '9')
		return fault_usage(reterr, "%s: %s: not a number", option,
				   text);
	return 0;
}

static int check_options(const struct build *b, struct fault *reterr)
{
	static const char *const of_image =
		"--ramdisk takes ramdisks as they are: without %s";

	if (!b->output)
		return fault_usage(reterr, "--output is missing");
	if (!b->image == (b->ramdisks.count == 0))
		return fault_usage(
			reterr,
			b->image ? "either --image or --ramdisk, not both" :
				   "--image or --ramdisk is missing: an OCI "
				   "layout, a docker save archive, a folder, "
				   "or docker://NAME of a registry");
	if (sign_options_check(&b->sign, reterr) < 0)
		return -1;
	if (b->metadata && (b->custom || b->name || b->version))
		return fault_usage(reterr, "--metadata-section is all of it: "
					   "without --metadata, --name, "
					   "--image-version");
	if (b->image)
		return 0;
	if (b->parts.init_file.path || b->parts.modules.count ||
	    b->parts.boot_files.count)
		return fault_usage(reterr, of_image,
				   "--init, --module, --boot-file");
	if (b->entrypoint.count || b->cmd.count || b->env.count || b->user ||
	    b->workdir || b->stop_signal || b->config || b->tag ||
	    b->ramdisk.gzip || b->ramdisk.squashfs || b->ramdisk.keep_times ||
	    b->mtime || b->drop_capabilities || b->owner)
		return fault_usage(reterr, of_image, "options of the image");
	return 0;
}

static int out_of_memory(struct fault *reterr)
{
	return fault_system(reterr, ENOMEM, "build");
}

/* --- the application --- */

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
		return out_of_memory(reterr);
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
		if (content_slurp_path(b->config, TEXT_MAX, ret, &len, reterr) <
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
		if (content_slurp(&own->inode->content, TEXT_MAX, own_conf, ret,
				  reterr) < 0)
			return -1;
	}
	if (*ret && strlen(*ret) != len)
		return fault_refuse(reterr, "%s: a NUL byte at offset %zu",
				    *ret_path, strlen(*ret));
	return 0;
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

static int load_app(const struct command *c, struct build *b,
		    const struct output *output, struct image *image,
		    struct app *app, struct fault *reterr)
{
	const struct image_options o = {
		.arch = eif_arch_name(b->parts.eif_arch),
		.arch_is_given = b->parts.arch != NULL,
		.tag = b->tag,
		.drop_capabilities = b->drop_capabilities,
		.keep_owner = is_keep(b->owner),
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
	if (override(b, image, reterr) < 0 ||
	    read_conf(c, b, image, &conf, &conf_path, reterr) < 0 ||
	    app_make(image, &asked, conf, conf_path, init_finds_conf(b), app,
		     reterr) < 0 ||
	    check_image(image, app, b->parts.eif_arch, reterr) < 0 ||
	    check_init_takes(c, b, app, reterr) < 0)
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

/* --- the image --- */

/* A file of text, without a NUL, with which others would end it. */
static int read_text(const char *option, const char *path, size_t max,
		     char **ret, struct fault *reterr)
{
	size_t len;

	if (content_slurp_path(path, max, ret, &len, reterr) < 0)
		return fault_prefix(reterr, "%s", option);
	if (strlen(*ret) == len)
		return 0;
	len = strlen(*ret);
	free(*ret);
	*ret = NULL;
	return fault_refuse(reterr, "%s: %s: a NUL byte at offset %zu", option,
			    path, len);
}

static int read_section(const char *path, char **ret, struct fault *reterr)
{
	cJSON *parsed;

	if (read_text("--metadata-section", path, METADATA_MAX, ret, reterr) <
	    0)
		return -1;
	if (json_parse(*ret, strlen(*ret), &parsed, reterr) < 0)
		return fault_prefix(reterr, "--metadata-section: %s", path);
	cJSON_Delete(parsed);
	return 0;
}

static int write_metadata(const struct build *b, const struct image *image,
			  struct eif_writer *w, struct fault *reterr)
{
	struct metadata m = {
		.name = b->name,
		.version = b->version,
		.kernel_version = b->parts.kernel.version,
		.tool_version = ENCLAVE_INIT_VERSION,
		.image_name = image->name,
		.image_config = image->config,
		.custom_path = b->custom,
		.inputs = b->inputs,
	};
	char *custom = NULL, *text = NULL;
	uint32_t time;
	int r = -1;

	if (b->metadata) {
		if (read_section(b->metadata, &text, reterr) < 0)
			goto out;
	} else {
		if (parts_find_time(&time, reterr) < 0 ||
		    (b->custom &&
		     read_text("--metadata", b->custom, METADATA_CUSTOM_MAX,
			       &custom, reterr) < 0))
			goto out;
		m.time = time;
		m.custom = custom;
		if (metadata_make(&m, &text, reterr) < 0)
			goto out;
	}
	r = eif_writer_add_bytes(w, EIF_METADATA, text, strlen(text), reterr);
out:
	free(custom);
	free(text);
	return r;
}

/* Flags of the header, in any base; none if it is not said. */
static int set_flags(const struct build *b, struct eif_writer *w,
		     struct fault *reterr)
{
	unsigned long flags;
	char *end;

	if (!b->flags)
		return 0;
	errno = 0;
	flags = strtoul(b->flags, &end, 0);
	if (errno || *end || *b->flags < '0' || *b->flags > '9' ||
	    flags > UINT16_MAX)
		return fault_usage(reterr, "--flags: %s: no flags, as 0x0240",
				   b->flags);
	if (eif_writer_set_flags(w, (unsigned)flags, reterr) < 0)
		return fault_prefix(reterr, "--flags");
	return 0;
}

/* --- what it is made of --- */

static bool add_string(cJSON *to, const char *key, const char *text)
{
	return !text || cJSON_AddStringToObject(to, key, text);
}

static bool add_strings(cJSON *to, const char *key, const struct strings *list)
{
	cJSON *array;

	if (list->count == 0)
		return true;
	array = cJSON_AddArrayToObject(to, key);
	for (size_t i = 0; array && i < list->count; i++)
		if (!cJSON_AddItemToArray(array,
					  cJSON_CreateString(list->items[i])))
			return false;
	return array;
}

/* What was asked for and changes what is measured: before it is put into the image. */
static cJSON *make_arguments(const struct build *b)
{
	cJSON *to = cJSON_CreateObject();
	bool good =
		to && add_strings(to, "Entrypoint", &b->entrypoint) &&
		add_strings(to, "Cmd", &b->cmd) &&
		add_strings(to, "Env", &b->env) &&
		add_string(to, "User", b->user) &&
		add_string(to, "WorkingDir", b->workdir) &&
		add_string(to, "StopSignal", b->stop_signal) &&
		add_string(to, "Mtime", b->mtime) &&
		add_string(to, "Compress", b->ramdisk.gzip ? "gzip" : NULL) &&
		add_string(to, "Squashfs", b->ramdisk.squashfs) &&
		(!b->ramdisk.keep_times ||
		 cJSON_AddTrueToObject(to, "KeepTimes")) &&
		add_string(to, "Owner", is_keep(b->owner) ? "keep" : NULL) &&
		(!b->drop_capabilities ||
		 cJSON_AddTrueToObject(to, "DropCapabilities"));

	if (good)
		return to;
	cJSON_Delete(to);
	return NULL;
}

/* ARGUMENTS become a part of it. */
static int make_inputs(struct build *b, const struct image *image,
		       cJSON *arguments, const char *tar2sqfs,
		       struct fault *reterr)
{
	cJSON *tools;

	if (inputs_make(&b->parts, b->image ? image : NULL, &b->ramdisks,
			&b->inputs, reterr) < 0) {
		cJSON_Delete(arguments);
		return -1;
	}
	if (!cJSON_AddItemToObject(b->inputs, "Arguments", arguments)) {
		cJSON_Delete(arguments);
		return out_of_memory(reterr);
	}
	if (b->config && !add_string(b->inputs, "Config", b->config_digest))
		return out_of_memory(reterr);
	tools = cJSON_AddObjectToObject(b->inputs, "Tools");
	if (!tools || !add_string(tools, "mkeif", ENCLAVE_INIT_VERSION) ||
	    !add_string(tools, "zlib",
			b->ramdisk.gzip ? gzip_zlib_version() : NULL) ||
	    !add_string(tools, "tar2sqfs", tar2sqfs))
		return out_of_memory(reterr);
	return 0;
}

/* --- the image, written --- */

/*
 * The kernel reads all ramdisks as one, BEFORE bytes of which come before F, and wants each
 * plain archive at a multiple of four, also behind what is compressed.
 */
static int check_ramdisk(const struct part *f, uint64_t before, bool is_last,
			 struct fault *reterr)
{
	char head[6] = { 0 };
	size_t n = f->content.len < 6 ? (size_t)f->content.len : 6;

	if (content_read(&f->content, 0, head, n, reterr) < 0)
		return fault_prefix(reterr, "%s", f->path);
	if (before % 4 && memcmp(head, "0707", 4) == 0)
		return fault_refuse(reterr,
				    "%s: behind %llu bytes, not a multiple of "
				    "4: the kernel would lose this ramdisk",
				    f->path, (unsigned long long)before);
	if (!is_last && f->content.len % 4 && memcmp(head, "0707", 4) == 0)
		return fault_refuse(reterr,
				    "%s: %llu bytes, not a multiple of 4: the "
				    "kernel would lose the ramdisks behind it",
				    f->path,
				    (unsigned long long)f->content.len);
	return 0;
}

static int open_ramdisks(struct build *b, struct fault *reterr)
{
	uint64_t before = 0;

	for (size_t i = 0; i < b->ramdisks.count; i++) {
		struct part *f = &b->ramdisks.items[i];

		if (part_open(f, reterr) < 0 ||
		    check_ramdisk(f, before, i + 1 == b->ramdisks.count,
				  reterr) < 0)
			return -1;
		before += f->content.len;
	}
	return 0;
}

static int write_ramdisks(struct build *b, struct eif_writer *w,
			  struct fault *reterr)
{
	for (size_t i = 0; i < b->ramdisks.count; i++) {
		struct part *f = &b->ramdisks.items[i];

		if (eif_writer_add(w, EIF_RAMDISK, &f->content, reterr) < 0)
			return fault_prefix(reterr, "%s", f->path);
	}
	return 0;
}

static int check_same(const struct build *b, struct fault *reterr)
{
	for (size_t i = 0; i < b->ramdisks.count; i++)
		if (part_check_same(&b->ramdisks.items[i], reterr) < 0)
			return -1;
	return parts_check_same(&b->parts, reterr);
}

static int write_image(struct build *b, struct image *image,
		       const struct app *app, const struct sign_key *key,
		       struct output *output, struct eif_pcrs *ret,
		       struct fault *reterr)
{
	struct eif_writer *w = NULL;
	struct tree *boot = tree_new();

	if (!boot) {
		output_abort(output);
		return out_of_memory(reterr);
	}
	if (eif_writer_open_output(output, b->parts.eif_arch, &w, reterr) < 0 ||
	    set_flags(b, w, reterr) < 0)
		goto fail;
	eif_writer_defaults(w, b->default_mem ? &b->mem : NULL,
			    b->default_cpus ? &b->cpus : NULL);
	if (eif_writer_add(w, EIF_KERNEL, &b->parts.kernel_file.content,
			   reterr) < 0 ||
	    eif_writer_add_bytes(w, EIF_CMDLINE, b->parts.cmdline,
				 b->parts.cmdline_len, reterr) < 0 ||
	    write_metadata(b, image, w, reterr) < 0)
		goto fail;
	if (b->image ? parts_write_boot(&b->parts, boot, &b->ramdisk, w,
					reterr) < 0 ||
			       ramdisk_write_app(w, image, app, &b->ramdisk,
						 reterr) < 0 :
		       write_ramdisks(b, w, reterr) < 0)
		goto fail;
	if (check_same(b, reterr) < 0 ||
	    signature_write(key, w, ret, reterr) < 0 ||
	    pcrs_expect_check(&b->expected, ret, reterr) < 0)
		goto fail;
	tree_free(boot);
	return eif_writer_finish(w, reterr);
fail:
	tree_free(boot);
	eif_writer_abort(w);
	return -1;
}

/* What is not looked at when the image is loaded. */
static int check_output(const struct build *b, const struct output *output,
			struct fault *reterr)
{
	const char *const metadata = b->metadata ? b->metadata : b->custom;

	if (parts_check_output(&b->parts, output, reterr) < 0 ||
	    sign_options_check_output(&b->sign, output, reterr) < 0 ||
	    output_check_input(output, "the metadata", metadata, reterr) < 0 ||
	    output_check_input(output, "the configuration", b->config, reterr) <
		    0)
		return -1;
	for (size_t i = 0; i < b->ramdisks.count; i++)
		if (output_check_input(output, "a ramdisk",
				       b->ramdisks.items[i].path, reterr) < 0)
			return -1;
	return 0;
}

static int build(const struct command *c, struct build *b, struct eif_pcrs *ret,
		 struct fault *reterr)
{
	char version[SQUASHFS_VERSION_MAX];
	cJSON *arguments = NULL;
	struct sign_key *key = NULL;
	struct image image = { .spool = SPOOL_NONE };
	struct app app = { 0 };
	struct output *output;
	int r = -1;

	if (output_open(b->output, &output, reterr) < 0)
		return -1;
	/* What is quickly seen to be wrong comes first. */
	b->parts.has_ramdisks = !b->image;
	if ((b->mtime && parts_take_time("--mtime", b->mtime, &b->ramdisk.mtime,
					 reterr) < 0) ||
	    take_number("--default-mem", b->default_mem, &b->mem, reterr) < 0 ||
	    take_number("--default-cpus", b->default_cpus, &b->cpus, reterr) <
		    0 ||
	    parts_find(&b->parts, reterr) < 0)
		goto out;
	if (b->image ? parts_open_boot(&b->parts, reterr) < 0 :
		       open_ramdisks(b, reterr) < 0)
		goto out;
	if (check_output(b, output, reterr) < 0)
		goto out;
	if (b->parts.blobs_are_installed)
		command_note(c, "kernel and module are those of %s",
			     b->parts.blobs);
	if (b->kernel_config)
		command_note(c,
			     "--kernel_config is not read: the kernel says its "
			     "version itself");
	arguments = make_arguments(b);
	if (!arguments) {
		(void)out_of_memory(reterr);
		goto out;
	}
	/* Before another program is run. */
	if (sign_options_load(c, &b->sign, &key, reterr) < 0)
		goto out;
	if (b->ramdisk.squashfs && squashfs_version(version, reterr) < 0)
		goto out;
	if (b->image && load_app(c, b, output, &image, &app, reterr) < 0)
		goto out;
	if (b->image && b->parts.modules.count == 0)
		command_note(c, "no --module: a kernel without its own NSM "
				"driver will not get beyond init's step 5");
	if (b->ramdisk.gzip)
		command_note(c,
			     "ramdisks compressed by zlib %s: another one "
			     "may give other PCRs",
			     gzip_zlib_version());
	if (b->ramdisk.squashfs)
		command_note(c,
			     "a squashfs (%s) by tar2sqfs %s: another one may "
			     "give other PCRs",
			     b->ramdisk.squashfs, version);
	if (make_inputs(b, &image, arguments,
			b->ramdisk.squashfs ? version : NULL, reterr) < 0) {
		arguments = NULL;
		goto out;
	}
	arguments = NULL;
	r = write_image(b, &image, &app, key, output, ret, reterr);
	output = NULL;
out:
	output_abort(output);
	cJSON_Delete(arguments);
	app_free(&app);
	image_free(&image);
	sign_key_free(key);
	return r;
}

static void close_build(struct build *b)
{
	strings_free(&b->entrypoint);
	strings_free(&b->cmd);
	strings_free(&b->env);
	part_list_close(&b->ramdisks);
	free(b->docker_image);
	cJSON_Delete(b->inputs);
	parts_close(&b->parts);
}

static int print_result(const struct command *c, struct build *b,
			const struct eif_pcrs *pcrs)
{
	cJSON *all;

	if (!b->json) {
		pcrs_print_json(pcrs);
		return EXIT_DONE;
	}
	all = pcrs_json(pcrs);
	if (all && cJSON_AddItemToObject(all, "BuildInputs", b->inputs))
		b->inputs = NULL;
	return command_print_json(c, all);
}

static int run(const struct command *c, int argc, char **argv)
{
	struct build b = { .parts = PARTS_NONE };
	struct eif_pcrs pcrs = { 0 };
	struct fault fault;
	int option, code = EXIT_DONE;

	while ((option = command_option(c, argc, argv, options)) >= 0) {
		if (option == '?') {
			code = EXIT_USAGE;
			goto out;
		}
		if (take_option(&b, option, &fault) < 0) {
			code = command_fail(c, &fault);
			goto out;
		}
	}
	if (!command_arguments(c, argc, argv, 0, "")) {
		code = EXIT_USAGE;
		goto out;
	}
	if (take_docker_uri(&b, &fault) < 0 || check_options(&b, &fault) < 0 ||
	    build(c, &b, &pcrs, &fault) < 0) {
		code = command_fail(c, &fault);
		goto out;
	}
	code = command_end(c, print_result(c, &b, &pcrs));
out:
	close_build(&b);
	return code;
}

const struct command build_command = {
	.name = "build",
	.nitro_cli = "build-enclave",
	.does = "an image from a container image or a folder",
	.help = "usage: mkeif build --image SRC --output X.eif [OPTION]...\n"
		"       mkeif build --ramdisk FILE... --kernel FILE --output X.eif [OPTION]...\n"
		"SRC: an OCI layout or docker save archive, a folder or archive of a root file\n"
		"system, -, docker://NAME and what else skopeo knows; by name oci:, oci-archive:,\n"
		"docker-archive:, dir:, rootfs:, and @sha256:... behind. Its options:\n"
		"  --arch ARCH, --tag TAG             which of several (the kernel's ARCH)\n"
		"  --entrypoint ARG, --cmd ARG        one argument each time\n"
		"  --env NAME=VALUE, --user USER[:GROUP], --workdir DIR, --stop-signal SIGNAL\n"
		"  --config FILE                      the configuration, not the image's\n"
		"  --drop-capabilities                file capabilities are left out\n"
		"  --keep-times, --mtime SECONDS      of its files\n"
		"  --owner root|keep                  whose a folder's files become (root)\n"
		"What boots it:\n"
		"  --blobs DIR                        kernel: nitro-cli's blobs or build/emulator\n"
		"  --kernel FILE, --module FILE, --cmdline TEXT|@FILE, --cmdline-section FILE\n"
		"  --init FILE, --boot-file DEST=FILE[:MODE], --default-mem N, --default-cpus N\n"
		"The file:\n"
		"  --name NAME, --image-version TEXT, --metadata FILE, --metadata-section FILE\n"
		"  --flags NUMBER (0x0240), --compress none|gzip, --squashfs[=zstd|gzip|xz]\n" SIGN_OPTIONS_HELP
		"  --expect-pcr0 HEX                  or -pcr1, -pcr2, -pcr8: or it is not made\n"
		"Prints the measurements; with --json all inputs. --docker-uri: as nitro-cli.\n",
	.options = options,
	.hints = hints,
	.run = run,
};
