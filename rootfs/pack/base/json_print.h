#ifndef ROOTFS_PACK_BASE_JSON_PRINT_H
#define ROOTFS_PACK_BASE_JSON_PRINT_H

#include <cjson/cJSON.h>
#include <stdio.h>

/* TEXT in quotes, as json_print_value prints it. */
void json_print_string(FILE *to, const char *text);

/*
 * Prints JSON as nitro-cli's serde_json does, two blanks a level, the first line where the
 * cursor is and the others behind INDENT levels; control characters are escaped.
 */
void json_print_value(FILE *to, const cJSON *value, int indent);

#endif
