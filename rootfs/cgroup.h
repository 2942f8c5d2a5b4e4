#ifndef ROOTFS_CGROUP_H
#define ROOTFS_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	CGROUP_FDS = 4,
	CGROUP_NAME_MAX = 31,	/* bytes of a group's name */
	CGROUP_DEPTH_MAX = 8,	/* of groups below a group, of version 1 */
	CGROUP_PASSES_MAX = 64, /* passes over a group that forks */
};

/* A control group: one directory of version 2, or one in each hierarchy of 1. */
struct cgroup {
	int fds[CGROUP_FDS]; /* -1: none. The first lists all processes */
	int version;	     /* 0: there is no group */
};

/* 0: no limit. */
struct cgroup_limits {
	uint64_t memory_max; /* bytes */
	uint32_t pids_max;
	uint32_t cpu_weight; /* 1 to 10000, 100 is the default */
};

/*
 * Mounts the control groups at /sys/fs/cgroup: version 2 if its controllers
 * include cpu, memory and pids, else a tmpfs with one directory for each
 * controller of version 1 that the kernel has, else nothing. Returns the
 * version, 0 if there is none, or -errno.
 */
int cgroup_mount(void);

/*
 * True if TEXT of LEN bytes, a cgroup.controllers file, names every controller
 * that a container needs. Pure.
 */
bool cgroup_has_controllers(const char *text, size_t len);

/*
 * Takes the name of the next enabled controller from *AT, a NUL-terminated text
 * of /proc/cgroups (subsys_name, hierarchy, num_cgroups, enabled, separated by
 * tabs; # comments), and makes it a string in place. Returns NULL at the end.
 * Pure.
 */
char *cgroup_next_v1(char **at);

/* Makes G "no group", which all functions below accept. */
void cgroup_none(struct cgroup *g);

/*
 * Makes the group NAME of a service, CGROUP_NAME_MAX bytes at most, with
 * LIMITS: the directory NAME.service of /sys/fs/cgroup (VERSION 2), or one in
 * each hierarchy that is needed (VERSION 1); an existing group is used. The
 * suffix is there because "tasks" and "cgroup.procs" are files of the kernel's.
 * VERSION is what cgroup_mount returned. With 0 there is no group, which is no
 * error unless a limit is asked for (-EOPNOTSUPP). Returns 0 and the group,
 * whose descriptors are the caller's and close-on-exec; or -errno, with
 * *RETERR_KEY set to the key of the configuration ("memory-max", "pids-max",
 * "cpu-weight") or the directory that failed.
 */
int cgroup_make(int version, const char *name,
		const struct cgroup_limits *limits, struct cgroup *ret,
		const char **reterr_key);

/*
 * Moves the calling process into the group. A process that was forked with
 * CLONE_INTO_CGROUP and the first descriptor is in it already, in version 2.
 * Returns 0 or -errno.
 */
int cgroup_enter(const struct cgroup *g);

/*
 * Sends SIGKILL to all processes of the group and of groups below it, except
 * EXCEPT (0: none is spared): by cgroup.kill if the kernel has it (5.14); else,
 * frozen if that is possible, by passes over cgroup.procs until one finds no
 * process that was not killed before, CGROUP_PASSES_MAX at most. Waits neither
 * for their end nor for anything else. Returns how many processes it found
 * (processes of groups below count one by one if the groups were walked
 * through, else as one), or -errno: -EAGAIN if the last pass still found new
 * ones.
 */
int cgroup_kill(const struct cgroup *g, pid_t except);

/*
 * True if no process is in the group or below it; a process that has ended does
 * not count, reaped or not. True if there is no group, false if it cannot be
 * read.
 */
bool cgroup_is_empty(const struct cgroup *g);

/*
 * Removes the groups below, which processes of the group have made, and turns
 * off what forbids version 2 to take a process in. For a group that is empty,
 * before it is entered again. Returns 0 or -errno.
 */
int cgroup_renew(const struct cgroup *g);

#endif
