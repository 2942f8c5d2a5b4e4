#ifndef INIT_BOOT_H
#define INIT_BOOT_H

#include <stdbool.h>
#include <stddef.h>

#include "init/beat.h"
#include "init/child.h"
#include "init/helper.h"
#include "init/link/link.h"
#include "init/log.h"
#include "init/loop.h"
#include "init/names.h"
#include "init/relay.h"
#include "init/spec/config.h"
#include "init/spec/user.h"
#include "init/supervise.h"
#include "rootfs/file.h"

/*
 * The steps of a boot, in order. The number is what a negative heartbeat
 * carries: a step in between would change what parents are told.
 */
enum boot_step_number {
	BOOT_START = 1,
	BOOT_CONSOLE,
	BOOT_SPEC,
	BOOT_MODULES,
	BOOT_ENTROPY,
	BOOT_ROOT,
	BOOT_MOUNTS,
	BOOT_SPAWN,
	BOOT_HEARTBEAT,
	BOOT_SUPERVISE,
	BOOT_STEPS_END,
};

/* What a failed step means. */
enum boot_policy { BOOT_STOP, BOOT_GO_ON };

struct boot;
struct config;

/* Names in tables are arrays: a pointer would be a relocation. */
struct boot_step {
	char name[12];
	enum boot_policy policy;
};

extern const struct boot_step boot_steps[BOOT_STEPS_END];

/*
 * What one step leaves for the next ones. What PID 1 writes as long as it lives lies
 * together: of each page of it every fork costs a copy.
 */
struct boot {
	const char *const *argv; /* PID 1's own: words of the kernel's command
				    line */
	enum boot_step_number step;
	int proc_fd; /* /proc, whatever is mounted over it; or -1 */
	int nsm_fd;  /* /dev/nsm until the application runs; or negative */
	int tool_fd; /* /nsm of the boot ramdisk until it is mounted; or negative */

	bool in_container;	   /* this is no enclave: init/container.h */
	int cgroup_version;	   /* what cgroup_mount returned, 0 before it */
	int folder_fd;		   /* there: where its application begins */
	int start_error;	   /* of the application's program: -errno */
	bool nsm_is_dead;	   /* it does not answer at all */
	bool initramfs_is_checked; /* the kernel's log was asked about it */
	size_t env_skipped;	   /* lines of /env */

	struct file cmd, env; /* the texts that argv and envp point into */
	struct file vectors;  /* the memory of argv and envp */
	struct file config_text, config_memory; /* what CONFIG lies in */
	struct config
		*config; /* from step 3 on, until nothing starts any more */
	const char *config_name;      /* its file, for messages */
	struct config_beat heartbeat; /* port 0: it is not known yet */
	char **app_argv;	      /* of /cmd */
	char **app_envp;
	size_t app_argc, app_envc;
	struct names names; /* kept as long as the configuration */
	struct file filters[CONFIG_SERVICES_MAX]; /* of seccomp, checked */
	struct children children;
	struct beat beat;
	struct helper clock, debug, sync;
	struct link link;
	struct relay relay;
	bool is_ready; /* all services have been ready */
	struct loop loop;
	struct supervise supervise;

	struct text fault_object, fault_reason; /* why the step failed */
	struct user user;			/* a scratch, and large */
};

/*
 * Says why the step failed, and keeps it for end_failed. Returns -1.
 */
int boot_fail(struct boot *b, const char *object, const char *reason);

/* Sets the loop and what takes part in it up. Returns 0 or -errno. */
int boot_open_loop(struct boot *b);

/* Waits until what was logged is written, LOG_LAST_WAIT_MS at the longest. */
void boot_drain_log(struct boot *b);

/* Reads /etc/passwd and /etc/group once. Returns 0, or -1 with the fault told. */
int boot_read_names(struct boot *b);

/* Where the heartbeat goes. */
uint32_t boot_beat_port(const struct boot *b);

/*
 * Whether the kernel could unpack all of the image: 0, or -1 with the fault told.
 */
int boot_check_initramfs(struct boot *b);

#endif
