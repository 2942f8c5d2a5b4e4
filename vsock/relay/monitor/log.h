#ifndef VSOCK_RELAY_MONITOR_LOG_H
#define VSOCK_RELAY_MONITOR_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/monitor/lines.h"

/*
 * Reads the log of an enclave, over any number of connections: each line comes once, and
 * what is missing is reported. docs/link.md has the notes by which that is possible. Where
 * these have another id of a boot, or a log has become shorter, another log begins.
 * Pure.
 */

enum {
	/* Enclaves write lines of 4130 bytes at most; a longer one comes in parts. */
	LOG_LINE_MAX = 8192,
	LOG_NAME_MAX = 31,
};

enum log_kind {
	LOG_LINE,    /* TEXT, LEN */
	LOG_GAP,     /* the bytes from FROM to before TO never came */
	LOG_RESTART, /* the numbers begin again; boot FROM was there, now is TO */
	LOG_PLAIN, /* there is no note at the beginning: nothing is numbered */
	LOG_END,   /* the enclave has ended; TO bytes in all */
};

struct log_event {
	enum log_kind kind;
	const char *text; /* valid during the call */
	size_t len;
	bool is_part; /* of a line that was too long or cut; not its beginning */
	uint64_t from, to;
};

typedef void log_emit(void *context, const struct log_event *e);

/* All of it is log.c's but for what has a comment. */
struct log {
	log_emit *emit;
	void *context; /* EMIT's */
	struct lines lines;
	uint64_t at;   /* the number of the next byte of this connection */
	uint64_t have; /* all bytes before this one were given out, or missed */
	uint64_t target;  /* bytes that there were when the connection began */
	uint32_t boot;	  /* whose numbers these are; 0: no note says it */
	bool is_numbered; /* some connection has begun with a note */
	bool is_open;	  /* this connection has */
	bool is_plain;
	bool is_blank; /* an empty line waits to be one or the sign of a gap */
	bool has_line; /* the last byte that HAVE counts was a newline just now */
	bool has_ended;	   /* the last line said so */
	bool is_mid;	   /* the byte before HAVE was within a line */
	size_t kept_len;   /* of the line within which a connection was cut */
	bool is_kept_part; /* its beginning was given out before */
	char text[LOG_LINE_MAX];
	char kept[LOG_LINE_MAX];
};

/* Nothing was read yet. EMIT is called with CONTEXT. */
void log_open(struct log *l, log_emit *emit, void *context);

/* A connection begins. */
void log_connect(struct log *l);

/* LEN more bytes of the connection. */
void log_read(struct log *l, const char *bytes, size_t len);

/* The connection has ended. A line that is open may still come whole. */
void log_cut(struct log *l);

/*
 * The bytes that log_read gets from now on begin with number FROM of TOTAL of the enclave
 * with that BOOT, or 0: the last words of a report. log_cut has been called.
 */
void log_words(struct log *l, uint32_t boot, uint64_t from, uint64_t total);

/* There will be no other connection: what is left of an open line is given out. */
void log_finish(struct log *l);

/* True once all came that there was when the connection began. */
bool log_is_current(const struct log *l);

enum log_stream {
	LOG_NO_STREAM, /* no line of an enclave's */
	LOG_OWN,       /* PID 1's own */
	LOG_STDOUT,
	LOG_STDERR,
	LOG_MORE, /* of a long line of either */
};

/*
 * Splits the LEN bytes of a line into the name of its service, which are the first
 * *RET_NAME_LEN bytes, and its text, which begins after *RET_TEXT bytes. Both are 0
 * for LOG_NO_STREAM.
 */
enum log_stream log_split(const char *text, size_t len, size_t *ret_name_len,
			  size_t *ret_text);

#endif
