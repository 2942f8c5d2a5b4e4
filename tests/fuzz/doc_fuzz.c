/*
 * Attestation documents. What is parsed lies inside the bytes and within the
 * limits; a chain is looked at from whatever root the document brings; and
 * nothing that comes out of here is true for AWS's root.
 */

#include <stdlib.h>
#include <string.h>

#include "nsm/nsmc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* B is absent, or of MIN to MAX bytes inside OUTER. */
static void inside(struct nsmc_bytes outer, struct nsmc_bytes b, size_t min,
		   size_t max)
{
	if (!b.data) {
		require(b.len == 0);
		return;
	}
	require(b.len >= min && b.len <= max);
	require(b.data >= outer.data && b.len <= outer.len);
	require((size_t)(b.data - outer.data) <= outer.len - b.len);
}

static void check_views(struct nsmc_bytes buf, const struct nsmc_doc *doc)
{
	const struct nsmc_bytes in = doc->payload;

	require(doc->protected_header.data && in.data && doc->signature.data);
	inside(buf, doc->protected_header, 3, buf.len);
	inside(buf, in, 1, NSMC_PAYLOAD_MAX);
	inside(buf, doc->signature, 0, buf.len);

	require(doc->module_id.data && doc->digest.data &&
		doc->certificate.data);
	inside(in, doc->module_id, 1, in.len);
	inside(in, doc->digest, 1, in.len);
	require(doc->timestamp_ms > 0);
	for (size_t i = 0; i < NSMC_PCR_COUNT; i++) {
		inside(in, doc->pcr[i], 32, NSMC_PCR_SIZE_MAX);
		require(doc->pcr[i].len % 16 == 0);
	}
	inside(in, doc->certificate, 1, NSMC_CERTIFICATE_MAX);
	require(doc->cabundle_count >= 1 &&
		doc->cabundle_count <= NSMC_CABUNDLE_MAX);
	for (size_t i = 0; i < doc->cabundle_count; i++) {
		require(doc->cabundle[i].data);
		inside(in, doc->cabundle[i], 1, NSMC_CERTIFICATE_MAX);
	}
	inside(in, doc->public_key, 1, NSMC_FIELD_MAX);
	inside(in, doc->user_data, 0, NSMC_FIELD_MAX);
	inside(in, doc->nonce, 0, NSMC_FIELD_MAX);
}

/* An error of FIRST to LAST, or none, that names something. */
static void check_error(int r, int first, int last,
			const struct nsmc_object *object)
{
	require(r == 0 || (r <= -first && r >= -last));
	require(memchr(object->name, '\0', sizeof(object->name)));
	require(r == 0 || object->name[0]);
	require(r == 0 || strcmp(nsmc_error_text(r), "an unknown error") != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct nsmc_policy policy = { .time_of_document = true,
					    .allow_debug = true };
	struct nsmc_object object = { "" };
	struct nsmc_report report;
	struct nsmc_doc doc;
	int r, form, chain, whole;

	r = nsmc_doc_parse(data, size, &doc, &object);
	check_error(r, NSMC_E_DOC_CUT, NSMC_E_DOC_RANGE, &object);
	whole = nsmc_doc_verify(data, size, &policy, NULL, &report);
	require(whole < 0);
	check_error(whole, NSMC_E_DOC_CUT, NSMC_E_POLICY, &report.object);
	if (r < 0) {
		require(whole == r && report.checked == 0);
		return 0;
	}
	check_views((struct nsmc_bytes){ data, size }, &doc);

	form = nsmc_doc_check_form(&doc, &object);
	check_error(form, NSMC_E_DOC_CUT, NSMC_E_DIGEST, &object);
	chain = nsmc_doc_check_chain(&doc, doc.cabundle[0],
				     (int64_t)(doc.timestamp_ms / 1000),
				     &object);
	check_error(chain, NSMC_E_ROOT, NSMC_E_CERT_EXTENSION, &object);
	r = nsmc_doc_check_signature(&doc, &object);
	check_error(r, NSMC_E_ALGORITHM, NSMC_E_SIGNATURE, &object);
	/* A document that is good but for its root says so of the root. */
	if (form == 0 && chain == 0)
		require(whole == -NSMC_E_ROOT_OTHER);
	return 0;
}
