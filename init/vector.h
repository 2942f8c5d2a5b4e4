#ifndef INIT_VECTOR_H
#define INIT_VECTOR_H

#include <stdbool.h>
#include <stddef.h>

struct config_service;
struct text;
struct user;

/* argv and envp of a service. Pure: memory and every text are the caller's. */

enum {
	VECTOR_VARIABLE_MAX = 64,
	VECTOR_PROXY_MAX = 96,
	VECTOR_PROXIES = 6, /* three names, in both cases */
	VECTOR_ARG_PAGES =
		32, /* of one argument: the kernel's MAX_ARG_STRLEN */
};

/* What they are put together from. All strings outlive the vector. */
struct vector_source {
	const struct config_service *service;
	char *const *app_argv; /* for a service without a command */
	size_t app_argc;
	char *const *app_envp; /* of /env */
	size_t app_envc;
	char *text; /* TEXT_LEN bytes of environment-file and room for one more, cut
		       up in place; or NULL */
	size_t text_len;
	struct user *user;     /* for HOME, SHELL, USER, LOGNAME; or NULL */
	char *notify_variable; /* "NOTIFY_SOCKET=...", for a service that uses it */
	const char *proxy;     /* ADDRESS:PORT of egress; or NULL */
	bool root_has_home; /* /root is a directory */
};

struct vector {
	char **argv; /* argv[-1] is a slot to write to as well */
	char **envp;
	size_t envc;
	char watchdog
		[VECTOR_VARIABLE_MAX]; /* WATCHDOG_USEC=..., part of ENVP */
	char proxies[VECTOR_PROXIES][VECTOR_PROXY_MAX]; /* part of it, too */
};

/* How many bytes of memory, aligned for pointers, vector_fill needs. */
size_t vector_size(const struct vector_source *s);

/*
 * Fills in RET, which must not move afterwards, in the vector_size() bytes at
 * MEMORY: the arguments; then the variables of /env, of the file, of the
 * configuration, and where these lack them PATH, HOME and, for a user, SHELL, USER
 * and LOGNAME, and those that name the proxy, in both cases where there is neither; last, for a service that uses sd_notify(3), NOTIFY_SOCKET and
 * WATCHDOG_USEC. Returns 0; or -SPEC_E_... of the file, and the line.
 */
int vector_fill(const struct vector_source *s, void *memory, struct vector *ret,
		size_t *reterr_line);

/*
 * What of V is too long for execve on a machine with pages of PAGE bytes, or how
 * long it is as a whole, to T: ": argument 2 has N bytes, M at most".
 */
void vector_explain_size(const struct vector *v, size_t page, struct text *t);

#endif
