#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "vsock/io.h"
#include "vsock/relay/base/commands.h"
#include "vsock/relay/base/options.h"
#include "vsock/relay/base/value.h"
#include "vsock/relay/flow/resolve.h"
#include "vsock/relay/plan/allowlist.h"
#include "vsock/relay/plan/plan.h"
#include "vsock/relay/run/daemon.h"

/* In place of AWS's vsock-proxy: its arguments, its file, its words and exit codes. */

#define CONFIG_FILE "/etc/nitro_enclaves/vsock-proxy.yaml"

enum {
	IPV4 = '4',
	IPV6 = '6',
	WORKERS = 'w',
	CONFIG = 'c',

	ERROR_EXIT = 1, /* for all but misuse, as theirs has it */
	LOOKUPS_MS = 20000,
	HOST_CAP = ALLOWLIST_HOST_MAX + 1,
};

struct proxy {
	struct tool *tool;
	const char *local, *host, *port; /* the arguments */
	const char *config;
	const char *workers;
	enum resolve_family family;
	uint32_t local_port;
	uint16_t remote_port;
};

static char text[ALLOWLIST_TEXT_MAX];
static struct plan plan;

static ssize_t read_file(const char *path)
{
	ssize_t len = io_read_file(path, O_NOCTTY, text, sizeof(text));

	return len == (ssize_t)sizeof(text) ? -EFBIG : len;
}

static int family_of(const struct proxy *p)
{
	return p->family == RESOLVE_V4 ? AF_INET :
	       p->family == RESOLVE_V6 ? AF_INET6 :
					 AF_UNSPEC;
}

/* The addresses of HOST, the caller's to free; or NULL. May take seconds. */
static struct addrinfo *look_up(const struct proxy *p, const char *host)
{
	struct addrinfo hints = { .ai_family = family_of(p),
				  .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;

	return getaddrinfo(host, NULL, &hints, &list) == 0 ? list : NULL;
}

static bool to_address(const struct addrinfo *a, uint16_t port,
		       struct address *ret)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	*ret = (struct address){ .kind = ADDRESS_TCP,
				 .is_v6 = a->ai_family == AF_INET6,
				 .port = port,
				 .last = port };
	if (ret->is_v6) {
		memcpy(&v6, a->ai_addr, sizeof(v6));
		memcpy(ret->ip, &v6.sin6_addr, 16);
	} else if (a->ai_family == AF_INET) {
		memcpy(&v4, a->ai_addr, sizeof(v4));
		memcpy(ret->ip, &v4.sin_addr, 4);
	}
	return ret->is_v6 || a->ai_family == AF_INET;
}

/* An address that both lists have. */
static bool find_common(const struct addrinfo *mine,
			const struct addrinfo *theirs, uint16_t port,
			struct address *ret)
{
	struct address b;

	for (; mine; mine = mine->ai_next)
		for (const struct addrinfo *t = theirs; t; t = t->ai_next)
			if (to_address(mine, port, ret) &&
			    to_address(t, port, &b) && ret->is_v6 == b.is_v6 &&
			    memcmp(ret->ip, b.ip, sizeof(b.ip)) == 0)
				return true;
	return false;
}

/* Names of one host differ in case, and in a dot at the end, at most. */
static bool is_same_host(const char *a, const struct allowlist_entry *e)
{
	size_t len = strlen(a), other = e->host_len;

	if (len > 1 && a[len - 1] == '.')
		len--;
	if (other > 1 && e->host[other - 1] == '.')
		other--;
	return len == other && strncasecmp(a, e->host, len) == 0;
}

static int refuse(const struct proxy *p, const char *why)
{
	return tool_fail(p->tool, ERROR_EXIT, NULL,
			 "Error at checking the allowlist: %s", why);
}

static int refuse_line(const struct proxy *p, unsigned line, const char *why)
{
	return tool_fail(p->tool, ERROR_EXIT, NULL,
			 "Error at checking the allowlist: %s: line %u: %s",
			 p->config, line, why);
}

/* The target, by its name if the list has that; all of the list must be good. */
static int find_name(const struct proxy *p, size_t len, bool *ret)
{
	struct allowlist_entry e;
	struct allowlist a;
	const char *why;

	*ret = false;
	allowlist_open(&a, text, len);
	while (allowlist_next(&a, &e, &why))
		*ret |= e.port == p->remote_port && is_same_host(p->host, &e);
	if (!why)
		return 0;
	return a.line ? refuse_line(p, a.line, why) : refuse(p, why);
}

/* Does what an entry names have an address of MINE? */
static bool matches(const struct proxy *p, const struct allowlist_entry *e,
		    const struct addrinfo *mine, struct address *ret)
{
	struct addrinfo *theirs;
	char host[HOST_CAP];
	bool is_match;

	memcpy(host, e->host, e->host_len);
	host[e->host_len] = '\0';
	theirs = look_up(p, host);
	is_match = find_common(mine, theirs, p->remote_port, ret);
	if (theirs)
		freeaddrinfo(theirs);
	return is_match;
}

/*
 * The target by an address that the list has, or that a name of it has now. Only that address is
 * dialled: what the name has later is not what was allowed.
 */
static bool find_ip(const struct proxy *p, size_t len, struct address *ret)
{
	int64_t until_ms = io_now_ms() + LOOKUPS_MS;
	struct addrinfo *mine = look_up(p, p->host);
	struct allowlist_entry e;
	struct allowlist a;
	const char *why;
	bool is_found = false;

	allowlist_open(&a, text, len);
	while (mine && !is_found && io_now_ms() < until_ms &&
	       allowlist_next(&a, &e, &why))
		is_found = e.port == p->remote_port &&
			   matches(p, &e, mine, ret);
	if (mine)
		freeaddrinfo(mine);
	return is_found;
}

/* What is dialled, if it is an address or a name at all. */
static int read_target(const struct proxy *p, struct address *ret)
{
	/* The name of the target points into it. */
	static char kept[HOST_CAP + sizeof("tcp:[]:1")];
	bool is_v6 = strchr(p->host, ':') != NULL;
	const char *why;
	int n = snprintf(kept, sizeof(kept), "tcp:%s%s%s:1", is_v6 ? "[" : "",
			 p->host, is_v6 ? "]" : "");

	if (n < 0 || (size_t)n >= sizeof(kept))
		return refuse(p, "the address is too long");
	why = address_read(kept, (size_t)n, ADDRESS_SINGLE, ret);
	if (why)
		return tool_fail(p->tool, ERROR_EXIT, p->host, "%s", why);
	if (ret->kind == ADDRESS_TCP &&
	    ((ret->is_v6 && p->family == RESOLVE_V4) ||
	     (!ret->is_v6 && p->family == RESOLVE_V6)))
		return tool_fail(p->tool, ERROR_EXIT, p->host,
				 "it is not of the family that was asked for");
	ret->port = ret->last = p->remote_port;
	return 0;
}

static int check_allowlist(const struct proxy *p, struct address *target)
{
	ssize_t len = read_file(p->config);
	bool is_named = false;
	int r;

	if (len < 0)
		return tool_fail(p->tool, ERROR_EXIT, NULL,
				 "Error at checking the allowlist: Could not "
				 "open the file: %s: %s",
				 p->config, strerror((int)-len));
	r = read_target(p, target);
	if (r == 0)
		r = find_name(p, (size_t)len, &is_named);
	if (r || is_named)
		return r;
	if (find_ip(p, (size_t)len, target))
		return 0;
	return refuse(p, "The given address and port are not allowed");
}

static int read_numbers(struct proxy *p)
{
	uint64_t n;

	if (!value_number(p->local, UINT32_MAX - 1, &n))
		return tool_fail(p->tool, ERROR_EXIT, p->local,
				 "Local port is not valid");
	p->local_port = (uint32_t)n;
	if (!value_number(p->port, UINT16_MAX, &n) || n == 0)
		return tool_fail(p->tool, ERROR_EXIT, p->port,
				 "Remote port is not valid");
	p->remote_port = (uint16_t)n;
	if (p->workers && !value_number(p->workers, UINT64_MAX, &n))
		return tool_fail(p->tool, ERROR_EXIT, p->workers,
				 "Number of workers is not valid");
	if (p->workers && n == 0)
		return tool_fail(p->tool, ERROR_EXIT, NULL,
				 "Number of workers must not be 0");
	return 0;
}

static int serve_proxy(struct proxy *p)
{
	struct route *r = &plan.route[0];
	struct plan_fault fault;
	int code;

	(void)plan_read("", 0, PLAN_PARENT, &plan, &fault);
	plan.routes = 1;
	*r = (struct route){ .listen = { .kind = ADDRESS_VSOCK,
					 .cid = ADDRESS_CID_ANY } };
	r->listen.port = r->listen.last = p->local_port;
	code = check_allowlist(p, &r->target);
	if (code)
		return code;
	resolve_prefer(p->family);
	code = daemon_run(p->tool, &plan, NULL);
	return code == TOOL_DONE ? code : ERROR_EXIT;
}

static int read_argument(const struct opts *o, struct proxy *p)
{
	const char **arguments[] = { &p->local, &p->host, &p->port };

	for (unsigned i = 0; i < 3; i++)
		if (!*arguments[i]) {
			*arguments[i] = o->value;
			return 0;
		}
	return opts_too_many(o);
}

static int read_option(const struct opts *o, int id, struct proxy *p)
{
	switch (id) {
	case OPT_ARGUMENT:
		return read_argument(o, p);
	case IPV4:
	case IPV6:
		if (p->family != RESOLVE_ANY)
			return tool_usage(p->tool, o->name,
					  "not beside the other of -4 and -6");
		p->family = id == IPV4 ? RESOLVE_V4 : RESOLVE_V6;
		return 0;
	case WORKERS:
		p->workers = o->value;
		return 0;
	case CONFIG:
		p->config = o->value;
		return 0;
	default:
		return TOOL_USAGE;
	}
}

/* Their -w8 is our -w=8. */
static void split_workers(char **words)
{
	static char joined[32];

	for (; *words && strcmp(*words, "--") != 0; words++)
		if (strncmp(*words, "-w", 2) == 0 && (*words)[2] >= '0' &&
		    (*words)[2] <= '9') {
			(void)snprintf(joined, sizeof(joined), "-w=%s",
				       *words + 2);
			*words = joined;
			return;
		}
}

static int run_proxy(struct tool *t, struct opts *o)
{
	struct proxy p = { .tool = t, .config = CONFIG_FILE };
	int id, r = 0;

	split_workers(o->next);
	while (r == 0 && (id = opts_next(o)) != OPT_END)
		r = read_option(o, id, &p);
	if (r)
		return r;
	if (!p.port)
		return tool_usage(t, NULL,
				  "LOCAL_PORT, REMOTE_HOST and REMOTE_PORT are "
				  "needed");
	r = read_numbers(&p);
	return r ? r : serve_proxy(&p);
}

static const struct opt proxy_options[] = {
	{ "-4", OPT_FLAG, IPV4 },
	{ "--ipv4", OPT_FLAG, IPV4 },
	{ "-6", OPT_FLAG, IPV6 },
	{ "--ipv6", OPT_FLAG, IPV6 },
	{ "-w", OPT_VALUE, WORKERS },
	{ "--num_workers", OPT_VALUE, WORKERS },
	{ "--config", OPT_VALUE, CONFIG },
	{ 0 },
};

const struct command proxy_command = {
	.name = "vsock-proxy",
	.does = "in place of AWS's vsock-proxy: its arguments and its file",
	.help = "usage: relay vsock-proxy [OPTION]... LOCAL_PORT REMOTE_HOST REMOTE_PORT\n"
		"\n"
		"Passes connections to the vsock port LOCAL_PORT on to REMOTE_HOST, by TCP, if\n"
		"the allowlist has it with that port. A link to relay whose name is vsock-proxy\n"
		"does this without a command.\n"
		"\n"
		"  --ipv4, -4              only IPv4 addresses\n"
		"  --ipv6, -6              only IPv6 addresses\n"
		"  --num_workers N, -w N   taken, and no limit: relay needs none\n"
		"  --config FILE           " CONFIG_FILE "\n"
		"\n"
		"Other than AWS's it does not end when a lookup fails, passes on the end of one\n"
		"direction as that alone, and takes as many connections as come, up to 4096.\n"
		"\n"
		"Exit codes: 0 ended by a signal; 1 not allowed, or the system failed; 2 wrong\n"
		"usage.\n",
	.opts = proxy_options,
	.run = run_proxy,
};
