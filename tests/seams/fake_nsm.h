#ifndef TESTS_SEAMS_FAKE_NSM_H
#define TESTS_SEAMS_FAKE_NSM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An NSM, but for where it keeps its PCRs: tests/seams/dev.c has them in memory, for
 * init, tests/tool/device.c in a file, for the tool. Its CBOR is written by hand, so
 * that a mistake of ours does not meet itself.
 */

enum { FAKE_PCRS = 32, FAKE_PCR_SIZE = 48, FAKE_DOCUMENT_MAX = 0x3000 - 64 };

struct fake_pcr {
	bool locked;
	uint8_t value[FAKE_PCR_SIZE];
};

/* Of a request: absent ones are -1 and NULL. */
struct fake_request {
	char name[16]; /* "ExtendPCR" */
	int index;     /* or range, of LockPCRs */
	const uint8_t *data;
	size_t len;
};

struct fake_nsm {
	/* PCR INDEX, one below FAKE_PCRS. False: there is none. */
	bool (*get)(void *ctx, unsigned index, struct fake_pcr *ret);
	/* Keeps PCR INDEX, which was extended or locked; or does not, which is a lie. */
	void (*extended)(void *ctx, unsigned index, const struct fake_pcr *pcr);
	void (*locked)(void *ctx, unsigned index, const struct fake_pcr *pcr);
	/* Writes FAKE_DOCUMENT_MAX bytes at most; returns how many, 0: it has none. */
	size_t (*attest)(void *ctx, uint8_t *to);
	void (*asked)(void *ctx, const struct fake_request *r); /* or NULL */
	int answers_lie; /* the PCR whose extension is answered by another value */
	void *ctx;
};

/* The answer to a request of LEN bytes, to TO; returns its length. */
size_t fake_nsm_answer(const struct fake_nsm *n, const uint8_t *req, size_t len,
		       uint8_t *to);

/* The answer that is the error NAME. */
size_t fake_nsm_refuse(uint8_t *to, const char *name);

#endif
