#ifndef ROOTFS_PACK_BASE_SLURP_H
#define ROOTFS_PACK_BASE_SLURP_H

#include <stdbool.h>
#include <stddef.h>

struct fault;

enum {
	SLURP_MAX = 65536
}; /* bytes of a key's, certificate's or passphrase's file */

/* A small file that may be secret: freed, it is cleared. */
struct slurp {
	char *text; /* with a NUL at LEN */
	size_t len;
	bool is_readable_by_others; /* a regular file that its group or others may read */
	unsigned mode;
};

/*
 * For a PATH of an option, before anything else is opened: an `fd:N` has to be open, and
 * no program that is run gets it. Any other PATH is left alone.
 */
int slurp_claim(const char *path, struct fault *reterr);

/*
 * Reads all of PATH: a file, a pipe, or `fd:N`, the open descriptor N. Refuses more than
 * SLURP_MAX bytes, and a terminal, where nobody knows that he must type.
 */
int slurp_read(const char *path, struct slurp *ret, struct fault *reterr);

/* Clears and frees it; nothing for one of zeros. */
void slurp_free(struct slurp *s);

#endif
