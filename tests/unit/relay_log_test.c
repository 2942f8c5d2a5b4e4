/* The reader of an enclave's log: relay's lines, notes, gaps and cuts. */

#include <inttypes.h>

#include "tests/unit/check.h"
#include "vsock/relay/monitor/log.h"

static char seen[200000];
static size_t seen_len;
static struct log l;

static void add(const char *text, size_t len)
{
	REQUIRE(len < sizeof(seen) - seen_len);
	memcpy(seen + seen_len, text, len);
	seen_len += len;
	seen[seen_len] = '\0';
}

static void emit(void *context, const struct log_event *e)
{
	char text[100];

	CHECK(context == &l);
	if (e->kind == LOG_LINE) {
		add(e->is_part ? "~" : "", e->is_part);
		add(e->text, e->len);
		add("|", 1);
		return;
	}
	if (e->kind == LOG_GAP)
		(void)snprintf(text, sizeof(text), "{%" PRIu64 "-%" PRIu64 "}",
			       e->from, e->to);
	else if (e->kind == LOG_END)
		(void)snprintf(text, sizeof(text), "{end %" PRIu64 "}", e->to);
	else if (e->kind == LOG_PLAIN)
		(void)snprintf(text, sizeof(text), "{plain}");
	else
		(void)snprintf(text, sizeof(text),
			       "{restart %" PRIx64 " %" PRIx64 "}", e->from,
			       e->to);
	add(text, strlen(text));
}

static void begin(void)
{
	seen_len = 0;
	seen[0] = '\0';
	log_open(&l, emit, &l);
}

static void text(const char *s)
{
	log_read(&l, s, strlen(s));
}

/* A connection that brings S and is cut. */
static void connection(const char *s)
{
	log_connect(&l);
	text(s);
	log_cut(&l);
}

TEST(lines_come_as_they_are)
{
	begin();
	log_connect(&l);
	text("init: log: from byte 0 of 8, 0 lost\nmain: a\n");
	CHECK_STR(seen, "main: a|");
	CHECK(log_is_current(&l));
	text("main! b\nini");
	text("t: spawn\ninit: log: end at byte 28\nmain: c\n");
	CHECK_STR(seen, "main: a|main! b|init: spawn|{end 28}");
	CHECK(l.has_ended);
}

TEST(what_was_lost_before_is_a_gap)
{
	begin();
	connection("init: log: from byte 100 of 108, 100 lost\nmain: a\n");
	CHECK_STR(seen, "{0-100}main: a|");
}

TEST(each_line_comes_once_over_connections)
{
	begin();
	connection("init: log: from byte 0 of 16, 0 lost\nmain: a\nmai");
	connection(
		"init: log: from byte 0 of 16, 0 lost\nmain: a\nmain: b\nma");
	connection("init: log: from byte 8 of 24, 0 lost\nmain: b\nmain: c\n");
	CHECK_STR(seen, "main: a|main: b|main: c|");
}

TEST(a_cut_within_the_first_note_loses_nothing)
{
	begin();
	connection("init: log: from byte 0 of 8, 0 lost\nmain: a\n");
	connection("init: log: from by");
	connection("");
	connection("init: log: from byte 8 of 16, 0 lost\nmain: b\n");
	CHECK_STR(seen, "main: a|main: b|");
}

TEST(a_line_within_a_gap_is_given_out_as_far_as_it_came)
{
	begin();
	connection("init: log: from byte 0 of 12, 0 lost\nmain: a\nmain");
	connection("init: log: from byte 40 of 48, 40 lost\nmain: z\n");
	CHECK_STR(seen, "main: a|main|{12-40}main: z|");
}

TEST(a_reader_that_was_overtaken_hears_of_it)
{
	begin();
	log_connect(&l);
	text("init: log: from byte 0 of 8, 0 lost\nmain: a\nmain: b");
	/* The newline is the enclave's, and no byte of the text. */
	text("\ninit: log: from byte 40 of 48, 25 lost\nmain: z\n");
	CHECK_STR(seen, "main: a|main: b|{15-40}main: z|");
	/* At the end of a line it is an empty line. */
	text("\ninit: log: from byte 60 of 68, 12 lost\nmain: y\n");
	CHECK_STR(seen, "main: a|main: b|{15-40}main: z|{48-60}main: y|");
	/* Or there is none. */
	text("init: log: from byte 70 of 78, 2 lost\nmain: x\n");
	CHECK_STR(seen, "main: a|main: b|{15-40}main: z|{48-60}main: y|"
			"{68-70}main: x|");
}

TEST(a_cut_within_a_later_note_leaves_nothing_of_it)
{
	begin();
	connection("init: log: from byte 0 of 8, 0 lost\nmain: a\n\ninit: lo");
	connection("init: log: from byte 20 of 28, 20 lost\nmain: z\n\n");
	connection("init: log: from byte 40 of 48, 40 lost\n\nmain: y");
	connection("init: log: from byte 60 of 68, 60 lost\nmain: x\n");
	CHECK_STR(seen,
		  "main: a|{8-20}main: z|{28-40}|main: y|{48-60}main: x|");
}

TEST(positions_that_go_back_bring_nothing_twice)
{
	begin();
	log_connect(&l);
	text("init: log: from byte 0 of 8, 0 lost\nmain: a\nmain: b\n");
	text("init: log: from byte 0 of 16, 0 lost\nmain: a\nmain: b\nmain: c\n");
	CHECK_STR(seen, "main: a|main: b|main: c|");
}

TEST(a_log_that_is_shorter_is_another_enclave)
{
	begin();
	connection("init: log: from byte 0 of 16, 0 lost\nmain: a\nmain: b\nx");
	connection("init: log: from byte 0 of 8, 0 lost\nmain: n\n");
	CHECK_STR(seen, "main: a|main: b|x|{restart 0 0}main: n|");
}

TEST(another_boot_is_another_enclave)
{
	begin();
	connection("init: log: from byte 0 of 8, 0 lost, boot 0a1b2c3d\n"
		   "main: a\nx");
	connection("init: log: from byte 0 of 16, 0 lost, boot 0a1b2c3d\n"
		   "main: a\nmain: b\n");
	CHECK_STR(seen, "main: a|main: b|");
	CHECK_INT(l.boot, 0x0a1b2c3d);
	/* Longer than the one before, and just as far. */
	connection("init: log: from byte 8 of 24, 8 lost, boot ffffffff\n"
		   "main: n\nmain: o\nmain");
	CHECK_STR(seen, "main: a|main: b|{restart a1b2c3d ffffffff}"
			"{0-8}main: n|main: o|");
	/* What was open of it is its last word. */
	connection("init: log: from byte 0 of 32, 0 lost, boot 00000001\n"
		   "main: n\n");
	CHECK_STR(seen,
		  "main: a|main: b|{restart a1b2c3d ffffffff}"
		  "{0-8}main: n|main: o|main|{restart ffffffff 1}main: n|");
	connection("init: log: from byte 0 of 32, 0 lost\nmain: n\n");
	CHECK_STR(strrchr(seen, '{'), "{restart 1 0}main: n|");
}

TEST(a_ring_that_begins_anew_is_of_the_same_boot)
{
	begin();
	connection("init: log: from byte 0 of 16, 0 lost, boot 0a1b2c3d\n"
		   "main: a\nmain: b\n");
	connection("init: log: from byte 0 of 8, 0 lost, boot 0a1b2c3d\n"
		   "main: c\n");
	CHECK_STR(seen, "main: a|main: b|{restart a1b2c3d a1b2c3d}main: c|");
}

TEST(last_words_of_another_boot_follow_no_others)
{
	begin();
	connection("init: log: from byte 0 of 8, 0 lost, boot 0a1b2c3d\n"
		   "main: a\n");
	log_words(&l, 0x0a1b2c3d, 0, 16);
	text("main: a\nmain: b\n");
	log_cut(&l);
	log_words(&l, 2, 8, 32);
	text("main: x\nmain: y\nmain: z\n");
	log_finish(&l);
	CHECK_STR(seen, "main: a|main: b|{restart a1b2c3d 2}{0-8}"
			"main: x|main: y|main: z|");
}

TEST(what_is_no_note_is_a_line)
{
	static const char *const lines[] = {
		"init: log: from byte 5 of 4, 0 lost",
		"init: log: from byte 5 of 9, 6 lost",
		"init: log: from byte 0 of 8, 0 lost ",
		"init: log: from byte -1 of 8, 0 lost",
		"init: log: from byte 0 of 8,0 lost",
		"init: log: from byte 0 of 9223372036854775808, 0 lost",
		"init: log: from byte 0 of 99999999999999999999999, 0 lost",
		"init: log: end at byte ",
		"init: log: end at byte 9223372036854775808",
		"init: log: ",
		"init: log: from byte 0 of 8, 0 lost, boot ",
		"init: log: from byte 0 of 8, 0 lost, boot 0a1b2c3",
		"init: log: from byte 0 of 8, 0 lost, boot 0a1b2c3d4",
		"init: log: from byte 0 of 8, 0 lost, boot 0A1B2C3D",
		"init: log: from byte 0 of 8, 0 lost, boot 00000000",
		"init: log: from byte 0 of 8, 0 lost,boot 0a1b2c3d",
		"main: init: log: end at byte 0",
	};
	char wanted[200];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		begin();
		log_connect(&l);
		text("init: log: from byte 0 of 8, 0 lost\n");
		text(lines[i]);
		text("\n");
		(void)snprintf(wanted, sizeof(wanted), "%s|", lines[i]);
		CHECK_STR(seen, wanted);
	}
	begin();
	log_connect(&l);
	log_read(&l, "init: log: end at byte 0\0\n", 26);
	CHECK(!l.has_ended && seen_len > 0);
}

TEST(a_log_without_notes_is_plain)
{
	begin();
	connection("hello\nyou");
	connection("hello\n");
	CHECK_STR(seen, "{plain}hello|you|{plain}hello|");
	CHECK(!log_is_current(&l));
}

TEST(a_line_without_end_takes_no_memory)
{
	static char a[3 * LOG_LINE_MAX];

	begin();
	log_connect(&l);
	text("init: log: from byte 0 of 8, 0 lost\n");
	memset(a, 'a', sizeof(a));
	log_read(&l, a, sizeof(a));
	text("b\nmain: c\n");
	CHECK_INT(seen_len, sizeof(a) + 1 + 3 + 4 + 8);
	CHECK_INT(seen[LOG_LINE_MAX], '|');
	CHECK_INT(seen[LOG_LINE_MAX + 1], '~');
	/* A line of just that length is whole. */
	begin();
	log_connect(&l);
	text("init: log: from byte 0 of 8, 0 lost\n");
	log_read(&l, a, LOG_LINE_MAX);
	text("\nb\n");
	CHECK_INT(seen_len, LOG_LINE_MAX + 1 + 2);
}

TEST(a_long_line_that_was_cut_goes_on_where_it_was)
{
	static char a[2 * LOG_LINE_MAX];

	memset(a, 'a', sizeof(a));
	begin();
	log_connect(&l);
	text("init: log: from byte 0 of 9000, 0 lost\n");
	log_read(&l, a, LOG_LINE_MAX + 10);
	log_cut(&l);
	CHECK_INT(seen_len, LOG_LINE_MAX + 1);
	log_connect(&l);
	text("init: log: from byte 0 of 9000, 0 lost\n");
	log_read(&l, a, LOG_LINE_MAX + 10);
	text("\nb\n");
	CHECK_INT(seen_len, LOG_LINE_MAX + 1 + 1 + 10 + 1 + 2);
	CHECK_STR(seen + seen_len - 6, "aaa|b|");
}

TEST(last_words_add_what_is_missing)
{
	begin();
	connection("init: log: from byte 0 of 8, 0 lost\nmain: a\nmai");
	log_words(&l, 0, 0, 24);
	text("main: a\nmain: b\nmain: c\n");
	log_finish(&l);
	CHECK_STR(seen, "main: a|main: b|main: c|");

	begin();
	connection("init: log: from byte 0 of 8, 0 lost\nmain: a\n");
	log_words(&l, 0, 16, 24);
	text("main: c\n");
	CHECK_STR(seen, "main: a|{8-16}main: c|");

	begin();
	log_words(&l, 0, 16, 24);
	text("main: c");
	log_finish(&l);
	CHECK_STR(seen, "{0-16}main: c|");
}

TEST(lines_are_split)
{
	static const struct {
		const char *line;
		enum log_stream stream;
		size_t name_len, text;
	} rows[] = {
		{ "main: a", LOG_STDOUT, 4, 6 },
		{ "main! a", LOG_STDERR, 4, 6 },
		{ "main+ a", LOG_MORE, 4, 6 },
		{ "init: a", LOG_OWN, 4, 6 },
		{ "init! a", LOG_STDERR, 4, 6 },
		{ "a-b_c.9: ", LOG_STDOUT, 7, 9 },
		{ "main:", LOG_NO_STREAM, 0, 0 },
		{ "main:a", LOG_NO_STREAM, 0, 0 },
		{ ": a", LOG_NO_STREAM, 0, 0 },
		{ "a b: c", LOG_NO_STREAM, 0, 0 },
		{ "", LOG_NO_STREAM, 0, 0 },
		{ "0123456789012345678901234567890: a", LOG_STDOUT, 31, 33 },
		{ "01234567890123456789012345678901: a", LOG_NO_STREAM, 0, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t name_len = 99, text_at = 99;

		CHECK_INT(log_split(rows[i].line, strlen(rows[i].line),
				    &name_len, &text_at),
			  rows[i].stream);
		CHECK_INT(name_len, rows[i].name_len);
		CHECK_INT(text_at, rows[i].text);
	}
}

CHECK_MAIN("relay_log")
