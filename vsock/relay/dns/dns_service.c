#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vsock/relay/dns/ask.h"
#include "vsock/relay/dns/callers.h"
#include "vsock/relay/flow/loop.h"
#include "vsock/relay/flow/sandbox.h"
#include "vsock/relay/flow/service.h"
#include "vsock/relay/plan/hosts.h"
#include "vsock/relay/plan/rules.h"

/*
 * dns-forward: the enclave's name server, at 127.0.0.1:53. It asks the parent (dns/ask) for
 * names that the plan allows, and answers itself for all others.
 */

enum {
	PORT = 53,
	CALLER_ASKS = 64, /* questions of one connection at once */
	CALLER_IDLE_MS = 10000,
	DATAGRAMS = 32, /* taken a turn */
};

static const struct address at_tcp = {
	.kind = ADDRESS_TCP, .port = PORT, .last = PORT, .ip = { 127, 0, 0, 1 }
};

static int take_query(struct callers *c, const struct caller_id *caller,
		      const uint8_t *m, size_t len, uint8_t ret[DNS_ERROR_MAX]);

static struct {
	const struct plan *plan;
	struct loop *loop;
	struct source udp;
	bool udp_rests;
	struct rules allow, deny;
} dns;

static struct callers callers = { .max = CALLER_ASKS,
				  .idle_ms = CALLER_IDLE_MS,
				  .take = take_query,
				  .is_full = ask_is_full };

/* --- What is asked ---------------------------------------------------------------- */

/* The names of dns-allow; without it those that egress reaches at some port. */
static void read_rules(const struct plan *p)
{
	const struct plan_values *own = &p->dns.allow;
	const char *bad;
	size_t len, kept = 0;

	hosts_rules(&p->egress, &dns.allow, &dns.deny);
	/* What is denied at some ports only may be reached at others. */
	for (size_t i = 0; i < dns.deny.count; i++)
		if (dns.deny.at[i].ports_len == 0)
			dns.deny.at[kept++] = dns.deny.at[i];
	dns.deny.count = kept;
	if (own->count == 0)
		return;
	rules_open(&dns.allow, RULES_ANY_PORT);
	dns.deny.count = 0;
	for (size_t i = 0; i < own->count; i++)
		(void)rules_add(&dns.allow, own->at[i].at, own->at[i].len, &bad,
				&len);
}

/* A name that is none for hosts: ** alone allows it, and what denies those around it denies it. */
static void read_odd(const char *name, struct host *ret)
{
	*ret = (struct host){ .kind = HOST_NAME, .len = strlen(name) };
	memcpy(ret->name, name, ret->len);
}

static bool is_allowed(const char *name)
{
	const struct rule *rule;
	struct host host;

	if (!host_read(name, strlen(name), &host) && host.kind == HOST_NAME)
		return rules_judge(&dns.allow, &dns.deny, &host, RULES_ANY_PORT,
				   &rule) == RULES_ALLOWED;
	read_odd(name, &host);
	if (rules_find(&dns.deny, &host, RULES_ANY_PORT))
		return false;
	host.len = 0;
	return rules_find(&dns.allow, &host, RULES_ANY_PORT);
}

/*
 * Asks for what M, of LEN bytes, wants to know. Returns 0; or the length of an answer that is
 * in RET; or -EBADMSG for what gets none.
 */
static int ask_or_answer(const struct ask_from *from, const uint8_t *m,
			 size_t len, uint8_t ret[DNS_ERROR_MAX])
{
	struct dns_query q;
	int r = dns_query_take(m, len, &q, ret);

	if (r != 0)
		return r;
	/* A transfer of a zone has an answer of many messages. */
	if (q.class != DNS_CLASS_IN || q.type == DNS_TYPE_AXFR ||
	    q.type == DNS_TYPE_IXFR)
		return (int)dns_error(m, &q, DNS_REFUSED, DNS_WHY_PROHIBITED,
				      ret);
	if (!is_allowed(q.name))
		return (int)dns_error(m, &q, DNS_NXDOMAIN, DNS_WHY_PROHIBITED,
				      ret);
	if (from->caller.serial || !ask_is_known(from, q.id))
		ask_send(from, m, len, &q);
	return 0;
}

/* --- UDP -------------------------------------------------------------------------- */

/* What does not fit into the socket is lost, as datagrams are. */
static void send_to(uint32_t ip, uint16_t port, const uint8_t *m, size_t len)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = port,
				  .sin_addr.s_addr = ip };

	(void)sendto(dns.udp.fd, m, len, MSG_NOSIGNAL,
		     (const struct sockaddr *)&to, sizeof(to));
}

/* True if there may be another one. */
static bool take_datagram(void)
{
	/* One byte more is what tells that it is too long. */
	static uint8_t m[DNS_QUERY_MAX + 1];
	uint8_t error[DNS_ERROR_MAX];
	struct sockaddr_in in = { 0 };
	socklen_t in_len = sizeof(in);
	struct ask_from from = { 0 };
	ssize_t n = recvfrom(dns.udp.fd, m, sizeof(m), 0,
			     (struct sockaddr *)&in, &in_len);
	int r;

	if (n < 0)
		return errno != EAGAIN;
	from.ip = in.sin_addr.s_addr;
	from.port = in.sin_port;
	r = ask_or_answer(&from, m, (size_t)n, error);
	if (r > 0)
		send_to(from.ip, from.port, error, (size_t)r);
	return true;
}

/* While no question can be taken datagrams wait in the socket, and the kernel drops what is too much. */
static void rest(bool yes)
{
	if (dns.udp_rests == yes)
		return;
	dns.udp_rests = yes;
	loop_change(dns.loop, &dns.udp, yes ? 0 : EPOLLIN);
}

static void udp_ready(struct source *s, uint32_t events)
{
	(void)s;
	(void)events;
	for (int i = 0; i < DATAGRAMS && !ask_is_full(); i++)
		if (!take_datagram())
			break;
	rest(ask_is_full());
}

/* --- TCP -------------------------------------------------------------------------- */

static int take_query(struct callers *c, const struct caller_id *caller,
		      const uint8_t *m, size_t len, uint8_t ret[DNS_ERROR_MAX])
{
	struct ask_from from = { .caller = *caller };

	(void)c;
	return ask_or_answer(&from, m, len, ret);
}

/* --- Answers ---------------------------------------------------------------------- */

static void answered(const struct ask_from *from, uint8_t *answer, size_t len,
		     size_t udp_size)
{
	if (from->caller.serial)
		callers_answer(&callers, &from->caller, answer, len);
	else
		send_to(from->ip, from->port, answer,
			dns_cut(answer, len, udp_size));
}

static void settled(void)
{
	rest(ask_is_full());
	callers_settle(&callers);
}

/* --- The service ------------------------------------------------------------------ */

static int bind_udp(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(PORT),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	dns.udp.fd = fd;
	return 0;
}

static int bind_all(const struct plan *p, struct service_fault *reterr)
{
	int r;

	dns.plan = p;
	r = bind_udp();
	if (r < 0)
		return service_fail(reterr, p->dns.line, "udp:127.0.0.1:53",
				    -r);
	r = callers_bind(&callers, &at_tcp);
	if (r < 0)
		return service_fail(reterr, p->dns.line, "tcp:127.0.0.1:53",
				    -r);
	return 0;
}

static int start(const struct service_work *w)
{
	int r;

	read_rules(dns.plan);
	dns.loop = w->loop;
	dns.udp.ready = udp_ready;
	ask_open(w->loop, &dns.plan->dns.target, answered, settled);
	r = loop_add(w->loop, &dns.udp, EPOLLIN);
	if (r == 0)
		r = callers_start(&callers, w->loop);
	return r;
}

const struct service dns_service = {
	.name = "dns",
	.is_single = true,
	.needs = SANDBOX_DATAGRAMS,
	.is_wanted = plan_wants_dns,
	.bind = bind_all,
	.start = start,
};
