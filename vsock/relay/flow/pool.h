#ifndef VSOCK_RELAY_FLOW_POOL_H
#define VSOCK_RELAY_FLOW_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Memory for bytes that were read and cannot be written yet, in chunks. It is bounded over all
 * workers together, and the kernel gives a page only where bytes are.
 */

enum {
	POOL_LARGE = 32768,
	POOL_SMALL = 4096, /* once half of the memory is taken */
};

struct pool_shelf {
	uint8_t *base;
	uint32_t *next; /* of a chunk that is free */
	uint32_t size;	/* of a chunk */
	uint32_t room, fresh;
	uint32_t warm, cold; /* lists of those that are free, from 1; 0: none */
	uint32_t warm_count;
};

struct pool {
	uint64_t memory;
	size_t promised; /* by pool_offers */
	struct pool_shelf large, small;
};

/* A chunk, by number; 0: none. */
typedef uint32_t pool_chunk;

/* MEMORY: bytes of all workers. Returns 0 or -errno. */
int pool_open(struct pool *p, uint64_t memory);
void pool_close(struct pool *p);

/*
 * The most bytes for which the next pool_take gives a chunk: POOL_LARGE, POOL_SMALL or 0. That
 * holds even if other workers take what there is meanwhile: each may pass the bound by a chunk.
 */
size_t pool_offers(struct pool *p);

/* A chunk for LEN bytes; 0: there is none, which cannot be if LEN is offered. */
pool_chunk pool_take(struct pool *p, size_t len);
void pool_give(struct pool *p, pool_chunk c);

/* Its bytes, and how many there is room for. */
uint8_t *pool_bytes(const struct pool *p, pool_chunk c);
size_t pool_size(const struct pool *p, pool_chunk c);

#endif
