#include "vsock/relay/monitor/log.h"

#include <string.h>

#include "vsock/relay/base/value.h"

/* A note of the enclave, no part of the numbered text. */
struct note {
	bool is_end;
	uint64_t from, total, lost;
	uint32_t boot; /* 0: it has none */
};

static const char note_begin[] = "init: log: ";

static bool skip(const char **at, const char *end, const char *text)
{
	size_t len = strlen(text);

	if ((size_t)(end - *at) < len || memcmp(*at, text, len) != 0)
		return false;
	*at += len;
	return true;
}

/* What ends the note: the id, which an enclave without one leaves out. */
static bool read_boot(const char *at, const char *end, uint32_t *ret)
{
	if (at == end)
		return true;
	if (!skip(&at, end, ", boot "))
		return false;
	*ret = value_boot(at, (size_t)(end - at));
	return *ret != 0;
}

/* Positions that cannot be are no note's. */
static bool read_note(const struct lines_piece *p, struct note *ret)
{
	const char *at = p->text, *end = p->text + p->len;
	struct note n = { 0 };

	if (!p->is_first || !p->is_last || !skip(&at, end, note_begin))
		return false;
	if (skip(&at, end, "end at byte ")) {
		if (!value_number_at(&at, end, INT64_MAX, &n.from) || at != end)
			return false;
		n.is_end = true;
		*ret = n;
		return true;
	}
	if (!skip(&at, end, "from byte ") ||
	    !value_number_at(&at, end, INT64_MAX, &n.from) ||
	    !skip(&at, end, " of ") ||
	    !value_number_at(&at, end, INT64_MAX, &n.total) ||
	    !skip(&at, end, ", ") ||
	    !value_number_at(&at, end, INT64_MAX, &n.lost) ||
	    !skip(&at, end, " lost") || !read_boot(at, end, &n.boot))
		return false;
	if (n.from > n.total || n.lost > n.from)
		return false;
	*ret = n;
	return true;
}

static void emit_line(struct log *l, const char *text, size_t len, bool is_part)
{
	struct log_event e = {
		.kind = LOG_LINE, .text = text, .len = len, .is_part = is_part
	};

	l->emit(l->context, &e);
}

static void emit_other(struct log *l, enum log_kind kind, uint64_t from,
		       uint64_t to)
{
	struct log_event e = { .kind = kind, .from = from, .to = to };

	l->emit(l->context, &e);
}

/* Reports that the bytes before TO will not come, if some did not. */
static void miss_until(struct log *l, uint64_t to)
{
	if (to <= l->have)
		return;
	emit_other(l, LOG_GAP, l->have, to);
	l->have = to;
	l->is_mid = false;
}

/* LEN bytes of text, and a newline if there is one: what is new of them. */
static void take_text(struct log *l, const char *text, size_t len,
		      bool has_newline, bool is_first)
{
	uint64_t start = l->at, had;

	l->at += len + has_newline;
	if (l->is_numbered && l->at <= l->have)
		return;
	had = l->is_numbered && l->have > start ? l->have - start : 0;
	l->have = l->at;
	l->is_mid = !has_newline;
	/* No more than the newline is new. */
	if (had >= len && (had > 0 || !is_first))
		return;
	emit_line(l, text + had, len - had, !is_first || had > 0);
}

/* Gives out the line within which the connection before was cut. */
static void take_kept(struct log *l)
{
	if (l->kept_len == 0)
		return;
	emit_line(l, l->kept, l->kept_len, l->is_kept_part);
	l->have += l->kept_len;
	l->kept_len = 0;
	l->is_mid = true;
}

/* The next byte is number FROM; those before it that did not come are missed. */
static void go_to(struct log *l, uint64_t from)
{
	miss_until(l, from);
	l->at = from;
	/* It may be just the rest of a line of which there is the beginning. */
	l->lines.is_inside = l->is_mid && from == l->have;
}

/* Another enclave, or one whose ring was broken: its numbers are others. */
static void restart(struct log *l, uint32_t boot)
{
	uint32_t before = l->boot;

	take_kept(l);
	l->boot = boot;
	l->is_numbered = l->is_mid = false;
	l->has_ended = false;
	emit_other(l, LOG_RESTART, before, boot);
}

static void begin(struct log *l, uint32_t boot, uint64_t from, uint64_t total,
		  uint64_t lost)
{
	if (l->is_numbered && (boot != l->boot || total < l->have))
		restart(l, boot);
	if (!l->is_numbered) {
		l->have = from - lost;
		l->is_numbered = true;
		l->boot = boot;
	}
	/* What follows begins after that line, so it does not come again. */
	if (from > l->have)
		take_kept(l);
	l->kept_len = 0;
	go_to(l, from);
	l->target = total;
	l->is_open = true;
	l->is_plain = false;
}

static void take_note(struct log *l, const struct note *n)
{
	if (n->is_end) {
		miss_until(l, n->from);
		l->has_ended = true;
		emit_other(l, LOG_END, 0, n->from);
		return;
	}
	if (!l->is_open) {
		begin(l, n->boot, n->from, n->total, n->lost);
		return;
	}
	/* The enclave has ended the line itself: its newline was no text. */
	if (l->has_line && l->at > 0 && n->from - n->lost == l->at - 1)
		l->have--;
	go_to(l, n->from);
}

static void take_piece(struct log *l, const struct lines_piece *p)
{
	struct note n;
	uint64_t had;

	if (l->has_ended && l->is_open)
		return;
	if (read_note(p, &n)) {
		l->is_blank = false;
		take_note(l, &n);
		l->has_line = false;
		return;
	}
	if (!l->is_open) {
		/* Not as in docs/link.md: all of it is taken, as it comes. */
		l->is_open = true;
		l->is_plain = true;
		l->is_numbered = false;
		l->kept_len = 0;
		emit_other(l, LOG_PLAIN, 0, 0);
	}
	if (l->is_blank)
		take_text(l, "", 0, true, true);
	/* Lines have a name; a newline alone is mostly the sign of a gap. */
	l->is_blank = p->is_first && p->is_last && p->len == 0;
	had = l->have;
	if (!l->is_blank)
		take_text(l, p->text, p->len, p->is_last, p->is_first);
	l->has_line = p->is_last && l->have > had;
}

void log_open(struct log *l, log_emit *emit, void *context)
{
	memset(l, 0, sizeof(*l));
	l->emit = emit;
	l->context = context;
	lines_open(&l->lines, l->text, sizeof(l->text));
}

void log_connect(struct log *l)
{
	lines_open(&l->lines, l->text, sizeof(l->text));
	l->is_open = l->is_blank = l->has_line = false;
}

void log_read(struct log *l, const char *bytes, size_t len)
{
	struct lines_piece p;
	bool is_piece;
	size_t n;

	for (; len > 0; bytes += n, len -= n) {
		n = lines_take(&l->lines, bytes, len, &is_piece, &p);
		if (is_piece)
			take_piece(l, &p);
	}
}

/* True if the open line may become a note: it is no text then. */
static bool may_be_note(const struct log *l)
{
	size_t len = l->lines.len;

	if (len > sizeof(note_begin) - 1)
		len = sizeof(note_begin) - 1;
	return !l->lines.is_inside && memcmp(l->text, note_begin, len) == 0;
}

void log_cut(struct log *l)
{
	size_t len = may_be_note(l) ? 0 : l->lines.len, had;

	l->lines.len = 0;
	if (!l->is_open || l->has_ended)
		return;
	l->is_open = false;
	if (l->is_blank && len > 0)
		take_text(l, "", 0, true, true);
	l->is_blank = false;
	if (!l->is_numbered) {
		if (len > 0)
			emit_line(l, l->text, len, l->lines.is_inside);
		return;
	}
	if (l->at + len <= l->have)
		return;
	had = l->have > l->at ? l->have - l->at : 0;
	l->kept_len = len - had;
	l->is_kept_part = had > 0 || l->lines.is_inside;
	memcpy(l->kept, l->text + had, l->kept_len);
}

void log_words(struct log *l, uint32_t boot, uint64_t from, uint64_t total)
{
	bool is_known = l->is_numbered && l->boot == boot;

	log_connect(l);
	begin(l, boot, from, total, is_known ? 0 : from);
}

void log_finish(struct log *l)
{
	log_cut(l);
	take_kept(l);
}

bool log_is_current(const struct log *l)
{
	return l->is_open && !l->is_plain && l->at + l->lines.len >= l->target;
}

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

enum log_stream log_split(const char *text, size_t len, size_t *ret_name_len,
			  size_t *ret_text)
{
	size_t n = 0;

	*ret_name_len = *ret_text = 0;
	while (n < len && n <= LOG_NAME_MAX && is_name_byte(text[n]))
		n++;
	if (n == 0 || n > LOG_NAME_MAX || n + 1 >= len || text[n + 1] != ' ')
		return LOG_NO_STREAM;
	if (!memchr(":!+", text[n], 3))
		return LOG_NO_STREAM;
	*ret_name_len = n;
	*ret_text = n + 2;
	if (text[n] == '!')
		return LOG_STDERR;
	if (text[n] == '+')
		return LOG_MORE;
	return n == 4 && memcmp(text, "init", 4) == 0 ? LOG_OWN : LOG_STDOUT;
}
