#include "rootfs/pack/ramdisk/squashfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rootfs/pack/base/cleanup.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/progress.h"
#include "rootfs/pack/base/spool.h"
#include "rootfs/pack/ramdisk/tar.h"

static const char program[] = "tar2sqfs";

const char *const squashfs_compressors[] = { "zstd", "gzip", "xz", NULL };

/* Said, since tar2sqfs's own may change; xz has none. */
static const char *const levels[] = { "level=15", "level=9", NULL, NULL };

enum {
	/* Exit codes, as a shell has them. */
	EXEC_FAILED = 126,
	EXEC_NONE = 127,
};

struct child {
	pid_t pid;
	int fd;	      /* ours of the pipe */
	bool is_deaf; /* it has closed the other end */
};

/* In the child: STDIN and STDOUT (-1: nothing) are its, KEPT stays open. */
static void execute(char *const *argv, pid_t parent, int in, int out, int kept)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(in < 0 ? null : in, STDIN_FILENO) < 0 ||
	    dup2(out < 0 ? null : out, STDOUT_FILENO) < 0 ||
	    (kept >= 0 && fcntl(kept, F_SETFD, 0) < 0))
		_exit(EXEC_FAILED);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGXFSZ, SIG_DFL);
	/* It has no reason to go on without us. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXEC_FAILED);
	if (argv[0])
		(void)execvp(argv[0], argv);
	_exit(errno == ENOENT ? EXEC_NONE : EXEC_FAILED);
}

/* A pipe to its stdin, or FROM its stdout. */
static int start(char *const *argv, bool from, int kept, struct child *ret,
		 struct fault *reterr)
{
	const pid_t parent = getpid();
	int ends[2], ours = from ? 0 : 1;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fault_system(reterr, errno, "%s", program);
	ret->is_deaf = false;
	ret->pid = fork();
	if (ret->pid == 0)
		execute(argv, parent, from ? -1 : ends[0], from ? ends[1] : -1,
			kept);
	close(ends[1 - ours]);
	if (ret->pid < 0) {
		(void)fault_system(reterr, errno, "%s", program);
		close(ends[ours]);
		return -1;
	}
	ret->fd = ends[ours];
	return 0;
}

static int end(struct child *c, struct fault *reterr)
{
	int status;

	if (c->fd >= 0)
		close(c->fd);
	while (waitpid(c->pid, &status, 0) < 0)
		if (errno != EINTR)
			return fault_system(reterr, errno, "%s", program);
	if (!WIFEXITED(status))
		return fault_failed(reterr, "%s was killed by signal %d",
				    program, WTERMSIG(status));
	if (WEXITSTATUS(status) == EXEC_NONE)
		return fault_system(reterr, ENOENT,
				    "%s, which --squashfs needs (Debian's "
				    "package squashfs-tools-ng)",
				    program);
	if (WEXITSTATUS(status) != 0)
		return fault_failed(reterr,
				    "%s could not make a squashfs (code %d)",
				    program, WEXITSTATUS(status));
	return 0;
}

int squashfs_version(char ret[SQUASHFS_VERSION_MAX], struct fault *reterr)
{
	char name[] = "tar2sqfs", option[] = "--version", text[4096];
	struct child c;
	size_t len = 0;
	const char *at;
	ssize_t n;

	if (start((char *[]){ name, option, NULL }, true, -1, &c, reterr) < 0)
		return -1;
	while (len < sizeof(text) - 1 &&
	       (n = read(c.fd, text + len, sizeof(text) - 1 - len)) != 0) {
		if (n < 0 && errno != EINTR)
			break;
		len += n < 0 ? 0 : (size_t)n;
	}
	text[len] = '\0';
	if (end(&c, reterr) < 0)
		return -1;
	/* "tar2sqfs (squashfs-tools-ng) 1.2.0" */
	text[strcspn(text, "\n")] = '\0';
	at = strrchr(text, ' ');
	(void)snprintf(ret, SQUASHFS_VERSION_MAX, "%s", at ? at + 1 : "?");
	return 0;
}

static int to_pipe(void *ctx, const void *data, size_t len,
		   struct fault *reterr)
{
	struct child *c = ctx;
	const char *at = data;
	ssize_t n;

	while (len > 0) {
		n = write(c->fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			c->is_deaf = errno == EPIPE;
			return fault_system(reterr, errno, "%s", program);
		}
		at += n;
		len -= (size_t)n;
		progress_add((uint64_t)n);
	}
	return 0;
}

/* What init looks at (rootfs/squash.c): the magic, and all the bytes that it says. */
static int check(struct spool *spool, struct fault *reterr)
{
	const struct content c = spool_content(spool, 0);
	unsigned char head[48];
	uint64_t used = 0;

	memset(head, 0, sizeof(head));
	if (c.len >= sizeof(head) &&
	    content_read(&c, 0, head, sizeof(head), reterr) < 0)
		return fault_prefix(reterr, "%s", program);
	for (int i = 7; i >= 0; i--)
		used = used << 8 | head[40 + i];
	if (memcmp(head, "hsqs", 4) != 0 || used > c.len)
		return fault_failed(reterr, "%s made no whole squashfs",
				    program);
	return 0;
}

static const char *level_of(const char *compressor)
{
	const char *const *name = squashfs_compressors;

	while (*name && strcmp(*name, compressor) != 0)
		name++;
	return levels[name - squashfs_compressors];
}

static int run(struct tree *t, const struct squashfs_options *o, char **argv,
	       int kept, struct fault *reterr)
{
	struct tar_writer w = {
		.sink = to_pipe,
		.keep_times = o->keep_times,
		.mtime = o->mtime,
	};
	struct child c;
	struct fault of_child;
	int r;

	if (start(argv, false, kept, &c, reterr) < 0)
		return -1;
	w.ctx = &c;
	progress_begin("squashfs, of", 0);
	r = tar_write_tree(&w, t, reterr);
	/* Half an archive must not look like a whole one. */
	if (r < 0 && !c.is_deaf)
		(void)kill(c.pid, SIGTERM);
	if (end(&c, &of_child) < 0 && (r == 0 || c.is_deaf)) {
		*reterr = of_child;
		r = -1;
	}
	return r;
}

/* Where tar2sqfs finds the spool's file: by /proc, or else by a name of a folder of ours. */
struct room {
	char dir[4096], file[4096 + 16];
	int dir_slot, file_slot;
};

static int place_open(struct room *p, const struct spool *spool,
		      struct fault *reterr)
{
	p->dir_slot = p->file_slot = -1;
	p->dir[0] = '\0';
	(void)snprintf(p->file, sizeof(p->file), "/proc/self/fd/%d", spool->fd);
	if (access(p->file, F_OK) == 0)
		return 0;
	if (snprintf(p->dir, sizeof(p->dir), "%s/mkeif.XXXXXX", spool_dir()) >=
	    (int)sizeof(p->dir)) {
		p->dir[0] = '\0';
		return fault_system(reterr, ENAMETOOLONG, "TMPDIR");
	}
	if (!mkdtemp(p->dir)) {
		(void)fault_system(reterr, errno, "a temporary folder in %s",
				   spool_dir());
		p->dir[0] = '\0';
		return -1;
	}
	(void)snprintf(p->file, sizeof(p->file), "%s/squashfs", p->dir);
	p->dir_slot = cleanup_add(AT_FDCWD, p->dir, AT_REMOVEDIR);
	p->file_slot = cleanup_add(AT_FDCWD, p->file, 0);
	return 0;
}

/* What was written there, if it was not the spool itself, becomes the spool. */
static int place_take(const struct room *p, struct spool *spool,
		      struct fault *reterr)
{
	int fd;

	if (p->dir[0] == '\0')
		return 0;
	fd = open(p->file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fault_system(reterr, errno, "%s", p->file);
	spool_close(spool);
	spool->fd = fd;
	return 0;
}

static void place_close(struct room *p)
{
	if (p->dir[0]) {
		(void)unlink(p->file);
		(void)rmdir(p->dir);
	}
	cleanup_drop(p->file_slot);
	cleanup_drop(p->dir_slot);
}

int squashfs_write(struct tree *t, const struct squashfs_options *o,
		   struct spool *spool, struct fault *reterr)
{
	const char *level = level_of(o->compressor);
	char *words = NULL, *argv[24], *save = NULL;
	struct room place;
	size_t n = 0;
	struct stat st;
	int r = -1;

	/* All that could be otherwise elsewhere is said. */
	if (asprintf(&words,
		     "%s --quiet --force --no-skip --compressor %s%s%s "
		     "--block-size 131072 --dev-block-size 4096 "
		     "--defaults uid=0,gid=0,mode=0755,mtime=%u",
		     program, o->compressor, level ? " --comp-extra " : "",
		     level ? level : "", o->mtime) < 0)
		return fault_system(reterr, ENOMEM, "%s", program);
	for (char *at = strtok_r(words, " ", &save); at;
	     at = strtok_r(NULL, " ", &save))
		argv[n++] = at;
	if (place_open(&place, spool, reterr) < 0)
		goto out;
	argv[n++] = place.file;
	argv[n] = NULL;
	if (run(t, o, argv, spool->fd, reterr) < 0 ||
	    place_take(&place, spool, reterr) < 0)
		goto out;
	if (fstat(spool->fd, &st) < 0) {
		(void)fault_system(reterr, errno, "%s", program);
		goto out;
	}
	spool->len = (uint64_t)st.st_size;
	r = check(spool, reterr);
out:
	place_close(&place);
	free(words);
	return r;
}
