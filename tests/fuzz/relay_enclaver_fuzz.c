/* enclaver's frames: the first byte says whether it is a request or an answer, the rest is JSON. */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vsock/relay/wire/enclaver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void request(const uint8_t *bytes, size_t len)
{
	uint8_t frame[ENCLAVER_WRITE_MAX];
	struct host h, again;
	uint16_t port, port_again;
	size_t written;
	int r = enclaver_read_request(bytes, len, &h, &port);

	require(r == -1 || r == (int)len);
	if (r < 0)
		return;
	require(port != 0 && h.kind != HOST_NONE);
	written = enclaver_write_request(&h, port, frame);
	require(written <= sizeof(frame));
	require(enclaver_read_request(frame, written, &again, &port_again) ==
		(int)written);
	require(port == port_again && h.kind == again.kind);
	require(strcmp(h.name, again.name) == 0);
}

static void answer(const uint8_t *bytes, size_t len)
{
	int error = -1, r = enclaver_read_answer(bytes, len, &error);

	require(r == -1 || (r == (int)len && error >= 0 && error < 4096));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *frame;
	size_t len;

	if (size == 0)
		return 0;
	len = size - 1;
	frame = malloc(2 + len);
	require(frame);
	frame[0] = (uint8_t)len;
	frame[1] = (uint8_t)(len >> 8);
	memcpy(frame + 2, data + 1, len);
	if (len > UINT16_MAX)
		;
	else if (data[0] == '<')
		answer(frame, 2 + len);
	else
		request(frame, 2 + len);
	free(frame);
	return 0;
}
