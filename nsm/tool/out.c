#include "nsm/tool/out.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "nsm/tool/code.h"
#include "nsm/utf8.h"

enum { LABEL_WIDTH = 14 };

void out_fd(struct out *o, int fd)
{
	o->fd = fd;
	o->error = 0;
	o->exclusive = o->renames = false;
	o->path[0] = o->temp[0] = '\0';
	o->len = 0;
}

int out_flush(struct out *o)
{
	const char *from = o->buf;
	ssize_t n;

	while (o->len > 0 && !o->error) {
		n = write(o->fd, from, o->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			o->error = n < 0 ? errno : EIO;
			break;
		}
		from += n;
		o->len -= (size_t)n;
	}
	o->len = 0;
	return -o->error;
}

void out_bytes(struct out *o, const void *data, size_t len)
{
	const char *from = data;
	size_t n;

	while (len > 0 && !o->error) {
		if (o->len == sizeof(o->buf) && out_flush(o) < 0)
			return;
		n = sizeof(o->buf) - o->len;
		if (n > len)
			n = len;
		memcpy(o->buf + o->len, from, n);
		o->len += n;
		from += n;
		len -= n;
	}
}

void out_text(struct out *o, const char *text)
{
	out_bytes(o, text, strlen(text));
}

void out_number(struct out *o, uint64_t n)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	out_bytes(o, digits + at, sizeof(digits) - at);
}

static void hex_byte(struct out *o, uint8_t byte)
{
	static const char digits[] = "0123456789abcdef";
	char two[2] = { digits[byte >> 4], digits[byte & 15] };

	out_bytes(o, two, 2);
}

void out_hex(struct out *o, const void *data, size_t len)
{
	const uint8_t *from = data;

	for (size_t i = 0; i < len; i++)
		hex_byte(o, from[i]);
}

void out_base64(struct out *o, const void *data, size_t len)
{
	const uint8_t *from = data;
	char four[4];

	for (size_t i = 0; i < len; i += 3) {
		code_base64(from + i, len - i, four);
		out_bytes(o, four, 4);
	}
}

void out_safe(struct out *o, const void *text, size_t len)
{
	const uint8_t *s = text;
	size_t n;
	int32_t c;

	for (; len > 0; s += n, len -= n) {
		c = utf8_decode(s, len, &n);
		if (utf8_is_safe(c) && c != '\\') {
			out_bytes(o, s, n);
		} else if (c == '\\') {
			out_text(o, "\\\\");
		} else {
			for (size_t i = 0; i < n; i++) {
				out_text(o, "\\x");
				hex_byte(o, s[i]);
			}
		}
	}
}

void out_label(struct out *o, const char *name)
{
	size_t len = strlen(name) + 1;

	out_text(o, name);
	out_text(o, ":");
	do
		out_text(o, " ");
	while (++len < LABEL_WIDTH);
}

void out_ranges(struct out *o, uint32_t set)
{
	const char *between = "";
	int last;

	for (int i = 0; i < 32; i = last + 1) {
		last = i;
		if (!(set >> i & 1))
			continue;
		while (last < 31 && set >> (last + 1) & 1)
			last++;
		out_text(o, between);
		out_number(o, (uint64_t)i);
		if (last > i) {
			out_text(o, "-");
			out_number(o, (uint64_t)last);
		}
		between = ", ";
	}
	if (!set)
		out_text(o, "none");
}
