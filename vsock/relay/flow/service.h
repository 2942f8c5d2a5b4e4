#ifndef VSOCK_RELAY_FLOW_SERVICE_H
#define VSOCK_RELAY_FLOW_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "vsock/relay/plan/plan.h"

/*
 * The parts of which `relay inside`, `relay run` and the commands for one part are made. Each
 * part is one row of the table in services.c; what it binds it keeps in its own file, since
 * there is one of it a process.
 *
 * The first process binds all parts that the plan wants, with the privileges it was started
 * with, and stays the supervisor. The workers are forked from it and have given the
 * privileges up before they start the parts: the forwards and the like in each worker, a
 * part that can be there once only (IS_SINGLE) in one process of its own.
 */

struct loop;
struct pumps;

/* Why a part cannot begin. */
struct service_fault {
	unsigned line;	    /* of the plan; 0: none */
	int error;	    /* an errno, or 0 */
	char object[128];   /* a key or an address */
	const char *reason; /* words in place of those of ERROR, or NULL */
};

/* What a worker has. */
struct service_work {
	const struct plan *plan;
	struct loop *loop;
	struct pumps *pumps; /* of flow/pump */
	unsigned number;     /* of the worker, from 0 on */
};

struct service {
	const char *name; /* of the process in the log, if IS_SINGLE */
	bool is_single;
	unsigned needs; /* SANDBOX_... of its process, beyond those of all */
	bool (*is_wanted)(const struct plan *p);
	/* In the first process. Returns 0, or -errno with *RETERR. */
	int (*bind)(const struct plan *p, struct service_fault *reterr);
	/* In a worker, of which W stays; once. Returns 0 or -errno. */
	int (*start)(const struct service_work *w);
};

/* The enclave's end. */
extern const struct service forward_service, egress_service, dns_service,
	tap_service;

/* The parent's end, beside forward_service. */
extern const struct service exit_service, answer_service;

/* The services of a side, in the order in which they are bound; NULL ends them. */
const struct service *const *services_of(enum plan_side side);

/* Fills *RET; OBJECT is cut. Returns -ERROR. */
int service_fail(struct service_fault *ret, unsigned line, const char *object,
		 int error);

#endif
