/*
 * The allowlist of vsock-proxy. Whatever the text is, an entry is within it and has a port, and
 * what is refused has a sentence and a line of the text.
 */

#include <stdlib.h>
#include <string.h>

#include "vsock/relay/plan/allowlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of just that size: the sanitizer sees what is one too many. */
	char *text = malloc(size + !size);
	struct allowlist_entry e;
	struct allowlist a;
	const char *why;
	unsigned last = 0;

	require(text);
	memcpy(text, data, size);
	allowlist_open(&a, text, size);
	while (allowlist_next(&a, &e, &why)) {
		require(!why && e.port > 0);
		require(e.host_len > 0 && e.host_len <= ALLOWLIST_HOST_MAX);
		require(e.host >= text && e.host + e.host_len <= text + size);
		require(e.line >= last && e.line <= a.line);
		last = e.line;
	}
	require(!why || why[0]);
	require(a.line <= size);
	free(text);
	return 0;
}
