#ifndef VSOCK_RELAY_DNS_CALLERS_H
#define VSOCK_RELAY_DNS_CALLERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/dns/messages.h"
#include "vsock/relay/flow/listener.h"
#include "vsock/relay/flow/loop.h"
#include "vsock/relay/wire/dns.h"

struct callers;

/*
 * Those who send queries of DNS over connections, several at a time, and take the answers in
 * any order (RFC 7766). Who sends more than there is room for is not read from. Of vsock no CID
 * has more than its share, so that an enclave cannot keep others out.
 */

enum {
	CALLERS_MAX = 64,
	CALLERS_SHARE = 16, /* of one CID */
	CALLERS_OUT =
		1 << 20, /* bytes that one does not take before it is dropped */
};

/* Which of them, for the answer. A SERIAL of 0: none. */
struct caller_id {
	uint32_t serial;
	uint32_t index;
};

struct caller {
	struct messages stream; /* no descriptor: free */
	struct caller_id id;
	uint32_t cid; /* of vsock; 0: of others */
	unsigned asked;
	bool has_ended; /* nothing more comes of it */
	int64_t used_ms;
};

struct callers {
	/* The caller's of callers_start; MAX: queries of one connection or CID at once. */
	unsigned max;
	int64_t idle_ms;
	/*
	 * Takes a query of LEN bytes. Returns 0 if callers_answer will be called for it, also from within;
	 * the length of an answer in RET; or -EBADMSG: the connection is closed.
	 */
	int (*take)(struct callers *c, const struct caller_id *from,
		    const uint8_t *m, size_t len, uint8_t ret[DNS_ERROR_MAX]);
	/* No query can be taken now. */
	bool (*is_full)(void);

	struct loop *loop;
	struct listener listener;
	struct timer timer;
	uint32_t serial;
	struct caller at[CALLERS_MAX];
};

/* As listener_bind and listener_start. */
int callers_bind(struct callers *c, const struct address *at);
int callers_start(struct callers *c, struct loop *l);

/* The answer to what FROM has asked, who may be gone. Takes no query. */
void callers_answer(struct callers *c, const struct caller_id *from,
		    const uint8_t *answer, size_t len);

/* After answers: takes what had to wait. Not from within TAKE. */
void callers_settle(struct callers *c);

#endif
