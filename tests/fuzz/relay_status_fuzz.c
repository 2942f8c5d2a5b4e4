/*
 * What an enclave says of itself. Whatever it is, the memory is bounded, strings end, an
 * exit code is one, and what is shown of it is printable.
 */

#include <stdlib.h>
#include <string.h>

#include "vsock/relay/monitor/show.h"
#include "vsock/relay/monitor/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void check_end(const char *text, size_t cap)
{
	require(memchr(text, '\0', cap));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of just that size: the sanitizer sees what is one too many. */
	char *text = malloc(size + !size), summary[SHOW_SUMMARY_MAX];
	static struct status s;
	cJSON *json = NULL;
	const char *why;

	require(text);
	memcpy(text, data, size);
	why = status_read(text, size, &s, &json);
	require(!why == !!json);
	if (!why) {
		int code = status_exit_code(&s);

		require(code >= 0 && code <= 255);
		require(status_is_final(&s) || code == 0);
		check_end(s.name, sizeof(s.name));
		check_end(s.error, sizeof(s.error));
		check_end(s.service, sizeof(s.service));
		require(s.count <= STATUS_SERVICES_MAX);
		for (size_t i = 0; i < s.count; i++) {
			check_end(s.services[i].name,
				  sizeof(s.services[i].name));
			check_end(s.services[i].state,
				  sizeof(s.services[i].state));
			check_end(s.services[i].text,
				  sizeof(s.services[i].text));
		}
		show_summary(&s, summary);
		check_end(summary, sizeof(summary));
	}
	cJSON_Delete(json);
	free(text);
	return 0;
}
