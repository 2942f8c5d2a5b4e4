/*
 * Stands as /init and tells what the kernel has made of the ramdisks: of each name, from
 * the root on, in one line "@file=" with type and mode, links, owner, device, time, and what a
 * regular file or a link has, in hexadecimal digits. Then the machine restarts.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { PATH_CAP = 8192, CONTENT_MAX = 64 };

static char path[PATH_CAP] = "/";

/* The init itself has more. */
static void tell_content(const struct stat *st)
{
	char data[CONTENT_MAX];
	ssize_t n = 0;
	int fd;

	if (S_ISLNK(st->st_mode)) {
		n = readlink(path, data, sizeof(data));
	} else if (S_ISREG(st->st_mode) && st->st_size <= CONTENT_MAX) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = read(fd, data, sizeof(data));
		close(fd);
	}
	for (ssize_t i = 0; i < n; i++)
		(void)printf("%02x", (unsigned char)data[i]);
}

static void tell(void)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		(void)printf("@lost=%s: %s\n", path, strerror(errno));
		return;
	}
	(void)printf("@file=%o %u %u %u %u %u %lld ", st.st_mode,
		     (unsigned)st.st_nlink, st.st_uid, st.st_gid,
		     major(st.st_rdev), minor(st.st_rdev),
		     (long long)st.st_mtime);
	tell_content(&st);
	(void)printf(" %s\n", path);
}

/* Not deeper than the ramdisks of the test are. */
static void walk(void)
{
	size_t len = strlen(path);
	struct dirent *e;
	DIR *dir;

	tell();
	dir = opendir(path);
	if (!dir)
		return;
	while ((e = readdir(dir))) {
		const char *slash = path[len - 1] == '/' ? "" : "/";

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (len + strlen(e->d_name) + 2 > sizeof(path)) {
			(void)printf("@lost=%s: too deep\n", path);
			continue;
		}
		(void)sprintf(path + len, "%s%s", slash, e->d_name);
		if (e->d_type == DT_DIR)
			walk();
		else
			tell();
		path[len] = '\0';
	}
	closedir(dir);
}

int main(void)
{
	walk();
	(void)printf("init: listed\n");
	(void)fflush(stdout);
	sync();
	(void)reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}
