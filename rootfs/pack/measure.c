#include "rootfs/pack/measure.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

enum {
	CHUNK = 1 << 16,
	MUCH = 1 << 16, /* bytes that are worth two threads */
};

/* --- the second of two hashes over the same bytes --- */

struct measure_thread {
	pthread_t id;
	sem_t work, done;
	struct hash *hash;
	const void *data; /* NULL: that is all */
	size_t len;
};

static void wait_for(sem_t *s)
{
	while (sem_wait(s) < 0 && errno == EINTR)
		;
}

static void *thread_run(void *arg)
{
	struct measure_thread *t = arg;

	for (;;) {
		wait_for(&t->work);
		if (!t->data)
			return NULL;
		hash_add(t->hash, t->data, t->len);
		(void)sem_post(&t->done);
	}
}

/* NULL: there is none to be had, and one thread does all. */
static struct measure_thread *thread_start(struct hash *hash)
{
	struct measure_thread *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->hash = hash;
	(void)sem_init(&t->work, 0, 0);
	(void)sem_init(&t->done, 0, 0);
	if (pthread_create(&t->id, NULL, thread_run, t) == 0)
		return t;
	free(t);
	return NULL;
}

static void thread_end(struct measure_thread *t)
{
	if (!t)
		return;
	t->data = NULL;
	(void)sem_post(&t->work);
	(void)pthread_join(t->id, NULL);
	(void)sem_destroy(&t->work);
	(void)sem_destroy(&t->done);
	free(t);
}

static void add_application(struct measure *m, const void *data, size_t len)
{
	if (!m->thread && len >= MUCH)
		m->thread = thread_start(&m->app);
	if (!m->thread || len < MUCH) {
		hash_add(&m->app, data, len);
		hash_add(&m->all, data, len);
		return;
	}
	m->thread->data = data;
	m->thread->len = len;
	(void)sem_post(&m->thread->work);
	hash_add(&m->all, data, len);
	wait_for(&m->thread->done);
}

/* --- */

int measure_begin(struct measure *m, struct fault *reterr)
{
	memset(m, 0, sizeof(*m));
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

void measure_add(struct measure *m, const void *data, size_t len)
{
	switch (m->type) {
	case EIF_SIGNATURE:
	case EIF_METADATA:
		return;
	case EIF_KERNEL:
	case EIF_CMDLINE:
		/* Only by hand is one of them behind the ramdisks. */
		hash_add(&m->boot, data, len);
		if (m->ramdisks > 1)
			hash_add(&m->all, data, len);
		return;
	case EIF_RAMDISK:
		break;
	}
	if (m->ramdisks < 2)
		hash_add(&m->boot, data, len);
	else
		add_application(m, data, len);
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

int measure_pcrs(const struct measure *m, struct eif_pcrs *ret,
		 struct fault *reterr)
{
	memset(ret, 0, sizeof(*ret));
	if (finish(m->ramdisks > 1 ? &m->all : &m->boot, ret->contents[0],
		   ret->pcr0, reterr) < 0 ||
	    finish(&m->boot, ret->contents[1], ret->pcr1, reterr) < 0)
		return -1;
	return finish(&m->app, ret->contents[2], ret->pcr2, reterr);
}

void measure_end(struct measure *m)
{
	thread_end(m->thread);
	m->thread = NULL;
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
	static uint8_t chunk[CHUNK];
	struct hash hash;
	size_t n;

	if (hash_begin(&hash, HASH_SHA384, reterr) < 0)
		return -1;
	for (uint64_t at = 0; at < c->len; at += n) {
		n = c->len - at < CHUNK ? (size_t)(c->len - at) : CHUNK;
		if (content_read(c, at, chunk, n, reterr) < 0) {
			hash_free(&hash);
			return -1;
		}
		hash_add(&hash, chunk, n);
	}
	return hash_end(&hash, ret, reterr);
}
