/*
 * bench_verify DOC ROOT TIME: how many times a second libnsmc verifies the document,
 * and how many times OpenSSL verifies its five signatures and does nothing else,
 * which is the floor. Prints both; for tests/bench.
 */

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nsm/nsmc.h"

enum { SECONDS = 2, SIGNATURES_MAX = NSMC_CABUNDLE_MAX + 1 };

struct signature {
	EVP_PKEY_CTX *ctx;
	unsigned char hash[48];
	unsigned char der[128];
	size_t der_len;
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "bench_verify: %s\n", what);
	exit(1);
}

static size_t slurp(const char *path, unsigned char *buf, size_t cap)
{
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(buf, 1, cap, f) : 0;

	if (n == 0 || fclose(f) != 0)
		fail(path);
	return n;
}

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
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
	int len = i2d_re_X509_tbs(x, &tbs);

	X509_get0_signature(&sig, NULL, x);
	if (len < 0 || (size_t)sig->length > sizeof(s->der) ||
	    EVP_Digest(tbs, (size_t)len, s->hash, NULL, EVP_sha384(), NULL) !=
		    1)
		fail("X509_get0_signature");
	memcpy(s->der, sig->data, (size_t)sig->length);
	s->der_len = (size_t)sig->length;
	s->ctx = verifier(X509_get0_pubkey(issuer));
	OPENSSL_free(tbs);
}

/* The document's, whose r and s are turned into DER. */
static void of_document(const struct nsmc_doc *doc, X509 *leaf,
			struct signature *s)
{
	static const unsigned char head[] = "\x84\x6aSignature1";
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	ECDSA_SIG *sig = ECDSA_SIG_new();
	unsigned char length[5] = { 0x40, 0x59,
				    (unsigned char)(doc->payload.len >> 8),
				    (unsigned char)doc->payload.len };
	unsigned char bytes = (unsigned char)(0x40 + doc->protected_header.len);
	unsigned char *to = s->der;

	if (!md || !sig || EVP_DigestInit(md, EVP_sha384()) != 1)
		fail("EVP_DigestInit");
	EVP_DigestUpdate(md, head, sizeof(head) - 1);
	EVP_DigestUpdate(md, &bytes, 1);
	EVP_DigestUpdate(md, doc->protected_header.data,
			 doc->protected_header.len);
	EVP_DigestUpdate(md, length, 4);
	EVP_DigestUpdate(md, doc->payload.data, doc->payload.len);
	EVP_DigestFinal(md, s->hash, NULL);
	EVP_MD_CTX_free(md);
	ECDSA_SIG_set0(sig, BN_bin2bn(doc->signature.data, 48, NULL),
		       BN_bin2bn(doc->signature.data + 48, 48, NULL));
	s->der_len = (size_t)i2d_ECDSA_SIG(sig, &to);
	s->ctx = verifier(X509_get0_pubkey(leaf));
	ECDSA_SIG_free(sig);
}

int main(int argc, char **argv)
{
	static unsigned char buf[NSMC_DOCUMENT_MAX], root[4096];
	static struct signature sigs[SIGNATURES_MAX];
	struct nsmc_policy policy = { 0 };
	struct nsmc_report report;
	struct nsmc_doc doc;
	X509 *above, *x;
	size_t len, n = 0, i;
	unsigned long ours = 0, floor = 0;
	double start, ours_s, floor_s;

	if (argc != 4)
		fail("usage: bench_verify DOC ROOT TIME");
	len = slurp(argv[1], buf, sizeof(buf));
	policy.root.len = slurp(argv[2], root, sizeof(root));
	policy.root.data = root;
	policy.time_s = atoll(argv[3]);
	policy.allow_debug = true;
	if (nsmc_doc_verify(buf, len, &policy, &doc, &report) != 0)
		fail("the document is not good");

	above = certificate(doc.cabundle[0]);
	for (i = 1; i <= doc.cabundle_count; i++) {
		x = certificate(i < doc.cabundle_count ? doc.cabundle[i] :
							 doc.certificate);
		of_certificate(x, above, &sigs[n++]);
		above = x;
	}
	of_document(&doc, above, &sigs[n++]);

	start = now();
	do {
		if (nsmc_doc_verify(buf, len, &policy, &doc, &report) != 0)
			fail("the document is not good any more");
		ours++;
	} while ((ours_s = now() - start) < SECONDS);
	start = now();
	do {
		for (i = 0; i < n; i++)
			if (EVP_PKEY_verify(sigs[i].ctx, sigs[i].der,
					    sigs[i].der_len, sigs[i].hash,
					    48) != 1)
				fail("OpenSSL finds a signature wrong");
		floor++;
	} while ((floor_s = now() - start) < SECONDS);
	printf("%zu %.1f %.1f\n", n, (double)ours / ours_s,
	       (double)floor / floor_s);
	return 0;
}
