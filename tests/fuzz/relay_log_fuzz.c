/*
 * The log of an enclave. The first byte says what the rest is: any bytes, which must be
 * read the same however they are divided; or the life of an enclave that writes lines,
 * forgets the oldest and loses connections, of which each line comes once, and each byte
 * that does not come is reported.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vsock/relay/monitor/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* --- any bytes --- */

static uint64_t digest;
static size_t given;

static void add(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < len; i++)
		digest = (digest ^ at[i]) * 0x100000001b3;
}

static void emit_any(void *context, const struct log_event *e)
{
	(void)context;
	add(&e->kind, sizeof(e->kind));
	if (e->kind == LOG_LINE) {
		size_t name_len, text;

		require(e->len <= LOG_LINE_MAX);
		require(e->len == 0 || !memchr(e->text, '\n', e->len));
		(void)log_split(e->text, e->len, &name_len, &text);
		require(name_len <= LOG_NAME_MAX && text <= e->len);
		given += e->len;
		add(e->text, e->len);
		add("\n", 1);
		return;
	}
	require(e->kind != LOG_GAP || e->from < e->to);
	add(&e->from, sizeof(e->from));
	add(&e->to, sizeof(e->to));
}

/* A NUL byte cuts the connection, so that a file can have several. */
static uint64_t read_any(const char *text, size_t size, size_t step)
{
	static struct log l;

	digest = 0;
	given = 0;
	log_open(&l, emit_any, NULL);
	while (size > 0) {
		const char *end = memchr(text, '\0', size);
		size_t len = end ? (size_t)(end - text) : size;

		log_connect(&l);
		for (size_t at = 0; at < len; at += step)
			log_read(&l, text + at,
				 len - at < step ? len - at : step);
		log_cut(&l);
		text += len + (end ? 1 : 0);
		size -= len + (end ? 1 : 0);
	}
	log_finish(&l);
	return digest;
}

static void any(const uint8_t *data, size_t size)
{
	char *text = malloc(size + !size);
	uint64_t whole;

	require(text);
	memcpy(text, data, size);
	whole = read_any(text, size, size + 1);
	require(given <= size);
	require(read_any(text, size, 1) == whole);
	require(read_any(text, size, 7) == whole);
	free(text);
}

/* --- a life --- */

enum { TEXT_MAX = 1 << 16, KEPT = 300 };

static struct life {
	char texts
		[2]
		[TEXT_MAX]; /* of an enclave, and of the next one at its place */
	uint32_t boot;	    /* of the one that is there */
	uint32_t read;	    /* of the one whose lines come */
	size_t len;	    /* written */
	size_t came;	    /* given out, or reported as missing */
	bool is_cut; /* the last line was not whole: a gap or the rest follows */
	size_t read_len; /* of the one whose lines come */
	struct log log;
} life;

static char *text_of(uint32_t boot)
{
	return life.texts[boot % 2];
}

static void begin_life(void)
{
	life.read = life.boot;
	life.came = 0;
	life.is_cut = false;
}

static void emit_life(void *context, const struct log_event *e)
{
	const char *text = text_of(life.read);

	(void)context;
	if (life.read == life.boot)
		life.read_len = life.len;
	if (e->kind == LOG_RESTART) {
		require(e->from == life.read && e->to == life.boot);
		require(life.read != life.boot);
		begin_life();
		return;
	}
	if (e->kind == LOG_GAP) {
		/* The newline of a note may stand for that of the text. */
		if (life.came > 0 && e->from == life.came - 1 &&
		    text[e->from] == '\n')
			life.came--;
		require(e->from == life.came && e->to <= life.read_len);
		life.came = e->to;
		life.is_cut = false;
		return;
	}
	require(e->kind == LOG_LINE && (!life.is_cut || e->is_part));
	require(e->len < life.read_len - life.came + 1);
	require(memcmp(text + life.came, e->text, e->len) == 0);
	life.came += e->len;
	life.is_cut = life.came == life.read_len || text[life.came] != '\n';
	life.came += !life.is_cut;
}

static size_t oldest(void)
{
	size_t at = life.len > KEPT ? life.len - KEPT : 0;

	/* The first byte that is kept may be within a line. */
	return at;
}

static void send_note(size_t from, size_t lost)
{
	char note[120];
	int n = snprintf(
		note, sizeof(note),
		"init: log: from byte %zu of %zu, %zu lost, boot %08x\n", from,
		life.len, lost, life.boot);

	log_read(&life.log, note, (size_t)n);
}

static void live(const uint8_t *data, size_t size)
{
	size_t at = 0;
	bool is_connected = false;

	memset(&life, 0, sizeof(life));
	life.boot = life.read = 1;
	log_open(&life.log, emit_life, NULL);
	for (size_t i = 0; i + 1 < size && life.len < TEXT_MAX - 300; i += 2) {
		size_t n = data[i + 1];

		switch (data[i] % 5) {
		case 0: /* a line */
			memcpy(text_of(life.boot) + life.len, "main: ", 6);
			memset(text_of(life.boot) + life.len + 6,
			       'a' + (int)(i % 26), n);
			text_of(life.boot)[life.len + 6 + n] = '\n';
			life.len += 6 + n + 1;
			break;
		case 1:
			if (is_connected)
				log_cut(&life.log);
			is_connected = false;
			break;
		case 2:
			if (is_connected)
				break;
			is_connected = true;
			at = oldest();
			log_connect(&life.log);
			send_note(at, at);
			break;
		case 4: /* another enclave, once this one was heard of */
			if (is_connected)
				log_cut(&life.log);
			is_connected = false;
			if (!life.log.is_numbered || life.read != life.boot)
				break;
			life.read_len = life.len;
			life.boot++;
			life.len = 0;
			break;
		default:
			if (!is_connected)
				break;
			if (at < oldest()) {
				if (n % 2 ||
				    (at > 0 &&
				     text_of(life.boot)[at - 1] != '\n'))
					log_read(&life.log, "\n", 1);
				send_note(oldest(), oldest() - at);
				at = oldest();
			}
			if (n > life.len - at)
				n = life.len - at;
			log_read(&life.log, text_of(life.boot) + at, n);
			at += n;
			break;
		}
	}
	if (is_connected)
		log_cut(&life.log);
	log_connect(&life.log);
	at = oldest();
	send_note(at, at);
	log_read(&life.log, text_of(life.boot) + at, life.len - at);
	require(log_is_current(&life.log));
	log_finish(&life.log);
	require(life.came == life.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] % 2)
		any(data + 1, size - 1);
	else
		live(data + 1, size - 1);
	return 0;
}
