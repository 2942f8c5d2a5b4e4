/* Errors of KMS: first the status, two bytes, then the body. There is always a verdict. */

#include <stdlib.h>
#include <string.h>

#include "nsm/kms/wire/json.h"
#include "nsm/kms/wire/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void check_text(const char *text, size_t cap)
{
	require(strnlen(text, cap) < cap);
	for (; *text; text++)
		require(*text >= ' ' && *text <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char room[VERDICT_ROOM];
	static struct verdict v;
	unsigned status;
	char *copy;

	if (size < 2)
		return 0;
	status = data[0] * 256u + data[1];
	copy = malloc(size);
	require(copy);
	memcpy(copy, data + 2, size - 2);
	verdict_read(status, NULL, copy, size - 2, room, sizeof(room), &v);
	check_text(v.aws_code, sizeof(v.aws_code));
	check_text(v.message, sizeof(v.message));
	require(v.action <= VERDICT_CLOCK);
	require(v.code >= KMSC_E_CREDENTIALS_REFUSED &&
		v.code <= KMSC_E_DRY_RUN);
	require((v.action == VERDICT_CLOCK) == (v.code == KMSC_E_CLOCK));
	require((v.action == VERDICT_RETRY) == (v.code == KMSC_E_UNAVAILABLE));
	require((v.action == VERDICT_THROTTLE) == (v.code == KMSC_E_THROTTLED));
	free(copy);
	return 0;
}
