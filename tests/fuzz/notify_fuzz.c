/*
 * What services say of themselves. What is found stands in the text as a line of its
 * own, a status lies in it, and a newline at the end says nothing more.
 */

#include <stdlib.h>
#include <string.h>

#include "init/notify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

/* Whether a line of TEXT begins with NAME, or, with WHOLE, is it. */
static bool has_line(const char *text, size_t len, const char *name, bool whole)
{
	size_t n = strlen(name);

	for (size_t i = 0; i + n <= len; i++)
		if ((i == 0 || text[i - 1] == '\n') &&
		    memcmp(text + i, name, n) == 0 &&
		    (!whole || i + n == len || text[i + n] == '\n'))
			return true;
	return false;
}

static void check(const char *text, size_t len, const struct notify *n)
{
	require(n->ready == has_line(text, len, "READY=1", true));
	require(n->stopping == has_line(text, len, "STOPPING=1", true));
	require(n->watchdog == has_line(text, len, "WATCHDOG=1", true));
	require(n->watchdog_trigger ==
		has_line(text, len, "WATCHDOG=trigger", true));
	if (n->has_watchdog_usec)
		require(has_line(text, len, "WATCHDOG_USEC=", false));
	if (n->has_extend_usec)
		require(has_line(text, len, "EXTEND_TIMEOUT_USEC=", false));
	require(!n->status == !has_line(text, len, "STATUS=", false));
	if (!n->status)
		return;
	require(n->status >= text + strlen("STATUS=") &&
		n->status + n->status_len <= text + len);
	require(!memchr(n->status, '\n', n->status_len));
	require(n->status + n->status_len == text + len ||
		n->status[n->status_len] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of just that size: the sanitizer sees what is one too many. */
	char *text = malloc(size + !size), *longer = malloc(size + 1);
	struct notify n, again;

	require(text && longer);
	memcpy(text, data, size);
	memcpy(longer, data, size);
	longer[size] = '\n';
	memset(&n, 0xaa, sizeof(n));
	notify_parse(text, size, &n);
	check(text, size, &n);

	notify_parse(longer, size + 1, &again);
	check(longer, size + 1, &again);
	require(n.has_watchdog_usec == again.has_watchdog_usec &&
		n.watchdog_usec == again.watchdog_usec);
	require(n.has_extend_usec == again.has_extend_usec &&
		n.extend_usec == again.extend_usec);
	require(n.status_len == again.status_len);
	free(longer);
	free(text);
	return 0;
}
