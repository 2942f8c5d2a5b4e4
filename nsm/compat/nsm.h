#ifndef NSM_COMPAT_NSM_H
#define NSM_COMPAT_NSM_H

/*
 * The nine functions of AWS's libnsm (the Rust crate nsm-lib 0.4.0 and 0.5.1 of
 * aws-nitro-enclaves-nsm-api), with its names, types, layouts and numbers, for
 * programs that were written for it: aws-nitro-enclaves-sdk-c and its kmstool link
 * with this libnsm.a in place of AWS's, without Rust. New programs want nsmc.h.
 *
 * What differs from AWS's is in libnsmc(3), COMPATIBILITY.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

typedef enum Digest {
	DIGEST_SHA256 = 0,
	DIGEST_SHA384 = 1,
	DIGEST_SHA512 = 2,
} Digest;

typedef enum ErrorCode {
	ERROR_CODE_SUCCESS = 0,
	ERROR_CODE_INVALID_ARGUMENT = 1,
	ERROR_CODE_INVALID_INDEX = 2,
	ERROR_CODE_INVALID_RESPONSE = 3,
	ERROR_CODE_READ_ONLY_INDEX = 4,
	ERROR_CODE_INVALID_OPERATION = 5,
	ERROR_CODE_BUFFER_TOO_SMALL = 6,
	ERROR_CODE_INPUT_TOO_LARGE = 7,
	ERROR_CODE_INTERNAL_ERROR = 8,
} ErrorCode;

typedef struct NsmDescription {
	uint16_t version_major;
	uint16_t version_minor;
	uint16_t version_patch;
	uint8_t module_id[100]; /* at most 99 bytes, and a NUL */
	uint32_t module_id_len; /* without the NUL */
	uint16_t max_pcrs;
	uint16_t locked_pcrs[64]; /* ascending */
	uint32_t locked_pcrs_len;
	enum Digest digest;
} NsmDescription;

#ifdef __cplusplus
extern "C" {
#endif

/* Opens /dev/nsm: a descriptor, or -1. */
int32_t nsm_lib_init(void);

/* Closes it. */
void nsm_lib_exit(int32_t fd);

/*
 * For each output of bytes, *LEN is the buffer's capacity before the call and
 * the number of bytes afterwards. If a buffer is too short, the result is
 * ERROR_CODE_BUFFER_TOO_SMALL although the NSM has done what was asked: the
 * buffer has the bytes that fit, and *LEN is unchanged; without a buffer (NULL)
 * *LEN becomes 0. On any other error nothing is written.
 */

/* Extends PCR INDEX with DATA, not NULL, and returns its new value. */
enum ErrorCode nsm_extend_pcr(int32_t fd, uint16_t index, const uint8_t *data,
			      uint32_t data_len, uint8_t *pcr_data,
			      uint32_t *pcr_data_len);

/* Returns whether PCR INDEX is locked, and its value. */
enum ErrorCode nsm_describe_pcr(int32_t fd, uint16_t index, bool *lock,
				uint8_t *data, uint32_t *data_len);

/* Locks PCR INDEX; ERROR_CODE_READ_ONLY_INDEX if it is locked. */
enum ErrorCode nsm_lock_pcr(int32_t fd, uint16_t index);

/* Locks the PCRs 0 to RANGE - 1. */
enum ErrorCode nsm_lock_pcrs(int32_t fd, uint16_t range);

/* Describes the NSM. */
enum ErrorCode nsm_get_description(int32_t fd,
				   struct NsmDescription *nsm_description);

/*
 * Requests a document. A NULL field is absent, whatever its length; any other
 * may be empty.
 */
enum ErrorCode nsm_get_attestation_doc(
	int32_t fd, const uint8_t *user_data, uint32_t user_data_len,
	const uint8_t *nonce_data, uint32_t nonce_len,
	const uint8_t *pub_key_data, uint32_t pub_key_len,
	uint8_t *att_doc_data, uint32_t *att_doc_len);

/*
 * Returns random bytes: as many as the NSM gives for one request, 256, or
 * *BUF_LEN if that is less. ERROR_CODE_INVALID_ARGUMENT if FD is negative, or
 * there is no room.
 */
enum ErrorCode nsm_get_random(int32_t fd, uint8_t *buf, uintptr_t *buf_len);

#ifdef __cplusplus
}
#endif

#endif
