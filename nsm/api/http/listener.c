#include "nsm/api/http/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "nsm/api/http/access.h"
#include "nsm/api/http/connection.h"

enum {
	BACKLOG = 512,	/* or as many as the kernel allows */
	ACCEPTS = 16,	/* a turn */
	PAUSE_MS = 100, /* without descriptors */
	WAIT_MS = 10,	/* without room */
};

struct listener {
	struct watch watch;
	struct timer timer;
	struct connection_place place;
};

static struct {
	struct loop *loop;
	const char *path; /* of the UNIX socket, once it has its name */
	size_t count;
	struct listener at[LISTENER_MAX];
} listeners;

static int fail(struct spec_fault *f, unsigned line, const char *what, int r)
{
	f->line = line;
	(void)snprintf(f->words, sizeof(f->words), "%s: %s", what,
		       strerror(-r));
	return r;
}

/* --- connections that arrive --- */

static void on_pause(struct timer *t)
{
	struct listener *l = LOOP_OWNER(t, struct listener, timer);

	loop_change(listeners.loop, &l->watch, EPOLLIN);
}

static void rest(struct listener *l, int64_t ms)
{
	loop_change(listeners.loop, &l->watch, 0);
	loop_timer(listeners.loop, &l->timer, loop_now_ms(listeners.loop) + ms);
}

static void on_arrival(struct watch *s, uint32_t events)
{
	struct listener *l = LOOP_OWNER(s, struct listener, watch);
	int fd, one = 1;

	(void)events;
	for (int i = 0; i < ACCEPTS; i++) {
		if (!connection_has_room(&l->place)) {
			rest(l, WAIT_MS);
			return;
		}
		fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE ||
			       errno == ENOMEM || errno == ENOBUFS))
			rest(l, PAUSE_MS);
		if (fd < 0)
			return;
		if (!l->place.is_local)
			(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
					 sizeof(one));
		connection_take(fd, &l->place);
	}
}

static int start(int fd, enum spec_dialect dialect, bool is_local,
		 const char *origin)
{
	struct listener *l = &listeners.at[listeners.count++];

	l->watch = (struct watch){ .ready = on_arrival, .fd = fd };
	l->timer = (struct timer){ .due = on_pause };
	l->place.dialect = dialect;
	l->place.is_local = is_local;
	(void)snprintf(l->place.origin, sizeof(l->place.origin), "%s", origin);
	return loop_add(listeners.loop, &l->watch, EPOLLIN);
}

/* --- the UNIX socket --- */

static bool is_taken(const struct sockaddr_un *un)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool taken;

	if (fd < 0)
		return false;
	taken = connect(fd, (const struct sockaddr *)un, sizeof(*un)) == 0 ||
		errno == EAGAIN;
	close(fd);
	return taken;
}

static int set_rights(const char *path, const struct spec *s)
{
	gid_t gid;
	int r;

	if (s->socket_group) {
		r = access_group(s->socket_group, &gid);
		if (r < 0)
			return r;
		if (chown(path, (uid_t)-1, gid) < 0)
			return -errno;
	}
	return chmod(path, s->socket_mode) < 0 ? -errno : 0;
}

/* The directory of the socket, where it is missing below /run, which is empty at each boot. */
static void make_directory(const char *path)
{
	char name[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *slash = strrchr(path, '/');
	const int n =
		snprintf(name, sizeof(name), "%.*s", (int)(slash - path), path);

	if (n > 0 && (size_t)n < sizeof(name) && strncmp(name, "/run/", 5) == 0)
		(void)mkdir(name, 0755);
}

static int bind_local(int fd, const struct spec *s)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX }, other = un;
	struct stat old;
	mode_t mask;
	int n, r;

	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s", s->socket);
	if (lstat(s->socket, &old) == 0 && !S_ISSOCK(old.st_mode))
		return -EEXIST;
	if (is_taken(&un))
		return -EADDRINUSE;
	/* Under another name, which fits where the path is short. */
	n = snprintf(other.sun_path, sizeof(other.sun_path), "%s~", s->socket);
	if (n < 0 || (size_t)n >= sizeof(other.sun_path))
		return -ENAMETOOLONG;
	make_directory(s->socket);
	(void)unlink(other.sun_path);
	mask = umask(0777);
	r = bind(fd, (const struct sockaddr *)&other, sizeof(other)) < 0 ?
		    -errno :
		    0;
	(void)umask(mask);
	if (r < 0)
		return r;
	r = set_rights(other.sun_path, s);
	if (r == 0 && listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r == 0 && rename(other.sun_path, s->socket) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(other.sun_path);
	return r;
}

/* A directory that this process may not write, or make, and the lines that mend it. */
static int fail_directory(struct spec_fault *f, const char *path, int r)
{
	const char *socket = r == -ENOENT ? path : SPEC_SOCKET;
	const int len = (int)(strrchr(socket, '/') - socket);
	const unsigned uid = geteuid(), gid = getegid();

	(void)snprintf(
		f->words, sizeof(f->words),
		"%s: %s: user %u needs a directory of its own: tmpfs = %.*s:uid=%u,gid=%u,mode=0755 in enclave-init.conf, and socket = %s",
		path, strerror(-r), uid, len, socket, uid, gid, socket);
	return r;
}

static int fail_local(struct spec_fault *f, const struct spec *s, int r)
{
	gid_t gid;

	f->line = 0;
	if (s->socket_group && access_group(s->socket_group, &gid) < 0) {
		(void)snprintf(f->words, sizeof(f->words),
			       "socket-group %s: there is no such group",
			       s->socket_group);
		return r;
	}
	if (r == -ENOENT || r == -EACCES)
		return fail_directory(f, s->socket, r);
	if (r == -EPERM && s->socket_group) {
		(void)snprintf(
			f->words, sizeof(f->words),
			"%s: socket-group %s: user %u is not in that group: it needs the group in /etc/group, or by supplementary-groups",
			s->socket, s->socket_group, (unsigned)geteuid());
		return r;
	}
	return fail(f, 0, s->socket, r);
}

static int open_local(const struct spec *s, struct spec_fault *reterr)
{
	int fd, r;
	gid_t gid;

	if (s->socket_group && access_group(s->socket_group, &gid) < 0) {
		(void)snprintf(reterr->words, sizeof(reterr->words),
			       "socket-group %s: there is no such group",
			       s->socket_group);
		return -ENOENT;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = fd < 0 ? -errno : bind_local(fd, s);
	if (r == 0) {
		listeners.path = s->socket;
		return start(fd, SPEC_OWN, true, "");
	}
	if (fd >= 0)
		close(fd);
	return fail_local(reterr, s, r);
}

/* --- loopback --- */

static socklen_t address_of(const struct spec_loopback *at,
			    struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (at->is_v6) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(at->port);
		memcpy(&v6->sin6_addr, at->ip, 16);
		return sizeof(*v6);
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons(at->port);
	memcpy(&v4->sin_addr, at->ip, 4);
	return sizeof(*v4);
}

static void text_of(const struct spec_loopback *at, char *ret, size_t cap)
{
	char ip[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(at->is_v6 ? AF_INET6 : AF_INET, at->ip, ip, sizeof(ip));
	(void)snprintf(ret, cap, at->is_v6 ? "[%s]:%u" : "%s:%u", ip,
		       (unsigned)at->port);
}

static int open_loopback(const struct spec_loopback *at,
			 enum spec_dialect dialect, struct spec_fault *reterr)
{
	struct sockaddr_storage address;
	socklen_t len = address_of(at, &address);
	char text[64];
	int one = 1, r = 0;
	int fd = socket(address.ss_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	text_of(at, text, sizeof(text));
	if (fd < 0)
		return fail(reterr, at->line, text, -errno);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&address, len) < 0 ||
	    listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		return fail(reterr, at->line, text, r);
	}
	return start(fd, dialect, false, text);
}

int listener_open(struct loop *loop, const struct spec *spec,
		  struct spec_fault *reterr)
{
	int r;

	listeners.loop = loop;
	r = open_local(spec, reterr);
	for (size_t i = 0; r == 0 && i < spec->listens; i++)
		r = open_loopback(&spec->listen[i], SPEC_OWN, reterr);
	for (size_t i = 0; r == 0 && i < spec->compats; i++)
		r = open_loopback(&spec->compat[i].at, spec->compat[i].dialect,
				  reterr);
	if (r < 0)
		listener_close();
	return r;
}

void listener_forget(void)
{
	for (size_t i = 0; i < listeners.count; i++)
		close(listeners.at[i].watch.fd);
}

void listener_close(void)
{
	for (size_t i = 0; i < listeners.count; i++) {
		loop_untimer(listeners.loop, &listeners.at[i].timer);
		loop_remove(listeners.loop, &listeners.at[i].watch);
		close(listeners.at[i].watch.fd);
	}
	listeners.count = 0;
	if (listeners.path)
		(void)unlink(listeners.path);
	listeners.path = NULL;
}
