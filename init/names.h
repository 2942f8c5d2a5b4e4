#ifndef INIT_NAMES_H
#define INIT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "init/spec/user.h"
#include "rootfs/file.h"

/*
 * /etc/passwd and /etc/group, read once, before anything of the image runs: what
 * decides who a service is must not change between two starts, and PID 1 must not
 * open a file that a service may have put something in the place of.
 */
struct names {
	struct file passwd, group; /* DATA is NULL where there is no file */
	bool is_read;
};

/*
 * Reads both files, unless that was done. A file that does not exist has no
 * names. Returns 0; or -errno (-EFBIG: longer than USER_FILE_MAX) and the file.
 */
int names_read(struct names *n, const char **reterr_path);

/* Gives the memory back; N may be all zero, and is afterwards. */
void names_free(struct names *n);

/* Looks USER and GROUP, or NULL, up in N, as user_resolve does. */
int names_resolve(const struct names *n, const char *user, const char *group,
		  struct user *ret);

/* Adds groups to U, as user_add_groups does. */
int names_add_groups(const struct names *n, const char *words, size_t count,
		     struct user *u, const char **reterr_word);

#endif
