#ifndef VSOCK_RELAY_BASE_PRINT_H
#define VSOCK_RELAY_BASE_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Buffered output of what peers wrote. The first error is kept, and print_flush reports
 * it: the calls in between need no check.
 */
struct print {
	int fd;
	int error;	  /* an errno */
	bool never_waits; /* what a non-blocking FD does not take is lost */
	size_t len;
	char buf[16384];
};

/* Writes to FD, which stays open. */
void print_open(struct print *p, int fd);

/* Returns 0 or -errno, now and from then on. Waits if FD does not take the bytes, unless NEVER_WAITS. */
int print_flush(struct print *p);

void print_bytes(struct print *p, const void *bytes, size_t len);
void print_text(struct print *p, const char *text);
void print_number(struct print *p, uint64_t n);

/*
 * Writes text of a peer. What a terminal might act on becomes \xHH, a byte each: control
 * characters but tab, bytes that are no UTF-8, characters that are not seen, break lines
 * or turn the direction of text. This is what enclaves do, so that text which they have
 * escaped stays as it is: a backslash is itself.
 */
void print_safe(struct print *p, const void *text, size_t len);

/*
 * Writes text of a peer as a string of JSON, in quotes. What print_safe escapes is
 * \u00HH or \uHHHH here, and bytes that are no UTF-8 are the text \xHH.
 */
void print_string(struct print *p, const void *text, size_t len);

#endif
