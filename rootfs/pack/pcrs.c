#include "rootfs/pack/pcrs.h"

#include <stdio.h>

#include "rootfs/pack/eif.h"

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
