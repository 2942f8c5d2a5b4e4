#include "nsm/kms/tool/perform.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nsm/kms/credentials/provider.h"
#include "nsm/kms/kmsc.h"
#include "nsm/kms/tool/material.h"
#include "nsm/kms/tool/result.h"
#include "nsm/kms/tool/settings.h"
#include "nsm/kms/wire/endpoint.h"
#include "nsm/tool/tool.h"

/* True if the key is in a region by its ARN. */
static bool has_region(const struct settings *set)
{
	struct endpoint_arn ignored;

	return set->request.key_arn &&
	       endpoint_arn(set->request.key_arn, &ignored) == 0;
}

static int check_region(const struct tool *t, const struct settings *set)
{
	struct endpoint_arn arn;

	if (!set->region || !set->request.key_arn ||
	    endpoint_arn(set->request.key_arn, &arn) < 0 ||
	    strcmp(arn.region, set->region) == 0)
		return 0;
	return tool_usage(t, "--region", "the key is in %s by its ARN",
			  arn.region);
}

/* The region that was said; or of the environment, if the key has none. NULL: the key's. */
static const char *region_of(const struct settings *set)
{
	static const char *const names[] = { "AWS_REGION",
					     "AWS_DEFAULT_REGION" };
	const char *region;

	if (set->region || has_region(set))
		return set->region;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		region = getenv(names[i]);
		if (region && *region)
			return region;
	}
	return NULL;
}

static int set_ca(struct tool *t, const struct settings *set,
		  struct kmsc_client *client)
{
	struct blob b = { 0 };
	int r;

	if (!set->ca)
		return 0;
	r = material_file(t, "--ca", set->ca, KMSC_CA_MAX, &b);
	if (r)
		return r;
	r = kmsc_client_ca(client, b.data, b.len);
	blob_free(&b);
	return r < 0 ? tool_fail(t, TOOL_REFUSED, set->ca, "%s",
				 kmsc_error_text(r)) :
		       0;
}

/* What is wrong with a value of OPTION. */
static int refuse(const struct tool *t, const char *option, int r)
{
	return r < 0 ? tool_usage(t, option, "%s", kmsc_error_text(r)) : 0;
}

static int set_way(struct tool *t, const struct settings *set,
		   struct kmsc_client *client)
{
	const char *region = region_of(set);
	int r = check_region(t, set);

	if (r)
		return r;
	if (!region && !has_region(set))
		return tool_usage(t, NULL,
				  "--region is needed: which of AWS's");
	if (region)
		r = refuse(t, set->region ? "--region" : "AWS_REGION",
			   kmsc_client_region(client, region));
	if (r == 0 && set->endpoint)
		r = refuse(t, "--endpoint",
			   kmsc_client_endpoint(client, set->endpoint));
	if (r == 0 && set->connect)
		r = refuse(t, "--connect",
			   kmsc_client_connect(client, set->connect));
	if (r == 0 && set->endpoint_flags)
		r = refuse(t, "--fips, --dual-stack",
			   kmsc_client_endpoint_flags(client,
						      set->endpoint_flags));
	if (r == 0 && set->timeout_s)
		r = refuse(t, "--timeout",
			   kmsc_client_timeout(
				   client, (uint32_t)set->timeout_s * 1000));
	if (r == 0 && set->attempts)
		r = refuse(t, "--attempts",
			   kmsc_client_attempts(client,
						(unsigned)set->attempts));
	return r ? r : set_ca(t, set, client);
}

static int call(const struct tool *t, const struct settings *set,
		struct kmsc_client *client)
{
	struct kmsc_answer *answer = NULL;
	struct kmsc_error error = { 0 };
	struct result result;
	int r = result_open(t, set, &result);

	if (r == 0 && kmsc_call(client, &set->request, &answer, &error) < 0)
		r = result_refuse(t, set, &error);
	else if (r == 0)
		r = result_write(t, set, answer, &result);
	result_abort(&result);
	kmsc_answer_free(answer);
	return r;
}

/* Outside of enclaves this is where it ends: after all that the command line can have wrong. */
static int call_nsm(const struct tool *t, const struct settings *set,
		    struct kmsc_client *client)
{
	int fd = -1, r = tool_open(t, &fd);

	if (r)
		return r;
	(void)kmsc_client_nsm(client, fd);
	r = call(t, set, client);
	(void)close(fd);
	return r;
}

static int make_call(struct tool *t, const struct settings *set)
{
	const char *source = set->credentials ? set->credentials :
						"environment";
	struct kmsc_client *client = NULL;
	struct provider *provider = NULL;
	const char *wrong;
	int r;

	if (kmsc_client_new(&client) < 0)
		return tool_fail(t, TOOL_FILE, NULL, "out of memory");
	r = set_way(t, set, client);
	if (r == 0 && (strcmp(source, "setclient") == 0 ||
		       strncmp(source, "setclient ", 10) == 0))
		r = tool_usage(t, "--credentials",
			       "setclient is for kmstool-server");
	wrong = r ? NULL : provider_new(source, &provider);
	if (wrong)
		r = tool_usage(t, "--credentials", "%s", wrong);
	if (r == 0)
		(void)kmsc_client_credentials(client, provider_give, provider);
	if (r == 0)
		r = call_nsm(t, set, client);
	kmsc_client_free(client);
	provider_free(provider);
	return r;
}

int perform_end(struct tool *t, struct settings *set, int r)
{
	if (r == 0)
		r = settings_check(t, set);
	if (r == 0)
		r = make_call(t, set);
	settings_free(set);
	return r;
}
