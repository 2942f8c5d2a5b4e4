#ifndef VSOCK_RING_H
#define VSOCK_RING_H

#include <stddef.h>
#include <stdint.h>

/*
 * A ring of bytes in memory that processes share: one writer, any number of
 * readers. The newest bytes overwrite the oldest, and nobody waits for anybody.
 * Pure: the memory is the caller's, and neither locks nor system calls are used.
 *
 * A byte has a position, the number of bytes that were written before it. It is
 * a 64-bit number, begins at 0 and never wraps. A reader is a position.
 *
 * All state of the ring lies in the shared memory. A process has a struct ring of
 * its own, which says where that memory is and how large: of what others may have
 * damaged only positions are read from the memory, so a damaged ring yields wrong
 * bytes, but none from outside. The writer may be killed at any instruction; the
 * next writer continues where it stopped. One that is killed within ring_write
 * leaves none of the bytes of the piece (RING_PIECES) that it was writing, and may
 * have destroyed as many of the oldest.
 */

enum {
	/* Bytes of the memory that hold no data. */
	RING_HEADER_BYTES = 64,
	/* The least that the memory has behind them. */
	RING_SIZE_MIN = 64,
	/* ring_write publishes a part of the ring's size at a time. */
	RING_PIECES = 8,
};

struct ring_shared;

/* Filled in by ring_init or ring_open; copied at will. */
struct ring {
	struct ring_shared *shared;
	uint8_t *data;
	uint64_t size; /* bytes that the ring holds */
};

/*
 * Makes an empty ring in the LEN bytes at MEM, which begin at a multiple of 8 and
 * stay the caller's: LEN - RING_HEADER_BYTES bytes of data. No other process uses
 * the memory yet. Returns 0, or -EINVAL if LEN or MEM do not fit.
 */
int ring_init(struct ring *r, void *mem, size_t len);

/*
 * Takes the ring that is in the LEN bytes at MEM, for a writer or a reader, from
 * which memory that may not be written is enough. Returns 0; -EINVAL as above;
 * -EBADMSG if there is no ring of LEN bytes, or its positions cannot be.
 */
int ring_open(struct ring *r, void *mem, size_t len);

/*
 * Writes the LEN bytes at BYTES. Of more than the ring holds only the last are
 * kept; all of them are counted. For the writer alone.
 */
void ring_write(struct ring *r, const void *bytes, size_t len);

/*
 * The position behind the newest byte, and that of the oldest one there is. The
 * latter may be overwritten at any time.
 */
uint64_t ring_head(const struct ring *r);
uint64_t ring_tail(const struct ring *r);

/*
 * Reads up to LEN bytes at *POS into BUF and moves *POS behind them. Returns their
 * number; 0 if there are none, or if the writer overwrote them meanwhile. *RET_LOST
 * is how many bytes before them the reader has missed because they are gone: *POS
 * has moved by both numbers together. What is behind the returned bytes in BUF is
 * undefined. A *POS behind the newest byte is set to the position there, lost 0.
 */
size_t ring_read(const struct ring *r, uint64_t *pos, void *buf, size_t len,
		 uint64_t *ret_lost);

/*
 * Returns where the first whole line within the last LEN bytes begins. If none
 * begins there, those are the end of one long line: then it is their own position,
 * or that of the first whole UTF-8 character there. The head if LEN is 0.
 */
uint64_t ring_tail_from_line(const struct ring *r, size_t len);

#endif
