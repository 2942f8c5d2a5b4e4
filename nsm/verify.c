#include "nsm/verify.h"

#include <mbedtls/sha512.h>
#include <string.h>

#include "nsm/cache.h"
#include "nsm/item.h"
#include "nsm/object.h"

enum {
	SHA384_SIZE = 48,
	MS = 1000,
	HEAD_MAX = 9, /* bytes before a string in CBOR */
};

_Static_assert((int)SHA384_SIZE == (int)CACHE_KEY, "a link is known by it");

static bool bytes_equal(struct nsmc_bytes a, struct nsmc_bytes b)
{
	return a.len == b.len &&
	       (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/*
 * SHA-384 of the COUNT parts, one after the other; mbedTLS's own code cannot
 * fail.
 */
static void hash_parts(const struct nsmc_bytes *parts, size_t count,
		       uint8_t ret[SHA384_SIZE])
{
	mbedtls_sha512_context hash;

	mbedtls_sha512_init(&hash);
	(void)mbedtls_sha512_starts(&hash, 1);
	for (size_t i = 0; i < count; i++)
		if (parts[i].len > 0)
			(void)mbedtls_sha512_update(&hash, parts[i].data,
						    parts[i].len);
	(void)mbedtls_sha512_finish(&hash, ret);
	mbedtls_sha512_free(&hash);
}

/* --- the form --- */

static int check_form(const struct nsmc_doc *doc, struct nsmc_object *object)
{
	static const char sha384[] = "SHA384";
	const struct nsmc_bytes digest = { (const uint8_t *)sha384,
					   sizeof(sha384) - 1 };
	bool any = false;

	object_set(object, "protected header");
	if (doc->algorithm != NSMC_ALGORITHM_ES384)
		return -NSMC_E_ALGORITHM;
	object_set(object, "signature");
	if (doc->signature.len != CERTIFICATE_SIGNATURE)
		return -NSMC_E_SIGNATURE_LENGTH;
	object_set(object, "digest");
	if (!bytes_equal(doc->digest, digest))
		return -NSMC_E_DIGEST;
	for (unsigned i = 0; i < NSMC_PCR_COUNT; i++) {
		if (!doc->pcr[i].data)
			continue;
		any = true;
		object_set_number(object, "PCR", i, "");
		if (doc->pcr[i].len != NSMC_PCR_SIZE)
			return -NSMC_E_DIGEST;
	}
	object_set(object, "pcrs");
	return any ? 0 : -NSMC_E_DOC_RANGE;
}

int verify_form(const struct nsmc_doc *doc, struct nsmc_object *reterr_object)
{
	struct nsmc_object object;
	int r = check_form(doc, &object);

	if (r < 0 && reterr_object)
		*reterr_object = object;
	return r;
}

/* --- the chain --- */

static int check_time(const struct certificate *c,
		      const struct verify_chain *by)
{
	if (by->time_s + by->leeway_s < c->not_before)
		return -NSMC_E_CERT_NOT_YET;
	return by->time_s > c->not_after ? -NSMC_E_CERT_EXPIRED : 0;
}

static bool has_usage(const struct certificate *c, unsigned usage)
{
	return c->has_usage && c->usage & usage;
}

/* True if C may issue certificates, with BELOW authorities below it. */
static int check_authority(const struct certificate *c, size_t below)
{
	if (!c->is_ca)
		return -NSMC_E_CERT_NOT_CA;
	/* No extended purpose fits: NSMs' certificates have none. */
	if (!has_usage(c, CERTIFICATE_KEY_CERT_SIGN) || c->has_purpose)
		return -NSMC_E_CERT_KEY_USAGE;
	if (c->path_len >= 0 && (uint64_t)c->path_len < below)
		return -NSMC_E_CERT_PATH_LENGTH;
	return 0;
}

/* RFC 5280, 4.2.1.3 and 4.2.1.9: an issuer is an authority, and says so. */
static int check_leaf(const struct certificate *c)
{
	if (c->is_ca)
		return -NSMC_E_CERT_IS_CA;
	if (!has_usage(c, CERTIFICATE_DIGITAL_SIGNATURE) ||
	    has_usage(c, CERTIFICATE_KEY_CERT_SIGN) || c->has_purpose)
		return -NSMC_E_CERT_KEY_USAGE;
	return c->path_len >= 0 ? -NSMC_E_CERT_EXTENSION : 0;
}

/* True if the names and key identifiers of C match those of PARENT. */
static bool is_named(const struct certificate *c,
		     const struct certificate *parent)
{
	if (!bytes_equal(c->issuer, parent->subject))
		return false;
	if (c->authority_key_id.data && parent->key_id.data &&
	    !bytes_equal(c->authority_key_id, parent->key_id))
		return false;
	if (c->authority_serial.data &&
	    !bytes_equal(c->authority_serial, parent->serial))
		return false;
	return !c->authority_issuer.data ||
	       bytes_equal(c->authority_issuer, parent->issuer);
}

/* True if PARENT has issued C. */
static int check_issued(const struct certificate *c,
			const struct certificate *parent,
			struct nsmc_cache *cache)
{
	const struct nsmc_bytes link[] = { { parent->point, CERTIFICATE_POINT },
					   c->der };
	uint8_t key[SHA384_SIZE], hash[SHA384_SIZE];

	if (!is_named(c, parent))
		return -NSMC_E_CERT_ISSUER;
	if (!c->has_signature)
		return -NSMC_E_CERT_SIGNATURE;
	if (cache) {
		hash_parts(link, 2, key);
		if (cache_knows(cache, key))
			return 0;
	}
	hash_parts(&c->tbs, 1, hash);
	if (!es384_verify(hash, c->signature, parent->point))
		return -NSMC_E_CERT_SIGNATURE;
	cache_add(cache, key);
	return 0;
}

static int check_root(const struct nsmc_doc *doc, const struct verify_chain *by,
		      struct certificate *ret)
{
	size_t i = 0;
	int r;

	while (i < by->root_count &&
	       !bytes_equal(doc->cabundle[0], by->roots[i]))
		i++;
	if (i == by->root_count)
		return -NSMC_E_ROOT_OTHER;
	r = certificate_read(by->roots[i], ret);
	if (r == 0)
		r = check_time(ret, by);
	return r < 0 ? r : check_authority(ret, doc->cabundle_count - 1);
}

/* The certificate number I of the path: the bundle's, then the leaf. */
static int check_link(const struct nsmc_doc *doc, size_t i,
		      const struct verify_chain *by,
		      const struct certificate *parent, struct certificate *ret)
{
	bool leaf = i == doc->cabundle_count;
	int r;

	r = certificate_read(leaf ? doc->certificate : doc->cabundle[i], ret);
	if (r == 0)
		r = check_issued(ret, parent, by->cache);
	if (r == 0)
		r = check_time(ret, by);
	if (r < 0)
		return r;
	return leaf ? check_leaf(ret) :
		      check_authority(ret, doc->cabundle_count - 1 - i);
}

/*
 * The document must have been made while its leaf was valid, whatever the time
 * is now.
 */
static int check_made(const struct nsmc_doc *doc, const struct verify_chain *by,
		      const struct certificate *leaf)
{
	int64_t made_s = (int64_t)(doc->timestamp_ms / MS);

	return made_s < leaf->not_before - by->leeway_s ||
			       made_s > leaf->not_after + by->leeway_s ?
		       -NSMC_E_LEAF_TIME :
		       0;
}

static void name_link(const struct nsmc_doc *doc, size_t i,
		      struct nsmc_object *ret)
{
	if (i < doc->cabundle_count)
		object_set_number(ret, "cabundle[", (unsigned)i, "]");
	else
		object_set(ret, "certificate");
}

int verify_chain(const struct nsmc_doc *doc, const struct verify_chain *by,
		 struct certificate *ret_leaf,
		 struct nsmc_object *reterr_object)
{
	struct nsmc_object object;
	struct certificate c[2];
	size_t i;
	int r;

	/*
	 * nsmc_doc_parse never returns this, but a caller may fill in a
	 * document.
	 */
	if (doc->cabundle_count == 0 ||
	    doc->cabundle_count > NSMC_CABUNDLE_MAX) {
		object_set(reterr_object, "cabundle");
		return -NSMC_E_DOC_RANGE;
	}
	name_link(doc, 0, &object);
	r = check_root(doc, by, &c[0]);
	for (i = 1; r == 0 && i <= doc->cabundle_count; i++) {
		name_link(doc, i, &object);
		r = check_link(doc, i, by, &c[(i - 1) % 2], &c[i % 2]);
	}
	if (r == 0) {
		object_set(&object, "timestamp");
		*ret_leaf = c[doc->cabundle_count % 2];
		r = check_made(doc, by, ret_leaf);
	}
	if (r < 0 && reterr_object)
		*reterr_object = object;
	return r;
}

/* --- the signature --- */

/* RFC 9052, 4.4: ["Signature1", protected header, h'', payload], hashed. */
static void hash_sig_structure(const struct nsmc_doc *doc,
			       uint8_t ret[SHA384_SIZE])
{
	const struct nsmc_bytes strings[] = { doc->protected_header,
					      { NULL, 0 },
					      doc->payload };
	enum { STRINGS = sizeof(strings) / sizeof(strings[0]) };
	uint8_t begin[1 + 1 + 10], heads[STRINGS][HEAD_MAX];
	struct item_writer w = { .data = begin, .cap = sizeof(begin) };
	struct nsmc_bytes parts[1 + 2 * STRINGS];

	item_put_array(&w, 1 + STRINGS);
	item_put_text(&w, "Signature1");
	parts[0] = (struct nsmc_bytes){ begin, w.len };
	for (size_t i = 0; i < STRINGS; i++) {
		/* The shortest form of the length, as the signer wrote it. */
		w = (struct item_writer){ .data = heads[i], .cap = HEAD_MAX };
		item_put_bytes_head(&w, strings[i].len);
		parts[1 + 2 * i] = (struct nsmc_bytes){ heads[i], w.len };
		parts[2 + 2 * i] = strings[i];
	}
	hash_parts(parts, sizeof(parts) / sizeof(parts[0]), ret);
}

int verify_signature(const struct nsmc_doc *doc, const struct certificate *leaf,
		     struct nsmc_object *reterr_object)
{
	uint8_t hash[SHA384_SIZE];

	object_set(reterr_object, "signature");
	if (doc->algorithm != NSMC_ALGORITHM_ES384)
		return -NSMC_E_ALGORITHM;
	if (doc->signature.len != CERTIFICATE_SIGNATURE)
		return -NSMC_E_SIGNATURE_LENGTH;
	hash_sig_structure(doc, hash);
	return es384_verify(hash, doc->signature.data, leaf->point) ?
		       0 :
		       -NSMC_E_SIGNATURE;
}
