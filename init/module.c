#include "init/module.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

int module_insert(int fd, const char *params)
{
	/* musl has no wrapper. */
	return syscall(SYS_finit_module, fd, params, 0) < 0 ? -errno : 0;
}
