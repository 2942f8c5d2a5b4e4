#include "nsm/api/spec/loopback.h"

#include <string.h>
#include <strings.h>

#include "nsm/api/spec/conf.h"
#include "vsock/relay/plan/address.h"

static const char must[] = "it must be 127.0.0.1:PORT or [::1]:PORT: no other "
			   "address is of this machine alone";

static bool is_loopback(const struct address *a)
{
	static const uint8_t v6[16] = { [15] = 1 };

	return a->is_v6 ? memcmp(a->ip, v6, sizeof(v6)) == 0 : a->ip[0] == 127;
}

static bool read_tcp(const char *text, size_t len, struct address *ret)
{
	static const char prefix[] = "tcp:";
	char full[sizeof(prefix) + 64];

	if (len > 64)
		return false;
	memcpy(full, prefix, sizeof(prefix) - 1);
	memcpy(full + sizeof(prefix) - 1, text, len);
	return !address_read(full, sizeof(prefix) - 1 + len,
			     ADDRESS_LISTENS | ADDRESS_SINGLE, ret) &&
	       ret->kind == ADDRESS_TCP;
}

const char *loopback_read(const char *text, struct spec_loopback *ret)
{
	struct address a;

	if (!read_tcp(text, strlen(text), &a) || !is_loopback(&a))
		return must;
	*ret = (struct spec_loopback){ .is_v6 = a.is_v6,
				       .port = (uint16_t)a.port };
	memcpy(ret->ip, a.ip, sizeof(ret->ip));
	return NULL;
}

bool loopback_is_same(const struct spec_loopback *a,
		      const struct spec_loopback *b)
{
	return a->is_v6 == b->is_v6 && a->port == b->port &&
	       memcmp(a->ip, b->ip, a->is_v6 ? 16 : 4) == 0;
}

bool loopback_is_host(const char *host, size_t len)
{
	static const char name[] = "localhost";
	enum { NAME = sizeof(name) - 1 };
	const char *colon = len ? memchr(host, ':', len) : NULL;
	char with_port[72];
	struct address a;

	if (len >= NAME && strncasecmp(host, name, NAME) == 0 &&
	    (len == NAME || host[NAME] == ':')) {
		for (size_t i = NAME + 1; i < len; i++)
			if (host[i] < '0' || host[i] > '9')
				return false;
		return len <= NAME + 6;
	}
	if (len == 0 || len > 64)
		return false;
	/* As an address with a port, which it may lack. */
	memcpy(with_port, host, len);
	if (host[0] == '[' ? host[len - 1] == ']' : !colon) {
		memcpy(with_port + len, ":80", 3);
		len += 3;
	}
	return read_tcp(with_port, len, &a) && is_loopback(&a);
}
