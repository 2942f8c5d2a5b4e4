#ifndef ROOTFS_LOOPBACK_H
#define ROOTFS_LOOPBACK_H

/*
 * Brings lo up so that 127.0.0.0/8 and ::1 work, and 127.0.0.1/8 can still be
 * added: entrypoints that were written for an init which leaves lo down do
 * that. With the kernel's own 127.0.0.1/8 that would fail, since it compares
 * address and mask. So the address is 127.0.0.1/31, and a local route has the
 * rest of 127.0.0.0/8. Returns 0 or -errno; lo then is as the kernel sets it
 * up, if it is up at all.
 */
int loopback_up(void);

#endif
