/* What readers of the log get: each note beside what the ring has at that moment. */

#include "init/link/reader.h"

#include "tests/unit/check.h"

enum { SIZE = 64, LINE = 16, GOT = 8192 };

static struct {
	uint64_t align;
	uint8_t bytes[RING_HEADER_BYTES + SIZE];
} memory;

static struct ring ring;
static struct reader reader;
static char got[GOT], buf[8192];
static size_t got_len;

static void set_up(void)
{
	REQUIRE(ring_init(&ring, memory.bytes, sizeof(memory.bytes)) == 0);
	reader_init(&reader, 0, "");
	got_len = 0;
	got[0] = '\0';
}

static void put(const char *s)
{
	ring_write(&ring, s, strlen(s));
}

/* Line number I, LINE bytes. */
static void put_line(int i)
{
	char line[32];

	(void)snprintf(line, sizeof(line), "main: line %04d\n", i);
	put(line);
}

/* Sends what there is, no more than STEP bytes at a time and LIMIT in all. */
static void take(size_t step, size_t limit)
{
	size_t n;

	while (limit > 0 &&
	       (n = reader_next(&reader, &ring, buf, sizeof(buf))) > 0) {
		CHECK(reader_has_more(&reader, &ring));
		n = n < step ? n : step;
		n = n < limit ? n : limit;
		REQUIRE(got_len + n < sizeof(got));
		memcpy(got + got_len, buf, n);
		got_len += n;
		limit -= n;
		got[got_len] = '\0';
		reader_sent(&reader, buf, n);
	}
}

static void take_all(void)
{
	take(sizeof(buf), SIZE_MAX);
}

TEST(a_reader_gets_a_note_and_all_that_follows)
{
	for (size_t step = 1; step < 60; step++) {
		set_up();
		CHECK(reader_has_more(&reader, &ring));
		put("main: one\n");
		take(step, SIZE_MAX);
		CHECK(!reader_has_more(&reader, &ring));
		put("main: two\n");
		CHECK(reader_has_more(&reader, &ring));
		take(step, SIZE_MAX);
		CHECK_STR(got, "init: log: from byte 0 of 10, 0 lost\n"
			       "main: one\nmain: two\n");
	}
}

TEST(a_note_comes_also_where_nothing_is_written_yet)
{
	set_up();
	take_all();
	CHECK_STR(got, "init: log: from byte 0 of 0, 0 lost\n");
}

TEST(each_note_of_a_place_has_the_boot)
{
	set_up();
	reader_init(&reader, 0, "0a1b2c3d");
	put_line(0);
	take_all();
	for (int i = 1; i < 10; i++)
		put_line(i);
	reader_end(&reader);
	take_all();
	CHECK_STR(got,
		  "init: log: from byte 0 of 16, 0 lost, boot 0a1b2c3d\n"
		  "main: line 0000\n"
		  "init: log: from byte 112 of 160, 96 lost, boot 0a1b2c3d\n"
		  "main: line 0007\nmain: line 0008\nmain: line 0009\n"
		  "init: log: end at byte 160\n");
}

TEST(what_was_sent_of_a_note_is_known)
{
	set_up();
	CHECK(reader_next(&reader, &ring, buf, sizeof(buf)) > 0);
	CHECK(reader_has_note(&reader));
	take_all();
	CHECK(!reader_has_note(&reader));
	put("main: x\n");
	CHECK_INT(reader_next(&reader, &ring, buf, sizeof(buf)), 8);
	CHECK(!reader_has_note(&reader));
}

/* In a ring of four lines: the reader has taken MID bytes, and WRITTEN lines are there then. */
static void overtake(size_t mid, int written)
{
	static const char first[] = "init: log: from byte 0 of 16, 0 lost\n";
	const int head = LINE * written;
	/* What it has when it is overtaken, of the text. */
	const int had = (int)mid - (int)strlen(first);
	/* The first of four lines may be the rest of a longer one. */
	const int tail = head > SIZE ? head - SIZE + LINE : 0;
	char wanted[2048], all[512] = "", *at = wanted;

	set_up();
	put_line(0);
	take(sizeof(buf), mid);
	for (int i = 1; i < written; i++)
		put_line(i);
	take_all();
	for (int i = 0; i < written; i++)
		(void)snprintf(all + strlen(all), 32, "main: line %04d\n", i);
	if (had < 0) { /* the note stays as it began */
		at += sprintf(at, "%s", first);
		if (tail > 0)
			at += sprintf(
				at, "init: log: from byte %d of %d, %d lost\n",
				tail, head, tail);
		(void)strcpy(at, all + tail);
	} else if (had >= head - SIZE) { /* all that it lacks is there */
		(void)sprintf(at, "%s%s", first, all);
	} else {
		(void)sprintf(
			at,
			"%s%.*s%sinit: log: from byte %d of %d, %d lost\n%s",
			first, had, all, had % LINE ? "\n" : "", tail, head,
			tail - had, all + tail);
	}
	CHECK_STR(got, wanted);
}

TEST(one_that_is_overtaken_in_any_place_is_told_how_much_it_lacks)
{
	for (size_t mid = 1; mid <= 37 + LINE; mid++)
		for (int written = 1; written < 12; written++)
			overtake(mid, written);
}

TEST(a_first_note_counts_what_is_gone_before_it)
{
	set_up();
	for (int i = 0; i < 10; i++)
		put_line(i);
	take_all();
	CHECK_STR(got, "init: log: from byte 112 of 160, 112 lost\n"
		       "main: line 0007\nmain: line 0008\nmain: line 0009\n");
}

TEST(one_that_begins_in_a_line_gets_the_next)
{
	char wanted[200];

	for (unsigned pos = 1; pos <= 48; pos++) {
		unsigned first = (pos + LINE - 1) / LINE * LINE;

		set_up();
		for (int i = 0; i < 3; i++)
			put_line(i);
		reader_init(&reader, pos, NULL);
		take_all();
		(void)sprintf(wanted,
			      "init: log: from byte %u of 48, %u lost\n%s",
			      first, first - pos,
			      "main: line 0000\nmain: line 0001\n"
			      "main: line 0002\n" +
				      first);
		CHECK_STR(got, wanted);
		CHECK(!reader_has_more(&reader, &ring));
	}
}

TEST(no_text_is_sent_from_the_midst_of_a_line)
{
	set_up();
	/* What a service writes could look like a note, or like another service. */
	put("main: 56789012345678901234567890123456789012345678901234567890123"
	    "init: log: end at byte 5");
	take_all();
	CHECK_STR(got, "init: log: from byte 89 of 89, 89 lost\n");
	CHECK(!reader_has_more(&reader, &ring));
	CHECK_INT(reader_next(&reader, &ring, buf, sizeof(buf)), 0);
	put("; still it\nmain: next\n");
	got_len = 0;
	take_all();
	CHECK_STR(got,
		  "init: log: from byte 100 of 111, 11 lost\nmain: next\n");
}

TEST(the_end_comes_behind_the_last_byte)
{
	for (size_t step = 1; step < 40; step++) {
		set_up();
		put("main: one\nmain: ha");
		reader_end(&reader);
		CHECK(!reader.has_ended);
		take(step, SIZE_MAX);
		CHECK_STR(got,
			  "init: log: from byte 0 of 18, 0 lost\n"
			  "main: one\nmain: ha\ninit: log: end at byte 18\n");
		CHECK(reader.has_ended && !reader_has_more(&reader, &ring));
		CHECK_INT(reader_next(&reader, &ring, buf, sizeof(buf)), 0);
	}
}

TEST(the_end_of_one_that_was_cut_is_the_ring_s)
{
	set_up();
	for (int i = 0; i < 10; i++)
		put("no newline");
	reader_end(&reader);
	take_all();
	CHECK_STR(got, "init: log: from byte 100 of 100, 100 lost\n"
		       "init: log: end at byte 100\n");
}

TEST(one_that_is_ahead_of_a_ring_begun_anew_goes_back)
{
	set_up();
	put_line(0);
	reader_init(&reader, 1000, NULL);
	take_all();
	CHECK_STR(got, "init: log: from byte 16 of 16, 0 lost\n");
	CHECK(!reader_has_more(&reader, &ring));
	put_line(1);
	take_all();
	CHECK_STR(got, "init: log: from byte 16 of 16, 0 lost\n"
		       "main: line 0001\n");
}

TEST(the_longest_note_has_room)
{
	set_up();
	/* A head as large as can be: the words of ring_shared. */
	((uint64_t *)(void *)memory.bytes)[2] = INT64_MAX;
	((uint64_t *)(void *)memory.bytes)[3] = INT64_MAX;
	reader_init(&reader, 0, "ffffffff");
	reader.in_line = true;
	take_all();
	CHECK_STR(got, "\ninit: log: from byte 9223372036854775807 of "
		       "9223372036854775807, 9223372036854775807 lost, "
		       "boot ffffffff\n");
}

CHECK_MAIN("reader")
