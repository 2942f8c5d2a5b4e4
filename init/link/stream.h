#ifndef INIT_LINK_STREAM_H
#define INIT_LINK_STREAM_H

#include <stdbool.h>

#include "vsock/line.h"
#include "vsock/ring.h"

/*
 * From a pipe, by lines, into the ring.
 */

/*
 * Takes what is in the pipe FD, a buffer of it at most. Returns whether there may be more.
 */
bool stream_take(int fd, struct line *l, struct ring *ring);

/* Writes the open line of L, which has waited long enough. */
void stream_flush(struct line *l, struct ring *ring);

/* Takes all that is in FD, up to STREAM_REST_MAX bytes, and ends the open line. */
void stream_end(int fd, struct line *l, struct ring *ring);

/* Makes a line of which a process that was killed may have left anything one that can be used. */
void stream_repair(struct line *l);

#endif
