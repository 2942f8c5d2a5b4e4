#ifndef NSM_WIRE_H
#define NSM_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "nsm/nsmc.h"

/*
 * The NSM's CBOR, both ways; pure. The form is serde's externally tagged enum
 * (aws-nitro-enclaves-nsm-api, src/api/mod.rs): a variant without fields is a
 * bare text string, one with fields is a map of one pair. Nothing is allocated:
 * what is read points into the answer.
 */

enum { WIRE_REQUEST_CAP = 64 /* holds any request without bytes in it */ };

/*
 * Each of these codes and its text: refusals with the NSM's own names, which come before
 * NSMC_E_UNKNOWN, then what is wrong with answers and PCRs.
 */
/* clang-format off */
#define WIRE_ERRORS(ERROR) \
	ERROR(NSMC_E_INVALID_ARGUMENT, "InvalidArgument") \
	ERROR(NSMC_E_INVALID_INDEX, "InvalidIndex") \
	ERROR(NSMC_E_INVALID_RESPONSE, "InvalidResponse") \
	ERROR(NSMC_E_READ_ONLY_INDEX, "ReadOnlyIndex") \
	ERROR(NSMC_E_INVALID_OPERATION, "InvalidOperation") \
	ERROR(NSMC_E_BUFFER_TOO_SMALL, "BufferTooSmall") \
	ERROR(NSMC_E_INPUT_TOO_LARGE, "InputTooLarge") \
	ERROR(NSMC_E_INTERNAL_ERROR, "InternalError") \
	ERROR(NSMC_E_UNKNOWN, "an error without a known name") \
	ERROR(NSMC_E_TRUNCATED, "the NSM's answer is cut short") \
	ERROR(NSMC_E_MALFORMED, "the NSM's answer is malformed") \
	ERROR(NSMC_E_NOT_EXTENDED, \
	      "the PCR does not hold what its extension gives") \
	ERROR(NSMC_E_NOT_LOCKED, \
	      "the PCR is not locked, or changed while it was")
/* clang-format on */

/*
 * Returns the words for R, a negative result of functions that talk to the
 * device: those of nsmc_error_text, without the words for documents, which PID
 * 1 does not need. Never NULL.
 */
const char *wire_error_text(int r);

/*
 * Write the request into BUF, which holds WIRE_REQUEST_CAP bytes; return its
 * length. INDEX and END are 0 to 255: QEMU accepts nothing but CBOR's 8-bit form.
 */
size_t wire_describe(uint8_t *buf);
size_t wire_get_random(uint8_t *buf);
size_t wire_describe_pcr(uint8_t *buf, uint8_t index);
size_t wire_lock_pcr(uint8_t *buf, uint8_t index);
size_t wire_lock_pcrs(uint8_t *buf, uint8_t end);

/*
 * The same into CAP bytes; return 0 if the request does not fit. Absent fields
 * of an attestation are written as null, as AWS's client does.
 */
size_t wire_extend_pcr(uint8_t *buf, size_t cap, uint8_t index,
		       struct nsmc_bytes data);
size_t wire_attest(uint8_t *buf, size_t cap, struct nsmc_bytes user_data,
		   struct nsmc_bytes nonce, struct nsmc_bytes public_key);

/*
 * Read an answer of LEN bytes. Return 0; the NSM's refusal; -NSMC_E_TRUNCATED
 * if it is truncated; -NSMC_E_MALFORMED for anything else, such as an answer to
 * another request or bytes after its end. Unknown fields are skipped, and the
 * order does not matter.
 *
 * There is at least one random byte; a PCR has 1 to NSMC_PCR_SIZE_MAX bytes.
 */
int wire_read_describe(const uint8_t *buf, size_t len,
		       struct nsmc_description *ret);
int wire_read_random(const uint8_t *buf, size_t len, struct nsmc_bytes *ret);
int wire_read_pcr(const uint8_t *buf, size_t len, struct nsmc_pcr *ret);
int wire_read_extend(const uint8_t *buf, size_t len, struct nsmc_pcr *ret);
int wire_read_attest(const uint8_t *buf, size_t len, struct nsmc_bytes *ret);

/* The answers to lock requests are bare words. */
int wire_read_lock_pcr(const uint8_t *buf, size_t len);
int wire_read_lock_pcrs(const uint8_t *buf, size_t len);

#endif
