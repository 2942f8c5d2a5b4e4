/* The last lines of one service, of a ring that has those of several. */

#include "init/link/excerpt.h"

#include "tests/unit/check.h"
#include "vsock/line.h"

enum { SIZE = 40000 };

static struct {
	uint64_t align;
	uint8_t bytes[RING_HEADER_BYTES + SIZE];
} memory;

static struct ring ring;
static char got[SIZE + 1];

static void set_up(size_t size)
{
	REQUIRE(ring_init(&ring, memory.bytes, RING_HEADER_BYTES + size) == 0);
}

static void put(const char *s)
{
	ring_write(&ring, s, strlen(s));
}

/* Exactly CAP bytes: one more would be seen. */
static const char *excerpt(const char *name, size_t cap)
{
	char *out = malloc(cap + !cap);
	size_t n;

	REQUIRE(out);
	n = excerpt_of(&ring, name, out, cap);
	CHECK(n <= cap);
	memcpy(got, out, n);
	got[n] = '\0';
	free(out);
	return got;
}

TEST(lines_of_one_service_in_their_order)
{
	set_up(SIZE);
	CHECK_STR(excerpt("a", 100), "");
	put("a: one\nb: two\na! three\nab: four\na+ five\ninit: a: six\n");
	CHECK_STR(excerpt("a", 100), "a: one\na! three\na+ five\n");
	CHECK_STR(excerpt("b", 100), "b: two\n");
	CHECK_STR(excerpt("ab", 100), "ab: four\n");
	CHECK_STR(excerpt("c", 100), "");
	CHECK_STR(excerpt("init", 100), "init: a: six\n");
}

TEST(names_are_whole)
{
	set_up(SIZE);
	put("main: x\nmain\nmain \nma: y\nmain:x\nmain? x\n: z\n \n\nma\n");
	CHECK_STR(excerpt("main", 100), "main: x\n");
	CHECK_STR(excerpt("ma", 100), "ma: y\n");
	CHECK_STR(excerpt("m", 100), "");
	ring_write(&ring, "main\0 x\n", 8); /* of a log as it is */
	CHECK_STR(excerpt("main", 100), "main: x\n");
}

TEST(the_last_lines_that_have_room_are_whole)
{
	static const char all[] = "a: 1\na: 22\na: 333\na: 4444\n";
	const char *wanted = all + strlen(all);

	set_up(SIZE);
	put(all);
	for (size_t cap = 0; cap <= sizeof(all); cap++) {
		/* A longer one than CAP is left out, and those before it go. */
		if (cap == strlen("a: 4444\n") ||
		    cap == strlen("a: 333\na: 4444\n") ||
		    cap == strlen("a: 22\na: 333\na: 4444\n") ||
		    cap == strlen(all)) {
			wanted = all + strlen(all) - cap;
		}
		if (cap >= strlen("a: 4444\n"))
			CHECK_STR(excerpt("a", cap), wanted);
		else
			(void)excerpt("a", cap);
	}
}

TEST(a_line_without_an_end_or_a_begin_is_none)
{
	set_up(64);
	put("a: begin that is overwritten by what follows, as can be seen\n");
	put("a: whole\na: no end");
	CHECK_STR(excerpt("a", 100), "a: whole\n");
	set_up(64);
	put("a: no end");
	CHECK_STR(excerpt("a", 100), "");
	/* The oldest byte begins what looks like a line of it. */
	set_up(64);
	put("b: x");
	put("a: forged 9012345678901234567890123456789012345678901234567890\n");
	put("a: y\n");
	CHECK_STR(excerpt("a", 100), "a: y\n");
}

TEST(much_is_read_in_pieces)
{
	static char line[LINE_MAX_BYTES + 1];
	size_t lines = 0;

	set_up(SIZE);
	memset(line, 'x', LINE_MAX_BYTES - 1);
	line[LINE_MAX_BYTES - 1] = '\n';
	for (int i = 0; i < 9; i++) {
		memcpy(line, i % 2 ? "b: " : "a: ", 3);
		put(line);
		put("a: small\n");
	}
	(void)excerpt("a", SIZE);
	for (const char *at = got; (at = strchr(at, '\n')); at++)
		lines++;
	CHECK_INT(lines, 9 + 5);
	CHECK_INT(strlen(got), 9 * strlen("a: small\n") + 5 * LINE_MAX_BYTES);
}

TEST(a_line_longer_than_any_ends_it)
{
	static char line[SIZE - 100];

	set_up(SIZE);
	memset(line, 'x', sizeof(line) - 1);
	put("a: before\n");
	put(line);
	put("\na: behind\n");
	CHECK_STR(excerpt("a", 100), "a: before\n");
}

CHECK_MAIN("excerpt")
