#include "nsm/kms/call/request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "nsm/kms/call/fault.h"
#include "nsm/kms/wire/endpoint.h"
#include "nsm/kms/wire/http.h"
#include "nsm/kms/wire/instant.h"
#include "nsm/kms/wire/sigv4.h"

/* --- where it goes --- */

/* The client's region, or that of the key. */
static int find_region(const struct kmsc_client *client, const char *key_arn,
		       char ret[KMSC_REGION_MAX + 1], struct kmsc_error *e)
{
	struct endpoint_arn arn;
	const char *region = client->region;
	bool has_arn = key_arn && endpoint_arn(key_arn, &arn) == 0;

	_Static_assert(sizeof(arn.region) == KMSC_REGION_MAX + 1, "it fits");
	if (has_arn && region[0] && strcmp(arn.region, region) != 0)
		return fault_set(e, -KMSC_E_KEY_REGION, KMSC_STEP_REQUEST,
				 "the key is in %s, the region is %s",
				 arn.region, region);
	if (!region[0] && has_arn)
		region = arn.region;
	if (!region[0])
		return fault_set(
			e, -KMSC_E_REGION, KMSC_STEP_REQUEST,
			"no region was given, and no ARN of a key has one");
	(void)snprintf(ret, KMSC_REGION_MAX + 1, "%s", region);
	return 0;
}

int request_place(const struct kmsc_client *client, const char *key_arn,
		  struct request_place *ret, struct kmsc_error *e)
{
	int r;

	r = find_region(client, key_arn, ret->region, e);
	if (r < 0)
		return r;
	_Static_assert((int)KMSC_HOST_MAX == (int)ENDPOINT_HOST_MAX, "it fits");
	if (client->host[0])
		memcpy(ret->host, client->host, sizeof(ret->host));
	else if (endpoint_host(ret->region, client->endpoint_flags, ret->host) <
		 0)
		return fault_set(e, -KMSC_E_REGION, KMSC_STEP_REQUEST, "%s",
				 ret->region);
	if (client->host[0] && client->port != CLIENT_PORT)
		(void)snprintf(ret->authority, sizeof(ret->authority), "%s:%u",
			       ret->host, client->port);
	else
		(void)snprintf(ret->authority, sizeof(ret->authority), "%s",
			       ret->host);
	return 0;
}

/* --- its key --- */

int request_check_key(const struct kmsc_request *r, struct kmsc_error *e)
{
	if (r->operation == KMSC_GENERATE_RANDOM)
		return r->key_arn ?
			       fault_set(e, -KMSC_E_REQUEST, KMSC_STEP_REQUEST,
					 "GenerateRandom has no key") :
			       0;
	if (!r->key_arn && r->any_key && r->operation == KMSC_DECRYPT)
		return 0;
	if (!r->key_arn)
		return fault_set(e, -KMSC_E_KEY_MISSING, KMSC_STEP_REQUEST,
				 "its full ARN must be");
	if (r->any_key ? endpoint_is_key_id(r->key_arn) :
			 endpoint_is_key_arn(r->key_arn))
		return 0;
	return fault_set(e, -KMSC_E_KEY_ARN, KMSC_STEP_REQUEST,
			 r->any_key ? "it is neither a key nor an alias: %s" :
				      "it must be arn:PARTITION:kms:REGION:"
				      "ACCOUNT:key/ID: %s",
			 r->key_arn);
}

/* --- its head --- */

enum { SIGNED_MAX = 5, FIELDS_MAX = SIGNED_MAX + 2 };

int request_head(const struct request_signed *r, char *buf, size_t cap,
		 size_t *ret_len)
{
	char authorization[SIGV4_AUTHORIZATION_SIZE], date[INSTANT_AMZ_SIZE];
	const struct kmsc_credentials *k = r->credentials;
	struct http_field fields[FIELDS_MAX] = {
		{ "Host", r->place->authority },
		{ "Content-Type", "application/x-amz-json-1.1" },
		{ "X-Amz-Date", date },
		{ "X-Amz-Target", r->target },
		{ "X-Amz-Security-Token", k->session_token },
	};
	const struct sigv4_key key = { k->access_key_id, k->secret_access_key,
				       r->place->region, "kms" };
	size_t n = k->session_token[0] ? SIGNED_MAX : SIGNED_MAX - 1;
	const struct sigv4_request to_sign = { "POST", "/",	fields,
					       n,      r->body, r->len };
	struct http_request request = { .method = "POST",
					.path = "/",
					.fields = fields,
					.has_body = true,
					.body_len = r->len };
	int result;

	if (instant_amz(r->now_s, date) < 0)
		return -ERANGE;
	if (sigv4_sign(&to_sign, &key, authorization) < 0)
		return -KMSC_E_CREDENTIALS;
	fields[n++] = (struct http_field){ "Authorization", authorization };
	fields[n++] = (struct http_field){ "User-Agent", r->user_agent };
	request.count = n;
	result = http_request_head(&request, buf, cap, ret_len);
	explicit_bzero(authorization, sizeof(authorization));
	return result < 0 ? -KMSC_E_CREDENTIALS : 0;
}
