#include "vsock/relay/flow/place.h"

#include <string.h>

bool place_path(const struct address *a, bool listens, char ret[PLACE_PATH])
{
	char path[PLACE_PATH];
	struct target t = { .kind = a->kind == ADDRESS_MUX ? TARGET_MUX :
							     TARGET_DIR,
			    .path = path };

	if (a->name_len >= sizeof(path))
		return false;
	memcpy(path, a->name, a->name_len);
	path[a->name_len] = '\0';
	if (a->kind != ADDRESS_UNIX)
		return target_path(&t, a->port, listens, ret);
	memcpy(ret, path, a->name_len + 1);
	return true;
}
