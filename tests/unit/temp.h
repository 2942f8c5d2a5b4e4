#ifndef TESTS_UNIT_TEMP_H
#define TESTS_UNIT_TEMP_H

/* A directory of the test's own, and files in it. */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/check.h"

static char temp_path[64];

static inline int temp_remove_one(const char *path, const struct stat *st,
				  int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

/* A fresh one becomes the working directory; temp_leave removes it. */
static inline void temp_enter(void)
{
	const char *top = getenv("TMPDIR");

	(void)umask(022);
	(void)snprintf(temp_path, sizeof(temp_path), "%.40s/unit.XXXXXX",
		       top ? top : "/tmp");
	REQUIRE(mkdtemp(temp_path));
	REQUIRE(chdir(temp_path) == 0);
}

static inline void temp_leave(void)
{
	REQUIRE(chdir("/") == 0);
	(void)nftw(temp_path, temp_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* For root: it becomes the root as well, until temp_leave_root. */
static int temp_outside = -1;

static inline bool temp_enter_root(void)
{
	temp_enter();
	temp_outside = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(temp_outside >= 0);
	return chroot(".") == 0;
}

static inline void temp_leave_root(void)
{
	REQUIRE(fchdir(temp_outside) == 0 && chroot(".") == 0);
	temp_leave();
}

static inline void temp_file(const char *path, const void *data, size_t len,
			     mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	REQUIRE(fd >= 0);
	REQUIRE(write(fd, data, len) == (ssize_t)len);
	REQUIRE(fchmod(fd, mode) == 0);
	close(fd);
}

/* Writes to a file that is there already, of the kernel's for instance. */
static inline void temp_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	REQUIRE(fd >= 0);
	REQUIRE(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* The test becomes root of a user namespace, with a mount namespace of its own. */
static inline void temp_unshare(void)
{
	unsigned uid = getuid(), gid = getgid();
	char map[64];

	REQUIRE(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0);
	temp_write("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "0 %u 1", uid);
	temp_write("/proc/self/uid_map", map);
	(void)snprintf(map, sizeof(map), "0 %u 1", gid);
	temp_write("/proc/self/gid_map", map);
}

static inline void temp_text(const char *path, const char *text, mode_t mode)
{
	temp_file(path, text, strlen(text), mode);
}

#endif
