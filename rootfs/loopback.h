#ifndef ROOTFS_LOOPBACK_H
#define ROOTFS_LOOPBACK_H

/*
 * Brings lo up: 127.0.0.0/8 and ::1 work, and 127.0.0.1/8 can still be added, as
 * entrypoints do that were written for an init which leaves lo down. The kernel's
 * own 127.0.0.1/8 would have that fail, since it compares address and mask; here
 * the address is 127.0.0.1/31, and a local route has the rest of 127.0.0.0/8.
 * Returns 0 or -errno; lo is then as the kernel has it, if it is up at all.
 */
int loopback_up(void);

#endif
