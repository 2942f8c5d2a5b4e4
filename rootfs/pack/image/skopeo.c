#include "rootfs/pack/image/skopeo.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/image/load.h"
#include "rootfs/pack/image/origin.h"

/* Registries and other stores are skopeo's to know. */

enum {
	OPEN_MAX_HERE = 16,
	VERSION_MAX = 256,
	/* Exit codes, as a shell has them. */
	EXEC_FAILED = 126,
	EXEC_NONE = 127,
};

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	(void)remove(path);
	return 0;
}

static void remove_dir(const char *dir)
{
	(void)nftw(dir, remove_one, OPEN_MAX_HERE, FTW_DEPTH | FTW_PHYS);
}

/* Removes DIR when nobody has the other end of PIPE any more. */
static void keep(const char *dir, int pipe)
{
	static const int deaf_to[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	ssize_t n;
	char c;

	for (size_t i = 0; i < sizeof(deaf_to) / sizeof(deaf_to[0]); i++)
		(void)signal(deaf_to[i], SIG_IGN);
	do
		n = read(pipe, &c, 1);
	while (n > 0 || (n < 0 && errno == EINTR));
	remove_dir(dir);
}

/*
 * Another process sees to it that the folder goes, by whatever we may be killed: it
 * waits for the end of a pipe that we have, and skopeo, which might still write.
 */
static int start_keeper(struct skopeo *s, struct fault *reterr)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fault_system(reterr, errno, "skopeo");
	s->keeper = fork();
	if (s->keeper == 0) {
		close(ends[1]);
		keep(s->dir, ends[0]);
		_exit(0);
	}
	close(ends[0]);
	if (s->keeper < 0) {
		(void)fault_system(reterr, errno, "skopeo");
		close(ends[1]);
		return -1;
	}
	s->pipe = ends[1];
	return 0;
}

/* In the child: nothing comes back. */
static void execute(char *const *argv, pid_t parent, int pipe)
{
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out = open("/dev/null", O_WRONLY | O_CLOEXEC);

	/* What it says on stdout is its progress. */
	if (in < 0 || out < 0 || dup2(in, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0 || fcntl(pipe, F_SETFD, 0) < 0)
		_exit(EXEC_FAILED);
	(void)close(in);
	(void)close(out);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)signal(SIGXFSZ, SIG_DFL);
	/* It has no reason to go on without us. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXEC_FAILED);
	(void)execvp(argv[0], argv);
	_exit(errno == ENOENT ? EXEC_NONE : EXEC_FAILED);
}

static int run(const struct skopeo *s, char *const *argv, struct fault *reterr)
{
	const pid_t parent = getpid(), pid = fork();
	int status;

	if (pid == 0)
		execute(argv, parent, s->pipe);
	if (pid < 0)
		return fault_system(reterr, errno, "%s", argv[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fault_system(reterr, errno, "%s", argv[0]);
	if (!WIFEXITED(status))
		return fault_failed(reterr, "skopeo was killed by signal %d",
				    WTERMSIG(status));
	if (WEXITSTATUS(status) == EXEC_NONE)
		return fault_failed(reterr,
				    "skopeo is needed for it and is not "
				    "installed");
	if (WEXITSTATUS(status) != 0)
		return fault_failed(reterr,
				    "skopeo could not copy it (code %d)",
				    WEXITSTATUS(status));
	return 0;
}

bool skopeo_is_dir(const struct origin *s)
{
	static const char words[] = "Directory Transport Version: ";
	char *text = NULL;
	struct fault ignored;
	size_t len;
	bool is;

	is = origin_has(s, "version") && origin_has(s, "manifest.json") &&
	     origin_slurp(s, "version", VERSION_MAX, &text, &len, &ignored) ==
		     0 &&
	     strncmp(text, words, strlen(words)) == 0;
	free(text);
	return is;
}

int skopeo_copy(const char *src, const char *arch, struct skopeo *ret,
		struct fault *reterr)
{
	const char *tmp = getenv("TMPDIR");
	char command[] = "skopeo", copy[] = "copy", os[] = "--override-os",
	     linux_os[] = "linux", override[] = "--override-arch";
	struct skopeo s = { .pipe = -1, .keeper = -1 };
	char go_arch[16], *to = NULL, *from = NULL;
	int r = -1;

	if (!tmp || *tmp == '\0')
		tmp = "/var/tmp";
	(void)snprintf(go_arch, sizeof(go_arch), "%s", load_go_arch(arch));
	if (asprintf(&s.dir, "%s/mkeif.XXXXXX", tmp) < 0)
		return fault_system(reterr, ENOMEM, "skopeo");
	if (strchr(s.dir, ':')) {
		free(s.dir);
		return fault_usage(reterr, "skopeo: a colon in TMPDIR");
	}
	if (!mkdtemp(s.dir)) {
		(void)fault_system(reterr, errno, "%s", s.dir);
		free(s.dir);
		return -1;
	}
	from = strdup(src);
	if (!from || asprintf(&to, "oci:%s", s.dir) < 0) {
		to = NULL;
		(void)fault_system(reterr, ENOMEM, "skopeo");
	} else if (start_keeper(&s, reterr) == 0) {
		r = run(&s,
			(char *[]){ command, copy, override, go_arch, os,
				    linux_os, from, to, NULL },
			reterr);
	}
	if (r == 0)
		*ret = s;
	else
		skopeo_remove(&s);
	free(to);
	free(from);
	return r;
}

void skopeo_remove(struct skopeo *s)
{
	remove_dir(s->dir);
	/* The pipe may still be somebody's whom skopeo has started. */
	if (s->keeper > 0) {
		(void)kill(s->keeper, SIGKILL);
		(void)waitpid(s->keeper, NULL, 0);
	}
	if (s->pipe >= 0)
		close(s->pipe);
	free(s->dir);
	*s = (struct skopeo){ .pipe = -1, .keeper = -1 };
}
