#include "nsm/kms/call/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/kms/credentials/provider.h"
#include "nsm/kms/net/trust.h"
#include "nsm/kms/wire/endpoint.h"
#include "nsm/kms/wire/http.h"

static const char default_address[] = "vsock:3:8000";

int kmsc_client_new(struct kmsc_client **ret)
{
	struct kmsc_client *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->nsm_fd = NSMC_KERNEL_RANDOM;
	c->timeout_ms = KMSC_TIMEOUT_DEFAULT_MS;
	c->attempts = KMSC_ATTEMPTS_DEFAULT;
	r = trust_new(NULL, 0, &c->trust);
	if (r == 0)
		r = kmsc_client_connect(c, default_address);
	if (r == 0)
		r = kmsc_client_user_agent(c, "libkmsc/" ENCLAVE_INIT_VERSION);
	if (r == 0)
		*ret = c;
	else
		kmsc_client_free(c);
	return r;
}

void kmsc_client_free(struct kmsc_client *client)
{
	if (!client)
		return;
	trust_free(client->trust);
	provider_free(client->provider);
	explicit_bzero(client, sizeof(*client));
	free(client);
}

/* --- the endpoint --- */

int kmsc_client_region(struct kmsc_client *client, const char *region)
{
	if (!client || !region)
		return -EINVAL;
	if (strlen(region) > KMSC_REGION_MAX || !endpoint_partition(region))
		return -KMSC_E_REGION;
	(void)snprintf(client->region, sizeof(client->region), "%s", region);
	return 0;
}

int kmsc_client_endpoint_flags(struct kmsc_client *client, unsigned flags)
{
	_Static_assert((int)KMSC_ENDPOINT_FIPS == (int)ENDPOINT_FIPS &&
			       (int)KMSC_ENDPOINT_DUAL_STACK ==
				       (int)ENDPOINT_DUAL_STACK,
		       "one number each");
	if (!client ||
	    flags & ~(unsigned)(KMSC_ENDPOINT_FIPS | KMSC_ENDPOINT_DUAL_STACK))
		return -EINVAL;
	client->endpoint_flags = flags;
	return 0;
}

/* Digits alone; 0: it is none. */
static unsigned read_port(const char *s)
{
	unsigned n = 0;

	if (*s == '0')
		return 0;
	for (; *s >= '0' && *s <= '9' && n <= UINT16_MAX; s++)
		n = n * 10 + (unsigned)(*s - '0');
	return *s || n > UINT16_MAX ? 0 : n;
}

int kmsc_client_endpoint(struct kmsc_client *client, const char *endpoint)
{
	char host[KMSC_HOST_MAX + 1];
	unsigned port = CLIENT_PORT;
	const char *colon;
	size_t len;

	if (!client || !endpoint)
		return -EINVAL;
	colon = strchr(endpoint, ':');
	len = colon ? (size_t)(colon - endpoint) : strlen(endpoint);
	if (len > KMSC_HOST_MAX)
		return -KMSC_E_ENDPOINT;
	memcpy(host, endpoint, len);
	host[len] = '\0';
	if (colon)
		port = read_port(colon + 1);
	if (port == 0 || !endpoint_is_host(host))
		return -KMSC_E_ENDPOINT;
	memcpy(client->host, host, sizeof(host));
	client->port = port;
	return 0;
}

int kmsc_client_connect(struct kmsc_client *client, const char *address)
{
	struct address to;
	size_t len;

	if (!client || !address)
		return -EINVAL;
	len = strlen(address);
	if (len > KMSC_ADDRESS_MAX)
		return -KMSC_E_ADDRESS;
	/* As an enclave names them; or with a name that is looked up. */
	if (address_read(address, len, ADDRESS_INSIDE | ADDRESS_SINGLE, &to) &&
	    (address_read(address, len, ADDRESS_SINGLE, &to) ||
	     to.kind != ADDRESS_NAME))
		return -KMSC_E_ADDRESS;
	memcpy(client->connect, address, len + 1);
	client->to = to;
	if (to.name)
		client->to.name = client->connect + (to.name - address);
	return 0;
}

int kmsc_client_ca(struct kmsc_client *client, const void *certificates,
		   size_t len)
{
	struct trust *trust;
	int r;

	if (!client || !certificates)
		return -EINVAL;
	r = trust_new(certificates, len, &trust);
	if (r < 0)
		return r;
	trust_free(client->trust);
	client->trust = trust;
	return 0;
}

/* --- limits --- */

int kmsc_client_timeout(struct kmsc_client *client, uint32_t ms)
{
	if (!client || ms == 0 || ms > KMSC_TIMEOUT_MAX_MS)
		return -EINVAL;
	client->timeout_ms = ms;
	return 0;
}

int kmsc_client_attempts(struct kmsc_client *client, unsigned attempts)
{
	if (!client || attempts == 0 || attempts > KMSC_ATTEMPTS_MAX)
		return -EINVAL;
	client->attempts = (int)attempts;
	return 0;
}

int kmsc_client_user_agent(struct kmsc_client *client, const char *text)
{
	if (!client || !text || !text[0] ||
	    strlen(text) > KMSC_USER_AGENT_MAX ||
	    !http_is_field("User-Agent", text))
		return -EINVAL;
	(void)snprintf(client->user_agent, sizeof(client->user_agent), "%s",
		       text);
	return 0;
}

/* --- documents --- */

int kmsc_client_nsm(struct kmsc_client *client, int fd)
{
	if (!client)
		return -EINVAL;
	if (fd < 0)
		return fd;
	client->nsm_fd = fd;
	client->attest = NULL;
	client->kept = NULL;
	return 0;
}

int kmsc_client_attester(struct kmsc_client *client, kmsc_attest_fn *attest,
			 void *ctx, struct nsmc_recipient *kept)
{
	if (!client || !attest || !kept)
		return -EINVAL;
	client->nsm_fd = NSMC_KERNEL_RANDOM;
	client->attest = attest;
	client->attest_ctx = ctx;
	client->kept = kept;
	return 0;
}

int kmsc_client_seed(struct kmsc_client *client, const void *seed, size_t len)
{
	if (!client || (!seed && len > 0) || len > CLIENT_SEED_MAX)
		return -EINVAL;
	explicit_bzero(client->seed, sizeof(client->seed));
	if (len > 0)
		memcpy(client->seed, seed, len);
	client->seed_len = len;
	return 0;
}

/* --- credentials --- */

/* PROVIDER is the client's from now on. */
static void use(struct kmsc_client *client, kmsc_credentials_fn *credentials,
		void *ctx, struct provider *provider)
{
	provider_free(client->provider);
	client->provider = provider;
	client->credentials = credentials;
	client->credentials_ctx = ctx;
	explicit_bzero(&client->keys, sizeof(client->keys));
}

int kmsc_client_credentials(struct kmsc_client *client,
			    kmsc_credentials_fn *credentials, void *ctx)
{
	if (!client || !credentials)
		return -EINVAL;
	use(client, credentials, ctx, NULL);
	return 0;
}

int kmsc_client_source(struct kmsc_client *client, const char *text,
		       char reterr_words[KMSC_WORDS_SIZE])
{
	struct provider *provider;
	const char *wrong;

	if (!client || !text)
		return -EINVAL;
	wrong = provider_new(text, &provider);
	if (wrong) {
		if (reterr_words)
			(void)snprintf(reterr_words, KMSC_WORDS_SIZE, "%s",
				       wrong);
		return -KMSC_E_CREDENTIALS;
	}
	use(client, provider_give, provider, provider);
	return 0;
}

/* Of the id and the secret: what has no place in a scope or header. */
static bool is_word(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s > '~' || *s == ',')
			return false;
	return true;
}

static bool are_good(const struct kmsc_credentials *k)
{
	return k->access_key_id[0] && k->secret_access_key[0] &&
	       is_word(k->access_key_id) && !strchr(k->access_key_id, '/') &&
	       is_word(k->secret_access_key) &&
	       (!k->session_token[0] ||
		http_is_field("X-Amz-Security-Token", k->session_token));
}

/* False: FROM is longer. */
static bool copy(char *to, size_t cap, const char *from)
{
	size_t len = strlen(from);

	if (len >= cap)
		return false;
	memcpy(to, from, len + 1);
	return true;
}

int kmsc_client_keys(struct kmsc_client *client, const char *access_key_id,
		     const char *secret_access_key, const char *token)
{
	struct kmsc_credentials k = { 0 };
	int r = -KMSC_E_CREDENTIALS;

	if (!client || !access_key_id || !secret_access_key)
		return -EINVAL;
	if (copy(k.access_key_id, sizeof(k.access_key_id), access_key_id) &&
	    copy(k.secret_access_key, sizeof(k.secret_access_key),
		 secret_access_key) &&
	    copy(k.session_token, sizeof(k.session_token),
		 token ? token : "") &&
	    are_good(&k))
		r = 0;
	if (r == 0) {
		use(client, NULL, NULL, NULL);
		client->keys = k;
	}
	explicit_bzero(&k, sizeof(k));
	return r;
}

int client_credentials(struct kmsc_client *client, bool refused,
		       uint32_t timeout_ms, struct kmsc_credentials *ret,
		       char words[KMSC_WORDS_SIZE])
{
	int r;

	words[0] = '\0';
	if (!client->credentials) {
		if (!client->keys.access_key_id[0])
			return -KMSC_E_NO_CREDENTIALS;
		if (refused)
			return -KMSC_E_CREDENTIALS_REFUSED;
		*ret = client->keys;
		return 0;
	}
	r = client->credentials(client->credentials_ctx, refused, timeout_ms,
				ret, words);
	if (r != 0)
		return r < 0 ? r : -EINVAL;
	/* Not a NUL too few: the source is the caller's code. */
	ret->access_key_id[KMSC_ACCESS_KEY_ID_MAX] = '\0';
	ret->secret_access_key[KMSC_SECRET_ACCESS_KEY_MAX] = '\0';
	ret->session_token[KMSC_SESSION_TOKEN_MAX] = '\0';
	return are_good(ret) ? 0 : -KMSC_E_CREDENTIALS;
}
