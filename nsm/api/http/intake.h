#ifndef NSM_API_HTTP_INTAKE_H
#define NSM_API_HTTP_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nsm/api/http/web.h"

/*
 * One request of HTTP/1 (RFC 9112), read by llhttp, as strict as that is, piece by piece, within the bounds of web.h. Pure but
 * for the heap, which has the body. Refused beyond what llhttp refuses: versions other than 1.0 and 1.1, targets that do not begin with a '/',
 * no Host or two, trailers, a second Content-Type, X-Amz-Target or Expect.
 */

enum intake_state {
	INTAKE_MORE, /* wants more bytes */
	INTAKE_HEAD, /* its head is whole: decide, then go on */
	INTAKE_DONE, /* it is whole */
	INTAKE_BAD, /* STATUS, CODE and WHY say how; nothing of it may be used */
};

enum {
	INTAKE_PARSER = 192, /* bytes that llhttp's parser needs, at most */
	INTAKE_TEXT = WEB_HEAD_MAX + 2 * WEB_HEADERS_MAX + 8,
	INTAKE_BODY_RAW_MAX = 8 * WEB_BODY_MAX, /* with all that chunks add */
};

struct intake {
	struct web web; /* the request, whose texts are below */
	bool keeps_alive;
	bool is_head; /* HEAD, which WEB has as GET */
	bool has_body;
	bool wants_continue; /* Expect: 100-continue, and a body is to come */
	bool has_begun;	     /* a byte of it was read */
	int status;
	const char *code;
	const char *why;
	enum intake_state state;
	bool is_head_done;
	uint32_t head_bytes, body_bytes;
	size_t text_len, body_cap;
	uint8_t *body;
	char *word; /* that is being written, in TEXT; NULL: none */
	union {
		uint64_t align;
		unsigned char bytes[INTAKE_PARSER];
	} parser;
	char text[INTAKE_TEXT];
};

/* Begins with a new request. IN is all zeros or was used; its body is wiped and freed. */
void intake_reset(struct intake *in);

/*
 * Reads of LEN bytes as many as it can use, their number to *RET_USED. Bytes after the end of the request are left. To be called again after
 * INTAKE_HEAD, also without bytes.
 */
enum intake_state intake_feed(struct intake *in, const void *bytes, size_t len,
			      size_t *ret_used);

#endif
