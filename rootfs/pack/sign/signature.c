#include "rootfs/pack/sign/signature.h"

#include <errno.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/item.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/spool.h"
#include "rootfs/pack/sign/cert.h"
#include "rootfs/pack/sign/cose.h"
#include "rootfs/pack/sign/key_file.h"
#include "rootfs/pack/sign/sign_key.h"

static const char signing_certificate[] = "signing_certificate";
static const char signature_key[] = "signature";

/* --- writing --- */

int signature_make(const struct sign_key *key, const uint8_t pcr0[EIF_HASH],
		   uint8_t **ret, size_t *ret_len, uint8_t ret_pcr8[EIF_HASH],
		   struct fault *reterr)
{
	uint8_t buf[COSE_CAP], pcr8[EIF_HASH], signature[2 * COSE_HALF_MAX];
	struct item_writer cose = { .data = buf, .cap = sizeof(buf) }, e;
	struct cose_draft draft = { .curve = NULL };
	const uint8_t *pem;
	size_t pem_len;

	if (cose_draft(sign_key_curve(key), pcr0, &draft, reterr) < 0 ||
	    sign_key_sign(key, draft.hash, signature, reterr) < 0 ||
	    cert_pcr8(sign_key_cert(key), pcr8, reterr) < 0)
		return -1;
	cose_encode(&draft, signature, &cose);
	pem = sign_key_pem(key, &pem_len);
	e = (struct item_writer){ .data = malloc(EIF_SIGNATURE_MAX),
				  .cap = EIF_SIGNATURE_MAX };
	if (!e.data)
		return fault_system(reterr, ENOMEM, "sign");
	item_put_array(&e, 1);
	item_put_map(&e, 2);
	item_put_text(&e, signing_certificate);
	item_put_integers(&e, pem, pem_len);
	item_put_text(&e, signature_key);
	item_put_integers(&e, buf, cose.len);
	if (e.is_full) {
		free(e.data);
		return fault_refuse(reterr,
				    "a certificate of %zu bytes: the signature "
				    "section would be longer than %d bytes",
				    pem_len, EIF_SIGNATURE_MAX);
	}
	*ret = e.data;
	*ret_len = e.len;
	memcpy(ret_pcr8, pcr8, EIF_HASH);
	return 0;
}

int signature_write(const struct sign_key *key, struct eif_writer *w,
		    struct eif_pcrs *ret, struct fault *reterr)
{
	uint8_t *section;
	size_t len;
	int r;

	if (eif_writer_measure(w, ret, reterr) < 0)
		return -1;
	if (!key)
		return 0;
	if (signature_make(key, ret->pcr0, &section, &len, ret->pcr8, reterr) <
	    0)
		return -1;
	ret->has_pcr8 = true;
	r = eif_writer_add_bytes(w, EIF_SIGNATURE, section, len, reterr);
	free(section);
	return r;
}

int signature_cert_info(const char *path, time_t now, struct cert_info *ret,
			struct fault *reterr)
{
	static const struct key_passphrase none = { .is_there = false };
	X509 *cert = NULL;
	char *pem = NULL;
	size_t len;
	int r;

	if (sign_key_cert_load(path, &none, false, &cert, &pem, &len, reterr) <
	    0)
		return -1;
	r = cert_info(cert, now, ret, reterr);
	X509_free(cert);
	free(pem);
	return r < 0 ? fault_prefix(reterr, "%s", path) : 0;
}

/* --- reading --- */

/* What of a section is read: both point into a buffer. */
struct signature {
	struct cose_bytes pem, cose;
};

/* Arrays of integers, as bytes. */
struct signature_bytes {
	uint8_t *data;
	size_t len, cap;
};

/* An array of integers, collapsed to the end of *O. */
static int read_integers(struct item_reader *in, struct signature_bytes *o,
			 struct cose_bytes *ret)
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
static int read_first(struct item_reader *in, struct signature_bytes *o,
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

static int read_section(struct item_reader *in, struct signature_bytes *o,
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

static int refuse_at(struct fault *f, const char *what, int r, size_t at)
{
	return fault_refuse(f, "%s at offset %zu: %s", what, at,
			    r == -ENODATA ? "ends early" :
					    "not as it should be");
}

int signature_parse(const uint8_t *section, size_t len,
		    const uint8_t pcr0[EIF_HASH], time_t now,
		    struct cert_info *ret, struct fault *reterr)
{
	struct item_reader in = { section, len }, inner;
	struct signature signature = { 0 };
	struct cert_info info = { 0 };
	X509 *cert = NULL;
	struct cose cose = { 0 };
	struct signature_bytes o;
	int r = -1, e;

	if (len > EIF_SIGNATURE_MAX)
		return fault_refuse(reterr, "longer than %d bytes",
				    EIF_SIGNATURE_MAX);
	/* Each integer took a byte or two, the names what the NUL takes. */
	o = (struct signature_bytes){ .data = malloc(len + 1), .cap = len + 1 };
	if (!o.data)
		return fault_system(reterr, ENOMEM, "signature");
	e = read_section(&in, &o, &signature);
	if (e < 0) {
		(void)refuse_at(reterr, "the section", e, len - in.left);
		goto out;
	}
	inner = (struct item_reader){ signature.cose.data, signature.cose.len };
	e = cose_read(&inner, &cose);
	if (e < 0) {
		(void)refuse_at(reterr, "COSE_Sign1", e,
				signature.cose.len - inner.left);
		goto out;
	}
	if (cert_read((const char *)signature.pem.data, signature.pem.len,
		      &cert, reterr) < 0 ||
	    cert_info(cert, now, &info, reterr) < 0)
		goto out;
	info.is_valid = cose_is_valid(&cose, X509_get0_pubkey(cert), pcr0);
	*ret = info;
	r = 0;
out:
	X509_free(cert);
	free(o.data);
	return r;
}

int signature_read(const struct eif *eif, time_t now, struct eif_pcrs *pcrs,
		   struct cert_info *ret, struct fault *reterr)
{
	const struct eif_section *s = eif_find(eif, EIF_SIGNATURE);
	char *section;
	int r;

	if (!s)
		return 0;
	if (content_slurp(&s->data, EIF_SIGNATURE_MAX, "signature", &section,
			  reterr) < 0)
		return fault_prefix(reterr, "%s", eif->path);
	r = signature_parse((const uint8_t *)section, s->data.len, pcrs->pcr0,
			    now, ret, reterr);
	free(section);
	if (r < 0)
		return fault_prefix(reterr, "%s: signature", eif->path);
	memcpy(pcrs->pcr8, ret->pcr8, EIF_HASH);
	pcrs->has_pcr8 = true;
	return 0;
}
