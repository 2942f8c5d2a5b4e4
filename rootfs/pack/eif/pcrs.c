#include "rootfs/pack/eif/pcrs.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/eif/eif.h"

static void print_hex(const uint8_t pcr[EIF_HASH])
{
	for (int i = 0; i < EIF_HASH; i++)
		(void)printf("%02x", pcr[i]);
}

/* Members of a JSON object: FIRST, and then BETWEEN, is before each. */
static void print_members(const struct pcrs *pcrs, const char *first,
			  const char *between, const char *prefix)
{
	const char *before = first;

	for (int i = 0; i < PCRS_COUNT; i++) {
		if (!pcrs->of[i])
			continue;
		(void)printf("%s\"%sPCR%d\": \"", before, prefix, i);
		print_hex(pcrs->of[i]);
		(void)printf("\"");
		before = between;
	}
}

struct pcrs pcrs_of_image(const struct eif_pcrs *pcrs)
{
	return (struct pcrs){
		.of = {
			[0] = pcrs->pcr0,
			[1] = pcrs->pcr1,
			[2] = pcrs->pcr2,
			[8] = pcrs->has_pcr8 ? pcrs->pcr8 : NULL,
		},
	};
}

void pcrs_print_json(const struct eif_pcrs *pcrs)
{
	const struct pcrs p = pcrs_of_image(pcrs);

	pcrs_print_measurements(&p);
}

void pcrs_print_measurements(const struct pcrs *pcrs)
{
	(void)printf("{\n  \"Measurements\": {\n"
		     "    \"HashAlgorithm\": \"Sha384 { ... }\"");
	print_members(pcrs, ",\n    ", ",\n    ", "");
	(void)printf("\n  }\n}\n");
}

void pcrs_print_text(const struct pcrs *pcrs)
{
	for (int i = 0; i < PCRS_COUNT; i++) {
		if (!pcrs->of[i])
			continue;
		(void)printf("PCR%d ", i);
		print_hex(pcrs->of[i]);
		(void)printf("\n");
	}
}

void pcrs_print_policy(const struct pcrs *pcrs)
{
	(void)printf("{\n  \"Condition\": {\n"
		     "    \"StringEqualsIgnoreCase\": {");
	print_members(pcrs, "\n      ", ",\n      ",
		      "kms:RecipientAttestation:");
	(void)printf("\n    }\n  }\n}\n");
}

static void to_hex(const uint8_t pcr[EIF_HASH], char ret[2 * EIF_HASH + 1])
{
	for (int i = 0; i < EIF_HASH; i++)
		(void)sprintf(ret + 2 * i, "%02x", pcr[i]);
}

cJSON *pcrs_json(const struct eif_pcrs *pcrs)
{
	const struct pcrs p = pcrs_of_image(pcrs);
	cJSON *all = cJSON_CreateObject(), *to;
	char name[16], hex[2 * EIF_HASH + 1];

	to = cJSON_AddObjectToObject(all, "Measurements");
	if (!to ||
	    !cJSON_AddStringToObject(to, "HashAlgorithm", "Sha384 { ... }"))
		goto fail;
	for (int i = 0; i < PCRS_COUNT; i++) {
		if (!p.of[i])
			continue;
		(void)snprintf(name, sizeof(name), "PCR%d", i);
		to_hex(p.of[i], hex);
		if (!cJSON_AddStringToObject(to, name, hex))
			goto fail;
	}
	return all;
fail:
	cJSON_Delete(all);
	return NULL;
}

int pcrs_expect_take(struct pcrs_expected *e, int option, const char *value,
		     struct fault *reterr)
{
	const int number = option - PCRS_EXPECT;

	if (number < 0 || number >= PCRS_COUNT)
		return 0;
	if (strlen(value) != (size_t)2 * EIF_HASH ||
	    strspn(value, "0123456789abcdefABCDEF") != (size_t)2 * EIF_HASH)
		return fault_usage(reterr,
				   "--expect-pcr%d: %s: not %d hex digits",
				   number, value, 2 * EIF_HASH);
	e->of[number] = value;
	return 1;
}

int pcrs_expect_check(const struct pcrs_expected *e, const struct eif_pcrs *got,
		      struct fault *reterr)
{
	const struct pcrs p = pcrs_of_image(got);
	char hex[2 * EIF_HASH + 1];

	for (int i = 0; i < PCRS_COUNT; i++) {
		if (!e->of[i])
			continue;
		if (!p.of[i])
			return fault_refuse(reterr,
					    "no PCR%d: the image is not "
					    "signed, and %s is expected",
					    i, e->of[i]);
		to_hex(p.of[i], hex);
		if (strcasecmp(hex, e->of[i]) != 0)
			return fault_refuse(
				reterr,
				"PCR%d is %s, and %s is expected: nothing is "
				"written",
				i, hex, e->of[i]);
	}
	return 0;
}
