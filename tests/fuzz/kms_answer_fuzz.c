/*
 * All that KMS can say, as bytes of HTTP, up to what a caller of kmsc_call gets: nothing but an
 * answer that names the key and was encrypted for the one that is here, or an error with words
 * that can be printed. The first byte chooses the operation and whether a key is pinned.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nsm/kms/call/answer.h"
#include "nsm/kms/wire/http.h"
#include "nsm/kms/wire/json.h"
#include "nsm/kms/wire/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char arn[] =
	"arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

static struct nsmc_recipient *recipient;
static char body[HTTP_BODY_MAX];
static struct http_answer http;
static struct http_wanted wanted[1];

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void load_key(void)
{
	uint8_t der[4096];
	size_t len = 0;
	FILE *f = fopen("tests/data/cms/key.der", "re");

	require(f);
	len = fread(der, 1, sizeof(der), f);
	(void)fclose(f);
	require(nsmc_recipient_import(der, len, &recipient) == 0);
	/* Of which a peer has three in the library. */
	require(nsmc_recipient_attempts(recipient, UINT32_MAX) == 0);
}

static void require_printable(const char *s)
{
	for (; s && *s; s++)
		require(*s >= ' ' && *s <= '~');
}

/* Of all bytes of B one is read. */
static void require_there(struct nsmc_bytes b)
{
	volatile uint8_t sum = 0;

	require(b.data || b.len == 0);
	for (size_t i = 0; i < b.len; i++)
		sum = (uint8_t)(sum + b.data[i]);
}

static void take(const struct kmsc_request *request)
{
	struct kmsc_error e = { 0 };
	struct kmsc_answer *a = NULL;
	char text[KMSC_ERROR_LINE_SIZE];
	int r;

	r = answer_take(request, recipient, body, http.body_len, &a, &e);
	if (r < 0) {
		require(!a && e.code == r &&
			memchr(e.words, 0, sizeof(e.words)));
		require(kmsc_error_text(r)[0]);
		require_printable(e.words);
		require(kmsc_error_print(&e, text, sizeof(text)) ==
			strlen(text));
		return;
	}
	require(r == 0 && a && a->plaintext.data);
	answer_complete(a, wanted[0].value, 1, 0);
	require_there(a->plaintext);
	require_there(a->ciphertext_blob);
	require_there(a->public_key);
	require_printable(a->key_id);
	require_printable(a->key_material_id);
	require_printable(a->encryption_algorithm);
	require_printable(a->key_pair_spec);
	require_printable(a->key_agreement_algorithm);
	require_printable(a->key_origin);
	require(!request->key_arn ||
		(a->key_id && strcmp(a->key_id, arn) == 0));
	kmsc_answer_free(a);
}

static void judge(void)
{
	size_t size = json_room(http.body_len);
	void *room = malloc(size);
	struct verdict v;

	verdict_read(http.status, NULL, body, http.body_len, room, size, &v);
	require(v.code > 0 && kmsc_error_name(-v.code));
	require_printable(v.aws_code);
	require_printable(v.message);
	free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kmsc_request request = { 0 };
	size_t used;
	int r;

	if (size == 0)
		return 0;
	if (!recipient)
		load_key();
	request.operation = (enum kmsc_operation)(data[0] % 5);
	if (data[0] & 0x40 && request.operation != KMSC_GENERATE_RANDOM)
		request.key_arn = arn;
	memset(wanted, 0, sizeof(wanted));
	wanted[0].name = "x-amzn-requestid";
	http_answer_begin(&http, wanted, 1, body, sizeof(body));
	r = http_answer_feed(&http, (const char *)data + 1, size - 1, &used);
	if (r == 0)
		r = http_answer_eof(&http);
	if (r == 1 && http.status == 200)
		take(&request);
	else if (r == 1)
		judge();
	return 0;
}
