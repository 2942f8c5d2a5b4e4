#ifndef INIT_LINK_READER_H
#define INIT_LINK_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/ring.h"

/*
 * What one reader of the log gets next: bytes of the ring, and notes between them, as
 * docs/link.md has them. Pure.
 */

enum { READER_NOTE_MAX = 112 };

struct reader {
	uint64_t pos; /* the next byte of the ring */
	const char *boot;
	bool needs_note;
	bool is_cut;  /* no line is known to begin at POS, which is not 0 */
	bool in_line; /* the last byte that was sent is not a newline */
	bool is_ending, has_ended;
	uint8_t note_len, note_at;
	char note[READER_NOTE_MAX];
};

/*
 * A reader that begins at POS, or with the first line behind it. It gets a note first. What
 * follows a note is the begin of a line: in its midst a line's text is what a service
 * makes it, and could look like another's, or like a note. Notes have BOOT, the enclave's
 * id, the caller's; NULL or empty: they have none.
 */
void reader_init(struct reader *r, uint64_t pos, const char *boot);

/*
 * Puts what comes next into BUF, whose CAP is 8192 or more, and returns its length: 0 if
 * there is nothing at the moment. reader_sent is to tell how much of it has gone.
 */
size_t reader_next(struct reader *r, const struct ring *ring, char *buf,
		   size_t cap);

/* N of the bytes that reader_next has returned last, BUF, are gone. */
void reader_sent(struct reader *r, const char *buf, size_t n);

/* Whether what reader_next has returned is (the rest of) a note. */
bool reader_has_note(const struct reader *r);

/* Whether there is something for it. */
bool reader_has_more(const struct reader *r, const struct ring *ring);

/* The ring is not written any more: behind its last byte comes the last note. */
void reader_end(struct reader *r);

#endif
