/*
 * KMS's answers decrypted, and the keys for it, over random bytes made here: with
 * the same of the NSM and of the kernel, each run does the same.
 */

#include "nsm/nsmc.h"

#include <errno.h>
#include <limits.h>
#include <mbedtls/cipher.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <mbedtls/sha256.h>
#include <pthread.h>
#include <sys/random.h>

#include "nsm/dev.h"
#include "tests/unit/data.h"
#include "tests/unit/memory.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { NSM_FD = 77, CEK_SIZE = 32 };

/* --- the NSM, the kernel and the heap --- */

static struct {
	uint64_t state; /* of the generator that makes the bytes */
	size_t chunk;	/* bytes an answer */
	int exchanges, fail_at, error;
	const char *refusal; /* instead of error */
} dev = { .chunk = 256 };

static struct {
	_Atomic uint64_t state;
	bool interrupts; /* every other call, and gives a byte otherwise */
	int calls, fail_at, error;
	/* A call waits while HOLD; WAITING counts those that do. */
	_Atomic bool hold;
	_Atomic int waiting;
} kernel;

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

int dev_open(void)
{
	return NSM_FD;
}

/* A document of which all is the request for it. */
static size_t attest(const uint8_t *req, size_t len, uint8_t *out)
{
	static const uint8_t head[] = "\xa1\x6b"
				      "Attestation\xa1\x68"
				      "document\x59";
	size_t at = sizeof(head) - 1;

	memcpy(out, head, at);
	out[at++] = (uint8_t)(len >> 8);
	out[at++] = (uint8_t)len;
	memcpy(out + at, req, len);
	return at + len;
}

int dev_exchange(int fd, const void *req, size_t len, void *resp,
		 size_t *ret_len)
{
	static const uint8_t head[] = "\xa1\x69GetRandom\xa1\x66random\x59";
	uint8_t *out = resp;
	size_t at = sizeof(head) - 1;

	CHECK_INT(fd, NSM_FD);
	CHECK(len > 0 && req);
	if (++dev.exchanges == dev.fail_at && dev.refusal) {
		*ret_len = strlen(dev.refusal);
		memcpy(out, dev.refusal, *ret_len);
		return 0;
	}
	if (dev.exchanges == dev.fail_at)
		return dev.error;
	if (memmem(req, len, "Attestation", 11)) {
		*ret_len = attest(req, len, out);
		return 0;
	}
	memcpy(out, head, at);
	out[at++] = (uint8_t)(dev.chunk >> 8);
	out[at++] = (uint8_t)dev.chunk;
	for (size_t i = 0; i < dev.chunk; i++)
		out[at++] = (uint8_t)mix(++dev.state << 20);
	*ret_len = at;
	return 0;
}

ssize_t getrandom(void *buf, size_t len, unsigned flags)
{
	uint8_t *to = buf;

	CHECK_INT(flags, 0);
	if (kernel.hold) {
		kernel.waiting++;
		while (kernel.hold)
			(void)usleep(1000);
		kernel.waiting--;
	}
	if (++kernel.calls == kernel.fail_at) {
		errno = kernel.error;
		return -1;
	}
	if (kernel.interrupts && kernel.calls % 2 == 0) {
		errno = EINTR;
		return -1;
	}
	if (kernel.interrupts)
		len = 1;
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)mix(++kernel.state << 21);
	return (ssize_t)len;
}

/* --- what the tests share --- */

static const char plaintext[] = "0123456789abcdef0123456789ABCDEF";
static const char *const vectors[] = { "cms/A.der", "cms/B.der",
				       "cms/C.der", "cms/D.der",
				       "cms/E.der", "cms/localstack.der" };

/* With as many attempts as there are if they are not of interest. */
static struct nsmc_recipient *import_bounded(const char *file)
{
	struct nsmc_recipient *recipient = NULL;
	struct data key = data_load(file);

	REQUIRE(nsmc_recipient_import(key.bytes, key.len, &recipient) == 0);
	free(key.bytes);
	return recipient;
}

static struct nsmc_recipient *import(const char *file)
{
	struct nsmc_recipient *recipient = import_bounded(file);

	REQUIRE(nsmc_recipient_attempts(recipient, UINT32_MAX) == 0);
	return recipient;
}

/*
 * Most of what a new key takes is the search for its primes, which the random bytes decide. Of some hundred generators these find them
 * soonest: 2048 bits in 16 ms where they take 140, 3072 in 40 of 600.
 */
static void find_soon(int fd, unsigned bits)
{
	bool is_nsm = fd == NSM_FD;

	dev.state = bits == 2048 ? 8300000 : 2200000;
	kernel.state = is_nsm ? 0 : bits == 2048 ? 5000000 : 4000000;
}

static struct nsmc_recipient *make(int fd, unsigned bits)
{
	struct nsmc_recipient *recipient = NULL;

	find_soon(fd, bits);
	REQUIRE(nsmc_recipient_new(fd, bits, &recipient) == 0);
	return recipient;
}

static struct data public_key(const struct nsmc_recipient *recipient)
{
	uint8_t spki[NSMC_RECIPIENT_SPKI_MAX];
	size_t len = 0;

	REQUIRE(nsmc_recipient_public_key(recipient, spki, sizeof(spki),
					  &len) == 0);
	return data_copy(spki, len);
}

static bool is_zero(const uint8_t *buf, size_t len)
{
	while (len > 0)
		if (buf[--len] != 0)
			return false;
	return true;
}

/* The error of opening; that it leaves nothing behind is seen to here. */
static int refusal(struct nsmc_recipient *recipient, const void *cms,
		   size_t len, const char *object)
{
	uint8_t buf[NSMC_CMS_MAX];
	struct nsmc_object named = { "?" };
	size_t ret_len = 4711;
	int r;

	memset(buf, 0xee, sizeof(buf));
	r = nsmc_recipient_open(recipient, cms, len, buf, sizeof(buf), &ret_len,
				&named);
	CHECK(r < 0);
	CHECK_INT(ret_len, 4711);
	CHECK(is_zero(buf, sizeof(buf)));
	CHECK_STR(named.name, object);
	return r;
}

static void check_opens(struct nsmc_recipient *recipient, struct data cms,
			const void *wanted, size_t wanted_len)
{
	struct data buf = data_copy(cms.bytes, cms.len); /* just enough */
	size_t len = 0;

	if (CHECK_INT(nsmc_recipient_open(recipient, cms.bytes, cms.len,
					  buf.bytes, buf.len, &len, NULL),
		      0) &&
	    CHECK_INT(len, wanted_len) && len > 0)
		CHECK_MEM(buf.bytes, wanted, len);
	free(buf.bytes);
}

/* --- messages --- */

/* Where things are in the vectors, and in A and E. */
enum { AT_SKI = 33, AT_KEY = 131, AT_IV = 415, AT_CONTENT = 431 };

static int test_random(void *ctx, unsigned char *buf, size_t len)
{
	(void)ctx;
	return getrandom(buf, len, 0) == (ssize_t)len ? 0 : -1;
}

/* A key that a message brings, encrypted for RECIPIENT. */
static void encrypt_key(const struct nsmc_recipient *recipient,
			const uint8_t *cek, size_t len, uint8_t *to)
{
	struct data spki = public_key(recipient);
	mbedtls_pk_context pk;
	mbedtls_rsa_context *rsa;

	mbedtls_pk_init(&pk);
	REQUIRE(mbedtls_pk_parse_public_key(&pk, spki.bytes, spki.len) == 0);
	rsa = mbedtls_pk_rsa(pk);
	REQUIRE(mbedtls_rsa_set_padding(rsa, MBEDTLS_RSA_PKCS_V21,
					MBEDTLS_MD_SHA256) == 0);
	REQUIRE(mbedtls_rsa_rsaes_oaep_encrypt(rsa, test_random, NULL, NULL, 0,
					       len, cek, to) == 0);
	mbedtls_pk_free(&pk);
	free(spki.bytes);
}

/* AES-256-CBC of whole blocks: a padding is in PLAIN, if there is one. */
static void encrypt_content(const uint8_t *cek, const uint8_t *iv,
			    const uint8_t *plain, size_t len, uint8_t *to)
{
	mbedtls_cipher_context_t aes;
	size_t n = 0;

	mbedtls_cipher_init(&aes);
	REQUIRE(mbedtls_cipher_setup(&aes,
				     mbedtls_cipher_info_from_type(
					     MBEDTLS_CIPHER_AES_256_CBC)) == 0);
	REQUIRE(mbedtls_cipher_set_padding_mode(&aes, MBEDTLS_PADDING_NONE) ==
		0);
	REQUIRE(mbedtls_cipher_setkey(&aes, cek, 8 * CEK_SIZE,
				      MBEDTLS_ENCRYPT) == 0);
	REQUIRE(mbedtls_cipher_crypt(&aes, iv, 16, plain, len, to, &n) == 0);
	REQUIRE(n == len);
	mbedtls_cipher_free(&aes);
}

/* As E, with another content of LEN bytes, padding and all, of one chunk. */
static struct data make_message_of(const uint8_t *cek, const uint8_t *plain,
				   size_t len)
{
	struct data e = data_load("cms/E.der"), m;
	size_t at = AT_CONTENT;

	m.bytes = calloc(1, at + 4 + len + 8);
	REQUIRE(m.bytes);
	memcpy(m.bytes, e.bytes, at);
	m.bytes[at++] = 0x80;
	m.bytes[at++] = 0x82;
	m.bytes[at++] = (uint8_t)(len >> 8);
	m.bytes[at++] = (uint8_t)len;
	encrypt_content(cek, e.bytes + AT_IV, plain, len, m.bytes + at);
	m.len = at + len + 8;
	free(e.bytes);
	return m;
}

/* By the content's key that is in E. */
static struct data make_message(const uint8_t *plain, size_t len)
{
	uint8_t cek[CEK_SIZE];

	for (size_t i = 0; i < sizeof(cek); i++)
		cek[i] = (uint8_t)i;
	return make_message_of(cek, plain, len);
}

static void set_ski(struct data cms, const struct nsmc_recipient *recipient)
{
	struct data spki = public_key(recipient);

	REQUIRE(mbedtls_sha256(spki.bytes, spki.len, cms.bytes + AT_SKI, 0) ==
		0);
	free(spki.bytes);
}

/* --- opening --- */

TEST(kms_messages_are_opened_in_all_forms)
{
	struct nsmc_recipient *recipient = import("cms/key.der");

	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct data d = data_load(vectors[i]);

		check_opens(recipient, d, plaintext, strlen(plaintext));
		free(d.bytes);
	}
	nsmc_recipient_free(recipient);
}

/* A as version 0: in place of the key's name the one of a certificate. */
static struct data make_v0(void)
{
	static const uint8_t name[] = { 0x30, 0x13, 0x30, 0x0d, 0x31, 0x0b,
					0x30, 0x09, 0x06, 0x03, 0x55, 0x04,
					0x06, 0x13, 0x02, 0x55, 0x53, 0x02,
					0x02, 0x01, 0x00 };
	enum { AT_NAME = AT_SKI - 2, GONE = 34 };
	struct data a = data_load("cms/A.der"), d;

	REQUIRE(a.bytes[AT_NAME] == 0x80 && a.bytes[AT_NAME + 1] == 32);
	REQUIRE(a.bytes[19] == 2 && a.bytes[AT_NAME - 1] == 2);
	d = data_copy(a.bytes, a.len - GONE + sizeof(name));
	d.bytes[19] = 0;
	d.bytes[AT_NAME - 1] = 0;
	memcpy(d.bytes + AT_NAME, name, sizeof(name));
	memcpy(d.bytes + AT_NAME + sizeof(name), a.bytes + AT_NAME + GONE,
	       a.len - AT_NAME - GONE);
	/* The lengths of what this is in: a SET and a SEQUENCE. */
	for (size_t at = AT_NAME - 9; at < AT_NAME - 4; at += 4) {
		size_t len = (size_t)a.bytes[at] << 8 | a.bytes[at + 1];

		REQUIRE(a.bytes[at - 1] == 0x82);
		len = len - GONE + sizeof(name);
		d.bytes[at] = (uint8_t)(len >> 8);
		d.bytes[at + 1] = (uint8_t)len;
	}
	free(a.bytes);
	return d;
}

TEST(a_message_that_names_a_certificate_is_opened)
{
	struct nsmc_recipient *recipient = import("cms/key.der");
	struct data d = make_v0();

	check_opens(recipient, d, plaintext, strlen(plaintext));
	/* It names no key, and so not another one. */
	d.bytes[d.len - 20] ^= 1;
	CHECK_INT(refusal(recipient, d.bytes, d.len, ""), -NSMC_E_DECRYPT);
	free(d.bytes);
	nsmc_recipient_free(recipient);
}

TEST(contents_of_all_lengths_are_opened)
{
	static const size_t lengths[] = { 0,  1,  15, 16,  17,	 31,
					  32, 33, 48, 255, 4096, 5600 };
	struct nsmc_recipient *recipient = import("cms/key.der");
	uint8_t plain[NSMC_CMS_MAX];

	for (size_t i = 0; i < COUNT(lengths); i++) {
		size_t len = lengths[i], pad = 16 - len % 16;
		struct data d;

		memset(plain, 0xa5, len);
		memset(plain + len, (int)pad, pad);
		d = make_message(plain, len + pad);
		check_opens(recipient, d, plain, len);
		free(d.bytes);
	}
	nsmc_recipient_free(recipient);
}

TEST(a_padding_that_is_none_is_refused)
{
	struct nsmc_recipient *recipient = import("cms/key.der");
	uint8_t plain[48];
	struct data d;

	/* The last byte says how long it is: 1 is one, and 7 by chance. */
	for (int last = 0; last < 256; last++) {
		if (last > 48 && last % CHECK_SOME_WITH_SANITIZERS != 0)
			continue;
		memset(plain, 7, sizeof(plain));
		plain[47] = (uint8_t)last;
		d = make_message(plain, sizeof(plain));
		if (last == 1 || last == 7)
			check_opens(recipient, d, plain,
				    sizeof(plain) - (size_t)last);
		else
			CHECK_INT(refusal(recipient, d.bytes, d.len, ""),
				  -NSMC_E_DECRYPT);
		free(d.bytes);
	}
	/* One byte of it is wrong. */
	for (size_t i = 32; i < 47; i++) {
		memset(plain, 16, sizeof(plain));
		plain[i] = 15;
		d = make_message(plain, sizeof(plain));
		CHECK_INT(refusal(recipient, d.bytes, d.len, ""),
			  -NSMC_E_DECRYPT);
		free(d.bytes);
	}
	nsmc_recipient_free(recipient);
}

TEST(a_key_of_another_length_than_32_bytes_is_refused)
{
	/* What OAEP holds at most is 190 bytes. */
	static const size_t lengths[] = { 0, 1, 16, 24, 31, 33, 64, 190 };
	struct nsmc_recipient *recipient = import("cms/key.der");
	struct data d = data_load("cms/A.der");
	uint8_t cek[190];

	for (size_t i = 0; i < sizeof(cek); i++)
		cek[i] = (uint8_t)i;
	encrypt_key(recipient, cek, CEK_SIZE, d.bytes + AT_KEY);
	check_opens(recipient, d, plaintext, strlen(plaintext));
	for (size_t i = 0; i < COUNT(lengths); i++) {
		encrypt_key(recipient, cek, lengths[i], d.bytes + AT_KEY);
		CHECK_INT(refusal(recipient, d.bytes, d.len, ""),
			  -NSMC_E_DECRYPT);
	}
	free(d.bytes);
	nsmc_recipient_free(recipient);
}

TEST(all_that_does_not_decrypt_is_one_error)
{
	/* The encrypted key's first byte, its last, and the content's last. */
	static const size_t flip[] = { AT_KEY, AT_KEY + 255, AT_CONTENT + 49 };
	struct nsmc_recipient *recipient = import("cms/key.der");
	struct data d = data_load("cms/A.der");

	for (size_t i = 0; i < COUNT(flip); i++) {
		d.bytes[flip[i]] ^= 1;
		CHECK_INT(refusal(recipient, d.bytes, d.len, ""),
			  -NSMC_E_DECRYPT);
		d.bytes[flip[i]] ^= 1;
	}
	/* More than the modulus. */
	memset(d.bytes + AT_KEY, 0xff, 256);
	CHECK_INT(refusal(recipient, d.bytes, d.len, ""), -NSMC_E_DECRYPT);
	memset(d.bytes + AT_KEY, 0, 256);
	CHECK_INT(refusal(recipient, d.bytes, d.len, ""), -NSMC_E_DECRYPT);
	free(d.bytes);
	nsmc_recipient_free(recipient);
}

TEST(a_good_padding_opens_nothing_without_the_key)
{
	struct nsmc_recipient *recipient = import("cms/key.der");
	uint8_t cek[CEK_SIZE], plain[16];
	struct data d;

	/* The key that stands in for the broken one: here we know it. */
	memset(plain, sizeof(plain), sizeof(plain));
	REQUIRE(getrandom(cek, sizeof(cek), 0) == sizeof(cek));
	d = make_message_of(cek, plain, sizeof(plain));
	d.bytes[AT_KEY] ^= 1;
	kernel.state = 0;
	CHECK_INT(refusal(recipient, d.bytes, d.len, ""), -NSMC_E_DECRYPT);
	free(d.bytes);
	nsmc_recipient_free(recipient);
}

TEST(a_message_for_another_key_is_told_by_its_name)
{
	struct nsmc_recipient *other = make(NSMC_KERNEL_RANDOM, 2048);
	struct data d = data_load("cms/A.der");

	CHECK_INT(refusal(other, d.bytes, d.len, ""), -NSMC_E_CMS_OTHER_KEY);
	set_ski(d, other);
	CHECK_INT(refusal(other, d.bytes, d.len, ""), -NSMC_E_DECRYPT);
	free(d.bytes);
	nsmc_recipient_free(other);
}

TEST(a_name_alone_keeps_nothing_from_being_opened)
{
	struct nsmc_recipient *recipient = import("cms/key.der");
	struct data d = data_load("cms/A.der");

	d.bytes[AT_SKI] ^= 1;
	check_opens(recipient, d, plaintext, strlen(plaintext));
	d.bytes[AT_CONTENT + 49] ^= 1;
	CHECK_INT(refusal(recipient, d.bytes, d.len, ""),
		  -NSMC_E_CMS_OTHER_KEY);
	free(d.bytes);
	nsmc_recipient_free(recipient);
}

TEST(the_form_is_told_with_its_object)
{
	struct nsmc_recipient *recipient = import("cms/key.der");
	struct data d = data_load("cms/A.der");

	CHECK_INT(refusal(recipient, d.bytes, d.len - 2, "ContentInfo"),
		  -NSMC_E_CMS_CUT);
	d.bytes[19] = 1;
	CHECK_INT(refusal(recipient, d.bytes, d.len, "EnvelopedData"),
		  -NSMC_E_CMS_VERSION);
	d.bytes[19] = 0; /* of another version than its recipient's part */
	CHECK_INT(refusal(recipient, d.bytes, d.len, "KeyTransRecipientInfo"),
		  -NSMC_E_CMS_VERSION);
	free(d.bytes);
	nsmc_recipient_free(recipient);
}

TEST(too_little_room_and_too_long_a_message_are_refused)
{
	struct nsmc_recipient *recipient = import("cms/key.der");
	struct data d = data_load("cms/A.der");
	uint8_t buf[NSMC_CMS_MAX + 1] = { 0 };
	size_t len = 4711;

	memset(buf, 0xee, sizeof(buf));
	CHECK_INT(nsmc_recipient_open(recipient, d.bytes, d.len, buf, d.len - 1,
				      &len, NULL),
		  -ENOBUFS);
	CHECK(is_zero(buf, d.len - 1));
	CHECK_INT(buf[d.len - 1], 0xee);
	CHECK_INT(nsmc_recipient_open(recipient, d.bytes, d.len, NULL, 0, &len,
				      NULL),
		  -ENOBUFS);
	CHECK_INT(nsmc_recipient_open(recipient, buf, sizeof(buf), buf,
				      sizeof(buf), &len, NULL),
		  -EMSGSIZE);
	CHECK_INT(nsmc_recipient_open(recipient, NULL, 32, buf, sizeof(buf),
				      &len, NULL),
		  -EINVAL);
	CHECK_INT(len, 4711);
	free(d.bytes);
	nsmc_recipient_free(recipient);
}

TEST(opening_without_random_bytes_fails)
{
	struct nsmc_recipient *recipient = import("cms/key.der");
	struct data d = data_load("cms/A.der");
	uint8_t buf[NSMC_CMS_MAX];
	size_t len;

	kernel.calls = 0;
	kernel.fail_at = 1;
	kernel.error = ENOSYS;
	CHECK_INT(refusal(recipient, d.bytes, d.len, ""), -ENOSYS);
	kernel.calls = 0;
	/* The blinding's: no attempt is lost by it, however often it fails. */
	for (int i = 0; i <= NSMC_ATTEMPTS_DEFAULT; i++) {
		kernel.calls = 0;
		kernel.fail_at = 2;
		CHECK_INT(refusal(recipient, d.bytes, d.len, ""), -EIO);
	}
	kernel.fail_at = 0;
	CHECK_INT(nsmc_recipient_open(recipient, d.bytes, d.len, buf,
				      sizeof(buf), &len, NULL),
		  0);
	free(d.bytes);
	nsmc_recipient_free(recipient);
}

TEST(opening_without_memory_says_so)
{
	struct nsmc_recipient *recipient = import("cms/key.der");
	struct data d = data_load("cms/A.der");
	uint8_t buf[NSMC_CMS_MAX];
	size_t len = 0;
	int n, r = -ENOMEM;

	for (n = 0; r == -ENOMEM && n < 100000; n++) {
		memset(buf, 0xee, sizeof(buf));
		allocations = n;
		r = nsmc_recipient_open(recipient, d.bytes, d.len, buf,
					sizeof(buf), &len, NULL);
		allocations = -1;
		if (r < 0)
			CHECK(is_zero(buf, sizeof(buf)));
	}
	CHECK_INT(r, 0);
	CHECK(n > 10);
	free(d.bytes);
	nsmc_recipient_free(recipient);
}

/* --- threads --- */

struct job {
	struct nsmc_recipient *recipient;
	struct data cms;
	int good;
};

static void *open_often(void *ctx)
{
	struct job *job = ctx;
	uint8_t buf[NSMC_CMS_MAX];
	size_t len;

	for (int i = 0; i < 20; i++)
		job->good += nsmc_recipient_open(job->recipient, job->cms.bytes,
						 job->cms.len, buf, sizeof(buf),
						 &len, NULL) == 0 &&
			     len == strlen(plaintext) &&
			     memcmp(buf, plaintext, len) == 0;
	return NULL;
}

TEST(threads_share_a_key)
{
	struct nsmc_recipient *recipient = import("cms/key.der");
	struct job jobs[4];
	pthread_t threads[COUNT(jobs)];

	for (size_t i = 0; i < COUNT(jobs); i++) {
		jobs[i] = (struct job){ recipient, data_load(vectors[i]), 0 };
		REQUIRE(pthread_create(&threads[i], NULL, open_often,
				       &jobs[i]) == 0);
	}
	for (size_t i = 0; i < COUNT(jobs); i++) {
		(void)pthread_join(threads[i], NULL);
		CHECK_INT(jobs[i].good, 20);
		free(jobs[i].cms.bytes);
	}
	nsmc_recipient_free(recipient);
}

/* --- attempts --- */

/* As A, but its content does not decrypt. */
static struct data make_bad(void)
{
	struct data d = data_load("cms/A.der");

	d.bytes[AT_CONTENT + 49] ^= 1;
	return d;
}

TEST(a_key_is_spent_after_three_failures)
{
	struct nsmc_recipient *recipient = import_bounded("cms/key.der");
	struct data good = data_load("cms/A.der"), bad = make_bad();

	CHECK_INT(NSMC_ATTEMPTS_DEFAULT, 3);
	for (int i = 0; i < NSMC_ATTEMPTS_DEFAULT; i++) {
		check_opens(recipient, good, plaintext, strlen(plaintext));
		CHECK_INT(refusal(recipient, bad.bytes, bad.len, ""),
			  -NSMC_E_DECRYPT);
	}
	/* For good, whatever the message. */
	for (int i = 0; i < 5; i++) {
		CHECK_INT(refusal(recipient, good.bytes, good.len, ""),
			  -NSMC_E_KEY_SPENT);
		CHECK_INT(refusal(recipient, bad.bytes, bad.len, ""),
			  -NSMC_E_KEY_SPENT);
	}
	/* It still has its public and its private key. */
	bad.len = 0;
	free(bad.bytes);
	bad = public_key(recipient);
	CHECK_INT(bad.len, 294);
	free(good.bytes);
	free(bad.bytes);
	nsmc_recipient_free(recipient);
}

TEST(good_messages_cost_nothing)
{
	struct nsmc_recipient *recipient = import_bounded("cms/key.der");

	for (int i = 0; i < 4; i++)
		for (size_t k = 0; k < COUNT(vectors); k++) {
			struct data d = data_load(vectors[k]);

			check_opens(recipient, d, plaintext, strlen(plaintext));
			free(d.bytes);
		}
	nsmc_recipient_free(recipient);
}

TEST(what_anybody_can_see_costs_nothing)
{
	struct nsmc_recipient *recipient = import_bounded("cms/key.der");
	struct data d = data_load("cms/A.der");
	uint8_t buf[NSMC_CMS_MAX + 1] = { 0 };
	size_t len = 0;

	CHECK_INT(nsmc_recipient_attempts(recipient, 1), 0);
	for (int i = 0; i < 5; i++) {
		CHECK_INT(refusal(recipient, d.bytes, d.len - 2, "ContentInfo"),
			  -NSMC_E_CMS_CUT);
		d.bytes[19] = 1;
		CHECK_INT(refusal(recipient, d.bytes, d.len, "EnvelopedData"),
			  -NSMC_E_CMS_VERSION);
		d.bytes[19] = 2;
		CHECK_INT(nsmc_recipient_open(recipient, d.bytes, d.len, buf,
					      d.len - 1, &len, NULL),
			  -ENOBUFS);
		CHECK_INT(nsmc_recipient_open(recipient, buf, sizeof(buf), buf,
					      sizeof(buf), &len, NULL),
			  -EMSGSIZE);
		CHECK_INT(nsmc_recipient_open(recipient, NULL, 1, buf,
					      sizeof(buf), &len, NULL),
			  -EINVAL);
		/* Nor what is not the message's fault. */
		kernel.calls = 0;
		kernel.fail_at = 1;
		kernel.error = ENOSYS;
		CHECK_INT(refusal(recipient, d.bytes, d.len, ""), -ENOSYS);
		kernel.fail_at = 0;
		allocations = 0;
		CHECK_INT(refusal(recipient, d.bytes, d.len, ""), -ENOMEM);
		allocations = -1;
	}
	check_opens(recipient, d, plaintext, strlen(plaintext));
	free(d.bytes);
	nsmc_recipient_free(recipient);
}

TEST(failures_of_all_kinds_count)
{
	struct nsmc_recipient *recipient = import_bounded("cms/key.der");
	struct nsmc_recipient *longer;
	struct data a = data_load("cms/A.der"), bad = make_bad();
	size_t len = a.len;

	/* The padding, the encrypted key, another key's name. */
	CHECK_INT(refusal(recipient, bad.bytes, len, ""), -NSMC_E_DECRYPT);
	a.bytes[AT_KEY] ^= 1;
	CHECK_INT(refusal(recipient, a.bytes, len, ""), -NSMC_E_DECRYPT);
	a.bytes[AT_SKI] ^= 1;
	CHECK_INT(refusal(recipient, a.bytes, len, ""), -NSMC_E_CMS_OTHER_KEY);
	a.bytes[AT_SKI] ^= 1;
	a.bytes[AT_KEY] ^= 1;
	CHECK_INT(refusal(recipient, a.bytes, len, ""), -NSMC_E_KEY_SPENT);
	nsmc_recipient_free(recipient);

	/* A key of another length. */
	longer = make(NSMC_KERNEL_RANDOM, 3072);
	CHECK_INT(nsmc_recipient_attempts(longer, 1), 0);
	CHECK_INT(refusal(longer, a.bytes, len, ""), -NSMC_E_CMS_OTHER_KEY);
	CHECK_INT(refusal(longer, a.bytes, len, ""), -NSMC_E_KEY_SPENT);
	nsmc_recipient_free(longer);
	free(a.bytes);
	free(bad.bytes);
}

TEST(the_number_of_attempts_may_be_another)
{
	static const uint32_t numbers[] = { 1, 2, 7 };
	struct data good = data_load("cms/A.der"), bad = make_bad();

	CHECK_INT(nsmc_recipient_attempts(NULL, 3), -EINVAL);
	for (size_t i = 0; i < COUNT(numbers); i++) {
		struct nsmc_recipient *recipient = make(NSM_FD, 2048);

		set_ski(bad, recipient);
		CHECK_INT(nsmc_recipient_attempts(recipient, 0), -EINVAL);
		CHECK_INT(nsmc_recipient_attempts(recipient, numbers[i]), 0);
		CHECK_INT(nsmc_recipient_attempts(recipient, 0), -EINVAL);
		for (uint32_t n = 0; n < numbers[i]; n++)
			CHECK_INT(refusal(recipient, bad.bytes, bad.len, ""),
				  -NSMC_E_DECRYPT);
		CHECK_INT(refusal(recipient, bad.bytes, bad.len, ""),
			  -NSMC_E_KEY_SPENT);
		nsmc_recipient_free(recipient);
	}
	free(good.bytes);
	free(bad.bytes);
}

static void *fail_often(void *ctx)
{
	struct job *job = ctx;
	uint8_t buf[NSMC_CMS_MAX];
	size_t len = 0;

	for (int i = 0; i < 8; i++) {
		int r = nsmc_recipient_open(job->recipient, job->cms.bytes,
					    job->cms.len, buf, sizeof(buf),
					    &len, NULL);

		CHECK(r == -NSMC_E_DECRYPT || r == -NSMC_E_KEY_SPENT ||
		      r == -EAGAIN);
		CHECK_INT(len, 0);
		job->good += r == -NSMC_E_DECRYPT;
	}
	return NULL;
}

TEST(threads_get_no_more_failures_together)
{
	struct data bad = make_bad();

	for (int round = 0; round < 4; round++) {
		struct nsmc_recipient *recipient =
			import_bounded("cms/key.der");
		struct job jobs[8];
		pthread_t threads[COUNT(jobs)];
		int failures = 0;

		for (size_t i = 0; i < COUNT(jobs); i++) {
			jobs[i] = (struct job){ recipient, bad, 0 };
			REQUIRE(pthread_create(&threads[i], NULL, fail_often,
					       &jobs[i]) == 0);
		}
		for (size_t i = 0; i < COUNT(jobs); i++) {
			(void)pthread_join(threads[i], NULL);
			failures += jobs[i].good;
		}
		CHECK_INT(failures, NSMC_ATTEMPTS_DEFAULT);
		CHECK_INT(refusal(recipient, bad.bytes, bad.len, ""),
			  -NSMC_E_KEY_SPENT);
		nsmc_recipient_free(recipient);
	}
	free(bad.bytes);
}

/* One opening; its result is GOOD. */
static void *open_once(void *ctx)
{
	struct job *job = ctx;
	uint8_t buf[NSMC_CMS_MAX];
	size_t len;

	job->good = nsmc_recipient_open(job->recipient, job->cms.bytes,
					job->cms.len, buf, sizeof(buf), &len,
					NULL);
	return NULL;
}

/* Three openings at once, held in the middle; each must come to WANTED. */
static void open_held(struct nsmc_recipient *recipient, struct data cms,
		      int wanted)
{
	struct data good = data_load("cms/A.der");
	struct job jobs[NSMC_ATTEMPTS_DEFAULT];
	pthread_t threads[COUNT(jobs)];

	kernel.hold = true;
	for (size_t i = 0; i < COUNT(jobs); i++) {
		jobs[i] = (struct job){ recipient, cms, 77 };
		REQUIRE(pthread_create(&threads[i], NULL, open_once,
				       &jobs[i]) == 0);
	}
	while (kernel.waiting < (int)COUNT(jobs))
		(void)usleep(1000);
	/* All attempts are taken, and none has failed. */
	CHECK_INT(refusal(recipient, good.bytes, good.len, ""), -EAGAIN);
	CHECK_INT(refusal(recipient, cms.bytes, cms.len, ""), -EAGAIN);
	kernel.hold = false;
	for (size_t i = 0; i < COUNT(jobs); i++) {
		(void)pthread_join(threads[i], NULL);
		CHECK_INT(jobs[i].good, wanted);
	}
	free(good.bytes);
}

TEST(openings_under_way_hold_their_attempts)
{
	struct nsmc_recipient *recipient = import_bounded("cms/key.der");
	struct data good = data_load("cms/A.der"), bad = make_bad();

	/* Good ones give theirs back. */
	open_held(recipient, good, 0);
	check_opens(recipient, good, plaintext, strlen(plaintext));
	open_held(recipient, bad, -NSMC_E_DECRYPT);
	CHECK_INT(refusal(recipient, good.bytes, good.len, ""),
		  -NSMC_E_KEY_SPENT);
	free(good.bytes);
	free(bad.bytes);
	nsmc_recipient_free(recipient);
}

/* --- Vaudenay's attack --- */

/*
 * What the attacker asks: whether a message is opened. That is the answer's code,
 * and no more is looked at.
 */
struct oracle {
	struct nsmc_recipient *recipient;
	int asked, opened, spent;
};

static bool ask(struct oracle *o, struct data m)
{
	uint8_t buf[NSMC_CMS_MAX];
	size_t len;
	int r = nsmc_recipient_open(o->recipient, m.bytes, m.len, buf,
				    sizeof(buf), &len, NULL);

	o->asked++;
	o->opened += r == 0;
	o->spent += r == -NSMC_E_KEY_SPENT;
	CHECK(r == 0 || r == -NSMC_E_DECRYPT || r == -NSMC_E_KEY_SPENT);
	return r == 0;
}

/*
 * Learns the last byte of the first block of A's plaintext, or -1: asks of two
 * blocks, one of which is altered until the other decrypts to something that ends
 * in 01, which is a padding. The key's part of the message stays as it is.
 */
static int attack(struct oracle *o)
{
	enum { BLOCK = 16, AT_BLOCK = AT_CONTENT + 4 };
	struct data a = data_load("cms/A.der"), m;
	uint8_t *forged;
	int found = -1;

	/* a0 80 04 30 ...: two blocks in place of three */
	REQUIRE(a.bytes[AT_CONTENT + 2] == 4 && a.bytes[AT_CONTENT + 3] == 48);
	m = data_copy(a.bytes, a.len - BLOCK);
	m.bytes[AT_CONTENT + 3] = 2 * BLOCK;
	forged = m.bytes + AT_BLOCK;
	memset(forged, 0x5a, BLOCK);
	memcpy(forged + BLOCK, a.bytes + AT_BLOCK, BLOCK);
	memcpy(forged + 2 * BLOCK, a.bytes + AT_BLOCK + 3 * BLOCK,
	       a.len - AT_BLOCK - 3 * BLOCK);

	/* Downwards: the byte is found after some fifty. */
	for (int guess = 255; guess >= 0 && found < 0; guess--) {
		forged[BLOCK - 1] = (uint8_t)guess;
		if (!ask(o, m))
			continue;
		/* Not 02 02: another byte before it changes nothing. */
		forged[BLOCK - 2] ^= 1;
		if (ask(o, m))
			found = guess ^ 1 ^ a.bytes[AT_IV + BLOCK - 1];
		forged[BLOCK - 2] ^= 1;
	}
	free(m.bytes);
	free(a.bytes);
	return found;
}

/* It works, where nothing bounds it: the next test could fail. */
TEST(who_may_try_messages_learns_their_content)
{
	struct oracle o = { .recipient = import("cms/key.der") };

	CHECK_INT(attack(&o), plaintext[15]);
	CHECK_INT(o.opened, 2);
	CHECK_INT(o.spent, 0);
	CHECK(o.asked > 2 * NSMC_ATTEMPTS_DEFAULT);
	nsmc_recipient_free(o.recipient);
}

TEST(a_spent_key_gives_nothing_to_learn)
{
	struct oracle o = { .recipient = import_bounded("cms/key.der") };

	CHECK_INT(attack(&o), -1);
	CHECK_INT(o.asked, 256);
	CHECK_INT(o.opened, 0);
	CHECK_INT(o.spent, 256 - NSMC_ATTEMPTS_DEFAULT);
	nsmc_recipient_free(o.recipient);
}

/* --- keys in files --- */

TEST(a_key_is_imported_in_all_forms)
{
	static const char *const files[] = { "cms/key-pkcs1.pem",
					     "cms/key-pkcs8.pem" };
	struct nsmc_recipient *recipient = import("cms/key.der"), *again;
	struct data spki = public_key(recipient), other;
	uint8_t key[NSMC_RECIPIENT_KEY_MAX];
	uint8_t hash[32];
	struct data d = data_load("cms/A.der");
	size_t len = 0;

	/* The public key is the one that the message names. */
	CHECK_INT(mbedtls_sha256(spki.bytes, spki.len, hash, 0), 0);
	CHECK_MEM(hash, d.bytes + AT_SKI, sizeof(hash));

	for (size_t i = 0; i < COUNT(files); i++) {
		again = import(files[i]);
		other = public_key(again);
		CHECK_INT(other.len, spki.len);
		CHECK_MEM(other.bytes, spki.bytes, spki.len);
		check_opens(again, d, plaintext, strlen(plaintext));
		free(other.bytes);
		nsmc_recipient_free(again);
	}

	CHECK_INT(nsmc_recipient_export(recipient, key, sizeof(key), &len), 0);
	again = NULL;
	REQUIRE(nsmc_recipient_import(key, len, &again) == 0);
	check_opens(again, d, plaintext, strlen(plaintext));
	nsmc_recipient_free(again);
	nsmc_recipient_free(recipient);
	free(spki.bytes);
	free(d.bytes);
}

TEST(exports_need_their_room)
{
	struct nsmc_recipient *recipient = import("cms/key.der");
	uint8_t buf[NSMC_RECIPIENT_KEY_MAX];
	size_t len = 0, again = 4711;

	CHECK_INT(nsmc_recipient_export(recipient, buf, sizeof(buf), &len), 0);
	memset(buf, 0xee, sizeof(buf));
	CHECK_INT(nsmc_recipient_export(recipient, buf, len - 1, &again),
		  -ENOBUFS);
	CHECK_INT(buf[0], 0xee);
	CHECK_INT(again, 4711);
	CHECK_INT(nsmc_recipient_export(recipient, buf, len, &again), 0);
	CHECK_INT(buf[len], 0xee);

	CHECK_INT(nsmc_recipient_public_key(recipient, buf, sizeof(buf), &len),
		  0);
	CHECK_INT(len, 294);
	CHECK_INT(nsmc_recipient_public_key(recipient, buf, len - 1, &again),
		  -ENOBUFS);
	CHECK_INT(nsmc_recipient_public_key(recipient, buf, len, &again), 0);
	nsmc_recipient_free(recipient);
}

static void check_no_key(const void *key, size_t len)
{
	struct nsmc_recipient *recipient = NULL;
	struct data d = data_copy(key, len);

	CHECK_INT(nsmc_recipient_import(d.bytes, len, &recipient), -NSMC_E_KEY);
	CHECK(!recipient);
	nsmc_recipient_free(recipient);
	free(d.bytes);
}

TEST(what_is_no_key_for_kms_is_not_imported)
{
	static const char *const files[] = {
		"cms/A.der",
		"cms/ec.der",
		"cms/rsa-1024.der",
		"cms/password-pkcs1.pem",
		"cms/password-pkcs8.pem",
		"README.md",
	};
	struct nsmc_recipient *recipient = import("cms/key.der");
	struct data key = data_load("cms/key.der"), spki;
	static uint8_t huge[1 << 15];

	for (size_t i = 0; i < COUNT(files); i++) {
		struct data d = data_load(files[i]);

		check_no_key(d.bytes, d.len);
		free(d.bytes);
	}
	spki = public_key(recipient);
	check_no_key(spki.bytes, spki.len);
	check_no_key("", 0);
	check_no_key("", 1);
	CHECK_INT(nsmc_recipient_import(NULL, 32,
					&(struct nsmc_recipient *){ NULL }),
		  -EINVAL);
	memcpy(huge, key.bytes, key.len);
	check_no_key(huge, key.len + 1);
	check_no_key(huge, sizeof(huge));
	free(spki.bytes);
	free(key.bytes);
	nsmc_recipient_free(recipient);
}

TEST(a_damaged_key_is_not_imported)
{
	struct data key = data_load("cms/key.der");

	for (size_t n = 0; n < key.len; n += 37)
		check_no_key(key.bytes, n);
	for (size_t at = 0; at < key.len; at += 7) {
		key.bytes[at] ^= 0x10;
		check_no_key(key.bytes, key.len);
		key.bytes[at] ^= 0x10;
	}
	free(key.bytes);
}

TEST(importing_without_memory_fails)
{
	struct data key = data_load("cms/key.der");
	struct nsmc_recipient *recipient = NULL;
	int n, r = -ENOMEM;

	for (n = 0; r < 0 && n < 100000; n++) {
		allocations = n;
		r = nsmc_recipient_import(key.bytes, key.len, &recipient);
		allocations = -1;
		CHECK(r == 0 || r == -ENOMEM || r == -NSMC_E_KEY);
		CHECK((r == 0) == (recipient != NULL));
	}
	CHECK_INT(r, 0);
	nsmc_recipient_free(recipient);
	free(key.bytes);
}

/* --- new keys --- */

/* It has that size, and what is encrypted for it can be opened. */
static void check_new(struct nsmc_recipient *recipient, size_t spki_len)
{
	struct data spki = public_key(recipient), d = data_load("cms/A.der");
	struct nsmc_recipient *again = NULL;
	uint8_t key[NSMC_RECIPIENT_KEY_MAX];
	uint8_t cek[CEK_SIZE];
	size_t len = 0;

	CHECK_INT(spki.len, spki_len);
	if (spki_len == 294) {
		for (size_t i = 0; i < sizeof(cek); i++)
			cek[i] = (uint8_t)i;
		encrypt_key(recipient, cek, sizeof(cek), d.bytes + AT_KEY);
		set_ski(d, recipient);
		check_opens(recipient, d, plaintext, strlen(plaintext));
	} else {
		CHECK_INT(refusal(recipient, d.bytes, d.len, ""),
			  -NSMC_E_CMS_OTHER_KEY);
	}
	CHECK_INT(nsmc_recipient_export(recipient, key, sizeof(key), &len), 0);
	CHECK_INT(nsmc_recipient_import(key, len, &again), 0);
	nsmc_recipient_free(again);
	free(spki.bytes);
	free(d.bytes);
}

TEST(keys_of_2048_bits_are_made)
{
	struct nsmc_recipient *recipient = make(NSM_FD, 2048);

	CHECK(dev.exchanges > 0);
	check_new(recipient, 294);
	nsmc_recipient_free(recipient);

	dev.exchanges = 0;
	recipient = make(NSMC_KERNEL_RANDOM, 2048);
	CHECK_INT(dev.exchanges, 0);
	check_new(recipient, 294);
	nsmc_recipient_free(recipient);
}

TEST(keys_of_3072_bits_are_made)
{
	struct nsmc_recipient *recipient = make(NSM_FD, 3072);

	check_new(recipient, 422);
	nsmc_recipient_free(recipient);
}

TEST(keys_of_4096_bits_are_made)
{
	struct nsmc_recipient *recipient = make(NSM_FD, 4096);

	check_new(recipient, 550);
	nsmc_recipient_free(recipient);
}

TEST(keys_of_other_sizes_are_not_made)
{
	static const unsigned sizes[] = { 0,	1,    1024, 2047, 2049,
					  2056, 4095, 8192, ~0u };
	struct nsmc_recipient *recipient = NULL;

	for (size_t i = 0; i < COUNT(sizes); i++)
		CHECK_INT(nsmc_recipient_new(NSM_FD, sizes[i], &recipient),
			  -NSMC_E_KEY);
	CHECK(!recipient);
	CHECK_INT(dev.exchanges, 0);
}

static struct data key_of(uint64_t of_nsm, uint64_t of_kernel)
{
	struct nsmc_recipient *recipient = NULL;
	struct data spki;

	dev.state = of_nsm;
	kernel.state = of_kernel;
	kernel.calls = 0;
	REQUIRE(nsmc_recipient_new(NSM_FD, 2048, &recipient) == 0);
	spki = public_key(recipient);
	nsmc_recipient_free(recipient);
	return spki;
}

TEST(a_key_is_decided_by_nsm_and_kernel_together)
{
	struct data key = key_of(8300000, 0), same, other_nsm, other_kernel;

	same = key_of(8300000, 0);
	other_nsm = key_of(19700000, 0);
	other_kernel = key_of(8300000, 5000);
	REQUIRE(same.len == 294);
	CHECK_MEM(same.bytes, key.bytes, key.len); /* so nothing else does */
	CHECK(memcmp(other_nsm.bytes, key.bytes, key.len) != 0);
	CHECK(memcmp(other_kernel.bytes, key.bytes, key.len) != 0);

	/* Bytes that come one by one are the same bytes. */
	free(same.bytes);
	dev.chunk = 1;
	kernel.interrupts = true;
	same = key_of(8300000, 0);
	CHECK_MEM(same.bytes, key.bytes, key.len);
	free(key.bytes);
	free(same.bytes);
	free(other_nsm.bytes);
	free(other_kernel.bytes);
}

TEST(an_nsm_that_fails_makes_no_key)
{
	struct nsmc_recipient *recipient = NULL;

	dev.chunk = 10;
	dev.error = -EIO;
	for (int at = 1; at <= 5; at++) { /* of 48 bytes */
		dev.exchanges = 0;
		dev.fail_at = at;
		CHECK_INT(nsmc_recipient_new(NSM_FD, 2048, &recipient), -EIO);
		CHECK_INT(dev.exchanges, at);
		CHECK(!recipient);
	}
	dev.exchanges = 0;
	dev.refusal = "\xa1\x65"
		      "Error\x6dInternalError";
	CHECK_INT(nsmc_recipient_new(NSM_FD, 2048, &recipient),
		  -NSMC_E_INTERNAL_ERROR);
	CHECK(!recipient);
}

TEST(a_kernel_that_fails_makes_no_key)
{
	struct nsmc_recipient *recipient = NULL;

	kernel.fail_at = 1;
	kernel.error = ENOSYS;
	CHECK_INT(nsmc_recipient_new(NSM_FD, 2048, &recipient), -ENOSYS);
	kernel.calls = 0;
	kernel.fail_at = 2;
	CHECK_INT(nsmc_recipient_new(NSMC_KERNEL_RANDOM, 2048, &recipient),
		  -ENOSYS);
	CHECK(!recipient);
}

TEST(an_nsm_that_was_not_opened_makes_no_key)
{
	static const int errors[] = { -ENOENT, -EACCES,		  -ENODEV,
				      -EBUSY,  -NSMC_E_TRUNCATED, INT_MIN };
	struct nsmc_recipient *recipient = NULL;

	CHECK_INT(NSMC_KERNEL_RANDOM, -1);
	for (size_t i = 0; i < COUNT(errors); i++)
		CHECK_INT(nsmc_recipient_new(errors[i], 2048, &recipient),
			  errors[i]);
	CHECK(!recipient);
	CHECK_INT(dev.exchanges, 0);
	CHECK_INT(kernel.calls, 0);
}

/* --- a key and its document --- */

TEST(a_key_comes_with_its_document)
{
	static const uint8_t user[] = "user", nonce[] = "nonce";
	uint8_t doc[NSMC_DOCUMENT_MAX];
	struct nsmc_recipient *recipient = NULL;
	struct data spki;
	size_t len = 0;

	find_soon(NSM_FD, 2048);
	REQUIRE(nsmc_recipient_attest(NSM_FD, 2048, NSMC_BYTES(user, 4),
				      NSMC_BYTES(nonce, 5), doc, sizeof(doc),
				      &len, &recipient) == 0);
	spki = public_key(recipient);
	CHECK(memmem(doc, len, spki.bytes, spki.len));
	CHECK(memmem(doc, len, "\x44user", 5));
	CHECK(memmem(doc, len, "\x45nonce", 6));
	free(spki.bytes);
	check_new(recipient, 294);
	nsmc_recipient_free(recipient);

	/* Absent is null, in this order: user_data, nonce, public_key. */
	recipient = NULL;
	find_soon(NSM_FD, 3072);
	REQUIRE(nsmc_recipient_attest(NSM_FD, 3072, NSMC_ABSENT, NSMC_EMPTY,
				      doc, sizeof(doc), &len, &recipient) == 0);
	CHECK(memmem(doc, len, "user_data\xf6", 10));
	CHECK(memmem(doc, len, "nonce\x40", 6));
	spki = public_key(recipient);
	CHECK_INT(spki.len, 422);
	CHECK(memmem(doc, len, spki.bytes, spki.len));
	free(spki.bytes);
	nsmc_recipient_free(recipient);
}

/* Nothing is set, nothing is left. */
static void check_no_document(int fd, unsigned bits, struct nsmc_bytes user,
			      struct nsmc_bytes nonce, size_t cap, int error)
{
	uint8_t doc[NSMC_DOCUMENT_MAX] = { 0xee };
	struct nsmc_recipient *recipient = NULL;
	size_t len = 4711;

	find_soon(fd, bits);
	CHECK_INT(nsmc_recipient_attest(fd, bits, user, nonce, doc, cap, &len,
					&recipient),
		  error);
	CHECK(!recipient);
	CHECK_INT(len, 4711);
	CHECK_INT(doc[0], 0xee);
}

TEST(no_document_is_no_key)
{
	static const uint8_t data[4096];
	const struct nsmc_bytes none = NSMC_ABSENT, big = { data, 4000 },
				lost = { NULL, 32 };

	/* The kernel alone signs nothing, an error is that error. */
	check_no_document(NSMC_KERNEL_RANDOM, 2048, none, none,
			  NSMC_DOCUMENT_MAX, -EBADF);
	check_no_document(-ENOENT, 2048, none, none, NSMC_DOCUMENT_MAX,
			  -ENOENT);
	check_no_document(-EACCES, 2048, none, none, NSMC_DOCUMENT_MAX,
			  -EACCES);
	CHECK_INT(dev.exchanges, 0);
	check_no_document(NSM_FD, 1024, none, none, NSMC_DOCUMENT_MAX,
			  -NSMC_E_KEY);
	CHECK_INT(dev.exchanges, 0);
	check_no_document(NSM_FD, 2048, none, none, 100, -ENOBUFS);
	check_no_document(NSM_FD, 2048, big, none, NSMC_DOCUMENT_MAX,
			  -EMSGSIZE);
	check_no_document(NSM_FD, 2048, lost, none, NSMC_DOCUMENT_MAX, -EINVAL);
	check_no_document(NSM_FD, 2048, none, lost, NSMC_DOCUMENT_MAX, -EINVAL);

	/* The device fails at the key, then at the document. */
	dev.error = -EIO;
	dev.exchanges = 0;
	dev.fail_at = 1;
	check_no_document(NSM_FD, 2048, none, none, NSMC_DOCUMENT_MAX, -EIO);
	dev.exchanges = 0;
	dev.fail_at = 2;
	check_no_document(NSM_FD, 2048, none, none, NSMC_DOCUMENT_MAX, -EIO);
	CHECK_INT(dev.exchanges, 2);
}

TEST(no_key_is_freed_as_well)
{
	nsmc_recipient_free(NULL);
}

CHECK_MAIN("recipient")
