#ifndef ROOTFS_PACK_EIF_PCRS_H
#define ROOTFS_PACK_EIF_PCRS_H

#include <cjson/cJSON.h>
#include <stdint.h>

struct eif_pcrs;
struct fault;

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

/* The same as a JSON object, to which more may be added; NULL: no memory. */
cJSON *pcrs_json(const struct eif_pcrs *pcrs);

/* What an image has to have, or it is not written. NULL: anything. */
struct pcrs_expected {
	const char *of[PCRS_COUNT];
};

/* Options of a command's table; no command has its own above these. */
enum { PCRS_EXPECT = 2000 };
#define PCRS_EXPECT_OPTIONS                                                  \
	{ "expect-pcr0", required_argument, NULL, PCRS_EXPECT + 0 },         \
		{ "expect-pcr1", required_argument, NULL, PCRS_EXPECT + 1 }, \
		{ "expect-pcr2", required_argument, NULL, PCRS_EXPECT + 2 }, \
	{                                                                    \
		"expect-pcr8", required_argument, NULL, PCRS_EXPECT + 8      \
	}

/* Takes OPTION with its VALUE: 1, or 0 where it is none of these. */
int pcrs_expect_take(struct pcrs_expected *e, int option, const char *value,
		     struct fault *reterr);

/* Refuses GOT where it has another one, showing both. */
int pcrs_expect_check(const struct pcrs_expected *e, const struct eif_pcrs *got,
		      struct fault *reterr);

/* Lines "PCR0 HEX". */
void pcrs_print_text(const struct pcrs *pcrs);

/* The condition of a KMS key's policy that wants all of PCRS. */
void pcrs_print_policy(const struct pcrs *pcrs);

#endif
