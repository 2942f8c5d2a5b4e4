#include "rootfs/squash.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/loop.h>

#include "rootfs/mounts.h"
#include "rootfs/number.h"

/*
 * The superblock; little-endian, as our machines are
 * (fs/squashfs/squashfs_fs.h).
 */
struct superblock {
	uint32_t magic;
	uint32_t counts[4];
	uint16_t compression;
	uint16_t fields[9];
	uint64_t bytes_used;
};

_Static_assert(offsetof(struct superblock, compression) == 20, "superblock");
_Static_assert(offsetof(struct superblock, bytes_used) == 40, "superblock");

enum {
	SQUASHFS_MAGIC = 0x73717368,
	UPPER_PERCENT = 30, /* of the spare memory; see mounts.c */
};

/* Where the layers are mounted until the overlay joins them. */
#define LAYERS "/squash"
static const char layers[] = LAYERS, lower[] = LAYERS "/lower",
		  upper[] = LAYERS "/upper", work[] = LAYERS "/work",
		  options[] = "lowerdir=" LAYERS "/lower,upperdir=" LAYERS
			      "/upper,workdir=" LAYERS "/work";

/* A truncated file would mount, and fail much later. */
static int check(int fd, struct squash_fault *fault)
{
	static const char names[][sizeof(fault->compressor)] = {
		"", "gzip", "lzma", "lzo", "xz", "lz4", "zstd",
	};
	struct superblock sb;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	n = pread(fd, &sb, sizeof(sb), 0);
	if (n < 0)
		return -errno;
	if (n != (ssize_t)sizeof(sb))
		return -ENODATA;
	if (sb.magic != SQUASHFS_MAGIC)
		return -EBADMSG;
	if (sb.compression < sizeof(names) / sizeof(names[0]))
		memcpy(fault->compressor, names[sb.compression],
		       sizeof(fault->compressor));
	return (uint64_t)st.st_size < sb.bytes_used ? -ENODATA : 0;
}

/* Writes the path of loop device N to BUF. */
static const char *loop_path(int n, char buf[10 + NUMBER_SIZE])
{
	static const char head[] = "/dev/loop";

	(void)number_put(mempcpy(buf, head, sizeof(head) - 1), (uint64_t)n);
	return buf;
}

/*
 * Mounts the tmpfs that takes what is written, with a bound if the memory is
 * known.
 */
static int mount_upper(void)
{
	static const char mode[] = "mode=0700";
	uint64_t share = mounts_spare() / 100 * UPPER_PERCENT;
	char buf[MOUNTS_DATA_MAX];
	const char *data = share ? mounts_bounded(mode, share, buf) : mode;

	return mount("tmpfs", layers, "tmpfs", 0, data) < 0 ? -errno : 0;
}

static int free_loop(void)
{
	int fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC), n;

	if (fd < 0)
		return -errno;
	n = ioctl(fd, LOOP_CTL_GET_FREE);
	if (n < 0)
		n = -errno;
	close(fd);
	return n;
}

/*
 * Attaches the file read-only, since the descriptors are, and for as long as
 * the device is in use. Nothing else runs yet that could take the device first.
 * (LOOP_CONFIGURE needs Linux 5.8.)
 */
static int open_loop(int file, const char *path)
{
	const struct loop_info64 info = {
		.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
	};
	int fd = open(path, O_RDONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, LOOP_SET_FD, file) < 0) {
		r = -errno;
	} else if (ioctl(fd, LOOP_SET_STATUS64, &info) < 0) {
		r = -errno;
		(void)ioctl(fd, LOOP_CLR_FD, 0);
	} else {
		return fd;
	}
	close(fd);
	return r;
}

/* The root directory is the upper layer's. */
static int copy_root(void)
{
	struct stat st;

	if (stat(lower, &st) < 0 || chown(upper, st.st_uid, st.st_gid) < 0 ||
	    chmod(upper, st.st_mode & 07777) < 0)
		return -errno;
	(void)utimensat(AT_FDCWD, upper,
			(struct timespec[]){ st.st_atim, st.st_mtim }, 0);
	return 0;
}

static int join(const char *device, const char *dir, enum squash_stage *stage)
{
	int r;

	*stage = SQUASH_UPPER;
	(void)mkdir(layers, 0700);
	r = mount_upper();
	if (r < 0)
		return r;
	if (mkdir(lower, 0755) < 0 || mkdir(upper, 0755) < 0 ||
	    mkdir(work, 0755) < 0)
		return -errno;
	*stage = SQUASH_LOWER;
	if (mount(device, lower, "squashfs", MS_RDONLY, NULL) < 0)
		return -errno;
	*stage = SQUASH_OVERLAY;
	r = copy_root();
	if (r < 0)
		return r;
	(void)mkdir(dir, 0755);
	return mount("overlay", dir, "overlay", 0, options) < 0 ? -errno : 0;
}

int squash_mount(const char *path, const char *dir,
		 struct squash_fault *reterr_fault)
{
	struct squash_fault fault = { .stage = SQUASH_FILE };
	int file, loop = -1, r;
	char buf[10 + NUMBER_SIZE];
	const char *device;

	file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	r = file < 0 ? -errno : check(file, &fault);
	if (r < 0)
		goto out;
	fault.stage = SQUASH_CONTROL;
	r = free_loop();
	if (r < 0)
		goto out;
	fault.stage = SQUASH_LOOP;
	device = loop_path(r, buf);
	r = loop = open_loop(file, device);
	if (r < 0)
		goto out;
	r = join(device, dir, &fault.stage);
	/* The overlay holds its layers, and they hold the device. */
	(void)umount2(lower, MNT_DETACH);
	(void)umount2(layers, MNT_DETACH);
	(void)rmdir(layers);
out:
	if (loop >= 0)
		close(loop);
	if (file >= 0)
		close(file);
	if (r < 0)
		*reterr_fault = fault;
	return r;
}

const char *squash_stage_text(enum squash_stage stage)
{
	static const char texts[SQUASH_STAGES][40] = {
		[SQUASH_CONTROL] = "no loop device (/dev/loop-control)",
		[SQUASH_LOOP] = "its loop device",
		[SQUASH_LOWER] = "the kernel cannot mount this squashfs",
		[SQUASH_UPPER] = "the tmpfs over it",
		[SQUASH_OVERLAY] = "the overlay over it",
	};

	return texts[stage];
}
