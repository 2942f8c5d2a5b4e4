#ifndef NSM_TOOL_OUT_H
#define NSM_TOOL_OUT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Buffered output. The first error is kept, and out_flush or, of a file,
 * out_commit reports it: the calls in between need no check.
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

#endif
