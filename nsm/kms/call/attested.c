#include "nsm/kms/call/attested.h"

#include <errno.h>
#include <string.h>

#include "nsm/kms/call/fault.h"

enum { KEY_BITS = 2048 }; /* as all clients of KMS */

static int by_nsm(struct attested *a, int fd, bool wants_recipient)
{
	int r;

	if (!wants_recipient)
		return nsmc_attest(fd, NSMC_ABSENT, NSMC_ABSENT, NSMC_ABSENT,
				   a->document, sizeof(a->document), &a->len);
	r = nsmc_recipient_attest(fd, KEY_BITS, NSMC_ABSENT, NSMC_ABSENT,
				  a->document, sizeof(a->document), &a->len,
				  &a->own);
	a->recipient = a->own;
	return r;
}

static int by_attester(struct attested *a, const struct kmsc_client *c,
		       uint32_t timeout_ms)
{
	uint8_t spki[NSMC_RECIPIENT_SPKI_MAX];
	size_t len;
	int r;

	r = nsmc_recipient_public_key(c->kept, spki, sizeof(spki), &len);
	if (r < 0)
		return r;
	a->recipient = c->kept;
	r = c->attest(c->attest_ctx, NSMC_BYTES(spki, len), timeout_ms,
		      a->document, sizeof(a->document), &a->len);
	if (r != 0)
		return r < 0 ? r : -EINVAL;
	return a->len <= sizeof(a->document) ? 0 : -EMSGSIZE;
}

/* True if DOC is over the key of R. */
static bool is_over(const struct nsmc_doc *doc, const struct nsmc_recipient *r)
{
	uint8_t spki[NSMC_RECIPIENT_SPKI_MAX];
	size_t len;

	return nsmc_recipient_public_key(r, spki, sizeof(spki), &len) == 0 &&
	       doc->public_key.len == len && doc->public_key.data &&
	       memcmp(doc->public_key.data, spki, len) == 0;
}

static void describe(const struct nsmc_doc *doc, struct kmsc_error *e)
{
	e->has_document = true;
	e->debug = nsmc_doc_debug(doc);
	e->time_ms = (int64_t)doc->timestamp_ms;
	e->pcrs = 0;
	for (unsigned i = 0; i < NSMC_PCR_COUNT; i++)
		if (doc->pcr[i].data)
			e->pcrs |= UINT32_C(1) << i;
	for (size_t i = 0; i < sizeof(e->pcr) / sizeof(e->pcr[0]); i++)
		if (doc->pcr[i].data && doc->pcr[i].len == NSMC_PCR_SIZE)
			memcpy(e->pcr[i], doc->pcr[i].data, NSMC_PCR_SIZE);
}

static int judge(struct attested *a, struct kmsc_error *e)
{
	struct nsmc_object object = { 0 };
	struct nsmc_doc doc;
	int r;

	r = nsmc_doc_parse(a->document, a->len, &doc, &object);
	if (r < 0)
		return fault_set(e, r, KMSC_STEP_DOCUMENT,
				 "the NSM's document: %s", object.name);
	if (doc.timestamp_ms > INT64_MAX / 2)
		return fault_set(e, -NSMC_E_DOC_RANGE, KMSC_STEP_DOCUMENT,
				 "the NSM's document: timestamp");
	describe(&doc, e);
	if (a->recipient && !is_over(&doc, a->recipient))
		return fault_set(
			e, -NSMC_E_OTHER, KMSC_STEP_DOCUMENT,
			"the NSM's document is not over the recipient's key");
	moment_begin(&a->moment, (int64_t)doc.timestamp_ms);
	return 0;
}

int attested_get(struct attested *a, struct kmsc_client *client,
		 bool wants_recipient, uint32_t timeout_ms,
		 struct kmsc_error *e)
{
	int r;

	attested_end(a);
	if (client->attest)
		r = by_attester(a, client, timeout_ms);
	else if (client->nsm_fd >= 0)
		r = by_nsm(a, client->nsm_fd, wants_recipient);
	else
		r = -KMSC_E_NO_NSM;
	if (r < 0)
		return fault_code(e, r, KMSC_STEP_DOCUMENT);
	return judge(a, e);
}

void attested_end(struct attested *a)
{
	nsmc_recipient_free(a->own);
	a->own = NULL;
	a->recipient = NULL;
	a->len = 0;
}
