#include "nsm/api/http/router.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool matches(const char *pattern, const char *path)
{
	for (; *pattern; pattern++) {
		if (*pattern == '*')
			return true;
		if (*pattern == '{') {
			if (!*path || *path == '/')
				return false;
			path += strcspn(path, "/");
			pattern = strchr(pattern, '}');
		} else if (*pattern != *path++) {
			return false;
		}
	}
	return *path == '\0';
}

static void list_methods(unsigned set, char ret[ROUTER_ALLOW])
{
	(void)snprintf(
		ret, ROUTER_ALLOW, "Allow: %s%s%s%s\r\n",
		set & 1U << WEB_GET ? "GET, HEAD" : "",
		set & 1U << WEB_GET && set & ~(1U << WEB_GET) ? ", " : "",
		set & 1U << WEB_POST ? "POST" : "",
		set & 1U << WEB_PUT ? set & 1U << WEB_POST ? ", PUT" : "PUT" :
				      "");
}

const struct web_route *router_find(const struct web_route *const *tables,
				    const struct web *w, int *reterr_status,
				    char reterr_allow[ROUTER_ALLOW])
{
	unsigned set = 0;

	for (; *tables; tables++)
		for (const struct web_route *r = *tables; r->path; r++) {
			if (r->dialect != w->dialect ||
			    !matches(r->path, w->path))
				continue;
			if (r->method == w->method)
				return r;
			set |= 1U << r->method;
		}
	*reterr_status = set ? 405 : 404;
	reterr_allow[0] = '\0';
	if (set)
		list_methods(set, reterr_allow);
	return NULL;
}
