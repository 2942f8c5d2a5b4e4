#include "rootfs/pack/pcrs.h"

#include <stdio.h>

#include "rootfs/pack/eif.h"

static void print_pcr(int n, const uint8_t pcr[EIF_HASH])
{
	(void)printf(",\n    \"PCR%d\": \"", n);
	for (int i = 0; i < EIF_HASH; i++)
		(void)printf("%02x", pcr[i]);
	(void)printf("\"");
}

void pcrs_print_json(const struct eif_pcrs *pcrs)
{
	(void)printf("{\n  \"Measurements\": {\n"
		     "    \"HashAlgorithm\": \"Sha384 { ... }\"");
	print_pcr(0, pcrs->pcr0);
	print_pcr(1, pcrs->pcr1);
	print_pcr(2, pcrs->pcr2);
	if (pcrs->has_pcr8)
		print_pcr(8, pcrs->pcr8);
	(void)printf("\n  }\n}\n");
}
