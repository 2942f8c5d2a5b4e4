#ifndef INIT_RELAY_H
#define INIT_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "init/helper.h"
#include "init/relaying.h"

struct boot;
struct config;

/*
 * PID 1's side of relay (vsock/inside.h), which carries TCP in and out of the enclave: it
 * keeps the program and the plan in memory that nobody can change, starts relay before
 * anything of the image runs, and again whenever it ends. Nothing of it exists unless the
 * configuration has lines for it.
 */

enum {
	RELAY_PAUSE_MS = 100, /* before it is started again, then doubled */
	RELAY_PAUSE_MAX_MS = 10000,
	RELAY_STABLE_MS = 60000, /* if it has run that long, it begins anew */
};

enum relay_phase {
	RELAY_OFF,
	RELAY_STARTS, /* the boot waits for its report */
	RELAY_RUNS,   /* it does, or is to be started again */
	RELAY_FAILED, /* the fault is logged */
	RELAY_ENDS,
};

struct relay {
	enum relay_phase phase;
	bool is_ready;
	int fds[RELAYING_FDS]; /* of the program: or -errno */
	struct helper helper;
	int group; /* of its processes; 0: none was started */
	uint32_t pause_ms;
	int64_t due_ms; /* when it is killed for its silence, or started again; 0: never */
	int64_t ready_ms; /* when it was */
};

/* The lines of C for relay in memory that is sealed: its descriptor, or -errno. */
int relay_plan(const struct config *c);

/*
 * Step 6, with the boot ramdisk still there: takes a copy of the program, if the
 * configuration needs it. What is wrong with it relay_start says.
 */
void relay_take(struct boot *b);

/*
 * Step 7: ADD writes a line of /etc/hosts, for each name of egress-names in C. Returns 0, or
 * what ADD has returned.
 */
int relay_add_hosts(const struct config *c,
		    int (*add)(const char *address, const char *name));

/*
 * Step 8, before anything of the image runs: starts it, and waits until all that it is to
 * listen at is bound. Returns 0, or -1 with the fault logged.
 */
int relay_start(struct boot *b);

/* The end, when the services have ended: it may pass on what is on its way, INSIDE_END_MS. */
void relay_end(struct boot *b);

#endif
