#ifndef NSM_ITEM_H
#define NSM_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * CBOR (RFC 8949) read item by item, by libcbor's streaming decoder; pure.
 * Nothing is allocated: what is read points into the bytes. Arrays and maps may
 * be open, which is of indefinite length (3.2.2): the NSM has written its
 * documents so since the middle of 2025. Strings in chunks (3.2.3), which it
 * never wrote, are refused. Errors are -ENODATA, the bytes end too early, and
 * -EBADMSG.
 */

enum { ITEM_OPEN_MAX = 32 }; /* open arrays and maps in each other, skipped */

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
	uint64_t value;	     /* the number, the truth, or how many follow */
	const uint8_t *data; /* of bytes and text */
	size_t len;
	bool open; /* an array or map that ends with a break; VALUE is 0 */
};

/* What is still to come of an array, in items, or of a map, in pairs. */
struct item_list {
	uint64_t left;
	bool open;
};

struct item_reader {
	const uint8_t *at;
	size_t left;
};

/* Takes the next item off R; -EBADMSG if it is ITEM_OTHER or no CBOR. */
int item_next(struct item_reader *r, struct item *ret);

/* The same; -EBADMSG as well if it is not of TYPE, or is open. */
int item_next_of(struct item_reader *r, enum item_type type, struct item *ret);

/* The content of the array or map I, open or not. */
struct item_list item_list(const struct item *i);

/* Takes the head of an array or map, TYPE, off R, open or not. */
int item_enter(struct item_reader *r, enum item_type type,
	       struct item_list *ret);

/*
 * Whether another item, or pair of a map, of LIST follows at R: 1 or 0, or an
 * error. Where it is 0 the break of an open one has been taken off R.
 */
int item_more(struct item_reader *r, struct item_list *list);

/*
 * Passes over one item with all that is in it. -EBADMSG as well if more than
 * ITEM_OPEN_MAX open ones lie in each other; others may be as deep as they
 * like.
 */
int item_skip(struct item_reader *r);

/* Whether I is the text S. */
bool item_is_text(const struct item *i, const char *s);

#endif
