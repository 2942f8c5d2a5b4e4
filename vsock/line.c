#include "vsock/line.h"

#include <string.h>

#include "nsm/utf8.h"

enum {
	UNIT_MAX = 4,		      /* bytes of a character */
	UNIT_TEXT_MAX = 4 * UNIT_MAX, /* the same as \xHH */
	WORD = sizeof(uint64_t),
};

/* What stands together: a character, an escape, or the end of a line. */
struct unit {
	uint8_t taken; /* bytes of the input; 0: there are too few of them */
	bool is_end;
	uint8_t len;
	char text[UNIT_TEXT_MAX];
};

/* The output of one call. */
struct output {
	struct line *line;
	char *at; /* written up to here */
	char *end;
	char *begin;	  /* of the open line; NULL: none is open */
	char *text_limit; /* its text ends here at the latest */
};

void line_init(struct line *l, const char *name, bool is_stderr, bool escapes)
{
	memset(l, 0, offsetof(struct line, held));
	l->name_len = (uint8_t)strnlen(name, LINE_NAME_MAX);
	memcpy(l->name, name, l->name_len);
	l->mark = is_stderr ? '!' : ':';
	l->escapes = escapes;
}

bool line_is_open(const struct line *l)
{
	return l->held_len > 0;
}

/* --- units --- */

static void set_escaped(struct unit *u, const uint8_t *s, size_t len)
{
	static const char digits[16] = "0123456789abcdef";
	char *to = u->text;

	u->taken = (uint8_t)len;
	u->len = (uint8_t)(4 * len);
	for (size_t i = 0; i < len; i++) {
		*to++ = '\\';
		*to++ = 'x';
		*to++ = digits[s[i] >> 4];
		*to++ = digits[s[i] & 15];
	}
}

static void set_plain(struct unit *u, const uint8_t *s, size_t len)
{
	u->taken = u->len = (uint8_t)len;
	for (size_t i = 0; i < len; i++)
		u->text[i] = (char)s[i];
}

/* Whether the LEN bytes at S, which are no character, may begin one. */
static bool may_begin_utf8(const uint8_t *s, size_t len)
{
	size_t need = s[0] < 0xc0 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (s[0] >= 0xf8 || len >= need)
		return false;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return false;
	return true;
}

static void set_utf8(struct unit *u, const uint8_t *s, size_t len, bool is_last)
{
	size_t n;
	int32_t c = utf8_decode(s, len, &n);

	if (utf8_is_safe(c))
		set_plain(u, s, n);
	else if (c >= 0 || is_last || !may_begin_utf8(s, len))
		set_escaped(u, s, n);
}

/*
 * The first unit of the LEN bytes at S, not 0, to *U. With IS_LAST nothing follows
 * them; without it, U->taken is 0 if that depends on what does.
 */
static void read_unit(const struct line *l, const uint8_t *s, size_t len,
		      bool is_last, struct unit *u)
{
	bool is_cut = len == 1 && !is_last;

	u->is_end = false;
	u->taken = 0;
	if (s[0] == '\n') {
		u->is_end = true;
		u->taken = 1;
	} else if (s[0] == '\r' && is_cut) {
		return;
	} else if (s[0] == '\r' && len > 1 && s[1] == '\n') {
		u->is_end = true;
		u->taken = 2;
	} else if (!l->escapes || s[0] == '\t') {
		set_plain(u, s, 1);
	} else if (s[0] == '\\') {
		/* So that \x in a line is an escape. */
		if (is_cut)
			return;
		if (len > 1 && s[1] == 'x')
			set_escaped(u, s, 1);
		else
			set_plain(u, s, 1);
	} else {
		set_utf8(u, s, len, is_last);
	}
}

/* --- output --- */

static void begin_output(struct output *o, struct line *l, char *out,
			 size_t cap)
{
	*o = (struct output){ .line = l, .at = out, .end = out + cap };
	if (l->held_len == 0)
		return;
	memcpy(out, l->held, l->held_len);
	o->begin = out;
	o->text_limit = out + l->name_len + 2 + LINE_TEXT_MAX;
	o->at += l->held_len;
}

/* Keeps the open line. Returns the number of bytes of those before it. */
static size_t end_output(struct output *o, const char *out)
{
	struct line *l = o->line;

	l->held_len = 0;
	if (!o->begin)
		return (size_t)(o->at - out);
	l->held_len = (uint16_t)(o->at - o->begin);
	memcpy(l->held, o->begin, l->held_len);
	return (size_t)(o->begin - out);
}

/* A line is open after it. False: there is no room for one. */
static bool open_line(struct output *o)
{
	const struct line *l = o->line;

	if (o->begin)
		return true;
	if (o->end - o->at < LINE_ROOM)
		return false;
	o->begin = o->at;
	memcpy(o->at, l->name, sizeof(l->name));
	o->at += l->name_len;
	*o->at++ = l->is_continued ? '+' : l->mark;
	*o->at++ = ' ';
	o->text_limit = o->at + LINE_TEXT_MAX;
	return true;
}

static void close_line(struct output *o, bool goes_on)
{
	*o->at++ = '\n';
	o->begin = NULL;
	o->line->is_continued = goes_on;
}

/* False: there is no room, and U has not been added. */
static bool add_unit(struct output *o, const struct unit *u)
{
	if (u->is_end && !o->begin && o->line->is_continued) {
		/* All of the line has been written. */
		o->line->is_continued = false;
		return true;
	}
	if (!u->is_end && o->begin && o->text_limit - o->at < u->len)
		close_line(o, true);
	if (!open_line(o))
		return false;
	if (u->is_end) {
		close_line(o, false);
		return true;
	}
	/* All of it, which is faster than a call for some bytes: LINE_ROOM. */
	memcpy(o->at, u->text, sizeof(u->text));
	o->at += u->len;
	return true;
}

/* --- text that stays as it is --- */

/*
 * The bytes of W that are not plain: the top bit of each is set, and of those above
 * the first of them any may be. Plain are ASCII but controls and the backslash.
 */
static uint64_t find_odd(uint64_t w)
{
	const uint64_t ones = UINT64_MAX / 255;

	return (w | (w - ones * 0x20) | (w + ones) |
		((w ^ ones * '\\') - ones)) &
	       ones * 0x80;
}

_Static_assert(LINE_ROOM >= LINE_MAX_BYTES + UNIT_TEXT_MAX,
	       "a unit is copied with what is behind it");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "the first byte is the lowest of a word");

/* Copies plain text of the LEN bytes at S to the open line. Returns its length. */
static size_t copy_plain(struct output *o, const uint8_t *s, size_t len)
{
	size_t n = 0, room = (size_t)(o->text_limit - o->at);
	uint64_t w, odd;
	char *to = o->at;

	if (len > room)
		len = room;
	for (; len - n >= WORD; n += WORD) {
		memcpy(&w, s + n, WORD);
		memcpy(to + n, &w, WORD);
		odd = find_odd(w);
		if (odd != 0) {
			n += (size_t)__builtin_ctzll(odd) / 8;
			o->at += n;
			return n;
		}
	}
	for (; n < len && s[n] >= ' ' && s[n] < 0x7f && s[n] != '\\'; n++)
		to[n] = (char)s[n];
	o->at += n;
	return n;
}

/* The same without escapes: all but the newline, and a CR that may belong to it. */
static size_t copy_raw(struct output *o, const uint8_t *s, size_t len)
{
	size_t room = (size_t)(o->text_limit - o->at);
	size_t n = len < room ? len : room;
	const uint8_t *newline = memchr(s, '\n', n);

	if (newline)
		n = (size_t)(newline - s);
	if (n > 0 && s[n - 1] == '\r' && (n == len || s[n] == '\n'))
		n--;
	memcpy(o->at, s, n);
	o->at += n;
	return n;
}

/* --- streams --- */

/*
 * Adds units of the LEN bytes at S. Returns how many bytes were added or are too few
 * and pending.
 */
static size_t take(struct output *o, const uint8_t *s, size_t len)
{
	struct line *l = o->line;
	struct unit u;
	size_t n = 0;

	while (n < len) {
		if (o->begin) {
			n += l->escapes ? copy_plain(o, s + n, len - n) :
					  copy_raw(o, s + n, len - n);
			if (n == len)
				break;
		}
		read_unit(l, s + n, len - n, false, &u);
		if (u.taken == 0) {
			l->pending_len = (uint8_t)(len - n);
			memcpy(l->pending, s + n, len - n);
			return len;
		}
		if (!add_unit(o, &u))
			break;
		n += u.taken;
	}
	return n;
}

/*
 * Adds the pending bytes of before, by the first of the LEN bytes at S. Returns how
 * many of these it took; if some are pending still, there was no room or all are.
 */
static size_t take_pending(struct output *o, const uint8_t *s, size_t len)
{
	struct line *l = o->line;
	uint8_t joined[LINE_PENDING_MAX + UNIT_MAX];
	size_t before = l->pending_len, n = 0, all = before + len;
	struct unit u;

	if (all > sizeof(joined))
		all = sizeof(joined);
	memcpy(joined, l->pending, before);
	memcpy(joined + before, s, all - before);
	while (n < before) {
		read_unit(l, joined + n, all - n, false, &u);
		if (u.taken == 0)
			before = all; /* and fewer than a character has */
		if (u.taken == 0 || !add_unit(o, &u)) {
			l->pending_len = (uint8_t)(before - n);
			memcpy(l->pending, joined + n, before - n);
			return before == all ? len : 0;
		}
		n += u.taken;
	}
	l->pending_len = 0;
	return n - before;
}

size_t line_write(struct line *l, const void *bytes, size_t len, char *out,
		  size_t cap, size_t *ret_len)
{
	const uint8_t *s = bytes;
	struct output o;
	size_t n = 0;

	begin_output(&o, l, out, cap);
	if (l->pending_len > 0)
		n = take_pending(&o, s, len);
	if (l->pending_len == 0)
		n += take(&o, s + n, len - n);
	*ret_len = end_output(&o, out);
	return n;
}

size_t line_flush(struct line *l, char *out)
{
	struct output o;

	if (!line_is_open(l))
		return 0;
	begin_output(&o, l, out, LINE_ROOM);
	close_line(&o, true);
	return end_output(&o, out);
}

size_t line_end(struct line *l, char *out)
{
	struct output o;
	struct unit u;

	begin_output(&o, l, out, 2 * LINE_ROOM);
	for (size_t n = 0; n < l->pending_len; n += u.taken) {
		read_unit(l, l->pending + n, l->pending_len - n, true, &u);
		(void)add_unit(&o, &u); /* there is room */
	}
	l->pending_len = 0;
	if (o.begin)
		close_line(&o, false);
	l->is_continued = false;
	return end_output(&o, out);
}
