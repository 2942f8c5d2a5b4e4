#ifndef NSM_CMS_H
#define NSM_CMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nsm/nsmc.h"

/*
 * Parses KMS's CiphertextForRecipient: a CMS EnvelopedData (RFC 5652, 6.1) for
 * one recipient, whose key decrypts, by RSAES-OAEP with SHA-256 (RFC 8017), the
 * key of AES-256-CBC. Pure. BER as in X.690: each length may be definite, in
 * any number of bytes, or indefinite. KMS mixes them, and has used two forms
 * for the content. Nothing is allocated: what is read points into the message.
 */

enum {
	CMS_CEK_SIZE = 32, /* bytes of the content's key */
	CMS_BLOCK = 16,	   /* of AES, and of the IV */
};

struct cms {
	struct nsmc_bytes
		ski; /* names the recipient's key; absent in version 0 */
	struct nsmc_bytes key; /* encrypted; 256, 384 or 512 bytes */
	struct nsmc_bytes iv;  /* CMS_BLOCK bytes */
	/* The encrypted content, for cms_next_chunk only. */
	struct nsmc_bytes content;
	bool chunked;
	size_t content_len; /* of all chunks: whole blocks, at least one */
};

/*
 * Reads the message of LEN bytes, which must outlive *RET. Returns 0 or
 * -NSMC_E_CMS_...; *RETERR_OBJECT (may be NULL) says what is wrong, with the
 * names of RFC 5652. A message that ends too early is always -NSMC_E_CMS_CUT.
 */
int cms_parse(const void *buf, size_t len, struct cms *ret,
	      struct nsmc_object *reterr_object);

/*
 * Returns the chunks of the content one after the other; some may be empty. *AT
 * must be 0 before the first. False: there are no more.
 */
bool cms_next_chunk(const struct cms *cms, size_t *at, struct nsmc_bytes *ret);

#endif
