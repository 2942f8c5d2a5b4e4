#ifndef ROOTFS_PACK_IMAGE_DIGEST_H
#define ROOTFS_PACK_IMAGE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rootfs/pack/base/spool.h"

struct fault;

/* Digests of OCI's image-spec, descriptor.md: "sha256:" or "sha512:" and lower case hex. */

enum { DIGEST_TEXT_MAX = 7 + 128 + 1 };

/* Is TEXT such a digest, to the letter? Then it is safe as part of a path, too. */
bool digest_is_valid(const char *text);

struct digest; /* being taken */

/* Of the kind of TEXT, a valid digest. */
int digest_new(const char *text, struct digest **ret, struct fault *reterr);
void digest_add(struct digest *d, const void *data, size_t len);
/* As text. D is done with, also on failure. */
int digest_finish(struct digest *d, char ret[DIGEST_TEXT_MAX],
		  struct fault *reterr);
void digest_free(struct digest *d);

/* Refuses C if its digest is not WANTED, a valid one. */
int digest_check(const struct content *c, const char *wanted,
		 struct fault *reterr);

/* The SHA-256 of a content, and of a text. */
int digest_content(const struct content *c, char ret[DIGEST_TEXT_MAX],
		   struct fault *reterr);
int digest_text(const char *text, size_t len, char ret[DIGEST_TEXT_MAX],
		struct fault *reterr);

int digest_check_text(const char *text, size_t len, const char *wanted,
		      struct fault *reterr);

#endif
