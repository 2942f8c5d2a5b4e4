/*
 * The link's pure parts. A first byte of 0: the rest is a line to control, by the parent or
 * inside, and what comes of it is what was allowed. Else a reader of the log over a ring,
 * beside a model that has all bytes that were ever written: each note's numbers are right,
 * what follows it begins a line, and no byte is left out that a note does not count.
 */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init/link/command.h"
#include "init/link/excerpt.h"
#include "init/link/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ALL = 1 << 17, CAP = 8192 };

static void require(bool truth)
{
	if (!truth)
		abort();
}

struct input {
	const uint8_t *at, *end;
};

static uint64_t take(struct input *in, size_t bytes)
{
	uint64_t v = 0;

	for (; bytes > 0 && in->at < in->end; bytes--)
		v = v << 8 | *in->at++;
	return v;
}

/* --- commands --- */

static void check_order(const struct command *c, bool is_local,
			const struct config_link *config,
			const struct link_state *state)
{
	const struct link_message *m = &c->message;

	require(m->is_local == is_local && m->signal <= 64);
	require((m->news == LINK_SIGNAL) == (m->signal > 0));
	require(m->news == LINK_STOP || m->service < state->service_count);
	require(m->news >= LINK_STOP && m->news <= LINK_RESTART_SERVICE);
	require(m->what == 0 && m->error == 0);
	if (is_local) {
		require(m->news != LINK_RESTART_SERVICE || state->record.ready);
		return;
	}
	require(m->news == LINK_STOP || m->news == LINK_SIGNAL);
	require(m->service == 0);
	if (m->news == LINK_STOP)
		require(config->control_stop);
	else
		require(config->control_signals >> (m->signal - 1) & 1);
}

static void command(struct input *in)
{
	static const char names[][8] = { "main", "w", "stop" };
	struct link_state state = { .service_count = take(in, 1) % 4 };
	uint8_t b = (uint8_t)take(in, 1);
	const struct config_link config = { .control_stop = b & 1,
					    .control_signals = take(in, 8) };
	struct command c;
	size_t len = (size_t)(in->end - in->at);
	char *line = malloc(len + !len);

	require(line);
	memcpy(line, in->at, len);
	state.record.ready = b & 2;
	for (size_t i = 0; i < 3; i++)
		memcpy(state.services[i].name, names[i], sizeof(names[i]));
	memset(&c, 0x55, sizeof(c));
	command_parse(line, len, b & 4, &config, &state, &c);
	free(line);
	switch (c.kind) {
	case COMMAND_REFUSED:
		require(c.reason && strlen(c.reason) < 64);
		break;
	case COMMAND_ORDER:
		check_order(&c, b & 4, &config, &state);
		break;
	case COMMAND_LOG:
		require(c.service < state.service_count);
		/* fall through */
	case COMMAND_STATUS:
		require(b & 4);
		break;
	default:
		abort();
	}
}

/* --- the log --- */

static uint8_t all[ALL];
static uint64_t written, claimed;

struct listener {
	struct reader r;
	uint64_t pos;	/* of the text that it has, or counted */
	bool has_begun; /* its first note is there */
	bool at_note;	/* and nothing behind it */
	bool in_line;
	bool is_over;
	size_t note_left; /* bytes of a note that have not been sent */
	char note[READER_NOTE_MAX + 1];
};

static uint64_t oldest(const struct ring *ring)
{
	uint64_t tail = claimed > ring->size ? claimed - ring->size : 0;

	return tail < written ? tail : written;
}

static void append(struct ring *ring, const void *bytes, size_t len)
{
	if (len > ALL - written)
		return;
	memcpy(all + written, bytes, len);
	ring_write(ring, bytes, len);
	written += len;
	if (claimed < written)
		claimed = written;
}

/* Lines in whose midst could be anything; FORM's low bit: without an end. */
static void write_line(struct ring *ring, uint64_t form, size_t len)
{
	static const char *const texts[] = {
		"main: ", "init: log: from byte 0 of 0, 0 lost",
		"init: log: end at byte 5", "w! x"
	};
	char line[600];
	size_t n = 0;

	len %= sizeof(line) - 64;
	n = (size_t)sprintf(line, "main: ");
	while (n < len)
		n += (size_t)sprintf(line + n, "%s", texts[form >> 1 & 3]);
	if (!(form & 1))
		line[n++] = '\n';
	append(ring, line, n);
}

/* A writer that dies within the next LEN bytes. */
static void die(struct ring *ring, void *mem, size_t len)
{
	uint64_t *claim = (uint64_t *)mem + 3;

	len %= ring->size / RING_PIECES + 1;
	for (size_t i = 0; i < len; i++)
		ring->data[(written + i) % ring->size] ^= 0x55;
	if (claimed < written + len)
		claimed = written + len;
	*claim = claimed;
}

static bool begins_line(uint64_t pos)
{
	return pos == 0 || all[pos - 1] == '\n';
}

static void check_place(struct listener *l, const struct ring *ring,
			const char *s)
{
	unsigned long long from, of, lost;
	int len = 0;

	require(sscanf(s, "init: log: from byte %llu of %llu, %llu lost%n",
		       &from, &of, &lost, &len) == 3);
	require(strcmp(s + len, ", boot 0a1b2c3d\n") == 0);
	require(of == written && from <= of && from >= oldest(ring));
	require(lost == (from > l->pos ? from - l->pos : 0));
	/* Only the first may count nothing. */
	require(!l->has_begun || lost > 0);
	l->pos = from;
	l->has_begun = l->at_note = true;
}

static void check_note(struct listener *l, const struct ring *ring,
		       const char *buf, size_t n)
{
	char *s = l->note;
	unsigned long long at;

	require(n > 0 && n <= READER_NOTE_MAX && !l->is_over);
	memcpy(l->note, buf, n);
	l->note[n] = '\0';
	l->note_left = n;
	require((*s == '\n') == l->in_line);
	s += l->in_line;
	if (sscanf(s, "init: log: end at byte %llu", &at) != 1) {
		check_place(l, ring, s);
		return;
	}
	require(l->r.is_ending && l->has_begun);
	require(at == written && l->pos == written);
	l->is_over = true;
}

static void check_text(struct listener *l, const struct ring *ring,
		       const char *buf, size_t n)
{
	require(l->has_begun && !l->is_over);
	require(l->pos >= oldest(ring) && n <= written - l->pos);
	require(memcmp(buf, all + l->pos, n) == 0);
	require(!l->at_note || begins_line(l->pos));
}

/* One write, of which the peer takes LIMIT bytes at most. */
static bool read_some(struct listener *l, const struct ring *ring, size_t limit)
{
	static char buf[CAP];
	size_t n = reader_next(&l->r, ring, buf, sizeof(buf));
	bool is_note = reader_has_note(&l->r);

	if (n == 0) {
		require(l->has_begun && l->pos == written);
		require(!reader_has_more(&l->r, ring));
		require(!l->r.is_ending || l->is_over);
		return false;
	}
	require(reader_has_more(&l->r, ring));
	if (!is_note)
		check_text(l, ring, buf, n);
	else if (l->note_left == 0)
		check_note(l, ring, buf, n);
	if (is_note)
		require(n == l->note_left &&
			memcmp(buf, l->note + strlen(l->note) - n, n) == 0);
	if (limit == 0)
		return true;
	n = n < limit ? n : limit;
	reader_sent(&l->r, buf, n);
	l->in_line = buf[n - 1] != '\n';
	if (is_note) {
		l->note_left -= n;
	} else {
		l->pos += n;
		l->at_note = false;
	}
	return true;
}

static void begin(struct listener *l, uint64_t pos)
{
	*l = (struct listener){ .pos = pos };
	reader_init(&l->r, pos, "0a1b2c3d");
}

static void look_back(const struct ring *ring, size_t cap)
{
	char *out = malloc(cap + !cap);
	size_t n;

	require(out);
	n = excerpt_of(ring, "main", out, cap);
	require(n <= cap && (n == 0 || out[n - 1] == '\n'));
	require(n == 0 || (n > 6 && memcmp(out, "main", 4) == 0));
	free(out);
}

static void happen(struct listener *l, struct ring *ring, void *mem,
		   struct input *in)
{
	uint8_t what = (uint8_t)take(in, 1);

	switch (what % 8) {
	case 0:
	case 1:
		write_line(ring, what >> 3, take(in, 1));
		break;
	case 2:
		for (int i = what >> 4; i >= 0; i--)
			write_line(ring, what, take(in, 2));
		break;
	case 3:
		(void)read_some(l, ring, what >> 3);
		break;
	case 4:
		(void)read_some(l, ring, take(in, 2));
		break;
	case 5:
		while (read_some(l, ring, SIZE_MAX))
			;
		break;
	case 6:
		if (what >> 3 == 0)
			begin(l, take(in, 2) % (written + 9));
		else if (what >> 3 < 4)
			die(ring, mem, take(in, 2));
		break;
	case 7:
		look_back(ring, take(in, 2));
		break;
	}
}

static void log_of(struct input *in)
{
	size_t len = RING_HEADER_BYTES + RING_SIZE_MIN + take(in, 2) % 5000;
	void *mem = malloc(len);
	struct listener l;
	struct ring ring;

	require(mem && ring_init(&ring, mem, len) == 0);
	written = claimed = 0;
	begin(&l, 0);
	while (in->at < in->end)
		happen(&l, &ring, mem, in);
	reader_end(&l.r);
	while (read_some(&l, &ring, SIZE_MAX))
		;
	require(l.is_over);
	free(mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .at = data, .end = data + size };

	if (take(&in, 1) == 0)
		command(&in);
	else
		log_of(&in);
	return 0;
}
