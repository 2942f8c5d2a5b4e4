#ifndef NSM_API_ROUTES_KEYS_H
#define NSM_API_ROUTES_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "nsm/api/spec/conf.h"
#include "nsm/kms/kmsc.h"

/* Which of the configured keys a caller means, and what a call with it always contains. Pure. */

/*
 * Finds the key that a KeyId means: its ARN, its name in the configuration, "alias/" and that name, or its id where
 * only one key has it. 0; -ENOENT: none; -ENOTUNIQ: several keys have this id.
 */
int keys_find(const struct spec *s, const char *key_id,
	      const struct spec_key **ret);

/*
 * The key whose pairs a Decrypt without KeyId gets: the only one, or the first if all pin the same pairs. 0;
 * -ENOENT: there is none; -ENOTUNIQ: they pin different pairs, so that the caller has to name one.
 */
int keys_default(const struct spec *s, const struct spec_key **ret);

/* A caller's encryption context, and what a key adds to it: views. */
struct keys_context {
	struct kmsc_pair pair[KMSC_CONTEXT_MAX];
	size_t count;
};

/*
 * Makes *RET of the COUNT pairs of a caller and of those that KEY pins. A pair that the caller gives as it is pinned is there
 * once. -EEXIST: the caller gives another value, *RETERR_NAME says for what; -E2BIG: too many pairs.
 */
int keys_bind(const struct spec_key *key, const struct kmsc_pair *pairs,
	      size_t count, struct keys_context *ret, const char **reterr_name);

#endif
