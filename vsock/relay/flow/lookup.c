#include "vsock/relay/flow/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vsock/relay/flow/loop.h"
#include "vsock/relay/flow/sandbox.h"

enum { DEFAULT_WORKERS = 4, NOBODY = UINT16_MAX };

/* A name that is being looked up by a child. */
struct child {
	struct source source;
	struct timer timer;
	struct lookup_question q;
	pid_t pid;	/* 0: the place is free */
	uint16_t first; /* of its askers */
};

/* Who waits for it; linked in the order of a stack. */
struct asker {
	uint32_t id, owner;
	uint16_t worker;
	uint16_t next;
};

/* What has been found, until it is too old. */
struct known {
	struct lookup_question q;
	struct lookup_answer a;
	int64_t until_ms;
};

struct end {
	struct source source; /* lookup's end of the pair */
	int workers;	      /* the worker's */
};

static struct end ends[PLAN_WORKERS_MAX];
static unsigned end_count;
static struct loop *loop;
static struct child children[LOOKUP_CHILDREN];
static struct asker askers[LOOKUP_ASKERS];
static uint16_t free_asker;
static struct known known[LOOKUP_KNOWN];
static unsigned next_known;

int lookup_end(unsigned number)
{
	return number < end_count ? ends[number].workers : -ENOTCONN;
}

static bool is_same(const struct lookup_question *a,
		    const struct lookup_question *b)
{
	return a->len == b->len && a->family == b->family &&
	       strncasecmp(a->name, b->name, a->len) == 0;
}

static void answer(unsigned worker, uint32_t id, const struct lookup_answer *a)
{
	struct lookup_answer one = *a;

	/* A worker that does not read gives its lookups up by itself. */
	one.id = id;
	(void)send(ends[worker].source.fd, &one, sizeof(one),
		   MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void answer_error(unsigned worker, uint32_t id, int error)
{
	struct lookup_answer a = { .error = error };

	answer(worker, id, &a);
}

/* --- In a child --------------------------------------------------------------- */

static int error_of(int code)
{
	switch (code) {
	case EAI_NONAME:
#ifdef EAI_NODATA
	case EAI_NODATA:
#endif
		return -ENOENT;
	case EAI_SYSTEM:
		return errno == ENOENT ? -EAGAIN : -errno;
	default:
		return -EAGAIN;
	}
}

static void collect(const struct addrinfo *list, struct lookup_answer *a)
{
	for (; list && a->count < RESOLVE_IPS; list = list->ai_next) {
		struct resolve_ip *ip = &a->ips[a->count];
		struct sockaddr_in6 v6;
		struct sockaddr_in v4;

		if (list->ai_family == AF_INET6) {
			memcpy(&v6, list->ai_addr, sizeof(v6));
			memcpy(ip->ip, &v6.sin6_addr, 16);
		} else if (list->ai_family == AF_INET) {
			memcpy(&v4, list->ai_addr, sizeof(v4));
			memcpy(ip->ip, &v4.sin_addr, 4);
		} else {
			continue;
		}
		ip->is_v6 = list->ai_family == AF_INET6;
		a->count++;
	}
	a->error = a->count > 0 ? 0 : -ENOENT;
}

static _Noreturn void run_child(const struct lookup_question *q, int fd)
{
	static const int families[] = { [RESOLVE_ANY] = AF_UNSPEC,
					[RESOLVE_V4] = AF_INET,
					[RESOLVE_V6] = AF_INET6 };
	struct addrinfo hints = { .ai_family = families[q->family],
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *list = NULL;
	struct lookup_answer a = { .error = 0 };
	char name[ADDRESS_NAME_MAX + 1];
	int code;

	memcpy(name, q->name, q->len);
	name[q->len] = '\0';
	code = getaddrinfo(name, NULL, &hints, &list);
	if (code != 0)
		a.error = error_of(code);
	else
		collect(list, &a);
	(void)send(fd, &a, sizeof(a), MSG_NOSIGNAL);
	_exit(0);
}

/* --- In the process of lookups --------------------------------------------------- */

static void keep(const struct child *c, const struct lookup_answer *a)
{
	struct known *k = &known[next_known++ % LOOKUP_KNOWN];

	k->q = c->q;
	k->a = *a;
	k->until_ms = loop_now_ms(loop) + RESOLVE_KEEP_MS;
}

static void end_child(struct child *c, const struct lookup_answer *a)
{
	uint16_t at, next;

	loop_remove(loop, &c->source);
	loop_untimer(loop, &c->timer);
	close(c->source.fd);
	/* It has answered and ends, or it was killed: that takes no time. */
	while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
		;
	c->pid = 0;
	if (a->error == 0)
		keep(c, a);
	for (at = c->first; at != NOBODY; at = next) {
		next = askers[at].next;
		answer(askers[at].worker, askers[at].id, a);
		askers[at].next = free_asker;
		free_asker = at;
	}
}

static void on_child(struct source *s, uint32_t events)
{
	struct child *c = LOOP_OWNER(s, struct child, source);
	struct lookup_answer a;
	ssize_t n = recv(s->fd, &a, sizeof(a), MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* Of a child whose C library was led astray no number is believed. */
	if (n != (ssize_t)sizeof(a) || a.error > 0 || a.count > RESOLVE_IPS ||
	    (a.error == 0) != (a.count > 0))
		a = (struct lookup_answer){ .error = -EAGAIN };
	(void)kill(c->pid, SIGKILL);
	end_child(c, &a);
}

static void on_late(struct timer *t)
{
	struct child *c = LOOP_OWNER(t, struct child, timer);
	struct lookup_answer a = { .error = -ETIMEDOUT };

	(void)kill(c->pid, SIGKILL);
	end_child(c, &a);
}

static int begin_child(struct child *c, const struct lookup_question *q)
{
	pid_t parent = getpid();
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	c->pid = fork();
	if (c->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			run_child(q, fds[1]);
		_exit(1);
	}
	r = c->pid < 0 ? -errno : 0;
	close(fds[1]);
	c->source = (struct source){ .ready = on_child, .fd = fds[0] };
	if (r == 0) {
		r = loop_add(loop, &c->source, EPOLLIN);
		if (r < 0) {
			(void)kill(c->pid, SIGKILL);
			(void)waitpid(c->pid, NULL, 0);
		}
	}
	if (r < 0) {
		close(fds[0]);
		c->pid = 0;
		return r;
	}
	c->q = *q;
	c->first = NOBODY;
	c->timer = (struct timer){ .due = on_late };
	loop_timer(loop, &c->timer, loop_now_ms(loop) + LOOKUP_CHILD_MS);
	return 0;
}

/* How many names are looked up for OWNER, and how many of its questions wait. */
static void count_of(uint32_t owner, unsigned *ret_names, unsigned *ret_asks)
{
	*ret_names = 0;
	*ret_asks = 0;
	for (unsigned i = 0; i < LOOKUP_CHILDREN; i++) {
		if (children[i].pid == 0)
			continue;
		*ret_names += children[i].q.owner == owner;
		for (uint16_t at = children[i].first; at != NOBODY;
		     at = askers[at].next)
			*ret_asks += askers[at].owner == owner;
	}
}

/* The child that looks Q up, which may have to be made; or NULL. */
static struct child *find_child(const struct lookup_question *q, int *reterr)
{
	struct child *c = NULL;
	unsigned names = 0, asks = 0;

	if (q->owner)
		count_of(q->owner, &names, &asks);
	*reterr = -ENOBUFS;
	if (asks >= LOOKUP_ASKERS_SHARE)
		return NULL;
	for (unsigned i = 0; i < LOOKUP_CHILDREN; i++) {
		if (children[i].pid == 0)
			c = &children[i];
		else if (is_same(&children[i].q, q))
			return &children[i];
	}
	if (names >= LOOKUP_CHILDREN_SHARE)
		return NULL;
	*reterr = c ? begin_child(c, q) : -ENOBUFS;
	return *reterr < 0 ? NULL : c;
}

static const struct lookup_answer *find_known(const struct lookup_question *q)
{
	for (unsigned i = 0; i < LOOKUP_KNOWN; i++)
		if (known[i].until_ms > loop_now_ms(loop) &&
		    is_same(&known[i].q, q))
			return &known[i].a;
	return NULL;
}

static void take_question(unsigned worker, const struct lookup_question *q)
{
	const struct lookup_answer *a = find_known(q);
	uint16_t at = free_asker;
	struct child *c = NULL;
	int error = -ENOBUFS;

	if (a) {
		answer(worker, q->id, a);
		return;
	}
	if (at != NOBODY)
		c = find_child(q, &error);
	if (!c) {
		answer_error(worker, q->id,
			     error == -ENOBUFS ? -ENOBUFS : -EAGAIN);
		return;
	}
	free_asker = askers[at].next;
	askers[at] = (struct asker){ .id = q->id,
				     .owner = q->owner,
				     .worker = (uint16_t)worker,
				     .next = c->first };
	c->first = at;
}

static void on_question(struct source *s, uint32_t events)
{
	struct end *e = LOOP_OWNER(s, struct end, source);
	struct lookup_question q;
	ssize_t n;

	(void)events;
	n = recv(s->fd, &q, sizeof(q), MSG_DONTWAIT);
	if (n != (ssize_t)sizeof(q) || q.len == 0 || q.len > ADDRESS_NAME_MAX ||
	    q.family > RESOLVE_V6)
		return;
	take_question((unsigned)(e - ends), &q);
}

/* --- The service --------------------------------------------------------------- */

static bool is_wanted(const struct plan *p)
{
	for (size_t i = 0; i < p->routes; i++)
		if (p->route[i].target.kind == ADDRESS_NAME)
			return true;
	return p->exits.count > 0;
}

static int bind_ends(const struct plan *p, struct service_fault *reterr)
{
	unsigned count = p->workers ? p->workers : DEFAULT_WORKERS;
	int fds[2];

	for (end_count = 0; end_count < count; end_count++) {
		if (socketpair(AF_UNIX,
			       SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			       fds) < 0)
			return service_fail(reterr, 0, "lookups", errno);
		ends[end_count].source.fd = fds[0];
		ends[end_count].workers = fds[1];
	}
	return 0;
}

static int start(const struct service_work *w)
{
	int r = 0;

	loop = w->loop;
	for (unsigned i = 0; i < LOOKUP_ASKERS; i++)
		askers[i].next = i + 1 < LOOKUP_ASKERS ? (uint16_t)(i + 1) :
							 (uint16_t)NOBODY;
	free_asker = 0;
	for (unsigned i = 0; i < end_count && r == 0; i++) {
		ends[i].source.ready = on_question;
		r = loop_add(loop, &ends[i].source, EPOLLIN);
	}
	return r;
}

const struct service lookup_service = {
	.name = "lookups",
	.is_single = true,
	.needs = SANDBOX_CHILDREN | SANDBOX_DATAGRAMS | SANDBOX_FILES,
	.is_wanted = is_wanted,
	.bind = bind_ends,
	.start = start,
};
