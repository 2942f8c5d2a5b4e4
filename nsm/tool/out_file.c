#include "nsm/tool/out_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nsm/tool/tool.h"

enum { TEMP_TRIES = 100, NOREPLACE = 1, TEMPS = 3 };

/* The temporary files that exist: a key's, its public key's, the encrypted one's. */
static const char *volatile temps[TEMPS];

static void clean_and_end(int signo)
{
	for (size_t i = 0; i < TEMPS; i++)
		if (temps[i])
			(void)unlink(temps[i]);
	/* Ends as if there were no handler: when this one returns. */
	(void)signal(signo, SIG_DFL);
	(void)raise(signo);
}

void out_clean_on_signals(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct sigaction action = { .sa_handler = clean_and_end }, old;

	(void)sigfillset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		/*
		 * A signal that was ignored from the start (nohup) stays
		 * ignored.
		 */
		if (sigaction(signals[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			(void)sigaction(signals[i], &action, NULL);
}

/* Notes that TEMP exists, or, with GONE, no longer does. */
static void note_temp(const char *temp, bool gone)
{
	for (size_t i = 0; i < TEMPS; i++) {
		if (temps[i] != (gone ? temp : NULL))
			continue;
		temps[i] = gone ? NULL : temp;
		return;
	}
}

/* Allocates a name beside PATH. */
static int temp_name(struct out *o, const char *program, int number)
{
	const char *slash = strrchr(o->path, '/');
	int dir = slash ? (int)(slash - o->path) + 1 : 0;
	int n = snprintf(o->temp, sizeof(o->temp), "%.*s.%s.%d.%d", dir,
			 o->path, program, (int)getpid(), number);

	return n < (int)sizeof(o->temp) ? 0 : -ENAMETOOLONG;
}

/*
 * Creates TEMP, which must not exist; no signal comes between that and its
 * note.
 */
static int create(const char *temp, mode_t mode)
{
	sigset_t all, old;
	int fd;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, &old);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		fd = -errno;
	else
		note_temp(temp, false);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return fd;
}

static int open_temp(struct out *o, const char *program, mode_t mode)
{
	int r;

	for (int i = 0; i < TEMP_TRIES; i++) {
		r = temp_name(o, program, i);
		if (r < 0)
			return r;
		o->fd = create(o->temp, mode);
		if (o->fd != -EEXIST)
			break;
	}
	if (o->fd < 0)
		return o->fd;
	o->renames = true;
	return 0;
}

static int open_path(struct out *o, const char *program, const char *path,
		     mode_t mode, bool exclusive)
{
	struct stat st;
	char *real;

	if (strlen(path) >= sizeof(o->path))
		return -ENAMETOOLONG;
	memcpy(o->path, path, strlen(path) + 1);
	o->exclusive = exclusive;
	if (stat(path, &st) < 0) {
		/*
		 * Only the creator of a dangling link knows what it should
		 * name.
		 */
		if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
			return -ENOLINK;
		return open_temp(o, program, mode);
	}
	/*
	 * What must be new must not exist; nor may it be a pipe, whose reader
	 * may be anyone.
	 */
	if (exclusive)
		return -EEXIST;
	if (!S_ISREG(st.st_mode)) {
		/* A device or a pipe; a directory fails here. */
		o->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return o->fd < 0 ? -errno : 0;
	}
	/* The file that a link names is the one to replace, not the link. */
	real = realpath(path, NULL);
	if (!real)
		return -errno;
	memcpy(o->path, real, strlen(real) + 1);
	free(real);
	return open_temp(o, program, mode);
}

int out_open(const struct tool *t, struct out *o, const char *path, mode_t mode,
	     bool exclusive)
{
	int r;

	out_fd(o, -1);
	if (!path || strcmp(path, "-") == 0) {
		o->fd = STDOUT_FILENO;
		return 0;
	}
	if (!path[0])
		return tool_fail(t, TOOL_FILE, NULL,
				 "the name of a file to write is empty");
	r = open_path(o, t->program, path, mode, exclusive);
	if (r == -ENOLINK)
		return tool_fail(t, TOOL_FILE, path,
				 "it is a symbolic link to nothing");
	return r < 0 ? tool_fail_file(t, path, NULL, -r) : 0;
}

/* Never replaces a file, if that was asked for. */
static int rename_temp(const struct out *o)
{
	if (!o->exclusive)
		return rename(o->temp, o->path) < 0 ? -errno : 0;
	if (syscall(SYS_renameat2, AT_FDCWD, o->temp, AT_FDCWD, o->path,
		    NOREPLACE) == 0)
		return 0;
	/* For file systems and kernels without renameat2. */
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (link(o->temp, o->path) < 0)
		return -errno;
	(void)unlink(o->temp);
	return 0;
}

/*
 * Puts the name on the disk, too; a directory that cannot be opened is skipped.
 */
static void sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	int fd, n;

	n = snprintf(dir, sizeof(dir), "%.*s.",
		     slash ? (int)(slash - path) + 1 : 0, path);
	if (n < 0 || n >= (int)sizeof(dir))
		return;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	(void)close(fd);
}

int out_commit(const struct tool *t, struct out *o)
{
	int r = out_flush(o);

	/* A key that KMS knows must outlive a crash of this machine. */
	if (o->renames && r == 0 && fsync(o->fd) < 0)
		r = -errno;
	/* A network file system reports only here that it is full. */
	if (o->fd >= 0 && close(o->fd) < 0 && r == 0)
		r = -errno;
	o->fd = -1;
	if (o->renames && r == 0) {
		r = rename_temp(o);
		if (r == 0) {
			o->renames = false;
			note_temp(o->temp, true);
			sync_folder(o->path);
		}
	}
	out_abort(o);
	if (r == 0)
		return 0;
	/* The reader ended on purpose: head, or a pager. */
	if (r == -EPIPE)
		return TOOL_FILE;
	return tool_fail_file(t, o->path[0] ? o->path : "-", "stdout", -r);
}

void out_abort(struct out *o)
{
	if (o->fd > STDERR_FILENO)
		(void)close(o->fd);
	o->fd = -1;
	if (o->renames) {
		(void)unlink(o->temp);
		note_temp(o->temp, true);
	}
	o->renames = false;
	explicit_bzero(o->buf, sizeof(o->buf));
}
