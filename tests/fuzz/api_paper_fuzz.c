/* What programs of other frameworks give as PEM, base64 and hex: the first byte says which. */

#include <stdlib.h>
#include <string.h>

#include "nsm/api/compat/paper.h"
#include "nsm/kms/wire/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* Without the lines of a block, what was read is the base64 between them. */
static void look(const char *text, size_t len, const uint8_t *got, size_t n)
{
	char *again = malloc(base64_len(n) + 1);
	size_t at = 0;

	require(again);
	base64_write(got, n, again);
	for (size_t i = 0; i < len && at < base64_len(n); i++)
		if (text[i] == again[at])
			at++;
	require(at == base64_len(n) || again[at] == '=');
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *to;
	char *text;
	size_t n = 0, len;

	if (size == 0)
		return 0;
	len = size - 1;
	text = malloc(len + 1);
	to = malloc(len ? len : 1);
	require(text && to);
	memcpy(text, data + 1, len);
	text[len] = '\0';
	if (data[0] % 3 == 0 && paper_pem(text, len, to, &n) == 0)
		look(text, len, to, n);
	if (data[0] % 3 == 1 && paper_base64(text, len, to, &n) == 0)
		look(text, len, to, n);
	if (data[0] % 3 == 2 && paper_hex(text, to, len / 2, &n) == 0)
		require(n == strlen(text) / 2);
	require(n <= len);
	free(to);
	free(text);
	return 0;
}
