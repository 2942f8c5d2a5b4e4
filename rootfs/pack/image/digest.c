#include "rootfs/pack/image/digest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/hash.h"

struct digest {
	struct hash hash;
};

enum { CHUNK = 1 << 16 };

static const struct {
	const char *prefix;
	size_t hex;
	enum hash_kind kind;
} kinds[] = {
	{ "sha256:", 64, HASH_SHA256 },
	{ "sha512:", 128, HASH_SHA512 },
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
	struct digest *d;
	size_t i = kind_of(text);

	if (i == KINDS)
		return fault_refuse(reterr, "not a digest: %s", text);
	d = calloc(1, sizeof(*d));
	if (!d)
		return fault_system(reterr, ENOMEM, "a digest");
	if (hash_begin(&d->hash, kinds[i].kind, reterr) < 0) {
		free(d);
		return -1;
	}
	*ret = d;
	return 0;
}

void digest_add(struct digest *d, const void *data, size_t len)
{
	hash_add(&d->hash, data, len);
}

int digest_finish(struct digest *d, char ret[DIGEST_TEXT_MAX],
		  struct fault *reterr)
{
	const enum hash_kind kind = d->hash.kind;
	uint8_t hash[HASH_MAX];
	size_t n = 0;

	if (hash_end(&d->hash, hash, reterr) < 0)
		return -1;
	for (size_t i = 0; i < KINDS; i++)
		if (kinds[i].kind == kind)
			n = (size_t)snprintf(ret, DIGEST_TEXT_MAX, "%s",
					     kinds[i].prefix);
	for (size_t i = 0; i < hash_len(kind); i++)
		n += (size_t)snprintf(ret + n, DIGEST_TEXT_MAX - n, "%02x",
				      hash[i]);
	return 0;
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	hash_free(&d->hash);
	free(d);
}

static int check(struct digest *d, const char *wanted, struct fault *reterr)
{
	char got[DIGEST_TEXT_MAX];

	if (digest_finish(d, got, reterr) < 0)
		return -1;
	if (strcmp(got, wanted) != 0)
		return fault_refuse(reterr, "its digest is %s", got);
	return 0;
}

static int take(const struct content *c, struct digest *d, struct fault *reterr)
{
	uint8_t *buf = malloc(CHUNK);
	uint64_t at, len;
	int r = 0;

	if (!buf)
		return fault_system(reterr, ENOMEM, "a digest");
	for (at = 0; r == 0 && at < c->len; at += len) {
		len = c->len - at < CHUNK ? c->len - at : CHUNK;
		r = content_read(c, at, buf, len, reterr);
		if (r == 0)
			digest_add(d, buf, len);
	}
	free(buf);
	return r;
}

int digest_check(const struct content *c, const char *wanted,
		 struct fault *reterr)
{
	struct digest *d;
	int r;

	if (digest_new(wanted, &d, reterr) < 0)
		return -1;
	r = take(c, d, reterr);
	if (r == 0)
		r = check(d, wanted, reterr);
	digest_free(d);
	return r;
}

int digest_content(const struct content *c, char ret[DIGEST_TEXT_MAX],
		   struct fault *reterr)
{
	struct digest *d;
	int r;

	if (digest_new("sha256:", &d, reterr) < 0)
		return -1;
	r = take(c, d, reterr);
	if (r == 0)
		r = digest_finish(d, ret, reterr);
	digest_free(d);
	return r;
}

int digest_text(const char *text, size_t len, char ret[DIGEST_TEXT_MAX],
		struct fault *reterr)
{
	struct digest *d;
	int r;

	if (digest_new("sha256:", &d, reterr) < 0)
		return -1;
	digest_add(d, text, len);
	r = digest_finish(d, ret, reterr);
	digest_free(d);
	return r;
}

int digest_check_text(const char *text, size_t len, const char *wanted,
		      struct fault *reterr)
{
	struct digest *d;
	int r;

	if (digest_new(wanted, &d, reterr) < 0)
		return -1;
	digest_add(d, text, len);
	r = check(d, wanted, reterr);
	digest_free(d);
	return r;
}
