#include "nsm/api/routes/credentials_route.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#include "nsm/api/jobs/jobs.h"
#include "nsm/kms/credentials/credential.h"

static void serve(struct web *w)
{
	const struct kmsc_credentials *c = jobs_credentials();
	char text[CREDENTIAL_JSON_CAP];
	size_t len;

	if (!c) {
		web_error(w, 503, "no_credentials", "there are none now");
		return;
	}
	len = credential_write(c, (int64_t)time(NULL), text);
	web_answer(w, 200, "application/json", text, len);
	explicit_bzero(text, sizeof(text));
}

const struct web_route credentials_route[] = {
	{ .method = WEB_GET,
	  .path = "/v1/credentials",
	  .subject = SPEC_CREDENTIALS,
	  .serve = serve },
	{ .path = NULL },
};
