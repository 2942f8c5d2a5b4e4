/*
 * An application that uses what a machine without a network has of one, as itself and as
 * a user, and tells what came of it, one "@key=value" a line.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* It needs sys/socket.h. */
#include <linux/vm_sockets.h>

enum {
	USER = 1000,
	DEADLINE_S = 60,
	PORT = 7777,
	MESSAGES = 1000,
};

/* In one write: other lines do not come between. */
__attribute__((format(printf, 2, 3))) static void fact(const char *key,
						       const char *format, ...)
{
	char value[400], line[512];
	va_list ap;
	int n;

	va_start(ap, format);
	vsnprintf(value, sizeof(value), format, ap);
	va_end(ap);
	n = snprintf(line, sizeof(line), "@%s=%s\n", key, value);
	(void)!write(1, line, (size_t)n);
}

/* ok, or what errno says. */
static void verdict(const char *key, bool good)
{
	fact(key, "%s", good ? "ok" : strerror(errno));
}

/* --- the loopback interface --- */

/* Whether TEXT, an address of IPv4, answers: a listener there, and who connects. */
static void try_tcp4(const char *key, const char *text)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int c = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, text, &at.sin_addr);
	verdict(key, bind(s, (const void *)&at, len) == 0 &&
			     listen(s, 1) == 0 &&
			     getsockname(s, (void *)&at, &len) == 0 &&
			     connect(c, (const void *)&at, len) == 0);
	close(s);
	close(c);
}

static void try_tcp6(void)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6,
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t len = sizeof(at);
	int s = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int c = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	verdict("tcp6", bind(s, (const void *)&at, len) == 0 &&
				listen(s, 1) == 0 &&
				getsockname(s, (void *)&at, &len) == 0 &&
				connect(c, (const void *)&at, len) == 0);
	close(s);
	close(c);
}

/* A server for all addresses, and one who knows 127.0.0.1 and datagrams. */
static void try_udp(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(PORT) };
	const struct timeval patience = { DEADLINE_S, 0 };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int c = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char byte;

	(void)setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience,
			 sizeof(patience));
	if (bind(s, (const void *)&at, sizeof(at)) < 0)
		goto out;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(c, (const void *)&at, sizeof(at)) < 0 ||
	    send(c, "x", 1, 0) < 0)
		goto out;
	verdict("udp", recv(s, &byte, 1, 0) == 1);
	close(s);
	close(c);
	return;
out:
	verdict("udp", false);
	close(s);
	close(c);
}

static void try_lo(void)
{
	try_tcp4("tcp4", "127.0.0.1");
	try_tcp4("tcp4.other", "127.5.5.5");
	try_tcp4("tcp4.last", "127.255.255.254");
	try_tcp6();
	try_udp();
}

/* --- names --- */

/* The first address of NAME. */
static void try_name(const char *key, const char *name)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	char text[INET6_ADDRSTRLEN];
	int r = getaddrinfo(name, NULL, &hints, &found);

	if (r != 0) {
		fact(key, "%s", gai_strerror(r));
		return;
	}
	getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), NULL,
		    0, NI_NUMERICHOST);
	fact(key, "%s", text);
	freeaddrinfo(found);
}

static void try_names(void)
{
	char name[HOST_NAME_MAX + 1] = "";

	gethostname(name, sizeof(name) - 1);
	fact("hostname", "%s", name);
	try_name("hostname.address", name);
}

/* --- sockets that need no network --- */

/* How many datagrams wait for who does not read. */
static void try_datagrams(void)
{
	const struct sockaddr_un at = { .sun_family = AF_UNIX,
					.sun_path = "/tmp/datagrams" };
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int c = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), n = 0;

	if (bind(s, (const void *)&at, sizeof(at)) < 0 ||
	    connect(c, (const void *)&at, sizeof(at)) < 0) {
		verdict("datagrams", false);
		return;
	}
	while (n < MESSAGES && send(c, "x", 1, MSG_DONTWAIT) == 1)
		n++;
	fact("datagrams", "%d", n);
	close(s);
	close(c);
	unlink(at.sun_path);
}

static void try_vsock(void)
{
	struct sockaddr_vm at = { .svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_ANY,
				  .svm_port = PORT };
	int s = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	unsigned cid = 0;

	verdict("vsock.listen",
		s >= 0 && bind(s, (const void *)&at, sizeof(at)) == 0 &&
			listen(s, 1) == 0);
	if (s >= 0)
		close(s);
	fd = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) < 0)
		verdict("vsock.cid", false);
	else
		fact("vsock.cid", "%u", cid);
	if (fd >= 0)
		close(fd);
}

/* As ping does it that has no privileges. The kernel writes sum and identifier. */
static void try_ping(void)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	const struct icmphdr ask = { .type = ICMP_ECHO };
	const struct timeval patience = { DEADLINE_S, 0 };
	struct icmphdr answer = { .type = ICMP_ECHO };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);

	verdict("ping.socket", fd >= 0);
	if (fd < 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
			 sizeof(patience));
	verdict("ping", sendto(fd, &ask, sizeof(ask), 0, (const void *)&to,
			       sizeof(to)) == sizeof(ask) &&
				recv(fd, &answer, sizeof(answer), 0) ==
					sizeof(answer) &&
				answer.type == ICMP_ECHOREPLY);
	close(fd);
}

/* Not on lo: that is another question. */
static void try_port_80(void)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
					.sin_port = htons(80) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	verdict("port80",
		fd >= 0 && bind(fd, (const void *)&at, sizeof(at)) == 0 &&
			listen(fd, 1) == 0);
	if (fd >= 0)
		close(fd);
}

static void be_user(void)
{
	pid_t pid = fork();

	if (pid > 0) {
		waitpid(pid, NULL, 0);
		return;
	}
	if (setgroups(0, NULL) < 0 || setgid(USER) < 0 || setuid(USER) < 0)
		_exit(1);
	try_vsock();
	try_ping();
	try_port_80();
	_exit(0);
}

int main(void)
{
	try_lo();
	try_names();
	try_datagrams();
	be_user();
	fact("done", "yes");
	return 0;
}
