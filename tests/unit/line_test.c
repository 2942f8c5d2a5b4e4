#include "vsock/line.h"

#include "tests/unit/check.h"

static struct line l;
static char out[1 << 17];
static size_t out_len;

static void begin(const char *name, bool is_stderr, bool escapes)
{
	line_init(&l, name, is_stderr, escapes);
	out_len = 0;
}

/* In memory of just that size; all of it is taken at once. */
static void feed_bytes(const char *bytes, size_t len)
{
	char *copy = malloc(len + !len);
	size_t n;

	REQUIRE(copy);
	memcpy(copy, bytes, len);
	CHECK_INT(line_write(&l, copy, len, out + out_len,
			     sizeof(out) - out_len, &n),
		  len);
	out_len += n;
	free(copy);
}

#define FEED(text) feed_bytes(text, sizeof(text) - 1)

static void check_out(const char *wanted)
{
	out[out_len] = '\0';
	CHECK_STR(out, wanted);
	out_len = 0;
}

static void end(void)
{
	out_len += line_end(&l, out + out_len);
}

static void check_text(const char *bytes, size_t len, const char *wanted)
{
	begin("a", false, true);
	feed_bytes(bytes, len);
	FEED("\n");
	check_out(wanted);
	/* The same byte by byte. */
	for (size_t i = 0; i < len; i++)
		feed_bytes(bytes + i, 1);
	FEED("\n");
	check_out(wanted);
	CHECK(!line_is_open(&l));
}

#define TEXT(bytes, wanted) \
	check_text(bytes, sizeof(bytes) - 1, "a: " wanted "\n")

TEST(each_line_has_the_name_of_its_service)
{
	begin("main", false, true);
	FEED("one\ntwo\n");
	check_out("main: one\nmain: two\n");
	FEED("\n\nthree");
	check_out("main: \nmain: \n");
	CHECK(line_is_open(&l));
	FEED(" more\nfour\n");
	check_out("main: three more\nmain: four\n");
	CHECK(!line_is_open(&l));
	FEED("");
	check_out("");
}

TEST(standard_error_is_marked)
{
	begin("db", true, true);
	FEED("one\n");
	check_out("db! one\n");
}

TEST(a_long_name_is_cut)
{
	begin("0123456789012345678901234567890123456789", false, true);
	FEED("x\n");
	check_out("0123456789012345678901234567890: x\n");
}

TEST(the_end_of_a_stream_ends_its_line)
{
	begin("a", false, true);
	end();
	check_out("");
	FEED("one\ntwo");
	end();
	check_out("a: one\na: two\n");
	end();
	check_out("");
	FEED("three\n");
	check_out("a: three\n");
	FEED("cr\r");
	end();
	check_out("a: cr\\x0d\n");
	FEED("half \xe2\x82");
	end();
	check_out("a: half \\xe2\\x82\n");
	FEED("\\");
	end();
	check_out("a: \\\n");
	FEED("next\n");
	check_out("a: next\n");
}

TEST(a_line_that_was_flushed_goes_on_with_a_plus)
{
	begin("a", true, true);
	CHECK_INT(line_flush(&l, out), 0);
	FEED("10 %");
	out_len = line_flush(&l, out);
	check_out("a! 10 %\n");
	CHECK(!line_is_open(&l));
	CHECK_INT(line_flush(&l, out), 0);
	FEED(" 20 %");
	out_len = line_flush(&l, out);
	check_out("a+  20 %\n");
	FEED(" done\nnext\n");
	check_out("a+  done\na! next\n");
	/* Of a line that has been written nothing is left to write. */
	FEED("x");
	out_len = line_flush(&l, out);
	FEED("\ny\r\n");
	check_out("a! x\na! y\n");
	FEED("x");
	out_len = line_flush(&l, out);
	end();
	FEED("y\n");
	check_out("a! x\na! y\n");
	FEED("x\r");
	out_len = line_flush(&l, out);
	FEED("\ny\n");
	check_out("a! x\na! y\n");
}

TEST(half_a_character_stays_when_a_line_is_flushed)
{
	begin("a", false, true);
	FEED("\xe2\x82");
	CHECK(!line_is_open(&l));
	CHECK_INT(line_flush(&l, out), 0);
	FEED("\xac 5\xe2");
	out_len = line_flush(&l, out);
	check_out("a: \xe2\x82\xac 5\n");
	FEED("\x82");
	CHECK_INT(line_flush(&l, out), 0);
	FEED("\xac\n");
	check_out("a+ \xe2\x82\xac\n");
}

TEST(what_a_terminal_acts_on_is_escaped)
{
	TEXT("\033[2J", "\\x1b[2J");
	TEXT("a\0b", "a\\x00b");
	TEXT("\x01\x08\x0b\x1f\x7f", "\\x01\\x08\\x0b\\x1f\\x7f");
	TEXT("tab\tstays", "tab\tstays");
	TEXT("\x9b[2J", "\\x9b[2J");	      /* C1, a raw byte */
	TEXT("\xc2\x9b[2J", "\\xc2\\x9b[2J"); /* as a character */
	TEXT("\xc2\xa0", "\xc2\xa0");
	TEXT("\xe2\x80\xae!", "\\xe2\\x80\\xae!"); /* turns the direction */
	TEXT("\xef\xbb\xbf", "\\xef\\xbb\\xbf");
	TEXT("\xe2\x80\xa8", "\\xe2\\x80\\xa8");
}

TEST(utf8_stays_and_all_else_is_escaped)
{
	TEXT("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\x92",
	     "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x94\x92");
	TEXT("\xff\xfe", "\\xff\\xfe");
	TEXT("\xc3(", "\\xc3(");
	TEXT("\xe2\x82(", "\\xe2\\x82(");
	TEXT("\xe2\x82", "\\xe2\\x82"); /* before the newline */
	TEXT("\xc0\xaf", "\\xc0\\xaf");
	TEXT("\xed\xa0\x80", "\\xed\\xa0\\x80");
	TEXT("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
	TEXT("\xf0\x9f\x94\xc3\xbc", "\\xf0\\x9f\\x94\xc3\xbc");
}

TEST(an_escape_is_told_from_text)
{
	TEXT("C:\\temp\\new", "C:\\temp\\new");
	TEXT("\\x41", "\\x5cx41");
	TEXT("\\xampp", "\\x5cxampp");
	TEXT("\\\\x", "\\\\x5cx");
	TEXT("\\\x01", "\\\\x01");
	TEXT("\\", "\\");
	TEXT("\\\\", "\\\\");
	TEXT("x\\", "x\\");
}

TEST(one_cr_before_a_newline_is_dropped)
{
	TEXT("dos\r", "dos");
	TEXT("\r", "");
	TEXT("\r\r", "\\x0d");
	TEXT("10%\r20%", "10%\\x0d20%");
}

TEST(without_escapes_bytes_are_as_they_are)
{
	static const char text[] = "\033[1m\xff\\x41\xc2\x9b\ta\rb\r\r\n";

	for (int bytewise = 0; bytewise < 2; bytewise++) {
		begin("a", false, false);
		for (size_t i = 0; i < sizeof(text) - 1;
		     i += bytewise ? 1 : sizeof(text) - 1)
			feed_bytes(text + i, bytewise ? 1 : sizeof(text) - 1);
		check_out("a: \033[1m\xff\\x41\xc2\x9b\ta\rb\r\n");
	}
}

/* N times BYTE, and then TAIL. */
static void feed_long(size_t n, const char *tail)
{
	static char text[10000];

	memset(text, 'x', n);
	strcpy(text + n, tail);
	feed_bytes(text, n + strlen(tail));
}

TEST(a_long_line_is_continued)
{
	begin("a", true, true);
	feed_long(LINE_TEXT_MAX, "\n");
	CHECK_INT(out_len, 3 + LINE_TEXT_MAX + 1);
	out_len = 0;
	feed_long(LINE_TEXT_MAX, "\r\n");
	CHECK_INT(out_len, 3 + LINE_TEXT_MAX + 1);
	out_len = 0;
	feed_long(LINE_TEXT_MAX, "yz\nnext\n");
	CHECK_MEM(out, "a! xx", 5);
	memmove(out, out + 3 + LINE_TEXT_MAX, out_len);
	out_len -= 3 + LINE_TEXT_MAX;
	check_out("\na+ yz\na! next\n");
	feed_long(2 * LINE_TEXT_MAX, "y\n");
	memmove(out, out + 2 * (3 + LINE_TEXT_MAX + 1),
		out_len -= 2 * (3 + LINE_TEXT_MAX + 1));
	check_out("a+ y\n");
}

TEST(a_long_line_is_not_cut_within_a_character_or_escape)
{
	static const char *const tails[] = { "\xf0\x9f\x94\x92", "\\x01" };
	static const char *const input[] = { "\xf0\x9f\x94\x92", "\x01" };

	for (int i = 0; i < 2; i++)
		for (size_t n = LINE_TEXT_MAX - 5; n <= LINE_TEXT_MAX; n++) {
			size_t first = n + 4 <= LINE_TEXT_MAX ? n + 4 : n;
			size_t at = 3 + first;

			begin("a", false, true);
			feed_long(n, input[i]);
			FEED("zz\n");
			CHECK_MEM(out + 3 + n - 1, "x", 1);
			if (first > n)
				CHECK_MEM(out + 3 + n, tails[i], 4);
			else
				CHECK_MEM(out + at + 4, tails[i], 4);
		}
}

TEST(a_full_output_takes_what_it_has_room_for)
{
	char small[LINE_ROOM], all[4000];
	size_t taken = 0, len, n, lines = 0;

	begin("0123456789012345678901234567890", false, true);
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = i % 100 == 99 ? '\n' : (char)('a' + i % 26);
	for (size_t cap = LINE_ROOM; taken < sizeof(all); taken += n) {
		n = line_write(&l, all + taken, sizeof(all) - taken, small, cap,
			       &len);
		CHECK(n > 0 || len > 0);
		REQUIRE(len <= cap);
		for (size_t i = 0; i < len; i++)
			lines += small[i] == '\n';
		if (len > 0)
			CHECK(small[len - 1] == '\n');
	}
	CHECK_INT(lines, 40);
	/* Neither is an escape, or what is pending, lost. */
	begin("a", false, true);
	feed_long(LINE_TEXT_MAX - 1, "\\");
	len = 0;
	n = line_write(&l, "xyz\n", 4, small, LINE_ROOM, &len);
	CHECK_INT(n, 0);
	CHECK_INT(len, 3 + LINE_TEXT_MAX);
	n = line_write(&l, "xyz\n", 4, small, LINE_ROOM, &len);
	CHECK_INT(n, 4);
	CHECK_INT(len, sizeof("a+ \\x5cxyz\n") - 1);
	CHECK_MEM(small, "a+ \\x5cxyz\n", len);
}

/* Each byte at each place of a word, beside what carries and borrows. */
TEST(every_byte_at_every_place)
{
	char text[24], wanted[64];

	for (int c = 0; c < 256; c++) {
		bool plain = c == '\t' || (c >= ' ' && c < 0x7f);

		for (size_t at = 0; at < 16; at++) {
			if (c == '\n' || c == '\r')
				continue;
			memset(text, at & 1 ? ' ' : '~', sizeof(text));
			text[at] = (char)c;
			(void)snprintf(wanted, sizeof(wanted),
				       plain ? "a: %.*s%c%.*s\n" :
					       "a: %.*s\\x%02x%.*s\n",
				       (int)at, text, c,
				       (int)(sizeof(text) - at - 1),
				       text + at + 1);
			check_text(text, sizeof(text), wanted);
		}
	}
}

TEST(a_backslash_and_x_at_every_place)
{
	char text[24], wanted[64];

	for (size_t at = 0; at < sizeof(text) - 1; at++) {
		memset(text, 'y', sizeof(text));
		text[at] = '\\';
		text[at + 1] = 'x';
		(void)snprintf(wanted, sizeof(wanted), "a: %.*s\\x5c%.*s\n",
			       (int)at, text, (int)(sizeof(text) - at - 1),
			       text + at + 1);
		check_text(text, sizeof(text), wanted);
	}
}

CHECK_MAIN("line")
