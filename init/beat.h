#ifndef INIT_BEAT_H
#define INIT_BEAT_H

#include <stdbool.h>
#include <stdint.h>

#include "init/helper.h"

/*
 * The heartbeat: a helper sends it and checks the answer; it is started again as long
 * as it could not reach the parent. One that something has stopped is killed first.
 */

enum {
	/* The longest that one try can take: connect, send and echo. */
	BEAT_MAX_MS = 32000,
	BEAT_PAUSE_MS = 1000,	   /* before the second try, then doubled */
	BEAT_PAUSE_MAX_MS = 30000, /* up to this */
	BEAT_GIVE_UP_MS =
		180000, /* nitro-cli has given the enclave up by then */
};

enum beat_state {
	BEAT_OFF,
	BEAT_WAITS,    /* for the services to be ready */
	BEAT_TRIES,    /* to reach the parent */
	BEAT_ANSWERED, /* the parent knows */
	BEAT_FAILED, /* for good: it was sent and not answered, or too long ago */
};

struct beat {
	enum beat_state state;
	/* The one before may not be gone yet when the next is started. */
	struct helper helpers[2];
	struct helper *helper; /* the one that counts */
	struct children *children;
	uint32_t port;
	uint8_t byte;
	uint32_t tries;
	bool has_said; /* why it does not reach the parent */
	int64_t give_up_ms;
	int64_t again_ms; /* when the next try begins; 0: one is under way, or none */
	int64_t kill_ms; /* when the one under way is killed; 0: none is */
};

/* Takes part in L. PORT is CID 3's. */
void beat_init(struct beat *b, struct loop *l, struct children *c);

/*
 * Forks the helper, which waits for beat_send. So what runs later on cannot keep it from
 * being there. A fork that fails is tried again.
 */
void beat_prepare(struct beat *b, uint32_t port);

/* Has it sent: BYTE to PORT; HEARTBEAT_BYTE by the helper that waits. */
void beat_send(struct beat *b, uint32_t port, uint8_t byte);

/* Tries no more. What is under way goes on. */
void beat_give_up(struct beat *b);

/* Ends what is under way: the parent is to be told another thing. */
void beat_cancel(struct beat *b);

/* Whether there is nothing to wait for. */
bool beat_is_over(const struct beat *b);

/* `init --heartbeat`: sends one to PORT and says on descriptor 2 what went wrong: 0 or 1. */
int beat_by_hand(uint32_t port);

#endif
