#ifndef VSOCK_RELAY_RUN_WORKER_H
#define VSOCK_RELAY_RUN_WORKER_H

#include "vsock/relay/flow/service.h"

/*
 * The processes: the first one, which binds, gives privileges up and keeps the listeners;
 * the workers, forked from it; and one for each single service. One that dies is
 * started again, after 100 ms at first and 5 s at last. All end with the first process.
 */

/* The descriptor FD is the first process's alone: no worker has it. One of them, before worker_run. */
void worker_keep(int fd);

/*
 * In the first process: binds what P wants of the services of its side, in order. Returns 0, or
 * -errno with *RETERR. P must stay.
 */
int worker_bind(const struct plan *p, struct service_fault *reterr);

/*
 * Gives privileges up (run/drop), forks, and calls READY, which may be NULL, when all runs. SIGUSR1
 * makes it write the listeners' counters on stderr. Returns the signal of SIGTERM, SIGINT and
 * SIGHUP that has ended it, with the sockets of AF_UNIX removed and no process left, or -errno
 * with *RETERR.
 */
int worker_run(void (*ready)(void *ctx), void *ctx,
	       struct service_fault *reterr);

#endif
