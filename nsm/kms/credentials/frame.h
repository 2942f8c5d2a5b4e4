#ifndef NSM_KMS_CREDENTIALS_FRAME_H
#define NSM_KMS_CREDENTIALS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nsm/kms/kmsc.h"

/*
 * What AWS's kmstool_instance and kmstool_enclave say to each other (aws-nitro-enclaves-sdk-c,
 * bin/kmstool-enclave/main.c): JSON objects over a stream, a NUL after each. Pure, but for the
 * heap.
 */

enum {
	/* Of a frame without its NUL. AWS's has 8191, into which KMS's longest ciphertext
	   does not fit. */
	FRAME_MAX = 32768,
	/* What frame_status writes at most: base64 of 4096 bytes, each slash escaped. */
	FRAME_STATUS_CAP = 16384,
	FRAME_REGION_MAX = KMSC_REGION_MAX,
};

enum frame_kind {
	FRAME_SET_CLIENT,
	FRAME_DECRYPT,
	FRAME_OTHER, /* another operation */
};

/* A frame that was read. All it points to is its own. */
struct frame {
	enum frame_kind kind;
	/* SetClient */
	struct kmsc_credentials credentials;
	char region[FRAME_REGION_MAX + 1]; /* "": there is none */
	/* Decrypt */
	uint8_t ciphertext[KMSC_CIPHERTEXT_MAX];
	size_t ciphertext_len;
	struct kmsc_pair context[KMSC_CONTEXT_MAX];
	size_t context_count;

	void *memory; /* of the pairs */
	size_t memory_len;
};

/*
 * Reads the LEN bytes at TEXT, without the NUL. Returns NULL, or what AWS's server answers to
 * such a frame; *RET is wiped then. frame_free is for both. HAS_CLIENT: there was a SetClient
 * before; without it a Decrypt is refused, whatever else it says.
 */
const char *frame_read(const char *text, size_t len, bool has_client,
		       struct frame *ret);

/* Wipes it. */
void frame_free(struct frame *f);

/*
 * Writes the answer as AWS's does, to the byte, with its NUL: { "Status": "Ok" }, and with a
 * MESSAGE (which may be NULL) { "Status": "Error", "Message": "..." }. Slashes are escaped.
 * Returns its length, the NUL included; what does not fit is left out.
 */
size_t frame_status(bool is_ok, const char *message,
		    char buf[FRAME_STATUS_CAP]);

#endif
