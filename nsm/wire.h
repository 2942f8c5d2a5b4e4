#ifndef NSM_WIRE_H
#define NSM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The NSM's CBOR, both ways; pure. The form is serde's externally tagged enum
 * (aws-nitro-enclaves-nsm-api, src/api/mod.rs): a variant without fields is a
 * bare text string, one with fields a map of one pair. Nothing is allocated:
 * what is read points into the answer.
 */

enum {
	WIRE_PCR_MAX = 64,     /* bytes of the longest digest */
	WIRE_REQUEST_CAP = 64, /* holds any request made here */
};

/* The NSM's own refusals, as negative returns beside -errno. */
enum wire_error {
	WIRE_E_FIRST = 5000,
	WIRE_E_INVALID_ARGUMENT,
	WIRE_E_INVALID_INDEX,
	WIRE_E_INVALID_RESPONSE,
	WIRE_E_READ_ONLY_INDEX,
	WIRE_E_INVALID_OPERATION,
	WIRE_E_BUFFER_TOO_SMALL,
	WIRE_E_INPUT_TOO_LARGE,
	WIRE_E_INTERNAL_ERROR,
	WIRE_E_UNKNOWN,
	WIRE_E_END,
};

/*
 * The text for R, a negative return of this folder's functions that is not
 * -errno, or NULL where it is -errno.
 */
const char *wire_error_text(int r);

/*
 * Writes the request into BUF, which holds WIRE_REQUEST_CAP bytes; returns its
 * length. INDEX is 0 to 255: QEMU accepts nothing but CBOR's 8-bit form.
 */
size_t wire_get_random(uint8_t *buf);
size_t wire_describe_pcr(uint8_t *buf, uint8_t index);

/*
 * Read an answer of LEN bytes. Return 0; -WIRE_E_... if it is the NSM's
 * refusal; -ENODATA if it is cut short; -EBADMSG if it is anything else, an
 * answer to another request or bytes after its end included. Unknown fields
 * are passed over, the order does not matter.
 *
 * *RET_DATA points into BUF. The random bytes are at least one.
 */
int wire_read_random(const uint8_t *buf, size_t len, const uint8_t **ret_data,
		     size_t *ret_len);
int wire_read_pcr(const uint8_t *buf, size_t len, bool *ret_locked,
		  const uint8_t **ret_data, size_t *ret_len);

#endif
