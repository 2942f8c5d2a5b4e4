#ifndef INIT_RELAYING_H
#define INIT_RELAYING_H

struct helper_job;

/* What JOB->keep has for it. */
enum relaying_fd {
	RELAYING_PROGRAM,
	RELAYING_PLAN,
	RELAYING_LOG, /* negative: the console */
	RELAYING_FDS,
};

/*
 * The helper that becomes relay: its session, its descriptors (vsock/inside.h), and the exec.
 * Returns the exit code of a process that could not, with PID 1 told why.
 */
int relaying_run(const struct helper_job *job);

#endif
