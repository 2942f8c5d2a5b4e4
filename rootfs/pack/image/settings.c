#include "rootfs/pack/image/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/json.h"
#include "rootfs/pack/image/digest.h"
#include "rootfs/pack/image/load.h"

/* image-spec's config.md, and what docker adds to it. */

/* A string that is not empty, as a copy in *RET, which stays NULL otherwise. */
static int take(const cJSON *config, const char *key, char **ret,
		struct fault *reterr)
{
	const char *text;

	if (json_string(config, key, &text, reterr) < 0)
		return -1;
	if (!text || *text == '\0')
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : fault_system(reterr, ENOMEM, "%s", key);
}

/* Each name once, with its last value, which is the one that a container has. */
static int take_env(const cJSON *config, struct strings *ret,
		    struct fault *reterr)
{
	return json_strings(config, "Env", ret, reterr) < 0 ?
		       -1 :
		       strings_merge_variables(ret, reterr);
}

static int check_platform(struct loader *l, const cJSON *json,
			  struct fault *reterr)
{
	const char *wanted = load_go_arch(l->options->arch), *arch, *os;

	if (json_string(json, "architecture", &arch, reterr) < 0 ||
	    json_string(json, "os", &os, reterr) < 0)
		return -1;
	if (os && *os && strcasecmp(os, "linux") != 0)
		return fault_refuse(reterr, "the image is for %s, not linux",
				    os);
	if (load_is_arch(arch, wanted))
		return 0;
	/* What its programs are for is looked at, too. */
	if (arch && *arch)
		return l->options->arch_is_given ?
			       load_note(l, reterr,
					 "the image says that it is for %s: "
					 "--arch %s stands for it",
					 arch, l->options->arch) :
			       fault_refuse(reterr,
					    "the image is for %s, not %s; if "
					    "that is wrong, --arch %s stands "
					    "for it",
					    arch, wanted, l->options->arch);
	return l->options->arch_is_given ?
		       load_note(l, reterr,
				 "the image does not say for which "
				 "architecture: --arch %s stands for it",
				 l->options->arch) :
		       fault_refuse(reterr, "the image does not say for which "
					    "architecture: --arch does");
}

static int take_diff_ids(const cJSON *json, struct strings *ret,
			 struct fault *reterr)
{
	const cJSON *rootfs;
	const char *type;

	if (json_object(json, "rootfs", &rootfs, reterr) < 0)
		return -1;
	if (!rootfs)
		return fault_refuse(reterr, "no \"rootfs\"");
	if (json_string(rootfs, "type", &type, reterr) < 0 ||
	    json_strings(rootfs, "diff_ids", ret, reterr) < 0)
		return fault_prefix(reterr, "rootfs");
	if (!type || strcmp(type, "layers") != 0)
		return fault_refuse(reterr, "rootfs: type is %s, not layers",
				    type ? type : "not said");
	if (ret->count > LOAD_LAYERS_MAX)
		return fault_refuse(reterr, "more than %d layers",
				    LOAD_LAYERS_MAX);
	for (size_t i = 0; i < ret->count; i++)
		if (!digest_is_valid(ret->items[i]))
			return fault_refuse(reterr,
					    "rootfs: not a digest by sha256 "
					    "or sha512: %s",
					    ret->items[i]);
	return 0;
}

/* The members' names of what CONFIG has under KEY, as NAME's arguments. */
static int note_names(struct loader *l, const cJSON *config, const char *key,
		      const char *name, const char *why, struct fault *reterr)
{
	const cJSON *object, *item;

	if (json_object(config, key, &object, reterr) < 0)
		return -1;
	cJSON_ArrayForEach(item, object) if (load_note(l, reterr,
						       "%s %s is ignored: %s",
						       name, item->string,
						       why) < 0) return -1;
	return 0;
}

/* The folders are made when the layers are there. */
static int take_volumes(struct loader *l, const cJSON *config,
			struct fault *reterr)
{
	const cJSON *object, *item;

	if (json_object(config, "Volumes", &object, reterr) < 0)
		return -1;
	cJSON_ArrayForEach(item, object)
	{
		if (strings_add(&l->volumes, item->string, reterr) < 0)
			return -1;
	}
	return 0;
}

static int note_ignored(struct loader *l, const cJSON *config,
			struct fault *reterr)
{
	const cJSON *health, *test, *first, *shell, *build;
	const char *kind;

	if (json_object(config, "Healthcheck", &health, reterr) < 0)
		return -1;
	if (health) {
		if (json_array(health, "Test", &test, reterr) < 0)
			return fault_prefix(reterr, "Healthcheck");
		first = test ? test->child : NULL;
		kind = first && cJSON_IsString(first) ? first->valuestring : "";
		if (first && *kind && strcmp(kind, "NONE") != 0 &&
		    load_note(l, reterr,
			      "HEALTHCHECK is ignored: an enclave's init does "
			      "not run it") < 0)
			return -1;
	}
	if (note_names(l, config, "ExposedPorts", "EXPOSE",
		       "an enclave has no network but vsock", reterr) < 0)
		return -1;
	if (json_array(config, "Shell", &shell, reterr) < 0 ||
	    json_array(config, "OnBuild", &build, reterr) < 0)
		return -1;
	if (shell && shell->child &&
	    load_note(l, reterr, "SHELL is ignored: it is for builds") < 0)
		return -1;
	if (build && build->child &&
	    load_note(l, reterr, "ONBUILD is ignored: it is for builds") < 0)
		return -1;
	return 0;
}

int settings_parse(struct loader *l, const char *text, size_t len,
		   struct strings *ret_diff_ids, struct fault *reterr)
{
	struct image *image = l->image;
	const cJSON *config;
	cJSON *json = NULL;
	int r = -1;

	if (json_parse(text, len, &json, reterr) < 0 ||
	    check_platform(l, json, reterr) < 0 ||
	    take_diff_ids(json, ret_diff_ids, reterr) < 0 ||
	    json_object(json, "config", &config, reterr) < 0)
		goto out;
	if (!config) {
		r = 0;
		goto out;
	}
	if (json_words(config, "Entrypoint", &image->entrypoint, reterr) < 0 ||
	    json_words(config, "Cmd", &image->cmd, reterr) < 0 ||
	    take_env(config, &image->env, reterr) < 0 ||
	    take(config, "User", &image->user, reterr) < 0 ||
	    take(config, "WorkingDir", &image->workdir, reterr) < 0 ||
	    take(config, "StopSignal", &image->stop_signal, reterr) < 0 ||
	    take_volumes(l, config, reterr) < 0 ||
	    note_ignored(l, config, reterr) < 0) {
		(void)fault_prefix(reterr, "config");
		goto out;
	}
	r = 0;
out:
	cJSON_Delete(json);
	return r;
}
