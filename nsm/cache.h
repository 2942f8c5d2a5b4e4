#ifndef NSM_CACHE_H
#define NSM_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "nsm/nsmc.h"

/*
 * Remembers links of chains whose signatures were good. A link is the issuer's
 * key and the certificate's bytes, identified by their SHA-384: whether the
 * signature is good depends on nothing else. CACHE may be NULL: it contains no
 * link.
 */

enum { CACHE_KEY = 48 };

/* True if the link KEY is in CACHE; it is then the last to be replaced. */
bool cache_knows(struct nsmc_cache *cache, const uint8_t key[CACHE_KEY]);

/* Adds the link KEY, whose signature is good and which is not in CACHE yet. */
void cache_add(struct nsmc_cache *cache, const uint8_t key[CACHE_KEY]);

#endif
