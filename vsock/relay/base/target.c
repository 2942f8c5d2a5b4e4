#include "vsock/relay/base/target.h"

#include <stdio.h>
#include <string.h>

#include "vsock/relay/base/value.h"

bool target_port(const char *text, uint32_t *ret)
{
	uint64_t n;

	/* The greatest number means any port. */
	if (!value_number(text, UINT32_MAX - 1, &n))
		return false;
	*ret = (uint32_t)n;
	return true;
}

const char *target_read(const char *text, struct target *ret)
{
	struct target a = { .text = text };
	uint64_t cid;

	if (strncmp(text, "mux:", 4) == 0 || strncmp(text, "dir:", 4) == 0) {
		a.kind = text[0] == 'm' ? TARGET_MUX : TARGET_DIR;
		a.path = text + 4;
		if (!a.path[0])
			return "a path must follow the colon";
		*ret = a;
		return NULL;
	}
	if (!value_number(text, UINT32_MAX - 1, &cid))
		return "it must be a CID, mux:PATH or dir:PATH";
	if (cid == 0)
		return "that CID is the hypervisor's";
	a.kind = TARGET_CID;
	a.cid = (uint32_t)cid;
	*ret = a;
	return NULL;
}

bool target_path(const struct target *a, uint32_t port, bool listens,
		 char ret[TARGET_PATH_MAX])
{
	int n;

	if (a->kind == TARGET_DIR)
		n = snprintf(ret, TARGET_PATH_MAX, "%s/%u.%s", a->path, port,
			     listens ? "sock" : "listen");
	else if (listens)
		n = snprintf(ret, TARGET_PATH_MAX, "%s_%u", a->path, port);
	else
		n = snprintf(ret, TARGET_PATH_MAX, "%s", a->path);
	return n > 0 && n < TARGET_PATH_MAX;
}
