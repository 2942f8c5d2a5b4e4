#ifndef INIT_SPEC_USER_H
#define INIT_SPEC_USER_H

#include <stddef.h>
#include <stdint.h>

/*
 * Who the application runs as, by the image's /etc/passwd and /etc/group, looked
 * up as container runtimes do. Pure.
 */

#define USER_PASSWD "/etc/passwd"
#define USER_GROUP "/etc/group"

enum {
	USER_FILE_MAX = 1 << 20, /* bytes of either file */
	USER_GROUPS_MAX = 64,	 /* of a user, its own among them */
	USER_HOME_MAX = 4095,	 /* bytes of a home, and of a shell */
	USER_NAME_MAX = 255,	 /* bytes of a name that is told */
	USER_ID_MAX = 0xfffffffe,
};

/* The bytes of a file; DATA is NULL where there is none. */
struct user_file {
	const char *data;
	size_t len;
};

struct user {
	uint32_t uid, gid;
	size_t group_count;
	uint32_t groups[USER_GROUPS_MAX]; /* all; the first is GID */
	/* Variables: the name, empty for a number that has none; "HOME=...", "HOME=/"
	 * if none; "SHELL=...", "SHELL=/bin/sh" if none. The large ones come last. */
	char name[5 + USER_NAME_MAX + 1];     /* "USER=..." */
	char log_name[8 + USER_NAME_MAX + 1]; /* "LOGNAME=..." */
	char home[5 + USER_HOME_MAX + 1];
	char shell[6 + USER_HOME_MAX + 1];
};

enum user_error {
	USER_E_USER = 6200, /* no such name in PASSWD */
	USER_E_GROUP,	    /* no such name in GROUPS */
	USER_E_MANY,	    /* more than USER_GROUPS_MAX groups */
	USER_E_HOME,	    /* a home or a shell longer than USER_HOME_MAX */
};

/*
 * What USER and GROUP, or NULL, stand for. Digits alone are a number, which need
 * not be in a file; anything else is a name, which must. Without GROUP the gid is
 * that of PASSWD, or 0 for a number that is not in it, and the groups are, beside
 * it, those of GROUPS that list the user's name; with GROUP that is the only one.
 * The first line counts where several fit; one that makes no sense is passed
 * over, and so are blanks around a line. Returns 0 or -USER_E_...
 */
int user_resolve(const char *user, const char *group, struct user_file passwd,
		 struct user_file groups, struct user *ret);

/*
 * Adds to U the COUNT groups at WORDS, names or numbers, each with its NUL. Returns 0,
 * or -USER_E_GROUP or -USER_E_MANY and *RETERR_WORD.
 */
int user_add_groups(const char *words, size_t count, struct user_file groups,
		    struct user *u, const char **reterr_word);

#endif
