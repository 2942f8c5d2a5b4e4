#ifndef NSM_KMS_CREDENTIALS_KEEPER_H
#define NSM_KMS_CREDENTIALS_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "nsm/kms/credentials/credential.h"

/*
 * Keeps credentials, and decides when others are fetched. Pure: who has a keeper says
 * what time it is, in milliseconds since 1970, and fetches.
 *
 * New ones are wanted 15 minutes before the end of those that are there (as botocore
 * does; IMDS has them at least 5 minutes before), and at once after KMS has refused
 * these. A fetch that fails is repeated after 1 to 60 s, and meanwhile the old ones are
 * given out, past their end, too: KMS decides, and AWS's SDKs do the same, since IMDS
 * gives credentials past their end when it is in trouble.
 */

enum {
	KEEPER_EARLY_S = 15 * 60,
	KEEPER_DELAY_MIN_MS = 1000,
	KEEPER_DELAY_MAX_MS = 60 * 1000,
	/* How soon after ones that are past their end others are asked for. */
	KEEPER_STALE_MS = 5 * 60 * 1000,
};

struct keeper {
	struct kmsc_credentials kept;
	bool is_there, is_refused;
	unsigned failures;     /* fetches in a row */
	int64_t not_before_ms; /* a failed one is not repeated earlier */
};

/* Returns the time from which a fetch is wanted: NOW_MS: at once; INT64_MAX: never. */
int64_t keeper_wants_at(const struct keeper *k, int64_t now_ms);

/* Is a fetch wanted at NOW_MS? */
bool keeper_wants(const struct keeper *k, int64_t now_ms);

/* A fetch has brought C, which is copied. RANDOM: any bits. */
void keeper_take(struct keeper *k, const struct kmsc_credentials *c,
		 int64_t now_ms, uint32_t random);

/* A fetch has failed. RANDOM: any bits; they say how much of the delay is waited. */
void keeper_fail(struct keeper *k, int64_t now_ms, uint32_t random);

/* KMS has refused C as unknown or expired. What has come since is not meant. */
void keeper_refuse(struct keeper *k, const struct kmsc_credentials *c);

/* Returns what is there, which the keeper has until the next call; NULL: nothing. */
const struct kmsc_credentials *keeper_current(const struct keeper *k);

/* Forgets everything. */
void keeper_wipe(struct keeper *k);

#endif
