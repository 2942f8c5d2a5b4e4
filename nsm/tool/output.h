#ifndef NSM_TOOL_OUTPUT_H
#define NSM_TOOL_OUTPUT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "nsm/nsmc.h"

struct tool;

/*
 * From now on HUP, INT, QUIT and TERM, if they would end the program, first
 * remove the files that have no name yet.
 */
void out_clean_on_signals(void);

/*
 * Buffered output. The first error is kept, and out_flush or out_commit reports
 * it: the calls in between need no check.
 */
struct out {
	int fd;
	int error; /* an errno */
	bool exclusive;
	bool renames; /* TEMP becomes PATH at the end */
	char path[PATH_MAX];
	char temp[PATH_MAX];
	size_t len;
	char buf[4096];
};

/* Writes to FD, which stays open. */
void out_fd(struct out *o, int fd);

/*
 * Writes to the file PATH, with MODE before umask, through a temporary file
 * beside it; to stdout if PATH is NULL or "-"; directly if PATH is not a
 * regular file (/dev/full). A dangling link is an error. EXCLUSIVE: nothing of
 * that name may exist, no device or pipe either. Returns 0, or TOOL_FILE after
 * printing why. Must be ended by out_commit or out_abort.
 */
int out_open(const struct tool *t, struct out *o, const char *path, mode_t mode,
	     bool exclusive);

/*
 * Everything is written and on the disk, and the file has its name: 0; or
 * TOOL_FILE after printing why, and there is no file. A pipe that nothing reads
 * any more is not reported. Wipes the buffer.
 */
int out_commit(const struct tool *t, struct out *o);

/* Removes the file. Does nothing after out_commit. Wipes the buffer. */
void out_abort(struct out *o);

/* Returns 0 or -errno. */
int out_flush(struct out *o);

void out_bytes(struct out *o, const void *data, size_t len);
void out_text(struct out *o, const char *text);
void out_number(struct out *o, uint64_t n);
void out_hex(struct out *o, const void *data, size_t len);
void out_base64(struct out *o, const void *data, size_t len);

/* Writes untrusted text; bytes that might control a terminal become \xHH. */
void out_safe(struct out *o, const void *text, size_t len);

/* Writes "NAME:" and spaces up to a column. */
void out_label(struct out *o, const char *name);

/* Writes the numbers of the bits of SET: "0-15, 17", or "none". */
void out_ranges(struct out *o, uint32_t set);

/*
 * JSON. KEY is NULL in arrays; an absent value is null. Numbers have up to 64
 * bits.
 */
void json_open(struct out *o, const char *key, char bracket);
void json_close(struct out *o, char bracket);
void json_string(struct out *o, const char *key, const char *text);
void json_text(struct out *o, const char *key, struct nsmc_bytes text);
void json_number(struct out *o, const char *key, uint64_t n);
void json_signed(struct out *o, const char *key, int64_t n);
void json_bool(struct out *o, const char *key, bool b);
void json_hex(struct out *o, const char *key, struct nsmc_bytes bytes);
void json_base64(struct out *o, const char *key, struct nsmc_bytes bytes);
/*
 * Writes "code", "error" (TEXT; NULL: the library's) and "object" of a refusal.
 */
void refuse_json_why(struct out *o, int error, const char *text,
		     const char *object);
/* Writes the key alone. */
void json_key(struct out *o, const char *key);

#endif
