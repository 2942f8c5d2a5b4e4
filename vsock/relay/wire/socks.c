#include "vsock/relay/wire/socks.h"

#include <string.h>

enum { NO_AUTHENTICATION = 0, CONNECT = 1, V4 = 1, NAME = 3, V6 = 4 };

int socks_read_methods(const uint8_t *bytes, size_t len, uint8_t ret[2])
{
	size_t whole;

	if (len < 2)
		return 0;
	whole = 2U + bytes[1];
	if (len < whole)
		return 0;
	ret[0] = SOCKS_VERSION;
	ret[1] = memchr(bytes + 2, NO_AUTHENTICATION, bytes[1]) ? 0 : 0xff;
	return (int)whole;
}

/* The length of an address of TYPE, its own length included; 0: there is no such type. */
static size_t address_len(uint8_t type, uint8_t first)
{
	switch (type) {
	case V4:
		return 4;
	case V6:
		return 16;
	case NAME:
		return 1U + first;
	default:
		return 0;
	}
}

/* VERSION, a byte, 0, an address and a port, which is what both sides send. */
static int whole_message(const uint8_t *bytes, size_t len)
{
	size_t address;

	if (len < 5)
		return 0;
	if (bytes[0] != SOCKS_VERSION || bytes[2] != 0)
		return -1;
	address = address_len(bytes[3], bytes[4]);
	if (address == 0)
		return -1;
	return len < 4 + address + 2 ? 0 : (int)(4 + address + 2);
}

static bool read_address(const uint8_t *bytes, struct host *ret)
{
	switch (bytes[3]) {
	case V4:
		host_of_v4(bytes + 4, ret);
		return true;
	case V6:
		host_of_v6(bytes + 4, ret);
		return true;
	default:
		return !host_read((const char *)bytes + 5, bytes[4], ret);
	}
}

int socks_read_request(const uint8_t *bytes, size_t len, struct host *ret,
		       uint16_t *ret_port, enum socks_reply *reterr)
{
	int whole;

	*reterr = SOCKS_FAILED;
	if (len >= 2 && bytes[0] == SOCKS_VERSION && bytes[1] != CONNECT) {
		*reterr = SOCKS_NO_COMMAND;
		return -1;
	}
	whole = whole_message(bytes, len);
	if (whole < 0 && bytes[0] == SOCKS_VERSION && bytes[2] == 0)
		*reterr = SOCKS_NO_ADDRESS;
	if (whole <= 0)
		return whole;
	*ret_port = (uint16_t)(bytes[whole - 2] << 8 | bytes[whole - 1]);
	if (*ret_port == 0 || !read_address(bytes, ret)) {
		*reterr = SOCKS_NO_ADDRESS;
		return -1;
	}
	return whole;
}

int socks_read_choice(const uint8_t *bytes, size_t len)
{
	if (len < 2)
		return 0;
	return bytes[0] == SOCKS_VERSION && bytes[1] == NO_AUTHENTICATION ? 2 :
									    -1;
}

int socks_read_reply(const uint8_t *bytes, size_t len, enum socks_reply *ret)
{
	int whole;

	/* Some servers send no more than that of a refusal. */
	if (len >= 2 && bytes[0] == SOCKS_VERSION && bytes[1] != 0) {
		*ret = bytes[1] <= SOCKS_NO_ADDRESS ?
			       (enum socks_reply)bytes[1] :
			       SOCKS_FAILED;
		return (int)len;
	}
	whole = whole_message(bytes, len);
	if (whole > 0)
		*ret = SOCKS_DONE;
	return whole;
}

size_t socks_write_methods(uint8_t ret[SOCKS_MESSAGE_MAX])
{
	static const uint8_t methods[] = { SOCKS_VERSION, 1,
					   NO_AUTHENTICATION };

	memcpy(ret, methods, sizeof(methods));
	return sizeof(methods);
}

size_t socks_write_request(const struct host *host, uint16_t port,
			   uint8_t ret[SOCKS_MESSAGE_MAX])
{
	size_t len = 4;

	ret[0] = SOCKS_VERSION;
	ret[1] = CONNECT;
	ret[2] = 0;
	if (host->kind == HOST_NAME) {
		ret[3] = NAME;
		ret[len++] = (uint8_t)host->len;
		memcpy(ret + len, host->name, host->len);
		len += host->len;
	} else {
		size_t ip_len = host->kind == HOST_V4 ? 4 : 16;

		ret[3] = host->kind == HOST_V4 ? V4 : V6;
		memcpy(ret + len, host->ip, ip_len);
		len += ip_len;
	}
	ret[len++] = (uint8_t)(port >> 8);
	ret[len++] = (uint8_t)port;
	return len;
}

size_t socks_write_reply(enum socks_reply reply, uint8_t ret[SOCKS_MESSAGE_MAX])
{
	static const uint8_t zeros[10] = { SOCKS_VERSION, 0, 0, V4 };

	memcpy(ret, zeros, sizeof(zeros));
	ret[1] = (uint8_t)reply;
	return sizeof(zeros);
}
