#ifndef NSM_ITEM_H
#define NSM_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * CBOR read item by item, by libcbor's streaming decoder; pure. Nothing is
 * allocated: what is read points into the bytes. Errors are -ENODATA, the bytes
 * end too early, and -EBADMSG.
 */

enum item_type {
	ITEM_OTHER, /* what no NSM sends: indefinite lengths */
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
};

struct item_reader {
	const uint8_t *at;
	size_t left;
};

/* Takes the next item off R; -EBADMSG if it is ITEM_OTHER or no CBOR. */
int item_next(struct item_reader *r, struct item *ret);

/* The same; -EBADMSG as well if it is not of TYPE. */
int item_next_of(struct item_reader *r, enum item_type type, struct item *ret);

/* Passes over one item with all that is in it. */
int item_skip(struct item_reader *r);

/* Whether I is the text S. */
bool item_is_text(const struct item *i, const char *s);

#endif
