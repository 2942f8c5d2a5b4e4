/*
 * Signature sections, read: whatever the bytes are, the texts end, and a section
 * that is good is refused with a byte less.
 */

#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/sign/signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth)
{
	if (!truth)
		abort();
}

static void ends(const char *text, size_t cap)
{
	require(strnlen(text, cap) < cap);
	for (; *text; text++)
		require((unsigned char)*text >= ' ' && *text != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { NOW = 1800000000 };
	uint8_t pcr0[EIF_HASH];
	struct cert_info info;
	struct fault fault = { .kind = FAULT_USAGE };

	for (size_t i = 0; i < sizeof(pcr0); i++)
		pcr0[i] = (uint8_t)i;
	if (signature_parse(data, size, pcr0, NOW, &info, &fault) < 0) {
		require(fault.kind == FAULT_REFUSED);
		ends(fault.text, sizeof(fault.text));
		require(fault.text[0] != '\0');
		return 0;
	}
	ends(info.issuer, sizeof(info.issuer));
	ends(info.subject, sizeof(info.subject));
	require(info.issuer_part_count <= CERT_PARTS_MAX);
	for (size_t i = 0; i < info.issuer_part_count; i++) {
		ends(info.issuer_parts[i].key, CERT_KEY_CAP);
		ends(info.issuer_parts[i].value, CERT_NAME_CAP);
	}
	ends(info.from, sizeof(info.from));
	ends(info.to, sizeof(info.to));
	ends(info.algorithm, sizeof(info.algorithm));
	require(info.cert_signature_len <= sizeof(info.cert_signature));
	require(info.is_cert_in_time ==
		(info.not_before <= NOW && NOW <= info.not_after));
	require(signature_parse(data, size - 1, pcr0, NOW, &info, &fault) < 0);
	return 0;
}
