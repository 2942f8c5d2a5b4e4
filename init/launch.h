#ifndef INIT_LAUNCH_H
#define INIT_LAUNCH_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Starts service I of the configuration of CTX, a struct boot: its environment,
 * user, folder, program. Returns its pid once its program runs, or -1 with the
 * reason told by boot_fail. super_start_fn.
 */
pid_t launch_service(void *ctx, size_t i);

#endif
