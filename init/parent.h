#ifndef INIT_PARENT_H
#define INIT_PARENT_H

struct boot;

/*
 * What a boot, and an enclave, tells its parent beyond the heartbeat, and hears of it: where
 * the steps and the services meet init/link/.
 */

/* Step 3: what the configuration asks for is made. Returns 0, or -1 with the fault logged. */
int parent_open(struct boot *b);

/*
 * Step 8, before anything of the image runs: the helper listens, and a parent has taken
 * a first report if there must be one. Returns 0, or -1 with the fault logged.
 */
int parent_start(struct boot *b);

/* All services are ready. */
void parent_tell_ready(struct boot *b);

/* The end: what the services were is told those who read, and the last of the link's processes ends. */
void parent_end(struct boot *b);
void parent_end_failed(struct boot *b);

/* After everything else is dead: the last report, LINK_LAST_MS at the longest. */
void parent_report(struct boot *b);

#endif
