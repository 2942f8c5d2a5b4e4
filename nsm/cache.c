#include "nsm/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct link {
	uint64_t used; /* the cache's count at its last use; 0: free */
	uint8_t key[CACHE_KEY];
};

struct nsmc_cache {
	uint64_t uses;
	size_t count;
	struct link links[];
};

int nsmc_cache_new(size_t links, struct nsmc_cache **ret)
{
	struct nsmc_cache *cache;

	if (links == 0 || links > NSMC_CACHE_LINKS_MAX || !ret)
		return -EINVAL;
	cache = calloc(1, sizeof(*cache) + links * sizeof(cache->links[0]));
	if (!cache)
		return -ENOMEM;
	cache->count = links;
	*ret = cache;
	return 0;
}

void nsmc_cache_free(struct nsmc_cache *cache)
{
	free(cache);
}

/*
 * A lookup compares the links one by one: for a thousand of them that takes a
 * hundredth of the time of the signature it saves.
 */
bool cache_knows(struct nsmc_cache *cache, const uint8_t key[CACHE_KEY])
{
	struct link *link;

	for (size_t i = 0; cache && i < cache->count; i++) {
		link = &cache->links[i];
		if (link->used == 0 || memcmp(link->key, key, CACHE_KEY) != 0)
			continue;
		link->used = ++cache->uses;
		return true;
	}
	return false;
}

void cache_add(struct nsmc_cache *cache, const uint8_t key[CACHE_KEY])
{
	struct link *oldest;

	if (!cache)
		return;
	oldest = &cache->links[0];
	for (size_t i = 1; i < cache->count && oldest->used > 0; i++)
		if (cache->links[i].used < oldest->used)
			oldest = &cache->links[i];
	oldest->used = ++cache->uses;
	memcpy(oldest->key, key, CACHE_KEY);
}
