#include "rootfs/file.h"

#include <limits.h>

#include "tests/unit/temp.h"

TEST(a_file_is_read_whole_and_ends_in_nul)
{
	struct file f = { 0 };

	temp_enter();
	temp_file("f", "two\nlines\0", 10, 0644);
	CHECK_INT(file_read(AT_FDCWD, "f", 100, &f), 0);
	CHECK_INT(f.len, 10);
	CHECK_MEM(f.data, "two\nlines\0", 11);
	f.data[10] = 'x'; /* writable up to the NUL */
	file_free(&f);
	CHECK(!f.data && f.len == 0);
	file_free(&f); /* twice is fine */
	temp_leave();
}

TEST(the_limit_is_the_last_size_that_is_read)
{
	struct file f = { 0 };
	char text[8192];

	memset(text, 'x', sizeof(text));
	temp_enter();
	for (size_t len = 4090; len <= 4100; len++) {
		temp_file("f", text, len, 0644);
		CHECK_INT(file_read(AT_FDCWD, "f", len, &f), 0);
		CHECK_INT(f.len, len);
		CHECK_INT(f.data[len], '\0');
		file_free(&f);
		CHECK_INT(file_read(AT_FDCWD, "f", len - 1, &f), -EFBIG);
		CHECK(!f.data);
	}
	temp_leave();
}

TEST(an_empty_file_is_an_empty_text)
{
	struct file f = { 0 };

	temp_enter();
	temp_text("f", "", 0644);
	CHECK_INT(file_read(AT_FDCWD, "f", 100, &f), 0);
	CHECK(f.data && f.len == 0);
	file_free(&f);
	CHECK_INT(file_alloc(0, &f), 0);
	CHECK(f.data && f.len == 0 && f.data[0] == '\0');
	file_free(&f);
	temp_leave();
}

TEST(what_is_no_file_is_refused_without_waiting)
{
	struct file f = { 0 };

	temp_enter();
	REQUIRE(mkdir("dir", 0755) == 0 && mkfifo("fifo", 0644) == 0);
	REQUIRE(symlink("nowhere", "dangling") == 0);
	CHECK_INT(file_read(AT_FDCWD, "dir", 100, &f), -EISDIR);
	CHECK_INT(file_read(AT_FDCWD, "fifo", 100, &f), -EINVAL);
	CHECK_INT(file_read(AT_FDCWD, "absent", 100, &f), -ENOENT);
	CHECK_INT(file_read(AT_FDCWD, "dangling", 100, &f), -ENOENT);
	CHECK_INT(file_read(AT_FDCWD, "/dev/null", 100, &f), -EINVAL);
	CHECK(!f.data);
	temp_leave();
}

TEST(the_kernels_files_without_a_size_are_read)
{
	struct file f = { 0 };
	int dirfd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK_INT(file_read(dirfd, "self/status", 65536, &f), 0);
	CHECK(strncmp(f.data, "Name:", 5) == 0);
	CHECK_INT(strlen(f.data), f.len);
	file_free(&f);
	close(dirfd);
	CHECK_INT(file_read(-1, "self/status", 65536, &f), -EBADF);
}

TEST(memory_for_vectors_is_zero)
{
	struct file f;

	CHECK_INT(file_alloc(100000, &f), 0);
	for (size_t i = 0; i <= 100000; i++)
		if (!CHECK(f.data[i] == 0))
			break;
	file_free(&f);
}

TEST(memory_for_short_vectors_is_zero_and_aligned)
{
	struct file a, b, kept;

	CHECK_INT(file_alloc(3, &kept), 0);
	for (int i = 0; i < 100; i++) {
		CHECK_INT(file_alloc(1000, &a), 0);
		CHECK_INT(file_alloc(1000, &b), 0);
		CHECK_INT((uintptr_t)a.data % sizeof(void *), 0);
		CHECK_INT((uintptr_t)b.data % sizeof(void *), 0);
		for (size_t n = 0; n < 1002; n++)
			if (!CHECK(a.data[n] == 0 && b.data[n] == 0))
				break;
		memset(a.data, 'a', 1002);
		memset(b.data, 'b', 1002);
		CHECK(a.data[1001] == 'a' && b.data[0] == 'b' &&
		      kept.data[4] == 0);
		file_free(&b);
		file_free(&a);
	}
	file_free(&kept);
}

TEST(short_files_do_not_touch_one_another)
{
	struct file files[40];
	char name[16], text[2048];

	temp_enter();
	/* More than there is room for: the last ones have pages of their own. */
	for (int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		memset(text, 'A' + i, sizeof(text));
		temp_file(name, text, (size_t)(i + 1) * 50, 0644);
		CHECK_INT(file_read(AT_FDCWD, name, 65536, &files[i]), 0);
	}
	for (int i = 0; i < 40; i++) {
		size_t len = (size_t)(i + 1) * 50;

		CHECK_INT(files[i].len, len);
		CHECK_INT(files[i].data[len], '\0');
		for (size_t n = 0; n < len; n++)
			if (!CHECK(files[i].data[n] == 'A' + i))
				break;
	}
	/* In any order. */
	for (int i = 0; i < 40; i += 2)
		file_free(&files[i]);
	for (int i = 1; i < 40; i += 2)
		file_free(&files[i]);
	temp_leave();
}

/* The content by which a file is known. */
static void check_content(int line, int fd, const char *path, const char *want)
{
	char text[16] = "";

	if (!check_int(__FILE__, line, path, fd >= 0, 1))
		return;
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	(void)!read(fd, text, sizeof(text) - 1);
	check_str(__FILE__, line, path, text, want);
	close(fd);
}

static void check_opens(int line, int dirfd, const char *path, const char *want)
{
	check_content(line, file_open_below(dirfd, path), path, want);
}

static void check_in_root(int line, int dirfd, const char *path,
			  const char *want)
{
	check_content(line, file_open_in_root(dirfd, path), path, want);
}

TEST(below_is_below)
{
	int top, fds;

	temp_enter();
	REQUIRE(mkdir("top", 0755) == 0 && mkdir("top/a", 0755) == 0 &&
		mkdir("top/a/b", 0755) == 0 && mkfifo("top/a/fifo", 0644) == 0);
	temp_text("outside", "out", 0644);
	temp_text("top/f", "f", 0644);
	temp_text("top/a/b/g", "g", 0600);
	REQUIRE(symlink("f", "top/to-f") == 0 && symlink("a", "top/to-a") == 0);
	REQUIRE(symlink("/etc", "top/to-etc") == 0);
	REQUIRE(symlink("../outside", "top/to-outside") == 0);
	REQUIRE(symlink("nowhere", "top/a/dangling") == 0);
	top = open("top", O_PATH | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(top >= 0);
	fds = dup(top);
	close(fds);

	check_opens(__LINE__, top, "f", "f");
	check_opens(__LINE__, top, "/f", "f");
	check_opens(__LINE__, top, "/a/b/g", "g");
	check_opens(__LINE__, top, "//a//b//g", "g");
	CHECK_INT(file_open_below(top, "to-f"), -ELOOP);
	CHECK_INT(file_open_below(top, "to-a/b/g"), -ELOOP);
	CHECK_INT(file_open_below(top, "a/../to-a/b/g"), -EINVAL);
	CHECK_INT(file_open_below(top, "to-etc/passwd"), -ELOOP);
	CHECK_INT(file_open_below(top, "to-outside"), -ELOOP);
	CHECK_INT(file_open_below(top, "a/dangling"), -ELOOP);
	CHECK_INT(file_open_below(top, "../outside"), -EINVAL);
	CHECK_INT(file_open_below(top, "a/../../outside"), -EINVAL);
	CHECK_INT(file_open_below(top, "a/.."), -EINVAL);
	CHECK_INT(file_open_below(top, "/"), -ENOENT);
	CHECK_INT(file_open_below(top, ""), -ENOENT);
	CHECK_INT(file_open_below(top, "absent"), -ENOENT);
	CHECK_INT(file_open_below(top, "absent/f"), -ENOENT);
	CHECK_INT(file_open_below(top, "f/g"), -ENOTDIR);
	CHECK_INT(file_open_below(top, "f/"), -ENOTDIR);
	CHECK_INT(file_open_below(top, "a/b"), -EISDIR);
	CHECK_INT(file_open_below(top, "a/fifo"), -EINVAL);
	CHECK_INT(file_open_below(-1, "f"), -EBADF);
	/* Nothing is left open on the way. */
	CHECK_INT(dup(top), fds);
	temp_leave();
}

TEST(links_do_not_lead_out_of_the_root)
{
	static char target[PATH_MAX];
	char name[16], next[16];
	int top, fds;

	temp_enter();
	REQUIRE(mkdir("top", 0755) == 0 && mkdir("top/a", 0755) == 0 &&
		mkdir("top/a/b", 0755) == 0 && mkfifo("top/fifo", 0644) == 0);
	temp_text("outside", "out", 0644);
	temp_text("f", "out", 0644);
	temp_text("top/f", "f", 0644);
	temp_text("top/a/b/g", "g", 0600);
	top = open("top", O_PATH | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(top >= 0);
	fds = dup(top);
	close(fds);

	check_in_root(__LINE__, top, "f", "f");
	check_in_root(__LINE__, top, "/f", "f");
	check_in_root(__LINE__, top, "./a//b/./g", "g");
	check_in_root(__LINE__, top, "../f", "f");
	check_in_root(__LINE__, top, "a/../../../f", "f");
	CHECK_INT(file_open_in_root(top, "../outside"), -ENOENT);

	REQUIRE(symlink("/f", "top/a/absolute") == 0);
	check_in_root(__LINE__, top, "a/absolute", "f");
	REQUIRE(symlink("../../../../f", "top/a/up") == 0);
	check_in_root(__LINE__, top, "a/up", "f");
	REQUIRE(symlink("../../outside", "top/a/out") == 0);
	CHECK_INT(file_open_in_root(top, "a/out"), -ENOLINK);
	REQUIRE(symlink("..", "top/parent") == 0);
	check_in_root(__LINE__, top, "parent/parent/f", "f");
	REQUIRE(symlink("/", "top/slash") == 0);
	check_in_root(__LINE__, top, "slash/a/b/../../slash/f", "f");
	REQUIRE(symlink("a//b/", "top/to-b") == 0);
	check_in_root(__LINE__, top, "to-b/g", "g");
	check_in_root(__LINE__, top, "to-b/../b/g", "g");
	/* What it names outside is there. */
	REQUIRE(getcwd(target, sizeof(target) - 16));
	strcat(target, "/outside");
	REQUIRE(access(target, R_OK) == 0 && symlink(target, "top/far") == 0);
	CHECK_INT(file_open_in_root(top, "far"), -ENOLINK);
	/* The kernel would go where the descriptor is, not where it says. */
	REQUIRE(symlink("/proc/self/root/etc/passwd", "top/magic") == 0);
	CHECK_INT(file_open_in_root(top, "magic"), -ENOLINK);

	REQUIRE(symlink("nowhere", "top/dangling") == 0);
	CHECK_INT(file_open_in_root(top, "dangling"), -ENOLINK);
	CHECK_INT(file_open_in_root(top, "dangling/f"), -ENOENT);
	REQUIRE(symlink("self", "top/self") == 0);
	CHECK_INT(file_open_in_root(top, "self"), -ELOOP);
	REQUIRE(symlink("two", "top/one") == 0 &&
		symlink("one", "top/two") == 0);
	CHECK_INT(file_open_in_root(top, "one/f"), -ELOOP);
	REQUIRE(symlink("fifo", "top/to-fifo") == 0);
	CHECK_INT(file_open_in_root(top, "to-fifo"), -EINVAL);
	REQUIRE(symlink("a/b", "top/to-dir") == 0);
	CHECK_INT(file_open_in_root(top, "to-dir"), -EISDIR);
	CHECK_INT(file_open_in_root(top, "to-dir/.."), -EISDIR);
	CHECK_INT(file_open_in_root(top, "slash"), -EISDIR);
	CHECK_INT(file_open_in_root(top, ""), -EISDIR);
	CHECK_INT(file_open_in_root(top, "f/g"), -ENOTDIR);
	CHECK_INT(file_open_in_root(top, "f/"), -ENOTDIR);
	CHECK_INT(file_open_in_root(-1, "f"), -EBADF);

	/* 40 are followed, and no more. */
	for (int i = 0; i < 41; i++) {
		(void)snprintf(name, sizeof(name), "l%d", i);
		(void)snprintf(next, sizeof(next), "../l%d", i + 1);
		REQUIRE(symlinkat(i == 40 ? "f" : next, top, name) == 0);
	}
	check_in_root(__LINE__, top, "l1", "f");
	CHECK_INT(file_open_in_root(top, "l0"), -ELOOP);
	/* And no longer path than there is room for. */
	memset(target, '/', sizeof(target) - 1);
	target[sizeof(target) - 1] = '\0';
	target[sizeof(target) - 2] = 'f';
	check_in_root(__LINE__, top, target, "f");
	REQUIRE(symlink(target, "top/long") == 0);
	check_in_root(__LINE__, top, "long", "f");
	CHECK_INT(file_open_in_root(top, "long/x"), -ENAMETOOLONG);
	CHECK_INT(dup(top), fds);
	temp_leave();
}

TEST(links_of_users_lead_root_nowhere)
{
	int top, fds;

	temp_enter();
	REQUIRE(mkdir("top", 0755) == 0 && mkdir("top/a", 0755) == 0);
	temp_text("top/f", "f", 0644);
	temp_text("top/a/g", "g", 0600);
	REQUIRE(symlink("a", "top/dir") == 0);
	REQUIRE(symlink("/f", "top/a/file") == 0);
	REQUIRE(symlink("dir/file", "top/both") == 0);
	top = open("top", O_PATH | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(top >= 0);
	fds = dup(top);
	close(fds);

	check_content(__LINE__, file_open_trusted(top, "a/g"), "a/g", "g");
	if (geteuid() != 0) {
		CHECK_INT(file_open_trusted(top, "dir/g"), -ELOOP);
	} else {
		check_content(__LINE__, file_open_trusted(top, "both"), "both",
			      "f");
		REQUIRE(lchown("top/dir", 12, 0) == 0);
		CHECK_INT(file_open_trusted(top, "dir/g"), -ELOOP);
		/* A link of root's, which leads over one of a user's. */
		CHECK_INT(file_open_trusted(top, "both"), -ELOOP);
		check_content(__LINE__, file_open_trusted(top, "a/file"),
			      "a/file", "f");
		REQUIRE(lchown("top/a/file", 12, 0) == 0);
		CHECK_INT(file_open_trusted(top, "a/file"), -ELOOP);
		/* Files and directories may be anybody's. */
		REQUIRE(chown("top/a", 12, 0) == 0);
		REQUIRE(chown("top/a/g", 12, 0) == 0);
		check_content(__LINE__, file_open_trusted(top, "a/g"), "a/g",
			      "g");
	}
	check_in_root(__LINE__, top, "both", "f");
	CHECK_INT(file_open_trusted(top, "nothing"), -ENOENT);
	CHECK_INT(dup(top), fds);
	temp_leave();
}

TEST(etc_may_be_an_absolute_link_of_the_root)
{
	int top;

	temp_enter();
	REQUIRE(mkdir("top", 0755) == 0 && mkdir("top/usr", 0755) == 0 &&
		mkdir("top/usr/etc", 0755) == 0);
	temp_text("top/usr/etc/enclave-init.conf", "conf", 0644);
	REQUIRE(symlink("/usr/etc", "top/etc") == 0);
	top = open("top", O_PATH | O_DIRECTORY | O_CLOEXEC);
	REQUIRE(top >= 0);
	check_in_root(__LINE__, top, "etc/enclave-init.conf", "conf");
	CHECK_INT(file_open_in_root(top, "etc/nothing"), -ENOENT);
	temp_leave();
}

TEST(a_part_of_a_path_is_bounded)
{
	char name[400];

	memset(name, 'n', sizeof(name));
	temp_enter();
	name[255] = '\0';
	temp_text(name, "long", 0644);
	check_opens(__LINE__, AT_FDCWD, name, "long");
	name[255] = 'n';
	name[256] = '\0';
	CHECK_INT(file_open_below(AT_FDCWD, name), -ENAMETOOLONG);
	name[256] = 'n';
	name[399] = '\0';
	CHECK_INT(file_open_below(AT_FDCWD, name), -ENAMETOOLONG);
	temp_leave();
}

TEST(access_is_set_but_not_through_links)
{
	struct stat st;

	temp_enter();
	temp_text("f", "", 0600);
	REQUIRE(symlink("f", "link") == 0);
	CHECK_INT(file_set_access("f", (uid_t)-1, (gid_t)-1, 0444), 0);
	REQUIRE(stat("f", &st) == 0);
	CHECK_INT(st.st_mode & 07777, 0444);
	CHECK_INT(st.st_uid, geteuid());
	CHECK_INT(file_set_access("f", geteuid(), getegid(), -1), 0);
	REQUIRE(stat("f", &st) == 0);
	CHECK_INT(st.st_mode & 07777, 0444);
	if (geteuid() == 0) {
		CHECK_INT(file_set_access("f", 12, 34, 04750), 0);
		REQUIRE(stat("f", &st) == 0);
		CHECK_INT(st.st_mode & 07777, 04750);
		CHECK_INT(st.st_uid, 12);
		CHECK_INT(st.st_gid, 34);
	}
	CHECK_INT(file_set_access("link", (uid_t)-1, (gid_t)-1, 0600), -ELOOP);
	CHECK_INT(file_set_access("absent", 0, 0, 0600), -ENOENT);
	temp_leave();
}

CHECK_MAIN("file")
