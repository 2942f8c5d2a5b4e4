#include "nsm/api/routes/health_route.h"

#include <stddef.h>

static void serve(struct web *w)
{
	static const char body[] = "{\"status\":\"ok\"}\n";

	web_answer(w, 200, "application/json", body, sizeof(body) - 1);
}

const struct web_route health_route[] = {
	{ .method = WEB_GET,
	  .path = "/v1/health",
	  .subject = SPEC_HEALTH,
	  .serve = serve },
	{ .path = NULL },
};
