#include "vsock/relay/base/local.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	ANSWER_MAX = 64, /* bytes of the answer to CONNECT */
	BACKLOG = 4096,	 /* the kernel cuts it to somaxconn */
};

static int open_socket(const char *path, struct sockaddr_un *ret)
{
	int fd;

	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return -ENAMETOOLONG;
	memcpy(ret->sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd < 0 ? -errno : fd;
}

int local_connect(const char *path)
{
	struct sockaddr_un un;
	int fd = open_socket(path, &un), r;

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	r = -errno;
	close(fd);
	/* Nobody listens, which vsock calls a reset. */
	return r == -ECONNREFUSED || r == -ENOENT ? -ECONNRESET : r;
}

/*
 * Listens under another name first, so that the socket is there once it takes
 * connections and not before.
 */
int local_listen(const char *path)
{
	struct sockaddr_un un;
	char new[sizeof(un.sun_path)];
	struct stat st;
	int fd, r, n;

	/* Whoever listens there sees a connection that says nothing. */
	r = local_connect(path);
	if (r >= 0)
		close(r);
	if (r >= 0 || r == -EAGAIN)
		return -EADDRINUSE;
	if (r != -ECONNRESET)
		return r;
	/* A file that is no socket was not left over by a listener. */
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return -EEXIST;
	n = snprintf(new, sizeof(new), "%s.%d", path, (int)getpid());
	if (n < 0 || (size_t)n >= sizeof(new))
		return -ENAMETOOLONG;
	fd = open_socket(new, &un);
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

int local_ask(int fd, uint32_t port)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "CONNECT %u\n", port);
	ssize_t n;

	do
		n = send(fd, text, (size_t)len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n == len)
		return 0;
	return n >= 0 || errno == EPIPE ? -ECONNRESET : -errno;
}

/* Byte by byte, since those after the line are the port's. */
int local_answer(int fd, size_t *seen)
{
	static const char ok[] = "OK ";
	ssize_t n;
	char c;

	for (;;) {
		n = recv(fd, &c, 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ECONNRESET;
		if (c == '\n')
			return *seen < 2 ? -EPROTO : 0;
		if ((*seen < 3 && c != ok[*seen]) || *seen >= ANSWER_MAX)
			return -EPROTO;
		(*seen)++;
	}
}
