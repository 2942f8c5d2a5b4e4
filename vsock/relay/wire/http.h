#ifndef VSOCK_RELAY_WIRE_HTTP_H
#define VSOCK_RELAY_WIRE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/plan/host.h"

/*
 * Heads of HTTP/1, as a proxy reads and writes them; llhttp, strict, takes them apart. Pure.
 * Everything points into the head that was read, which must stay.
 */

enum {
	HTTP_HEAD_MAX = 16384, /* bytes, its blank line included */
	HTTP_HEADERS_MAX = 100,
	HTTP_REWRITE_MAX = HTTP_HEAD_MAX + 512, /* a head that was rewritten */
	HTTP_TEXT_MAX = 511, /* what is left of the text of an answer */
	HTTP_ANSWER_MAX = 1280,
};

struct http_piece {
	const char *at;
	size_t len;
};

struct http_header {
	struct http_piece name, value;
};

struct http_headers {
	size_t count;
	struct http_header at[HTTP_HEADERS_MAX];
};

/* Where the body of a message ends: llhttp's state, which may be copied. */
struct http_body {
	_Alignas(8) unsigned char state[128];
	bool is_over; /* nothing follows, or not any more */
};

/* What a client asks a proxy for. */
struct http_request {
	bool is_connect; /* CONNECT HOST:PORT, else METHOD http://HOST[:PORT]/... */
	unsigned minor; /* of HTTP/1 */
	struct host host;
	uint16_t port;
	struct http_piece method, path; /* PATH may be empty */
	struct http_headers headers;
	struct http_body body; /* of what follows the head; unless IS_CONNECT */
};

struct http_response {
	unsigned status, minor;
	struct http_piece reason;
	struct http_headers headers;
};

/*
 * The length of the head at BYTES, of which SEEN have been looked at before. 0: its end is not
 * there yet. -1: lines without CR, or it is too long.
 */
long http_head_len(const char *bytes, size_t len, size_t seen);

/*
 * Reads a head of LEN bytes. Returns 0, or the status with which to answer, and why. Refused
 * are also heads that others could read in another way: two lengths, a length and chunks,
 * folded lines, blanks before colons, user names in authorities.
 */
int http_request_read(const char *head, size_t len, struct http_request *ret,
		      const char **reterr);

/* Returns 0 or -1. */
int http_response_read(const char *head, size_t len, struct http_response *ret);

/*
 * Writes the head for the server: the origin's form, Host by the authority, nothing that is
 * between the client and its proxy, Connection: close. Returns its length.
 */
size_t http_request_rewrite(const struct http_request *r,
			    char ret[HTTP_REWRITE_MAX]);

/* The same of an answer for the client; IS_LAST: no interim one, so that it closes. */
size_t http_response_rewrite(const struct http_response *r, bool is_last,
			     char ret[HTTP_REWRITE_MAX]);

/*
 * How many of the LEN bytes at BYTES, which follow the head or those before, are of the
 * message; B->is_over then says whether it ends there. -1: they are no body.
 */
long http_body_pass(struct http_body *b, const char *bytes, size_t len);

/* Writes the head of CONNECT, or an answer with a line of text. Returns its length. */
size_t http_connect_write(const struct host *host, uint16_t port,
			  char ret[HTTP_ANSWER_MAX]);
size_t http_answer_write(unsigned status, const char *text,
			 char ret[HTTP_ANSWER_MAX]);

/* The answer to CONNECT that went well. */
extern const char http_connected[];

#endif
