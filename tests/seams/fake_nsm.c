#include "tests/seams/fake_nsm.h"

#include <stdio.h>
#include <string.h>

#include "nsm/nsmc.h"

/* --- CBOR ------------------------------------------------------------------------ */

struct answer {
	uint8_t *at;
	size_t len;
};

static void put(struct answer *a, const void *data, size_t len)
{
	memcpy(a->at + a->len, data, len);
	a->len += len;
}

static void put_byte(struct answer *a, unsigned byte)
{
	a->at[a->len++] = (uint8_t)byte;
}

/* The head of a number, text or array: MAJOR and up to 255. */
static void put_head(struct answer *a, unsigned major, unsigned n)
{
	if (n >= 24)
		put_byte(a, major + 24);
	put_byte(a, n < 24 ? major + n : n);
}

static void put_text(struct answer *a, const char *text)
{
	put_head(a, 0x60, (unsigned)strlen(text));
	put(a, text, strlen(text));
}

static void put_bytes(struct answer *a, const void *data, size_t len)
{
	put_byte(a, 0x59);
	put_byte(a, (unsigned)len >> 8);
	put_byte(a, len & 0xff);
	put(a, data, len);
}

static void put_number(struct answer *a, const char *key, unsigned n)
{
	put_text(a, key);
	put_head(a, 0, n);
}

/* A map of one pair: NAME, and a map of FIELDS pairs. */
static void put_variant(struct answer *a, const char *name, unsigned fields)
{
	put_byte(a, 0xa1);
	put_text(a, name);
	put_byte(a, 0xa0 + fields);
}

static void refuse(struct answer *a, const char *name)
{
	put_byte(a, 0xa1);
	put_text(a, "Error");
	put_text(a, name);
}

/* --- requests ---------------------------------------------------------------------- */

/* What is behind KEY in a request of ours; NULL if it is not there. */
static const uint8_t *find(const uint8_t *at, const uint8_t *end,
			   const char *key)
{
	const uint8_t *found = memmem(at, (size_t)(end - at), key, strlen(key));

	return found && found + strlen(key) < end ? found + strlen(key) : NULL;
}

static int find_number(const uint8_t *at, const uint8_t *end, const char *key)
{
	at = find(at, end, key);
	if (at && *at == 0x18 && end - at > 1)
		return at[1];
	return at && *at < 24 ? *at : -1;
}

/* The bytes that end the request. */
static bool find_data(const uint8_t *at, const uint8_t *end,
		      struct fake_request *r)
{
	size_t head;

	at = find(at, end, "data");
	if (!at)
		return false;
	head = *at < 0x58 ? 1 : *at == 0x58 ? 2 : 3;
	if ((size_t)(end - at) < head)
		return false;
	r->len = head == 1 ? *at - 0x40U :
		 head == 2 ? at[1] :
			     at[1] * 256U + at[2];
	r->data = at + head;
	return r->data + r->len == end;
}

/* A request is a bare word, or a map of one, to a map of its fields. */
static bool read_request(const uint8_t *req, size_t len, struct fake_request *r)
{
	const uint8_t *end = req + len, *at = req;
	size_t n;

	if (len > 0 && *at == 0xa1)
		at++;
	if (at == end || *at < 0x60 || *at >= 0x60 + sizeof(r->name))
		return false;
	n = *at++ - 0x60U;
	if (n > (size_t)(end - at))
		return false;
	memcpy(r->name, at, n);
	at += n;

	r->index = find_number(
		at, end, strcmp(r->name, "LockPCRs") == 0 ? "range" : "index");
	return strcmp(r->name, "ExtendPCR") != 0 || find_data(at, end, r);
}

/* --- answers ------------------------------------------------------------------------- */

static void describe(const struct fake_nsm *n, struct answer *a)
{
	struct fake_pcr pcr;
	unsigned locked = 0;

	put_variant(a, "DescribeNSM", 7);
	put_number(a, "version_major", 1);
	put_number(a, "version_minor", 0);
	put_number(a, "version_patch", 7);
	put_text(a, "module_id");
	put_text(a, "i-07e25f3bada361dec-enc0181d3dff86da785");
	put_number(a, "max_pcrs", FAKE_PCRS);
	put_text(a, "locked_pcrs");
	for (unsigned i = 0; i < FAKE_PCRS; i++)
		locked += n->get(n->ctx, i, &pcr) && pcr.locked;
	put_head(a, 0x80, locked);
	for (unsigned i = 0; i < FAKE_PCRS; i++)
		if (n->get(n->ctx, i, &pcr) && pcr.locked)
			put_head(a, 0, i);
	put_text(a, "digest");
	put_text(a, "SHA384");
}

static void random_bytes(struct answer *a)
{
	uint8_t bytes[256];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	put_variant(a, "GetRandom", 1);
	put_text(a, "random");
	put_bytes(a, bytes, sizeof(bytes));
}

static void attest(const struct fake_nsm *n, struct answer *a)
{
	uint8_t doc[FAKE_DOCUMENT_MAX];
	size_t len = n->attest(n->ctx, doc);

	if (len == 0) {
		refuse(a, "InternalError");
		return;
	}
	put_variant(a, "Attestation", 1);
	put_text(a, "document");
	put_bytes(a, doc, len);
}

static void describe_pcr(const struct fake_pcr *pcr, struct answer *a)
{
	put_variant(a, "DescribePCR", 2);
	put_text(a, "lock");
	put_byte(a, pcr->locked ? 0xf5 : 0xf4);
	put_text(a, "data");
	put_bytes(a, pcr->value, FAKE_PCR_SIZE);
}

static void extend(const struct fake_nsm *n, unsigned index,
		   struct fake_pcr *pcr, const struct fake_request *r,
		   struct answer *a)
{
	nsmc_predict(pcr->value, r->data, r->len);
	n->extended(n->ctx, index, pcr);
	if (n->answers_lie == (int)index)
		pcr->value[FAKE_PCR_SIZE - 1] ^= 1;
	put_variant(a, "ExtendPCR", 1);
	put_text(a, "data");
	put_bytes(a, pcr->value, FAKE_PCR_SIZE);
}

static void lock(const struct fake_nsm *n, unsigned index, struct fake_pcr *pcr)
{
	pcr->locked = true;
	n->locked(n->ctx, index, pcr);
}

static void lock_below(const struct fake_nsm *n, unsigned end, struct answer *a)
{
	struct fake_pcr pcr;

	for (unsigned i = 0; i < end && i < FAKE_PCRS; i++)
		if (n->get(n->ctx, i, &pcr))
			lock(n, i, &pcr);
	put_text(a, "LockPCRs");
}

/* The requests about one PCR. */
static void answer_pcr(const struct fake_nsm *n, const struct fake_request *r,
		       struct answer *a)
{
	unsigned index = (unsigned)r->index;
	struct fake_pcr pcr;

	if (index >= FAKE_PCRS || !n->get(n->ctx, index, &pcr)) {
		refuse(a, "InvalidIndex");
	} else if (strcmp(r->name, "DescribePCR") == 0) {
		describe_pcr(&pcr, a);
	} else if (pcr.locked) {
		refuse(a, "ReadOnlyIndex");
	} else if (strcmp(r->name, "LockPCR") == 0) {
		lock(n, index, &pcr);
		put_text(a, "LockPCR");
	} else if (strcmp(r->name, "ExtendPCR") == 0 && r->data) {
		extend(n, index, &pcr, r, a);
	} else {
		refuse(a, "InvalidOperation");
	}
}

size_t fake_nsm_answer(const struct fake_nsm *n, const uint8_t *req, size_t len,
		       uint8_t *to)
{
	struct fake_request r = { .index = -1 };
	struct answer a = { .at = to };

	if (!read_request(req, len, &r)) {
		refuse(&a, "InvalidOperation");
		return a.len;
	}
	if (n->asked)
		n->asked(n->ctx, &r);
	if (strcmp(r.name, "DescribeNSM") == 0)
		describe(n, &a);
	else if (strcmp(r.name, "GetRandom") == 0)
		random_bytes(&a);
	else if (strcmp(r.name, "Attestation") == 0)
		attest(n, &a);
	else if (r.index < 0)
		refuse(&a, "InvalidOperation");
	else if (strcmp(r.name, "LockPCRs") == 0)
		lock_below(n, (unsigned)r.index, &a);
	else
		answer_pcr(n, &r, &a);
	return a.len;
}

size_t fake_nsm_refuse(uint8_t *to, const char *name)
{
	struct answer a = { .at = to };

	refuse(&a, name);
	return a.len;
}
