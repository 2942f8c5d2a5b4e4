#include "vsock/relay/monitor/lines.h"

#include <string.h>

void lines_open(struct lines *l, char *text, size_t cap)
{
	*l = (struct lines){ .text = text, .cap = cap };
}

size_t lines_take(struct lines *l, const char *bytes, size_t len,
		  bool *ret_is_piece, struct lines_piece *ret)
{
	const char *end;
	size_t n;

	*ret_is_piece = false;
	if (len == 0)
		return 0;
	end = memchr(bytes, '\n', len);
	n = end ? (size_t)(end - bytes) : len;
	if (n > l->cap - l->len) {
		n = l->cap - l->len;
		end = NULL;
	}
	memcpy(l->text + l->len, bytes, n);
	l->len += n;
	/* A full line whose newline comes next is whole. */
	if (!end && (l->len < l->cap || n > 0))
		return n;

	*ret = (struct lines_piece){ .text = l->text,
				     .len = l->len,
				     .is_first = !l->is_inside,
				     .is_last = end };
	*ret_is_piece = true;
	l->is_inside = !end;
	l->len = 0;
	return n + (end ? 1 : 0);
}
