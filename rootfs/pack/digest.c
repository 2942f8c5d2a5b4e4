#include "rootfs/pack/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/md.h>

#include "rootfs/pack/fault.h"

struct digest {
	mbedtls_md_context_t md;
	bool failed;
};

enum { CHUNK = 1 << 16 };

static const struct {
	const char *prefix;
	size_t hex;
	mbedtls_md_type_t type;
} kinds[] = {
	{ "sha256:", 64, MBEDTLS_MD_SHA256 },
	{ "sha512:", 128, MBEDTLS_MD_SHA512 },
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static size_t kind_of(const char *text)
{
	size_t i;

	for (i = 0; i < KINDS; i++)
		if (strncmp(text, kinds[i].prefix, strlen(kinds[i].prefix)) ==
		    0)
			break;
	return i;
}

bool digest_is_valid(const char *text)
{
	size_t i = kind_of(text);
	const char *hex;

	if (i == KINDS)
		return false;
	hex = text + strlen(kinds[i].prefix);
	return strlen(hex) == kinds[i].hex &&
	       strspn(hex, "0123456789abcdef") == kinds[i].hex;
}

int digest_new(const char *text, struct digest **ret, struct fault *reterr)
{
	const mbedtls_md_info_t *info;
	struct digest *d;
	size_t i = kind_of(text);

	if (i == KINDS)
		return fault_refuse(reterr, "not a digest: %s", text);
	info = mbedtls_md_info_from_type(kinds[i].type);
	d = calloc(1, sizeof(*d));
	if (!d)
		return fault_system(reterr, ENOMEM, "a digest");
	mbedtls_md_init(&d->md);
	if (mbedtls_md_setup(&d->md, info, 0) || mbedtls_md_starts(&d->md)) {
		digest_free(d);
		return fault_system(reterr, ENOMEM, "a digest");
	}
	*ret = d;
	return 0;
}

void digest_add(struct digest *d, const void *data, size_t len)
{
	d->failed |= mbedtls_md_update(&d->md, data, len) != 0;
}

void digest_finish(struct digest *d, char ret[DIGEST_TEXT_MAX])
{
	const mbedtls_md_info_t *info = mbedtls_md_info_from_ctx(&d->md);
	uint8_t hash[MBEDTLS_MD_MAX_SIZE];
	size_t n = 0;

	d->failed |= mbedtls_md_finish(&d->md, hash) != 0;
	ret[0] = '\0';
	for (size_t i = 0; i < KINDS && !d->failed; i++)
		if (kinds[i].type == mbedtls_md_get_type(info))
			n = (size_t)snprintf(ret, DIGEST_TEXT_MAX, "%s",
					     kinds[i].prefix);
	for (size_t i = 0; n && i < mbedtls_md_get_size(info); i++)
		n += (size_t)snprintf(ret + n, DIGEST_TEXT_MAX - n, "%02x",
				      hash[i]);
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	mbedtls_md_free(&d->md);
	free(d);
}

int digest_check(const struct content *c, const char *wanted,
		 struct fault *reterr)
{
	char got[DIGEST_TEXT_MAX];
	struct digest *d = NULL;
	uint64_t at, len;
	uint8_t *buf;
	int r = 0;

	buf = malloc(CHUNK);
	if (!buf)
		return fault_system(reterr, ENOMEM, "a digest");
	if (digest_new(wanted, &d, reterr) < 0) {
		r = -1;
		goto out;
	}
	for (at = 0; at < c->len; at += len) {
		len = c->len - at < CHUNK ? c->len - at : CHUNK;
		r = content_read(c, at, buf, len, reterr);
		if (r < 0)
			goto out;
		digest_add(d, buf, len);
	}
	digest_finish(d, got);
	if (strcmp(got, wanted) != 0)
		r = fault_refuse(reterr, "its digest is %s", got);
out:
	digest_free(d);
	free(buf);
	return r;
}

int digest_text(const char *text, size_t len, char ret[DIGEST_TEXT_MAX],
		struct fault *reterr)
{
	struct digest *d;

	if (digest_new("sha256:", &d, reterr) < 0)
		return -1;
	digest_add(d, text, len);
	digest_finish(d, ret);
	digest_free(d);
	return 0;
}

int digest_check_text(const char *text, size_t len, const char *wanted,
		      struct fault *reterr)
{
	char got[DIGEST_TEXT_MAX];
	struct digest *d;

	if (digest_new(wanted, &d, reterr) < 0)
		return -1;
	digest_add(d, text, len);
	digest_finish(d, got);
	digest_free(d);
	if (strcmp(got, wanted) != 0)
		return fault_refuse(reterr, "its digest is %s", got);
	return 0;
}
