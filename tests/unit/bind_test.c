/* In user and mount namespaces of its own, over a tmpfs. */

#include "rootfs/bind.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/unit/check.h"
#include "tests/unit/temp.h"

/* A tmpfs becomes the working directory, with the file "tool" in it. */
static int enter(void)
{
	int fd;

	temp_enter();
	temp_unshare();
	REQUIRE(mount("tmp", temp_path, "tmpfs", 0, NULL) == 0);
	REQUIRE(chdir(temp_path) == 0);
	fd = open("tool", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0 && write(fd, "tool", 4) == 4);
	close(fd);
	fd = bind_take("tool");
	REQUIRE(fd >= 0);
	return fd;
}

static void leave(void)
{
	REQUIRE(chdir("/") == 0);
	CHECK_INT(umount2(temp_path, MNT_DETACH), 0);
	CHECK_INT(rmdir(temp_path), 0);
}

static const char *target(void)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/run/enclave/nsm", temp_path);
	return path;
}

TEST(a_file_is_there_and_read_only)
{
	struct stat st;
	int fd = enter();

	CHECK_INT(bind_put(fd, target()), 0);
	CHECK_INT(open(target(), O_WRONLY | O_CLOEXEC), -1);
	CHECK_INT(errno, EROFS);
	CHECK_INT(stat(target(), &st), 0);
	CHECK_INT(st.st_size, 4);
	CHECK_INT(st.st_mode & 07777, 0555);
	leave();
}

/* The first descriptor that is free, and two more: the way, and not the mount. */
TEST(what_cannot_be_made_read_only_is_not_mounted)
{
	struct rlimit limit;
	struct stat st;
	int fd = enter(), next = dup(fd);

	close(next);
	REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = (rlim_t)next + 2;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK_INT(bind_put(fd, target()), -EMFILE);
	/* The point is there; the file is not mounted on it. */
	CHECK_INT(stat(target(), &st), 0);
	CHECK_INT(st.st_size, 0);
	leave();
}

TEST(a_link_on_the_way_is_not_followed)
{
	int fd = enter();

	REQUIRE(mkdir("run", 0755) == 0 && mkdir("etc", 0755) == 0);
	REQUIRE(symlink("../etc", "run/enclave") == 0);
	CHECK_INT(bind_put(fd, target()), -ELOOP);
	CHECK_INT(access("etc/nsm", F_OK), -1);
	leave();
}

static int own(const char *path, mode_t mode)
{
	char whole[128];

	(void)snprintf(whole, sizeof(whole), "%s/%s", temp_path, path);
	return bind_own_folder(whole, mode);
}

TEST(a_folder_becomes_roots)
{
	struct stat st, by_path;
	int fd = enter();

	close(fd);
	fd = own("run/enclave", 0751);
	REQUIRE(fd >= 0);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CHECK_INT(fstat(fd, &st), 0);
	CHECK_INT(st.st_mode, S_IFDIR | 0751);
	close(fd);
	/* It is there, and somebody's. Its content and what it lies in stay. */
	REQUIRE(mkdir("run/enclave/x", 0700) == 0);
	REQUIRE(chmod("run", 0777) == 0 && chmod("run/enclave", 0777) == 0);
	fd = own("run//enclave", 0755);
	REQUIRE(fd >= 0);
	CHECK_INT(fstat(fd, &st), 0);
	CHECK_INT(st.st_mode, S_IFDIR | 0755);
	CHECK_INT(stat("run/enclave", &by_path), 0);
	CHECK_INT(st.st_ino, by_path.st_ino);
	CHECK_INT(access("run/enclave/x", F_OK), 0);
	CHECK_INT(stat("run", &st), 0);
	CHECK_INT(st.st_mode, S_IFDIR | 0777);
	close(fd);
	leave();
}

TEST(a_folder_of_a_user_becomes_roots)
{
	struct stat st;
	int fd;

	if (geteuid() != 0)
		return;
	temp_enter();
	REQUIRE(chmod(temp_path, 0755) == 0);
	REQUIRE(mkdir("enclave", 0777) == 0 && chown("enclave", 12, 34) == 0);
	fd = own("enclave", 02755);
	REQUIRE(fd >= 0);
	CHECK_INT(fstat(fd, &st), 0);
	CHECK_INT(st.st_mode, S_IFDIR | 02755);
	CHECK_INT(st.st_uid, 0);
	CHECK_INT(st.st_gid, 0);
	temp_leave();
}

TEST(a_folder_that_is_none_is_refused)
{
	struct stat st;
	int fd = enter(), next;

	REQUIRE(mkdir("etc", 0700) == 0 && mkdir("run", 0755) == 0);
	REQUIRE(symlink("../etc", "run/enclave") == 0);
	REQUIRE(symlink("etc", "link") == 0);
	next = dup(fd);
	close(next);
	CHECK_INT(own("run/enclave", 0755), -ELOOP);
	CHECK_INT(own("link/enclave", 0755), -ELOOP);
	CHECK_INT(own("tool", 0755), -ENOTDIR);
	CHECK_INT(own("tool/enclave", 0755), -ENOTDIR);
	CHECK_INT(stat("etc", &st), 0);
	CHECK_INT(st.st_mode, S_IFDIR | 0700);
	CHECK_INT(access("etc/enclave", F_OK), -1);
	CHECK_INT(dup(fd), next);
	leave();
}

CHECK_MAIN("bind")
