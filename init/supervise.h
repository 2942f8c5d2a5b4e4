#ifndef INIT_SUPERVISE_H
#define INIT_SUPERVISE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "init/child.h"
#include "init/helper.h"
#include "init/log.h"
#include "init/notify.h"
#include "init/service.h"
#include "init/spec/config.h"
#include "rootfs/cgroup.h"

/*
 * The services, the application among them: started in their order, watched,
 * started again, ended. What each does is init/service.h's; here are their processes,
 * descriptors and words.
 */

enum { SUPERVISE_KILL_MS = 2000 }; /* for what does not even die of KILL */

struct exec_report;

/* In the child of service I: never returns; becomes it and reports to REPORT_FD. */
typedef void supervise_start_fn(void *ctx, size_t i, int report_fd,
				bool is_in_cgroup);

/*
 * Service I could not be started, as REPORT says; NULL: it died before it became its program,
 * without a word, and its wait status is STATUS.
 */
typedef void supervise_failed_fn(void *ctx, size_t i,
				 const struct exec_report *report, int status);

/* The program of service I has been executed. */
typedef void supervise_runs_fn(void *ctx, size_t i);

/* Why service NAME keeps the boot from going on. */
typedef void supervise_stop_fn(void *ctx, const char *name, const char *reason);

/* What belongs to a service while it runs, and its state. */
struct member {
	struct service service;
	struct supervise *all;
	pid_t pid;	   /* leads its session and group; 0: it does not run */
	pid_t last;	   /* the last one's, of which something may be left */
	uint32_t restarts; /* all there were */
	bool was_oom;  /* the kernel killed the last one for want of memory */
	uid_t uid;     /* it is started as; with ... */
	bool has_user; /* ... a `user` */
	int report_fd; /* of its exec; negative: none */
	bool is_about; /* the next thing that it does is exec */
	bool is_explained; /* why it could not be started was logged */
	char program[LOG_OBJECT_MAX +
		     1]; /* as it was found, with its name before it */
	struct notify_socket socket;
	struct helper
		courier; /* that reads the socket, if it brings descriptors */
	int64_t courier_again_ms; /* 0: it need not be started again */
	struct cgroup cgroup;
};

struct supervise {
	size_t count;	     /* of MEMBERS */
	enum config_end end; /* C may be gone when it is asked for */
	size_t first_end;    /* of end = any: who it was */
	bool boot_failed;    /* before all were ready; the reason was logged */
	bool is_ending;	     /* nothing is started any more */
	bool is_asked;	     /* somebody wants the end: supervise_ask_end */
	bool has_run;	     /* a process was forked for a service */
	struct loop *loop;
	struct children *children;
	int proc_fd;
	unsigned long
		oom_kills; /* the kernel's count, as it was last seen; 0 at first */
	supervise_start_fn *start;
	supervise_runs_fn *runs;
	supervise_failed_fn *failed;
	supervise_stop_fn *stop;
	void (*changed)(void *ctx); /* what a service is; NULL: nobody asks */
	void *ctx;
	struct member members[CONFIG_SERVICES_MAX]; /* [0]: the application */
};

/*
 * Takes over into S, all zero, from C what is needed of its services. START, RUNS, FAILED, STOP and CTX
 * are the caller's to fill in, and so are uid and has_user of each member.
 */
void supervise_init(struct supervise *s, const struct config *c, struct loop *l,
		    struct children *children, int proc_fd);

/*
 * Makes what service I of C needs before anything of the image runs: the socket of
 * `ready = notify`, a control group of CGROUP_VERSION (rootfs/cgroup.h; negative: they are
 * somebody else's, as in a container, and what bounds them is not set). Returns 0, or
 * -errno and the key, or file, that it is about.
 */
int supervise_prepare(struct supervise *s, size_t i, const struct config *c,
		      int cgroup_version, const char **reterr_key);

/*
 * Starts all services, each when those that it comes after are ready, and waits
 * until all are ready. Returns 0, or -1 when one is not, which the callbacks were
 * told of.
 */
int supervise_start(struct supervise *s);

/* Whether nothing will ever be started again. */
bool supervise_is_final(const struct supervise *s);

/*
 * Starts again what the configuration says, and hands TERM, INT, HUP, QUIT, USR1, USR2
 * and WINCH to the application (for TERM its stop signal), until the end that the
 * configuration says has come, or the application's after TERM.
 */
void supervise_run(struct supervise *s);

/*
 * Somebody asks for the end, as if the configuration's had come. In the boot that is a
 * failure. Whether it is the first time.
 */
bool supervise_ask_end(struct supervise *s);

/* Whose end it was: the application, or the first one with end = any. */
const struct member *supervise_who(const struct supervise *s);

/*
 * Ends the services that run, those first which no other comes after: each gets its
 * stop signal, and KILL after its time. What else there is stays.
 */
void supervise_stop(struct supervise *s);

#endif
