#include "rootfs/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "rootfs/number.h"
#include "rootfs/tree.h"

/* The rows that are also mounted in the boot ramdisk, before the root. */
enum { ROW_DEV, ROW_PROC };

const struct mount_row mounts_table[] = {
	[ROW_DEV] = {
		.target = "/dev", /* of mode 0755 by itself */
		.type = "devtmpfs",
		.flags = MS_NOSUID | MS_NOEXEC,
		.proof = "/dev/null",
	},
	[ROW_PROC] = {
		.target = "/proc",
		.type = "proc",
		.flags = MS_NOSUID | MS_NODEV | MS_NOEXEC,
		.proof = "/proc/self",
	},
	{
		.target = "/dev/pts",
		.type = "devpts",
		.data = "gid=5,mode=620,ptmxmode=666",
		.flags = MS_NOSUID | MS_NOEXEC,
		.policy = MOUNT_WARN,
	},
	{
		.target = "/dev/shm",
		.type = "tmpfs",
		.data = "mode=1777",
		.flags = MS_NOSUID | MS_NODEV,
		.percent = 30,
		.policy = MOUNT_WARN,
	},
	{
		.target = "/dev/mqueue",
		.type = "mqueue",
		.flags = MS_NOSUID | MS_NODEV | MS_NOEXEC,
		.policy = MOUNT_OPTIONAL,
	},
	{
		.target = "/sys",
		.type = "sysfs",
		.flags = MS_NOSUID | MS_NODEV | MS_NOEXEC,
		.policy = MOUNT_WARN,
	},
	{
		.target = "/run", /* the image may have given it to a user */
		.type = "tmpfs",
		.data = "mode=0755",
		.flags = MS_NOSUID | MS_NODEV,
		.percent = 10,
		.carry = true,
		.keep = true,
		.policy = MOUNT_WARN,
	},
	{
		/*
		 * exec: users unpack programs there and run them; the mode is
		 * not kept: some builders make /tmp if it is missing, for root
		 * alone
		 */
		.target = "/tmp",
		.type = "tmpfs",
		.data = "mode=1777",
		.flags = MS_NOSUID | MS_NODEV,
		.percent = 40,
		.carry = true,
		.policy = MOUNT_WARN,
	},
};

const size_t mounts_count = sizeof(mounts_table) / sizeof(mounts_table[0]);

uint64_t mounts_spare(void)
{
	enum { OVERLAYFS_MAGIC = 0x794c7630 };
	struct sysinfo info;
	struct statfs root;
	uint64_t spare, taken = 0;

	if (sysinfo(&info) < 0)
		return 0;
	spare = (uint64_t)info.freeram * info.mem_unit;
	/*
	 * statfs of an overlay reports its upper layer. A quarter is added, so
	 * that the rows, 80 % together, and the upper layer make 80 % as well.
	 */
	if (statfs("/", &root) == 0 && root.f_type == OVERLAYFS_MAGIC)
		taken = (uint64_t)root.f_bavail * (uint64_t)root.f_bsize / 4 *
			5;
	return spare > taken ? spare - taken : 0;
}

const char *mounts_bounded(const char *options, uint64_t bytes,
			   char buf[MOUNTS_DATA_MAX])
{
	enum { BYTES_PER_FILE = 16384 };
	static const char size[] = ",size=", inodes[] = ",nr_inodes=";
	char *to = mempcpy(buf, options, strlen(options));

	to = mempcpy(to, size, sizeof(size) - 1);
	to = number_put(to, bytes);
	to = mempcpy(to, inodes, sizeof(inodes) - 1);
	/* 0 would mean no bound. */
	(void)number_put(to, bytes / BYTES_PER_FILE + 1);
	return buf;
}

static int open_dir(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/*
 * Makes PATH unless something is there; the mount reports what is wrong with
 * that.
 */
static void make_point(const char *path)
{
	struct stat st;

	/* A link to nothing counts as nothing. */
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) &&
	    stat(path, &st) < 0 && errno == ENOENT)
		(void)unlink(path);
	(void)mkdir(path, 0755);
}

static int do_mount(const struct mount_row *row)
{
	/* A file system that the configuration asks for must be our own. */
	const bool is_usual = row->proof || row->policy != MOUNT_STOP;

	if (mount(row->type, row->target, row->type, row->flags, row->data) < 0)
		return errno == EBUSY && is_usual ? 0 : -errno;
	return 0;
}

/*
 * Are A and B the same directory? If the directory before the mount and that
 * after it are, the mount point is a link to /, and the mount landed where no
 * path leads. Returns 1, 0 or -errno.
 */
static int is_same(int a, int b)
{
	struct stat st, other;

	if (fstat(a, &st) < 0 || fstat(b, &other) < 0)
		return -errno;
	return st.st_dev == other.st_dev && st.st_ino == other.st_ino;
}

/* Gives directory TO the owner and mode of FROM. */
static int keep_access(int from, int to)
{
	struct stat st;

	/* Set the owner first: changing it clears bits of the mode. */
	if (fstat(from, &st) < 0 || fchown(to, st.st_uid, st.st_gid) < 0 ||
	    fchmod(to, st.st_mode & 07777) < 0)
		return -errno;
	return 0;
}

/*
 * Moves into the mount what the image has in BELOW, as far as that is possible.
 */
static int carry(const struct mount_row *row, int below)
{
	int above = open_dir(row->target), kept = 0, r;

	if (above < 0)
		return -errno;
	r = is_same(below, above);
	if (r == 0 && row->keep)
		kept = keep_access(below, above);
	if (r == 0)
		r = tree_move(below, above);
	close(above);
	return r < 0 ? r : kept;
}

int mounts_mount(const struct mount_row *row, bool *ret_mounted)
{
	int below = -1, lost = 0, r;

	make_point(row->target);
	if (row->carry) {
		below = open_dir(row->target);
		if (below < 0)
			lost = -errno;
	}
	r = do_mount(row);
	*ret_mounted = r == 0;
	/* Leave no mount point for a file system that does not exist. */
	if (r < 0 && row->policy == MOUNT_OPTIONAL)
		(void)rmdir(row->target);
	if (r < 0 && row->proof && access(row->proof, F_OK) == 0)
		*ret_mounted = true;
	if (r == 0)
		r = below < 0 ? lost : carry(row, below);
	if (below >= 0)
		close(below);
	return r;
}

int mounts_early_dev(void)
{
	make_point(mounts_table[ROW_DEV].target);
	return do_mount(&mounts_table[ROW_DEV]);
}

int mounts_early_proc(void)
{
	make_point(mounts_table[ROW_PROC].target);
	return do_mount(&mounts_table[ROW_PROC]);
}
