#ifndef VSOCK_RELAY_BASE_LOCAL_H
#define VSOCK_RELAY_BASE_LOCAL_H

#include <stddef.h>
#include <stdint.h>

/*
 * Sockets of AF_UNIX with a name, and what monitors of virtual machines speak there. All are
 * non-blocking and close-on-exec.
 */

/*
 * Connects to the socket PATH. Returns a descriptor, or -errno: -ECONNRESET if nobody listens,
 * as vsock has it, -EAGAIN if its queue is full.
 */
int local_connect(const char *path);

/*
 * Listens at PATH, in place of a socket that a process has left over. Returns a descriptor, or
 * -errno: -EADDRINUSE if another process listens there, -EEXIST if PATH is no socket. The caller
 * removes the socket at the end.
 */
int local_listen(const char *path);

/* Asks the monitor at FD, to which nothing has been sent, for PORT. Returns 0 or -errno. */
int local_ask(int fd, uint32_t port);

/*
 * Reads the monitor's answer, and no byte of what follows it; *SEEN is 0 at first. Returns 0 if
 * FD is now connected to the port, or -errno: -EAGAIN if more is to come, -ECONNRESET if the
 * port is refused, -EPROTO if that was no answer.
 */
int local_answer(int fd, size_t *seen);

#endif
