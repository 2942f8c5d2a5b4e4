#ifndef ROOTFS_PACK_COMMAND_DESCRIBE_H
#define ROOTFS_PACK_COMMAND_DESCRIBE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

#include "rootfs/pack/eif/eif.h"
#include "rootfs/pack/ramdisk/unpack.h"
#include "rootfs/pack/sign/signature.h"

struct emit;
struct fault;

/* A ramdisk, as the kernel leaves it. */
struct description_ramdisk {
	size_t section;
	char *fault; /* why it cannot be read, else NULL */
	uint32_t archives;
	const char *compression;
	struct unpacked unpacked;
};

/* What is known of an image: describe.c finds it, describe_json.c prints it. */
struct description {
	struct eif eif;
	uint8_t hashes[EIF_SECTIONS_MAX][EIF_HASH];
	struct eif_pcrs pcrs;
	bool is_signed;	    /* it has a signature section, */
	bool has_sign_info; /* which can be read */
	struct cert_info sign;
	cJSON *metadata; /* NULL: none, or it cannot be read */
	bool has_files;	 /* their hashes are known: they are to be shown */
	struct description_ramdisk ramdisks[EIF_SECTIONS_MAX];
	size_t ramdisk_count;
};

/*
 * Prints what `nitro-cli describe-eif` does, and keys of our own behind that. Metadata that are not as nitro-cli wants them
 * are left out: *RET_KEY is then what is wrong, else NULL. False without memory.
 */
bool describe_print_json(const struct description *d, const char **ret_key);

/* F of R as an object. */
void describe_emit_file(struct emit *e, const char *key,
			const struct unpacked *r,
			const struct unpacked_file *f);

/* Sorts objects by their keys, at each level, as serde_json does. False without memory. */
bool describe_sort(cJSON *value);

#endif
