#ifndef INIT_NOTIFY_H
#define INIT_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What services say of themselves, as sd_notify(3) has it: datagrams of lines
 * NAME=VALUE to the socket that NOTIFY_SOCKET names.
 */

enum {
	NOTIFY_MESSAGE_MAX = 4096, /* bytes of a datagram; longer is cut */
	NOTIFY_STATUS_MAX = 127,   /* of a status that is kept */
};

/* One datagram. */
struct notify {
	bool ready, stopping, watchdog, watchdog_trigger;
	bool has_watchdog_usec, has_extend_usec;
	uint64_t watchdog_usec, extend_usec;
	const char *status; /* NULL: none; no string */
	size_t status_len;
};

/* What TEXT of LEN bytes says; lines that it does not know it passes over. Pure. */
void notify_parse(const char *text, size_t len, struct notify *ret);

/*
 * Makes the socket, to which everybody may send: /run/enclave/notify, or, where
 * that cannot be written, one with an abstract name. Returns its descriptor,
 * which never blocks, and *RET_VARIABLE, "NOTIFY_SOCKET=..."; or -errno.
 */
int notify_open(const char **ret_variable);

/*
 * Takes one datagram off FD: at most NOTIFY_MESSAGE_MAX bytes to BUF, and who sent
 * it, as the kernel says, in this PID namespace; 0 if it is not of it. Descriptors
 * that come along are closed at once, which is what BARRIER=1 waits for: all that
 * came before has been read by then. Returns the length or -errno, -EAGAIN for
 * nothing there.
 */
ssize_t notify_receive(int fd, char buf[NOTIFY_MESSAGE_MAX], pid_t *ret_pid);

#endif
