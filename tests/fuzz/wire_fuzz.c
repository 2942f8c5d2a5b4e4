/*
 * The NSM's answers. The first byte says which answer the rest is read as;
 * whatever it is, views stay inside it, and errors are of the device's kind.
 */

#include <stdlib.h>
#include <string.h>

#include "nsm/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(const uint8_t *buf, size_t len, const struct nsmc_bytes *b)
{
	if (b->len == 0 || b->data < buf ||
	    b->len > len - (size_t)(b->data - buf))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nsmc_bytes bytes = { NULL, 0 };
	struct nsmc_description d = { 0 };
	struct nsmc_pcr pcr = { 0 };
	const uint8_t *buf = data + 1;
	size_t len = size - 1;
	int r = 0;

	if (size == 0)
		return 0;
	switch (data[0] % 7) {
	case 0:
		r = wire_read_random(buf, len, &bytes);
		if (r == 0)
			inside(buf, len, &bytes);
		break;
	case 1:
		r = wire_read_attest(buf, len, &bytes);
		if (r == 0)
			inside(buf, len, &bytes);
		break;
	case 2:
		r = wire_read_pcr(buf, len, &pcr);
		break;
	case 3:
		r = wire_read_extend(buf, len, &pcr);
		break;
	case 4:
		r = wire_read_describe(buf, len, &d);
		if (strlen(d.module_id) > NSMC_MODULE_ID_MAX ||
		    strlen(d.digest) >= sizeof(d.digest))
			abort();
		break;
	case 5:
		r = wire_read_lock_pcr(buf, len);
		break;
	default:
		r = wire_read_lock_pcrs(buf, len);
		break;
	}
	if (pcr.len > NSMC_PCR_SIZE_MAX)
		abort();
	if (r > 0 ||
	    (r < 0 && (r > -NSMC_E_INVALID_ARGUMENT || r < -NSMC_E_MALFORMED)))
		abort();
	return 0;
}
