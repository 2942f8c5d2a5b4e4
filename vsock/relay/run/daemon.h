#ifndef VSOCK_RELAY_RUN_DAEMON_H
#define VSOCK_RELAY_RUN_DAEMON_H

#include "vsock/relay/base/tool.h"
#include "vsock/relay/plan/plan.h"

/* What the parent's commands do once they have a plan. */

/*
 * Binds and runs P until a signal ends it: SIGTERM, SIGINT or SIGHUP. OBJECT, which may be NULL, is
 * where the plan was read, for messages that have a line. Says "ready" on stderr, and to
 * the manager that $NOTIFY_SOCKET names. Returns an exit code.
 */
int daemon_run(const struct tool *t, const struct plan *p, const char *object);

/* Prints F, of the plan in OBJECT, and returns CODE. */
int daemon_fail(const struct tool *t, int code, const char *object,
		const struct plan_fault *f);

#endif
