#ifndef VSOCK_RECORD_H
#define VSOCK_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The report and the status of an enclave as a line of JSON, for the parent. Pure.
 *
 *   {"status":"running","ready":true,"service":"main","uptime_ms":12,"restarts":0,
 *    "boot":"1f2e3d4c","report":true}
 *   {"status":"exited","code":3,"service":"main","oom":false,"uptime_ms":8123,
 *    "restarts":0,"boot":"1f2e3d4c","log_bytes":4096,"lost_bytes":0}
 *   {"status":"signaled","signal":9,"name":"SIGKILL","service":"main","oom":true,...}
 *   {"status":"fatal","error":"/cmd: No such file or directory","step":3,...}
 *
 * (each in one line). Keys have this order. It is a superset of what the parent of
 * enclaver reads. Whoever reads it ignores keys that it does not know.
 *
 * The line is ASCII: other characters of a string, controls too, are \uXXXX, and bytes
 * that are no UTF-8 are \ufffd.
 */

enum {
	RECORD_MAX = 1000,	 /* bytes of a line, its newline included */
	RECORD_FULL_MAX = 16384, /* the same with services */
	RECORD_SERVICES_MAX = 16,
	RECORD_BOOT_LEN = 8,
};

enum record_status {
	RECORD_RUNNING,
	RECORD_EXITED,	 /* with CODE */
	RECORD_SIGNALED, /* by SIGNAL, which is called NAME */
	RECORD_FATAL,	 /* the boot failed in STEP for ERROR */
};

/*
 * A string ends at its array's end or at a NUL before it. It may hold any bytes. What
 * the status does not say anything of is not looked at.
 */
struct record {
	enum record_status status;
	int32_t code;
	int32_t signal;
	char name[16]; /* "SIGKILL" */
	char error[512];
	uint32_t step;	  /* 0: left out */
	bool ready;	  /* of RUNNING: all services have been ready */
	char service[32]; /* whose end it was; empty: left out */
	bool oom;	  /* of EXITED and SIGNALED */
	uint64_t uptime_ms;
	uint32_t restarts; /* of all services together */
	char boot[RECORD_BOOT_LEN +
		  1];	  /* the id of this boot; empty: left out */
	bool says_report; /* REPORT is known, and has a place */
	bool report;	  /* one comes at the end */
	bool has_log;	  /* LOG_BYTES, which follow the line, and LOST_BYTES */
	uint64_t log_bytes;
	uint64_t lost_bytes;
};

/* The state of a service. The words of STATE are the caller's. */
struct record_service {
	char name[32];
	char state[16];
	uint32_t restarts;
	int32_t pid;	/* 0 or less: left out */
	char text[128]; /* of its STATUS=; empty: left out */
};

/*
 * Writes R as a line to OUT, which has room for CAP bytes: no more than RECORD_MAX of
 * them, its newline included, and no NUL. ERROR is cut to the room that the rest leaves
 * for it. Returns the bytes written: 0 if CAP is too small even without ERROR, which
 * RECORD_MAX never is.
 */
size_t record_write(const struct record *r, char *out, size_t cap);

/*
 * The same with the COUNT (RECORD_SERVICES_MAX at most) services at S behind the other
 * keys:
 *
 *   "services":[{"name":"main","state":"running","restarts":0,"pid":12,"text":"ok"},
 *               ...]
 *
 * and no more than RECORD_FULL_MAX bytes. If they would be more, texts are left out, the
 * last service's first, then services, the last one first; then "omitted" and their
 * number follow "services".
 */
size_t record_write_full(const struct record *r, const struct record_service *s,
			 size_t count, char *out, size_t cap);

#endif
