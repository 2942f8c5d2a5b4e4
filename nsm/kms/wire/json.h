#ifndef NSM_KMS_WIRE_JSON_H
#define NSM_KMS_WIRE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * JSON (RFC 8259): a strict reader over yyjson, and a writer. Pure; no heap: all that is read
 * is in a buffer of the caller, who wipes it if there were secrets.
 *
 * Refused are: texts of more than JSON_TEXT_MAX bytes, a byte order mark, bytes that are not
 * UTF-8, lone surrogates, nesting beyond JSON_DEPTH_MAX, more than JSON_VALUES_MAX values, an
 * object that has a member twice, and all that RFC 8259 does not have (comments, NaN, commas at
 * ends). A member that is null is as if it were not there; members nobody asks for are skipped.
 */

enum {
	JSON_TEXT_MAX = 65536,
	JSON_DEPTH_MAX = 8,	/* objects and arrays in each other */
	JSON_VALUES_MAX = 1024, /* names are values, too */
};

/* Bytes of a buffer in which any text of LEN bytes can be read. */
static inline size_t json_room(size_t len)
{
	return 4 * len + 98304;
}

/* A value that was read, somewhere in the buffer. */
struct json;

enum json_kind {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

/* A string, UTF-8. A NUL stands behind it; there may be others in it. */
struct json_text {
	const char *at;
	size_t len;
};

/* Why a text is not read. WHAT does not quote the text, which may be a secret. */
struct json_fault {
	const char *what;
	size_t at; /* the byte at which it is, or 0 */
};

/*
 * Reads the LEN bytes at TEXT, which are one value and blanks, into BUF of CAP bytes
 * (json_room). Returns 0; -EINVAL and *RETERR: it is refused; -ENOSPC: CAP is too small.
 */
int json_read(const char *text, size_t len, void *buf, size_t cap,
	      const struct json **ret, struct json_fault *reterr);

enum json_kind json_kind(const struct json *value);

/* The member NAME of an object: NULL if it is absent or null, or VALUE is no object. */
const struct json *json_member(const struct json *value, const char *name);

/* How many members or elements, null ones included; 0 if VALUE is neither. */
size_t json_count(const struct json *value);

/* Goes through an object or array in its order: `struct json_walk w = { value };`. */
struct json_walk {
	const struct json *of;
	size_t done;
	const void *next;
};

/*
 * The next one; *RET_NAME (may be NULL for arrays) is the member's name. False: there is none,
 * or it is neither object nor array. Null ones are given, too.
 */
bool json_next(struct json_walk *walk, struct json_text *ret_name,
	       const struct json **ret);

/* -EPROTO: VALUE is NULL or of another kind. */
int json_text(const struct json *value, struct json_text *ret);
int json_bool(const struct json *value, bool *ret);
/* An integer from 0; -EPROTO also for a fraction, an exponent or a sign. */
int json_number(const struct json *value, uint64_t *ret);

/*
 * The same of a member, with its limits. 1: *RET is set; 0: it is absent, or null; -EPROTO: of
 * another kind; -ERANGE: shorter, less than MIN or longer, more than MAX (bytes, of what is
 * decoded); -EILSEQ: a text with a NUL in it, or not strict base64.
 */
int json_member_text(const struct json *object, const char *name, size_t min,
		     size_t max, const char **ret);
int json_member_number(const struct json *object, const char *name,
		       uint64_t min, uint64_t max, uint64_t *ret);
int json_member_bool(const struct json *object, const char *name, bool *ret);
/* Base64, to TO, which holds MAX bytes. */
int json_member_bytes(const struct json *object, const char *name, size_t min,
		      size_t max, uint8_t *to, size_t *ret_len);

/* --- writing --- */

/*
 * Writes one value to a buffer, of which a secret may be wiped by its owner. Members are
 * separated by themselves. Errors stay until json_out_end. NAME is that of a member, UTF-8;
 * NULL in an array, and for the outermost.
 */
struct json_out {
	char *at;
	size_t len, cap;
	unsigned depth;
	bool has_member; /* where the next one goes, so that it needs a comma */
	int error;
};

/* Begins with an empty buffer of CAP bytes. */
void json_out_begin(struct json_out *out, char *buf, size_t cap);
/* 0 and the length, without a NUL; -ENOSPC; -EILSEQ: a text was not UTF-8; -EINVAL: open. */
int json_out_end(const struct json_out *out, size_t *ret_len);

void json_put_object(struct json_out *out, const char *name); /* opens one */
void json_put_object_end(struct json_out *out);
void json_put_array(struct json_out *out, const char *name);
void json_put_array_end(struct json_out *out);
void json_put_text(struct json_out *out, const char *name, const char *text);
void json_put_text_of(struct json_out *out, const char *name, const char *text,
		      size_t len);
void json_put_bytes(struct json_out *out, const char *name, const void *data,
		    size_t len); /* as base64 */
void json_put_number(struct json_out *out, const char *name, uint64_t n);
void json_put_bool(struct json_out *out, const char *name, bool is);
void json_put_null(struct json_out *out, const char *name);
/* A value that was read, as deep as it is; its numbers as they were written. */
void json_put_value(struct json_out *out, const char *name,
		    const struct json *value);

#endif
