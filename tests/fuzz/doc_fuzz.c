/*
 * Attestation documents. What is parsed lies inside the bytes and within the
 * limits; each step of verifying has errors of its own; whether there is a cache
 * changes no answer; a document that is refused gives nothing out; and nothing that
 * comes out of here is true for AWS's root.
 */

#include <stdlib.h>
#include <string.h>

#include "nsm/nsmc.h"
#include "nsm/verify.h"

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
	bool tpm = doc->kind == NSMC_KIND_NITROTPM;

	require(doc->protected_header.data && in.data && doc->signature.data);
	inside(buf, doc->protected_header, 3, buf.len);
	inside(buf, in, 1, NSMC_PAYLOAD_MAX);
	inside(buf, doc->signature, 0, buf.len);

	require(tpm || doc->kind == NSMC_KIND_ENCLAVE);
	require(doc->module_id.data && doc->digest.data &&
		doc->certificate.data);
	inside(in, doc->module_id, 1, in.len);
	inside(in, doc->digest, 1, in.len);
	require(doc->timestamp_ms > 0);
	for (size_t i = 0; i < NSMC_PCR_COUNT; i++) {
		inside(in, doc->pcr[i], 32, NSMC_PCR_SIZE_MAX);
		require(doc->pcr[i].len % 16 == 0);
		require(!tpm || i < 24 || !doc->pcr[i].data);
	}
	inside(in, doc->certificate, 1, NSMC_CERTIFICATE_MAX);
	require(doc->cabundle_count >= 1 &&
		doc->cabundle_count <= NSMC_CABUNDLE_MAX);
	for (size_t i = 0; i < doc->cabundle_count; i++) {
		require(doc->cabundle[i].data);
		inside(in, doc->cabundle[i], 1, NSMC_CERTIFICATE_MAX);
	}
	inside(in, doc->public_key, 0, NSMC_FIELD_MAX);
	inside(in, doc->user_data, 0, NSMC_FIELD_MAX);
	inside(in, doc->nonce, 0, NSMC_FIELD_MAX);
	require(!tpm || nsmc_doc_debug(doc) == NSMC_DEBUG_UNKNOWN);
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

static bool is_zero(const void *p, size_t len)
{
	const uint8_t *bytes = p;

	while (len > 0)
		if (bytes[--len] != 0)
			return false;
	return true;
}

/* A policy that every document meets that is true. */
static struct nsmc_policy *make_policy(enum nsmc_kind kind)
{
	struct nsmc_policy *policy = NULL;

	require(nsmc_policy_new(&policy) == 0);
	nsmc_policy_time_of_document(policy);
	nsmc_policy_allow_debug(policy);
	nsmc_policy_any_image(policy);
	require(nsmc_policy_kind(policy, kind) == 0);
	return policy;
}

/* What is refused is zero; of what is not, all is what was parsed. */
static int verify(struct nsmc_bytes buf, const struct nsmc_policy *policy,
		  struct nsmc_cache *cache, const struct nsmc_doc *parsed,
		  struct nsmc_report *ret)
{
	struct nsmc_doc doc;
	int r;

	memset(&doc, 0xee, sizeof(doc));
	memset(ret, 0xee, sizeof(*ret));
	r = nsmc_doc_verify(buf.data, buf.len, policy, cache, &doc, ret);
	check_error(r, NSMC_E_DOC_CUT, NSMC_E_KIND, &ret->object);
	require(r != -NSMC_E_POLICY);
	require(!(ret->checked & ~(uint32_t)NSMC_CHECK_ALL));
	if (r == 0) {
		require(parsed && memcmp(&doc, parsed, sizeof(doc)) == 0);
		require(ret->checked & NSMC_CHECK_SIGNATURE);
		require(!ret->object.name[0]);
	} else {
		require(is_zero(&doc, sizeof(doc)));
	}
	return r;
}

/* By whatever root the document brings, with a cache, and WITHOUT as well. */
static int verify_by_itself(struct nsmc_bytes buf, const struct nsmc_doc *doc,
			    struct nsmc_cache *cache, bool without)
{
	struct nsmc_policy *policy = make_policy(doc->kind);
	struct nsmc_report report, with;
	int r = -NSMC_E_ROOT;

	if (nsmc_policy_root(policy, doc->cabundle[0].data,
			     doc->cabundle[0].len) == 0) {
		r = verify(buf, policy, cache, doc, &with);
		if (without) {
			require(verify(buf, policy, NULL, doc, &report) == r);
			require(memcmp(&with, &report, sizeof(with)) == 0);
		}
	}
	nsmc_policy_free(policy);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct nsmc_policy *aws;
	static struct nsmc_cache *cache;
	const struct nsmc_bytes buf = { data, size };
	struct nsmc_object object = { "" };
	struct verify_chain by = { .root_count = 1 };
	struct certificate leaf;
	struct nsmc_report report;
	struct nsmc_doc doc;
	int r, form, chain, signature = 1, own, whole;

	if (!aws) {
		aws = make_policy(NSMC_KIND_ENCLAVE);
		require(nsmc_cache_new(64, &cache) == 0);
	}
	r = nsmc_doc_parse(data, size, &doc, &object);
	check_error(r, NSMC_E_DOC_CUT, NSMC_E_DOC_RANGE, &object);
	whole = verify(buf, aws, NULL, NULL, &report);
	require(whole < 0);
	if (r < 0) {
		require(whole == r && report.checked == 0);
		require(strcmp(object.name, report.object.name) == 0);
		return 0;
	}
	check_views(buf, &doc);

	form = verify_form(&doc, &object);
	check_error(form, NSMC_E_DOC_CUT, NSMC_E_DIGEST, &object);
	by.roots = &doc.cabundle[0];
	by.time_s = (int64_t)(doc.timestamp_ms / 1000);
	by.leeway_s = NSMC_LEEWAY_DEFAULT_S;
	by.cache = cache;
	chain = verify_chain(&doc, &by, &leaf, &object);
	check_error(chain, NSMC_E_CERT_FORM, NSMC_E_LEAF_TIME, &object);
	if (chain == 0) {
		signature = verify_signature(&doc, &leaf, &object);
		check_error(signature, NSMC_E_ALGORITHM, NSMC_E_SIGNATURE,
			    &object);
	}
	/* The whole is its steps, in their order. */
	own = verify_by_itself(buf, &doc, cache,
			       signature == 0 || size % 8 == 0);
	if (own != -NSMC_E_ROOT)
		require(own == (form < 0  ? form :
				chain < 0 ? chain :
					    signature));
	/* A document that is good but for its root says so of the root. */
	require(whole == (form < 0 ? form : -NSMC_E_ROOT_OTHER));
	return 0;
}
