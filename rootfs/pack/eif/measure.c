#include "rootfs/pack/eif/measure.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"

enum { BLOCKS = 4, HASHES = 2 };

/* --- two hashes over the same bytes, each by its thread --- */

struct worker {
	struct measure_ring *ring;
	struct hash *hash;
	size_t done; /* blocks */
	pthread_t id;
};

struct measure_ring {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	size_t head; /* blocks given to the threads */
	size_t len[BLOCKS];
	size_t running; /* threads */
	bool ends, has_failed;
	struct worker workers[HASHES];
	uint8_t blocks[BLOCKS][MEASURE_BLOCK];
};

static void *worker_run(void *arg)
{
	struct worker *w = arg;
	struct measure_ring *ring = w->ring;

	(void)pthread_mutex_lock(&ring->lock);
	for (;;) {
		size_t i = w->done % BLOCKS;

		if (w->done == ring->head) {
			if (ring->ends)
				break;
			(void)pthread_cond_wait(&ring->moved, &ring->lock);
			continue;
		}
		(void)pthread_mutex_unlock(&ring->lock);
		hash_add(w->hash, ring->blocks[i], ring->len[i]);
		(void)pthread_mutex_lock(&ring->lock);
		w->done++;
		(void)pthread_cond_broadcast(&ring->moved);
	}
	(void)pthread_mutex_unlock(&ring->lock);
	return NULL;
}

/* Waits until no thread has more than LEFT blocks to do. */
static void wait_for(struct measure_ring *ring, size_t left)
{
	if (ring->running == 0)
		return;
	(void)pthread_mutex_lock(&ring->lock);
	for (size_t i = 0; i < HASHES;) {
		if (ring->head - ring->workers[i].done <= left)
			i++;
		else
			(void)pthread_cond_wait(&ring->moved, &ring->lock);
	}
	(void)pthread_mutex_unlock(&ring->lock);
}

static void end_threads(struct measure_ring *ring)
{
	(void)pthread_mutex_lock(&ring->lock);
	ring->ends = true;
	(void)pthread_cond_broadcast(&ring->moved);
	(void)pthread_mutex_unlock(&ring->lock);
	for (; ring->running > 0; ring->running--)
		(void)pthread_join(ring->workers[ring->running - 1].id, NULL);
}

/*
 * A signal is the main thread's: cleanup.c takes a name away by its handler, whose mask
 * is of one thread, and a second signal to another would end the process before.
 */
static int start_thread(struct worker *w)
{
	sigset_t all, was;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &was);
	r = pthread_create(&w->id, NULL, worker_run, w);
	(void)pthread_sigmask(SIG_SETMASK, &was, NULL);
	return r;
}

/* False where there are none to be had: then one thread does all. */
static bool start_threads(struct measure *m)
{
	struct measure_ring *ring = m->ring;
	struct hash *hashes[HASHES] = { &m->all, &m->app };

	if (ring->running > 0 || ring->has_failed)
		return ring->running > 0;
	for (size_t i = 0; i < HASHES; i++) {
		struct worker *w = &ring->workers[i];

		*w = (struct worker){ .ring = ring, .hash = hashes[i] };
		ring->has_failed = start_thread(w) != 0;
		if (ring->has_failed) {
			end_threads(ring);
			return false;
		}
		ring->running++;
	}
	return true;
}

/* --- */

int measure_begin(struct measure *m, struct fault *reterr)
{
	memset(m, 0, sizeof(*m));
	m->ring = malloc(sizeof(*m->ring));
	if (!m->ring)
		return fault_system(reterr, ENOMEM, "measurements");
	memset(m->ring, 0, offsetof(struct measure_ring, blocks));
	(void)pthread_mutex_init(&m->ring->lock, NULL);
	(void)pthread_cond_init(&m->ring->moved, NULL);
	if (hash_begin(&m->boot, HASH_SHA384, reterr) < 0)
		return -1;
	return hash_begin(&m->app, HASH_SHA384, reterr);
}

int measure_section(struct measure *m, enum eif_type type, struct fault *reterr)
{
	m->type = type;
	if (type != EIF_RAMDISK || ++m->ramdisks != 2)
		return 0;
	/* Up to here PCR0 and PCR1 are of the same bytes. */
	return hash_copy(&m->boot, &m->all, reterr);
}

uint8_t *measure_block(struct measure *m)
{
	wait_for(m->ring, BLOCKS - 1);
	return m->ring->blocks[m->ring->head % BLOCKS];
}

static void add_application(struct measure *m, const uint8_t *block, size_t len)
{
	struct measure_ring *ring = m->ring;

	if (ring->running == 0 && (len < MEASURE_BLOCK || !start_threads(m))) {
		hash_add(&m->all, block, len);
		hash_add(&m->app, block, len);
		return;
	}
	(void)pthread_mutex_lock(&ring->lock);
	ring->len[ring->head++ % BLOCKS] = len;
	(void)pthread_cond_broadcast(&ring->moved);
	(void)pthread_mutex_unlock(&ring->lock);
}

void measure_add(struct measure *m, size_t len)
{
	const uint8_t *block = m->ring->blocks[m->ring->head % BLOCKS];

	switch (m->type) {
	case EIF_SIGNATURE:
	case EIF_METADATA:
		return;
	case EIF_KERNEL:
	case EIF_CMDLINE:
		/* Only by hand is one of them behind the ramdisks. */
		hash_add(&m->boot, block, len);
		wait_for(m->ring, 0);
		if (m->ramdisks > 1)
			hash_add(&m->all, block, len);
		return;
	case EIF_RAMDISK:
		break;
	}
	if (m->ramdisks < 2)
		hash_add(&m->boot, block, len);
	else
		add_application(m, block, len);
}

static int finish(const struct hash *h, uint8_t ret_content[EIF_HASH],
		  uint8_t ret[EIF_HASH], struct fault *reterr)
{
	struct hash copy;

	if (hash_copy(h, &copy, reterr) < 0 ||
	    hash_end(&copy, ret_content, reterr) < 0)
		return -1;
	return measure_extend(ret_content, EIF_HASH, ret, reterr);
}

int measure_pcrs(struct measure *m, struct eif_pcrs *ret, struct fault *reterr)
{
	wait_for(m->ring, 0);
	memset(ret, 0, sizeof(*ret));
	if (finish(m->ramdisks > 1 ? &m->all : &m->boot, ret->contents[0],
		   ret->pcr0, reterr) < 0 ||
	    finish(&m->boot, ret->contents[1], ret->pcr1, reterr) < 0)
		return -1;
	return finish(&m->app, ret->contents[2], ret->pcr2, reterr);
}

void measure_end(struct measure *m)
{
	if (m->ring) {
		end_threads(m->ring);
		(void)pthread_cond_destroy(&m->ring->moved);
		(void)pthread_mutex_destroy(&m->ring->lock);
	}
	free(m->ring);
	m->ring = NULL;
	hash_free(&m->boot);
	hash_free(&m->all);
	hash_free(&m->app);
}

int measure_extend(const void *content, size_t len, uint8_t ret[EIF_HASH],
		   struct fault *reterr)
{
	static const uint8_t zeros[EIF_HASH];
	struct hash h;

	if (hash_begin(&h, HASH_SHA384, reterr) < 0)
		return -1;
	hash_add(&h, zeros, sizeof(zeros));
	hash_add(&h, content, len);
	return hash_end(&h, ret, reterr);
}

int measure_content(const struct content *c, uint8_t ret[EIF_HASH],
		    struct fault *reterr)
{
	static uint8_t chunk[MEASURE_BLOCK];
	struct hash hash;
	size_t n;

	if (hash_begin(&hash, HASH_SHA384, reterr) < 0)
		return -1;
	for (uint64_t at = 0; at < c->len; at += n) {
		n = c->len - at < MEASURE_BLOCK ? (size_t)(c->len - at) :
						  MEASURE_BLOCK;
		if (content_read(c, at, chunk, n, reterr) < 0) {
			hash_free(&hash);
			return -1;
		}
		hash_add(&hash, chunk, n);
	}
	return hash_end(&hash, ret, reterr);
}
