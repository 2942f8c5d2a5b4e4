#ifndef VSOCK_RELAY_MONITOR_SHOW_H
#define VSOCK_RELAY_MONITOR_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

struct log_event;
struct status;
struct tool;

/* What a command prints of an enclave: text for people, or one object of JSON a line. */
struct show {
	const struct tool *tool;
	bool is_json;
	/* Where the enclave is: "16", "mux:PATH". */
	const char *where;
	bool is_one_of_many; /* every line says where it comes from */
};

/* An event of the log. */
void show_log(const struct show *s, const struct log_event *e);

/* A status, with the object that it was read from. In text only SUMMARY changes count. */
void show_status(const struct show *s, const struct status *status,
		 const cJSON *json);

/* A report. */
void show_report(const struct show *s, const struct status *status,
		 const cJSON *json);

/* Another enclave than before is there, with that BOOT; 0: none is said. */
void show_other(const struct show *s, uint32_t boot);

/* What was sent is not what it should be; OF is "status" or "report". */
void show_bad(const struct show *s, const char *of, const char *why);

enum { SHOW_SUMMARY_MAX = 1024 };

/* Writes STATUS in words: "exited with code 3 (worker), after 8.123 s". */
void show_summary(const struct status *status, char ret[SHOW_SUMMARY_MAX]);

/* Writes STATUS as a table. */
void show_table(const struct show *s, const struct status *status);

#endif
