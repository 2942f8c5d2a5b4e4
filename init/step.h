#ifndef INIT_STEP_H
#define INIT_STEP_H

struct boot;

/*
 * One function a step of the boot, in their order: 0, or -1 with the fault logged by
 * boot_fail.
 */
int step_start(struct boot *b);
int step_console(struct boot *b);
int step_spec(struct boot *b);
int step_modules(struct boot *b);
int step_entropy(struct boot *b);
int step_root(struct boot *b);
int step_mounts(struct boot *b);
int step_spawn(struct boot *b);
int step_heartbeat(struct boot *b);
int step_supervise(struct boot *b);

#endif
