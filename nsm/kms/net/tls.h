#ifndef NSM_KMS_NET_TLS_H
#define NSM_KMS_NET_TLS_H

#include <stddef.h>
#include <stdint.h>

#include "nsm/nsmc.h"

/*
 * TLS 1.2 as a client, over a non-blocking descriptor: the peer needs a certificate for the
 * host, of a chain that ends at a root that is trusted, valid at the time that is given.
 * There is no renegotiation, no resumption, no certificate of ours.
 *
 * Errors are -errno, -KMSC_E_TIMEOUT, -KMSC_E_CLOSED (the peer ended the connection),
 * -KMSC_E_TLS and -KMSC_E_CERTIFICATE; then RETERR_WORDS says what happened, in printable
 * ASCII: of a certificate its name, which check failed, and the times.
 */

enum {
	TLS_WORDS_SIZE = 512,
	TLS_SEED_MAX = 256,
	/* Bytes that a peer may send in one connection, its handshake included. */
	TLS_RECEIVE_MAX = 512 * 1024,
};

struct trust;

struct tls_setup {
	const struct trust *trust;
	const char *host; /* that the certificate must be for */
	int64_t now_s;	  /* the time for certificates, since 1970 */
	int nsm_fd;	  /* or NSMC_KERNEL_RANDOM; outlives the connection */
	struct nsmc_bytes seed; /* mixed in: at most TLS_SEED_MAX */
};

struct tls;

/*
 * Makes the handshake over FD, which stays the caller's, until DEADLINE_MS on io_now_ms'
 * clock. The caller ends *RET with tls_free.
 */
int tls_connect(const struct tls_setup *setup, int fd, int64_t deadline_ms,
		struct tls **ret, char reterr_words[TLS_WORDS_SIZE]);

/* Sends LEN bytes, all of them; the last ones with the next tls_read. */
int tls_write(struct tls *tls, const void *buf, size_t len, int64_t deadline_ms,
	      char reterr_words[TLS_WORDS_SIZE]);

/*
 * Reads up to CAP bytes. Returns how many; 0 is the peer's close_notify. An end without
 * one is -KMSC_E_CLOSED.
 */
int tls_read(struct tls *tls, void *buf, size_t cap, int64_t deadline_ms,
	     char reterr_words[TLS_WORDS_SIZE]);

/* Says goodbye if that takes no waiting; wipes and frees it. NULL is fine. */
void tls_free(struct tls *tls);

#endif
