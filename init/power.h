#ifndef INIT_POWER_H
#define INIT_POWER_H

/*
 * Seam: the one way the machine ends. Power-off and halt hang an enclave for
 * ever and are never used.
 */

/* RB_AUTOBOOT. Returns -errno, or not at all. */
int power_reboot(void);

/*
 * `b` to sysrq-trigger below PROC_FD (-1: none). Returns -errno, or not at all;
 * -EPERM in a PID namespace, where it would restart somebody else's machine.
 */
int power_sysrq(int proc_fd);

/*
 * Exits, at which the kernel panics; has it restart a second later, by
 * sys/kernel/panic below PROC_FD.
 */
_Noreturn void power_panic(int proc_fd);

#endif
