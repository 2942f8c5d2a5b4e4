#include "init/link/reader.h"

#include <string.h>

#include "init/text.h"

enum { TRIES = 4 }; /* the writer may be as fast as a reader */

void reader_init(struct reader *r, uint64_t pos, const char *boot)
{
	*r = (struct reader){
		.pos = pos,
		.boot = boot,
		.needs_note = true,
		.is_cut = pos > 0,
	};
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
	/* A ring that was broken has begun anew. */
	text_add_number(&t, pos > r->pos ? (long long)(pos - r->pos) : 0);
	text_add(&t, " lost");
	if (r->boot && r->boot[0]) {
		text_add(&t, ", boot ");
		text_add(&t, r->boot);
	}
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

/* Of what is left of a line whose begin is lost nothing is sent: how much of N bytes. */
static size_t skip_to_line(struct reader *r, const char *buf, size_t n)
{
	const char *end = memchr(buf, '\n', n);

	r->is_cut = !end;
	return end ? (size_t)(end - buf) + 1 : n;
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
	size_t n = 0, skip = 0;

	if (r->note_at < r->note_len)
		return take_note(r, buf);
	/* A line begins where the byte before is a newline. */
	pos = r->is_cut ? r->pos - 1 : r->pos;
	for (int i = 0; i < TRIES && n == 0; i++) {
		n = ring_read(ring, &pos, buf, cap, &missed);
		lost += missed;
	}
	pos -= n;
	if (r->is_cut || lost > 0)
		skip = skip_to_line(r, buf, n);
	if (r->needs_note || pos + skip != r->pos) {
		note_place(r, pos + skip, ring_head(ring));
		return take_note(r, buf);
	}
	n -= skip;
	if (n == 0 && r->is_ending && !r->has_ended) {
		note_end(r);
		return take_note(r, buf);
	}
	memmove(buf, buf + skip, n);
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
