/* The cache of links: its bounds, what it knows, and which link makes room. */

#include "nsm/cache.h"

#include <errno.h>

#include "tests/unit/check.h"

static struct nsmc_cache *make(size_t links)
{
	struct nsmc_cache *cache = NULL;

	REQUIRE(nsmc_cache_new(links, &cache) == 0);
	return cache;
}

/* The key of number N. */
static const uint8_t *key(unsigned n)
{
	static uint8_t k[CACHE_KEY];

	memset(k, 0, sizeof(k));
	k[0] = (uint8_t)n;
	k[47] = (uint8_t)(n >> 8);
	return k;
}

static bool knows(struct nsmc_cache *cache, unsigned n)
{
	return cache_knows(cache, key(n));
}

static void add(struct nsmc_cache *cache, unsigned n)
{
	cache_add(cache, key(n));
}

TEST(sizes_out_of_bounds_make_no_cache)
{
	struct nsmc_cache *cache = NULL;

	CHECK_INT(NSMC_CACHE_LINKS_MAX, 65536);
	CHECK_INT(nsmc_cache_new(0, &cache), -EINVAL);
	CHECK_INT(nsmc_cache_new(NSMC_CACHE_LINKS_MAX + 1, &cache), -EINVAL);
	CHECK_INT(nsmc_cache_new(SIZE_MAX, &cache), -EINVAL);
	CHECK_INT(nsmc_cache_new(SIZE_MAX / 56, &cache), -EINVAL);
	CHECK_INT(nsmc_cache_new(1, NULL), -EINVAL);
	CHECK(!cache);
	nsmc_cache_free(NULL);
}

TEST(the_largest_cache_holds_as_many_links_as_it_says)
{
	struct nsmc_cache *cache = make(NSMC_CACHE_LINKS_MAX);

	/* The first of them only: each look takes as long as the cache. */
	for (unsigned i = 0; i < 300; i++)
		add(cache, i);
	for (unsigned i = 0; i < 300; i++)
		CHECK(knows(cache, i));
	CHECK(!knows(cache, 300));
	nsmc_cache_free(cache);
}

TEST(a_new_cache_knows_nothing)
{
	struct nsmc_cache *cache = make(4);

	/* A key of zeros, as free places have, is none of them. */
	CHECK(!knows(cache, 0));
	CHECK(!knows(cache, 1));
	add(cache, 0);
	CHECK(knows(cache, 0));
	nsmc_cache_free(cache);
}

TEST(every_byte_of_a_key_counts)
{
	struct nsmc_cache *cache = make(2);
	uint8_t k[CACHE_KEY] = { 0 };

	cache_add(cache, k);
	for (size_t i = 0; i < sizeof(k); i++) {
		k[i] = 1;
		CHECK(!cache_knows(cache, k));
		k[i] = 0;
	}
	CHECK(cache_knows(cache, k));
	nsmc_cache_free(cache);
}

TEST(what_was_not_used_for_longest_makes_room)
{
	struct nsmc_cache *cache = make(3);

	add(cache, 1);
	add(cache, 2);
	add(cache, 3);
	CHECK(knows(cache, 1)); /* used: now 2 is the oldest */
	add(cache, 4);
	CHECK(!knows(cache, 2));
	CHECK(knows(cache, 3) && knows(cache, 1) && knows(cache, 4));
	add(cache, 5); /* 3 was used before 1 and 4 */
	CHECK(!knows(cache, 3));
	CHECK(knows(cache, 1) && knows(cache, 4) && knows(cache, 5));
	/* Looking for what is not there ages nobody. */
	CHECK(!knows(cache, 77));
	add(cache, 6);
	CHECK(!knows(cache, 1));
	CHECK(knows(cache, 4) && knows(cache, 5) && knows(cache, 6));
	nsmc_cache_free(cache);
}

TEST(a_cache_of_one_holds_the_last)
{
	struct nsmc_cache *cache = make(1);

	for (unsigned i = 0; i < 20; i++) {
		add(cache, i);
		CHECK(knows(cache, i));
		if (i > 0)
			CHECK(!knows(cache, i - 1));
	}
	nsmc_cache_free(cache);
}

/* Against a list that is kept in order. */
TEST(the_order_of_use_is_kept)
{
	enum { LINKS = 7, KEYS = 20, STEPS = 20000 };
	struct nsmc_cache *cache = make(LINKS);
	unsigned order[LINKS] = { 0 }; /* the last used first, from 1 on */
	uint64_t state = 1;

	for (int step = 0; step < STEPS; step++) {
		unsigned n, at = 0, wanted = 0;

		state = state * UINT64_C(6364136223846793005) + 1;
		n = 1 + (unsigned)(state >> 40) % KEYS;
		while (at < LINKS && order[at] != n)
			at++;
		wanted = at < LINKS;
		if (!CHECK_INT(knows(cache, n), wanted))
			return;
		if (!wanted) {
			add(cache, n);
			at = LINKS - 1;
		}
		memmove(order + 1, order, at * sizeof(order[0]));
		order[0] = n;
	}
	nsmc_cache_free(cache);
}

TEST(no_cache_knows_nothing)
{
	add(NULL, 1);
	CHECK(!knows(NULL, 1));
}

CHECK_MAIN("cache")
