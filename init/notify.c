#include "init/notify.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "init/random.h"
#include "rootfs/bind.h"

enum {
	SECRET_DIGITS = 32,
	LET_GO_S = 1, /* of a message's descriptors */
};

#define VARIABLE "NOTIFY_SOCKET="
#define PARENT "/run/enclave"
#define FOLDER PARENT "/notify"

static bool number(const char *s, size_t len, uint64_t *ret)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		if (s[i] < '0' || s[i] > '9' ||
		    __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (unsigned)(s[i] - '0'), &n))
			return false;
	*ret = n;
	return len > 0;
}

/* Whether LINE is NAME, which ends in `=`, and a value; *RET is the value. */
static bool has_name(const char *line, size_t len, const char *name,
		     const char **ret, size_t *ret_len)
{
	size_t n = strlen(name);

	if (len < n || memcmp(line, name, n) != 0)
		return false;
	*ret = line + n;
	*ret_len = len - n;
	return true;
}

static bool is_one(const char *value, size_t len)
{
	return len == 1 && *value == '1';
}

static void parse_line(const char *line, size_t len, struct notify *n)
{
	const char *value;
	size_t v;

	if (has_name(line, len, "READY=", &value, &v)) {
		n->ready |= is_one(value, v);
	} else if (has_name(line, len, "STOPPING=", &value, &v)) {
		n->stopping |= is_one(value, v);
	} else if (has_name(line, len, "WATCHDOG=", &value, &v)) {
		n->watchdog |= is_one(value, v);
		n->watchdog_trigger |= v == 7 &&
				       memcmp(value, "trigger", 7) == 0;
	} else if (has_name(line, len, "STATUS=", &value, &v)) {
		n->status = value;
		n->status_len = v;
	} else if (has_name(line, len, "WATCHDOG_USEC=", &value, &v)) {
		n->has_watchdog_usec = number(value, v, &n->watchdog_usec);
	} else if (has_name(line, len, "EXTEND_TIMEOUT_USEC=", &value, &v)) {
		n->has_extend_usec = number(value, v, &n->extend_usec);
	}
}

void notify_parse(const char *text, size_t len, struct notify *ret)
{
	const char *end = text + len, *stop;

	*ret = (struct notify){ 0 };
	for (; text < end; text = stop + 1) {
		stop = memchr(text, '\n', (size_t)(end - text));
		if (!stop)
			stop = end;
		parse_line(text, (size_t)(stop - text), ret);
	}
}

static int make_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/*
 * /proc/net/unix shows everybody the name that a socket was bound to. So it is bound to
 * another one, in the working directory, and gets the one that counts afterwards.
 */
static int bind_in_folder(int fd, const char *secret, uid_t owner,
			  bool is_private)
{
	static const struct sockaddr_un un = { .sun_family = AF_UNIX,
					       .sun_path = "new" };
	int r = 0;

	(void)unlink(un.sun_path);
	if (bind(fd, (const struct sockaddr *)&un, sizeof(un)) < 0)
		return -errno;
	if (chmod(un.sun_path, is_private ? 0600 : 0666) < 0 ||
	    (is_private && chown(un.sun_path, owner, (gid_t)-1) < 0) ||
	    rename(un.sun_path, secret) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(un.sun_path);
	return r;
}

static int open_in_folder(const char *secret, uid_t owner, bool is_private)
{
	int fd, r, folder = bind_own_folder(PARENT, 0755);

	/* Nobody else may put another folder in its place. */
	if (folder >= 0) {
		close(folder);
		folder = bind_own_folder(FOLDER, 0711);
	}
	if (folder < 0)
		return folder;
	fd = make_socket();
	r = fd < 0 ? fd : fchdir(folder) < 0 ? -errno : 0;
	close(folder);
	if (r == 0) {
		r = bind_in_folder(fd, secret, owner, is_private);
		(void)!chdir("/");
	}
	if (r < 0 && fd >= 0)
		close(fd);
	return r < 0 ? r : fd;
}

/* A NUL and the name; its owner is told by each message. */
static int open_abstract(const char *secret)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const size_t len = strlen(secret);
	const int on = 1;
	int fd = make_socket(), r;

	if (fd < 0)
		return fd;
	memcpy(un.sun_path + 1, secret, len);
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0 &&
	    bind(fd, (const struct sockaddr *)&un,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			     len)) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

int notify_open(uid_t owner, bool is_private, struct notify_socket *ret)
{
	static const char folder[] = VARIABLE FOLDER "/";
	char secret[SECRET_DIGITS + 1], *to = ret->variable;
	int r = random_hex(secret, SECRET_DIGITS);

	if (r < 0)
		return r;
	*ret = (struct notify_socket){ .owner = owner };
	ret->fd = open_in_folder(secret, owner, is_private);
	if (ret->fd >= 0) {
		to = mempcpy(to, folder, sizeof(folder) - 1);
	} else {
		ret->asks_who = true;
		ret->fd = open_abstract(secret);
		to = mempcpy(to, VARIABLE "@", sizeof(VARIABLE));
	}
	memcpy(to, secret, sizeof(secret));
	return ret->fd < 0 ? ret->fd : 0;
}

_Static_assert(sizeof(VARIABLE FOLDER "/") + SECRET_DIGITS <=
		       NOTIFY_VARIABLE_MAX,
	       "the variable has room");

/* Takes or looks at a datagram, with room for who sent it, and for no descriptor. */
static ssize_t take(const struct notify_socket *s, char *buf, int flags,
		    int *ret_flags, bool *ret_counts)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct iovec part = { .iov_base = buf, .iov_len = NOTIFY_MESSAGE_MAX };
	struct msghdr m = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = s->asks_who ? control.bytes : NULL,
		.msg_controllen = s->asks_who ? sizeof(control.bytes) : 0,
	};
	struct ucred who;
	ssize_t n = recvmsg(s->fd, &m, flags | MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	*ret_flags = m.msg_flags;
	*ret_counts = !s->asks_who;
	if (s->asks_who && m.msg_controllen >= CMSG_LEN(sizeof(who)) &&
	    control.align.cmsg_level == SOL_SOCKET &&
	    control.align.cmsg_type == SCM_CREDENTIALS) {
		memcpy(&who, CMSG_DATA(&control.align), sizeof(who));
		*ret_counts = who.uid == 0 || who.uid == s->owner;
	}
	/* What is cut may end in another number than was meant. */
	*ret_counts &= !(m.msg_flags & MSG_TRUNC);
	return n;
}

ssize_t notify_receive(const struct notify_socket *s,
		       char buf[NOTIFY_MESSAGE_MAX])
{
	bool counts;
	int flags;
	ssize_t n = take(s, buf, MSG_PEEK, &flags, &counts);

	if (n < 0)
		return n;
	if (flags & MSG_CTRUNC)
		return -EMSGSIZE;
	/* Nobody else reads: it is the same one. */
	n = take(s, buf, 0, &flags, &counts);
	return n < 0 ? n : counts ? n : 0;
}

/* Waits until the socket FD can be written to. */
static void wait_for_room(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	(void)poll(&p, 1, -1);
}

/*
 * Lets go of the descriptors of the message that is next. A socket may linger for an
 * hour, but not in a process that a signal ends; the courier after this one goes on.
 */
static void let_go(const struct notify_socket *s, char *buf)
{
	bool counts;
	int flags;

	(void)alarm(LET_GO_S);
	(void)take(s, buf, 0, &flags, &counts);
	(void)alarm(0);
}

void notify_carry(const struct notify_socket *s, int to)
{
	char buf[NOTIFY_MESSAGE_MAX];
	bool counts = false;
	int flags;
	ssize_t n;

	while ((n = take(s, buf, MSG_PEEK, &flags, &counts)) >= 0) {
		/* An empty one would be an end. */
		while (counts && n > 0 &&
		       send(to, buf, (size_t)n, MSG_NOSIGNAL) < 0) {
			if (errno != EAGAIN)
				return;
			wait_for_room(to);
		}
		let_go(s, buf);
	}
}

ssize_t notify_receive_carried(int fd, char buf[NOTIFY_MESSAGE_MAX])
{
	ssize_t n = recv(fd, buf, NOTIFY_MESSAGE_MAX, MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}
