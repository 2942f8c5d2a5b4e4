#include "rootfs/pack/sign/sign_key.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/slurp.h"
#include "rootfs/pack/sign/cert.h"
#include "rootfs/pack/sign/cose.h"
#include "rootfs/pack/sign/ecdsa.h"
#include "rootfs/pack/sign/key_file.h"
#include "rootfs/pack/sign/token.h"

enum { NOTES_MAX = 4 };

struct sign_key {
	char *name;	   /* for messages */
	EVP_PKEY *private; /* of a file, or */
	struct token_key *token;
	const struct cose_curve *curve;
	X509 *cert;
	char *pem; /* the certificate's file */
	size_t pem_len;
	struct fault notes[NOTES_MAX];
	size_t note_count;
};

/* The next note, to be set by fault_refuse: for its escapes. */
static struct fault *add_note(struct sign_key *key)
{
	return &key->notes[key->note_count++];
}

static void note_pass(struct sign_key *key, const struct key_passphrase *pass,
		      const char *path)
{
	if (pass->is_readable_by_others)
		(void)fault_refuse(add_note(key),
				   "%s: a passphrase or PIN that others may "
				   "read (mode %04o); chmod 600",
				   path, pass->mode);
}

static int load_file(const struct sign_key_source *from,
		     const struct key_passphrase *pass, struct sign_key *key,
		     struct fault *reterr)
{
	struct key_file_notes notes;

	if (key_file_read(from->key, pass, &key->private, &notes, reterr) < 0)
		return -1;
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

static int load_token(const struct sign_key_source *from,
		      const struct key_passphrase *pin, struct sign_key *key,
		      struct fault *reterr)
{
	if (strstr(from->key, "pin-value="))
		(void)fault_refuse(add_note(key),
				   "%s: pin-value shows the PIN in the list of "
				   "processes; pin-source does not",
				   key->name);
	if (token_key_open(from->key, pin, &key->token, reterr) < 0)
		return fault_prefix(reterr, "%s", key->name);
	if (!pin->is_there)
		note_pass(key, token_key_pin(key->token), "pin-source");
	return 0;
}

/* What a certificate of a token is in the image. */
static int write_pem(const X509 *cert, char **ret, size_t *ret_len,
		     struct fault *reterr)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	long len = 0;
	int r = -1;

	if (bio && PEM_write_bio_X509(bio, cert) == 1)
		len = BIO_get_mem_data(bio, &data);
	*ret = len > 0 ? calloc((size_t)len + 1, 1) : NULL;
	if (*ret) {
		memcpy(*ret, data, (size_t)len);
		*ret_len = (size_t)len;
		r = 0;
	} else {
		(void)fault_system(reterr, ENOMEM, "certificate");
	}
	BIO_free(bio);
	return r;
}

int sign_key_cert_load(const char *path, const struct key_passphrase *pin,
		       bool is_for_image, X509 **ret, char **ret_pem,
		       size_t *ret_len, struct fault *reterr)
{
	const size_t shown = token_shown_len(path);
	struct slurp s = { 0 };
	int r = -1;

	if (token_is_uri(path)) {
		if (token_cert(path, pin, ret, reterr) < 0)
			return fault_prefix(reterr, "%.*s", (int)shown, path);
		if (write_pem(*ret, ret_pem, ret_len, reterr) == 0)
			return 0;
		X509_free(*ret);
		return -1;
	}
	if (slurp_read(path, &s, reterr) < 0)
		return -1;
	/* All of the file gets into the image. */
	if (is_for_image && strstr(s.text, "PRIVATE KEY-----"))
		(void)fault_refuse(reterr,
				   "%s: has a private key in it, which would "
				   "be in the image",
				   path);
	else if (cert_read(s.text, s.len, ret, reterr) < 0)
		(void)fault_prefix(reterr, "%s", path);
	else
		r = 0;
	if (r == 0) {
		*ret_pem = s.text;
		*ret_len = s.len;
	} else {
		slurp_free(&s);
	}
	return r;
}

/* They belong together, and images are signed on the key's curve. */
static int check_pair(const struct sign_key_source *from, struct sign_key *key,
		      struct fault *reterr)
{
	const EVP_PKEY *public = X509_get0_pubkey(key->cert);
	bool is_same;

	if (key->token)
		is_same = public && !token_key_differs(key->token, public);
	else
		is_same = EVP_PKEY_eq(public, key->private) == 1;
	ERR_clear_error();
	if (!is_same)
		return fault_refuse(reterr, "%s: of another key than %s",
				    from->cert, key->name);
	key->curve = cose_curve_of(public);
	if (!key->curve)
		return fault_refuse(reterr,
				    "%s: of a key on none of the curves P-256, "
				    "P-384 and P-521",
				    from->cert);
	return 0;
}

static int load(const struct sign_key_source *from, struct sign_key *key,
		struct key_passphrase *pass, struct fault *reterr)
{
	if (from->pass) {
		if (key_file_passphrase(from->pass, pass, reterr) < 0)
			return fault_prefix(reterr, "--sign-key-pass-file");
		note_pass(key, pass, from->pass);
	}
	if (token_is_uri(from->key) ? load_token(from, pass, key, reterr) < 0 :
				      load_file(from, pass, key, reterr) < 0)
		return fault_prefix(reterr, "--sign-key");
	if (sign_key_cert_load(from->cert, pass, true, &key->cert, &key->pem,
			       &key->pem_len, reterr) < 0)
		return fault_prefix(reterr, "--sign-cert");
	if (check_pair(from, key, reterr) < 0)
		return -1;
	if (cert_check_time(key->cert, time(NULL), reterr) < 0)
		return fault_prefix(reterr, "%s", from->cert);
	return 0;
}

int sign_key_load(const struct sign_key_source *from, struct sign_key **ret,
		  struct fault *reterr)
{
	struct key_passphrase pass = { .is_there = false };
	struct sign_key *key = calloc(1, sizeof(*key));
	int r;

	if (!key)
		return fault_system(reterr, ENOMEM, "key");
	key->name = token_is_uri(from->key) ?
			    strndup(from->key, token_shown_len(from->key)) :
			    strdup(from->key);
	if (key->name)
		r = load(from, key, &pass, reterr);
	else
		r = fault_system(reterr, ENOMEM, "key");
	explicit_bzero(&pass, sizeof(pass));
	if (r < 0)
		sign_key_free(key);
	else
		*ret = key;
	return r;
}

void sign_key_free(struct sign_key *key)
{
	if (!key)
		return;
	X509_free(key->cert);
	EVP_PKEY_free(key->private);
	token_key_close(key->token);
	free(key->pem);
	free(key->name);
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
	*ret_len = key->pem_len;
	return (const uint8_t *)key->pem;
}

int sign_key_sign(const struct sign_key *key, const uint8_t *hash, uint8_t *ret,
		  struct fault *reterr)
{
	int r;

	r = key->token ?
		    token_key_sign(key->token, key->curve, hash, ret, reterr) :
		    ecdsa_sign(key->private, key->curve, hash, ret, reterr);
	if (r < 0)
		return fault_prefix(reterr, "%s", key->name);
	/* A token need not have shown whose key it has; and a fault of the machine
	 * must not get out, as it can tell the key. */
	if (!cose_is_signature(X509_get0_pubkey(key->cert), key->curve, hash,
			       ret))
		return fault_refuse(reterr,
				    "%s: the signature that it made is not of "
				    "the certificate's key",
				    key->name);
	return 0;
}
