/*
 * bench_verify DOC ROOT TIME: what it costs to verify the document, beside OpenSSL's
 * verification of its signatures and nothing else, which is the floor. ROOT is "-":
 * AWS's; TIME is "-": the document's own. Lines "NAME NUMBER", for tests/bench:
 *
 *   time          seconds since 1970, at which it was verified
 *   signatures    on the document and its certificates, below the root
 *   allocations   of heap by libnsmc in a verification without and one with a cache
 *   SUBJECT       microseconds of processor time
 *
 * bench_verify DOC ROOT TIME SUBJECT TIMES: does that and nothing more, for who counts
 * instructions.
 */

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nsm/es384.h"
#include "nsm/nsmc.h"

/* The best of many short rounds: what else the machine does falls on few of them. */
enum { ROUNDS = 20, ROUND_US = 50000, SIGNATURES_MAX = NSMC_CABUNDLE_MAX + 1 };

struct signature {
	EVP_PKEY_CTX *ctx;
	unsigned char hash[48];
	unsigned char der[128];
	size_t der_len;
};

static unsigned char buf[NSMC_DOCUMENT_MAX];
static size_t len;
static struct nsmc_policy *policy;
static struct nsmc_cache *cache;
static struct nsmc_doc doc;
static unsigned char point[ES384_POINT]; /* the leaf's */
static struct signature sigs[SIGNATURES_MAX];
static size_t sig_count;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "bench_verify: %s\n", what);
	exit(1);
}

/* --- heap: linked with --wrap, so that libnsmc's calls come here --- */

static unsigned long allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	allocations++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *at, size_t size)
{
	allocations++;
	return __real_realloc(at, size);
}

/* --- the document --- */

static size_t slurp(const char *path, unsigned char *to, size_t cap)
{
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(to, 1, cap, f) : 0;

	if (n == 0 || fclose(f) != 0)
		fail(path);
	return n;
}

static EVP_PKEY_CTX *verifier(EVP_PKEY *key)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);

	if (!ctx || EVP_PKEY_verify_init(ctx) != 1 ||
	    EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha384()) != 1)
		fail("EVP_PKEY_verify_init");
	return ctx;
}

static X509 *certificate(struct nsmc_bytes b)
{
	const unsigned char *at = b.data;
	X509 *x = d2i_X509(NULL, &at, (long)b.len);

	if (!x)
		fail("d2i_X509");
	return x;
}

static void of_certificate(X509 *x, X509 *issuer, struct signature *s)
{
	const ASN1_BIT_STRING *sig;
	unsigned char *tbs = NULL;
	int tbs_len = i2d_re_X509_tbs(x, &tbs);

	X509_get0_signature(&sig, NULL, x);
	if (tbs_len < 0 || (size_t)sig->length > sizeof(s->der) ||
	    EVP_Digest(tbs, (size_t)tbs_len, s->hash, NULL, EVP_sha384(),
		       NULL) != 1)
		fail("X509_get0_signature");
	memcpy(s->der, sig->data, (size_t)sig->length);
	s->der_len = (size_t)sig->length;
	s->ctx = verifier(X509_get0_pubkey(issuer));
	OPENSSL_free(tbs);
}

/* The document's, whose r and s are turned into DER. */
static void of_document(X509 *leaf, struct signature *s)
{
	static const unsigned char head[] = "\x84\x6aSignature1";
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	ECDSA_SIG *sig = ECDSA_SIG_new();
	unsigned char length[5] = { 0x40, 0x59,
				    (unsigned char)(doc.payload.len >> 8),
				    (unsigned char)doc.payload.len };
	unsigned char bytes = (unsigned char)(0x40 + doc.protected_header.len);
	unsigned char *to = s->der;

	if (!md || !sig || EVP_DigestInit(md, EVP_sha384()) != 1)
		fail("EVP_DigestInit");
	EVP_DigestUpdate(md, head, sizeof(head) - 1);
	EVP_DigestUpdate(md, &bytes, 1);
	EVP_DigestUpdate(md, doc.protected_header.data,
			 doc.protected_header.len);
	EVP_DigestUpdate(md, length, 4);
	EVP_DigestUpdate(md, doc.payload.data, doc.payload.len);
	EVP_DigestFinal(md, s->hash, NULL);
	EVP_MD_CTX_free(md);
	ECDSA_SIG_set0(sig, BN_bin2bn(doc.signature.data, 48, NULL),
		       BN_bin2bn(doc.signature.data + 48, 48, NULL));
	s->der_len = (size_t)i2d_ECDSA_SIG(sig, &to);
	s->ctx = verifier(X509_get0_pubkey(leaf));
	ECDSA_SIG_free(sig);
}

static void find_signatures(void)
{
	X509 *above = certificate(doc.cabundle[0]), *x;
	const ASN1_BIT_STRING *key;

	for (size_t i = 1; i <= doc.cabundle_count; i++) {
		x = certificate(i < doc.cabundle_count ? doc.cabundle[i] :
							 doc.certificate);
		of_certificate(x, above, &sigs[sig_count++]);
		above = x;
	}
	of_document(above, &sigs[sig_count++]);
	key = X509_get0_pubkey_bitstr(above);
	if (key->length != ES384_POINT)
		fail("the leaf's key");
	memcpy(point, key->data, ES384_POINT);
}

static void make_policy(const char *root, const char *time)
{
	static unsigned char der[NSMC_CERTIFICATE_MAX + 1];

	if (nsmc_policy_new(&policy) != 0 || nsmc_cache_new(64, &cache) != 0)
		fail("memory");
	nsmc_policy_any_image(policy);
	nsmc_policy_any_age(policy);
	nsmc_policy_allow_debug(policy);
	if (strcmp(root, "-") != 0 &&
	    nsmc_policy_root(policy, der, slurp(root, der, sizeof(der))) != 0)
		fail(root);
	if (strcmp(time, "-") == 0)
		nsmc_policy_time_of_document(policy);
	else if (nsmc_policy_time(policy, atoll(time)) != 0)
		fail(time);
}

/* --- what is measured --- */

static void openssl_of(const struct signature *s)
{
	if (EVP_PKEY_verify(s->ctx, s->der, s->der_len, s->hash, 48) != 1)
		fail("OpenSSL finds a signature wrong");
}

static void openssl_one(void)
{
	openssl_of(&sigs[sig_count - 1]);
}

static void openssl_all(void)
{
	for (size_t i = 0; i < sig_count; i++)
		openssl_of(&sigs[i]);
}

static void es384_one(void)
{
	if (!es384_verify(sigs[sig_count - 1].hash, doc.signature.data, point))
		fail("es384 finds the signature wrong");
}

static void verify(struct nsmc_cache *by)
{
	struct nsmc_report report;
	struct nsmc_doc out;

	if (nsmc_doc_verify(buf, len, policy, by, &out, &report) != 0)
		fail("the document is not good any more");
}

static void cold(void)
{
	verify(NULL);
}

static void warm(void)
{
	verify(cache);
}

static void nothing(void)
{
}

static const struct subject {
	const char *name;
	void (*run)(void);
} subjects[] = {
	{ "nothing", nothing },
	{ "openssl-one", openssl_one },
	{ "openssl-all", openssl_all },
	{ "es384-one", es384_one },
	{ "cold", cold },
	{ "warm", warm },
};
enum { SUBJECTS = sizeof(subjects) / sizeof(subjects[0]) };

/* Of this process alone: the machine may be busy. */
static double now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double round_of(const struct subject *s)
{
	double start = now_us(), took;
	unsigned n = 0;

	do {
		s->run();
		n++;
		took = now_us() - start;
	} while (took < ROUND_US);
	return took / n;
}

/* By turns: what slows the machine for a while slows all of them. */
static void measure(void)
{
	double best[SUBJECTS] = { 0 }, us;

	for (int round = 0; round < ROUNDS; round++)
		for (size_t i = 1; i < SUBJECTS; i++) {
			us = round_of(&subjects[i]);
			if (best[i] == 0 || us < best[i])
				best[i] = us;
		}
	for (size_t i = 1; i < SUBJECTS; i++)
		printf("%s %.1f\n", subjects[i].name, best[i]);
}

static void count(const char *name, long times)
{
	for (size_t i = 0; i < SUBJECTS; i++)
		if (strcmp(subjects[i].name, name) == 0) {
			while (times-- > 0)
				subjects[i].run();
			return;
		}
	fail(name);
}

int main(int argc, char **argv)
{
	struct nsmc_report report;

	if (argc != 4 && argc != 6)
		fail("usage: bench_verify DOC ROOT TIME [SUBJECT TIMES]");
	len = slurp(argv[1], buf, sizeof(buf));
	make_policy(argv[2], argv[3]);
	if (nsmc_doc_verify(buf, len, policy, cache, &doc, &report) != 0)
		fail("the document is not good");
	find_signatures();
	if (argc == 6) {
		count(argv[4], atol(argv[5]));
		return 0;
	}
	allocations = 0;
	cold();
	warm();
	printf("time %lld\nsignatures %zu\nallocations %lu\n",
	       strcmp(argv[3], "-") == 0 ? (long long)doc.timestamp_ms / 1000 :
					   atoll(argv[3]),
	       sig_count, allocations);
	measure();
	return 0;
}
