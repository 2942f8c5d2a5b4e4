#ifndef INIT_LINK_LINK_H
#define INIT_LINK_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "init/helper.h"
#include "init/link/shared.h"
#include "init/log.h"

/*
 * PID 1's side of the link to the parent (docs/link.md): it makes the pipes and the
 * memory, keeps a helper running that does the talking, tells it the state, and takes its
 * messages, which are of a fixed size. Nothing of it exists unless the configuration
 * asks for it.
 */

enum {
	LINK_FIRST_MS = 10000, /* for the first helper to listen */
	LINK_END_MS = 1000,    /* for the last one to say the rest */
	LINK_LAST_MS =
		2000, /* for the last report, and for link_end before it */
	LINK_KILL_MS = 500,	/* for a report that is killed to be gone */
	LINK_STRICT_MS = 30000, /* for the parent to take a first report */
	LINK_PAUSE_MAX_MS =
		10000, /* before it is started again, 0 at first, then doubled */
};

enum link_phase {
	LINK_OFF,    /* there is none */
	LINK_STARTS, /* not everything listens yet */
	LINK_SERVES,
	LINK_FAILED, /* something cannot be had: FAULT */
	LINK_ENDS,
};

/* Somebody has asked for something. */
typedef void link_asked_fn(void *ctx, const struct link_message *m);

struct link {
	struct link_work work;
	enum link_phase phase;
	struct loop *loop;
	struct children *children;
	struct helper helper, report;
	int writes[LINK_STREAMS_MAX]; /* ends of pipes; or -1 */
	int64_t again_ms; /* when the helper is started again; 0: it need not */
	uint32_t pause_ms;
	int end_took_ms; /* of LINK_LAST_MS */
	bool is_overtaken; /* the report that is under way, by the next or the end */
	struct link_message fault;
	link_asked_fn *asked;
	void *ctx;
};

/*
 * Makes pipes and memory of L, all zero, as C says. Returns 0; or -errno and what could
 * not be had. ASKED(CTX) is called for what others ask for.
 */
int link_open(struct link *l, const struct config *c, const char **reterr_what);

/*
 * Draws the id of this boot, if there is none yet. Before code of the image runs, and when
 * step 5 has seeded the kernel's random numbers. Without one there is no id: the enclave
 * is worth more.
 */
void link_make_boot(struct link *l);

/* Whether anything is told the parent, by a helper. */
bool link_has_helper(const struct link *l);

/*
 * The pipe that descriptor FD, 1 or 2, of service I is to be; or -1: none. Behind the last
 * service is relay, with one that does not block for both.
 */
int link_stream(const struct link *l, size_t service, int fd);

/* The pipe for PID 1's own lines, or -1. */
int link_own_stream(const struct link *l);

/*
 * Starts the helper, and waits until it listens or cannot. Returns 0; or -errno and, in
 * RET, the key and value it is about.
 */
int link_start(struct link *l, struct loop *loop, struct children *c,
	       bool is_debug, struct text *reterr_object);

/* The state is STATE now. */
void link_tell(struct link *l, const struct link_state *state);

/* The state is final: the helper says the rest and ends, or is killed. */
void link_end(struct link *l);

/*
 * Sends a report of the state; IS_LAST: with the last words. Waits WAIT_MS for it to have
 * arrived; 0: it is not waited for. Returns whether it has.
 */
bool link_report(struct link *l, struct loop *loop, struct children *c,
		 bool is_last, int wait_ms);

#endif
