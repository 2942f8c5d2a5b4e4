#ifndef INIT_BEAT_H
#define INIT_BEAT_H

#include <stdint.h>
#include <sys/types.h>

/* The longest that a heartbeat child can take: connect, send and echo. */
enum { BEAT_MAX_MS = 32000 };

/*
 * Start a child that sends the heartbeat, says on the log what went wrong with
 * it, and exits: with 0 if the parent has answered. PORT is CID 3's. Return its
 * pid or -errno.
 */
pid_t beat_positive(uint32_t port);
pid_t beat_negative(uint32_t port, uint8_t step);

#endif
