#ifndef ROOTFS_PACK_SIGN_ENCODE_H
#define ROOTFS_PACK_SIGN_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * CBOR (RFC 8949) written item by item, each in its shortest form. What does not fit is
 * left out and IS_FULL says so, until the end: one check after the last item is enough.
 */
struct encode {
	uint8_t *data; /* the caller's, CAP bytes */
	size_t len, cap;
	bool is_full;
};

void encode_uint(struct encode *e, uint64_t v);
void encode_negative(struct encode *e, uint64_t v); /* -1 - V */
void encode_array(struct encode *e, size_t count);
void encode_map(struct encode *e, size_t pairs);
void encode_text(struct encode *e, const char *s);
void encode_bytes(struct encode *e, const void *data, size_t len);

/* Bytes as an array of integers, which is how serde writes a Vec<u8>. */
void encode_integers(struct encode *e, const uint8_t *data, size_t len);

#endif
