#ifndef ROOTFS_PACK_PCRS_H
#define ROOTFS_PACK_PCRS_H

#include <stdint.h>

struct eif_pcrs;

enum { PCRS_COUNT = 16 }; /* what is locked when an enclave starts */

/* Measurements by number, EIF_HASH bytes each. NULL: not known. */
struct pcrs {
	const uint8_t *of[PCRS_COUNT];
};

/* Those of an image, which point into PCRS. */
struct pcrs pcrs_of_image(const struct eif_pcrs *pcrs);

/* Prints the measurements of an image as nitro-cli does after a build. */
void pcrs_print_json(const struct eif_pcrs *pcrs);

/* The same, with whatever else is in PCRS. */
void pcrs_print_measurements(const struct pcrs *pcrs);

/* Lines "PCR0 HEX". */
void pcrs_print_text(const struct pcrs *pcrs);

/* The condition of a KMS key's policy that wants all of PCRS. */
void pcrs_print_policy(const struct pcrs *pcrs);

#endif
