#include "rootfs/tree.h"

#include <limits.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "tests/unit/temp.h"

static int open_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	REQUIRE(fd >= 0);
	return fd;
}

static int remove_in(const char *path, const char *const *keep)
{
	int fd = open_dir(path), r = tree_remove(fd, keep);

	close(fd);
	return r;
}

static int move_all(const char *from, const char *to)
{
	int a = open_dir(from), b = open_dir(to), r = tree_move(a, b);

	close(a);
	close(b);
	return r;
}

static bool is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* A directory in a directory, DEPTH of them, below PATH. */
static void make_deep(const char *path, int depth)
{
	int fd = open_dir(path), down;

	while (depth-- > 0) {
		REQUIRE(mkdirat(fd, "d", 0755) == 0);
		down = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = down;
	}
	close(fd);
}

/* --- remove --- */

static void make_some(void)
{
	char name[32];

	temp_enter();
	REQUIRE(mkdir("top", 0755) == 0 && mkdir("top/a", 0700) == 0 &&
		mkdir("top/a/b", 0) == 0 && mkdir("top/keep", 0755) == 0 &&
		mkdir("outside", 0755) == 0);
	temp_text("outside/file", "stays", 0644);
	temp_text("top/keep/file", "stays", 0644);
	temp_text("top/a/keep", "of that name, but deeper", 0644);
	REQUIRE(symlink("../outside", "top/link") == 0 &&
		symlink("/nowhere", "top/dangling") == 0 &&
		mkfifo("top/fifo", 0644) == 0);
	/* More than one read of the directory holds. */
	for (int i = 0; i < 500; i++) {
		(void)snprintf(name, sizeof(name), "top/file.%d", i);
		temp_text(name, "", 0);
	}
}

TEST(all_is_removed_but_what_is_kept)
{
	static const char *const keep[] = { "keep", "file.7", NULL };

	make_some();
	CHECK_INT(remove_in("top", keep), 0);
	CHECK(is_there("top/keep/file") && is_there("top/file.7"));
	CHECK(is_there("outside/file"));
	CHECK(!is_there("top/a") && !is_there("top/link") &&
	      !is_there("top/fifo") && !is_there("top/dangling") &&
	      !is_there("top/file.0") && !is_there("top/file.499"));
	CHECK_INT(remove_in("top", NULL), 0);
	CHECK_INT(rmdir("top"), 0);
	temp_leave();
}

TEST(removing_from_an_empty_directory_is_fine)
{
	temp_enter();
	REQUIRE(mkdir("top", 0755) == 0);
	CHECK_INT(remove_in("top", NULL), 0);
	CHECK_INT(tree_remove(-1, NULL), -EBADF);
	temp_leave();
}

TEST(depth_is_bounded_in_removing)
{
	temp_enter();
	REQUIRE(mkdir("top", 0755) == 0 && mkdir("deep", 0755) == 0);
	make_deep("top", TREE_DEPTH_MAX);
	CHECK_INT(remove_in("top", NULL), 0);
	CHECK(!is_there("top/d"));
	make_deep("deep", TREE_DEPTH_MAX + 1);
	temp_text("deep/beside", "", 0644);
	CHECK_INT(remove_in("deep", NULL), -ENAMETOOLONG);
	CHECK(is_there("deep/d") && !is_there("deep/beside"));
	temp_leave();
}

/* --- move --- */

static void enter_from_to(void)
{
	temp_enter();
	REQUIRE(mkdir("from", 0755) == 0 && mkdir("to", 0755) == 0);
}

static void check_text(const char *path, const char *wanted)
{
	char text[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	CHECK_STR(text, wanted);
	close(fd);
}

static void check_mode(const char *path, mode_t wanted)
{
	struct stat st;

	if (CHECK(lstat(path, &st) == 0))
		CHECK_INT(st.st_mode, wanted);
}

TEST(content_links_and_modes_are_moved)
{
	char target[64] = "";

	enter_from_to();
	(void)umask(077); /* does not count */
	REQUIRE(mkdir("from/dir", 0755) == 0 &&
		mkdir("from/dir/in", 0755) == 0);
	temp_text("from/file", "content", 0640);
	temp_text("from/dir/in/file", "deeper", 0604);
	temp_text("from/suid", "#!", 04755);
	temp_text("from/sgid", "#!", 02711);
	temp_text("from/none", "", 0);
	temp_text("from/.hidden", "dot", 0644);
	REQUIRE(chmod("from/dir", 01777) == 0 &&
		chmod("from/dir/in", 02750) == 0);
	REQUIRE(symlink("/somewhere/else", "from/link") == 0);
	REQUIRE(mkfifo("from/fifo", 0644) == 0);
	REQUIRE(chmod("from/fifo", 0622) == 0);

	CHECK_INT(move_all("from", "to"), 0);
	CHECK_INT(rmdir("from"), 0); /* nothing is left */
	check_text("to/file", "content");
	check_text("to/dir/in/file", "deeper");
	check_text("to/.hidden", "dot");
	check_mode("to/file", S_IFREG | 0640);
	check_mode("to/dir", S_IFDIR | 01777);
	check_mode("to/dir/in", S_IFDIR | 02750);
	check_mode("to/dir/in/file", S_IFREG | 0604);
	check_mode("to/suid", S_IFREG | 04755);
	check_mode("to/sgid", S_IFREG | 02711);
	check_mode("to/none", S_IFREG);
	check_mode("to/fifo", S_IFIFO | 0622);
	CHECK(readlink("to/link", target, sizeof(target) - 1) > 0);
	CHECK_STR(target, "/somewhere/else");
	temp_leave();
}

TEST(times_are_moved)
{
	const struct timespec then[2] = { { 1000000000, 5 },
					  { 1234567890, 7 } };
	struct stat st;

	enter_from_to();
	REQUIRE(mkdir("from/dir", 0755) == 0);
	temp_text("from/dir/file", "x", 0644);
	REQUIRE(symlink("x", "from/link") == 0);
	REQUIRE(utimensat(AT_FDCWD, "from/dir/file", then, 0) == 0 &&
		utimensat(AT_FDCWD, "from/dir", then, 0) == 0 &&
		utimensat(AT_FDCWD, "from/link", then, AT_SYMLINK_NOFOLLOW) ==
			0);
	CHECK_INT(move_all("from", "to"), 0);
	CHECK(stat("to/dir/file", &st) == 0);
	CHECK_INT(st.st_mtim.tv_sec, 1234567890);
	CHECK_INT(st.st_mtim.tv_nsec, 7);
	CHECK(stat("to/dir", &st) == 0 && st.st_mtim.tv_sec == 1234567890);
	CHECK(lstat("to/link", &st) == 0 && st.st_mtim.tv_sec == 1234567890);
	temp_leave();
}

static void check_owner(const char *path, uid_t uid, gid_t gid)
{
	struct stat st;

	if (CHECK(lstat(path, &st) == 0)) {
		CHECK_INT(st.st_uid, uid);
		CHECK_INT(st.st_gid, gid);
	}
}

TEST(owners_and_set_id_bits_are_moved)
{
	if (geteuid() != 0)
		return; /* only root gives files away */
	enter_from_to();
	REQUIRE(mkdir("from/dir", 0755) == 0);
	temp_text("from/file", "x", 0600);
	REQUIRE(symlink("x", "from/link") == 0);
	REQUIRE(lchown("from/dir", 11, 12) == 0 &&
		lchown("from/file", 13, 14) == 0 &&
		lchown("from/link", 15, 16) == 0);
	REQUIRE(chmod("from/file", 06755) == 0);
	CHECK_INT(move_all("from", "to"), 0);
	check_owner("to/dir", 11, 12);
	check_owner("to/file", 13, 14);
	check_owner("to/link", 15, 16);
	check_mode("to/file", S_IFREG | 06755);
	temp_leave();
}

TEST(devices_are_moved)
{
	struct stat st;

	if (geteuid() != 0)
		return;
	enter_from_to();
	if (mknod("from/null", S_IFCHR | 0666, makedev(1, 3)) == 0 &&
	    chmod("from/null", 0666) == 0) {
		CHECK_INT(move_all("from", "to"), 0);
		check_mode("to/null", S_IFCHR | 0666);
		CHECK(stat("to/null", &st) == 0 && st.st_rdev == makedev(1, 3));
	}
	temp_leave();
}

TEST(sockets_are_dropped)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "from/s" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	enter_from_to();
	REQUIRE(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
	temp_text("from/file", "x", 0644);
	CHECK_INT(move_all("from", "to"), 0);
	CHECK(!is_there("from/s") && !is_there("to/s") && is_there("to/file"));
	close(fd);
	temp_leave();
}

TEST(hard_links_become_files_of_their_own)
{
	enter_from_to();
	temp_text("from/a", "same", 0644);
	REQUIRE(link("from/a", "from/b") == 0);
	CHECK_INT(move_all("from", "to"), 0);
	check_text("to/a", "same");
	check_text("to/b", "same");
	temp_leave();
}

TEST(what_is_there_already_stays)
{
	enter_from_to();
	REQUIRE(mkdir("from/dir", 0700) == 0 && mkdir("to/dir", 0755) == 0);
	temp_text("from/file", "of the image", 0644);
	temp_text("to/file", "there first", 0600);
	temp_text("from/dir/one", "1", 0644);
	temp_text("to/dir/two", "2", 0644);
	temp_text("from/z", "others go on", 0644);
	CHECK_INT(move_all("from", "to"), -EEXIST);
	check_text("to/file", "there first");
	check_text("from/file", "of the image"); /* left behind */
	check_text("to/dir/one", "1");
	check_text("to/dir/two", "2");
	check_text("to/z", "others go on");
	temp_leave();
}

TEST(links_are_not_followed)
{
	enter_from_to();
	REQUIRE(mkdir("outside", 0755) == 0);
	temp_text("outside/file", "stays", 0644);
	REQUIRE(symlink("../outside", "from/dir") == 0);
	REQUIRE(mkdir("to/sub", 0755) == 0);
	CHECK_INT(move_all("from", "to"), 0);
	check_mode("to/dir", S_IFLNK | 0777);
	check_text("outside/file", "stays");
	temp_leave();
}

/* A directory whose name in the target is a link: nothing is written there. */
TEST(links_in_the_target_are_not_followed)
{
	enter_from_to();
	REQUIRE(mkdir("outside", 0755) == 0 && mkdir("from/dir", 0755) == 0);
	temp_text("from/dir/file", "x", 0644);
	REQUIRE(symlink("../outside", "to/dir") == 0);
	CHECK(move_all("from", "to") < 0);
	CHECK(!is_there("outside/file"));
	check_text("from/dir/file", "x");
	temp_leave();
}

TEST(depth_is_bounded_in_moving)
{
	enter_from_to();
	make_deep("from", TREE_DEPTH_MAX);
	CHECK_INT(move_all("from", "to"), 0);
	CHECK(!is_there("from/d"));
	REQUIRE(mkdir("deep", 0755) == 0 && mkdir("to2", 0755) == 0);
	make_deep("deep", TREE_DEPTH_MAX + 1);
	temp_text("deep/beside", "x", 0644);
	CHECK_INT(move_all("deep", "to2"), -ENAMETOOLONG);
	check_text("to2/beside", "x");
	temp_leave();
}

TEST(many_and_large_files_are_moved)
{
	enum { FILES = 700, LARGE = 3 << 20 };
	char name[32], *large = malloc(LARGE);
	struct stat st;

	REQUIRE(large);
	memset(large, 'L', LARGE);
	enter_from_to();
	for (int i = 0; i < FILES; i++) {
		(void)snprintf(name, sizeof(name), "from/file.%d", i);
		temp_text(name, name, 0644);
	}
	temp_file("from/large", large, LARGE, 0644);
	CHECK_INT(move_all("from", "to"), 0);
	CHECK_INT(rmdir("from"), 0);
	for (int i = 0; i < FILES; i++) {
		char from[32];

		(void)snprintf(name, sizeof(name), "to/file.%d", i);
		(void)snprintf(from, sizeof(from), "from/file.%d", i);
		check_text(name, from);
	}
	CHECK(stat("to/large", &st) == 0 && st.st_size == LARGE);
	free(large);
	temp_leave();
}

/* No room in the target: no half of a file stays, and nothing is lost. */
TEST(a_file_that_does_not_fit_is_left_behind)
{
	/* Stands for a full disk. */
	const struct rlimit limit = { 100000, 100000 };
	sigset_t set;
	struct stat st;
	char *text;
	int fd;

	enter_from_to();
	text = malloc(200000);
	REQUIRE(text);
	memset(text, 'x', 200000);
	temp_file("from/file", text, 200000, 0644);
	temp_text("from/small", "fits", 0644);
	free(text);
	sigemptyset(&set);
	sigaddset(&set, SIGXFSZ);
	sigprocmask(SIG_BLOCK, &set, NULL);
	REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	CHECK(move_all("from", "to") < 0);
	CHECK(!is_there("to/file"));
	check_text("to/small", "fits");
	fd = open("from/file", O_RDONLY | O_CLOEXEC);
	CHECK(fstat(fd, &st) == 0 && st.st_size == 200000);
	close(fd);
	temp_leave();
}

CHECK_MAIN("tree")
