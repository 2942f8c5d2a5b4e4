#ifndef NSM_API_HTTP_ACCESS_H
#define NSM_API_HTTP_ACCESS_H

#include <stdbool.h>

#include "nsm/api/http/web.h"
#include "nsm/api/spec/conf.h"

/*
 * Who may ask for what: the rules of the configuration, and what shows that a request on loopback was not made by a program of
 * this machine of its own accord.
 */

enum { ACCESS_GROUPS_MAX = 256 };

/* Looks the names of SPEC's rules up. Returns 0, or -ENOENT with *RETERR. SPEC stays. */
int access_open(const struct spec *spec, struct spec_fault *reterr);

/* The number of a group, by name or number: 0 or -ENOENT. */
int access_group(const char *name, gid_t *ret);

/* True if PEER may ask for SUBJECT; of SPEC_KMS, for at least one key. */
bool access_may(const struct web_peer *peer, enum spec_subject subject);

/* True if PEER may use KEY. */
bool access_may_use_key(const struct web_peer *peer,
			const struct spec_key *key);

/*
 * Looks at the head of a request that came by loopback. Returns NULL, or why it is refused: a Host that is not of loopback, or a header that
 * browsers and proxies add.
 */
const char *access_refuses(const struct web *w);

#endif
