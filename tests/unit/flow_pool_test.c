#include "vsock/relay/flow/pool.h"

#include <sys/mman.h>

#include "tests/unit/check.h"
#include "vsock/relay/flow/tally.h"

enum { KIB = 1024, MEMORY = 256 * KIB };

static struct pool pool;

TEST(half_of_the_memory_is_for_large_chunks)
{
	pool_chunk chunks[64], c;
	size_t n = 0;

	REQUIRE(pool_open(&pool, MEMORY) == 0);
	for (; pool_offers(&pool) == POOL_LARGE; n++) {
		chunks[n] = pool_take(&pool, POOL_LARGE);
		REQUIRE(chunks[n] != 0);
		CHECK_INT(pool_size(&pool, chunks[n]), POOL_LARGE);
		memset(pool_bytes(&pool, chunks[n]), (int)n, POOL_LARGE);
	}
	CHECK_INT(n, MEMORY / 2 / POOL_LARGE);
	CHECK_INT(pool_take(&pool, POOL_SMALL + 1), 0);
	for (; pool_offers(&pool) == POOL_SMALL; n++) {
		chunks[n] = pool_take(&pool, 1);
		REQUIRE(chunks[n] != 0);
		CHECK_INT(pool_size(&pool, chunks[n]), POOL_SMALL);
		memset(pool_bytes(&pool, chunks[n]), (int)n, POOL_SMALL);
	}
	CHECK_INT(pool_offers(&pool), 0);
	CHECK_INT(pool_take(&pool, 1), 0);
	/* Each its own. */
	for (size_t i = 0; i < n; i++) {
		size_t size = pool_size(&pool, chunks[i]);

		CHECK_INT(pool_bytes(&pool, chunks[i])[0], i);
		CHECK_INT(pool_bytes(&pool, chunks[i])[size - 1], i);
	}
	pool_give(&pool, chunks[n - 1]);
	CHECK_INT(pool_offers(&pool), POOL_SMALL);
	c = pool_take(&pool, POOL_SMALL);
	CHECK_INT(c, chunks[n - 1]);
	for (size_t i = 0; i < n; i++)
		pool_give(&pool, chunks[i]);
	CHECK_INT(pool_offers(&pool), POOL_LARGE);
	pool_close(&pool);
}

TEST(what_fits_in_a_small_chunk_takes_one)
{
	pool_chunk c;

	REQUIRE(pool_open(&pool, MEMORY) == 0);
	c = pool_take(&pool, POOL_SMALL);
	CHECK_INT(pool_size(&pool, c), POOL_SMALL);
	pool_give(&pool, c);
	pool_close(&pool);
}

static size_t resident(const struct pool_shelf *s)
{
	static unsigned char pages[1024];
	size_t len = (size_t)s->room * s->size, n = 0;

	REQUIRE(mincore(s->base, len, pages) == 0);
	for (size_t i = 0; i < len / 4096; i++)
		n += pages[i] & 1;
	return n * 4096;
}

TEST(memory_goes_back_to_the_kernel)
{
	enum { CHUNKS = 64 };
	pool_chunk chunks[CHUNKS];

	REQUIRE(pool_open(&pool, 2 * CHUNKS * POOL_LARGE) == 0);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < CHUNKS; i++) {
			chunks[i] = pool_take(&pool, POOL_LARGE);
			REQUIRE(chunks[i] != 0);
			memset(pool_bytes(&pool, chunks[i]), 1, POOL_LARGE);
		}
		CHECK_INT(resident(&pool.large), CHUNKS * POOL_LARGE);
		for (int i = 0; i < CHUNKS; i++)
			pool_give(&pool, chunks[i]);
		CHECK(resident(&pool.large) <= 4 * POOL_LARGE);
	}
	pool_close(&pool);
}

TEST(no_memory_offers_nothing)
{
	REQUIRE(pool_open(&pool, 0) == 0);
	CHECK_INT(pool_offers(&pool), 0);
	CHECK_INT(pool_take(&pool, 1), 0);
	pool_close(&pool);
}

/* Runs AS in a process that is worker NUMBER, and waits for it. */
static void in_worker(unsigned number, void (*as)(unsigned column),
		      unsigned column)
{
	pid_t pid = fork();
	int code;

	REQUIRE(pid >= 0);
	if (pid == 0) {
		tally_join(number);
		as(column);
		_exit(check_failures > 0);
	}
	CHECK_INT(waitpid(pid, &code, 0), pid);
	CHECK_INT(code, 0);
}

static void take_half(unsigned column)
{
	(void)column;
	REQUIRE(pool_open(&pool, MEMORY) == 0);
	while (pool_offers(&pool) == POOL_LARGE)
		CHECK(pool_take(&pool, POOL_LARGE) != 0);
}

TEST(the_memory_is_that_of_all_workers)
{
	unsigned column = tally_new();

	CHECK(column != 0);
	tally_limit(3, 0);
	REQUIRE(pool_open(&pool, MEMORY) == 0);
	in_worker(1, take_half, column);
	CHECK_INT(pool_offers(&pool), POOL_SMALL);
	/* It was killed. */
	tally_forget(1);
	CHECK_INT(pool_offers(&pool), POOL_LARGE);
	pool_close(&pool);
}

static void enter_two(unsigned column)
{
	tally_enter(column);
	tally_enter(column);
	tally_add(column, TALLY_IN, 1000);
	tally_add(column, TALLY_REFUSED, 1);
}

TEST(limits_are_those_of_all_workers)
{
	unsigned first = tally_new(), second = tally_new();

	CHECK(first && second && first != second);
	tally_limit(3, 5);
	in_worker(1, enter_two, first);
	in_worker(2, enter_two, second);
	CHECK_INT(tally_sum(first, TALLY_NOW), 2);
	CHECK_INT(tally_sum(TALLY_ALL, TALLY_NOW), 4);
	CHECK(!tally_has_place(first, 2));
	CHECK(tally_has_place(first, 3));
	CHECK(tally_has_place(first, 0));
	tally_enter(first);
	/* All together. */
	CHECK(!tally_has_place(first, 0));
	CHECK(!tally_has_place(second, 100));
	tally_leave(first);
	CHECK(tally_has_place(first, 0));
	tally_forget(1);
	CHECK_INT(tally_sum(first, TALLY_NOW), 0);
	CHECK_INT(tally_sum(TALLY_ALL, TALLY_NOW), 2);
	/* What was is not forgotten. */
	CHECK_INT(tally_sum(first, TALLY_TOTAL), 3);
	CHECK_INT(tally_sum(first, TALLY_IN), 1000);
	CHECK_INT(tally_sum(first, TALLY_REFUSED), 1);
	CHECK_INT(tally_sum(second, TALLY_NOW), 2);
}

TEST(a_line_comes_once_a_minute)
{
	unsigned column = tally_new(), other = tally_new();

	CHECK(tally_may_say(column, TALLY_RESTS, 5));
	CHECK(!tally_may_say(column, TALLY_RESTS, 60004));
	CHECK(tally_may_say(column, TALLY_REFUSALS, 6));
	CHECK(tally_may_say(other, TALLY_RESTS, 6));
	CHECK(tally_may_say(column, TALLY_RESTS, 60005));
	CHECK(!tally_may_say(column, TALLY_RESTS, 60006));
}

TEST(columns_are_bounded)
{
	unsigned last = 0, column;

	while ((column = tally_new())) {
		CHECK_INT(column, last + 1);
		last = column;
	}
	CHECK_INT(last, TALLY_COLUMNS - 1);
}

CHECK_MAIN("flow_pool")
