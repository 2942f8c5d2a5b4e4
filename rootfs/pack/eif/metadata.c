#include "rootfs/pack/eif/metadata.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/civil.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/json.h"

/* As `docker inspect` has it, as far as the image itself says. */
static cJSON *docker_info(const struct metadata *m)
{
	static const char *const keys[][2] = {
		{ "architecture", "Architecture" },
		{ "os", "Os" },
		{ "config", "Config" },
	};
	cJSON *info = cJSON_CreateObject(), *config, *tags, *item;

	if (m->image_name) {
		tags = cJSON_AddArrayToObject(info, "RepoTags");
		cJSON_AddItemToArray(tags, cJSON_CreateString(m->image_name));
	}
	config = m->image_config ? cJSON_Parse(m->image_config) : NULL;
	for (size_t i = 0; config && i < sizeof(keys) / sizeof(keys[0]); i++) {
		item = cJSON_DetachItemFromObjectCaseSensitive(config,
							       keys[i][0]);
		if (item)
			cJSON_AddItemToObject(info, keys[i][1], item);
	}
	cJSON_Delete(config);
	return info;
}

/*
 * As it stands but for the blanks: large numbers would not survive cJSON. It must be
 * an object, since nitro-cli describe-eif shows its members among the others.
 */
static cJSON *make_custom(const char *text)
{
	cJSON *parsed = cJSON_ParseWithOpts(text, NULL, true), *raw;
	bool is_object = cJSON_IsObject(parsed);
	char *copy;

	cJSON_Delete(parsed);
	if (!is_object)
		return NULL;
	copy = strdup(text);
	if (!copy)
		return NULL;
	cJSON_Minify(copy);
	raw = cJSON_CreateRaw(copy);
	free(copy);
	return raw;
}

int metadata_make(const struct metadata *m, char **ret, struct fault *reterr)
{
	cJSON *root, *build, *custom;
	char built[CIVIL_CAP], *text;

	if (!civil_text(m->time, CIVIL_RFC3339, built))
		return fault_refuse(reterr,
				    "SOURCE_DATE_EPOCH: %lld is no time",
				    (long long)m->time);
	if (m->custom && json_check(m->custom, strlen(m->custom), reterr) < 0)
		return fault_prefix(reterr, "%s", m->custom_path);
	custom = m->custom ? make_custom(m->custom) : cJSON_CreateNull();
	if (!custom)
		return fault_refuse(reterr, "%s: not a JSON object",
				    m->custom_path);

	root = cJSON_CreateObject();
	cJSON_AddStringToObject(root, "ImageName",
				m->name ? m->name : "enclave");
	cJSON_AddStringToObject(root, "ImageVersion",
				m->version ? m->version : "1");
	build = cJSON_AddObjectToObject(root, "BuildMetadata");
	cJSON_AddStringToObject(build, "BuildTime", built);
	cJSON_AddStringToObject(build, "BuildTool", "mkeif");
	cJSON_AddStringToObject(build, "BuildToolVersion", m->tool_version);
	cJSON_AddStringToObject(build, "OperatingSystem", "Linux");
	cJSON_AddStringToObject(build, "KernelVersion",
				*m->kernel_version ? m->kernel_version :
						     "unknown");
	cJSON_AddItemToObject(root, "DockerInfo", docker_info(m));
	cJSON_AddItemToObject(root, "CustomMetadata", custom);
	if (m->inputs)
		cJSON_AddItemToObject(root, "BuildInputs",
				      cJSON_Duplicate(m->inputs, true));
	text = cJSON_PrintUnformatted(root);
	cJSON_Delete(root);
	if (!text)
		return fault_system(reterr, ENOMEM, "metadata");
	if (strlen(text) > METADATA_MAX) {
		cJSON_free(text);
		return fault_refuse(
			reterr,
			"metadata: longer than %d bytes; --metadata "
			"or the image's configuration is too large",
			METADATA_MAX);
	}
	/* There it is one deeper, and names are the user's. */
	if (json_check(text, strlen(text), reterr) < 0) {
		cJSON_free(text);
		return fault_prefix(reterr, "metadata");
	}
	*ret = text;
	return 0;
}
