/* A stream of kmstool's frames: the first byte's lowest bit says whether a SetClient was before. */

#include <stdlib.h>
#include <string.h>

#include "nsm/kms/credentials/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void require_answer(bool is_ok, const char *message)
{
	char buf[FRAME_STATUS_CAP];
	size_t len = frame_status(is_ok, message, buf);

	require(len > 0 && len <= sizeof(buf) && buf[len - 1] == '\0');
	require(strlen(buf) == len - 1 && buf[0] == '{' && buf[len - 2] == '}');
}

static bool one(const char *text, size_t len, bool has_client)
{
	static struct frame f;
	static const struct frame nothing;
	const char *why = frame_read(text, len, has_client, &f);

	require_answer(!why, why);
	if (why) {
		require(memcmp(&f, &nothing, sizeof(f)) == 0);
		return has_client;
	}
	if (f.kind == FRAME_SET_CLIENT) {
		require(f.credentials.access_key_id[0] &&
			f.credentials.secret_access_key[0]);
		has_client = true;
	}
	if (f.kind == FRAME_DECRYPT) {
		require(has_client && f.ciphertext_len <= KMSC_CIPHERTEXT_MAX);
		require(f.context_count <= KMSC_CONTEXT_MAX);
		for (size_t i = 0; i < f.context_count; i++)
			require(f.context[i].name[0] &&
				strlen(f.context[i].value) <= FRAME_MAX);
	}
	frame_free(&f);
	return has_client;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool has_client = size && (data[0] & 1);
	const uint8_t *at = data + 1, *end = data + size, *nul;
	char *copy;

	while (size && at < end) {
		nul = memchr(at, '\0', (size_t)(end - at));
		if (!nul)
			nul = end;
		/* Not a byte after it may be read. */
		copy = malloc((size_t)(nul - at) + !(nul - at));
		require(copy != NULL);
		memcpy(copy, at, (size_t)(nul - at));
		has_client = one(copy, (size_t)(nul - at), has_client);
		free(copy);
		at = nul < end ? nul + 1 : end;
	}
	return 0;
}
