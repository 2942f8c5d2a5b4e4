#ifndef INIT_POWER_H
#define INIT_POWER_H

/*
 * Seam: the one way the machine ends. Power-off and halt hang an enclave for
 * ever and are never used.
 */

/* RB_AUTOBOOT, after a sync. Returns -errno, or not at all. */
int power_reboot(void);

/*
 * `b` to sysrq-trigger below PROC_FD (-1: none). Returns -errno, or not at all;
 * -EPERM in a PID namespace, where it would restart somebody else's machine.
 */
int power_sysrq(int proc_fd);

/* Exits: the kernel panics for it, and restarts after panic= seconds. */
_Noreturn void power_panic(void);

#endif
