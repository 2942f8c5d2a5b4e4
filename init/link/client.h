#ifndef INIT_LINK_CLIENT_H
#define INIT_LINK_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "init/link/command.h"
#include "init/link/reader.h"
#include "init/link/shared.h"

/*
 * A connection: a reader of the log or of the status, or somebody with a command. None
 * of them keeps another waiting: all is non-blocking, and what a peer does not take in
 * time it does not get.
 */

enum {
	CLIENT_WRITE_MAX = 32768, /* bytes of one write: docs/link.md */
	CLIENT_IN_MAX = 4096,	  /* of a reader, which has nothing to say */
	CLIENT_COMMAND_MS = 5000, /* for a command to arrive */
	CLIENT_LEAVE_MS = 2000,	  /* for a peer to close after the last byte */
};

enum client_kind {
	CLIENT_LOG,
	CLIENT_CONSOLE, /* reads the log, too, but for PID 1's lines */
	CLIENT_STATUS,
	CLIENT_CONTROL,
	CLIENT_LOCAL,
};

struct client {
	int fd; /* negative: there is none */
	enum client_kind kind;
	bool is_connecting;   /* we have called: not decided yet */
	bool has_heard_all;   /* it writes no more */
	bool is_leaving;      /* we write no more, and wait for it to close */
	bool is_blocked;      /* it takes nothing at the moment */
	int64_t next_ms;      /* nothing is written to it before; 0: at once */
	int64_t end_ms;	      /* when it is closed; 0: never */
	size_t heard;	      /* bytes */
	struct reader reader; /* CLIENT_LOG, CLIENT_CONSOLE */
	uint64_t began;	      /* the same: where this connection began */
	uint32_t version;     /* CLIENT_STATUS: what it knows, or gets */
	size_t out_len, out_at; /* of OUT */
	char *out;		/* all but logs: what it gets; not owned */
	size_t out_cap;
	char in[COMMAND_MAX + 2]; /* CLIENT_CONTROL, CLIENT_LOCAL */
};

/* What clients look at. */
struct client_view {
	const struct link_work *work;
	const struct ring *ring; /* NULL: no log is kept */
	const struct link_state *state;
	uint32_t version; /* of what the status port tells of STATE */
	int channel;	  /* to PID 1 */
	int64_t now_ms;
	uint64_t budget; /* bytes that may still be sent of the log */
	bool is_final;	 /* the state and the log are; all gets its end */
};

/* A client of KIND that has connected by FD. OUT of CAP bytes is for its answers. */
void client_begin(struct client *c, enum client_kind kind, int fd, char *out,
		  size_t cap, const struct client_view *v);

void client_close(struct client *c);

/* What poll(2) is to wait for; 0: nothing but its end. */
short client_events(const struct client *c, const struct client_view *v);

/* When something is due for it even without an event; 0: nothing. */
int64_t client_next(const struct client *c, const struct client_view *v);

/* Does what REVENTS and the time allow. */
void client_turn(struct client *c, short revents, struct client_view *v);

#endif
