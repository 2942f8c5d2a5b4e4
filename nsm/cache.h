#ifndef NSM_CACHE_H
#define NSM_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "nsm/nsmc.h"

/*
 * The links of chains whose signatures were found good. A link is the issuer's
 * key and the certificate's bytes, known by their SHA-384: whether the
 * signature holds depends on nothing else. CACHE may be NULL: it knows
 * nothing.
 */

enum { CACHE_KEY = 48 };

/* Whether the link KEY is in CACHE; it is then the last that makes room. */
bool cache_knows(struct nsmc_cache *cache, const uint8_t key[CACHE_KEY]);

/* Puts the link KEY, whose signature is good and which is not in CACHE, there. */
void cache_add(struct nsmc_cache *cache, const uint8_t key[CACHE_KEY]);

#endif
