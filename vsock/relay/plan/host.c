#include "vsock/relay/plan/host.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

#include "vsock/relay/plan/words.h"

enum { LABEL_MAX = 63 };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

static bool is_of_label(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}

static char to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

void host_of_v4(const uint8_t ip[4], struct host *ret)
{
	*ret = (struct host){ .kind = HOST_V4 };
	memcpy(ret->ip, ip, 4);
}

void host_of_v6(const uint8_t ip[16], struct host *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (memcmp(ip, mapped, sizeof(mapped)) == 0) {
		host_of_v4(ip + 12, ret);
		return;
	}
	*ret = (struct host){ .kind = HOST_V6 };
	memcpy(ret->ip, ip, 16);
}

static const char *read_v6(const char *text, size_t len, struct host *ret)
{
	char copy[INET6_ADDRSTRLEN + 1];
	uint8_t ip[16];

	if (len > 0 && text[0] == '[') {
		if (text[len - 1] != ']')
			return "its bracket is not closed";
		text++;
		len -= 2;
	}
	if (len >= sizeof(copy) || memchr(text, '\0', len))
		return "it is no IPv6 address";
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (inet_pton(AF_INET6, copy, ip) != 1)
		return "it is no IPv6 address";
	host_of_v6(ip, ret);
	return NULL;
}

/* NAME's last label: would a C library read the whole as a number, or as several? */
static bool ends_in_number(const char *name, size_t len)
{
	const char *dot = memrchr(name, '.', len);
	const char *last = dot ? dot + 1 : name, *end = name + len;
	bool is_all = true;

	for (const char *c = last; c < end; c++)
		is_all &= is_digit(*c);
	if (is_all)
		return true;
	if (end - last < 2 || last[0] != '0' || last[1] != 'x')
		return false;
	for (const char *c = last + 2; c < end; c++)
		if (!is_hex(*c))
			return false;
	return true;
}

static const char *check_labels(const struct host *h)
{
	size_t label = 0;

	for (size_t i = 0; i <= h->len; i++) {
		char c = h->name[i];

		if (i < h->len && c != '.') {
			if (!is_of_label(c))
				return "it has a byte that no name has";
			if (c == '-' && label == 0)
				return "a part of it begins with a hyphen";
			label++;
			continue;
		}
		if (label == 0)
			return "a part of it is empty";
		if (label > LABEL_MAX)
			return "a part of it is longer than 63 bytes";
		if (h->name[i - 1] == '-')
			return "a part of it ends with a hyphen";
		label = 0;
	}
	return NULL;
}

static const char *read_name(const char *text, size_t len, struct host *ret)
{
	struct host h = { .kind = HOST_NAME };
	uint8_t ip[4];
	const char *why;

	if (len == 0)
		return "it is empty";
	if (len > HOST_MAX + (size_t)(text[len - 1] == '.'))
		return "it is longer than the 253 bytes of a name";
	for (size_t i = 0; i < len && i < HOST_MAX; i++)
		h.name[i] = to_lower(text[i]);
	h.len = len < HOST_MAX ? len : HOST_MAX;
	/* Of 254 bytes the last one was a dot. */
	if (len <= HOST_MAX && h.name[len - 1] == '.')
		h.name[--h.len] = '\0';
	why = check_labels(&h);
	if (why)
		return why;
	if (!ends_in_number(h.name, h.len)) {
		*ret = h;
		return NULL;
	}
	if (h.len != len || inet_pton(AF_INET, h.name, ip) != 1)
		return "it is no IPv4 address of four decimal numbers";
	host_of_v4(ip, ret);
	return NULL;
}

const char *host_read(const char *text, size_t len, struct host *ret)
{
	if (len > 0 && (text[0] == '[' || memchr(text, ':', len)))
		return read_v6(text, len, ret);
	return read_name(text, len, ret);
}

void host_text(const struct host *h, char ret[HOST_TEXT])
{
	char ip[INET6_ADDRSTRLEN] = "";

	if (h->kind == HOST_NAME) {
		words_set(ret, HOST_TEXT, h->name, NULL, 0, NULL);
		return;
	}
	(void)inet_ntop(h->kind == HOST_V4 ? AF_INET : AF_INET6, h->ip, ip,
			sizeof(ip));
	words_set(ret, HOST_TEXT, h->kind == HOST_V6 ? "[" : "", ip, strlen(ip),
		  h->kind == HOST_V6 ? "]" : "");
}

void host_port_text(const struct host *h, uint16_t port,
		    char ret[HOST_PORT_TEXT])
{
	char name[HOST_TEXT];

	host_text(h, name);
	words_set(ret, HOST_PORT_TEXT, name, NULL, 0, ":");
	words_add_number(ret, HOST_PORT_TEXT, port);
}
