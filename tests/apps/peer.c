/*
 * An application that looks at its parent instance, and at what it was given: does what the
 * arguments say, one after the other, and exits with 0. Facts are "@key=value" lines.
 */

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* It needs sys/socket.h. */
#include <linux/vm_sockets.h>

#include "tests/apps/verbs.h"

enum {
	CID_PARENT = 3,
	GATE_MS = 120000, /* for what hangs */
	PORTS = 20000,
};

static void fact(const char *key, const char *value)
{
	printf("@%s=%s\n", key, value);
	fflush(stdout);
}

static int dial(const char *port)
{
	const struct sockaddr_vm at = { .svm_family = AF_VSOCK,
					.svm_cid = CID_PARENT,
					.svm_port = (unsigned)atoi(port) };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const void *)&at, sizeof(at)) == 0)
		return fd;
	fact("heard", strerror(errno));
	return -1;
}

/* Says a byte to the parent at PORT, and waits for one. */
static void do_hear(const char *port)
{
	struct pollfd p = { .fd = dial(port), .events = POLLIN };
	char byte = '?';

	if (p.fd < 0)
		return;
	(void)!write(p.fd, &byte, 1);
	if (poll(&p, 1, GATE_MS) == 1)
		fact("heard", read(p.fd, &byte, 1) == 1 ? "a byte" : "the end");
	else
		fact("heard", "nothing");
	close(p.fd);
}

/* What it was given, but for 0 to 2 and what this itself needs. */
static void do_descriptors(void)
{
	char target[512], line[600];
	struct dirent *e;
	DIR *d = opendir("/proc/self/fd");
	ssize_t n;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.' || atoi(e->d_name) == dirfd(d))
			continue;
		n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		(void)snprintf(line, sizeof(line), "%.9s %s", e->d_name,
			       target);
		fact("fd", line);
	}
	if (d)
		closedir(d);
}

/* Who listens for the parent already: each port that cannot be bound. */
static void do_ports(void)
{
	struct sockaddr_vm at = { .svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_ANY };
	char text[16];
	int fd;

	for (at.svm_port = 1; at.svm_port <= PORTS; at.svm_port++) {
		fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0) {
			fact("ports", strerror(errno));
			return;
		}
		if (bind(fd, (const void *)&at, sizeof(at)) < 0 &&
		    errno == EADDRINUSE) {
			(void)snprintf(text, sizeof(text), "%u", at.svm_port);
			fact("taken", text);
		}
		close(fd);
	}
	fact("ports", "looked at");
}

static void do_say(const char *text)
{
	fact("say", text);
}

static const struct verb actions[] = {
	{ "hear", .with = do_hear },
	{ "ports", .plain = do_ports },

	{ "say", .with = do_say },
	{ "descriptors", .plain = do_descriptors },
};

int main(int argc, char **argv)
{
	return run_verbs(actions, sizeof(actions) / sizeof(actions[0]), argc,
			 argv);
}
