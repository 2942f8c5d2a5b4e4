#include "vsock/relay/monitor/link.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vsock/io.h"
#include "vsock/relay/monitor/wait.h"
#include "vsock/sock.h"

enum {
	ANSWER_MAX = 64, /* bytes of the answer to CONNECT */
	SEND_MS = 1000,
	BACKLOG = 128,
};

_Static_assert(TARGET_PATH_MAX == sizeof(((struct sockaddr_un *)0)->sun_path),
	       "the kernel's ABI");

static int unix_socket(const char *path, struct sockaddr_un *ret)
{
	int fd;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd < 0 ? -errno : fd;
}

static int unix_connect(const char *path)
{
	struct sockaddr_un un;
	int fd = unix_socket(path, &un), r;

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	r = -errno;
	close(fd);
	/* Nobody listens, which vsock calls a reset. */
	return r == -ECONNREFUSED || r == -ENOENT ? -ECONNRESET : r;
}

static int ask_for_port(int fd, uint32_t port)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "CONNECT %u\n", port);

	return io_write_full(fd, text, (size_t)len, io_now_ms() + SEND_MS);
}

int link_connect(struct link *l, const struct target *a, uint32_t port)
{
	char path[TARGET_PATH_MAX];
	int fd, r = 0;

	if (a->kind == TARGET_CID)
		fd = sock_connect_begin(a->cid, port);
	else if (target_path(a, port, false, path))
		fd = unix_connect(path);
	else
		fd = -ENAMETOOLONG;
	if (fd < 0)
		return fd;
	if (a->kind == TARGET_MUX)
		r = ask_for_port(fd, port);
	if (r < 0) {
		close(fd);
		return r == -EPIPE ? -ECONNRESET : r;
	}
	*l = (struct link){ .fd = fd,
			    .is_asking = a->kind == TARGET_MUX,
			    .is_connecting = a->kind == TARGET_CID,
			    .due_ms = io_now_ms() + LINK_CONNECT_MS };
	return 0;
}

static int receive(int fd, void *buf, size_t len)
{
	ssize_t n;

	do
		n = recv(fd, buf, len, 0);
	while (n < 0 && errno == EINTR);
	/* Linux says ENOTCONN at the end of a vsock stream that was reset. */
	if (n < 0 && errno == ENOTCONN)
		return 0;
	return n < 0 ? -errno : (int)n;
}

/* Byte by byte, since those after the line are the port's. */
static int read_answer(struct link *l)
{
	static const char ok[] = "OK";
	char c;
	int r;

	while (l->is_asking) {
		r = receive(l->fd, &c, 1);
		if (r < 0)
			return r;
		if (r == 0)
			return -ECONNRESET;
		if (c == '\n') {
			if (l->seen < 2)
				return -EPROTO;
			l->is_asking = false;
			break;
		}
		if ((l->seen < 2 && c != ok[l->seen]) ||
		    (l->seen == 2 && c != ' ') || l->seen >= ANSWER_MAX)
			return -EPROTO;
		l->seen++;
	}
	return 0;
}

static int decide(struct link *l)
{
	struct pollfd p = { .fd = l->fd, .events = POLLOUT };
	int r;

	if (!l->is_connecting)
		return 0;
	if (poll(&p, 1, 0) <= 0)
		return io_now_ms() >= l->due_ms ? -ETIMEDOUT : -EAGAIN;
	r = sock_connect_end(l->fd);
	l->is_connecting = r < 0;
	return r;
}

void link_wait(const struct link *l, struct wait *w)
{
	if (!l->is_connecting || l->fd < 0) {
		wait_fd(w, l->fd);
		return;
	}
	wait_writable(w, l->fd);
	wait_until(w, l->due_ms);
}

int link_read(struct link *l, void *buf, size_t len)
{
	int r = decide(l);

	if (r == 0)
		r = read_answer(l);

	return r < 0 ? r : receive(l->fd, buf, len);
}

bool link_is_connected(const struct link *l)
{
	return l->fd >= 0 && !l->is_asking && !l->is_connecting;
}

void link_close(struct link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

/* Sockets of this process that have a name. */
static struct link_listener *volatile named[LINK_LISTENERS_MAX];

static void remove_and_die(int signal_)
{
	for (int i = 0; i < LINK_LISTENERS_MAX; i++)
		if (named[i])
			(void)unlink(named[i]->path);
	(void)signal(signal_, SIG_DFL);
	(void)raise(signal_);
}

/* True unless there are too many. */
static bool keep_name(struct link_listener *l)
{
	static const int fatal[] = { SIGHUP, SIGINT, SIGTERM };
	static bool has_handlers;

	for (size_t i = 0; !has_handlers && i < sizeof(fatal) / sizeof(int);
	     i++)
		if (signal(fatal[i], remove_and_die) == SIG_IGN)
			(void)signal(fatal[i], SIG_IGN);
	has_handlers = true;
	for (int i = 0; i < LINK_LISTENERS_MAX; i++)
		if (!named[i]) {
			named[i] = l;
			return true;
		}
	return false;
}

/*
 * Listens under another name first, so that the socket is there once it takes
 * connections and not before.
 */
static int unix_listen(const char *path)
{
	char new[TARGET_PATH_MAX];
	struct sockaddr_un un;
	int fd, r, n;

	/* Whoever listens there sees a connection that says nothing. */
	r = unix_connect(path);
	if (r >= 0)
		close(r);
	if (r >= 0 || r == -EAGAIN)
		return -EADDRINUSE;
	n = snprintf(new, sizeof(new), "%s.%d", path, (int)getpid());
	if (n < 0 || (size_t)n >= sizeof(new))
		return -ENAMETOOLONG;
	fd = unix_socket(new, &un);
	if (fd < 0)
		return fd;
	(void)unlink(new);
	if (bind(fd, (const struct sockaddr *)&un, sizeof(un)) == 0 &&
	    listen(fd, BACKLOG) == 0 && rename(new, path) == 0)
		return fd;
	r = -errno;
	(void)unlink(new);
	close(fd);
	return r;
}

int link_listen(struct link_listener *l, const struct target *a, uint32_t port)
{
	bool is_vsock = !a || a->kind == TARGET_CID;
	char path[TARGET_PATH_MAX] = "";
	int fd;

	if (is_vsock)
		fd = sock_listen(port, 0);
	else if (target_path(a, port, true, path))
		fd = unix_listen(path);
	else
		fd = -ENAMETOOLONG;
	if (fd < 0)
		return fd;
	*l = (struct link_listener){ .fd = fd, .is_vsock = is_vsock };
	memcpy(l->path, path, sizeof(l->path));
	if (!path[0] || keep_name(l))
		return 0;
	link_unlisten(l);
	return -ENFILE;
}

const char *link_reason(int error)
{
	return error == -EADDRINUSE ? "another program listens there" :
				      strerror(-error);
}

int link_accept(struct link_listener *l, struct link *ret, uint32_t *ret_cid)
{
	uint32_t cid = 0;
	int fd;

	if (l->is_vsock) {
		fd = sock_accept(l->fd, &cid);
	} else {
		do
			fd = accept4(l->fd, NULL, NULL,
				     SOCK_CLOEXEC | SOCK_NONBLOCK);
		while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
		if (fd < 0)
			fd = -errno;
	}
	if (fd < 0)
		return fd;
	*ret = (struct link){ .fd = fd };
	*ret_cid = cid;
	return 0;
}

void link_unlisten(struct link_listener *l)
{
	if (l->fd < 0)
		return;
	for (int i = 0; i < LINK_LISTENERS_MAX; i++)
		if (named[i] == l)
			named[i] = NULL;
	if (l->path[0])
		(void)unlink(l->path);
	close(l->fd);
	l->fd = -1;
}
