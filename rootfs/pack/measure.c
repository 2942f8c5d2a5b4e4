#include "rootfs/pack/measure.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

enum {
	IS_384 = 1,
	CHUNK = 1 << 16,
	MUCH = 1 << 16, /* bytes that are worth two threads */
};

/* Of mbedTLS's own code, which fails for no argument that is given here. */
static void start(mbedtls_sha512_context *c)
{
	mbedtls_sha512_init(c);
	(void)mbedtls_sha512_starts(c, IS_384);
}

/* --- the second of two hashes over the same bytes --- */

struct measure_thread {
	pthread_t id;
	sem_t work, done;
	mbedtls_sha512_context *context;
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
		(void)mbedtls_sha512_update(t->context, t->data, t->len);
		(void)sem_post(&t->done);
	}
}

/* NULL: there is none to be had, and one thread does all. */
static struct measure_thread *thread_start(mbedtls_sha512_context *context)
{
	struct measure_thread *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->context = context;
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
		(void)mbedtls_sha512_update(&m->app, data, len);
		(void)mbedtls_sha512_update(&m->all, data, len);
		return;
	}
	m->thread->data = data;
	m->thread->len = len;
	(void)sem_post(&m->thread->work);
	(void)mbedtls_sha512_update(&m->all, data, len);
	wait_for(&m->thread->done);
}

/* --- */

void measure_begin(struct measure *m)
{
	memset(m, 0, sizeof(*m));
	start(&m->boot);
	start(&m->all);
	start(&m->app);
}

void measure_section(struct measure *m, enum eif_type type)
{
	m->type = type;
	if (type != EIF_RAMDISK)
		return;
	/* Up to here PCR0 and PCR1 are of the same bytes. */
	if (++m->ramdisks == 2)
		mbedtls_sha512_clone(&m->all, &m->boot);
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
		(void)mbedtls_sha512_update(&m->boot, data, len);
		if (m->ramdisks > 1)
			(void)mbedtls_sha512_update(&m->all, data, len);
		return;
	case EIF_RAMDISK:
		break;
	}
	if (m->ramdisks < 2)
		(void)mbedtls_sha512_update(&m->boot, data, len);
	else
		add_application(m, data, len);
}

static void finish(const mbedtls_sha512_context *c,
		   uint8_t ret_content[EIF_HASH], uint8_t ret[EIF_HASH])
{
	mbedtls_sha512_context copy;
	uint8_t hash[64];

	mbedtls_sha512_init(&copy);
	mbedtls_sha512_clone(&copy, c);
	(void)mbedtls_sha512_finish(&copy, hash);
	mbedtls_sha512_free(&copy);
	memcpy(ret_content, hash, EIF_HASH);
	measure_extend(hash, EIF_HASH, ret);
}

void measure_pcrs(const struct measure *m, struct eif_pcrs *ret)
{
	memset(ret, 0, sizeof(*ret));
	finish(m->ramdisks > 1 ? &m->all : &m->boot, ret->contents[0],
	       ret->pcr0);
	finish(&m->boot, ret->contents[1], ret->pcr1);
	finish(&m->app, ret->contents[2], ret->pcr2);
}

void measure_end(struct measure *m)
{
	thread_end(m->thread);
	m->thread = NULL;
	mbedtls_sha512_free(&m->boot);
	mbedtls_sha512_free(&m->all);
	mbedtls_sha512_free(&m->app);
}

void measure_extend(const void *content, size_t len, uint8_t ret[EIF_HASH])
{
	static const uint8_t zeros[EIF_HASH];
	mbedtls_sha512_context c;
	uint8_t hash[64];

	start(&c);
	(void)mbedtls_sha512_update(&c, zeros, sizeof(zeros));
	(void)mbedtls_sha512_update(&c, content, len);
	(void)mbedtls_sha512_finish(&c, hash);
	mbedtls_sha512_free(&c);
	memcpy(ret, hash, EIF_HASH);
}

int measure_content(const struct content *c, uint8_t ret[EIF_HASH],
		    struct fault *reterr)
{
	static uint8_t chunk[CHUNK];
	mbedtls_sha512_context hash;
	uint8_t full[64];
	size_t n;
	int r = 0;

	start(&hash);
	for (uint64_t at = 0; at < c->len && r == 0; at += n) {
		n = c->len - at < CHUNK ? (size_t)(c->len - at) : CHUNK;
		r = content_read(c, at, chunk, n, reterr);
		if (r == 0)
			(void)mbedtls_sha512_update(&hash, chunk, n);
	}
	(void)mbedtls_sha512_finish(&hash, full);
	mbedtls_sha512_free(&hash);
	memcpy(ret, full, EIF_HASH);
	return r;
}
