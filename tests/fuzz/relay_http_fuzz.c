/*
 * Heads of HTTP. The first byte says whether it is a request with its body, or an answer;
 * what is written for the next one has one end, and no line that another would end elsewhere.
 */

#include <stdlib.h>
#include <string.h>

#include "vsock/relay/wire/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void check_head(const char *head, size_t len)
{
	require(len >= 4 && memmem(head, len, "\r\n\r\n", 4) == head + len - 4);
	for (size_t i = 0; i < len; i++) {
		require(head[i] != '\0');
		require(head[i] != '\n' || (i > 0 && head[i - 1] == '\r'));
		require(head[i] != '\r' || head[i + 1] == '\n');
	}
}

/* The end of a body is the same however it is divided. */
static long body_end(struct http_body b, const char *bytes, size_t len,
		     size_t step)
{
	size_t at = 0;

	while (at < len && !b.is_over) {
		size_t some = len - at < step ? len - at : step;
		long n = http_body_pass(&b, bytes + at, some);

		if (n < 0)
			return -1;
		require((size_t)n <= some && (b.is_over || (size_t)n == some));
		at += (size_t)n;
	}
	return (long)at;
}

static void request(const char *text, size_t size)
{
	static char out[HTTP_REWRITE_MAX];
	static struct http_request r;
	long len = http_head_len(text, size, 0), end;
	char host[HOST_PORT_TEXT];
	const char *why = NULL;
	size_t written;
	int status;

	if (len <= 0)
		return;
	require((size_t)len <= size && len <= HTTP_HEAD_MAX);
	status = http_request_read(text, (size_t)len, &r, &why);
	require(status == 0 || (status >= 400 && status < 600 && why));
	if (status != 0)
		return;
	require(r.port > 0 && r.host.kind != HOST_NONE);
	host_port_text(&r.host, r.port, host);
	if (r.is_connect) {
		written = http_connect_write(&r.host, r.port, out);
		check_head(out, written);
		require(http_request_read(out, written, &r, &why) == 0);
		return;
	}
	written = http_request_rewrite(&r, out);
	require(written < HTTP_REWRITE_MAX);
	check_head(out, written);
	end = body_end(r.body, text + len, size - (size_t)len, SIZE_MAX);
	require(body_end(r.body, text + len, size - (size_t)len, 1) == end);
	require(body_end(r.body, text + len, size - (size_t)len, 5) == end);
}

static void response(const char *text, size_t size)
{
	static char out[HTTP_REWRITE_MAX];
	static struct http_response r;
	long len = http_head_len(text, size, 0);
	unsigned status;
	size_t written;

	if (len <= 0 || http_response_read(text, (size_t)len, &r) < 0)
		return;
	status = r.status;
	written = http_response_rewrite(&r, true, out);
	require(written < HTTP_REWRITE_MAX);
	check_head(out, written);
	/* One header was added. */
	if (r.headers.count == HTTP_HEADERS_MAX)
		return;
	require(http_response_read(out, written, &r) == 0);
	require(r.status == status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy;

	if (size == 0)
		return 0;
	copy = malloc(size);
	require(copy);
	memcpy(copy, data, size);
	if (copy[0] == '<')
		response(copy + 1, size - 1);
	else
		request(copy + 1, size - 1);
	free(copy);
	return 0;
}
