#ifndef VSOCK_RELAY_FLOW_TALLY_H
#define VSOCK_RELAY_FLOW_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Counters of all workers, in memory that they share: each writes its own and reads those of
 * all. There is one set of them a process. What a worker had when it was killed goes
 * with it.
 */

enum {
	TALLY_ALL = 0, /* the column of all connections */
	TALLY_COLUMNS = 512,
	TALLY_WORKERS = 72,
};

enum tally_what {
	TALLY_NOW,     /* connections */
	TALLY_TOTAL,   /* connections that were taken */
	TALLY_REFUSED, /* of these, by their targets or by a rule */
	TALLY_IN,      /* bytes from those that have connected */
	TALLY_OUT,     /* bytes to them */
	TALLY_WHATS,
};

/*
 * Another column, for a listener; before workers are forked. Returns 0 if there are
 * TALLY_COLUMNS or no memory.
 */
unsigned tally_new(void);

/*
 * Before workers are forked: how many there will be at most, 1 at first; and the connections in
 * all, over all columns, 0 for no limit.
 */
void tally_limit(unsigned workers, uint32_t max);

/* This process is worker WORKER, from 0 on. */
void tally_join(unsigned worker);

/* Worker WORKER has died: what it had now is gone. */
void tally_forget(unsigned worker);

/*
 * True if COLUMN, of which MAX (0: no limit) may be at once, and all together have a place
 * for one more connection. Workers that ask at the same moment may pass the limit by one each.
 */
bool tally_has_place(unsigned column, uint32_t max);

/* Count a connection. */
void tally_enter(unsigned column);
void tally_leave(unsigned column);

/* Adds N to what this worker has. */
void tally_add(unsigned column, enum tally_what what, uint64_t n);

/* The sum over all workers. */
uint64_t tally_sum(unsigned column, enum tally_what what);

/* The bytes that all have moved, over all columns. */
uint64_t tally_moved(void);

/* Lines of the log that come once a minute at most, over all workers. */
enum tally_line {
	TALLY_RESTS,	/* of a listener that rests */
	TALLY_REFUSALS, /* of targets that refuse */
	TALLY_LINES,
};

/* True if such a line of COLUMN may be written now, on a clock in ms that all workers have. */
bool tally_may_say(unsigned column, enum tally_line line, int64_t now_ms);

/* Bytes of flow/pool that this worker has taken more, or less; and that all have. */
void tally_memory(int64_t more);
uint64_t tally_memory_sum(void);

#endif
