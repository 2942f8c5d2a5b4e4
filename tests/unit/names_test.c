#include "init/names.h"

#include "tests/unit/temp.h"

/* As where /etc/passwd and /etc/group are read: of the machine, which has them. */
TEST(both_files_are_read_once)
{
	struct names n = { 0 };
	const char *path = "untouched";
	char *data;

	REQUIRE(names_read(&n, &path) == 0);
	CHECK(n.is_read);
	CHECK_STR(path, "untouched");
	data = n.passwd.data;
	REQUIRE(data && strstr(data, "root:"));
	CHECK_INT(names_read(&n, &path), 0);
	CHECK(n.passwd.data == data);
	names_free(&n);
	CHECK(!n.is_read && !n.passwd.data && !n.group.data);
	names_free(&n);
}

/* An /etc of the test's own. */
static bool take_etc(void)
{
	if (geteuid() != 0)
		return false;
	REQUIRE(temp_enter_root() && mkdir("etc", 0755) == 0);
	return true;
}

TEST(files_that_are_not_there_have_no_names)
{
	struct names n = { 0 };
	const char *path = "untouched";
	struct user u;

	if (!take_etc())
		return;
	REQUIRE(names_read(&n, &path) == 0);
	CHECK(n.is_read && !n.passwd.data && !n.group.data);
	CHECK_INT(names_resolve(&n, "root", NULL, &u), -USER_E_USER);
	CHECK_INT(names_resolve(&n, "7", "wheel", &u), -USER_E_GROUP);
	CHECK_INT(names_resolve(&n, "7", "8", &u), 0);
	CHECK_INT(u.uid, 7);
	CHECK_INT(u.gid, 8);
	/* It is not read again, and so stays. */
	temp_text("etc/passwd", "late:x:1:1::/:\n", 0644);
	REQUIRE(names_read(&n, &path) == 0);
	CHECK(!n.passwd.data);
	REQUIRE(unlink("etc/passwd") == 0 && rmdir("etc") == 0);
	temp_text("etc", "", 0644); /* -ENOTDIR */
	names_free(&n);
	CHECK_INT(names_read(&n, &path), 0);
	CHECK_STR(path, "untouched");
	temp_leave_root();
}

TEST(a_file_that_cannot_be_read_is_named)
{
	struct names n = { 0 };
	const char *path = NULL;
	int fd;

	if (!take_etc())
		return;
	REQUIRE(mkdir("etc/passwd", 0755) == 0);
	CHECK_INT(names_read(&n, &path), -EISDIR);
	CHECK_STR(path, "/etc/passwd");
	REQUIRE(rmdir("etc/passwd") == 0);
	temp_text("etc/passwd", "root:x:0:0::/:\n", 0644);
	fd = open("etc/group", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	REQUIRE(fd >= 0 && ftruncate(fd, USER_FILE_MAX + 1) == 0);
	CHECK_INT(names_read(&n, &path), -EFBIG);
	CHECK_STR(path, "/etc/group");
	CHECK(!n.is_read && !n.passwd.data && !n.group.data);
	REQUIRE(ftruncate(fd, USER_FILE_MAX) == 0);
	CHECK_INT(names_read(&n, &path), 0);
	CHECK_INT(n.group.len, USER_FILE_MAX);
	names_free(&n);
	close(fd);
	/* Not to hang on it. */
	REQUIRE(unlink("etc/group") == 0 && mkfifo("etc/group", 0644) == 0);
	CHECK_INT(names_read(&n, &path), -EINVAL);
	temp_leave_root();
}

static const char passwd[] = "app:x:1:2::/srv:\n";
static const char groups[] = "main:x:2:\nmore:x:3:app\nlast:x:4:\n";

TEST(names_are_looked_up_in_both)
{
	const struct names n = {
		.passwd = { (char *)(uintptr_t)passwd, sizeof(passwd) - 1, 0 },
		.group = { (char *)(uintptr_t)groups, sizeof(groups) - 1, 0 },
		.is_read = true,
	};
	const char *word = NULL;
	struct user u;

	CHECK_INT(names_resolve(&n, "app", NULL, &u), 0);
	CHECK_INT(u.uid, 1);
	CHECK_INT(u.group_count, 2);
	CHECK_INT(u.groups[0], 2);
	CHECK_INT(u.groups[1], 3);
	CHECK_STR(u.home, "HOME=/srv");
	CHECK_INT(names_add_groups(&n, "last\0main", 2, &u, &word), 0);
	CHECK_INT(u.group_count, 3);
	CHECK_INT(names_add_groups(&n, "last\0none", 2, &u, &word),
		  -USER_E_GROUP);
	CHECK_STR(word, "none");
	CHECK_INT(names_resolve(&n, "app", "last", &u), 0);
	CHECK_INT(u.gid, 4);
	CHECK_INT(u.group_count, 1);
}

CHECK_MAIN("names")
