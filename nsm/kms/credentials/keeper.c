#include "nsm/kms/credentials/keeper.h"

#include <string.h>

enum { SECOND_MS = 1000 };

/*
 * A clock that is set back by more than any delay must not stop the fetches until it is
 * where it was.
 */
static int64_t not_before(const struct keeper *k, int64_t now_ms)
{
	if (k->not_before_ms > now_ms + KEEPER_STALE_MS)
		return now_ms;
	return k->not_before_ms > now_ms ? k->not_before_ms : now_ms;
}

int64_t keeper_wants_at(const struct keeper *k, int64_t now_ms)
{
	int64_t soonest = not_before(k, now_ms), early_ms;

	if (!k->is_there || k->is_refused)
		return soonest;
	if (k->kept.expiration_s == 0)
		return INT64_MAX;
	early_ms = (k->kept.expiration_s - KEEPER_EARLY_S) * SECOND_MS;
	return early_ms > soonest ? early_ms : soonest;
}

bool keeper_wants(const struct keeper *k, int64_t now_ms)
{
	return keeper_wants_at(k, now_ms) <= now_ms;
}

/* Half of MS, and of the other half as much as RANDOM says. */
static int64_t jitter(int64_t ms, uint32_t random)
{
	return ms / 2 + (int64_t)(random % (uint32_t)(ms / 2 + 1));
}

static bool is_late(const struct kmsc_credentials *c, int64_t now_ms)
{
	return c->expiration_s &&
	       now_ms >= (c->expiration_s - KEEPER_EARLY_S) * SECOND_MS;
}

void keeper_take(struct keeper *k, const struct kmsc_credentials *c,
		 int64_t now_ms, uint32_t random)
{
	bool again = k->is_refused && credential_is_same(&k->kept, c);

	if (c != &k->kept)
		k->kept = *c;
	k->is_there = true;
	k->failures = 0;
	k->not_before_ms = now_ms;
	/*
	 * The source has no better ones yet. Ones that KMS has refused stay refused, but
	 * that must not become a fetch for each call.
	 */
	if (again)
		k->not_before_ms += jitter(KEEPER_DELAY_MIN_MS * 4, random);
	else if (is_late(c, now_ms))
		k->not_before_ms += jitter(KEEPER_STALE_MS, random);
	k->is_refused = again;
}

void keeper_fail(struct keeper *k, int64_t now_ms, uint32_t random)
{
	int64_t ms = KEEPER_DELAY_MIN_MS;

	for (unsigned i = 0; i < k->failures && ms < KEEPER_DELAY_MAX_MS; i++)
		ms *= 2;
	if (ms > KEEPER_DELAY_MAX_MS)
		ms = KEEPER_DELAY_MAX_MS;
	if (k->failures < 32)
		k->failures++;
	k->not_before_ms = now_ms + jitter(ms, random);
}

void keeper_refuse(struct keeper *k, const struct kmsc_credentials *c)
{
	if (!k->is_there || k->is_refused || !credential_is_same(&k->kept, c))
		return;
	k->is_refused = true;
	/* Those that were late are asked for again at once; a failing source is not. */
	if (k->failures == 0)
		k->not_before_ms = INT64_MIN;
}

const struct kmsc_credentials *keeper_current(const struct keeper *k)
{
	return k->is_there ? &k->kept : NULL;
}

void keeper_wipe(struct keeper *k)
{
	explicit_bzero(k, sizeof(*k));
}
