#ifndef ROOTFS_PACK_SIGN_OSSL_H
#define ROOTFS_PACK_SIGN_OSSL_H

struct fault;

/* What is common to the users of libcrypto. */

/* Refuses WHAT with the first reason that libcrypto has noted, and forgets them all. */
int ossl_refuse(struct fault *f, const char *what);

/* A pem_password_cb that has no passphrase: libcrypto's own asks the terminal. */
int ossl_no_passphrase(char *buf, int cap, int is_writing, void *ctx);

#endif
