#include "rootfs/pack/command/inputs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/image/digest.h"
#include "rootfs/pack/image/image.h"
#include "rootfs/pack/ramdisk/parts.h"

static int out_of_memory(struct fault *reterr)
{
	return fault_system(reterr, ENOMEM, "inputs");
}

static int add_text(cJSON *to, const char *key, const char *text,
		    struct fault *reterr)
{
	if (!text || cJSON_AddStringToObject(to, key, text))
		return 0;
	return out_of_memory(reterr);
}

static int add_content(cJSON *to, const char *key, const struct content *c,
		       struct fault *reterr)
{
	char digest[DIGEST_TEXT_MAX];

	if (digest_content(c, digest, reterr) < 0)
		return -1;
	return add_text(to, key, digest, reterr);
}

/* A file of the boot ramdisk. */
static int add_file(cJSON *to, const char *name, size_t len, unsigned mode,
		    const struct content *c, struct fault *reterr)
{
	cJSON *file = cJSON_CreateObject();
	char *copy = strndup(name, len), octal[16];
	int r = -1;

	(void)snprintf(octal, sizeof(octal), "%04o", mode);
	if (!file || !copy || !cJSON_AddItemToArray(to, file)) {
		cJSON_Delete(file);
		(void)out_of_memory(reterr);
		goto out;
	}
	r = add_text(file, "Name", copy, reterr) < 0 ||
			    add_text(file, "Mode", octal, reterr) < 0 ||
			    add_content(file, "Digest", c, reterr) < 0 ?
		    -1 :
		    0;
out:
	free(copy);
	return r;
}

/* Those of DEST=FILE[:MODE]. */
static int add_files(cJSON *to, const struct part_list *list,
		     struct fault *reterr)
{
	unsigned mode;
	char *dest;
	int r = 0;

	for (size_t i = 0; r == 0 && i < list->count; i++) {
		if (parts_boot_file(&list->items[i], &dest, &mode, reterr) < 0)
			return -1;
		r = add_file(to, dest, strlen(dest), mode,
			     &list->items[i].content, reterr);
		free(dest);
	}
	return r;
}

static int add_boot(cJSON *to, const struct parts *p, struct fault *reterr)
{
	cJSON *modules = cJSON_AddArrayToObject(to, "Modules");
	cJSON *files = cJSON_AddArrayToObject(to, "BootFiles");
	const char *name;
	size_t len;

	if (!modules || !files)
		return out_of_memory(reterr);
	if (add_content(to, "Init", &p->init_file.content, reterr) < 0)
		return -1;
	if (p->has_relay &&
	    add_content(to, "Relay", &p->relay_file.content, reterr) < 0)
		return -1;
	for (size_t i = 0; i < p->modules.count; i++) {
		name = parts_module_name(&p->modules.items[i], &len);
		if (add_file(modules, name, len, 0755,
			     &p->modules.items[i].content, reterr) < 0)
			return -1;
	}
	if (add_files(files, &p->boot_files, reterr) < 0)
		return -1;
	if (p->files.count == 0)
		return 0;
	files = cJSON_AddArrayToObject(to, "Files");
	return files ? add_files(files, &p->files, reterr) :
		       out_of_memory(reterr);
}

static int add_image(cJSON *to, const struct image *image, struct fault *reterr)
{
	cJSON *layers = cJSON_AddArrayToObject(to, "Layers");

	if (!layers)
		return out_of_memory(reterr);
	for (size_t i = 0; i < image->diff_ids.count; i++)
		if (!cJSON_AddItemToArray(
			    layers,
			    cJSON_CreateString(image->diff_ids.items[i])))
			return out_of_memory(reterr);
	if (add_text(to, "Manifest", image->manifest_digest, reterr) < 0)
		return -1;
	return add_text(to, "Configuration", image->config_digest, reterr);
}

static int add_ramdisks(cJSON *to, const struct part_list *ramdisks,
			struct fault *reterr)
{
	cJSON *list = cJSON_AddArrayToObject(to, "Ramdisks"), *item;
	char digest[DIGEST_TEXT_MAX];

	for (size_t i = 0; i < ramdisks->count; i++) {
		if (digest_content(&ramdisks->items[i].content, digest,
				   reterr) < 0)
			return fault_prefix(reterr, "%s",
					    ramdisks->items[i].path);
		item = cJSON_CreateString(digest);
		if (!item || !cJSON_AddItemToArray(list, item)) {
			cJSON_Delete(item);
			return out_of_memory(reterr);
		}
	}
	return list ? 0 : out_of_memory(reterr);
}

int inputs_make(const struct parts *p, const struct image *image,
		const struct part_list *ramdisks, cJSON **ret,
		struct fault *reterr)
{
	cJSON *all = cJSON_CreateObject();
	char cmdline[DIGEST_TEXT_MAX];

	if (!all)
		return out_of_memory(reterr);
	if (add_text(all, "Architecture", eif_arch_name(p->eif_arch), reterr) <
		    0 ||
	    add_content(all, "Kernel", &p->kernel_file.content, reterr) < 0 ||
	    digest_text(p->cmdline, p->cmdline_len, cmdline, reterr) < 0 ||
	    add_text(all, "CommandLine", cmdline, reterr) < 0)
		goto fail;
	if (image ? add_boot(all, p, reterr) < 0 ||
			    add_image(all, image, reterr) < 0 :
		    add_ramdisks(all, ramdisks, reterr) < 0)
		goto fail;
	*ret = all;
	return 0;
fail:
	cJSON_Delete(all);
	return -1;
}
