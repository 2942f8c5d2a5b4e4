#include "vsock/relay/base/print.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "nsm/utf8.h"

static const char digits[16] = "0123456789abcdef";

void print_open(struct print *p, int fd)
{
	p->fd = fd;
	p->error = 0;
	p->never_waits = false;
	p->len = 0;
}

int print_flush(struct print *p)
{
	struct pollfd is_ready = { .fd = p->fd, .events = POLLOUT };
	const char *from = p->buf;
	ssize_t n;

	while (p->len > 0 && !p->error) {
		n = write(p->fd, from, p->len);
		if (n < 0 && errno == EINTR)
			continue;
		/* Another program may have made it non-blocking. */
		if (n < 0 && errno == EAGAIN && !p->never_waits) {
			(void)poll(&is_ready, 1, -1);
			continue;
		}
		if (n <= 0) {
			p->error = n < 0 ? errno : EIO;
			break;
		}
		from += n;
		p->len -= (size_t)n;
	}
	p->len = 0;
	return -p->error;
}

void print_bytes(struct print *p, const void *bytes, size_t len)
{
	const char *from = bytes;
	size_t n;

	while (len > 0 && !p->error) {
		if (p->len == sizeof(p->buf) && print_flush(p) < 0)
			return;
		n = sizeof(p->buf) - p->len;
		if (n > len)
			n = len;
		memcpy(p->buf + p->len, from, n);
		p->len += n;
		from += n;
		len -= n;
	}
}

void print_text(struct print *p, const char *text)
{
	print_bytes(p, text, strlen(text));
}

void print_number(struct print *p, uint64_t n)
{
	char text[20];
	size_t at = sizeof(text);

	do {
		text[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	print_bytes(p, text + at, sizeof(text) - at);
}

static void print_hex(struct print *p, const uint8_t *bytes, size_t len,
		      const char *begin)
{
	char two[2];

	for (size_t i = 0; i < len; i++) {
		two[0] = digits[bytes[i] >> 4];
		two[1] = digits[bytes[i] & 15];
		print_text(p, begin);
		print_bytes(p, two, 2);
	}
}

void print_safe(struct print *p, const void *text, size_t len)
{
	const uint8_t *s = text;
	size_t n;
	int32_t c;

	for (; len > 0; s += n, len -= n) {
		c = utf8_decode(s, len, &n);
		if (c == '\t' || utf8_is_safe(c))
			print_bytes(p, s, n);
		else
			print_hex(p, s, n, "\\x");
	}
}

/* A character that print_safe escapes: none of them is beyond U+FFFF. */
static void print_unicode(struct print *p, int32_t c)
{
	char six[6] = { '\\', 'u' };

	for (int i = 0; i < 4; i++)
		six[2 + i] = digits[c >> (12 - 4 * i) & 15];
	print_bytes(p, six, sizeof(six));
}

void print_string(struct print *p, const void *text, size_t len)
{
	const uint8_t *s = text;
	size_t n;
	int32_t c;

	print_text(p, "\"");
	for (; len > 0; s += n, len -= n) {
		c = utf8_decode(s, len, &n);
		if (c == '"' || c == '\\')
			print_text(p, "\\");
		if (utf8_is_safe(c))
			print_bytes(p, s, n);
		else if (c >= 0)
			print_unicode(p, c);
		else
			print_hex(p, s, n, "\\\\x");
	}
	print_text(p, "\"");
}
