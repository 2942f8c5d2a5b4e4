/* Credentials as others write them: the first byte says whose text the rest is. */

#include <stdlib.h>
#include <string.h>

#include "nsm/kms/credentials/credential.h"
#include "nsm/kms/credentials/metadata.h"
#include "nsm/kms/credentials/shape.h"
#include "nsm/kms/credentials/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void require_text(const char *s, size_t max)
{
	require(strlen(s) <= max);
	for (; *s; s++)
		require(*s > ' ' && *s <= '~');
}

/* What is taken can go into a header, and is read again as it was written. */
static void require_good(const struct kmsc_credentials *c)
{
	char text[CREDENTIAL_JSON_CAP], words[KMSC_WORDS_SIZE];
	struct kmsc_credentials again = { 0 };
	size_t len;

	require(c->access_key_id[0] && c->secret_access_key[0]);
	require_text(c->access_key_id, KMSC_ACCESS_KEY_ID_MAX);
	require_text(c->secret_access_key, KMSC_SECRET_ACCESS_KEY_MAX);
	require_text(c->session_token, KMSC_SESSION_TOKEN_MAX);
	require(!strpbrk(c->access_key_id, "/,"));
	len = credential_write(c, 0, text);
	require(len < sizeof(text) && strlen(text) == len);
	require(shape_read_json(text, len, &again, words) == 0);
	require(credential_is_same(c, &again));
	require(!c->expiration_s || c->expiration_s == again.expiration_s);
}

static void shape(const char *text, size_t len)
{
	struct kmsc_credentials c = { 0 };
	char words[KMSC_WORDS_SIZE] = "";
	int r = shape_read(text, len, &c, words);

	require(r == 0 || r == -KMSC_E_CREDENTIALS);
	if (r == 0)
		require_good(&c);
	else
		require(words[0] && !c.access_key_id[0]);
	for (const char *w = words; *w; w++)
		require(*w >= ' ' && *w <= '~');
}

static void source(const char *text, size_t len)
{
	struct source s = { 0 };
	const char *why = source_read(text, len, &s);

	require(!why == (s.kind != SOURCE_NONE));
	if (s.name_len && s.kind != SOURCE_CONTAINER)
		require(s.name >= text && s.name + s.name_len <= text + len);
	if (s.host_len)
		require(s.host >= text && s.host + s.host_len <= text + len);
}

/* A service that says anything: each answer is a status of two bytes, a length of two. */
static void dialogue(const uint8_t *data, size_t size, bool is_container)
{
	static struct metadata m;
	struct kmsc_credentials c = { 0 };
	char request[METADATA_REQUEST_CAP], words[KMSC_WORDS_SIZE];
	size_t len, rounds = 0;
	unsigned status;
	int r = is_container ?
			metadata_begin_container(&m, "/c", 2, "h", 1, NULL) :
			metadata_begin(&m, NULL, 0);

	require(r == 0);
	for (r = 1; r == 1 && size >= 4; rounds++) {
		require(metadata_request(&m, request, &len) == 0);
		require(memmem(request, len, "\r\n\r\n", 4) ==
			request + len - 4);
		status = 200 + ((unsigned)data[0] << 8 | data[1]) % 400;
		len = (size_t)(data[2] << 8 | data[3]);
		data += 4;
		size -= 4;
		len = len < size ? len : size;
		r = metadata_answer(&m, status, (const char *)data, len, &c,
				    words);
		data += len;
		size -= len;
	}
	require(rounds <= 6);
	if (r == 0)
		require_good(&c);
	metadata_wipe(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy;

	if (size == 0)
		return 0;
	copy = malloc(size);
	require(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	switch (data[0] % 4) {
	case 0:
		shape(copy, size - 1);
		break;
	case 1:
		source(copy, size - 1);
		break;
	default:
		dialogue((const uint8_t *)copy, size - 1, data[0] % 4 == 3);
	}
	free(copy);
	return 0;
}
