#include "vsock/relay/plan/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "vsock/relay/base/value.h"
#include "vsock/relay/plan/words.h"

enum { LABEL_MAX = 63, TCP_PORT_MAX = UINT16_MAX };

/* What is left to be read. */
struct rest {
	const char *at;
	size_t len;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Cuts off what follows the last colon. False: there is no colon. */
static bool cut_last(struct rest *r, struct rest *ret)
{
	const char *colon = memrchr(r->at, ':', r->len);
	size_t len;

	if (!colon)
		return false;
	len = (size_t)(colon - r->at);
	*ret = (struct rest){ colon + 1, r->len - len - 1 };
	r->len = len;
	return true;
}

/* PORT[-LAST], each up to MAX. */
static const char *read_ports(struct rest r, uint32_t max, unsigned flags,
			      struct address *ret)
{
	const char *end = r.at + r.len;
	uint64_t first, last;

	if (r.len == 0)
		return "its port is missing";
	if (!value_number_at(&r.at, end, max, &first))
		return max == TCP_PORT_MAX ?
			       "its port must be a number from 1 to 65535" :
			       "its port must be a number from 1 to 4294967294";
	last = first;
	if (r.at < end && *r.at == '-') {
		if (flags & ADDRESS_SINGLE)
			return "it must be one port";
		r.at++;
		if (!value_number_at(&r.at, end, max, &last))
			return "a range of ports is FIRST-LAST";
	}
	if (r.at != end)
		return "its port must be a number";
	if (first == 0)
		return "port 0 is none";
	if (last < first)
		return "its last port is before its first";
	if (last - first >= ADDRESS_RANGE_MAX)
		return "a range has 256 ports at most";
	ret->port = (uint32_t)first;
	ret->last = (uint32_t)last;
	return NULL;
}

static const char *read_vsock(struct rest r, unsigned flags,
			      struct address *ret)
{
	struct rest ports;
	const char *end;
	uint64_t cid;

	ret->kind = ADDRESS_VSOCK;
	ret->cid = ADDRESS_CID_ANY;
	if (!cut_last(&r, &ports)) {
		if (!(flags & (ADDRESS_LISTENS | ADDRESS_INSIDE)))
			return "it needs the enclave's CID: vsock:CID:PORT";
		return read_ports(r, UINT32_MAX - 1, flags, ret);
	}
	end = r.at + r.len;
	if (!value_number_at(&r.at, end, UINT32_MAX - 1, &cid) || r.at != end)
		return "its CID must be a number from 1 to 4294967294";
	if (cid == 0)
		return "CID 0 is the hypervisor's";
	ret->cid = (uint32_t)cid;
	return read_ports(ports, UINT32_MAX - 1, flags, ret);
}

static bool is_of_label(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

/* Digits and dots alone are an address, and no good one when this is asked. */
static const char *read_name(struct rest r, struct address *ret)
{
	size_t label = 0;
	bool is_number = true;

	ret->kind = ADDRESS_NAME;
	ret->name = r.at;
	if (r.len > 1 && r.at[r.len - 1] == '.')
		r.len--;
	ret->name_len = r.len;
	if (r.len == 0)
		return "its address is missing";
	if (r.len > ADDRESS_NAME_MAX)
		return "its name is too long";
	for (size_t i = 0; i < r.len; i++) {
		char c = r.at[i];

		if (c == '.' && label > 0) {
			label = 0;
			is_number = true;
			continue;
		}
		if (!is_of_label(c) || ++label > LABEL_MAX)
			return "it is neither an address nor a name";
		if (!is_digit(c))
			is_number = false;
	}
	if (label == 0)
		return "it is neither an address nor a name";
	return is_number ? "it is no IPv4 address of four numbers" : NULL;
}

static const char *read_host(struct rest r, unsigned flags, struct address *ret)
{
	char text[INET6_ADDRSTRLEN + 1];
	bool is_bracketed = r.len > 0 && r.at[0] == '[';

	ret->kind = ADDRESS_TCP;
	ret->is_v6 = is_bracketed;
	if (is_bracketed) {
		if (r.at[r.len - 1] != ']')
			return "an IPv6 address ends with a bracket";
		r.at++;
		r.len -= 2;
	} else if (memchr(r.at, ':', r.len)) {
		return "an IPv6 address stands in brackets";
	}
	if (r.len < sizeof(text) && !memchr(r.at, '\0', r.len)) {
		memcpy(text, r.at, r.len);
		text[r.len] = '\0';
		if (inet_pton(is_bracketed ? AF_INET6 : AF_INET, text,
			      ret->ip) == 1)
			return NULL;
	}
	if (is_bracketed)
		return "it is no IPv6 address";
	if (flags & ADDRESS_LISTENS)
		return "it must be an address, as names are not looked up here";
	if (flags & ADDRESS_INSIDE)
		return "it must be an address, as an enclave looks up no names";
	return read_name(r, ret);
}

static const char *read_tcp(struct rest r, unsigned flags, struct address *ret)
{
	struct rest ports;
	const char *why;

	if (!cut_last(&r, &ports))
		return "it must be tcp:ADDRESS:PORT";
	why = read_host(r, flags, ret);
	return why ? why : read_ports(ports, TCP_PORT_MAX, flags, ret);
}

static const char *read_path(struct rest r, struct address *ret)
{
	if (r.len == 0)
		return "its path is missing";
	if (r.len > ADDRESS_PATH_MAX)
		return "its path is longer than the 107 bytes of a socket's";
	if (memchr(r.at, '\0', r.len))
		return "its path has a NUL";
	ret->name = r.at;
	ret->name_len = r.len;
	return NULL;
}

static const char *read_unix(struct rest r, unsigned flags, struct address *ret)
{
	ret->kind = ADDRESS_UNIX;
	if ((flags & ADDRESS_INSIDE) && r.len > 0 && r.at[0] != '/')
		return "its path must begin with a slash";
	return read_path(r, ret);
}

/* The sockets of emulators and monitors. */
static const char *read_ported(struct rest r, unsigned flags,
			       enum address_kind kind, struct address *ret)
{
	struct rest ports;
	const char *why;

	ret->kind = kind;
	if (flags & ADDRESS_INSIDE)
		return "dir: and mux: are for the parent alone";
	if (!cut_last(&r, &ports))
		return "a colon and its port must follow the path";
	why = read_path(r, ret);
	return why ? why : read_ports(ports, UINT32_MAX - 1, flags, ret);
}

static bool steps_over(struct rest *r, const char *prefix)
{
	size_t len = strlen(prefix);

	if (r->len < len || memcmp(r->at, prefix, len) != 0)
		return false;
	r->at += len;
	r->len -= len;
	return true;
}

static const char *read_any(struct rest r, unsigned flags, struct address *ret)
{
	if (steps_over(&r, "vsock:"))
		return read_vsock(r, flags, ret);
	if (steps_over(&r, "tcp:"))
		return read_tcp(r, flags, ret);
	if (steps_over(&r, "unix:"))
		return read_unix(r, flags, ret);
	if (steps_over(&r, "dir:"))
		return read_ported(r, flags, ADDRESS_DIR, ret);
	if (steps_over(&r, "mux:"))
		return read_ported(r, flags, ADDRESS_MUX, ret);
	return flags & ADDRESS_INSIDE ?
		       "it must begin with vsock:, tcp: or unix:" :
		       "it must begin with vsock:, tcp:, unix:, dir: or mux:";
}

const char *address_read(const char *text, size_t len, unsigned flags,
			 struct address *ret)
{
	struct address a = { .kind = ADDRESS_NONE };
	const char *why = read_any((struct rest){ text, len }, flags, &a);

	if (!why)
		*ret = a;
	return why;
}

uint32_t address_ports(const struct address *a)
{
	return a->last - a->port + 1;
}

struct address address_at(const struct address *a, uint32_t index)
{
	struct address one = *a;

	one.port += index;
	one.last = one.port;
	return one;
}

static bool is_wildcard(const struct address *a)
{
	static const uint8_t zeros[16];

	return memcmp(a->ip, zeros, sizeof(zeros)) == 0;
}

static bool has_same_name(const struct address *a, const struct address *b)
{
	return a->name_len == b->name_len &&
	       memcmp(a->name, b->name, a->name_len) == 0;
}

bool address_overlaps(const struct address *a, const struct address *b)
{
	if (a->kind != b->kind || a->kind == ADDRESS_NONE)
		return false;
	if (a->kind == ADDRESS_UNIX)
		return has_same_name(a, b);
	if (a->last < b->port || b->last < a->port)
		return false;
	if (a->kind == ADDRESS_VSOCK)
		return true;
	if (a->kind != ADDRESS_TCP)
		return has_same_name(a, b);
	/* The IPv6 address of all takes IPv4 as well; the IPv4 address of all does not. */
	if (a->is_v6 != b->is_v6)
		return is_wildcard(a->is_v6 ? a : b);
	return is_wildcard(a) || is_wildcard(b) ||
	       memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

static void add_host(const struct address *a, char ret[ADDRESS_TEXT])
{
	char ip[INET6_ADDRSTRLEN];

	if (!inet_ntop(a->is_v6 ? AF_INET6 : AF_INET, a->ip, ip, sizeof(ip)))
		ip[0] = '\0';
	words_add(ret, ADDRESS_TEXT, a->is_v6 ? "[" : "");
	words_add(ret, ADDRESS_TEXT, ip);
	words_add(ret, ADDRESS_TEXT, a->is_v6 ? "]" : "");
}

void address_text(const struct address *a, char ret[ADDRESS_TEXT])
{
	static const char *const prefixes[] = {
		[ADDRESS_NONE] = "none",  [ADDRESS_VSOCK] = "vsock:",
		[ADDRESS_TCP] = "tcp:",	  [ADDRESS_NAME] = "tcp:",
		[ADDRESS_UNIX] = "unix:", [ADDRESS_DIR] = "dir:",
		[ADDRESS_MUX] = "mux:",
	};

	ret[0] = '\0';
	words_add(ret, ADDRESS_TEXT, prefixes[a->kind]);
	if (a->kind == ADDRESS_TCP)
		add_host(a, ret);
	else if (a->name)
		words_add_bytes(ret, ADDRESS_TEXT, a->name, a->name_len);
	else if (a->kind == ADDRESS_VSOCK && a->cid != ADDRESS_CID_ANY)
		words_add_number(ret, ADDRESS_TEXT, a->cid);
	if (a->kind == ADDRESS_NONE || a->kind == ADDRESS_UNIX)
		return;
	if (a->kind != ADDRESS_VSOCK || a->cid != ADDRESS_CID_ANY)
		words_add(ret, ADDRESS_TEXT, ":");
	words_add_number(ret, ADDRESS_TEXT, a->port);
	if (a->last == a->port)
		return;
	words_add(ret, ADDRESS_TEXT, "-");
	words_add_number(ret, ADDRESS_TEXT, a->last);
}
