#include "nsm/api/routes/ready_route.h"

#include <stddef.h>
#include <string.h>

#include "nsm/api/base/notify.h"
#include "nsm/api/routes/body.h"

/* A name directly in the directory of the sockets. */
static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/' &&
	       path[len + 1] && path[len + 1] != '.' &&
	       !strchr(path + len + 1, '/');
}

static void run(struct job *j)
{
	static const char *const names[] = { "socket", NULL };
	const struct json *object = body_object(j);
	const char *path = NULL;
	int r;

	if (!object || !body_has_only(j, object, names))
		return;
	if (json_member_text(object, "socket", 1, 107, &path) <= 0 ||
	    !is_below(path, j->spec->notify_dir)) {
		body_refuse(
			j, "socket",
			"what NOTIFY_SOCKET says, below /run/enclave/notify");
		return;
	}
	r = notify_send(path, "READY=1");
	if (r < 0)
		job_error(j, 502, "not_sent", "READY=1: %s", strerror(-r));
	else
		job_answer(j, 200, "application/json", "{\"ready\":true}\n",
			   15);
}

static void serve(struct web *w)
{
	jobs_serve(w, JOB_LOCAL, run, NULL);
}

const struct web_route ready_route[] = {
	{ .method = WEB_POST,
	  .path = "/v1/ready",
	  .subject = SPEC_READY,
	  .serve = serve },
	{ .path = NULL },
};
