#ifndef NSM_KMS_CREDENTIALS_PROVIDER_H
#define NSM_KMS_CREDENTIALS_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>

#include "nsm/kms/kmsc.h"

/*
 * Gives credentials of one source to a client, and keeps them between its calls: keeper.h
 * says for how long. For programs that may block; a service has a keeper and has
 * fetch_credentials called in a child.
 */

struct provider;

/*
 * Makes one of the source that TEXT names (source.h). Returns NULL and *RET, which
 * provider_free takes; or what is wrong, as a descriptor that is not open: it is for
 * the caller to do this before it opens any.
 */
const char *provider_new(const char *text, struct provider **ret);

/* Wipes and frees it; NULL is fine. */
void provider_free(struct provider *p);

/* A kmsc_credentials_fn; CTX is the provider. */
int provider_give(void *ctx, bool refused, uint32_t timeout_ms,
		  struct kmsc_credentials *ret, char words[KMSC_WORDS_SIZE]);

/* Milliseconds since 1970 are NOW's, of CTX, instead of the system's clock. */
void provider_clock(struct provider *p, int64_t (*now)(void *ctx), void *ctx);

#endif
