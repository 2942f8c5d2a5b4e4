/*
 * The device of init: an NSM whose PCRs from 16 on hold and lock what they are told;
 * the others are as the words PCR_LOCKED and PCR_BYTE have it. More words make it
 * refuse and lie: tests/README.md.
 */

#include "nsm/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/seams/fake_nsm.h"
#include "tests/seams/seam.h"

enum { FIRST = 16 };

static struct fake_pcr pcrs[FAKE_PCRS];
static int exchanges;

int dev_open(void)
{
	int error = seam_number("NSM_OPEN_ERRNO", 0);

	seam_record("nsm open\n");
	return error ? -error : open("/dev/null", O_RDWR | O_CLOEXEC);
}

/* --- its PCRs --- */

/* Whether the word NAME numbers this PCR. */
static bool is_told(const char *name, unsigned pcr)
{
	return seam_number(name, -1) == (int)pcr;
}

static bool get(void *ctx, unsigned index, struct fake_pcr *ret)
{
	(void)ctx;
	if (index < FIRST) {
		pcrs[index].locked = seam_number("PCR_LOCKED", 1);
		memset(pcrs[index].value, seam_number("PCR_BYTE", 0x5a),
		       FAKE_PCR_SIZE);
	}
	if (is_told("PCR_READ_ONLY", index))
		pcrs[index].locked = true;
	*ret = pcrs[index];
	return true;
}

static void extended(void *ctx, unsigned index, const struct fake_pcr *pcr)
{
	(void)ctx;
	if (!is_told("PCR_STAYS", index))
		pcrs[index] = *pcr;
}

static void locked(void *ctx, unsigned index, const struct fake_pcr *pcr)
{
	(void)ctx;
	if (!is_told("PCR_STAYS_OPEN", index))
		pcrs[index] = *pcr;
	if (is_told("PCR_LOCK_CHANGES", index))
		pcrs[index].value[0] ^= 1;
}

/* --- its documents --- */

static size_t put(uint8_t *to, size_t len, const void *bytes, size_t n)
{
	memcpy(to + len, bytes, n);
	return len + n;
}

/*
 * A document with a timestamp, as far off as the word NSM_AHEAD_MS has it. Its
 * payload is a map without a length, as NSMs write it since 2025.
 */
static size_t attest(void *ctx, uint8_t *to)
{
	static const uint8_t signature[96];
	static const char head[] = "\x84\x44\xa1\x01\x38\x22\xa0\x58";
	static const char begin[] = "\xbf\x66"
				    "digest\x66SHA384\x69timestamp\x1b";
	uint8_t payload[64];
	struct timespec t;
	uint64_t ms;
	size_t n, len;

	(void)ctx;
	(void)clock_gettime(CLOCK_REALTIME, &t);
	ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 +
	     (uint64_t)seam_number("NSM_AHEAD_MS", 0);
	n = put(payload, 0, begin, sizeof(begin) - 1);
	for (int i = 56; i >= 0; i -= 8)
		payload[n++] = (uint8_t)(ms >> i);
	n = put(payload, n, "\xff", 1);

	len = put(to, 0, head, sizeof(head) - 1);
	to[len++] = (uint8_t)n;
	len = put(to, len, payload, n);
	len = put(to, len, "\x58\x60", 2);
	return put(to, len, signature, sizeof(signature));
}

/* --- what is asked --- */

static void record(void *ctx, const struct fake_request *r)
{
	char hex[2 * FAKE_PCR_SIZE + 1] = "";

	(void)ctx;
	for (size_t i = 0; i < r->len && i < FAKE_PCR_SIZE; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", r->data[i]);
	if (r->index < 0)
		seam_record("nsm %s\n", r->name);
	else if (r->data)
		seam_record("nsm %s %d %s\n", r->name, r->index, hex);
	else
		seam_record("nsm %s %d\n", r->name, r->index);
}

int dev_exchange(int fd, const void *req, size_t len, void *resp,
		 size_t *ret_len)
{
	const struct fake_nsm nsm = {
		.get = get,
		.extended = extended,
		.locked = locked,
		.attest = attest,
		.asked = record,
		.answers_lie = seam_number("PCR_ANSWERS_LIE", -1),
	};
	const char *error = getenv("NSM_REFUSAL");
	int r = seam_number("NSM_ERRNO", 0);

	if (fcntl(fd, F_GETFD) < 0)
		return -errno;
	*ret_len = fake_nsm_answer(&nsm, req, len, resp);
	if (++exchanges < seam_number("NSM_FAULTS_FROM", 1))
		return 0;
	if (r)
		return -r;
	if (error)
		*ret_len = fake_nsm_refuse(resp, error);
	*ret_len -= (size_t)seam_number("NSM_CUT", 0);
	return 0;
}
