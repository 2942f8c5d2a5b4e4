/* From pipes into the ring, by processes that may be killed at any instruction. */

#include "init/link/stream.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>

#include "tests/unit/check.h"

enum { RING = 4096, STREAMS = 3 };

struct all {
	struct link_shared shared;
	_Alignas(8) char ring[RING_HEADER_BYTES + RING];
};

static struct all *all;
static struct ring ring;
static int fds[2];
static char got[RING + 1];

static void open_memory(void)
{
	all = mmap(NULL, sizeof(*all), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(all != MAP_FAILED);
	REQUIRE(ring_init(&ring, all->ring, sizeof(all->ring)) == 0);
	line_init(&all->shared.lines[0], "init", false, true);
	line_init(&all->shared.lines[1], "main", false, true);
	line_init(&all->shared.lines[2], "main", true, true);
}

static void set_up(void)
{
	open_memory();
	REQUIRE(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
}

static void put(const char *s)
{
	CHECK_INT(write(fds[1], s, strlen(s)), strlen(s));
}

/* All that is in the ring. */
static const char *text(const struct ring *r)
{
	uint64_t pos = 0, lost;
	size_t n = ring_read(r, &pos, got, RING, &lost);

	CHECK_INT(lost, 0);
	got[n] = '\0';
	return got;
}

TEST(lines_of_a_pipe_are_in_the_ring)
{
	set_up();
	put("one\ntwo\nhal");
	CHECK(!stream_take(&all->shared, 1, fds[0], &ring));
	CHECK_STR(text(&ring), "main: one\nmain: two\n");
	CHECK(line_is_open(&all->shared.lines[1]));
	put("f\n");
	CHECK(!stream_take(&all->shared, 1, fds[0], &ring));
	CHECK_STR(text(&ring), "main: one\nmain: two\nmain: half\n");
}

TEST(an_empty_pipe_and_one_at_its_end_are_nothing)
{
	set_up();
	CHECK(!stream_take(&all->shared, 1, fds[0], &ring));
	close(fds[1]);
	CHECK(!stream_take(&all->shared, 1, fds[0], &ring));
	CHECK(!stream_take(&all->shared, 1, -1, &ring));
	stream_end(&all->shared, 1, fds[0], &ring);
	stream_end(&all->shared, 1, -1, &ring);
	CHECK_STR(text(&ring), "");
}

TEST(an_open_line_is_flushed_and_goes_on)
{
	set_up();
	put("wait");
	(void)stream_take(&all->shared, 2, fds[0], &ring);
	CHECK_STR(text(&ring), "");
	stream_flush(&all->shared, 2, &ring);
	CHECK_STR(text(&ring), "main! wait\n");
	stream_flush(&all->shared, 2, &ring);
	put("ing\n");
	(void)stream_take(&all->shared, 2, fds[0], &ring);
	CHECK_STR(text(&ring), "main! wait\nmain+ ing\n");
}

TEST(the_end_takes_all_and_ends_the_line)
{
	static char much[100000];
	size_t n;

	set_up();
	(void)fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
	memset(much, '\n', sizeof(much) - 5);
	memcpy(much + sizeof(much) - 5, "last\xc3", 5);
	n = (size_t)write(fds[1], much, sizeof(much));
	CHECK_INT(n, sizeof(much));
	CHECK(stream_take(&all->shared, 1, fds[0], &ring));
	stream_end(&all->shared, 1, fds[0], &ring);
	/* Lines without text, but for the last. */
	CHECK_INT(ring_head(&ring), (sizeof(much) - 5) * sizeof("main: ") +
					    strlen("main: last\\xc3\n"));
}

TEST(streams_do_not_mix)
{
	int more[2];

	set_up();
	REQUIRE(pipe2(more, O_CLOEXEC | O_NONBLOCK) == 0);
	put("of ma");
	CHECK_INT(write(more[1], "own ", 4), 4);
	(void)stream_take(&all->shared, 1, fds[0], &ring);
	(void)stream_take(&all->shared, 0, more[0], &ring);
	put("in\n");
	(void)stream_take(&all->shared, 1, fds[0], &ring);
	stream_end(&all->shared, 0, more[0], &ring);
	CHECK_STR(text(&ring), "main: of main\ninit: own \n");
}

/* --- what a killed process leaves --- */

TEST(any_memory_can_be_gone_on_with)
{
	uint32_t random = 1;

	set_up();
	for (int times = 0; times < 2000; times++) {
		uint8_t *bytes = (uint8_t *)&all->shared;
		size_t first = offsetof(struct link_shared, lines);
		/* All of it, or a little. */
		size_t step = times % 2 ? 1 : 997;

		for (size_t i = first; i < sizeof(all->shared); i += step) {
			random = random * 1103515245 + 12345;
			bytes[i] = (uint8_t)(random >> 16);
			if (step > 1)
				bytes[first + (random >> 8) % 60] =
					(uint8_t)random;
		}
		/* Not to be a number of a stream each time. */
		if (times % 3)
			all->shared.intake.open = random % (STREAMS + 2);
		all->shared.intake.what = random >> 4 & 3;
		if (times % 5)
			all->shared.intake.head =
				ring_head(&ring) - (random & 15);
		stream_repair(&all->shared, STREAMS, &ring);
		put("x\n");
		for (size_t i = 0; i < STREAMS; i++) {
			(void)stream_take(&all->shared, i, fds[0], &ring);
			stream_flush(&all->shared, i, &ring);
			stream_end(&all->shared, i, fds[0], &ring);
		}
		if (times % 2)
			break; /* one that is all garbage is enough for each */
	}
}

static const char before[] = "kept: line\nopen ",
		  input[] = "one\ntwo \x1b[0m\xc3\xa4 \\x41\nthree \xe2\x82";
static const char after[] = "\xac four\nlast\n";
static const char wanted[] =
	"main: kept: line\nmain: open one\nmain: two \\x1b[0m\xc3\xa4 \\x5cx41\n"
	"main: three \n"
	"main+ \xe2\x82\xac four\nmain: last\n";

static void work(void)
{
	(void)stream_take(&all->shared, 1, fds[0], &ring);
	stream_flush(&all->shared, 1, &ring);
}

/* What the next process makes of the memory as it is, and of what is in the pipe. */
static bool can_go_on(struct all *copy)
{
	int more[2], left = 0;
	struct ring r;
	const char *found;
	bool good;

	memcpy(copy, all, sizeof(*copy));
	REQUIRE(ring_open(&r, copy->ring, sizeof(copy->ring)) == 0);
	REQUIRE(ioctl(fds[0], FIONREAD, &left) == 0);
	REQUIRE(pipe2(more, O_CLOEXEC | O_NONBLOCK) == 0);
	stream_repair(&copy->shared, STREAMS, &r);
	/* Twice is no more than once. */
	stream_repair(&copy->shared, STREAMS, &r);
	CHECK_INT(write(more[1], input + strlen(input) - left, (size_t)left),
		  left);
	(void)stream_take(&copy->shared, 1, more[0], &r);
	/* Where the line was cut is a matter of time. */
	if (!strchr(text(&r), '+') && !strstr(got, "three"))
		stream_flush(&copy->shared, 1, &r);
	CHECK_INT(write(more[1], after, strlen(after)), strlen(after));
	(void)stream_take(&copy->shared, 1, more[0], &r);
	close(more[0]);
	close(more[1]);
	found = text(&r);
	good = strcmp(found, wanted) == 0;
	if (!good)
		CHECK_FAIL("left %d: %s", left, found);
	return good;
}

/* By single steps: what would be there if it were killed now, at each of them. */
TEST(one_that_is_killed_at_any_instruction_loses_and_doubles_nothing)
{
	static struct all copy;
	int status, steps = 0;
	pid_t pid;

	set_up();
	put(before);
	(void)stream_take(&all->shared, 1, fds[0], &ring);
	put(input);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(2);
		(void)raise(SIGSTOP);
		work();
		_exit(0);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	REQUIRE(WIFSTOPPED(status)); /* or no ptrace */
	while (WIFSTOPPED(status)) {
		if (!can_go_on(&copy))
			break;
		steps++;
		REQUIRE(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
		REQUIRE(waitpid(pid, &status, 0) == pid);
	}
	CHECK(WIFEXITED(status) && steps > 1000);
	(void)kill(pid, SIGKILL);
}

CHECK_MAIN("stream")
