#ifndef NSM_KMS_WIRE_HTTP_H
#define NSM_KMS_WIRE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * HTTP/1.1 (RFC 9112) as a client: writes the head of a request, reads one answer with llhttp,
 * strict. Pure; all memory is the caller's.
 */

enum {
	HTTP_HEAD_MAX = 16384, /* bytes of a head, its trailers included */
	HTTP_LINES_MAX = 100,  /* header lines, trailers included */
	HTTP_BODY_MAX = 65536,
	HTTP_VALUE_SIZE = 256,	  /* of a header that is wanted, with its NUL */
	HTTP_BYTES_MAX = 1 << 20, /* of all an answer is made of */
};

/* --- requests --- */

/* A header. Texts end with a NUL. */
struct http_field {
	const char *name, *value;
};

struct http_request {
	const char *method; /* "POST" */
	const char *path;   /* with a query, if there is one; percent-encoded */
	const struct http_field *fields; /* Host among them */
	size_t count;
	bool has_body;
	size_t body_len;
};

/* True: NAME is a token, VALUE printable ASCII and tabs, without blanks at its ends. */
bool http_is_field(const char *name, const char *value);

/*
 * Writes the head to BUF of CAP bytes, its length to *RET_LEN, without a NUL: the fields in
 * their order, Content-Length if there is a body, Connection: close. -EINVAL: a method, path or
 * field that would be more than that, as a line end in a value is, no Host, or two, or one that
 * is written here; -ENOSPC.
 */
int http_request_head(const struct http_request *r, char *buf, size_t cap,
		      size_t *ret_len);

/* --- the answer --- */

/* Why an answer is refused. */
enum http_fault {
	HTTP_FAULT_NONE,
	HTTP_FAULT_FORM, /* not HTTP/1, or not well-formed */
	HTTP_FAULT_HEAD_TOO_LONG,
	HTTP_FAULT_TOO_MANY_LINES,
	HTTP_FAULT_BODY_TOO_LONG, /* for the caller's buffer */
	HTTP_FAULT_LENGTHS,	  /* chunks and a length, two lengths */
	HTTP_FAULT_CODING, /* a Transfer-Encoding that is not "chunked" */
	HTTP_FAULT_STATUS, /* 101, or not 100 to 599 */
	HTTP_FAULT_TOO_MANY_BYTES,
	HTTP_FAULT_CUT, /* the connection ended before the answer */
	HTTP_FAULT_COUNT,
};

const char *http_fault_text(enum http_fault fault);

/* A header that is wanted, by its NAME in lower case; of several lines the first. */
struct http_wanted {
	const char *name;
	bool is_there;
	bool is_cut;		     /* it is longer than VALUE */
	char value[HTTP_VALUE_SIZE]; /* ends with a NUL */
};

/*
 * Reads an answer, in pieces of any size. What is before BODY is for the caller to read when
 * it is whole: answers with a status of 1xx are skipped, chunks are put together.
 */
struct http_answer {
	unsigned status; /* 200 to 599; 0 before its head is whole */
	struct http_wanted *wanted;
	size_t wanted_count;
	size_t body_len;
	bool has_length; /* else the body ended with the connection */

	char *body;
	size_t body_cap;
	enum http_fault fault;
	struct {
		_Alignas(8) unsigned char parser[128];
		size_t bytes, head_bytes, lines;
		unsigned lengths, codings; /* headers of the kind */
		char name[32]; /* of the header, in lower case, cut */
		size_t name_len, value_len;
		struct http_wanted *at; /* where its value goes */
		char coding[16];
		bool is_at_start, is_in_value, is_head_over, is_whole;
	} state;
};

/* Begins; the body goes to BODY of CAP bytes, at most HTTP_BODY_MAX of them. */
void http_answer_begin(struct http_answer *a, struct http_wanted *wanted,
		       size_t wanted_count, char *body, size_t cap);

/*
 * Takes LEN bytes. Returns 1: the answer is whole, and *RET_USED of the bytes are of it (what
 * follows is nothing that was asked for); 0: all were taken, and more are needed; -1: it is
 * refused, see a->fault.
 */
int http_answer_feed(struct http_answer *a, const char *bytes, size_t len,
		     size_t *ret_used);

/* The connection ended. 1: the answer is whole; -1: it is not, see a->fault. */
int http_answer_eof(struct http_answer *a);

#endif
