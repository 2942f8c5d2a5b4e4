#include "rootfs/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/file.h"

enum {
	FILE_MAX = 16384, /* either of the kernel's lists */
	MOUNT_FLAGS = MS_NOSUID | MS_NODEV | MS_NOEXEC,
};

static const char top[] = "/sys/fs/cgroup";

static bool has_word(const char *text, size_t len, const char *word)
{
	size_t n = strlen(word), i, start = 0;

	for (i = 0; i <= len; i++) {
		if (i < len && text[i] != ' ' && text[i] != '\n')
			continue;
		if (i - start == n && memcmp(text + start, word, n) == 0)
			return true;
		start = i + 1;
	}
	return false;
}

bool cgroup_has_controllers(const char *text, size_t len)
{
	return has_word(text, len, "cpu") && has_word(text, len, "memory") &&
	       has_word(text, len, "pids");
}

char *cgroup_next_v1(char **at)
{
	char *line, *end, *name_end, *p;

	while (**at) {
		line = *at;
		end = strchrnul(line, '\n');
		*at = *end ? end + 1 : end;
		*end = '\0';
		name_end = strchr(line, '\t');
		p = strrchr(line, '\t');
		if (line[0] == '#' || !name_end || name_end == line ||
		    strcmp(p + 1, "1") != 0)
			continue;
		*name_end = '\0';
		return line;
	}
	return NULL;
}

static int mount_v2(void)
{
	struct file f = { 0 };
	bool good;

	if (mount("cgroup2", top, "cgroup2", MOUNT_FLAGS, NULL) < 0)
		return -errno;
	if (file_read(AT_FDCWD, "/sys/fs/cgroup/cgroup.controllers", FILE_MAX,
		      &f) < 0)
		good = false;
	else
		good = cgroup_has_controllers(f.data, f.len);
	file_free(&f);
	if (good)
		return 0;
	/* Its controllers belong to version 1, or it is too old (4.14). */
	if (umount2(top, 0) < 0)
		return -errno;
	return -ENODEV;
}

static int mount_v1(void)
{
	struct file f = { 0 };
	char *at, *name, path[sizeof(top) + NAME_MAX + 1];
	int mounted = 0, r;
	size_t len;

	r = file_read(AT_FDCWD, "/proc/cgroups", FILE_MAX, &f);
	if (r < 0)
		return r;
	if (mount("tmpfs", top, "tmpfs", MOUNT_FLAGS, "mode=0755") < 0) {
		r = -errno;
		goto out;
	}
	memcpy(path, top, sizeof(top));
	path[sizeof(top) - 1] = '/';
	at = f.data;
	while ((name = cgroup_next_v1(&at))) {
		len = strlen(name);
		if (len > NAME_MAX)
			continue;
		memcpy(path + sizeof(top), name, len + 1);
		if (mkdir(path, 0755) < 0)
			continue;
		/* Enabled, and yet not there in version 1: the kernels without
		 * MEMCG_V1 and CPUSETS_V1. */
		if (mount("cgroup", path, "cgroup", MOUNT_FLAGS, name) < 0)
			(void)rmdir(path);
		else
			mounted++;
	}
	if (mounted == 0)
		(void)umount2(top, 0);
	r = mounted;
out:
	file_free(&f);
	return r;
}

int cgroup_mount(void)
{
	int r;

	/* sysfs has the directory only where the kernel has control groups. */
	if (access(top, F_OK) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (mount_v2() == 0)
		return 2;
	r = mount_v1();
	if (r == -ENOENT)
		return 0;
	return r > 0 ? 1 : r;
}
