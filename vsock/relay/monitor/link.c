#include "vsock/relay/monitor/link.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vsock/io.h"
#include "vsock/relay/base/local.h"
#include "vsock/relay/monitor/wait.h"
#include "vsock/sock.h"

int link_connect(struct link *l, const struct target *a, uint32_t port)
{
	char path[TARGET_PATH_MAX];
	int fd, r = 0;

	if (a->kind == TARGET_CID)
		fd = sock_connect_begin(a->cid, port);
	else if (target_path(a, port, false, path))
		fd = local_connect(path);
	else
		fd = -ENAMETOOLONG;
	if (fd < 0)
		return fd;
	if (a->kind == TARGET_MUX)
		r = local_ask(fd, port);
	if (r < 0) {
		close(fd);
		return r;
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

static int read_answer(struct link *l)
{
	int r;

	if (!l->is_asking)
		return 0;
	r = local_answer(l->fd, &l->seen);
	l->is_asking = r < 0;
	return r;
}

static int decide(struct link *l)
{
	struct pollfd p = { .fd = l->fd, .events = POLLOUT };
	int64_t now;
	int r;

	if (!l->is_connecting)
		return 0;
	now = io_now_ms();
	if (poll(&p, 1, 0) <= 0)
		return now >= l->due_ms ? -ETIMEDOUT : -EAGAIN;
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

int link_listen(struct link_listener *l, const struct target *a, uint32_t port)
{
	bool is_vsock = !a || a->kind == TARGET_CID;
	char path[TARGET_PATH_MAX] = "";
	int fd;

	if (is_vsock)
		fd = sock_listen(port, 0);
	else if (target_path(a, port, true, path))
		fd = local_listen(path);
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
