#ifndef NSM_KMS_TOOL_MATERIAL_H
#define NSM_KMS_TOOL_MATERIAL_H

#include <stddef.h>

struct blob;
struct tool;

/*
 * What a command gets besides options: ciphertexts and public keys, in the forms that others
 * write. Functions return 0, or an exit code after printing why.
 */

/*
 * Reads the ciphertext that ARG stands for: a file, "-" for stdin, or base64:TEXT; NULL: stdin,
 * if it is no terminal. A file has the bytes as they are, or as base64, also in quotes.
 */
int material_ciphertext(struct tool *t, const char *arg, struct blob *ret);

/* The same for --public-key: DER, or PEM of a public key. */
int material_public_key(struct tool *t, const char *arg, struct blob *ret);

/* Reads the file PATH of at most MAX bytes, for the option WHAT. */
int material_file(struct tool *t, const char *what, const char *path,
		  size_t max, struct blob *ret);

#endif
