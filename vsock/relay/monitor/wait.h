#ifndef VSOCK_RELAY_MONITOR_WAIT_H
#define VSOCK_RELAY_MONITOR_WAIT_H

#include <poll.h>
#include <stdint.h>

/* What a turn of a loop waits for. */

enum { WAIT_MAX = 192 };

struct wait {
	struct pollfd fds[WAIT_MAX];
	nfds_t count;
	int64_t until_ms; /* on io_now_ms' clock */
};

/* Forgets what there was. */
void wait_begin(struct wait *w);

/* The turn ends when FD can be read; -1 is ignored, and so is one too many. */
void wait_fd(struct wait *w, int fd);

/* The same when it can be written to. */
void wait_writable(struct wait *w, int fd);

/* The turn ends at MS at the latest. */
void wait_until(struct wait *w, int64_t ms);

/* Sleeps until something has come or the time has. */
void wait_turn(const struct wait *w);

#endif
