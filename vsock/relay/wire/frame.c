#include "vsock/relay/wire/frame.h"

#include <errno.h>
#include <string.h>

const char frame_gvproxy_hello[] = "POST /connect HTTP/1.1\r\n"
				   "Host: relay\r\n"
				   "Content-Length: 0\r\n"
				   "\r\n";

size_t frame_head_len(enum frame_format format)
{
	return format == FRAME_QEMU ? 4 : 2;
}

size_t frame_head(enum frame_format format, size_t len,
		  uint8_t ret[FRAME_HEAD_MAX])
{
	size_t n = frame_head_len(format);

	for (size_t i = 0; i < n; i++) {
		size_t at = format == FRAME_GVPROXY ? i : n - 1 - i;

		ret[at] = (uint8_t)(len >> 8 * i);
	}
	return n;
}

static size_t read_head(const struct frame_reader *r)
{
	const uint8_t *head = r->buf + r->start;
	size_t n = frame_head_len(r->format), len = 0;

	for (size_t i = n; i > 0; i--) {
		size_t at = r->format == FRAME_GVPROXY ? i - 1 : n - i;

		len = len << 8 | head[at];
	}
	return len;
}

uint8_t *frame_room(struct frame_reader *r, size_t *ret_len)
{
	if (r->start > 0) {
		memmove(r->buf, r->buf + r->start, r->end - r->start);
		r->end -= r->start;
		r->start = 0;
	}
	*ret_len = r->cap - r->end;
	return r->buf + r->end;
}

void frame_fill(struct frame_reader *r, size_t len)
{
	r->end += len;
}

int frame_next(struct frame_reader *r, const uint8_t **ret, size_t *ret_len)
{
	size_t head = frame_head_len(r->format), len;

	if (r->end - r->start < head)
		return 0;
	len = read_head(r);
	*ret_len = len;
	if (len < r->min || len > r->max)
		return -EMSGSIZE;
	if (r->end - r->start - head < len)
		return 0;
	*ret = r->buf + r->start + head;
	r->start += head + len;
	return 1;
}
