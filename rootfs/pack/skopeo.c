#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rootfs/pack/fault.h"
#include "rootfs/pack/load.h"

/* Registries and other stores are skopeo's to know. */

enum { OPEN_MAX_HERE = 16 };

static int run(char *const *argv, int *ret_status, struct fault *reterr)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int error;

	error = posix_spawn_file_actions_init(&actions);
	if (error)
		return fault_system(reterr, error, "%s", argv[0]);
	/* What it says on stdout is its progress. */
	error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null",
						 O_RDONLY, 0);
	if (!error)
		error = posix_spawn_file_actions_addopen(
			&actions, 1, "/dev/null", O_WRONLY, 0);
	if (!error)
		error = posix_spawnp(&pid, argv[0], &actions, NULL, argv,
				     environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	if (error == ENOENT)
		return fault_refuse(reterr,
				    "skopeo is needed for it and is not "
				    "installed");
	if (error)
		return fault_system(reterr, error, "%s", argv[0]);
	while (waitpid(pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return fault_system(reterr, errno, "%s", argv[0]);
	return 0;
}

int skopeo_copy(const char *src, const char *arch, char **ret,
		struct fault *reterr)
{
	const char *tmp = getenv("TMPDIR");
	char command[] = "skopeo", copy[] = "copy", os[] = "--override-os",
	     linux_os[] = "linux", override[] = "--override-arch";
	char go_arch[16], *dir = NULL, *to = NULL, *from = NULL;
	int status, r = -1;

	if (!tmp || *tmp == '\0')
		tmp = "/var/tmp";
	(void)snprintf(go_arch, sizeof(go_arch), "%s", load_go_arch(arch));
	from = strdup(src);
	if (!from || asprintf(&dir, "%s/mkeif.XXXXXX", tmp) < 0) {
		free(from);
		return fault_system(reterr, ENOMEM, "skopeo");
	}
	if (strchr(dir, ':')) {
		(void)fault_usage(reterr, "skopeo: a colon in TMPDIR");
		goto out;
	}
	if (!mkdtemp(dir)) {
		(void)fault_system(reterr, errno, "%s", dir);
		goto out;
	}
	if (asprintf(&to, "oci:%s", dir) < 0) {
		to = NULL;
		(void)rmdir(dir);
		(void)fault_system(reterr, ENOMEM, "skopeo");
		goto out;
	}
	r = run((char *[]){ command, copy, override, go_arch, os, linux_os,
			    from, to, NULL },
		&status, reterr);
	if (r == 0 && !WIFEXITED(status))
		r = fault_refuse(reterr, "skopeo was killed by signal %d",
				 WTERMSIG(status));
	else if (r == 0 && WEXITSTATUS(status) != 0)
		r = fault_refuse(reterr, "skopeo could not copy it (code %d)",
				 WEXITSTATUS(status));
	if (r == 0)
		*ret = dir;
	else
		skopeo_remove(dir);
	dir = NULL;
out:
	free(dir);
	free(to);
	free(from);
	return r;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	(void)remove(path);
	return 0;
}

void skopeo_remove(char *dir)
{
	(void)nftw(dir, remove_one, OPEN_MAX_HERE, FTW_DEPTH | FTW_PHYS);
	free(dir);
}
