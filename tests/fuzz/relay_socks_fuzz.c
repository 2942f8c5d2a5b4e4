/* SOCKS5 of both sides: the first byte says which message the rest is. */

#include <stdlib.h>
#include <string.h>

#include "vsock/relay/wire/socks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void request(const uint8_t *bytes, size_t len)
{
	uint8_t message[SOCKS_MESSAGE_MAX];
	struct host h, again;
	enum socks_reply reply;
	uint16_t port, port_again;
	size_t written;
	int r = socks_read_request(bytes, len, &h, &port, &reply);

	require(r >= -1 && r <= (int)len);
	if (r <= 0) {
		require(r == 0 || reply != SOCKS_DONE);
		return;
	}
	require(r <= SOCKS_MESSAGE_MAX && port != 0);
	for (int i = 0; i < r; i++)
		require(socks_read_request(bytes, (size_t)i, &again,
					   &port_again, &reply) == 0);
	written = socks_write_request(&h, port, message);
	require(written <= sizeof(message));
	require(socks_read_request(message, written, &again, &port_again,
				   &reply) == (int)written);
	require(port == port_again && h.kind == again.kind);
	require(strcmp(h.name, again.name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum socks_reply reply = SOCKS_DONE;
	uint8_t answer[2], *copy;
	int r;

	if (size == 0)
		return 0;
	copy = malloc(size);
	require(copy);
	memcpy(copy, data + 1, size - 1);
	switch (data[0] % 4) {
	case 0:
		request(copy, size - 1);
		break;
	case 1:
		r = socks_read_methods(copy, size - 1, answer);
		require(r >= 0 && r <= (int)size - 1);
		break;
	case 2:
		r = socks_read_choice(copy, size - 1);
		require(r >= -1 && r <= 2);
		break;
	default:
		r = socks_read_reply(copy, size - 1, &reply);
		require(r >= -1 && r <= (int)size - 1);
		require(reply <= SOCKS_NO_ADDRESS);
		break;
	}
	free(copy);
	return 0;
}
