#include "rootfs/etc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rootfs/file.h"

enum {
	HOSTS_MAX = 1 << 20,
	NAME_BYTES = 64, /* the most that the kernel takes */
};

int etc_dev_links(void)
{
	static const struct {
		char path[12], target[16];
	} links[] = {
		{ "/dev/fd", "/proc/self/fd" },
		{ "/dev/stdin", "/proc/self/fd/0" },
		{ "/dev/stdout", "/proc/self/fd/1" },
		{ "/dev/stderr", "/proc/self/fd/2" },
	};
	struct stat st;
	int r = 0;

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i].target, links[i].path) < 0 &&
		    errno != EEXIST)
			r = -errno;
	if (stat("/dev/ptmx", &st) == 0 && (st.st_mode & 0666) != 0666 &&
	    chmod("/dev/ptmx", 0666) < 0)
		r = -errno;
	return r;
}

int etc_hostname(const char *name)
{
	return sethostname(name, strlen(name)) < 0 ? -errno : 0;
}

int etc_sysctl(const char *name, const char *value)
{
	static const char sys[] = "/proc/sys/";
	__attribute__((uninitialized)) char path[PATH_MAX];
	size_t len = strlen(name);

	if (sizeof(sys) + len > sizeof(path))
		return -ENAMETOOLONG;
	memcpy(path, sys, sizeof(sys));
	memcpy(path + sizeof(sys) - 1, name, len + 1);
	return file_put_text(open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW),
			     value);
}

int etc_hosts(void)
{
	static const char path[] = "/etc/hosts";
	static const char text[] =
		"127.0.0.1\tlocalhost\n"
		"::1\tlocalhost ip6-localhost ip6-loopback\n";
	struct stat st;
	int fd, r = 0;

	if (lstat(path, &st) == 0) {
		if (!S_ISREG(st.st_mode) || st.st_size > 0)
			return 0;
	} else if (errno != ENOENT) {
		return -errno;
	}
	(void)mkdir("/etc", 0755);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	if (write(fd, text, sizeof(text) - 1) < 0)
		r = -errno;
	close(fd);
	return r;
}

int etc_mtab(void)
{
	static const char path[] = "/etc/mtab";

	/* What is there is the image's, also if it leads nowhere. */
	return symlink("/proc/self/mounts", path) < 0 && errno != EEXIST ?
		       -errno :
		       0;
}

static int put(int fd, const char *text)
{
	size_t len = strlen(text);
	ssize_t n = write(fd, text, len);

	return n < 0 ? -errno : n == (ssize_t)len ? 0 : -EIO;
}

/* Opens /etc/hosts for reading and appending. */
static int open_hosts(void)
{
	/* O_NONBLOCK: an open of a FIFO would wait. */
	int fd = open("/etc/hosts",
		      O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
			      O_NONBLOCK,
		      0644);

	return fd < 0 ? -errno : fd;
}

/* The image's last line may lack its newline. */
static int end_last_line(int fd)
{
	struct stat st;
	char last = '\n';

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	/* If that is not known, another newline does no harm. */
	if (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) < 0)
		last = '\0';
	return last == '\n' ? 0 : put(fd, "\n");
}

int etc_add_host(const char *address, const char *name)
{
	int fd = open_hosts(), r;

	if (fd < 0)
		return fd;
	r = end_last_line(fd);
	r = r < 0 ? r : put(fd, address);
	r = r < 0 ? r : put(fd, "\t");
	r = r < 0 ? r : put(fd, name);
	r = r < 0 ? r : put(fd, "\n");
	close(fd);
	return r;
}

/* True if one of the names in LINE, after the address, is NAME. */
static bool names(char *line, const char *name)
{
	static const char blanks[] = " \t\r";
	char *at = NULL;

	line[strcspn(line, "#")] = '\0';
	if (!strtok_r(line, blanks, &at))
		return false;
	for (char *word; (word = strtok_r(NULL, blanks, &at));)
		if (strcasecmp(word, name) == 0)
			return true;
	return false;
}

/* Cuts TEXT up. */
static bool has_name(char *text, const char *name)
{
	char *end;

	for (; text; text = end) {
		end = strchr(text, '\n');
		if (end)
			*end++ = '\0';
		if (names(text, name))
			return true;
	}
	return false;
}

int etc_host_name(const char *name)
{
	static const char address[] = "127.0.0.1\t";
	char line[sizeof(address) + 2 * (NAME_BYTES + 1)], *to = line;
	size_t len = strnlen(name, NAME_BYTES), dot = strcspn(name, ".");
	struct file hosts;
	int fd = open_hosts(), r;

	if (fd < 0)
		return fd;
	r = file_read_fd(fd, HOSTS_MAX, &hosts);
	if (r < 0)
		goto out;
	if (!has_name(hosts.data, name)) {
		to = mempcpy(to, address, sizeof(address) - 1);
		to = mempcpy(to, name, len);
		if (dot < len) { /* the whole name first: it is canonical */
			*to++ = ' ';
			to = mempcpy(to, name, dot);
		}
		*to++ = '\n';
		*to = '\0';
		r = end_last_line(fd);
		r = r < 0 ? r : put(fd, line);
	}
	file_free(&hosts);
out:
	close(fd);
	return r;
}

void etc_make_parents(const char *path)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	for (size_t i = 1; i < len && i < sizeof(part); i++) {
		if (path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		(void)mkdir(part, 0755);
	}
}

int etc_resolv_conf(void)
{
	static const char path[] = "/etc/resolv.conf", etc[] = "/etc/";
	char target[sizeof(etc) + PATH_MAX];
	struct stat st;
	ssize_t n;
	char *link;
	int fd;

	if (stat(path, &st) == 0 || errno != ENOENT)
		return 0;
	/* A relative link starts in /etc. */
	memcpy(target, etc, sizeof(etc));
	link = target + sizeof(etc) - 1;
	n = readlink(path, link, PATH_MAX);
	if (n < 0)
		return errno == ENOENT || errno == EINVAL ? 0 : -errno;
	link[n] = '\0';
	etc_make_parents(link[0] == '/' ? link : target);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int put_line(int fd, const char *key, const char *value)
{
	int r = put(fd, key);

	r = r < 0 ? r : put(fd, value);
	return r < 0 ? r : put(fd, "\n");
}

int etc_set_resolver(const struct etc_resolver *resolver)
{
	static const char path[] = "/etc/resolv.conf";
	int fd, r = 0;

	(void)unlink(path);
	(void)mkdir("/etc", 0755);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	if (resolver->search)
		r = put_line(fd, "search ", resolver->search);
	for (size_t i = 0; i < resolver->server_count && r == 0; i++)
		r = put_line(fd, "nameserver ", resolver->servers[i]);
	if (resolver->options && r == 0)
		r = put_line(fd, "options ", resolver->options);
	close(fd);
	return r;
}
