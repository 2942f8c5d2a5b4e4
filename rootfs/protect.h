#ifndef ROOTFS_PROTECT_H
#define ROOTFS_PROTECT_H

/*
 * Takes from the calling process, and from those that it starts, the ways in
 * which user 0 without a capability could still change the kernel: it gets a
 * mount namespace of its own in which /proc/sys, /proc/sysrq-trigger and their
 * like, /sys, and all that is mounted below /sys, are read-only. What is mounted
 * later elsewhere it does not see. For a service's child, before it loses its
 * capabilities: needs CAP_SYS_ADMIN. May block where a path of /proc or /sys
 * does. Returns 0 or -errno: one of them is there and cannot be made read-only,
 * and the process must not go on.
 */
int protect_kernel(void);

#endif
