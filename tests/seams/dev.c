/*
 * An NSM: GetRandom answers 256 bytes 0, 1, 2 ...; the PCRs from 16 on hold and
 * lock what they are told; the others are as the words PCR_LOCKED and PCR_BYTE
 * have it. More words make it refuse and lie: tests/README.md.
 */

#include "nsm/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nsm/nsmc.h"
#include "tests/seams/seam.h"

enum { FIRST = 16, COUNT = 32, SIZE = 48 };

struct pcr {
	bool locked;
	uint8_t value[SIZE];
};

static struct pcr pcrs[COUNT];
static int exchanges;

int dev_open(void)
{
	int error = seam_number("NSM_OPEN_ERRNO", 0);

	seam_record("nsm open\n");
	return error ? -error : open("/dev/null", O_RDWR | O_CLOEXEC);
}

/* --- answers, each with its length --- */

static size_t put(uint8_t *to, size_t len, const void *bytes, size_t n)
{
	memcpy(to + len, bytes, n);
	return len + n;
}

/* A text of up to 23 bytes. */
static size_t put_text(uint8_t *to, size_t len, const char *text)
{
	to[len++] = (uint8_t)(0x60 + strlen(text));
	return put(to, len, text, strlen(text));
}

static size_t random_answer(uint8_t *to)
{
	static const uint8_t head[] = "\xa1\x69GetRandom\xa1\x66random\x59\x01";
	size_t len = put(to, 0, head, sizeof(head)); /* its NUL belongs to it */

	for (int i = 0; i < 256; i++)
		to[len++] = (uint8_t)i;
	return len;
}

static size_t put_data(uint8_t *to, size_t len, const uint8_t *value)
{
	len = put_text(to, len, "data");
	len = put(to, len, "\x58\x30", 2);
	return put(to, len, value, SIZE);
}

static size_t pcr_answer(uint8_t *to, const struct pcr *pcr)
{
	size_t len = put(to, 0, "\xa1", 1);

	len = put_text(to, len, "DescribePCR");
	len = put(to, len, "\xa2", 1);
	len = put_text(to, len, "lock");
	to[len++] = pcr->locked ? 0xf5 : 0xf4;
	return put_data(to, len, pcr->value);
}

static size_t extend_answer(uint8_t *to, const uint8_t *value)
{
	size_t len = put(to, 0, "\xa1", 1);

	len = put_text(to, len, "ExtendPCR");
	len = put(to, len, "\xa1", 1);
	return put_data(to, len, value);
}

/*
 * A document with a timestamp, as far off as the word NSM_AHEAD_MS has it. Its
 * payload is a map without a length, as NSMs write it since 2025.
 */
static size_t attest_answer(uint8_t *to)
{
	static const uint8_t signature[96];
	uint8_t payload[64];
	struct timespec t;
	uint64_t ms;
	size_t n, len;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 +
	     (uint64_t)seam_number("NSM_AHEAD_MS", 0);
	n = put(payload, 0, "\xbf", 1);
	n = put_text(payload, n, "digest");
	n = put_text(payload, n, "SHA384");
	n = put_text(payload, n, "timestamp");
	n = put(payload, n, "\x1b", 1);
	for (int i = 56; i >= 0; i -= 8)
		payload[n++] = (uint8_t)(ms >> i);
	n = put(payload, n, "\xff", 1);

	len = put(to, 0, "\xa1", 1);
	len = put_text(to, len, "Attestation");
	len = put(to, len, "\xa1", 1);
	len = put_text(to, len, "document");
	to[len++] = 0x58;
	to[len++] = (uint8_t)(7 + 2 + n + 2 + sizeof(signature));
	len = put(to, len, "\x84\x44\xa1\x01\x38\x22\xa0\x58", 8);
	to[len++] = (uint8_t)n;
	len = put(to, len, payload, n);
	len = put(to, len, "\x58\x60", 2);
	return put(to, len, signature, sizeof(signature));
}

static size_t refusal(uint8_t *to, const char *name)
{
	size_t len = put(to, 0, "\xa1", 1);

	len = put_text(to, len, "Error");
	return put_text(to, len, name);
}

/* --- what is asked --- */

/* Whether the word NAME numbers this PCR. */
static bool is_told(const char *name, unsigned pcr)
{
	return seam_number(name, -1) == (int)pcr;
}

static struct pcr *find(unsigned index)
{
	struct pcr *pcr = &pcrs[index];

	if (index < FIRST) {
		pcr->locked = seam_number("PCR_LOCKED", 1);
		memset(pcr->value, seam_number("PCR_BYTE", 0x5a), SIZE);
	}
	if (is_told("PCR_READ_ONLY", index))
		pcr->locked = true;
	return pcr;
}

static size_t extend(uint8_t *to, unsigned index, const uint8_t *data,
		     size_t len)
{
	struct pcr *pcr = find(index);
	uint8_t value[SIZE];

	if (pcr->locked)
		return refusal(to, "ReadOnlyIndex");
	memcpy(value, pcr->value, SIZE);
	nsmc_predict(value, data, len);
	if (!is_told("PCR_STAYS", index))
		memcpy(pcr->value, value, SIZE);
	if (is_told("PCR_ANSWERS_LIE", index))
		value[SIZE - 1] ^= 1;
	return extend_answer(to, value);
}

static size_t lock(uint8_t *to, unsigned index)
{
	struct pcr *pcr = find(index);

	if (pcr->locked)
		return refusal(to, "ReadOnlyIndex");
	if (!is_told("PCR_STAYS_OPEN", index))
		pcr->locked = true;
	if (is_told("PCR_LOCK_CHANGES", index))
		pcr->value[0] ^= 1;
	return put_text(to, 0, "LockPCR");
}

static void record_extension(unsigned index, const uint8_t *data, size_t len)
{
	char hex[2 * SIZE + 1] = "";

	for (size_t i = 0; i < len && i < SIZE; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", data[i]);
	seam_record("nsm ExtendPCR %u %s\n", index, hex);
}

/* A request is a bare word, or a map of one, whose first field is the index. */
static size_t answer(const uint8_t *req, size_t len, uint8_t *to)
{
	static const char index_key[] = "\x65index";
	const uint8_t *at = memmem(req, len, index_key, sizeof(index_key) - 1);
	const uint8_t *end = req + len;
	unsigned index;

	if (len == 10 && memcmp(req, "\x69GetRandom", len) == 0) {
		seam_record("nsm GetRandom\n");
		return random_answer(to);
	}
	if (memmem(req, len,
		   "\x6b"
		   "Attestation",
		   12)) {
		seam_record("nsm Attestation\n");
		return attest_answer(to);
	}
	if (!at)
		return refusal(to, "InvalidOperation");
	at += sizeof(index_key) - 1;
	index = at < end ? *at++ : COUNT;
	if (index == 0x18)
		index = at < end ? *at++ : COUNT;
	if (index >= COUNT)
		return refusal(to, "InvalidIndex");

	if (memmem(req, len,
		   "\x6b"
		   "DescribePCR",
		   12)) {
		seam_record("nsm DescribePCR %u\n", index);
		return pcr_answer(to, find(index));
	}
	if (memmem(req, len, "\x67LockPCR", 8)) {
		seam_record("nsm LockPCR %u\n", index);
		return lock(to, index);
	}
	/* "data" and its header, for the 48 bytes of a digest. */
	if (memmem(req, len,
		   "\x69"
		   "ExtendPCR",
		   10) &&
	    end - at == 7 + SIZE) {
		record_extension(index, at + 7, SIZE);
		return extend(to, index, at + 7, SIZE);
	}
	return refusal(to, "InvalidOperation");
}

int dev_exchange(int fd, const void *req, size_t len, void *resp,
		 size_t *ret_len)
{
	const char *error = getenv("NSM_REFUSAL");
	int r = seam_number("NSM_ERRNO", 0);

	if (fcntl(fd, F_GETFD) < 0)
		return -errno;
	*ret_len = answer(req, len, resp);
	if (++exchanges < seam_number("NSM_FAULTS_FROM", 1))
		return 0;
	if (r)
		return -r;
	if (error)
		*ret_len = refusal(resp, error);
	*ret_len -= (size_t)seam_number("NSM_CUT", 0);
	return 0;
}
