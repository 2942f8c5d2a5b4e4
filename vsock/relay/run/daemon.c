#include "vsock/relay/run/daemon.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vsock/relay/run/worker.h"

struct serving {
	const struct tool *tool;
	const char *object;
	int manager; /* a connected socket, or -1 */
};

static void tell(int manager, const char *words)
{
	/* A manager that does not listen is no reason to stop. */
	if (manager >= 0)
		(void)send(manager, words, strlen(words),
			   MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Connected before privileges are given up: -1 if nobody wants to be told. */
static int open_manager(const struct tool *t)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = path ? strlen(path) : 0;
	socklen_t size =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	int fd;

	if (len == 0)
		return -1;
	if ((path[0] != '/' && path[0] != '@') || len >= sizeof(un.sun_path)) {
		tool_remark(t, "NOTIFY_SOCKET", "%s: no path of a socket",
			    path);
		return -1;
	}
	memcpy(un.sun_path, path, len);
	if (path[0] == '@')
		un.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&un, size) == 0)
		return fd;
	tool_remark(t, "NOTIFY_SOCKET", "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static void on_ready(void *ctx)
{
	const struct serving *s = ctx;

	tool_remark(s->tool, s->object, "ready");
	tell(s->manager, "READY=1");
}

/* "FILE: line N", or what there is of it. */
static const char *place(const char *object, unsigned line, char *buf,
			 size_t cap)
{
	if (!object || !line)
		return object;
	(void)snprintf(buf, cap, "%s: line %u", object, line);
	return buf;
}

int daemon_fail(const struct tool *t, int code, const char *object,
		const struct plan_fault *f)
{
	char buf[512];

	return tool_fail(t, code, place(object, f->line, buf, sizeof(buf)),
			 "%s", f->words);
}

static int fail(const struct serving *s, const struct service_fault *f)
{
	const char *why = f->reason ? f->reason : strerror(f->error), *hint;
	char buf[512];

	hint = f->error == EAFNOSUPPORT ?
		       "; the kernel has no vsock, see enclave-relay(1)" :
		       "";
	return tool_fail(s->tool, TOOL_FILE,
			 place(s->object, f->line, buf, sizeof(buf)),
			 "%s%s%s%s", f->object, f->object[0] ? ": " : "", why,
			 hint);
}

int daemon_run(const struct tool *t, const struct plan *p, const char *object)
{
	struct serving s = { .tool = t, .object = object };
	struct service_fault f = { 0 };
	int r;

	r = worker_bind(p, &f);
	if (r < 0)
		return fail(&s, &f);
	s.manager = open_manager(t);
	r = worker_run(on_ready, &s, &f);
	tell(s.manager, "STOPPING=1");
	return r < 0 ? fail(&s, &f) : TOOL_DONE;
}
