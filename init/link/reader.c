#include "init/link/reader.h"

#include <string.h>

#include "init/text.h"

enum { TRIES = 4 }; /* the writer may be as fast as a reader */

void reader_init(struct reader *r, uint64_t pos)
{
	*r = (struct reader){ .pos = pos, .needs_note = true };
}

static void put_note(struct reader *r, const struct text *t)
{
	size_t at = 0;

	if (r->in_line)
		r->note[at++] = '\n';
	memcpy(r->note + at, t->buf, t->len);
	at += t->len;
	r->note[at++] = '\n';
	r->note_len = (uint8_t)at;
	r->note_at = 0;
}

static void note_place(struct reader *r, uint64_t pos, uint64_t head)
{
	struct text t;

	text_clear(&t);
	text_add(&t, "init: log: from byte ");
	text_add_number(&t, (long long)pos);
	text_add(&t, " of ");
	text_add_number(&t, (long long)head);
	text_add(&t, ", ");
	text_add_number(&t, (long long)(pos - r->pos));
	text_add(&t, " lost");
	put_note(r, &t);
	r->pos = pos;
	r->needs_note = false;
}

static void note_end(struct reader *r)
{
	struct text t;

	text_clear(&t);
	text_add(&t, "init: log: end at byte ");
	text_add_number(&t, (long long)r->pos);
	put_note(r, &t);
	r->has_ended = true;
}

/* Of what is left of a line whose begin is lost nothing is sent. */
static uint64_t skip_to_line(const char *buf, size_t n, uint64_t pos)
{
	const char *end = memchr(buf, '\n', n);

	return end ? pos + (uint64_t)(end - buf) + 1 : pos;
}

static size_t take_note(struct reader *r, char *buf)
{
	size_t n = (size_t)(r->note_len - r->note_at);

	memcpy(buf, r->note + r->note_at, n);
	return n;
}

size_t reader_next(struct reader *r, const struct ring *ring, char *buf,
		   size_t cap)
{
	uint64_t pos, lost = 0, missed;
	size_t n = 0;

	if (r->note_at < r->note_len)
		return take_note(r, buf);
	pos = r->pos;
	for (int i = 0; i < TRIES && n == 0; i++) {
		n = ring_read(ring, &pos, buf, cap, &missed);
		lost += missed;
	}
	pos -= n;
	if (lost > 0)
		pos = skip_to_line(buf, n, pos);
	if (r->needs_note || lost > 0) {
		note_place(r, pos, ring_head(ring));
		return take_note(r, buf);
	}
	if (n == 0 && r->is_ending && !r->has_ended) {
		note_end(r);
		return take_note(r, buf);
	}
	return n;
}

void reader_sent(struct reader *r, const char *buf, size_t n)
{
	if (n == 0)
		return;
	r->in_line = buf[n - 1] != '\n';
	if (r->note_at < r->note_len)
		r->note_at = (uint8_t)(r->note_at + n);
	else
		r->pos += n;
}

bool reader_has_note(const struct reader *r)
{
	return r->note_at < r->note_len;
}

bool reader_has_more(const struct reader *r, const struct ring *ring)
{
	return r->note_at < r->note_len || r->needs_note ||
	       r->pos != ring_head(ring) || (r->is_ending && !r->has_ended);
}

void reader_end(struct reader *r)
{
	r->is_ending = true;
}
