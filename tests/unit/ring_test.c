#include "vsock/ring.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "tests/unit/check.h"

/* The byte that all of these tests write at a position. */
static uint8_t byte_at(uint64_t pos)
{
	return (uint8_t)((pos * 0x9e3779b97f4a7c15ULL) >> 40);
}

/* Memory of a ring of SIZE bytes, of just that size: ASan sees one too far. */
static void *make_ring(struct ring *r, size_t size)
{
	void *mem = malloc(RING_HEADER_BYTES + size);

	REQUIRE(mem);
	memset(mem, 0xaa, RING_HEADER_BYTES + size);
	REQUIRE(ring_init(r, mem, RING_HEADER_BYTES + size) == 0);
	return mem;
}

static void write_next(struct ring *r, size_t len)
{
	uint64_t head = ring_head(r);
	uint8_t *bytes = malloc(len + !len);

	REQUIRE(bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] = byte_at(head + i);
	ring_write(r, bytes, len);
	CHECK_INT(ring_head(r), head + len);
	free(bytes);
}

/* Reads LEN at *POS: what comes is as written, and nothing is counted wrongly. */
static size_t read_some(const struct ring *r, uint64_t *pos, size_t len,
			uint64_t *ret_lost)
{
	uint64_t before = *pos;
	uint8_t *bytes = malloc(len + !len);
	size_t n;

	REQUIRE(bytes);
	n = ring_read(r, pos, bytes, len, ret_lost);
	REQUIRE(n <= len);
	CHECK_INT(*pos, before + *ret_lost + n);
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != byte_at(*pos - n + i)) {
			CHECK_FAIL("a wrong byte at %ju",
				   (uintmax_t)(*pos - n + i));
			break;
		}
	free(bytes);
	return n;
}

TEST(an_empty_ring_has_nothing)
{
	uint64_t pos = 0, lost = 9;
	struct ring r;
	void *mem = make_ring(&r, 100);

	CHECK_INT(r.size, 100);
	CHECK_INT(ring_head(&r), 0);
	CHECK_INT(ring_tail(&r), 0);
	CHECK_INT(read_some(&r, &pos, 10, &lost), 0);
	CHECK_INT(lost, 0);
	ring_write(&r, "", 0);
	CHECK_INT(ring_head(&r), 0);
	free(mem);
}

TEST(what_was_written_is_read_in_any_portions)
{
	uint64_t pos = 0, lost;
	struct ring r;
	void *mem = make_ring(&r, 101);

	for (size_t i = 0; i < 3000; i++) {
		size_t len = i * 7 % 102, left = len;

		write_next(&r, len);
		CHECK_INT(ring_tail(&r),
			  ring_head(&r) < 101 ? 0 : ring_head(&r) - 101);
		while (left > 0) {
			size_t n = read_some(&r, &pos, 1 + i % 40, &lost);

			REQUIRE(CHECK_INT(lost, 0) && n > 0 && n <= left);
			left -= n;
		}
		CHECK_INT(pos, ring_head(&r));
	}
	free(mem);
}

TEST(a_reader_that_was_overtaken_learns_by_how_much)
{
	uint64_t pos = 0, lost;
	struct ring r;
	void *mem = make_ring(&r, 128);

	write_next(&r, 100);
	CHECK_INT(read_some(&r, &pos, 30, &lost), 30);
	CHECK_INT(lost, 0);
	write_next(&r, 100); /* 72 to 200 are there */
	CHECK_INT(read_some(&r, &pos, 50, &lost), 50);
	CHECK_INT(lost, 42);
	CHECK_INT(read_some(&r, &pos, 500, &lost), 78);
	CHECK_INT(lost, 0);
	CHECK_INT(pos, 200);
	free(mem);
}

TEST(more_than_the_ring_holds_leaves_the_last)
{
	uint64_t pos = 3, lost;
	struct ring r;
	void *mem = make_ring(&r, 64);

	write_next(&r, 1000);
	CHECK_INT(ring_tail(&r), 936);
	CHECK_INT(read_some(&r, &pos, 1000, &lost), 64);
	CHECK_INT(lost, 933);
	free(mem);
}

TEST(two_readers_do_not_know_of_each_other)
{
	uint64_t a = 0, b = 0, lost;
	struct ring r, other;
	void *mem = make_ring(&r, 128);

	REQUIRE(ring_open(&other, mem, RING_HEADER_BYTES + 128) == 0);
	write_next(&r, 60);
	CHECK_INT(read_some(&other, &a, 60, &lost), 60);
	write_next(&r, 100);
	CHECK_INT(read_some(&other, &a, 100, &lost), 100);
	CHECK_INT(lost, 0);
	CHECK_INT(read_some(&r, &b, 200, &lost), 128);
	CHECK_INT(lost, 32);
	free(mem);
}

TEST(a_reader_from_the_future_comes_back)
{
	uint64_t pos = 1000, lost = 7;
	struct ring r;
	void *mem = make_ring(&r, 128);
	char buf[10];

	write_next(&r, 60);
	CHECK_INT(ring_read(&r, &pos, buf, sizeof(buf), &lost), 0);
	CHECK_INT(pos, 60);
	CHECK_INT(lost, 0);
	free(mem);
}

TEST(a_new_writer_goes_on_where_the_last_one_stopped)
{
	uint64_t pos = 0, lost;
	struct ring r, next;
	void *mem = make_ring(&r, 128);

	write_next(&r, 100);
	REQUIRE(ring_open(&next, mem, RING_HEADER_BYTES + 128) == 0);
	write_next(&next, 20);
	CHECK_INT(read_some(&r, &pos, 200, &lost), 120);
	CHECK_INT(lost, 0);
	free(mem);
}

/* The header, as ring.c has it. */
static uint64_t *word(void *mem, size_t i)
{
	return (uint64_t *)mem + i;
}

enum { MAGIC, SIZE, HEAD, CLAIM };

/* What a writer leaves that is killed before it has published N bytes. */
static void die_within(void *mem, struct ring *r, size_t n)
{
	*word(mem, CLAIM) = *word(mem, HEAD) + n;
	for (size_t i = 0; i < n; i++)
		r->data[(*word(mem, HEAD) + i) % r->size] = '?';
}

TEST(what_a_killed_writer_destroyed_is_not_read)
{
	uint64_t pos = 0, lost;
	struct ring r;
	void *mem = make_ring(&r, 128);

	write_next(&r, 200);
	die_within(mem, &r, 16);
	CHECK_INT(ring_tail(&r), 88);
	CHECK_INT(ring_head(&r), 200);
	CHECK_INT(read_some(&r, &pos, 200, &lost), 112);
	CHECK_INT(lost, 88);
	/* One that writes less does not give the rest back. */
	REQUIRE(ring_open(&r, mem, RING_HEADER_BYTES + 128) == 0);
	write_next(&r, 10);
	pos = 0;
	CHECK_INT(read_some(&r, &pos, 200, &lost), 122);
	CHECK_INT(lost, 88);
	write_next(&r, 10);
	CHECK_INT(ring_tail(&r), 92);
	pos = 0;
	CHECK_INT(read_some(&r, &pos, 200, &lost), 128);
	free(mem);
}

TEST(memory_that_does_not_fit_is_refused)
{
	_Alignas(8) static uint8_t mem[RING_HEADER_BYTES + RING_SIZE_MIN + 8];
	struct ring r;

	CHECK_INT(ring_init(&r, mem, RING_HEADER_BYTES + RING_SIZE_MIN - 1),
		  -EINVAL);
	CHECK_INT(ring_init(&r, mem, 0), -EINVAL);
	CHECK_INT(ring_init(&r, mem + 1, RING_HEADER_BYTES + RING_SIZE_MIN),
		  -EINVAL);
	CHECK_INT(ring_open(&r, mem, 10), -EINVAL);
	CHECK_INT(ring_open(&r, mem, sizeof(mem)), -EBADMSG);
	CHECK_INT(ring_init(&r, mem, sizeof(mem)), 0);
	CHECK_INT(ring_open(&r, mem, sizeof(mem)), 0);
	CHECK_INT(ring_open(&r, mem, sizeof(mem) - 8), -EBADMSG);
}

TEST(positions_that_cannot_be_are_refused)
{
	static const struct {
		uint64_t head, claim;
		int result;
	} rows[] = {
		{ 0, 0, 0 },
		{ 500, 500, 0 },
		{ 500, 628, 0 },
		{ 500, 629, -EBADMSG },
		{ 500, 499, -EBADMSG },
		{ 500, UINT64_MAX, -EBADMSG },
		{ INT64_MAX, INT64_MAX, 0 },
		{ UINT64_MAX, UINT64_MAX, -EBADMSG },
	};
	struct ring r;
	void *mem = make_ring(&r, 128);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		*word(mem, HEAD) = rows[i].head;
		*word(mem, CLAIM) = rows[i].claim;
		CHECK_INT(ring_open(&r, mem, RING_HEADER_BYTES + 128),
			  rows[i].result);
	}
	*word(mem, HEAD) = *word(mem, CLAIM) = 0;
	*word(mem, SIZE) = 129;
	CHECK_INT(ring_open(&r, mem, RING_HEADER_BYTES + 128), -EBADMSG);
	free(mem);
}

/* Of a ring that is open already: ASan sees what is read outside. */
TEST(a_damaged_header_leads_nowhere_else)
{
	static const uint64_t odd[] = { 0,	    1,	       127,
					128,	    129,       5000,
					1ULL << 32, INT64_MAX, UINT64_MAX - 130,
					UINT64_MAX };
	enum { COUNT = sizeof(odd) / sizeof(odd[0]) };
	uint8_t buf[300];
	uint64_t pos, lost;
	struct ring r;
	void *mem = make_ring(&r, 128);

	for (size_t h = 0; h < COUNT; h++)
		for (size_t c = 0; c < COUNT; c++)
			for (size_t p = 0; p < COUNT; p++) {
				*word(mem, SIZE) = UINT64_MAX;
				*word(mem, HEAD) = odd[h];
				*word(mem, CLAIM) = odd[c];
				pos = odd[p];
				CHECK(ring_read(&r, &pos, buf, sizeof(buf),
						&lost) <= 128);
				CHECK(ring_tail(&r) <= ring_head(&r));
				(void)ring_tail_from_line(&r, odd[p]);
				ring_write(&r, buf, p * 30);
			}
	free(mem);
}

static void check_line(size_t size, const char *text, size_t len,
		       const char *wanted)
{
	char got[512] = "";
	uint64_t pos, lost;
	struct ring r;
	void *mem = make_ring(&r, size);

	ring_write(&r, text, strlen(text));
	pos = ring_tail_from_line(&r, len);
	(void)ring_read(&r, &pos, got, sizeof(got) - 1, &lost);
	CHECK_INT(lost, 0);
	got[ring_head(&r) - (pos - strlen(got))] = '\0';
	CHECK_STR(got, wanted);
	free(mem);
}

TEST(last_words_begin_with_a_whole_line)
{
	check_line(200, "", 10, "");
	check_line(200, "one\ntwo\nthree\n", 100, "one\ntwo\nthree\n");
	check_line(200, "one\ntwo\nthree\n", 14, "one\ntwo\nthree\n");
	check_line(200, "one\ntwo\nthree\n", 13, "two\nthree\n");
	check_line(200, "one\ntwo\nthree\n", 10, "two\nthree\n");
	check_line(200, "one\ntwo\nthree\n", 9, "three\n");
	check_line(200, "one\ntwo\nthree\n", 6, "three\n");
	check_line(200, "one\ntwo\nthree\n", 0, "");
	/* A line that is longer. */
	check_line(200, "one\ntwo\nthree\n", 5, "hree\n");
	check_line(200, "one\ntwo\nthree\n", 1, "\n");
	check_line(200, "one\ntwo\nthree", 7, "three");
	check_line(200, "one\xc3\xbc\xc3\xbc!\n", 5, "\xc3\xbc!\n");
	/* Of a ring that has lost its beginning. */
	check_line(
		64,
		"............................................................"
		".........\ntwo\n",
		100, "two\n");
}

TEST(last_words_are_found_wherever_the_ring_wraps)
{
	static const char text[] = "line one\nline two\nline 3\n";
	char got[65];
	uint64_t pos, lost;
	struct ring r;
	void *mem = make_ring(&r, 64);

	for (int i = 0; i < 1000; i++) {
		ring_write(&r, "x", 1);
		ring_write(&r, text, sizeof(text) - 1);
		pos = ring_tail_from_line(&r, 20);
		CHECK_INT(ring_read(&r, &pos, got, 64, &lost), 16);
		CHECK_MEM(got, "line two\nline 3\n", 16);
	}
	free(mem);
}

/* --- processes --- */

enum { SHARED = RING_HEADER_BYTES + 4096, LEAST = 4096 - 4096 / RING_PIECES };

static void *share(struct ring *r)
{
	void *mem = mmap(NULL, SHARED, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	REQUIRE(mem != MAP_FAILED);
	REQUIRE(ring_init(r, mem, SHARED) == 0);
	return mem;
}

/* Writes for ever, from the head on, in pieces of all sizes. */
static _Noreturn void write_on(void *mem)
{
	static uint8_t bytes[6000];
	uint32_t random = (uint32_t)getpid();
	uint64_t head;
	struct ring r;
	size_t len;

	if (ring_open(&r, mem, SHARED) != 0)
		_exit(1);
	for (;;) {
		random = random * 1103515245 + 12345;
		len = (random >> 16) % (random & 1 << 30 ? 100 : 6000);
		head = ring_head(&r);
		for (size_t i = 0; i < len; i++)
			bytes[i] = byte_at(head + i);
		ring_write(&r, bytes, len);
	}
}

static pid_t start_writer(void *mem)
{
	pid_t pid = fork();

	REQUIRE(pid >= 0);
	if (pid == 0) {
		/* A failed test must not leave it. */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		write_on(mem);
	}
	return pid;
}

static void kill_writer(pid_t pid)
{
	int status;

	REQUIRE(kill(pid, SIGKILL) == 0);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK_INT(status, SIGKILL);
}

TEST(a_reader_beside_the_writer_sees_no_wrong_byte)
{
	uint64_t pos = 0, lost, lost_in_all = 0, bytes = 0;
	struct ring r;
	void *mem = share(&r);
	pid_t pid = start_writer(mem);

	/* Until it was overtaken often, and has read much all the same. */
	while (lost_in_all < 1000000 || bytes < 1000000) {
		if (bytes % 64 == 0)
			sched_yield();
		bytes += read_some(&r, &pos, bytes % 7 ? 300 : 4096, &lost);
		lost_in_all += lost;
		REQUIRE(check_failures == 0);
	}
	CHECK_INT(pos, bytes + lost_in_all);
	kill_writer(pid);
}

TEST(a_writer_that_is_killed_anywhere_leaves_a_ring)
{
	uint64_t pos = 0, lost, head;
	struct ring r;
	void *mem = share(&r);

	for (int i = 0; i < 300; i++) {
		pid_t pid = start_writer(mem);

		head = ring_head(&r);
		while (ring_head(&r) < head + 1 + (unsigned)i * 37 % 5000)
			sched_yield();
		kill_writer(pid);
		REQUIRE(CHECK_INT(ring_open(&r, mem, SHARED), 0));
		/* No more is gone than the piece that was being written. */
		head = ring_head(&r) < LEAST ? ring_head(&r) : LEAST;
		CHECK(ring_head(&r) - ring_tail(&r) >= head);
		while (read_some(&r, &pos, 1000, &lost) > 0)
			;
		CHECK_INT(pos, ring_head(&r));
	}
}

TEST(a_reader_needs_no_right_to_write)
{
	uint64_t pos = 0, lost;
	struct ring r;
	void *mem = share(&r);

	write_next(&r, 5000);
	REQUIRE(mprotect(mem, SHARED, PROT_READ) == 0);
	REQUIRE(ring_open(&r, mem, SHARED) == 0);
	CHECK_INT(read_some(&r, &pos, 5000, &lost), 4096);
	CHECK_INT(ring_tail_from_line(&r, 0), 5000);
}

CHECK_MAIN("ring")
