/*
 * KMS's answers, read: whatever the bytes are, views stay inside them, the
 * content's chunks are as long as they say, and errors are of the message's
 * form, with an object. What is good is not so any more with a byte less.
 */

#include <stdlib.h>
#include <string.h>

#include "nsm/cms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void inside(const uint8_t *buf, size_t len, struct nsmc_bytes b)
{
	require(b.data >= buf && b.data <= buf + len);
	require(b.len <= len - (size_t)(b.data - buf));
}

static void walk(const uint8_t *buf, size_t len, const struct cms *cms)
{
	struct nsmc_bytes chunk;
	size_t at = 0, sum = 0;

	/* Version 0 names a certificate instead. */
	if (cms->ski.data)
		inside(buf, len, cms->ski);
	else
		require(cms->ski.len == 0);
	inside(buf, len, cms->key);
	inside(buf, len, cms->iv);
	inside(buf, len, cms->content);
	require(cms->key.len == 256 || cms->key.len == 384 ||
		cms->key.len == 512);
	require(cms->iv.len == CMS_BLOCK);
	while (cms_next_chunk(cms, &at, &chunk)) {
		inside(cms->content.data, cms->content.len, chunk);
		sum += chunk.len;
	}
	require(at == cms->content.len);
	require(sum == cms->content_len && sum > 0 && sum % CMS_BLOCK == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nsmc_object object = { "" };
	struct cms cms;
	int r = cms_parse(data, size, &cms, &object);

	if (r < 0) {
		require(r <= -NSMC_E_CMS_CUT && r >= -NSMC_E_CMS_LENGTH);
		require(object.name[0] != '\0' &&
			strnlen(object.name, sizeof(object.name)) <
				sizeof(object.name));
		return 0;
	}
	walk(data, size, &cms);
	require(cms_parse(data, size - 1, &cms, NULL) == -NSMC_E_CMS_CUT);
	return 0;
}
