#ifndef ROOTFS_PACK_COMMAND_EMIT_H
#define ROOTFS_PACK_COMMAND_EMIT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * JSON as it comes, in the form of json_print_value: a million files take no memory.
 * KEY is NULL in an array and for the outermost value.
 */
struct emit {
	FILE *to;
	int depth;
	bool has_one; /* the innermost one is not empty */
};

/* KIND: '{' or '['. */
void emit_open(struct emit *e, const char *key, char kind);
void emit_close(struct emit *e, char kind);

void emit_value(struct emit *e, const char *key, const cJSON *value);
void emit_string(struct emit *e, const char *key, const char *text);
void emit_number(struct emit *e, const char *key, uint64_t n);
void emit_bool(struct emit *e, const char *key, bool truth);
void emit_null(struct emit *e, const char *key);

/* HASH, EIF_HASH bytes, in hexadecimal digits. */
void emit_hash(struct emit *e, const char *key, const uint8_t *hash);

#endif
