#ifndef INIT_POWER_H
#define INIT_POWER_H

/* The machine's own PID namespace: PROC_PID_INIT_INO of linux/proc_ns.h. */
#define POWER_INITIAL_PID_NS 0xEFFFFFFCU

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
