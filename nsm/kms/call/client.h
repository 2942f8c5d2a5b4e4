#ifndef NSM_KMS_CALL_CLIENT_H
#define NSM_KMS_CALL_CLIENT_H

#include "nsm/kms/kmsc.h"
#include "vsock/relay/plan/address.h"

struct trust;
struct provider;

enum {
	CLIENT_SEED_MAX = 256,
	CLIENT_PORT = 443, /* of an endpoint, where none is named */
};

/* What the setters of kmsc.h set. Zero and "" are what was not set. */
struct kmsc_client {
	char region[KMSC_REGION_MAX + 1];
	unsigned endpoint_flags;
	char host[KMSC_HOST_MAX + 1]; /* of an endpoint that was named */
	unsigned port;
	char connect[KMSC_ADDRESS_MAX + 1];
	struct address to;   /* points into CONNECT */
	struct trust *trust; /* never NULL */
	uint32_t timeout_ms;
	int attempts;
	char user_agent[KMSC_USER_AGENT_MAX + 1];

	int nsm_fd; /* NSMC_KERNEL_RANDOM: none */
	kmsc_attest_fn *attest;
	void *attest_ctx;
	struct nsmc_recipient *kept;
	uint8_t seed[CLIENT_SEED_MAX];
	size_t seed_len;

	kmsc_credentials_fn *credentials; /* NULL: KEYS */
	void *credentials_ctx;
	struct provider *provider; /* the client's; NULL: none */
	struct kmsc_credentials keys;
};

/* Gives credentials that the client can sign with; contract as kmsc_credentials_fn. */
int client_credentials(struct kmsc_client *client, bool refused,
		       uint32_t timeout_ms, struct kmsc_credentials *ret,
		       char words[KMSC_WORDS_SIZE]);

#endif
