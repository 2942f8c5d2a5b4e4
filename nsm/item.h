#ifndef NSM_ITEM_H
#define NSM_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * CBOR (RFC 8949), read and written item by item, by libcbor's streaming decoder
 * and encoders; pure. Nothing is allocated: what is read points into the bytes. Arrays and maps may
 * be open, which means of indefinite length (3.2.2): the NSM has written its
 * documents so since the middle of 2025. Strings in chunks (3.2.3), which it
 * never wrote, are refused. Errors are -ENODATA, the bytes end too early, and
 * -EBADMSG.
 */

enum { ITEM_OPEN_MAX = 32 }; /* depth of nested open arrays and maps, skipped */

enum item_type {
	ITEM_OTHER, /* chunked strings, and a break where a value belongs */
	ITEM_UINT,
	ITEM_NEGATIVE, /* the number is -1 - VALUE */
	ITEM_BYTES,
	ITEM_TEXT,
	ITEM_ARRAY,
	ITEM_MAP,
	ITEM_TAG, /* the item that it is on follows */
	ITEM_BOOL,
	ITEM_NULL,
	ITEM_SIMPLE, /* a float, undefined */
};

struct item {
	enum item_type type;
	uint64_t value;	     /* the number, the boolean, or how many items */
	const uint8_t *data; /* for bytes and text */
	size_t len;
	bool open; /* an array or map that ends with a break; VALUE is 0 */
};

/* What remains of an array, in items, or of a map, in pairs. */
struct item_list {
	uint64_t left;
	bool open;
};

struct item_reader {
	const uint8_t *at;
	size_t left;
};

/* Takes the next item from R; -EBADMSG if it is ITEM_OTHER or not CBOR. */
int item_next(struct item_reader *r, struct item *ret);

/* The same; -EBADMSG as well if it is not of TYPE, or is open. */
int item_next_of(struct item_reader *r, enum item_type type, struct item *ret);

/* Returns the content of the array or map I, open or not. */
struct item_list item_list(const struct item *i);

/* Takes the head of an array or map, TYPE, from R, open or not. */
int item_enter(struct item_reader *r, enum item_type type,
	       struct item_list *ret);

/*
 * Does another item of LIST, or pair of a map, follow at R? 1 or 0, or an
 * error. If it is 0, the break of an open one has been taken from R.
 */
int item_more(struct item_reader *r, struct item_list *list);

/*
 * Skips one item with everything in it. -EBADMSG also if more than
 * ITEM_OPEN_MAX open ones are nested; others may be nested to any depth.
 */
int item_skip(struct item_reader *r);

/* True if I is the text S. */
bool item_is_text(const struct item *i, const char *s);

/* --- writing --- */

/*
 * Items are written one after the other, each in its shortest form. What does not
 * fit is left out, like everything after it, and IS_FULL stays true: one check
 * after the last item is enough.
 */
struct item_writer {
	uint8_t *data; /* the caller's, CAP bytes */
	size_t cap, len;
	bool is_full;
};

void item_put_uint(struct item_writer *w, uint64_t value);
void item_put_negative(struct item_writer *w, uint64_t value); /* -1 - VALUE */
void item_put_null(struct item_writer *w);
void item_put_bytes(struct item_writer *w, const void *data, size_t len);
void item_put_text(struct item_writer *w, const char *s);

/* What stands before LEN bytes; these follow. */
void item_put_bytes_head(struct item_writer *w, size_t len);

/* The head of an array of COUNT items, of a map of COUNT pairs; these follow. */
void item_put_array(struct item_writer *w, size_t count);
void item_put_map(struct item_writer *w, size_t count);

/* Bytes as an array of integers: serde writes a Vec<u8> so. */
void item_put_integers(struct item_writer *w, const uint8_t *data, size_t len);

#endif
