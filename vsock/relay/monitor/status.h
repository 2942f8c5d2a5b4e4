#ifndef VSOCK_RELAY_MONITOR_STATUS_H
#define VSOCK_RELAY_MONITOR_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

/* Reads what an enclave says of itself: a line of its status, or a report. Pure. */

enum {
	STATUS_LINE_MAX = 32768, /* enclaves write 16384 bytes at most */
	STATUS_SERVICES_MAX = 64,
	STATUS_DEPTH_MAX = 16,
};

enum status_kind {
	STATUS_RUNNING,
	STATUS_EXITED,
	STATUS_SIGNALED,
	STATUS_FATAL,
};

/* Strings are the peer's: any characters but NUL, and maybe cut. */
struct status_service {
	char name[40];
	char state[24];
	char text[256];
	int64_t pid; /* -1: not said */
	uint64_t restarts;
};

enum status_report {
	STATUS_REPORT_UNSAID, /* or this is one */
	STATUS_REPORT_NONE,
	STATUS_REPORT_COMES,
};

struct status {
	enum status_kind kind;
	bool has_ready, is_ready;
	int code;      /* 0 to 255 */
	int signal;    /* 1 to 64; 0: only its name is known */
	char name[24]; /* of the signal */
	char error[600];
	uint64_t step;	  /* 0: not said */
	char service[40]; /* empty: not said */
	bool is_oom;
	bool has_uptime;
	uint64_t uptime_ms;
	uint64_t restarts;
	uint32_t boot;			/* its id; 0: not said */
	enum status_report report;	/* whether one comes at the end */
	uint64_t log_bytes, lost_bytes; /* of a report; 0: not said */
	size_t count;
	struct status_service services[STATUS_SERVICES_MAX];
};

/*
 * Reads the LEN bytes at LINE, of printable ASCII alone, as an object of JSON; it is of
 * docs/link.md or of enclaver's kind, and keys that are not known are ignored. Returns
 * NULL and, in *RET, and the object itself, the caller's, in *RET_JSON, which may be NULL;
 * or why it is none.
 */
const char *status_read(const char *line, size_t len, struct status *ret,
			cJSON **ret_json);

/* True if the enclave has ended, or its boot has. */
bool status_is_final(const struct status *s);

/* The exit code that tells of that end: the application's, 128 + n, 125. */
int status_exit_code(const struct status *s);

#endif
