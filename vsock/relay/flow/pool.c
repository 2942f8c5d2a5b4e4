#include "vsock/relay/flow/pool.h"

#include <errno.h>
#include <sys/mman.h>

#include "vsock/relay/flow/tally.h"

enum {
	/* So many chunks of a shelf keep their pages while they are free. */
	WARM_MAX = 4,
	/* Chunks of the small shelf have greater numbers. */
	SMALL = 1 << 30,
};

/* Of the list of chunks that are free, in whole chunks: the others come behind it. */
static size_t list_bytes(const struct pool_shelf *s)
{
	size_t len = ((size_t)s->room + 1) * sizeof(*s->next);

	return (len + s->size - 1) / s->size * s->size;
}

static size_t shelf_bytes(const struct pool_shelf *s)
{
	return list_bytes(s) + (size_t)s->room * s->size;
}

static void shelf_close(struct pool_shelf *s)
{
	if (s->next)
		(void)munmap(s->next, shelf_bytes(s));
	*s = (struct pool_shelf){ 0 };
}

static int shelf_open(struct pool_shelf *s, uint32_t size, uint64_t memory)
{
	uint64_t room = memory / size;
	void *at;

	if (room > SMALL - 1)
		room = SMALL - 1;
	*s = (struct pool_shelf){ .size = size, .room = (uint32_t)room };
	if (room == 0)
		return 0;
	/* Pages that no chunk has reached cost nothing, nor does a list that nothing was given back to. */
	at = mmap(NULL, shelf_bytes(s), PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return -ENOMEM;
	s->next = at;
	s->base = (uint8_t *)at + list_bytes(s);
	return 0;
}

int pool_open(struct pool *p, uint64_t memory)
{
	int r;

	*p = (struct pool){ .memory = memory };
	r = shelf_open(&p->large, POOL_LARGE, memory / 2);
	if (r == 0)
		r = shelf_open(&p->small, POOL_SMALL, memory);
	if (r < 0)
		pool_close(p);
	return r;
}

void pool_close(struct pool *p)
{
	shelf_close(&p->large);
	shelf_close(&p->small);
}

static bool has_chunk(const struct pool_shelf *s)
{
	return s->warm || s->cold || s->fresh < s->room;
}

static size_t look(const struct pool *p)
{
	uint64_t taken = tally_memory_sum();

	if (has_chunk(&p->large) && taken + POOL_LARGE <= p->memory / 2)
		return POOL_LARGE;
	if (has_chunk(&p->small) && taken + POOL_SMALL <= p->memory)
		return POOL_SMALL;
	return 0;
}

size_t pool_offers(struct pool *p)
{
	p->promised = look(p);
	return p->promised;
}

static uint32_t unlink_first(const struct pool_shelf *s, uint32_t *list)
{
	uint32_t n = *list;

	*list = s->next[n];
	return n;
}

static uint32_t shelf_take(struct pool_shelf *s)
{
	if (s->warm) {
		s->warm_count--;
		return unlink_first(s, &s->warm);
	}
	if (s->cold)
		return unlink_first(s, &s->cold);
	return ++s->fresh;
}

pool_chunk pool_take(struct pool *p, size_t len)
{
	size_t offers = len <= p->promised ? p->promised : look(p);

	p->promised = 0;
	if (len > offers)
		return 0;
	/* A page is enough for what fits there. */
	if (len <= POOL_SMALL && has_chunk(&p->small)) {
		tally_memory(POOL_SMALL);
		return SMALL + shelf_take(&p->small);
	}
	if (offers < POOL_LARGE)
		return 0;
	tally_memory(POOL_LARGE);
	return shelf_take(&p->large);
}

static const struct pool_shelf *shelf_of(const struct pool *p, pool_chunk c)
{
	return c > SMALL ? &p->small : &p->large;
}

uint8_t *pool_bytes(const struct pool *p, pool_chunk c)
{
	const struct pool_shelf *s = shelf_of(p, c);

	return s->base + (size_t)((c & (SMALL - 1)) - 1) * s->size;
}

size_t pool_size(const struct pool *p, pool_chunk c)
{
	return shelf_of(p, c)->size;
}

void pool_give(struct pool *p, pool_chunk c)
{
	struct pool_shelf *s = c > SMALL ? &p->small : &p->large;
	uint32_t n = c & (SMALL - 1), *list = &s->warm;

	if (s->warm_count < WARM_MAX) {
		s->warm_count++;
	} else {
		(void)madvise(pool_bytes(p, c), s->size, MADV_DONTNEED);
		list = &s->cold;
	}
	s->next[n] = *list;
	*list = n;
	tally_memory(-(int64_t)s->size);
}
