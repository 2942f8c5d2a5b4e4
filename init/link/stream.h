#ifndef INIT_LINK_STREAM_H
#define INIT_LINK_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "init/link/shared.h"

/*
 * From a pipe, by lines, into the ring. A process that does it may be killed at any
 * instruction: stream_repair of the next one finishes what it had begun.
 */

/*
 * Takes what is in the pipe FD of the stream number I, LINK_INTAKE_MAX bytes at most. Returns
 * whether there may be more.
 */
bool stream_take(struct link_shared *s, size_t i, int fd, struct ring *ring);

/* Writes the open line of the stream I, which has waited long enough. */
void stream_flush(struct link_shared *s, size_t i, struct ring *ring);

/* Takes all that is in FD, up to a MiB, and ends the open line. */
void stream_end(struct link_shared *s, size_t i, int fd, struct ring *ring);

/*
 * For a process that begins: the COUNT lines of S, of which the one before may have left
 * anything, can be used, and what it had begun to write is in RING.
 */
void stream_repair(struct link_shared *s, size_t count, struct ring *ring);

#endif
