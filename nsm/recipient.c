#include "nsm/nsmc.h"

#include <errno.h>
#include <mbedtls/cipher.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/md.h>
#include <mbedtls/pem.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <mbedtls/sha256.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/cms.h"
#include "nsm/seed.h"

enum {
	KEY_BYTES_MAX = 512,	/* of a modulus */
	KEY_FILE_MAX = 1 << 14, /* every PEM of such a key is far smaller */
	EXPONENT = 65537,
	SEED_SIZE = 48, /* a key of AES-256 and a block, in one piece */
	SKI_SIZE = 32,	/* KMS names keys by SHA-256 */
};

/*
 * The key never changes once it is made. LEFT is how many more openings may
 * begin: failed ones, and those under way, have been subtracted.
 */
struct nsmc_recipient {
	mbedtls_pk_context pk;
	size_t spki_len;
	uint8_t spki[NSMC_RECIPIENT_SPKI_MAX];
	uint8_t ski[SKI_SIZE]; /* SHA-256 of SPKI */
	uint32_t allowed;      /* failures */
	uint32_t left, failed; /* by __atomic_... alone */
};

/* --- making and freeing --- */

/* For mbedTLS's blinding. */
static int blinding_random(void *ctx, unsigned char *buf, size_t len)
{
	(void)ctx;
	return seed_kernel(buf, len) < 0 ? MBEDTLS_ERR_RSA_RNG_FAILED : 0;
}

/* True if R, an error of mbedTLS, means that there was no memory. */
static bool is_no_memory(int r)
{
	switch (r) {
	case MBEDTLS_ERR_CIPHER_ALLOC_FAILED:
	case MBEDTLS_ERR_MD_ALLOC_FAILED:
	case MBEDTLS_ERR_PEM_ALLOC_FAILED:
	case MBEDTLS_ERR_PK_ALLOC_FAILED:
		return true;
	default:
		/* The low part of an RSA error is the cause. */
		return (-r & 0x7f) == -MBEDTLS_ERR_MPI_ALLOC_FAILED;
	}
}

int nsmc_recipient_attempts(struct nsmc_recipient *recipient, uint32_t failures)
{
	if (!recipient || failures == 0)
		return -EINVAL;
	recipient->allowed = failures;
	__atomic_store_n(&recipient->left, failures, __ATOMIC_SEQ_CST);
	__atomic_store_n(&recipient->failed, 0, __ATOMIC_SEQ_CST);
	return 0;
}

static struct nsmc_recipient *recipient_alloc(void)
{
	struct nsmc_recipient *recipient = calloc(1, sizeof(*recipient));

	if (!recipient)
		return NULL;
	mbedtls_pk_init(&recipient->pk);
	(void)nsmc_recipient_attempts(recipient, NSMC_ATTEMPTS_DEFAULT);
	return recipient;
}

void nsmc_recipient_free(struct nsmc_recipient *recipient)
{
	if (!recipient)
		return;
	mbedtls_pk_free(&recipient->pk); /* wipes all numbers */
	explicit_bzero(recipient, sizeof(*recipient));
	free(recipient);
}

static bool is_size(size_t bits)
{
	return bits == 2048 || bits == 3072 || bits == 4096;
}

/*
 * Checks the key, new or imported, and completes RECIPIENT. mbedTLS writes DER
 * backwards from the end of a buffer.
 */
static int recipient_complete(struct nsmc_recipient *recipient)
{
	const mbedtls_rsa_context *rsa = mbedtls_pk_rsa(recipient->pk);
	uint8_t *spki = recipient->spki;
	int r;

	if (!rsa || !is_size(mbedtls_rsa_get_bitlen(rsa)))
		return -NSMC_E_KEY;
	r = mbedtls_rsa_check_pub_priv(rsa, rsa); /* both, and each */
	if (r < 0)
		return is_no_memory(r) ? -ENOMEM : -NSMC_E_KEY;

	/* Does not fit with an exponent that no program uses. */
	r = mbedtls_pk_write_pubkey_der(&recipient->pk, spki,
					sizeof(recipient->spki));
	if (r < 0)
		return is_no_memory(r) ? -ENOMEM : -NSMC_E_KEY;
	recipient->spki_len = (size_t)r;
	memmove(spki, spki + sizeof(recipient->spki) - r, (size_t)r);
	r = mbedtls_sha256(spki, recipient->spki_len, recipient->ski, 0);
	return r < 0 ? -NSMC_E_KEY : 0;
}

/*
 * The generator's seed comes from the NSM, and the string that personalises it
 * from the kernel: to know the key, an attacker must know both.
 */
static int make_key(struct seed *source, mbedtls_rsa_context *rsa,
		    unsigned bits)
{
	uint8_t personal[SEED_SIZE];
	mbedtls_ctr_drbg_context drbg;
	int r;

	mbedtls_ctr_drbg_init(&drbg);
	mbedtls_ctr_drbg_set_entropy_len(&drbg, SEED_SIZE);
	r = seed_kernel(personal, sizeof(personal));
	if (r < 0)
		goto out;
	r = mbedtls_ctr_drbg_seed(&drbg, seed_random, source, personal,
				  sizeof(personal));
	if (r == 0)
		r = mbedtls_rsa_gen_key(rsa, mbedtls_ctr_drbg_random, &drbg,
					bits, EXPONENT);
	if (source->error < 0)
		r = source->error;
	else if (r < 0)
		r = is_no_memory(r) ? -ENOMEM : -NSMC_E_KEY_MAKE;
out:
	mbedtls_ctr_drbg_free(&drbg);
	explicit_bzero(personal, sizeof(personal));
	return r;
}

int nsmc_recipient_new(int fd, unsigned bits, struct nsmc_recipient **ret)
{
	struct nsmc_recipient *recipient;
	struct seed source = { .fd = fd };
	int r = -ENOMEM;

	/*
	 * An error of nsmc_open, which must not lead to a key without the NSM.
	 */
	if (fd < 0 && fd != NSMC_KERNEL_RANDOM)
		return fd;
	if (!is_size(bits))
		return -NSMC_E_KEY;
	recipient = recipient_alloc();
	if (!recipient)
		return -ENOMEM;
	if (mbedtls_pk_setup(&recipient->pk,
			     mbedtls_pk_info_from_type(MBEDTLS_PK_RSA)) < 0)
		goto out;
	r = make_key(&source, mbedtls_pk_rsa(recipient->pk), bits);
	if (r < 0)
		goto out;
	r = recipient_complete(recipient);
	if (r < 0)
		goto out;
	*ret = recipient;
	recipient = NULL; /* the caller's now */
out:
	nsmc_recipient_free(recipient);
	return r;
}

int nsmc_recipient_attest(int fd, unsigned bits, struct nsmc_bytes user_data,
			  struct nsmc_bytes nonce, void *buf, size_t cap,
			  size_t *ret_len, struct nsmc_recipient **ret)
{
	struct nsmc_recipient *recipient = NULL;
	struct nsmc_bytes public_key;
	int r;

	/* Without an NSM nothing signs a document. */
	if (fd < 0)
		return fd == NSMC_KERNEL_RANDOM ? -EBADF : fd;
	r = nsmc_recipient_new(fd, bits, &recipient);
	if (r < 0)
		return r;
	public_key =
		(struct nsmc_bytes){ recipient->spki, recipient->spki_len };
	r = nsmc_attest(fd, user_data, nonce, public_key, buf, cap, ret_len);
	if (r < 0)
		nsmc_recipient_free(recipient);
	else
		*ret = recipient;
	return r;
}

int nsmc_recipient_import(const void *key, size_t len,
			  struct nsmc_recipient **ret)
{
	struct nsmc_recipient *recipient = NULL;
	uint8_t *text = NULL;
	int r;

	if (!key && len > 0)
		return -EINVAL;
	if (len == 0 || len > KEY_FILE_MAX)
		return -NSMC_E_KEY;
	recipient = recipient_alloc();
	/* For mbedTLS PEM is a string, and its NUL counts. */
	text = malloc(len + 1);
	if (!recipient || !text) {
		r = -ENOMEM;
		goto out;
	}
	memcpy(text, key, len);
	text[len] = '\0';
	r = mbedtls_pk_parse_key(&recipient->pk, text, len, NULL, 0,
				 blinding_random, NULL);
	if (r < 0) {
		mbedtls_pk_free(&recipient->pk);
		mbedtls_pk_init(&recipient->pk);
		r = mbedtls_pk_parse_key(&recipient->pk, text, len + 1, NULL, 0,
					 blinding_random, NULL);
	}
	if (r < 0) {
		r = is_no_memory(r) ? -ENOMEM : -NSMC_E_KEY;
		goto out;
	}
	r = recipient_complete(recipient);
	if (r < 0)
		goto out;
	*ret = recipient;
	recipient = NULL; /* the caller's now */
out:
	if (text)
		explicit_bzero(text, len + 1);
	free(text);
	nsmc_recipient_free(recipient);
	return r;
}

/* --- exporting --- */

int nsmc_recipient_public_key(const struct nsmc_recipient *recipient, void *buf,
			      size_t cap, size_t *ret_len)
{
	if (recipient->spki_len > cap)
		return -ENOBUFS;
	memcpy(buf, recipient->spki, recipient->spki_len);
	*ret_len = recipient->spki_len;
	return 0;
}

int nsmc_recipient_export(const struct nsmc_recipient *recipient, void *buf,
			  size_t cap, size_t *ret_len)
{
	uint8_t der[NSMC_RECIPIENT_KEY_MAX];
	size_t len;
	int r;

	r = mbedtls_pk_write_key_der(&recipient->pk, der, sizeof(der));
	if (r < 0) {
		r = is_no_memory(r) ? -ENOMEM : -NSMC_E_KEY;
		goto out;
	}
	len = (size_t)r;
	if (len > cap) {
		r = -ENOBUFS;
		goto out;
	}
	memcpy(buf, der + sizeof(der) - len, len);
	*ret_len = len;
	r = 0;
out:
	explicit_bzero(der, sizeof(der));
	return r;
}

/* --- opening --- */

/*
 * Writes the content's key to CEK: the one in the message, or a random one if
 * the message yields none. In the latter case *RET_BAD is not 0, and nothing
 * else in this function differs. Returns -errno if the failure is not the
 * message's.
 *
 * mbedTLS changes a key by using it: it keeps the two numbers of the blinding
 * in it, squares them at each use, and adds constants of the moduli at the
 * first. Other threads may use our key at this moment. So each decryption has a
 * copy of its own, whose blinding is made again; the original is only ever
 * read.
 */
static int decrypt_key(const struct nsmc_recipient *recipient,
		       const struct cms *cms, uint8_t cek[CMS_CEK_SIZE],
		       uint32_t *ret_bad)
{
	/*
	 * The buffer takes whatever was encrypted; a key that is too long is
	 * detected later.
	 */
	uint8_t plain[KEY_BYTES_MAX] = { 0 };
	mbedtls_rsa_context rsa;
	uint32_t bad, mask;
	size_t len = 0;
	int r;

	mbedtls_rsa_init(&rsa);
	r = seed_kernel(cek, CMS_CEK_SIZE);
	if (r < 0)
		goto out;
	if (mbedtls_rsa_copy(&rsa, mbedtls_pk_rsa(recipient->pk)) < 0 ||
	    mbedtls_rsa_set_padding(&rsa, MBEDTLS_RSA_PKCS_V21,
				    MBEDTLS_MD_SHA256) < 0) {
		r = -ENOMEM;
		goto out;
	}
	r = mbedtls_rsa_rsaes_oaep_decrypt(&rsa, blinding_random, NULL, NULL, 0,
					   &len, cms->key.data, plain,
					   sizeof(plain));
	/* Neither memory nor random bytes depend on secrets. */
	if (is_no_memory(r) || r == MBEDTLS_ERR_RSA_RNG_FAILED) {
		r = is_no_memory(r) ? -ENOMEM : -EIO;
		goto out;
	}
	bad = (uint32_t)-r | ((uint32_t)len ^ CMS_CEK_SIZE);
	/* All ones if BAD is 0. The shift is of 64 bits to take in every bit. */
	mask = (uint32_t)(((uint64_t)bad - 1) >> 32);
	for (size_t i = 0; i < CMS_CEK_SIZE; i++)
		cek[i] = (uint8_t)((plain[i] & mask) | (cek[i] & ~mask));
	*ret_bad = bad;
	r = 0;
out:
	mbedtls_rsa_free(&rsa);
	explicit_bzero(plain, sizeof(plain));
	return r;
}

/*
 * Decrypts the content to BUF, which holds as many bytes as the content. Also
 * returns 0 if the padding is wrong, but then *RET_BAD is not 0; otherwise
 * returns an error of mbedTLS.
 */
static int decrypt_content(const struct cms *cms,
			   const uint8_t cek[CMS_CEK_SIZE], uint8_t *buf,
			   size_t *ret_len, size_t *ret_bad)
{
	mbedtls_cipher_context_t aes;
	struct nsmc_bytes chunk;
	size_t at = 0, done = 0, n = 0;
	int r;

	mbedtls_cipher_init(&aes);
	r = mbedtls_cipher_setup(&aes, mbedtls_cipher_info_from_type(
					       MBEDTLS_CIPHER_AES_256_CBC));
	if (r == 0)
		r = mbedtls_cipher_set_padding_mode(&aes,
						    MBEDTLS_PADDING_PKCS7);
	if (r == 0)
		r = mbedtls_cipher_setkey(&aes, cek, 8 * CMS_CEK_SIZE,
					  MBEDTLS_DECRYPT);
	if (r == 0)
		r = mbedtls_cipher_set_iv(&aes, cms->iv.data, cms->iv.len);
	if (r == 0)
		r = mbedtls_cipher_reset(&aes);
	while (r == 0 && cms_next_chunk(cms, &at, &chunk)) {
		r = mbedtls_cipher_update(&aes, chunk.data, chunk.len,
					  buf + done, &n);
		if (r == 0)
			done += n;
	}
	if (r == 0)
		r = mbedtls_cipher_finish_padded(&aes, buf + done, &n, ret_bad);
	if (r == 0)
		*ret_len = done + n;
	mbedtls_cipher_free(&aes);
	return r;
}

static int open_message(const struct nsmc_recipient *recipient,
			const struct cms *cms, uint8_t *buf, size_t *ret_len)
{
	uint8_t cek[CMS_CEK_SIZE];
	uint32_t bad_key = 0;
	size_t bad_padding = 0;
	bool ours;
	int r;

	if (cms->key.len != mbedtls_rsa_get_len(mbedtls_pk_rsa(recipient->pk)))
		return -NSMC_E_CMS_OTHER_KEY;
	r = decrypt_key(recipient, cms, cek, &bad_key);
	if (r < 0)
		goto out;
	/*
	 * Decrypt with a random key on failure too, so that timing does not
	 * tell which check failed.
	 */
	r = decrypt_content(cms, cek, buf, ret_len, &bad_padding);
	if (r < 0) {
		r = is_no_memory(r) ? -ENOMEM : -NSMC_E_DECRYPT;
	} else if ((bad_key | bad_padding) != 0) {
		ours = !cms->ski.data ||
		       (cms->ski.len == SKI_SIZE &&
			memcmp(cms->ski.data, recipient->ski, SKI_SIZE) == 0);
		r = ours ? -NSMC_E_DECRYPT : -NSMC_E_CMS_OTHER_KEY;
	}
out:
	explicit_bzero(cek, sizeof(cek));
	return r;
}

/*
 * Takes an attempt before anything is decrypted, so that any number of threads
 * together get no more failures from a key than it allows.
 */
static int take_attempt(struct nsmc_recipient *recipient)
{
	uint32_t left = __atomic_load_n(&recipient->left, __ATOMIC_SEQ_CST);

	do {
		if (left == 0)
			return __atomic_load_n(&recipient->failed,
					       __ATOMIC_SEQ_CST) >=
					       recipient->allowed ?
				       -NSMC_E_KEY_SPENT :
				       -EAGAIN;
	} while (!__atomic_compare_exchange_n(&recipient->left, &left, left - 1,
					      true, __ATOMIC_SEQ_CST,
					      __ATOMIC_SEQ_CST));
	return 0;
}

/* A failure that did not depend on the key, and a success, cost no attempt. */
static void end_attempt(struct nsmc_recipient *recipient, int r)
{
	bool failed = r == -NSMC_E_DECRYPT || r == -NSMC_E_CMS_OTHER_KEY;

	(void)__atomic_fetch_add(failed ? &recipient->failed : &recipient->left,
				 1, __ATOMIC_SEQ_CST);
}

int nsmc_recipient_open(struct nsmc_recipient *recipient, const void *cms,
			size_t len, void *buf, size_t cap, size_t *ret_len,
			struct nsmc_object *reterr_object)
{
	struct nsmc_object object = { "" };
	struct cms message;
	size_t plain_len = 0;
	int r;

	if (!cms && len > 0)
		r = -EINVAL;
	else if (len > NSMC_CMS_MAX)
		r = -EMSGSIZE;
	else if (cap < len)
		r = -ENOBUFS;
	else
		r = cms_parse(cms, len, &message, &object);
	if (r == 0)
		r = take_attempt(recipient);
	if (r == 0) {
		r = open_message(recipient, &message, buf, &plain_len);
		end_attempt(recipient, r);
	}
	if (r < 0) {
		if (buf && cap > 0)
			explicit_bzero(buf, cap);
		if (reterr_object)
			*reterr_object = object;
		return r;
	}
	*ret_len = plain_len;
	return 0;
}
