#ifndef INIT_LINK_SHARED_H
#define INIT_LINK_SHARED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "init/spec/config.h"
#include "vsock/line.h"
#include "vsock/record.h"
#include "vsock/ring.h"

/*
 * The memory that PID 1 shares with the helper of the link. What a helper has begun
 * lies there, so the next one goes on with it where one was killed: the log, and lines
 * that have no end yet. PID 1 writes the state and reads nothing.
 */

enum {
	/* PID 1's own lines, then two streams of each service, then relay's. */
	LINK_STREAMS_MAX = 2 + 2 * CONFIG_SERVICES_MAX,
	LINK_PAGE = 4096,
	LINK_INTAKE_MAX = 16384, /* of which the pages stay touched */
};

_Static_assert((int)CONFIG_SERVICES_MAX == (int)RECORD_SERVICES_MAX &&
		       (int)CONFIG_SECTION_MAX == (int)LINE_NAME_MAX,
	       "what is configured can be said");

/* What status and report tell. */
struct link_state {
	struct record
		record; /* uptime_ms and the log's numbers are the helper's to fill in */
	uint32_t service_count;
	struct record_service services[RECORD_SERVICES_MAX];
};

/*
 * What is on its way from a pipe into the log: a helper that was killed amid it has its work
 * done again by the next one, from BEFORE and IN, as far as the ring does not have it yet.
 * So no byte of a service is lost or comes twice.
 */
struct link_intake {
	/* OPEN and DIRTY are read and written by __atomic_... alone. */
	uint32_t open;	/* the stream's number + 1; 0: nothing */
	uint8_t what;	/* of stream.c */
	uint32_t dirty; /* bytes of IN that are to be zero again */
	uint64_t head;	/* of the ring, before */
	struct line before;
	/* Zero but for what is read: how much that was is seen in it, less zeros at its end. */
	char in[LINK_INTAKE_MAX];
};

struct link_shared {
	/* Of STATE; odd while that is written; by __atomic_... alone. */
	uint32_t version;
	bool is_debug; /* the console shows the log, too */
	uint64_t
		dialled; /* log = connect: up to where the last connection got it */
	struct link_state state;
	struct line lines[LINK_STREAMS_MAX];
	struct link_intake intake;
};

enum {
	/* Where the ring begins. */
	LINK_RING_AT = (sizeof(struct link_shared) + LINK_PAGE - 1) /
		       LINK_PAGE * LINK_PAGE,
};

/* What a helper works with; a copy of PID 1's. */
struct link_work {
	struct config_link config;
	/* Another one in each boot; empty: there was no random number. */
	char boot[RECORD_BOOT_LEN + 1];
	void *memory; /* struct link_shared, and the ring at LINK_RING_AT; NULL: none */
	size_t memory_len;
	size_t stream_count;
	int reads
		[LINK_STREAMS_MAX]; /* ends of pipes, in the order of lines; or -1 */
};

/* --- between PID 1 and the helper: messages of a fixed size --- */

/* What the helper tells. */
enum link_news {
	LINK_IS_READY = 1, /* everything listens */
	LINK_CANNOT,	   /* WHAT could not be had: ERROR */
	LINK_STOP,	   /* somebody asks for the end of the enclave */
	LINK_SIGNAL,	   /* ... for a signal to SERVICE */
	LINK_STOP_SERVICE,
	LINK_RESTART_SERVICE,
};

enum link_what {
	LINK_WHAT_LOG,
	LINK_WHAT_STATUS,
	LINK_WHAT_CONTROL,
	LINK_WHAT_LOCAL,
	LINK_WHAT_MEMORY,
};

struct link_message {
	uint8_t news;
	uint8_t what;	  /* enum link_what */
	uint8_t is_local; /* a process of the enclave asks, and not the parent */
	uint8_t service;
	uint8_t signal;
	uint8_t unused[3];
	int32_t error; /* -errno */
};

/*
 * What PID 1 tells: a byte of any value, that the state has changed; the end of its direction,
 * which no full queue delays: the state is final, say the rest and exit.
 */

#endif
