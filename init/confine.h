#ifndef INIT_CONFINE_H
#define INIT_CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "init/spec/config.h"

struct text;

/*
 * What a process gives up of PID 1's privileges, and what it is limited to. A
 * service's comes from its configuration, that of a child of our own from a const
 * row. All of it is applied to the calling process.
 */
struct confine {
	struct config_confine asked;
	const struct config_limits *limits; /* NULL: none */
	bool protect_kernel;		    /* rootfs/protect.h */

	bool has_ids; /* false: as we are */
	uid_t uid;
	gid_t gid;
	const uint32_t *groups; /* all, the gid among them */
	size_t group_count;
	/* No other process of that user may trace this one or read its memory, until
	 * it execs. */
	bool undumpable;

	const void *filter; /* FILTER_LEN bytes that seccomp_check has passed */
	size_t filter_len;  /* 0: none */
};

/* In the order in which they are taken: each needs what later ones take away. */
enum confine_stage {
	CONFINE_OOM = 1,
	CONFINE_NICE,	/* also the weight of the session's autogroup */
	CONFINE_KERNEL, /* protect_kernel; after limits and umask */
	CONFINE_BOUNDING,
	CONFINE_SECUREBITS,
	CONFINE_USER, /* groups, group, user, in this order */
	CONFINE_DUMPABLE,
	CONFINE_AMBIENT,
	CONFINE_PRIVILEGES, /* no-new-privileges */
	CONFINE_VSOCK,	    /* before FILTER, which may forbid to set another */
	CONFINE_FILTER,
	CONFINE_LIMIT = 64, /* and more: the limit of that number, after NICE */
};

/* Reports what the process goes on without: -errno R at STAGE. */
typedef void confine_warn_fn(void *ctx, enum confine_stage stage, int r);

/*
 * Applies C up to the change of the user. PROC_FD is /proc, or negative: then it is
 * found by its path. With WARN, for containers, a score, nice value or limit that
 * cannot be had is reported by WARN(CTX, ...) and is no failure; otherwise WARN is
 * NULL. Returns 0; or -errno and the stage, and the process is fit for nothing but
 * to end.
 */
int confine_begin(const struct confine *c, int proc_fd, confine_warn_fn *warn,
		  void *ctx, enum confine_stage *reterr_stage);

/*
 * Applies the rest of C: ambient capabilities, which a lookup of the program in
 * between must not have, no-new-privileges, the filters. A filter brings
 * no_new_privs to every user but root, because the kernel takes no filter from them
 * without it. Returns as confine_begin does.
 */
int confine_finish(const struct confine *c, enum confine_stage *reterr_stage);

/* The key that asks for STAGE, or what else names it, to T. */
void confine_name_stage(enum confine_stage stage, struct text *t);

#endif
