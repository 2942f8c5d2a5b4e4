/* For a certificate's signature and path length, which have no getters. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS

#include "nsm/verify.h"

#include <errno.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/sha512.h>
#include <mbedtls/x509_crt.h>
#include <string.h>

#include "nsm/object.h"

enum {
	SHA384_SIZE = 48,
	VERSION_3 = 3,
};

static bool bytes_equal(struct nsmc_bytes a, struct nsmc_bytes b)
{
	return a.len == b.len &&
	       (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool buf_equal(const mbedtls_x509_buf *a, const mbedtls_x509_buf *b)
{
	return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

/*
 * mbedTLS adds a low-level code (7 bits) to a high-level one. Out of memory is
 * no verdict on what is verified.
 */
static bool is_out_of_memory(int e)
{
	int low = -e & 0x7f, high = -e & ~0x7f;

	return low == -MBEDTLS_ERR_ASN1_ALLOC_FAILED ||
	       low == -MBEDTLS_ERR_MPI_ALLOC_FAILED ||
	       high == -MBEDTLS_ERR_X509_ALLOC_FAILED ||
	       high == -MBEDTLS_ERR_PK_ALLOC_FAILED ||
	       high == -MBEDTLS_ERR_ECP_ALLOC_FAILED;
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
	if (doc->signature.len != VERIFY_SIGNATURE)
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

int nsmc_doc_check_form(const struct nsmc_doc *doc,
			struct nsmc_object *reterr_object)
{
	struct nsmc_object object;
	int r = check_form(doc, &object);

	if (r < 0 && reterr_object)
		*reterr_object = object;
	return r;
}

/* --- one certificate --- */

static int form_error(int e)
{
	int high = -e & ~0x7f;

	if (is_out_of_memory(e))
		return -ENOMEM;
	if (high == -MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG ||
	    high == -MBEDTLS_ERR_X509_SIG_MISMATCH)
		return -NSMC_E_CERT_ALGORITHM;
	if (high == -MBEDTLS_ERR_X509_UNKNOWN_VERSION)
		return -NSMC_E_CERT_VERSION;
	if (high == -MBEDTLS_ERR_X509_INVALID_EXTENSIONS)
		return -NSMC_E_CERT_EXTENSION;
	/* What no configured curve or key type is good for. */
	if (high == -MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE ||
	    high == -MBEDTLS_ERR_PK_UNKNOWN_PK_ALG ||
	    high == -MBEDTLS_ERR_PK_INVALID_PUBKEY ||
	    high == -MBEDTLS_ERR_PK_INVALID_ALG ||
	    high == -MBEDTLS_ERR_PK_KEY_INVALID_FORMAT ||
	    high == -MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE ||
	    high == -MBEDTLS_ERR_ECP_INVALID_KEY ||
	    high == -MBEDTLS_ERR_ECP_BAD_INPUT_DATA ||
	    high == -MBEDTLS_ERR_ECP_FEATURE_UNAVAILABLE)
		return -NSMC_E_CERT_KEY;
	return -NSMC_E_CERT_FORM;
}

/*
 * Parses DER into CRT, which was initialised and points into DER afterwards.
 * mbedTLS refuses unknown critical extensions and points off the curve.
 */
static int parse_cert(struct nsmc_bytes der, mbedtls_x509_crt *crt)
{
	const mbedtls_ecp_keypair *key;
	int e = mbedtls_x509_crt_parse_der_nocopy(crt, der.data, der.len);

	if (e != 0)
		return form_error(e);
	/* It would pass over what comes after. */
	if (crt->raw.len != der.len || crt->next)
		return -NSMC_E_CERT_FORM;
	if (crt->version != VERSION_3)
		return -NSMC_E_CERT_VERSION;
	if (MBEDTLS_OID_CMP(MBEDTLS_OID_ECDSA_SHA384, &crt->sig_oid) != 0)
		return -NSMC_E_CERT_ALGORITHM;
	key = mbedtls_pk_ec(crt->pk);
	if (!key || mbedtls_pk_get_type(&crt->pk) != MBEDTLS_PK_ECKEY ||
	    key->grp.id != MBEDTLS_ECP_DP_SECP384R1)
		return -NSMC_E_CERT_KEY;
	return 0;
}

int64_t verify_time(int year, int month, int day, int hour, int minute,
		    int second)
{
	/* The year begins in March, so that a leap day is its last. */
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t m = month <= 2 ? month + 9 : month - 3;
	int64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 +
		       day - 1;

	/* 719468: the days from 0000-03-01 to 1970-01-01 */
	return (days - 719468) * 86400 + hour * 3600 + minute * 60 + second;
}

static int64_t seconds_of(const mbedtls_x509_time *t)
{
	return verify_time(t->year, t->mon, t->day, t->hour, t->min, t->sec);
}

static int check_time(const mbedtls_x509_crt *crt, int64_t time_s)
{
	if (time_s < seconds_of(&crt->valid_from))
		return -NSMC_E_CERT_NOT_YET;
	return time_s > seconds_of(&crt->valid_to) ? -NSMC_E_CERT_EXPIRED : 0;
}

/* Whether CRT has a key usage, and USAGE in it; mbedTLS takes none for all. */
static bool has_usage(const mbedtls_x509_crt *crt, unsigned usage)
{
	return mbedtls_x509_crt_has_ext_type(crt, MBEDTLS_X509_EXT_KEY_USAGE) &&
	       mbedtls_x509_crt_check_key_usage(crt, usage) == 0;
}

/* No usage there is would be ours: NSMs' certificates have none. */
static bool is_for_else(const mbedtls_x509_crt *crt)
{
	return mbedtls_x509_crt_has_ext_type(
		crt, MBEDTLS_X509_EXT_EXTENDED_KEY_USAGE);
}

/* Whether CRT may issue what it does with BELOW authorities below it. */
static int check_authority(const mbedtls_x509_crt *crt, size_t below)
{
	if (mbedtls_x509_crt_get_ca_istrue(crt) != 1)
		return -NSMC_E_CERT_NOT_CA;
	if (!has_usage(crt, MBEDTLS_X509_KU_KEY_CERT_SIGN) || is_for_else(crt))
		return -NSMC_E_CERT_KEY_USAGE;
	/* 0: no limit; else one more than it. */
	if (crt->max_pathlen > 0 && (size_t)crt->max_pathlen - 1 < below)
		return -NSMC_E_CERT_PATH_LENGTH;
	return 0;
}

static int check_leaf(const mbedtls_x509_crt *crt)
{
	if (mbedtls_x509_crt_get_ca_istrue(crt) == 1)
		return -NSMC_E_CERT_IS_CA;
	if (!has_usage(crt, MBEDTLS_X509_KU_DIGITAL_SIGNATURE) ||
	    is_for_else(crt))
		return -NSMC_E_CERT_KEY_USAGE;
	return 0;
}

/* Whether PARENT has issued CRT. */
static int check_issued(const mbedtls_x509_crt *crt, mbedtls_x509_crt *parent)
{
	uint8_t hash[SHA384_SIZE];
	int e;

	if (!buf_equal(&crt->issuer_raw, &parent->subject_raw))
		return -NSMC_E_CERT_ISSUER;
	e = mbedtls_sha512(crt->tbs.p, crt->tbs.len, hash, 1);
	if (e == 0)
		e = mbedtls_pk_verify(&parent->pk, MBEDTLS_MD_SHA384, hash,
				      sizeof(hash), crt->sig.p, crt->sig.len);
	if (e == 0)
		return 0;
	return is_out_of_memory(e) ? -ENOMEM : -NSMC_E_CERT_SIGNATURE;
}

/* --- the chain --- */

static int check_root(struct nsmc_bytes root, const struct nsmc_doc *doc,
		      int64_t time_s, mbedtls_x509_crt *ret)
{
	int e = parse_cert(root, ret);

	if (e < 0)
		return e == -ENOMEM ? e : -NSMC_E_ROOT;
	if (!bytes_equal(doc->cabundle[0], root))
		return -NSMC_E_ROOT_OTHER;
	e = check_time(ret, time_s);
	return e < 0 ? e : check_authority(ret, doc->cabundle_count - 1);
}

/*
 * The certificate number I of the path: the bundle's, then the leaf. Its parent
 * may go after that.
 */
static int check_link(const struct nsmc_doc *doc, size_t i, int64_t time_s,
		      mbedtls_x509_crt *parent, mbedtls_x509_crt *ret)
{
	bool leaf = i == doc->cabundle_count;
	int e;

	e = parse_cert(leaf ? doc->certificate : doc->cabundle[i], ret);
	if (e == 0)
		e = check_issued(ret, parent);
	if (e == 0)
		e = check_time(ret, time_s);
	if (e < 0)
		return e;
	return leaf ? check_leaf(ret) :
		      check_authority(ret, doc->cabundle_count - 1 - i);
}

int nsmc_doc_check_chain(const struct nsmc_doc *doc, struct nsmc_bytes root,
			 int64_t time_s, struct nsmc_object *reterr_object)
{
	struct nsmc_object object;
	mbedtls_x509_crt crt[2];
	size_t i;
	int e;

	/* As nsmc_doc_parse gives none; but anybody may fill in a document. */
	if (doc->cabundle_count == 0 ||
	    doc->cabundle_count > NSMC_CABUNDLE_MAX) {
		object_set(reterr_object, "cabundle");
		return -NSMC_E_DOC_RANGE;
	}
	mbedtls_x509_crt_init(&crt[0]);
	mbedtls_x509_crt_init(&crt[1]);
	e = check_root(root.data ? root : nsmc_aws_root(), doc, time_s,
		       &crt[0]);
	object_set(&object, e == -NSMC_E_ROOT ? "root" : "cabundle[0]");
	for (i = 1; e == 0 && i <= doc->cabundle_count; i++) {
		if (i < doc->cabundle_count)
			object_set_number(&object, "cabundle[", (unsigned)i,
					  "]");
		else
			object_set(&object, "certificate");
		e = check_link(doc, i, time_s, &crt[(i - 1) % 2], &crt[i % 2]);
		mbedtls_x509_crt_free(&crt[(i - 1) % 2]);
	}
	mbedtls_x509_crt_free(&crt[0]);
	mbedtls_x509_crt_free(&crt[1]);
	if (e < 0 && reterr_object)
		*reterr_object = object;
	return e;
}

/* --- the signature --- */

/* RFC 8152, 4.4: ["Signature1", protected header, h'', payload], hashed. */
static int hash_sig_structure(const struct nsmc_doc *doc,
			      uint8_t ret[SHA384_SIZE])
{
	static const uint8_t begin[] = "\x84\x6a"
				       "Signature1";
	const struct nsmc_bytes parts[] = { doc->protected_header,
					    { NULL, 0 },
					    doc->payload };
	mbedtls_sha512_context hash;
	uint8_t head[3];
	size_t n;
	int e;

	mbedtls_sha512_init(&hash);
	e = mbedtls_sha512_starts(&hash, 1);
	if (e == 0)
		e = mbedtls_sha512_update(&hash, begin, sizeof(begin) - 1);
	for (size_t i = 0; e == 0 && i < sizeof(parts) / sizeof(parts[0]);
	     i++) {
		/* The shortest form of the length, as the signer wrote it. */
		n = 0;
		if (parts[i].len < 24) {
			head[n++] = (uint8_t)(0x40 | parts[i].len);
		} else if (parts[i].len < 256) {
			head[n++] = 0x58;
			head[n++] = (uint8_t)parts[i].len;
		} else {
			head[n++] = 0x59;
			head[n++] = (uint8_t)(parts[i].len >> 8);
			head[n++] = (uint8_t)parts[i].len;
		}
		e = mbedtls_sha512_update(&hash, head, n);
		if (e == 0 && parts[i].len > 0)
			e = mbedtls_sha512_update(&hash, parts[i].data,
						  parts[i].len);
	}
	if (e == 0)
		e = mbedtls_sha512_finish(&hash, ret);
	mbedtls_sha512_free(&hash);
	return e;
}

int verify_es384(const uint8_t hash[NSMC_PCR_SIZE],
		 const uint8_t sig[VERIFY_SIGNATURE],
		 const uint8_t point[VERIFY_POINT])
{
	enum { HALF = VERIFY_SIGNATURE / 2 };
	mbedtls_ecp_group group;
	mbedtls_ecp_point q;
	mbedtls_mpi r, s;
	int e, result;

	mbedtls_ecp_group_init(&group);
	mbedtls_ecp_point_init(&q);
	mbedtls_mpi_init(&r);
	mbedtls_mpi_init(&s);

	result = -NSMC_E_CERT_KEY;
	e = mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_SECP384R1);
	if (e == 0)
		e = mbedtls_ecp_point_read_binary(&group, &q, point,
						  VERIFY_POINT);
	if (e == 0)
		e = mbedtls_ecp_check_pubkey(&group, &q);
	if (e != 0)
		goto out;

	result = -NSMC_E_SIGNATURE;
	e = mbedtls_mpi_read_binary(&r, sig, HALF);
	if (e == 0)
		e = mbedtls_mpi_read_binary(&s, sig + HALF, HALF);
	if (e == 0)
		e = mbedtls_ecdsa_verify(&group, hash, NSMC_PCR_SIZE, &q, &r,
					 &s);
	if (e == 0)
		result = 0;
out:
	if (e != 0 && is_out_of_memory(e))
		result = -ENOMEM;
	mbedtls_mpi_free(&s);
	mbedtls_mpi_free(&r);
	mbedtls_ecp_point_free(&q);
	mbedtls_ecp_group_free(&group);
	return result;
}

static int check_signature(const struct nsmc_doc *doc,
			   struct nsmc_object *object)
{
	uint8_t hash[SHA384_SIZE], point[VERIFY_POINT];
	mbedtls_x509_crt crt;
	const mbedtls_ecp_keypair *key;
	size_t n;
	int e;

	object_set(object, "signature");
	if (doc->algorithm != NSMC_ALGORITHM_ES384)
		return -NSMC_E_ALGORITHM;
	if (doc->signature.len != VERIFY_SIGNATURE)
		return -NSMC_E_SIGNATURE_LENGTH;

	mbedtls_x509_crt_init(&crt);
	object_set(object, "certificate");
	e = parse_cert(doc->certificate, &crt);
	if (e < 0)
		goto out;
	object_set(object, "signature");
	key = mbedtls_pk_ec(crt.pk);
	e = !key ? MBEDTLS_ERR_PK_TYPE_MISMATCH :
		   mbedtls_ecp_point_write_binary(&key->grp, &key->Q,
						  MBEDTLS_ECP_PF_UNCOMPRESSED,
						  &n, point, sizeof(point));
	if (e == 0)
		e = hash_sig_structure(doc, hash);
	if (e != 0)
		e = is_out_of_memory(e) ? -ENOMEM : -NSMC_E_SIGNATURE;
	else
		e = verify_es384(hash, doc->signature.data, point);
out:
	mbedtls_x509_crt_free(&crt);
	return e;
}

int nsmc_doc_check_signature(const struct nsmc_doc *doc,
			     struct nsmc_object *reterr_object)
{
	struct nsmc_object object;
	int r = check_signature(doc, &object);

	if (r < 0 && reterr_object)
		*reterr_object = object;
	return r;
}
