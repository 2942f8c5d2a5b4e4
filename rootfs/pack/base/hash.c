#include "rootfs/pack/base/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>

#include "rootfs/pack/base/fault.h"

static const struct {
	const char *name;
	size_t len;
} kinds[] = {
	[HASH_SHA256] = { "SHA256", 32 },
	[HASH_SHA384] = { "SHA384", 48 },
	[HASH_SHA512] = { "SHA512", 64 },
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* Looked up once: a lookup costs more than the hash of a small file. */
static EVP_MD *methods[KINDS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A context of its own reads no configuration, and has the default provider. */
static void look_up(void)
{
	static OSSL_LIB_CTX *library;

	library = OSSL_LIB_CTX_new();
	for (size_t i = 0; library && i < KINDS; i++)
		methods[i] = EVP_MD_fetch(library, kinds[i].name,
					  "provider=default");
}

size_t hash_len(enum hash_kind kind)
{
	return kinds[kind].len;
}

static int refuse(enum hash_kind kind, struct fault *reterr)
{
	return fault_system(reterr, ENOMEM, "%s", kinds[kind].name);
}

int hash_begin(struct hash *h, enum hash_kind kind, struct fault *reterr)
{
	(void)pthread_once(&once, look_up);
	*h = (struct hash){ .kind = kind };
	if (!methods[kind])
		return fault_system(reterr, ENOSYS, "libcrypto has no %s",
				    kinds[kind].name);
	h->context = EVP_MD_CTX_new();
	if (h->context &&
	    EVP_DigestInit_ex2(h->context, methods[kind], NULL) == 1)
		return 0;
	hash_free(h);
	return refuse(kind, reterr);
}

void hash_add(struct hash *h, const void *data, size_t len)
{
	if (h->context && EVP_DigestUpdate(h->context, data, len) != 1)
		hash_free(h);
}

int hash_end(struct hash *h, uint8_t *ret, struct fault *reterr)
{
	uint8_t full[EVP_MAX_MD_SIZE];
	int done = h->context && EVP_DigestFinal_ex(h->context, full, NULL);

	hash_free(h);
	if (!done)
		return refuse(h->kind, reterr);
	for (size_t i = 0; i < kinds[h->kind].len; i++)
		ret[i] = full[i];
	return 0;
}

int hash_copy(const struct hash *from, struct hash *ret, struct fault *reterr)
{
	*ret = (struct hash){ .context = EVP_MD_CTX_new(), .kind = from->kind };
	if (ret->context && from->context &&
	    EVP_MD_CTX_copy_ex(ret->context, from->context) == 1)
		return 0;
	hash_free(ret);
	return refuse(from->kind, reterr);
}

void hash_free(struct hash *h)
{
	EVP_MD_CTX_free(h->context);
	h->context = NULL;
}
