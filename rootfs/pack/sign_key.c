#include "rootfs/pack/sign_key.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rootfs/pack/cert.h"
#include "rootfs/pack/cose.h"
#include "rootfs/pack/ecdsa.h"
#include "rootfs/pack/fault.h"
#include "rootfs/pack/key_file.h"
#include "rootfs/pack/slurp.h"

enum { NOTES_MAX = 4 };

struct sign_key {
	EVP_PKEY *private;
	const struct cose_curve *curve;
	X509 *cert;
	struct slurp pem; /* the certificate's file */
	struct fault notes[NOTES_MAX];
	size_t note_count;
};

/* The next note, to be set by fault_refuse: for its escapes. */
static struct fault *add_note(struct sign_key *key)
{
	return &key->notes[key->note_count++];
}

static int load_private(const struct sign_key_source *from,
			struct sign_key *key, struct fault *reterr)
{
	struct key_passphrase pass = { .is_there = false };
	struct key_file_notes notes;
	int r = 0;

	if (from->pass)
		r = key_file_passphrase(from->pass, &pass, reterr);
	if (r == 0)
		r = key_file_read(from->key, &pass, &key->private, &notes,
				  reterr);
	explicit_bzero(&pass, sizeof(pass));
	if (r < 0)
		return -1;
	key->curve = cose_curve_of(key->private);
	if (notes.is_readable_by_others)
		(void)fault_refuse(add_note(key),
				   "%s: a private key that others may read "
				   "(mode %04o); chmod 600",
				   from->key, notes.mode);
	if (from->pass && notes.is_plain)
		(void)fault_refuse(add_note(key),
				   "%s: not encrypted; %s was not needed",
				   from->key, from->pass);
	return 0;
}

static int load_cert(const char *path, struct sign_key *key,
		     struct fault *reterr)
{
	if (slurp_read(path, &key->pem, reterr) < 0)
		return -1;
	/* All of the file gets into the image. */
	if (strstr(key->pem.text, "PRIVATE KEY-----"))
		return fault_refuse(reterr,
				    "%s: has a private key in it, which would "
				    "be in the image",
				    path);
	if (cert_read(key->pem.text, key->pem.len, &key->cert, reterr) < 0)
		return fault_prefix(reterr, "%s", path);
	return 0;
}

int sign_key_load(const struct sign_key_source *from, struct sign_key **ret,
		  struct fault *reterr)
{
	struct sign_key *key = calloc(1, sizeof(*key));

	if (!key)
		return fault_system(reterr, ENOMEM, "%s", from->key);
	if (load_private(from, key, reterr) < 0 ||
	    load_cert(from->cert, key, reterr) < 0)
		goto fail;
	if (EVP_PKEY_eq(X509_get0_pubkey(key->cert), key->private) != 1) {
		ERR_clear_error();
		(void)fault_refuse(reterr, "%s: of another key than %s",
				   from->cert, from->key);
		goto fail;
	}
	if (cert_check_time(key->cert, time(NULL), reterr) < 0) {
		(void)fault_prefix(reterr, "%s", from->cert);
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
	X509_free(key->cert);
	EVP_PKEY_free(key->private);
	slurp_free(&key->pem);
	free(key);
}

const char *sign_key_note(const struct sign_key *key, size_t index)
{
	return index < key->note_count ? key->notes[index].text : NULL;
}

const struct cose_curve *sign_key_curve(const struct sign_key *key)
{
	return key->curve;
}

const X509 *sign_key_cert(const struct sign_key *key)
{
	return key->cert;
}

const uint8_t *sign_key_pem(const struct sign_key *key, size_t *ret_len)
{
	*ret_len = key->pem.len;
	return (const uint8_t *)key->pem.text;
}

int sign_key_sign(const struct sign_key *key, const uint8_t *hash, uint8_t *ret,
		  struct fault *reterr)
{
	if (ecdsa_sign(key->private, key->curve, hash, ret, reterr) < 0)
		return -1;
	/* A fault of the machine must not get out: it can tell the key. */
	if (!cose_is_signature(X509_get0_pubkey(key->cert), key->curve, hash,
			       ret))
		return fault_refuse(reterr, "the signature made is wrong");
	return 0;
}
