#include "rootfs/pack/sign/key_file.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/slurp.h"
#include "rootfs/pack/sign/cose.h"
#include "rootfs/pack/sign/ossl.h"

static int first_line(const struct slurp *s, struct key_passphrase *ret,
		      struct fault *reterr)
{
	size_t len = strcspn(s->text, "\n");

	if (strlen(s->text) != s->len)
		return fault_refuse(reterr, "a NUL byte in a passphrase");
	if (len > 0 && s->text[len - 1] == '\r')
		len--;
	if (len == 0)
		return fault_refuse(reterr, "no passphrase in its first line");
	if (len >= sizeof(ret->text))
		return fault_refuse(reterr,
				    "a passphrase of more than %zu bytes",
				    sizeof(ret->text) - 1);
	memcpy(ret->text, s->text, len);
	ret->text[len] = '\0';
	ret->is_there = true;
	ret->is_readable_by_others = s->is_readable_by_others;
	ret->mode = s->mode;
	return 0;
}

int key_file_passphrase(const char *path, struct key_passphrase *ret,
			struct fault *reterr)
{
	struct slurp s = { 0 };
	int r;

	if (slurp_read(path, &s, reterr) < 0)
		return -1;
	r = first_line(&s, ret, reterr);
	slurp_free(&s);
	return r < 0 ? fault_prefix(reterr, "%s", path) : 0;
}

/* --- the key --- */

/* What people hand over instead: the words that lead on. */
static const char *other_form(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	const char *begin;

	if (len == 0)
		return "empty, not a PEM private key";
	if (len >= 2 &&
	    (memcmp(s, "\xff\xfe", 2) == 0 || memcmp(s, "\xfe\xff", 2) == 0))
		return "UTF-16, not a PEM private key";
	if (len >= 4 && memcmp(s, "\xfe\xed\xfe\xed", 4) == 0)
		return "a Java key store, not a PEM private key (keytool "
		       "-importkeystore -deststoretype PKCS12, then openssl "
		       "pkcs12 -nocerts)";
	/* SEQUENCE { INTEGER }: 3 is a PFX, 0 and 1 are keys. */
	for (size_t at = 2; at <= 4 && s[0] == 0x30 && at + 2 < len; at++)
		if (s[at] == 2 && s[at + 1] == 1)
			return s[at + 2] == 3 ?
				       "PKCS #12, not a PEM private key "
				       "(openssl pkcs12 -in FILE -nocerts)" :
				       "DER, not a PEM private key (openssl "
				       "pkey -inform DER -in FILE)";
	if (strlen(text) != len)
		return "not a PEM private key";
	/* A key that went through a variable or JSON, or through YAML. */
	if (strstr(text, "-----\\n"))
		return "has \\n where lines should end, not a PEM private key "
		       "(printf '%b')";
	begin = strstr(text, "-----BEGIN ");
	if (begin && begin > text && (begin[-1] == ' ' || begin[-1] == '\t'))
		return "is indented, not a PEM private key";
	if (strstr(text, "-----BEGIN OPENSSH PRIVATE KEY-----"))
		return "OpenSSH's form, not a PEM private key (ssh-keygen -p "
		       "-m PEM -f COPY)";
	if (strstr(text, "-----BEGIN PUBLIC KEY-----") &&
	    !strstr(text, "PRIVATE KEY-----"))
		return "a public key, not a PEM private key";
	if (!strstr(text, "PRIVATE KEY-----"))
		return "not a PEM private key";
	return NULL;
}

struct asked {
	const struct key_passphrase *pass;
	bool is_encrypted;
};

/* A pem_password_cb. */
static int give_passphrase(char *buf, int cap, int is_writing, void *ctx)
{
	struct asked *a = ctx;
	size_t len;

	(void)is_writing;
	a->is_encrypted = true;
	if (!a->pass->is_there)
		return -1;
	len = strlen(a->pass->text);
	if (len > (size_t)cap)
		return -1;
	memcpy(buf, a->pass->text, len);
	return (int)len;
}

static int check_kind(const EVP_PKEY *key, struct fault *reterr)
{
	const char *kind = EVP_PKEY_get0_type_name(key);
	char group[80];
	size_t len;

	if (cose_curve_of(key))
		return 0;
	if (EVP_PKEY_is_a(key, "EC") &&
	    EVP_PKEY_get_group_name(key, group, sizeof(group), &len))
		return fault_refuse(reterr,
				    "EC key on %s; images are signed on the "
				    "curves P-256, P-384 and P-521 only",
				    group);
	return fault_refuse(reterr,
			    "%s key; images are signed on the curves P-256, "
			    "P-384 and P-521 only",
			    kind ? kind : "another kind of");
}

static int read_key(const struct slurp *s, const struct key_passphrase *pass,
		    EVP_PKEY **ret, bool *ret_is_plain, struct fault *reterr)
{
	const char *other = other_form(s->text, s->len);
	struct asked asked = { .pass = pass };
	EVP_PKEY *key = NULL;
	BIO *bio;

	if (other)
		return fault_refuse(reterr, "%s", other);
	ERR_clear_error();
	bio = BIO_new_mem_buf(s->text, (int)s->len);
	if (bio)
		key = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase,
					      &asked);
	BIO_free(bio);
	if (!key && asked.is_encrypted && !pass->is_there) {
		ERR_clear_error();
		return fault_refuse(reterr,
				    "encrypted: --sign-key-pass-file names the "
				    "file of its passphrase");
	}
	/* Also of a wrong passphrase, one in 256 times, where it decrypts to nonsense. */
	if (!key && asked.is_encrypted &&
	    ERR_GET_REASON(ERR_peek_error()) == ERR_R_UNSUPPORTED) {
		ERR_clear_error();
		return fault_refuse(reterr,
				    "cannot be decrypted by the passphrase "
				    "that was given, or is encrypted in a way "
				    "that libcrypto no longer knows (openssl "
				    "pkey -provider legacy -provider default)");
	}
	if (!key && asked.is_encrypted)
		return ossl_refuse(reterr, "cannot be decrypted by the "
					   "passphrase that was given");
	/* libcrypto's reason would be "unsupported". */
	if (!key) {
		ERR_clear_error();
		return fault_refuse(reterr,
				    "not a private key: damaged, or of a kind "
				    "that libcrypto does not know");
	}
	if (check_kind(key, reterr) < 0) {
		EVP_PKEY_free(key);
		return -1;
	}
	ERR_clear_error();
	*ret_is_plain = !asked.is_encrypted;
	*ret = key;
	return 0;
}

int key_file_read(const char *path, const struct key_passphrase *pass,
		  EVP_PKEY **ret, struct key_file_notes *ret_notes,
		  struct fault *reterr)
{
	struct slurp s = { 0 };
	bool is_plain = false;
	int r;

	if (slurp_read(path, &s, reterr) < 0)
		return -1;
	r = read_key(&s, pass, ret, &is_plain, reterr);
	if (r == 0)
		*ret_notes = (struct key_file_notes){
			.is_readable_by_others = s.is_readable_by_others,
			.is_plain = is_plain,
			.mode = s.mode,
		};
	slurp_free(&s);
	return r < 0 ? fault_prefix(reterr, "%s", path) : 0;
}
