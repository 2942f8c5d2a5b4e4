#ifndef INIT_MACHINE_H
#define INIT_MACHINE_H

struct boot;

/*
 * Step 7: the file systems of the application's root, what it takes for granted in
 * /dev and /etc, and what the configuration says of them, of /dev/nsm and of the
 * kernel. What is there by default only warns where it fails; what the configuration
 * asks for fails the step. Returns 0, or -1 with the fault told by boot_fail.
 */
int machine_set_up(struct boot *b);

#endif
