#ifndef ROOTFS_PACK_DESCRIBE_H
#define ROOTFS_PACK_DESCRIBE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

#include "rootfs/pack/eif.h"
#include "rootfs/pack/sign.h"

struct fault;

/* What is known of an image: describe.c finds it, describe_json.c prints it. */
struct description {
	struct eif eif;
	uint8_t hashes[EIF_SECTIONS_MAX][EIF_HASH];
	struct eif_pcrs pcrs;
	bool is_signed;	    /* it has a signature section, */
	bool has_sign_info; /* which can be read */
	struct sign_info sign;
	cJSON *metadata; /* NULL: none, or it cannot be read */
};

/*
 * Prints what `nitro-cli describe-eif` does. Metadata that are not as nitro-cli wants them
 * are left out: *RET_KEY is then what is wrong, else NULL. False without memory.
 */
bool describe_print_json(const struct description *d, const char **ret_key);

/* Sorts objects by their keys, at each level, as serde_json does. False without memory. */
bool describe_sort(cJSON *value);

/*
 * Prints JSON as nitro-cli's serde_json does, two blanks a level, the first line where the
 * cursor is and the others behind INDENT levels; control characters are escaped.
 */
void describe_print_value(FILE *to, const cJSON *value, int indent);

#endif
