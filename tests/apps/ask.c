/*
 * An application that asks the local API: `ask SOCKET [METHOD PATH BODY]...`. Each request has a
 * connection of its own, and its answer is a line "@answer=METHOD PATH STATUS BODY", where
 * what is not printable is '.'. Before that, "@uid" and what opening /dev/nsm comes to.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_MAX = 65536 };

static int connect_to(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(un.sun_path))
		return -1;
	memcpy(un.sun_path, path, strlen(path) + 1);
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int send_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	for (; len > 0; text += n, len -= (size_t)n) {
		n = send(fd, text, len, MSG_NOSIGNAL);
		if (n <= 0)
			return -1;
	}
	return 0;
}

static void ask(const char *socket_path, char **words)
{
	static char request[ANSWER_MAX], answer[ANSWER_MAX + 1];
	int fd = connect_to(socket_path), len;
	size_t got = 0;
	char *body;
	ssize_t n;

	if (fd < 0) {
		printf("@answer=%s %s 000 %s\n", words[0], words[1],
		       strerror(errno));
		return;
	}
	len = snprintf(request, sizeof(request),
		       "%s %s HTTP/1.1\r\nHost: localhost\r\n"
		       "Accept: application/json\r\n"
		       "Content-Type: application/json\r\n"
		       "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
		       words[0], words[1], strlen(words[2]), words[2]);
	if (len > 0 && send_all(fd, request, (size_t)len) == 0)
		while (got < ANSWER_MAX &&
		       (n = read(fd, answer + got, ANSWER_MAX - got)) > 0)
			got += (size_t)n;
	close(fd);
	got -= got > 0 && answer[got - 1] == '\n';
	answer[got] = '\0';
	body = strstr(answer, "\r\n\r\n");
	for (char *p = answer; p < answer + got; p++)
		if (body && p >= body + 4 && (*p < ' ' || *p > '~'))
			*p = '.';
	printf("@answer=%s %s %.3s %s\n", words[0], words[1],
	       got > 12 ? answer + 9 : "000", body ? body + 4 : "");
}

int main(int argc, char **argv)
{
	int fd = open("/dev/nsm", O_RDWR | O_CLOEXEC);

	printf("@uid=%d\n@nsm=%s\n", (int)getuid(),
	       fd < 0 ? strerror(errno) : "open");
	if (argc < 2)
		return 2;
	for (int i = 2; i + 2 < argc; i += 3)
		ask(argv[1], argv + i);
	return 0;
}
