#ifndef ROOTFS_PROTECT_H
#define ROOTFS_PROTECT_H

/*
 * Takes from the calling process, and from those that it starts, the ways in
 * which user 0 without a capability could still change the kernel for all
 * processes. It gets a mount namespace of its own, in which /proc/sys,
 * /proc/sysrq-trigger and similar files, /sys, and everything mounted below
 * /sys, are read-only, and in which no user namespace can be made. Later mounts
 * elsewhere do not appear in it. The working directory stays. A process that
 * keeps CAP_SYS_ADMIN or CAP_SYS_CHROOT can undo this.
 *
 * For a service's child, before it loses its capabilities: needs CAP_SYS_ADMIN
 * and CAP_SYS_CHROOT, and may block if a path of /proc, /sys or the working
 * directory does. Returns 0 or -errno. On -errno one of the paths exists and
 * could not be made read-only, and the process must not go on.
 */
int protect_kernel(void);

/*
 * Protects PID 1, the caller, and its forks without an exec, from prlimit(2):
 * user 0 needs no capability for a process whose users and groups all equal its
 * own, and a limit of processor time would kill PID 1. PID 1 gets another saved
 * group, which the next exec forgets. Returns 0, also if a user namespace lacks
 * that group, or -errno.
 */
int protect_limits(void);

#endif
