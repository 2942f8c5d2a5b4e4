#ifndef NSM_KMS_NET_EXCHANGE_H
#define NSM_KMS_NET_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "nsm/kms/kmsc.h"
#include "nsm/kms/net/tls.h"
#include "nsm/kms/wire/http.h"
#include "vsock/relay/plan/address.h"

/*
 * One HTTP exchange: a connection, with TLS or without, a request that the caller has
 * written, one answer. Times are deadlines on io_now_ms' clock.
 */

/* Why it failed. */
struct exchange_fault {
	enum kmsc_step step;	     /* _CONNECT, _TLS, _SEND or _ANSWER */
	char words[KMSC_WORDS_SIZE]; /* printable ASCII */
};

struct exchange {
	int fd;		 /* -1: none */
	struct tls *tls; /* NULL: plain */
};

/*
 * Connects to TO, and makes the handshake if SETUP is not NULL. Returns 0; -KMSC_E_CONNECT:
 * nobody answers, which may be otherwise later; other -errno: it cannot be; or tls.h's. On
 * failure there is nothing to close.
 */
int exchange_open(struct exchange *e, const struct address *to,
		  const struct tls_setup *setup, int64_t deadline_ms,
		  struct exchange_fault *reterr);

/* Sends LEN bytes: 0, -KMSC_E_CLOSED, -KMSC_E_TIMEOUT, -errno or tls.h's. */
int exchange_send(struct exchange *e, const void *buf, size_t len,
		  int64_t deadline_ms, struct exchange_fault *reterr);

/*
 * Reads one answer into ANSWER, which has begun. What follows it is not read. The same errors,
 * -KMSC_E_HTTP and -KMSC_E_TOO_LONG.
 */
int exchange_receive(struct exchange *e, struct http_answer *answer,
		     int64_t deadline_ms, struct exchange_fault *reterr);

/* Closes it; once more is fine. */
void exchange_close(struct exchange *e);

/* All of these without TLS: sends REQUEST of LEN bytes to TO and reads its answer. */
int exchange_plain(const struct address *to, const void *request, size_t len,
		   struct http_answer *answer, int64_t deadline_ms,
		   struct exchange_fault *reterr);

#endif
