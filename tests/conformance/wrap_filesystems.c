/* Mistakes with the file systems that the application finds. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init/boot.h"
#include "init/machine.h"
#include "rootfs/defaults.h"
#include "rootfs/mounts.h"
#include "rootfs/tree.h"
#include "tests/conformance/mutant.h"

/*
 * bare PATH        what the image has there is not kept
 * own-mode PATH    nor the owner and mode of the folder itself
 * tiny PATH        it has room for little: 32 MiB, a thousand files
 * no-options PATH  the file system's own defaults
 */
WRAP(mounts_mount);
int __wrap_mounts_mount(const struct mount_row *row, bool *ret_mounted)
{
	struct mount_row wrong = *row;

	if (mutant_is("bare", row->target))
		wrong.carry = wrong.keep = false;
	if (mutant_is("own-mode", row->target))
		wrong.keep = false;
	if (mutant_is("tiny", row->target))
		wrong.data = "mode=1777,size=32m,nr_inodes=1k";
	if (mutant_is("no-options", row->target))
		wrong.data = NULL;
	return __real_mounts_mount(&wrong, ret_mounted);
}

/* unbounded: each file system in memory may take half of it. */
WRAP(mounts_spare);
uint64_t __wrap_mounts_spare(void)
{
	return mutant_is("unbounded", NULL) ? 0 : __real_mounts_spare();
}

/* forgotten PATH: it is open to root alone. */
WRAP(defaults_open_device);
int __wrap_defaults_open_device(const struct defaults_device *row)
{
	return mutant_is("forgotten", row->path) ?
		       0 :
		       __real_defaults_open_device(row);
}

/* hoard: what lies beside the root keeps its memory. */
WRAP(tree_remove);
int __wrap_tree_remove(int dirfd, const char *const *keep)
{
	return mutant_is("hoard", NULL) ? 0 : __real_tree_remove(dirfd, keep);
}

static void spoil(const char *path)
{
	const unsigned long again = MS_REMOUNT | MS_BIND;
	struct stat st;

	if (mutant_is("close", path))
		(void)chmod(path, 0600);
	if (mutant_is("open-up", path))
		(void)chmod(path, 0777);
	if (mutant_is("give-to-root", path) && lstat(path, &st) == 0)
		(void)lchown(path, 0, 0);
	if (mutant_is("unmount", path))
		(void)umount2(path, MNT_DETACH);
	if (mutant_is("remove", path))
		(void)unlink(path);
	if (mutant_is("read-only", path))
		(void)mount(NULL, path, NULL, again | MS_RDONLY, NULL);
	if (mutant_is("nosuid", path))
		(void)mount(NULL, path, NULL, again | MS_NOSUID, NULL);
	if (mutant_is("empty", path))
		(void)truncate(path, 0);
}

/*
 * When all is set up: close, open-up, give-to-root, unmount, remove, read-only,
 * nosuid, empty PATH.
 */
WRAP(machine_set_up);
int __wrap_machine_set_up(struct boot *b)
{
	static const char *const paths[] = {
		"/",	"/dev",	     "/dev/zero",	 "/etc/hosts", "/init",
		"/run", "/srv/data", "/etc/resolv.conf", "/tmp",
	};
	int r = __real_machine_set_up(b);

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		spoil(paths[i]);
	return r;
}
