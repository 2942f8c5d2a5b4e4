#include "rootfs/pack/sign/cose.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/objects.h>
#include <string.h>

#include "nsm/item.h"
#include "rootfs/pack/base/fault.h"

enum {
	COSE_SIGN1 = 18, /* the tag, which may be there */
	COSE_ALG = 1,
};

static const struct cose_curve curves[] = {
	{ NID_X9_62_prime256v1, "P-256", HASH_SHA256, 6, 32 },
	{ NID_secp384r1, "P-384", HASH_SHA384, 34, 48 },
	{ NID_secp521r1, "P-521", HASH_SHA512, 35, COSE_HALF_MAX },
};

const struct cose_curve *cose_curve_of(const EVP_PKEY *key)
{
	char name[80];
	size_t len;
	int nid;

	/* libcrypto gives parameters that are spelled out their curve's name, too. */
	if (!EVP_PKEY_is_a(key, "EC") ||
	    !EVP_PKEY_get_group_name(key, name, sizeof(name), &len))
		return NULL;
	nid = OBJ_sn2nid(name);
	if (nid == NID_undef)
		nid = EC_curve_nist2nid(name);
	for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
		if (curves[i].nid == nid)
			return &curves[i];
	return NULL;
}

bool cose_is_signature(EVP_PKEY *key, const struct cose_curve *c,
		       const uint8_t *hash, const uint8_t *signature)
{
	BIGNUM *r = BN_bin2bn(signature, (int)c->half, NULL);
	BIGNUM *s = BN_bin2bn(signature + c->half, (int)c->half, NULL);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	ECDSA_SIG *pair = ECDSA_SIG_new();
	uint8_t *der = NULL;
	bool good = false;
	int len;

	if (!r || !s || !ctx || !pair || !ECDSA_SIG_set0(pair, r, s))
		goto out;
	r = s = NULL; /* the pair's now */
	len = i2d_ECDSA_SIG(pair, &der);
	good = len > 0 && EVP_PKEY_verify_init(ctx) == 1 &&
	       EVP_PKEY_verify(ctx, der, (size_t)len, hash,
			       hash_len(c->hash)) == 1;
out:
	OPENSSL_free(der);
	ECDSA_SIG_free(pair);
	EVP_PKEY_CTX_free(ctx);
	BN_free(s);
	BN_free(r);
	ERR_clear_error();
	return good;
}

/* --- writing --- */

/* The hash of RFC 9052's Sig_structure. */
static int hash_signed(const struct cose_curve *c, struct cose_bytes protected,
		       struct cose_bytes payload, uint8_t hash[HASH_MAX],
		       struct fault *reterr)
{
	uint8_t buf[COSE_CAP];
	struct item_writer e = { .data = buf, .cap = sizeof(buf) };
	struct hash h = HASH_NONE;

	item_put_array(&e, 4);
	item_put_text(&e, "Signature1");
	item_put_bytes(&e, protected.data, protected.len);
	item_put_bytes(&e, NULL, 0);
	item_put_bytes(&e, payload.data, payload.len);
	if (e.is_full)
		return fault_refuse(reterr, "the signature: too long");
	if (hash_begin(&h, c->hash, reterr) < 0)
		return -1;
	hash_add(&h, buf, e.len);
	return hash_end(&h, hash, reterr);
}

static void encode_payload(struct item_writer *e, const uint8_t pcr0[EIF_HASH])
{
	item_put_map(e, 2);
	item_put_text(e, "register_index");
	item_put_uint(e, 0);
	item_put_text(e, "register_value");
	item_put_integers(e, pcr0, EIF_HASH);
}

int cose_draft(const struct cose_curve *curve, const uint8_t pcr0[EIF_HASH],
	       struct cose_draft *ret, struct fault *reterr)
{
	struct item_writer protected = {
		.data = ret->protected,
		.cap = sizeof(ret->protected),
	};
	struct item_writer payload = {
		.data = ret->payload,
		.cap = sizeof(ret->payload),
	};

	item_put_map(&protected, 1);
	item_put_uint(&protected, COSE_ALG);
	item_put_negative(&protected, curve->alg);
	encode_payload(&payload, pcr0);
	ret->curve = curve;
	ret->protected_len = protected.len;
	ret->payload_len = payload.len;
	return hash_signed(curve,
			   (struct cose_bytes){ ret->protected, protected.len },
			   (struct cose_bytes){ ret->payload, payload.len },
			   ret->hash, reterr);
}

void cose_encode(const struct cose_draft *d, const uint8_t *signature,
		 struct item_writer *to)
{
	item_put_array(to, 4);
	item_put_bytes(to, d->protected, d->protected_len);
	item_put_map(to, 0);
	item_put_bytes(to, d->payload, d->payload_len);
	item_put_bytes(to, signature, 2 * d->curve->half);
}

/* --- reading --- */

/* {1: ALG} and no more: another header changes nothing, or is critical. */
static int read_protected(struct cose_bytes in, uint64_t *ret)
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

static int read_bytes(struct item_reader *in, struct cose_bytes *ret)
{
	struct item i;
	int r = item_next_of(in, ITEM_BYTES, &i);

	if (r == 0)
		*ret = (struct cose_bytes){ i.data, i.len };
	return r;
}

int cose_read(struct item_reader *in, struct cose *ret)
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

/* Compare the encoded bytes, not the values, as AWS's reader does. */
static bool is_payload(struct cose_bytes payload, const uint8_t pcr0[EIF_HASH])
{
	uint8_t buf[160] = { 0 };
	struct item_writer e = { .data = buf, .cap = sizeof(buf) };

	encode_payload(&e, pcr0);
	return payload.len == e.len && memcmp(payload.data, buf, e.len) == 0;
}

bool cose_is_valid(const struct cose *c, EVP_PKEY *key,
		   const uint8_t pcr0[EIF_HASH])
{
	const struct cose_curve *curve = key ? cose_curve_of(key) : NULL;
	uint8_t hash[HASH_MAX];
	struct fault f;

	return curve && c->alg == curve->alg &&
	       c->signature.len == 2 * curve->half &&
	       is_payload(c->payload, pcr0) &&
	       hash_signed(curve, c->protected, c->payload, hash, &f) == 0 &&
	       cose_is_signature(key, curve, hash, c->signature.data);
}
