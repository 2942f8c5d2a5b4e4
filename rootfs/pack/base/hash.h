#ifndef ROOTFS_PACK_BASE_HASH_H
#define ROOTFS_PACK_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct fault;

/*
 * SHA-2 by libcrypto, which uses the processor's instructions. Neither OpenSSL's
 * configuration file nor its variables of the environment are looked at: they must
 * not change what an image measures.
 */

enum hash_kind { HASH_SHA256, HASH_SHA384, HASH_SHA512 };

enum { HASH_MAX = 64 /* bytes, of SHA-512 */ };

/* Bytes of a hash of that kind. */
size_t hash_len(enum hash_kind kind);

struct evp_md_ctx_st;

/* One that is being taken. */
struct hash {
	struct evp_md_ctx_st *context; /* NULL: none */
	enum hash_kind kind;
};

#define HASH_NONE ((struct hash){ .context = NULL })

/* H, which holds nothing, is for hash_free afterwards. */
int hash_begin(struct hash *h, enum hash_kind kind, struct fault *reterr);

/* A failure, of which there is none with memory that is there, shows at the end. */
void hash_add(struct hash *h, const void *data, size_t len);

/* Sets RET, hash_len bytes, and frees H, also on failure. */
int hash_end(struct hash *h, uint8_t *ret, struct fault *reterr);

/* RET, which holds nothing, goes on from where FROM is. */
int hash_copy(const struct hash *from, struct hash *ret, struct fault *reterr);

/* Nothing for one that holds nothing. */
void hash_free(struct hash *h);

#endif
