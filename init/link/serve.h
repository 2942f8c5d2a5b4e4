#ifndef INIT_LINK_SERVE_H
#define INIT_LINK_SERVE_H

struct helper_job;

/*
 * The helper of the link: drains the pipes of the services into the log, and serves the
 * log, the status and control. One loop, in which nothing waits for a peer.
 */

/* Still as root: opens what it listens at. Returns 0, or the exit code with PID 1 told. */
int serve_prepare(const struct helper_job *job);

/* Returns the exit code. */
int serve_run(const struct helper_job *job);

#endif
