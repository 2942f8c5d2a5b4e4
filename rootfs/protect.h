#ifndef ROOTFS_PROTECT_H
#define ROOTFS_PROTECT_H

/*
 * Takes from the calling process, and from those that it starts, the ways in
 * which user 0 without a capability could still change the kernel for everybody:
 * it gets a mount namespace of its own in which /proc/sys, /proc/sysrq-trigger
 * and their like, /sys, and all that is mounted below /sys, are read-only, and
 * which no user namespace can be made in. What is mounted later elsewhere it does
 * not see. The working directory stays. No boundary for who keeps CAP_SYS_ADMIN
 * or CAP_SYS_CHROOT.
 *
 * For a service's child, before it loses its capabilities: needs CAP_SYS_ADMIN
 * and CAP_SYS_CHROOT, and may block where a path of /proc, /sys or the working
 * directory does. Returns 0 or -errno: one of them is there and cannot be made
 * read-only, and the process must not go on.
 */
int protect_kernel(void);

/*
 * Takes PID 1, the caller, and what it forks without an exec out of the reach of
 * prlimit(2): user 0 needs no capability for a process that is all like it, and
 * PID 1 would die of a limit of processor time. It gets another saved group,
 * which the next exec forgets. Returns 0, also where a user namespace lacks that
 * group, or -errno.
 */
int protect_limits(void);

#endif
