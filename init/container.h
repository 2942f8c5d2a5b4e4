#ifndef INIT_CONTAINER_H
#define INIT_CONTAINER_H

#include <stdbool.h>

struct boot;

/*
 * Whether this is the first process of a PID namespace that is not the machine's:
 * by /proc, without which it is none. So no kernel command line has it in an enclave.
 */
bool container_is_one(void);

/*
 * `init --container [--] [PROGRAM ARGUMENT...]`: what an enclave would do with the
 * configuration of this root, for PROGRAM in the place of its command: starts and
 * supervises the services, hands on all signals, reaps. Nothing is mounted, no
 * module, NSM or parent is looked for. Returns what to exit with: the application's
 * code or 128 and the number of its signal; 127 if its program is not there, 126
 * if it cannot be run, 125 for a fault of the configuration or of a service.
 */
int container_run(struct boot *b, char **argv);

#endif
