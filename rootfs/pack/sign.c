#include "rootfs/pack/sign.h"

#include <cbor/encoding.h>
#include <errno.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/error.h>
#include <mbedtls/md.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <mbedtls/pk.h>
#include <mbedtls/sha512.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "nsm/item.h"
#include "rootfs/pack/fault.h"
#include "rootfs/pack/spool.h"

enum {
	PEM_MAX = 65536,   /* bytes of a key's or certificate's file */
	PAYLOAD_CAP = 160, /* holds PCR0 as it is signed */
	COSE_CAP = 512,	   /* holds that, and the longest signature */
	HALF_MAX = 66,	   /* bytes of r and of s on P-521 */
	COSE_SIGN1 = 18,   /* the tag, which may be there */
	COSE_ALG = 1,
};

static const char signing_certificate[] = "signing_certificate";
static const char signature_key[] = "signature";

/* RFC 9053, 2.1; as AWS's library has it, the curve alone says which. */
struct curve {
	mbedtls_ecp_group_id id;
	unsigned alg; /* -1 - ALG is the algorithm's number */
	mbedtls_md_type_t md;
	size_t half; /* bytes of r and of s */
};

static const struct curve curves[] = {
	{ MBEDTLS_ECP_DP_SECP256R1, 6, MBEDTLS_MD_SHA256, 32 },
	{ MBEDTLS_ECP_DP_SECP384R1, 34, MBEDTLS_MD_SHA384, 48 },
	{ MBEDTLS_ECP_DP_SECP521R1, 35, MBEDTLS_MD_SHA512, HALF_MAX },
};

struct sign_key {
	mbedtls_pk_context pk;
	const struct curve *curve;
	mbedtls_x509_crt cert;
	char *pem; /* all of the certificate's file */
	size_t pem_len;
};

/* --- mbedTLS --- */

/* Blinds what is computed with the key; no signature depends on it. */
static int random_bytes(void *ctx, unsigned char *buf, size_t len)
{
	ssize_t n;

	(void)ctx;
	while (len > 0) {
		n = getrandom(buf, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return MBEDTLS_ERR_ECP_RANDOM_FAILED;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

static int refuse_mbedtls(struct fault *f, int code, const char *what)
{
	char text[200];

	mbedtls_strerror(code, text, sizeof(text));
	return fault_refuse(f, "%s: %s", what, text);
}

static const struct curve *curve_of(const mbedtls_pk_context *pk)
{
	mbedtls_ecp_group_id id;

	if (mbedtls_pk_get_type(pk) != MBEDTLS_PK_ECKEY)
		return NULL;
	id = mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(*pk));
	for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
		if (curves[i].id == id)
			return &curves[i];
	return NULL;
}

/* --- CBOR --- */

struct out {
	uint8_t *data;
	size_t len, cap;
	bool is_full;
};

static void wrote(struct out *o, size_t n)
{
	o->len += n;
	if (n == 0)
		o->is_full = true;
}

static void put(struct out *o, const void *data, size_t len)
{
	if (len > o->cap - o->len) {
		o->is_full = true;
		return;
	}
	if (len > 0)
		memcpy(o->data + o->len, data, len);
	o->len += len;
}

static void put_uint(struct out *o, uint64_t v)
{
	wrote(o, cbor_encode_uint(v, o->data + o->len, o->cap - o->len));
}

static void put_negative(struct out *o, uint64_t v)
{
	wrote(o, cbor_encode_negint(v, o->data + o->len, o->cap - o->len));
}

static void put_array(struct out *o, size_t n)
{
	wrote(o, cbor_encode_array_start(n, o->data + o->len, o->cap - o->len));
}

static void put_map(struct out *o, size_t n)
{
	wrote(o, cbor_encode_map_start(n, o->data + o->len, o->cap - o->len));
}

static void put_text(struct out *o, const char *s)
{
	wrote(o, cbor_encode_string_start(strlen(s), o->data + o->len,
					  o->cap - o->len));
	put(o, s, strlen(s));
}

static void put_bytes(struct out *o, const void *data, size_t len)
{
	wrote(o, cbor_encode_bytestring_start(len, o->data + o->len,
					      o->cap - o->len));
	put(o, data, len);
}

/* Bytes as serde writes them where nobody told it that they are. */
static void put_integers(struct out *o, const uint8_t *data, size_t len)
{
	put_array(o, len);
	for (size_t i = 0; i < len; i++)
		put_uint(o, data[i]);
}

static void put_protected(struct out *o, const struct curve *c)
{
	put_map(o, 1);
	put_uint(o, COSE_ALG);
	put_negative(o, c->alg);
}

static void put_payload(struct out *o, const uint8_t pcr0[EIF_HASH])
{
	put_map(o, 2);
	put_text(o, "register_index");
	put_uint(o, 0);
	put_text(o, "register_value");
	put_integers(o, pcr0, EIF_HASH);
}

/* --- what is signed --- */

struct bytes {
	const uint8_t *data;
	size_t len;
};

/* The hash of RFC 9052's Sig_structure, which is MD's. */
static int hash_signed(const struct curve *c, struct bytes protected,
		       struct bytes payload, uint8_t hash[MBEDTLS_MD_MAX_SIZE],
		       struct fault *reterr)
{
	uint8_t buf[COSE_CAP];
	struct out o = { .data = buf, .cap = sizeof(buf) };
	int r;

	put_array(&o, 4);
	put_text(&o, "Signature1");
	put_bytes(&o, protected.data, protected.len);
	put_bytes(&o, NULL, 0);
	put_bytes(&o, payload.data, payload.len);
	if (o.is_full)
		return fault_refuse(reterr, "the signature: too long");
	r = mbedtls_md(mbedtls_md_info_from_type(c->md), buf, o.len, hash);
	if (r)
		return refuse_mbedtls(reterr, r, "hash");
	return 0;
}

static size_t hash_len(const struct curve *c)
{
	return mbedtls_md_get_size(mbedtls_md_info_from_type(c->md));
}

/* Whether SIGNATURE, r and s, is PK's of HASH. */
static bool is_signature(const mbedtls_pk_context *pk, const struct curve *c,
			 const uint8_t *hash, const uint8_t *signature)
{
	mbedtls_ecp_group group;
	mbedtls_ecp_point q;
	mbedtls_mpi r, s;
	bool good;

	mbedtls_ecp_group_init(&group);
	mbedtls_ecp_point_init(&q);
	mbedtls_mpi_init(&r);
	mbedtls_mpi_init(&s);
	good = mbedtls_ecp_export(mbedtls_pk_ec(*pk), &group, NULL, &q) == 0 &&
	       mbedtls_mpi_read_binary(&r, signature, c->half) == 0 &&
	       mbedtls_mpi_read_binary(&s, signature + c->half, c->half) == 0 &&
	       mbedtls_ecdsa_verify(&group, hash, hash_len(c), &q, &r, &s) == 0;
	mbedtls_mpi_free(&s);
	mbedtls_mpi_free(&r);
	mbedtls_ecp_point_free(&q);
	mbedtls_ecp_group_free(&group);
	return good;
}

static int make_signature(const struct sign_key *key, const uint8_t *hash,
			  uint8_t *ret, struct fault *reterr)
{
	const struct curve *c = key->curve;
	mbedtls_ecp_group group;
	mbedtls_mpi d, r, s;
	int code;

	mbedtls_ecp_group_init(&group);
	mbedtls_mpi_init(&d);
	mbedtls_mpi_init(&r);
	mbedtls_mpi_init(&s);
	code = mbedtls_ecp_export(mbedtls_pk_ec(key->pk), &group, &d, NULL);
	if (code == 0)
		code = mbedtls_ecdsa_sign_det_ext(&group, &r, &s, &d, hash,
						  hash_len(c), c->md,
						  random_bytes, NULL);
	if (code == 0)
		code = mbedtls_mpi_write_binary(&r, ret, c->half);
	if (code == 0)
		code = mbedtls_mpi_write_binary(&s, ret + c->half, c->half);
	mbedtls_mpi_free(&s);
	mbedtls_mpi_free(&r);
	mbedtls_mpi_free(&d);
	mbedtls_ecp_group_free(&group);
	if (code)
		return refuse_mbedtls(reterr, code, "sign");
	/* A fault of the machine must not get out: it can tell the key. */
	if (!is_signature(&key->cert.pk, c, hash, ret))
		return fault_refuse(reterr, "the signature made is wrong");
	return 0;
}

/* --- certificates --- */

static int pcr8_of(const mbedtls_x509_crt *cert, uint8_t ret[EIF_HASH])
{
	uint8_t buf[2 * EIF_HASH] = { 0 };
	int r;

	r = mbedtls_sha512(cert->raw.p, cert->raw.len, buf + EIF_HASH, 1);
	return r ? r : mbedtls_sha512(buf, sizeof(buf), ret, 1);
}

/*
 * The first certificate of TEXT, which has a NUL at LEN. OpenSSL, by which AWS
 * reads, sees a beginning on a line of its own only, and has other names for some: what
 * two readers could take for two certificates is refused.
 */
static int read_cert(const char *text, size_t len, mbedtls_x509_crt *cert,
		     struct fault *reterr)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----";
	static const char end[] = "-----END CERTIFICATE-----";
	const unsigned char *der;
	mbedtls_pem_context pem;
	const char *first;
	size_t n;
	int r;

	if (strlen(text) != len)
		return fault_refuse(reterr,
				    "not a PEM certificate: a NUL byte at "
				    "offset %zu",
				    strlen(text));
	first = strstr(text, "-----BEGIN ");
	if (!first || strncmp(first, begin, sizeof(begin) - 1) != 0 ||
	    (first > text && first[-1] != '\n'))
		return fault_refuse(reterr, "does not begin with a PEM "
					    "certificate");
	mbedtls_pem_init(&pem);
	r = mbedtls_pem_read_buffer(&pem, begin, end,
				    (const unsigned char *)text, NULL, 0, &n);
	if (r == 0) {
		der = mbedtls_pem_get_buffer(&pem, &n);
		r = mbedtls_x509_crt_parse_der(cert, der, n);
	}
	mbedtls_pem_free(&pem);
	if (r)
		return refuse_mbedtls(reterr, r, "not a certificate");
	return 0;
}

static int64_t seconds(const mbedtls_x509_time *t)
{
	struct tm tm = {
		.tm_year = t->year - 1900,
		.tm_mon = t->mon - 1,
		.tm_mday = t->day,
		.tm_hour = t->hour,
		.tm_min = t->min,
		.tm_sec = t->sec,
	};

	return timegm(&tm);
}

static void format_time(const mbedtls_x509_time *t, char ret[SIGN_TIME_CAP])
{
	(void)snprintf(ret, SIGN_TIME_CAP, "%04d-%02d-%02dT%02d:%02d:%02dZ",
		       t->year, t->mon, t->day, t->hour, t->min, t->sec);
}

static int check_time(const mbedtls_x509_crt *cert, time_t now,
		      struct fault *reterr)
{
	char from[SIGN_TIME_CAP], to[SIGN_TIME_CAP];

	format_time(&cert->valid_from, from);
	format_time(&cert->valid_to, to);
	if (now < seconds(&cert->valid_from))
		return fault_refuse(reterr,
				    "not yet valid: from %s to %s; no enclave "
				    "would start before",
				    from, to);
	if (now > seconds(&cert->valid_to))
		return fault_refuse(reterr,
				    "expired: from %s to %s; no enclave would "
				    "start",
				    from, to);
	return 0;
}

/* --- keys --- */

static int read_key(const char *text, size_t len, struct sign_key *key,
		    struct fault *reterr)
{
	int r;

	if (strlen(text) != len || !strstr(text, "PRIVATE KEY-----"))
		return fault_refuse(reterr, "not a PEM private key");
	if (strstr(text, "-----BEGIN ENCRYPTED PRIVATE KEY-----") ||
	    strstr(text, "4,ENCRYPTED"))
		return fault_refuse(reterr,
				    "encrypted; a key for mkeif is not "
				    "(openssl pkey -in KEY -out PLAIN)");
	r = mbedtls_pk_parse_key(&key->pk, (const unsigned char *)text, len + 1,
				 NULL, 0, random_bytes, NULL);
	if (r == 0)
		key->curve = curve_of(&key->pk);
	if ((r == 0 && !key->curve) || r == MBEDTLS_ERR_PK_UNKNOWN_PK_ALG ||
	    r == MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE ||
	    r == MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE)
		return fault_refuse(reterr,
				    "%s key; images are signed on the curves "
				    "P-256, P-384 and P-521 only",
				    r == 0 ? mbedtls_pk_get_name(&key->pk) :
					     "another kind of");
	if (r)
		return refuse_mbedtls(reterr, r, "not a private key");
	return 0;
}

static int load_key(const char *path, struct sign_key *key,
		    struct fault *reterr)
{
	char *text = NULL;
	size_t len;
	int r;

	if (content_slurp_path(path, PEM_MAX, &text, &len, reterr) < 0)
		return -1;
	r = read_key(text, len, key, reterr);
	explicit_bzero(text, len);
	free(text);
	return r < 0 ? fault_prefix(reterr, "%s", path) : 0;
}

static int load_cert(const char *path, struct sign_key *key,
		     struct fault *reterr)
{
	if (content_slurp_path(path, PEM_MAX, &key->pem, &key->pem_len,
			       reterr) < 0)
		return -1;
	/* All of the file gets into the image. */
	if (strstr(key->pem, "PRIVATE KEY-----"))
		return fault_refuse(reterr,
				    "%s: has a private key in it, which would "
				    "be in the image",
				    path);
	if (read_cert(key->pem, key->pem_len, &key->cert, reterr) < 0)
		return fault_prefix(reterr, "%s", path);
	return 0;
}

int sign_key_load(const char *key_path, const char *cert_path,
		  struct sign_key **ret, struct fault *reterr)
{
	struct sign_key *key = calloc(1, sizeof(*key));

	if (!key)
		return fault_system(reterr, ENOMEM, "%s", key_path);
	mbedtls_pk_init(&key->pk);
	mbedtls_x509_crt_init(&key->cert);
	if (load_key(key_path, key, reterr) < 0 ||
	    load_cert(cert_path, key, reterr) < 0)
		goto fail;
	if (mbedtls_pk_check_pair(&key->cert.pk, &key->pk, random_bytes,
				  NULL)) {
		(void)fault_refuse(reterr, "%s: of another key than %s",
				   cert_path, key_path);
		goto fail;
	}
	if (check_time(&key->cert, time(NULL), reterr) < 0) {
		(void)fault_prefix(reterr, "%s", cert_path);
		goto fail;
	}
	*ret = key;
	return 0;
fail:
	sign_key_free(key);
	return -1;
}

void sign_key_free(struct sign_key *key)
{
	if (!key)
		return;
	mbedtls_x509_crt_free(&key->cert);
	mbedtls_pk_free(&key->pk);
	free(key->pem);
	free(key);
}

int sign_write(const struct sign_key *key, struct eif_writer *w,
	       struct eif_pcrs *ret, struct fault *reterr)
{
	uint8_t *section;
	size_t len;
	int r;

	if (eif_writer_measure(w, ret, reterr) < 0)
		return -1;
	if (!key)
		return 0;
	if (sign_pcr0(key, ret->pcr0, &section, &len, ret->pcr8, reterr) < 0)
		return -1;
	ret->has_pcr8 = true;
	r = eif_writer_add_bytes(w, EIF_SIGNATURE, section, len, reterr);
	free(section);
	return r;
}

int sign_cert_pcr8(const char *path, uint8_t ret[EIF_HASH],
		   struct fault *reterr)
{
	mbedtls_x509_crt cert;
	char *text = NULL;
	size_t len;
	int r;

	if (content_slurp_path(path, PEM_MAX, &text, &len, reterr) < 0)
		return -1;
	mbedtls_x509_crt_init(&cert);
	r = read_cert(text, len, &cert, reterr);
	if (r < 0)
		(void)fault_prefix(reterr, "%s", path);
	else if (pcr8_of(&cert, ret))
		r = fault_refuse(reterr, "%s: hash", path);
	mbedtls_x509_crt_free(&cert);
	free(text);
	return r;
}

/* --- writing --- */

static int make_cose(const struct sign_key *key, const uint8_t pcr0[EIF_HASH],
		     struct out *cose, struct fault *reterr)
{
	uint8_t head[8], body[PAYLOAD_CAP], hash[MBEDTLS_MD_MAX_SIZE];
	uint8_t signature[2 * HALF_MAX];
	struct out protected = { .data = head, .cap = sizeof(head) };
	struct out payload = { .data = body, .cap = sizeof(body) };

	put_protected(&protected, key->curve);
	put_payload(&payload, pcr0);
	if (hash_signed(key->curve, (struct bytes){ head, protected.len },
			(struct bytes){ body, payload.len }, hash,
			reterr) < 0 ||
	    make_signature(key, hash, signature, reterr) < 0)
		return -1;
	put_array(cose, 4);
	put_bytes(cose, head, protected.len);
	put_map(cose, 0);
	put_bytes(cose, body, payload.len);
	put_bytes(cose, signature, 2 * key->curve->half);
	return 0;
}

int sign_pcr0(const struct sign_key *key, const uint8_t pcr0[EIF_HASH],
	      uint8_t **ret, size_t *ret_len, uint8_t ret_pcr8[EIF_HASH],
	      struct fault *reterr)
{
	uint8_t buf[COSE_CAP], pcr8[EIF_HASH];
	struct out cose = { .data = buf, .cap = sizeof(buf) }, o;

	if (make_cose(key, pcr0, &cose, reterr) < 0)
		return -1;
	if (pcr8_of(&key->cert, pcr8))
		return fault_refuse(reterr, "the certificate's hash");
	o = (struct out){ .data = malloc(EIF_SIGNATURE_MAX),
			  .cap = EIF_SIGNATURE_MAX };
	if (!o.data)
		return fault_system(reterr, ENOMEM, "sign");
	put_array(&o, 1);
	put_map(&o, 2);
	put_text(&o, signing_certificate);
	put_integers(&o, (const uint8_t *)key->pem, key->pem_len);
	put_text(&o, signature_key);
	put_integers(&o, buf, cose.len);
	if (o.is_full) {
		free(o.data);
		return fault_refuse(reterr,
				    "a certificate of %zu bytes: the signature "
				    "section would be longer than %d bytes",
				    key->pem_len, EIF_SIGNATURE_MAX);
	}
	*ret = o.data;
	*ret_len = o.len;
	memcpy(ret_pcr8, pcr8, EIF_HASH);
	return 0;
}

/* --- reading --- */

/* What of a section is read: both point into a buffer. */
struct signature {
	struct bytes pem, cose;
};

/* An array of integers, collapsed to the end of *O. */
static int read_integers(struct item_reader *in, struct out *o,
			 struct bytes *ret)
{
	struct item i;
	uint64_t count;
	int r;

	r = item_next_of(in, ITEM_ARRAY, &i);
	if (r < 0)
		return r;
	count = i.value;
	/* The name a second time, or more than all of the section could be. */
	if (ret->data || count > o->cap - o->len)
		return -EBADMSG;
	ret->data = o->data + o->len;
	ret->len = (size_t)count;
	while (count-- > 0) {
		r = item_next_of(in, ITEM_UINT, &i);
		if (r < 0)
			return r;
		if (i.value > UINT8_MAX)
			return -EBADMSG;
		o->data[o->len++] = (uint8_t)i.value;
	}
	return 0;
}

/* The first of the signatures; AWS's reader uses no other. */
static int read_first(struct item_reader *in, struct out *o,
		      struct signature *ret)
{
	struct item i;
	uint64_t count;
	int r;

	r = item_next_of(in, ITEM_MAP, &i);
	if (r < 0)
		return r;
	for (count = i.value; count > 0; count--) {
		r = item_next_of(in, ITEM_TEXT, &i);
		if (r < 0)
			return r;
		if (item_is_text(&i, signing_certificate)) {
			r = read_integers(in, o, &ret->pem);
			/* A NUL behind, for the PEM reader. */
			if (r == 0 && o->len < o->cap)
				o->data[o->len++] = '\0';
		} else if (item_is_text(&i, signature_key)) {
			r = read_integers(in, o, &ret->cose);
		} else {
			r = item_skip(in);
		}
		if (r < 0)
			return r;
	}
	return ret->pem.data && ret->cose.data ? 0 : -EBADMSG;
}

static int read_section(struct item_reader *in, struct out *o,
			struct signature *ret)
{
	struct item i;
	uint64_t count;
	int r;

	r = item_next_of(in, ITEM_ARRAY, &i);
	if (r < 0)
		return r;
	if (i.value == 0)
		return -EBADMSG;
	count = i.value - 1;
	r = read_first(in, o, ret);
	while (r == 0 && count-- > 0)
		r = item_skip(in);
	return r == 0 && in->left > 0 ? -EBADMSG : r;
}

struct cose {
	struct bytes protected, payload, signature;
	uint64_t alg; /* -1 - ALG is the number */
};

/* {1: ALG} and no more: what may be beside it changes nothing, or is critical. */
static int read_protected(struct bytes in, uint64_t *ret)
{
	struct item_reader r = { in.data, in.len };
	struct item map, label, alg;

	if (item_next_of(&r, ITEM_MAP, &map) < 0 || map.value != 1 ||
	    item_next_of(&r, ITEM_UINT, &label) < 0 ||
	    label.value != COSE_ALG ||
	    item_next_of(&r, ITEM_NEGATIVE, &alg) < 0 || r.left > 0)
		return -EBADMSG;
	*ret = alg.value;
	return 0;
}

static int read_bytes(struct item_reader *in, struct bytes *ret)
{
	struct item i;
	int r = item_next_of(in, ITEM_BYTES, &i);

	if (r == 0)
		*ret = (struct bytes){ i.data, i.len };
	return r;
}

static int read_cose(struct item_reader *in, struct cose *ret)
{
	struct item i;
	int r;

	r = item_next(in, &i);
	if (r == 0 && i.type == ITEM_TAG && i.value == COSE_SIGN1)
		r = item_next(in, &i);
	if (r < 0)
		return r;
	if (i.type != ITEM_ARRAY || i.value != 4)
		return -EBADMSG;
	r = read_bytes(in, &ret->protected);
	if (r < 0)
		return r;
	r = read_protected(ret->protected, &ret->alg);
	if (r < 0)
		return r;
	r = item_next_of(in, ITEM_MAP, &i);
	for (uint64_t n = r < 0 ? 0 : i.value; r == 0 && n > 0; n--) {
		r = item_skip(in);
		if (r == 0)
			r = item_skip(in);
	}
	if (r < 0)
		return r;
	r = read_bytes(in, &ret->payload);
	if (r < 0)
		return r;
	r = read_bytes(in, &ret->signature);
	return r == 0 && in->left > 0 ? -EBADMSG : r;
}

/* Of these bytes and no others that mean the same: so does AWS's reader. */
static bool is_of(struct bytes payload, const uint8_t pcr0[EIF_HASH])
{
	uint8_t buf[PAYLOAD_CAP] = { 0 };
	struct out o = { .data = buf, .cap = sizeof(buf) };

	put_payload(&o, pcr0);
	return payload.len == o.len && memcmp(payload.data, buf, o.len) == 0;
}

static bool is_valid(const struct cose *c, const mbedtls_pk_context *pk,
		     const uint8_t pcr0[EIF_HASH])
{
	const struct curve *curve = curve_of(pk);
	uint8_t hash[MBEDTLS_MD_MAX_SIZE];
	struct fault f;

	return curve && c->alg == curve->alg &&
	       c->signature.len == 2 * curve->half && is_of(c->payload, pcr0) &&
	       hash_signed(curve, c->protected, c->payload, hash, &f) == 0 &&
	       is_signature(pk, curve, hash, c->signature.data);
}

/* Control characters are of no use in a name. */
static void set_name(char ret[SIGN_NAME_CAP], const mbedtls_x509_name *name)
{
	if (mbedtls_x509_dn_gets(ret, SIGN_NAME_CAP, name) < 0)
		(void)snprintf(ret, SIGN_NAME_CAP, "(longer than %d bytes)",
			       SIGN_NAME_CAP - 1);
	for (; *ret; ret++)
		if ((unsigned char)*ret < ' ' || *ret == 0x7f)
			*ret = '?';
}

/* As OpenSSL names them, which AWS's tools print. */
static const char *long_name(const char *name)
{
	static const char *const names[][2] = {
		{ "CN", "commonName" },	     { "C", "countryName" },
		{ "L", "localityName" },     { "ST", "stateOrProvinceName" },
		{ "O", "organizationName" }, { "OU", "organizationalUnitName" },
		{ "DC", "domainComponent" }, { "SN", "surname" },
		{ "GN", "givenName" },	     { "UID", "userId" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i][0], name) == 0)
			return names[i][1];
	return name; /* emailAddress, serialNumber, title and so on */
}

/* The length of the UTF-8 character at S; 0: none, or a control character. */
static size_t utf8_len(const uint8_t *s, size_t len)
{
	uint32_t c = s[0];
	size_t n = c < 0x80 ? 1 :
		   c < 0xc2 ? 0 :
		   c < 0xe0 ? 2 :
		   c < 0xf0 ? 3 :
		   c < 0xf5 ? 4 :
			      0;

	if (n == 0 || n > len)
		return 0;
	if (n > 1)
		c &= 0x7fU >> n;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < ' ' || (c >= 0x7f && c < 0xa0) || (n == 3 && c < 0x800) ||
	    (n == 4 && (c < 0x10000 || c > 0x10ffff)) ||
	    (c >= 0xd800 && c < 0xe000))
		return 0;
	return n;
}

static void set_part(struct sign_part *part, const mbedtls_x509_name *n)
{
	const char *name;
	size_t at = 0, len = 0, step;

	if (mbedtls_oid_get_attr_short_name(&n->oid, &name) == 0)
		(void)snprintf(part->key, sizeof(part->key), "%s",
			       long_name(name));
	else if (mbedtls_oid_get_numeric_string(part->key, sizeof(part->key),
						&n->oid) < 0)
		(void)snprintf(part->key, sizeof(part->key), "unknown");
	for (; at < n->val.len && len + 4 < sizeof(part->value); at += step) {
		step = utf8_len(n->val.p + at, n->val.len - at);
		if (step == 0) {
			part->value[len++] = '?';
			step = 1;
			continue;
		}
		memcpy(part->value + len, n->val.p + at, step);
		len += step;
	}
	part->value[len] = '\0';
}

/* ecdsa-with-SHA256, sha256WithRSAEncryption */
static void set_algorithm(struct sign_info *i, const mbedtls_x509_crt *cert)
{
	mbedtls_md_type_t md;
	mbedtls_pk_type_t pk;
	unsigned bits;

	(void)snprintf(i->algorithm, sizeof(i->algorithm), "unknown");
	if (mbedtls_oid_get_sig_alg(&cert->sig_oid, &md, &pk))
		return;
	bits = 8U * mbedtls_md_get_size(mbedtls_md_info_from_type(md));
	if (pk == MBEDTLS_PK_ECDSA)
		(void)snprintf(i->algorithm, sizeof(i->algorithm),
			       "ecdsa-with-SHA%u", bits);
	else if (pk == MBEDTLS_PK_RSA)
		(void)snprintf(i->algorithm, sizeof(i->algorithm),
			       "sha%uWithRSAEncryption", bits);
}

static int set_info(struct sign_info *i, const mbedtls_x509_crt *cert,
		    time_t now, struct fault *reterr)
{
	const mbedtls_asn1_buf *value = &cert->MBEDTLS_PRIVATE(sig);

	for (const mbedtls_x509_name *n = &cert->issuer;
	     n && n->oid.p && i->issuer_part_count < SIGN_PARTS_MAX;
	     n = n->next)
		set_part(&i->issuer_parts[i->issuer_part_count++], n);
	set_name(i->issuer, &cert->issuer);
	set_name(i->subject, &cert->subject);
	format_time(&cert->valid_from, i->from);
	format_time(&cert->valid_to, i->to);
	i->not_before = seconds(&cert->valid_from);
	i->not_after = seconds(&cert->valid_to);
	i->is_cert_in_time = i->not_before <= now && now <= i->not_after;
	set_algorithm(i, cert);
	if (value->len > sizeof(i->cert_signature))
		return fault_refuse(reterr, "the certificate's signature: "
					    "too long");
	memcpy(i->cert_signature, value->p, value->len);
	i->cert_signature_len = value->len;
	if (pcr8_of(cert, i->pcr8))
		return fault_refuse(reterr, "the certificate's hash");
	return 0;
}

static int refuse_at(struct fault *f, const char *what, int r, size_t at)
{
	return fault_refuse(f, "%s at offset %zu: %s", what, at,
			    r == -ENODATA ? "ends early" :
					    "not as it should be");
}

int sign_parse(const uint8_t *section, size_t len, const uint8_t pcr0[EIF_HASH],
	       time_t now, struct sign_info *ret, struct fault *reterr)
{
	struct item_reader in = { section, len }, inner;
	struct signature signature = { 0 };
	struct sign_info info = { 0 };
	mbedtls_x509_crt cert;
	struct cose cose = { 0 };
	struct out o;
	int r = -1, e;

	if (len > EIF_SIGNATURE_MAX)
		return fault_refuse(reterr, "longer than %d bytes",
				    EIF_SIGNATURE_MAX);
	/* Each integer took a byte or two, the names what the NUL takes. */
	o = (struct out){ .data = malloc(len + 1), .cap = len + 1 };
	if (!o.data)
		return fault_system(reterr, ENOMEM, "signature");
	mbedtls_x509_crt_init(&cert);
	e = read_section(&in, &o, &signature);
	if (e < 0) {
		(void)refuse_at(reterr, "the section", e, len - in.left);
		goto out;
	}
	inner = (struct item_reader){ signature.cose.data, signature.cose.len };
	e = read_cose(&inner, &cose);
	if (e < 0) {
		(void)refuse_at(reterr, "COSE_Sign1", e,
				signature.cose.len - inner.left);
		goto out;
	}
	if (read_cert((const char *)signature.pem.data, signature.pem.len,
		      &cert, reterr) < 0 ||
	    set_info(&info, &cert, now, reterr) < 0)
		goto out;
	info.is_valid = is_valid(&cose, &cert.pk, pcr0);
	*ret = info;
	r = 0;
out:
	mbedtls_x509_crt_free(&cert);
	free(o.data);
	return r;
}

int sign_read(const struct eif *eif, time_t now, struct eif_pcrs *pcrs,
	      struct sign_info *ret, struct fault *reterr)
{
	const struct eif_section *s = eif_find(eif, EIF_SIGNATURE);
	char *section;
	int r;

	if (!s)
		return 0;
	if (content_slurp(&s->data, EIF_SIGNATURE_MAX, "signature", &section,
			  reterr) < 0)
		return fault_prefix(reterr, "%s", eif->path);
	r = sign_parse((const uint8_t *)section, s->data.len, pcrs->pcr0, now,
		       ret, reterr);
	free(section);
	if (r < 0)
		return fault_prefix(reterr, "%s: signature", eif->path);
	memcpy(pcrs->pcr8, ret->pcr8, EIF_HASH);
	pcrs->has_pcr8 = true;
	return 0;
}
