#include "rootfs/switch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "rootfs/tree.h"

/* linux/magic.h */
enum { MAGIC_RAMFS = 0x858458f6, MAGIC_TMPFS = 0x01021994 };

/*
 * Delete only from memory: an init that was started by mistake on a real file
 * system must not erase it.
 */
static void free_ramdisk(int old, const char *const *keep)
{
	struct statfs fs;

	if (fstatfs(old, &fs) == 0 && ((long)fs.f_type == MAGIC_TMPFS ||
				       (unsigned)fs.f_type == MAGIC_RAMFS))
		(void)tree_remove(old, keep);
}

bool switch_ramdisk_is_full(void)
{
	struct statfs fs;

	/* ramfs counts no blocks: it reports 0 free of 0. */
	return statfs("/", &fs) < 0 || fs.f_bfree <= fs.f_blocks / 16;
}

bool switch_ramdisk_lacks_inodes(void)
{
	struct statfs fs;

	return statfs("/", &fs) == 0 && fs.f_files > 0 && fs.f_ffree == 0;
}

bool switch_ramdisk_ends_with(const char *dir, const char *file)
{
	struct stat first, second;

	return stat(dir, &first) == 0 &&
	       (stat(file, &second) < 0 || second.st_ino < first.st_ino);
}

int switch_root(const char *dir, const char *keep)
{
	const char *const kept[] = { dir + 1, keep, NULL };
	struct stat st;
	int old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (old < 0)
		return -errno;
	if (mount(dir, dir, NULL, MS_BIND | MS_REC, NULL) < 0 ||
	    chdir(dir) < 0) {
		r = -errno;
		goto out;
	}

	/* Detach lazily: the console's descriptors are open on them. */
	(void)umount2("/dev", MNT_DETACH);
	(void)umount2("/proc", MNT_DETACH);
	/*
	 * If it were a link, the application would be among the files to
	 * delete.
	 */
	if (lstat(dir, &st) == 0 && S_ISDIR(st.st_mode))
		free_ramdisk(old, kept);

	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		r = -errno;
out:
	close(old);
	return r;
}
