#include "nsm/api/routes/describe_route.h"

#include <stddef.h>

#include "nsm/api/routes/body.h"

static void run(struct job *j)
{
	struct nsmc_description d;
	enum nsmc_debug debug;
	struct json_out *out;
	int r = nsmc_describe(j->nsm, &d);

	if (r == 0)
		r = nsmc_get_debug(j->nsm, &debug);
	if (r < 0) {
		job_error_nsm(j, r);
		return;
	}
	out = body_begin();
	json_put_object(out, NULL);
	json_put_number(out, "version_major", d.version_major);
	json_put_number(out, "version_minor", d.version_minor);
	json_put_number(out, "version_patch", d.version_patch);
	json_put_text(out, "module_id", d.module_id);
	json_put_number(out, "max_pcrs", d.max_pcrs);
	body_put_set(out, "locked_pcrs", d.locked_pcrs);
	json_put_text(out, "digest", d.digest);
	body_put_debug(out, debug);
	json_put_object_end(out);
	body_end(j, out);
}

static void serve(struct web *w)
{
	jobs_serve(w, JOB_NSM, run, NULL);
}

const struct web_route describe_route[] = {
	{ .method = WEB_GET,
	  .path = "/v1/describe",
	  .subject = SPEC_DESCRIBE,
	  .serve = serve },
	{ .path = NULL },
};
