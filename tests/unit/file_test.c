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

CHECK_MAIN("file")
