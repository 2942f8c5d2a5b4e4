#include "vsock/relay/flow/service.h"

#include <stdio.h>

int service_fail(struct service_fault *ret, unsigned line, const char *object,
		 int error)
{
	*ret = (struct service_fault){ .line = line, .error = error };
	(void)snprintf(ret->object, sizeof(ret->object), "%s", object);
	return -error;
}
