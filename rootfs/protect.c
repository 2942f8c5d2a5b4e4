#include "rootfs/protect.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rootfs/file.h"

enum { MOUNTS_MAX = 1 << 20 }; /* bytes of mountinfo */

/*
 * Files that change the kernel for all processes, and that user 0 may write to
 * without a capability. Container runtimes protect the same ones.
 */
static const char paths[][20] = {
	"/proc/acpi",	       "/proc/bus",  "/proc/fs",
	"/proc/irq",	       "/proc/scsi", "/proc/sys",
	"/proc/sysrq-trigger",
};

/* Makes the mount at PATH read-only, and keeps its other flags. */
static int make_read_only(const char *path)
{
	/*
	 * Its other flags must be given again, since they may be locked. They
	 * have the same numbers in statfs(2).
	 */
	const unsigned long kept = MS_NOSUID | MS_NODEV | MS_NOEXEC;
	const unsigned long wanted = MS_REMOUNT | MS_BIND | MS_RDONLY;
	struct statfs st;

	if (statfs(path, &st) < 0 ||
	    mount(NULL, path, NULL, wanted | ((unsigned long)st.f_flags & kept),
		  NULL) < 0)
		return -errno;
	return 0;
}

static bool is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return strncmp(path, top, len) == 0 &&
	       (path[len] == '\0' || path[len] == '/');
}

static bool is_protected(const char *path)
{
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (is_below(path, paths[i]))
			return true;
	return is_below(path, "/sys");
}

/* Undoes the kernel's \OOO for spaces and backslashes, in place. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] &&
		    s[3]) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
				       (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/*
 * Makes every mount at or below a protected path read-only, from the kernel's
 * list.
 */
static int protect_mounts(void)
{
	enum { POINT = 4 }; /* the field's number, from 0, in mountinfo */
	struct file f = { 0 };
	char *line, *field, *lines = NULL, *fields;
	int r;

	r = file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTS_MAX, &f);
	if (r < 0)
		return r;
	for (line = strtok_r(f.data, "\n", &lines); line && r == 0;
	     line = strtok_r(NULL, "\n", &lines)) {
		fields = NULL;
		field = strtok_r(line, " ", &fields);
		for (int i = 0; i < POINT && field; i++)
			field = strtok_r(NULL, " ", &fields);
		if (!field)
			continue;
		unescape(field);
		if (is_protected(field))
			r = make_read_only(field);
		/* No path leads to a mount that another one covers. */
		if (r == -ENOENT)
			r = 0;
	}
	file_free(&f);
	return r;
}

/*
 * Makes a copy of all mounts the root, at a place to which no path leads any
 * more. A process whose root is not that of its mount namespace cannot make
 * user namespaces (user_namespaces(7), EPERM). In a user namespace user 0 could
 * mount the control groups again, writable, and move PID 1 into a group of its
 * own.
 */
static int forbid_user_namespaces(void)
{
	static const char point[] = "/proc";
	struct stat before, after;
	char cwd[PATH_MAX];

	/* A raw call: libc's getcwd can allocate, and would bring in a heap. */
	if (syscall(SYS_getcwd, cwd, sizeof(cwd)) < 0 || stat(".", &before) < 0)
		return -errno;
	if (mount("/", point, NULL, MS_BIND | MS_REC, NULL) < 0 ||
	    chroot(point) < 0 || chdir(cwd) < 0 || stat(".", &after) < 0)
		return -errno;
	/* The working directory must be the same one, but in the copy. */
	if (before.st_dev != after.st_dev || before.st_ino != after.st_ino)
		return -ESTALE;
	return 0;
}

int protect_kernel(void)
{
	int r;

	if (unshare(CLONE_NEWNS) < 0)
		return -errno;
	/*
	 * Private, not slave: a mount that another service makes later would
	 * appear here unchanged, and so be writable.
	 */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	/* Each path becomes a mount of its own, with the mounts below it. */
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (mount(paths[i], paths[i], NULL, MS_BIND | MS_REC, NULL) <
			    0 &&
		    errno != ENOENT)
			return -errno;
	r = protect_mounts();
	return r < 0 ? r : forbid_user_namespaces();
}

int protect_limits(void)
{
	enum { NOBODY = 65534 };

	/* By a raw call: libc's brings what has all threads follow. */
	if (syscall(SYS_setresgid, (gid_t)-1, (gid_t)-1, (gid_t)NOBODY) < 0)
		return errno == EINVAL ? 0 : -errno;
	return 0;
}
