#include "init/notify.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { DESCRIPTORS_MAX = 253 }; /* SCM_MAX_FD */

#define VARIABLE "NOTIFY_SOCKET="
#define FOLDER "/run/enclave"
static const char by_path[] = VARIABLE FOLDER "/notify";
static const char by_name[] = VARIABLE "@enclave-init/notify";

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

/* Binds FD to the address behind VARIABLE; an @ stands for the NUL of a name. */
static int bind_to(int fd, const char *variable)
{
	const char *address = variable + sizeof(VARIABLE) - 1;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = strlen(address);

	memcpy(un.sun_path, address, len);
	if (*address == '@')
		un.sun_path[0] = '\0';
	else
		(void)unlink(address);
	return bind(fd, (struct sockaddr *)&un,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
				(*address != '@'))) < 0 ?
		       -errno :
		       0;
}

int notify_open(const char **ret_variable)
{
	const int on = 1;
	int fd, r;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)mkdir(FOLDER, 0755);
	*ret_variable = by_path;
	r = bind_to(fd, by_path);
	if (r == 0 && chmod(by_path + sizeof(VARIABLE) - 1, 0666) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			    0);
		if (fd < 0)
			return -errno;
		*ret_variable = by_name;
		r = bind_to(fd, by_name);
	}
	if (r == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

/*
 * The last close of a socket may wait for as long as who made it likes
 * (SO_LINGER). So a child has the last one: at its end nothing lingers.
 */
static void close_all(const struct cmsghdr *c)
{
	static const struct linger off;
	size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	pid_t pid = _Fork();
	int fd;

	if (pid == 0)
		for (;;)
			(void)pause();
	for (size_t i = 0; i < count; i++) {
		memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
		if (pid < 0) /* better than nothing */
			(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &off,
					 sizeof(off));
		close(fd);
	}
	if (pid > 0)
		(void)kill(pid, SIGKILL);
}

ssize_t notify_receive(int fd, char buf[NOTIFY_MESSAGE_MAX], pid_t *ret_pid)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred)) +
			   CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec part = { .iov_base = buf, .iov_len = NOTIFY_MESSAGE_MAX };
	struct msghdr m = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	const struct cmsghdr *c;
	struct ucred who;
	ssize_t n;

	*ret_pid = 0;
	n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	/* By hand: the macros of some libc's do not compile without warnings. */
	for (size_t at = 0; at + CMSG_LEN(0) <= m.msg_controllen;
	     at += CMSG_ALIGN(c->cmsg_len)) {
		c = (const struct cmsghdr *)(const void *)(control.bytes + at);
		if (c->cmsg_len < CMSG_LEN(0))
			break;
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS) {
			close_all(c);
		} else if (c->cmsg_type == SCM_CREDENTIALS &&
			   c->cmsg_len == CMSG_LEN(sizeof(who))) {
			memcpy(&who, CMSG_DATA(c), sizeof(who));
			*ret_pid = who.pid;
		}
	}
	/* What is cut may end in another number than was meant. */
	return m.msg_flags & MSG_TRUNC ? 0 : n;
}
