/* No module is loaded; MODULE_ERRNO says how it went. */

#include "init/module.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/seams/seam.h"

int module_insert(int fd, const char *params)
{
	char link[32], path[PATH_MAX];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	seam_record("module %s '%s'\n", path, params);
	return -seam_number("MODULE_ERRNO", 0);
}
