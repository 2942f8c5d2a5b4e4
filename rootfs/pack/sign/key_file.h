#ifndef ROOTFS_PACK_SIGN_KEY_FILE_H
#define ROOTFS_PACK_SIGN_KEY_FILE_H

#include <openssl/types.h>
#include <stdbool.h>

struct fault;

enum { KEY_PASSPHRASE_CAP = 1024 };

/* A passphrase or PIN: whoever has one clears it by explicit_bzero. */
struct key_passphrase {
	char text[KEY_PASSPHRASE_CAP];
	bool is_there;
	bool is_readable_by_others; /* its file */
	unsigned mode;
};

/* The first line of PATH, as slurp.h takes it. */
int key_file_passphrase(const char *path, struct key_passphrase *ret,
			struct fault *reterr);

struct key_file_notes {
	bool is_readable_by_others, is_plain; /* not encrypted */
	unsigned mode;
};

/*
 * A PEM private key on P-256, P-384 or P-521, as slurp.h takes its PATH; for the caller
 * to free. Nobody is ever asked for a passphrase.
 */
int key_file_read(const char *path, const struct key_passphrase *pass,
		  EVP_PKEY **ret, struct key_file_notes *ret_notes,
		  struct fault *reterr);

#endif
