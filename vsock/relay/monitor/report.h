#ifndef VSOCK_RELAY_MONITOR_REPORT_H
#define VSOCK_RELAY_MONITOR_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/monitor/link.h"
#include "vsock/relay/monitor/status.h"

/* Takes a report: a line of JSON, and then as many bytes of the log as it says. */

struct wait;

enum {
	REPORT_SILENCE_MS = 10000, /* the longest in which nothing comes */
	REPORT_STALE_MS = 1000,
	REPORT_MS_MAX =
		60000, /* in all; the enclave itself waits 30 s at most */
};

enum report_state {
	REPORT_FREE,  /* there is none */
	REPORT_LINE,  /* its line is to come */
	REPORT_WORDS, /* STATUS and JSON are there, and LEFT bytes are to come */
};

struct report {
	enum report_state state;
	struct link link;
	uint32_t cid;	 /* of the peer; 0: not known */
	int64_t due_ms;	 /* nothing has come by then: it is cut off */
	int64_t last_ms; /* all must have come by then */
	int64_t none_ms; /* when it was last looked at, and had nothing; 0: not yet */
	struct status status;
	cJSON *json;
	uint64_t left;
	size_t at, len; /* of what TEXT holds and was not read yet */
	char text[STATUS_LINE_MAX];
};

/* Begins with a connection. */
void report_open(struct report *r, const struct link *link, uint32_t cid);

/*
 * Reads the line. Returns 0 once all of it is there, -EAGAIN before, -ENODATA if the peer
 * has ended without a byte, -ECONNRESET if it has within the line, -ETIMEDOUT; -EPROTO with
 * the reason in *RETERR if it is not a report's.
 */
int report_line(struct report *r, const char **reterr);

/*
 * Reads up to LEN bytes of the last words. Returns their number, 0 when they are
 * complete, or the errors above.
 */
int report_words(struct report *r, char *buf, size_t len);

/*
 * True if its place may be given to another one: a whole line has not come within
 * REPORT_STALE_MS. Otherwise a few silent connections could keep reports out.
 */
bool report_is_stale(const struct report *r);

/* Adds what it waits for. */
void report_wait(const struct report *r, struct wait *w);

/* Closes it, by which the enclave knows that it has arrived. Safe if it is free. */
void report_close(struct report *r);

#endif
