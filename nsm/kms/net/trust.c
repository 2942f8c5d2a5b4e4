#include "nsm/kms/net/trust.h"

#include <errno.h>
#include <mbedtls/x509_crt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/kms/kmsc.h"
#include "nsm/kms/net/roots.h"

struct trust {
	mbedtls_x509_crt roots;
};

static int add_amazon(mbedtls_x509_crt *roots)
{
	for (size_t i = 0; i < ROOTS_AMAZON_COUNT; i++) {
		struct nsmc_bytes der = roots_amazon(i);

		if (mbedtls_x509_crt_parse_der_nocopy(roots, der.data,
						      der.len) < 0)
			return -ENOMEM; /* they parse */
	}
	return 0;
}

static bool is_pem(const void *data, size_t len)
{
	return memmem(data, len, "-----BEGIN", 10) != NULL;
}

/* mbedTLS knows PEM by the NUL after it. */
static int add_pem(mbedtls_x509_crt *roots, const void *data, size_t len)
{
	unsigned char *text = malloc(len + 1);
	int r;

	if (!text)
		return -ENOMEM;
	memcpy(text, data, len);
	text[len] = '\0';
	r = mbedtls_x509_crt_parse(roots, text, len + 1);
	free(text);
	return r == 0 ? 0 : -KMSC_E_CA; /* positive: so many are none */
}

static int add_der(mbedtls_x509_crt *roots, const void *data, size_t len)
{
	int r = mbedtls_x509_crt_parse_der(roots, data, len);

	if (r == MBEDTLS_ERR_X509_ALLOC_FAILED)
		return -ENOMEM;
	/* mbedTLS leaves off at the certificate's end. */
	return r == 0 && roots->raw.len == len ? 0 : -KMSC_E_CA;
}

static bool are_few(const mbedtls_x509_crt *roots)
{
	size_t n = 0;

	for (; roots; roots = roots->next)
		n++;
	return n <= KMSC_CA_COUNT_MAX;
}

int trust_new(const void *data, size_t len, struct trust **ret)
{
	struct trust *t;
	int r;

	if (data && (len == 0 || len > KMSC_CA_MAX))
		return -KMSC_E_CA;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	mbedtls_x509_crt_init(&t->roots);
	if (!data)
		r = add_amazon(&t->roots);
	else if (is_pem(data, len))
		r = add_pem(&t->roots, data, len);
	else
		r = add_der(&t->roots, data, len);
	if (r == 0 && !are_few(&t->roots))
		r = -KMSC_E_CA;
	if (r == 0)
		*ret = t;
	else
		trust_free(t);
	return r;
}

void trust_free(struct trust *trust)
{
	if (!trust)
		return;
	mbedtls_x509_crt_free(&trust->roots);
	free(trust);
}

struct mbedtls_x509_crt *trust_roots(const struct trust *trust)
{
	return (struct mbedtls_x509_crt *)(uintptr_t)&trust->roots;
}
