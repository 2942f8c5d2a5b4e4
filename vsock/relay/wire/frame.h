#ifndef VSOCK_RELAY_WIRE_FRAME_H
#define VSOCK_RELAY_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

/*
 * Frames over a stream: a length, and as many bytes. Pure.
 */

enum frame_format {
	FRAME_GVPROXY, /* u16, little-endian */
	FRAME_QEMU,    /* u32, big-endian; passt's, too */
	FRAME_DNS,     /* u16, big-endian: RFC 7766 */
};

enum { FRAME_HEAD_MAX = 4 };

/* Writes the head of a frame of LEN bytes. Returns its length. */
size_t frame_head(enum frame_format format, size_t len,
		  uint8_t ret[FRAME_HEAD_MAX]);

/* The length of a head. */
size_t frame_head_len(enum frame_format format);

/*
 * What has come of a stream and is not yet given out: bytes from START to END of BUF. CAP must
 * be MAX and FRAME_HEAD_MAX or more.
 */
struct frame_reader {
	enum frame_format format;
	size_t min, max; /* of a frame */
	uint8_t *buf;
	size_t cap;
	size_t start, end;
};

/* Where the next bytes of the stream go, and how many: one at least after frame_next gave 0. */
uint8_t *frame_room(struct frame_reader *r, size_t *ret_len);

/* LEN bytes have been put there. */
void frame_fill(struct frame_reader *r, size_t len);

/*
 * The next frame, in the buffer until frame_room is called. Returns 1, 0 if more bytes have to come
 * first, or -EMSGSIZE if the length is less than MIN or more than MAX, which is in *RET_LEN: the
 * stream cannot be read any further.
 */
int frame_next(struct frame_reader *r, const uint8_t **ret, size_t *ret_len);

/*
 * The first bytes of a connection to gvproxy, of which there is no answer. gvproxy loses what
 * comes too soon after it, and does not find the frames again: nobody may send for
 * FRAME_PAUSE_MS.
 */
extern const char frame_gvproxy_hello[];

enum { FRAME_PAUSE_MS = 50 };

#endif
