#include "init/link/stream.h"

#include <string.h>
#include <unistd.h>

enum {
	REST_MAX = 1 << 20, /* a process may write faster than we read */
};

enum what { TAKE, FLUSH, END };

static char out[LINK_INTAKE_MAX + 2 * LINE_ROOM];

/* Appends OUT's first LEN bytes, but for those of *DONE that the ring has already. */
static void append(struct ring *ring, size_t len, uint64_t *done)
{
	size_t skip = *done < len ? (size_t)*done : len;

	*done -= skip;
	ring_write(ring, out + skip, len - skip);
}

/* What the first N bytes of the intake make of L, of which DONE bytes are written. */
static void put(struct link_intake *k, struct line *l, size_t n,
		struct ring *ring, uint64_t done)
{
	size_t at = 0, len;

	while (at < n) {
		at += line_write(l, k->in + at, n - at, out, sizeof(out), &len);
		append(ring, len, &done);
	}
	if (k->what == FLUSH)
		append(ring, line_flush(l, out), &done);
	if (k->what == END)
		append(ring, line_end(l, out), &done);
}

static void copy_line(struct line *to, const struct line *from)
{
	memcpy(to, from, offsetof(struct line, held) + from->held_len);
}

static void begin(struct link_shared *s, size_t i, enum what what,
		  const struct ring *ring)
{
	struct link_intake *k = &s->intake;

	k->what = (uint8_t)what;
	k->head = ring_head(ring);
	copy_line(&k->before, &s->lines[i]);
	__atomic_store_n(&k->open, (uint32_t)i + 1, __ATOMIC_SEQ_CST);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static void clean(struct link_intake *k)
{
	memset(k->in, 0, __atomic_load_n(&k->dirty, __ATOMIC_SEQ_CST));
	__atomic_store_n(&k->dirty, 0, __ATOMIC_SEQ_CST);
}

static void finish(struct link_intake *k, size_t n)
{
	__atomic_store_n(&k->dirty, (uint32_t)n, __ATOMIC_SEQ_CST);
	__atomic_store_n(&k->open, 0, __ATOMIC_SEQ_CST);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	clean(k);
}

bool stream_take(struct link_shared *s, size_t i, int fd, struct ring *ring)
{
	struct link_intake *k = &s->intake;
	ssize_t n;

	begin(s, i, TAKE, ring);
	n = read(fd, k->in, sizeof(k->in));
	if (n > 0)
		put(k, &s->lines[i], (size_t)n, ring, 0);
	finish(k, n > 0 ? (size_t)n : 0);
	return n == (ssize_t)sizeof(k->in);
}

static void close_line(struct link_shared *s, size_t i, enum what what,
		       struct ring *ring)
{
	begin(s, i, what, ring);
	put(&s->intake, &s->lines[i], 0, ring, 0);
	finish(&s->intake, 0);
}

void stream_flush(struct link_shared *s, size_t i, struct ring *ring)
{
	close_line(s, i, FLUSH, ring);
}

void stream_end(struct link_shared *s, size_t i, int fd, struct ring *ring)
{
	size_t rest = REST_MAX;

	while (rest > 0 && stream_take(s, i, fd, ring))
		rest -= LINK_INTAKE_MAX;
	close_line(s, i, END, ring);
}

/* --- after a process that was killed --- */

/* A byte of a bool may have any value, which its type does not say. */
static void repair_flag(bool *flag, bool instead)
{
	unsigned char byte;

	memcpy(&byte, flag, 1);
	if (byte > 1)
		*flag = instead;
}

static void repair_line(struct line *l)
{
	if (l->name_len > LINE_NAME_MAX)
		l->name_len = LINE_NAME_MAX;
	if (l->mark != '!')
		l->mark = ':';
	repair_flag(&l->escapes, true);
	repair_flag(&l->is_continued, false);
	if (l->pending_len > LINE_PENDING_MAX)
		l->pending_len = 0;
	if (l->held_len > l->name_len + 2 + LINE_TEXT_MAX ||
	    (l->held_len > 0 && l->held_len < l->name_len + 2))
		l->held_len = 0;
}

static size_t find_length(const struct link_intake *k)
{
	size_t n = sizeof(k->in);

	while (n > 0 && k->in[n - 1] == '\0')
		n--;
	return n;
}

static void redo(struct link_shared *s, size_t i, struct ring *ring)
{
	struct link_intake *k = &s->intake;
	uint64_t head = ring_head(ring);
	size_t n = k->what == TAKE ? find_length(k) : 0;

	repair_line(&k->before);
	/* A head that is less is one of a ring that was broken, and begun anew. */
	if (head >= k->head) {
		copy_line(&s->lines[i], &k->before);
		put(k, &s->lines[i], n, ring, head - k->head);
	}
	finish(k, n);
}

void stream_repair(struct link_shared *s, size_t count, struct ring *ring)
{
	struct link_intake *k = &s->intake;
	uint32_t open;

	for (size_t i = 0; i < count; i++)
		repair_line(&s->lines[i]);
	open = __atomic_load_n(&k->open, __ATOMIC_SEQ_CST);
	if (open > 0 && open <= count)
		redo(s, open - 1, ring);
	__atomic_store_n(&k->open, 0, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&k->dirty, __ATOMIC_SEQ_CST) > sizeof(k->in))
		__atomic_store_n(&k->dirty, sizeof(k->in), __ATOMIC_SEQ_CST);
	clean(k);
}
