#ifndef INIT_NOTIFY_H
#define INIT_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What services say of themselves, as sd_notify(3) has it: datagrams of lines
 * NAME=VALUE to the socket that NOTIFY_SOCKET names, one for each service.
 */

enum {
	NOTIFY_MESSAGE_MAX =
		4096,		 /* bytes of a datagram; longer is no message */
	NOTIFY_STATUS_MAX = 127, /* of a status that is kept */
	NOTIFY_VARIABLE_MAX = 80,
};

/* One datagram. */
struct notify {
	bool ready, stopping, watchdog, watchdog_trigger;
	bool has_watchdog_usec, has_extend_usec;
	uint64_t watchdog_usec, extend_usec;
	const char *status; /* NULL: none; no string */
	size_t status_len;
};

struct notify_socket {
	int fd;	       /* never blocks; negative: none */
	bool asks_who; /* its address is no secret: each sender is looked at */
	uid_t owner;   /* who may send, beside root */
	char variable[NOTIFY_VARIABLE_MAX]; /* "NOTIFY_SOCKET=..." */
};

/* What TEXT of LEN bytes says; lines that it does not know it passes over. Pure. */
void notify_parse(const char *text, size_t len, struct notify *ret);

/*
 * Makes a socket below /run/enclave/notify, under a random name that nobody can list. With
 * IS_PRIVATE it is OWNER's, with mode 0600; otherwise everybody may send who has been
 * given the name, since a service that is started as root may become any user. Where
 * the folder cannot be had it is a socket with an abstract name, which everybody can
 * see, and only OWNER and root are heard. To be called before anything of the image
 * runs; the working directory is / afterwards. Returns 0 or -errno.
 */
int notify_open(uid_t owner, bool is_private, struct notify_socket *ret);

/*
 * Takes one datagram: at most NOTIFY_MESSAGE_MAX bytes to BUF. Returns its length, 0 for
 * one that does not count, or -errno: -EAGAIN for nothing there. -EMSGSIZE: the next one brings
 * descriptors, of which PID 1 must never hold the last reference: to let go of it may
 * take as long as its sender likes (a socket that lingers, a file of FUSE). It stays
 * for notify_carry.
 */
ssize_t notify_receive(const struct notify_socket *s,
		       char buf[NOTIFY_MESSAGE_MAX]);

/*
 * In a child: hands what is in the socket on to the seqpacket socket TO, without the
 * descriptors, until nothing is there. A message's descriptors are let go of after it
 * was handed on, which is what BARRIER=1 waits for.
 */
void notify_carry(const struct notify_socket *s, int to);

/* Takes one datagram that notify_carry has handed on: its length, 0 at the end, -errno. */
ssize_t notify_receive_carried(int fd, char buf[NOTIFY_MESSAGE_MAX]);

#endif
