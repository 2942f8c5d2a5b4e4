#include "vsock/relay/monitor/report.h"

#include <errno.h>
#include <string.h>

#include "vsock/io.h"
#include "vsock/relay/monitor/wait.h"

void report_open(struct report *r, const struct link *link, uint32_t cid)
{
	r->state = REPORT_LINE;
	r->link = *link;
	r->cid = cid;
	r->due_ms = io_now_ms() + REPORT_SILENCE_MS;
	r->last_ms = io_now_ms() + REPORT_MS_MAX;
	r->none_ms = 0;
	r->json = NULL;
	r->left = 0;
	r->at = r->len = 0;
}

/* What arrives too slowly counts as silence while it is a line, and has its limit later. */
static int receive(struct report *r, char *buf, size_t len)
{
	/* Before it is looked, as in channel_read. */
	int64_t now = io_now_ms();
	int n = link_read(&r->link, buf, len);

	if (n == -EAGAIN)
		r->none_ms = now;
	if ((n == -EAGAIN && now >= r->due_ms) || now >= r->last_ms)
		return -ETIMEDOUT;
	if (n > 0 && r->state == REPORT_WORDS)
		r->due_ms = now + REPORT_SILENCE_MS;
	if (r->due_ms > r->last_ms)
		r->due_ms = r->last_ms;
	return n == 0 ? -ECONNRESET : n;
}

static int read_line(struct report *r, size_t len, const char **reterr)
{
	*reterr = status_read(r->text, len, &r->status, &r->json);
	if (*reterr)
		return -EPROTO;
	r->at = len + 1;
	r->left = r->status.log_bytes;
	r->state = REPORT_WORDS;
	return 0;
}

int report_line(struct report *r, const char **reterr)
{
	const char *end;
	int n;

	for (;;) {
		if (r->len == sizeof(r->text)) {
			*reterr = "its line is too long";
			return -EPROTO;
		}
		n = receive(r, r->text + r->len, sizeof(r->text) - r->len);
		if (n == -ECONNRESET && r->len == 0)
			return -ENODATA;
		if (n < 0)
			return n;
		end = memchr(r->text + r->len, '\n', (size_t)n);
		r->len += (size_t)n;
		if (end)
			return read_line(r, (size_t)(end - r->text), reterr);
	}
}

int report_words(struct report *r, char *buf, size_t len)
{
	int n;

	if (len > r->left)
		len = (size_t)r->left;
	if (len == 0)
		return 0;
	if (r->at < r->len) {
		if (len > r->len - r->at)
			len = r->len - r->at;
		memcpy(buf, r->text + r->at, len);
		r->at += len;
		r->left -= len;
		return (int)len;
	}
	n = receive(r, buf, len);
	if (n > 0)
		r->left -= (size_t)n;
	return n;
}

bool report_is_stale(const struct report *r)
{
	return r->state == REPORT_LINE &&
	       r->none_ms >= r->due_ms - REPORT_SILENCE_MS + REPORT_STALE_MS;
}

void report_wait(const struct report *r, struct wait *w)
{
	if (r->state == REPORT_FREE)
		return;
	wait_fd(w, r->link.fd);
	wait_until(w, r->due_ms);
}

void report_close(struct report *r)
{
	if (r->state == REPORT_FREE)
		return;
	link_close(&r->link);
	cJSON_Delete(r->json);
	r->json = NULL;
	r->state = REPORT_FREE;
}
