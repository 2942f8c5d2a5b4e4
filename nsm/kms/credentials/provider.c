#include "nsm/kms/credentials/provider.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "nsm/kms/credentials/fetch.h"
#include "nsm/kms/credentials/keeper.h"
#include "nsm/kms/credentials/source.h"
#include "vsock/io.h"

struct provider {
	char text[SOURCE_TEXT_MAX + 1]; /* which the source points into */
	struct source source;
	struct keeper keeper;
	int64_t (*now)(void *ctx);
	void *ctx;
};

static int64_t system_now(void *ctx)
{
	struct timespec t = { 0 };

	(void)ctx;
	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool is_open(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) <= 0 || !(p.revents & POLLNVAL);
}

const char *provider_new(const char *text, struct provider **ret)
{
	size_t len = strlen(text);
	struct provider *p;
	const char *why;

	if (len > SOURCE_TEXT_MAX)
		return "it is longer than 2048 characters";
	p = calloc(1, sizeof(*p));
	if (!p)
		return "out of memory";
	memcpy(p->text, text, len);
	p->now = system_now;
	why = source_read(p->text, len, &p->source);
	/* Later one of ours may have its number. */
	if (!why && p->source.kind == SOURCE_FD && !is_open(p->source.fd))
		why = "no such descriptor is open";
	if (why) {
		provider_free(p);
		return why;
	}
	*ret = p;
	return NULL;
}

void provider_free(struct provider *p)
{
	if (!p)
		return;
	keeper_wipe(&p->keeper);
	free(p);
}

void provider_clock(struct provider *p, int64_t (*now)(void *ctx), void *ctx)
{
	p->now = now;
	p->ctx = ctx;
}

static int fetch(struct provider *p, uint32_t timeout_ms,
		 char words[KMSC_WORDS_SIZE])
{
	struct kmsc_credentials c = { 0 };
	uint32_t random = 0;
	int r = fetch_credentials(&p->source, io_now_ms() + timeout_ms, &c,
				  words);

	/* Without random bits delays are the shortest. */
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	if (r < 0)
		keeper_fail(&p->keeper, p->now(p->ctx), random);
	else
		keeper_take(&p->keeper, &c, p->now(p->ctx), random);
	explicit_bzero(&c, sizeof(c));
	return r;
}

int provider_give(void *ctx, bool refused, uint32_t timeout_ms,
		  struct kmsc_credentials *ret, char words[KMSC_WORDS_SIZE])
{
	struct provider *p = ctx;
	const struct kmsc_credentials *c = keeper_current(&p->keeper);
	int r = 0;

	if (refused && c)
		keeper_refuse(&p->keeper, c);
	/* With nothing to give there is no point in a delay: the caller waits already. */
	if (!c || keeper_wants(&p->keeper, p->now(p->ctx)))
		r = fetch(p, timeout_ms, words);
	c = keeper_current(&p->keeper);
	if (!c)
		return r < 0 ? r : -KMSC_E_NO_CREDENTIALS;
	words[0] = '\0';
	*ret = *c;
	return 0;
}
