#ifndef NSM_API_HTTP_WEB_H
#define NSM_API_HTTP_WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "nsm/api/spec/conf.h"

/*
 * One request as a route gets it, and its answer. A route is called when the whole request is there: its head (at most
 * WEB_HEAD_MAX bytes) and its body (at most WEB_BODY_MAX; longer ones were answered 413, bad ones 400). It answers at once, or keeps the
 * struct web * and answers later: exactly once, by one of the web_answer... functions. Until then all that *W points to stays as
 * it is, also when the client has gone; the answer is then dropped. After it W is not the route's any more.
 */

enum {
	WEB_HEAD_MAX = 16 << 10,
	WEB_HEADERS_MAX = 100,
	WEB_BODY_MAX = 64 << 10,
	WEB_ANSWER_MAX = 192 << 10, /* bytes of an answer's body */
	WEB_MORE_MAX = 1024,	    /* bytes of further lines of its head */
	WEB_ERROR_MAX = 7 << 10,
};

enum web_method {
	WEB_GET, /* also of HEAD: the body is left out afterwards */
	WEB_POST,
	WEB_PUT,
	WEB_OTHER, /* no route has it: 405 */
};

/* What Accept prefers of what we can give. */
enum web_form {
	WEB_JSON,   /* also if it says nothing */
	WEB_OCTETS, /* application/octet-stream */
	WEB_CBOR,   /* application/cbor */
};

struct web_peer {
	bool is_known; /* false on loopback: nobody says whose it is */
	uid_t uid;
	gid_t gid;
	pid_t pid;	     /* when it connected; of no use for decisions */
	const gid_t *groups; /* further ones */
	size_t group_count;
};

struct web_line {
	const char *name;  /* in lower case */
	const char *value; /* without blanks around it */
};

struct web_route;

struct web {
	enum web_method method;
	const char *
		path; /* as it came, up to the '?'; NUL-terminated, no control characters */
	const char *query; /* what is after the '?'; "" */
	const uint8_t *body;
	size_t body_len;
	enum web_form form;
	bool has_accept; /* a header Accept that names one of the forms came */
	enum spec_dialect dialect; /* by the listener */
	const char *
		origin; /* of the listener, for Host and URLs of answers: "127.0.0.1:8100"; "" on the UNIX socket */
	struct web_peer peer;
	size_t lines; /* of its head; web_header finds one */
	struct web_line line[WEB_HEADERS_MAX];
	const struct web_route *route; /* that was found; NULL: none */
	/* http/'s: where the answer goes. */
	void (*reply)(struct web *w, int status, const char *type,
		      const char *more, const void *body, size_t len);
	void *own; /* the route's, NULL at first; it frees it before or while it answers */
};

/* The value of the header NAME (lower case), without blanks around it, NUL-terminated; NULL: it is not there. */
const char *web_header(const struct web *w, const char *name);

/* True if Content-Type is TYPE (lower case), whatever parameters follow it. */
bool web_is_type(const struct web *w, const char *type);

/*
 * Reads the value of NAME of the query, percent-decoded with its NUL, to RET of CAP bytes. Returns its length, -ENOENT: it is
 * not there; -EINVAL: more than once, a bad escape, a NUL; -ENOSPC.
 */
int web_query(const struct web *w, const char *name, char *ret, size_t cap);

/* True if what PATH has after PREFIX matches; *RET then points to what follows. */
bool web_after(const struct web *w, const char *prefix, const char **ret);

/* --- answers --- */

/*
 * Answers with STATUS and LEN bytes of BODY, which are copied and, once they are sent, wiped. TYPE is a Content-Type.
 */
void web_answer(struct web *w, int status, const char *type, const void *body,
		size_t len);

/* The same, with further lines of a head, each ended by "\r\n" (at most 1 KiB): of compat and POST /. */
void web_answer_with(struct web *w, int status, const char *type,
		     const char *lines, const void *body, size_t len);

/*
 * Answers {"error":{"code":CODE,"message":MESSAGE}}. CODE is a word, MESSAGE a printf format; bytes that JSON needs escaped are escaped,
 * what is not UTF-8 becomes '?'.
 */
void web_error(struct web *w, int status, const char *code, const char *format,
	       ...) __attribute__((format(printf, 4, 5)));

/* Answers with the error R of libnsmc (-errno or -NSMC_E_...): status and code as enclave-api(8) has them. */
void web_error_nsm(struct web *w, int r);

/* Status and code of such an error: 409 for a locked PCR, 400 for what a caller has given wrongly, 502, 503, 504. */
int web_status_of(int r);
const char *web_code_of(int r);

/* The body of web_error for CODE and MESSAGE (up to 1 KiB together), its length. */
size_t web_error_body(char ret[WEB_ERROR_MAX], const char *code,
		      const char *message);

/* Answers in the form of W's route, or by web_error. */
void web_refuse(struct web *w, int status, const char *code,
		const char *message);

/* --- routes --- */

struct web_route {
	enum spec_dialect dialect;
	enum web_method method;
	/* A whole path; "{n}" in it is any text without a '/', a '*' at its end all that follows. NULL ends a table. */
	const char *path;
	enum spec_subject subject; /* whose rules decide before it is called */
	void (*serve)(struct web *w);
	/* The answer to what goes wrong before SERVE is called, in the dialect's form; NULL: web_error. */
	void (*refuse)(struct web *w, int status, const char *code,
		       const char *message);
};

#endif
