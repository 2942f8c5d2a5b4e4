#ifndef ROOTFS_PACK_EIF_MEASURE_H
#define ROOTFS_PACK_EIF_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#include "rootfs/pack/base/hash.h"
#include "rootfs/pack/eif/eif.h"

/*
 * The measurements of an image from its sections as they pass: SHA-384 over kernel,
 * command line and ramdisks for PCR0, without those behind the first ramdisk for
 * PCR1, of these alone for PCR2; each then extends a PCR of zeros.
 */
enum { MEASURE_BLOCK = 1 << 18 }; /* bytes that are hashed at a time */

struct measure_ring;

struct measure {
	struct hash boot; /* up to the first ramdisk */
	struct hash all;  /* none before the second */
	struct hash app;
	unsigned ramdisks;
	enum eif_type type;	   /* of the section that passes */
	struct measure_ring *ring; /* of blocks */
};

/* M is for measure_end afterwards. */
int measure_begin(struct measure *m, struct fault *reterr);
int measure_section(struct measure *m, enum eif_type type,
		    struct fault *reterr);

/* A block that nobody uses any more, to be filled for measure_add. */
uint8_t *measure_block(struct measure *m);

/*
 * Takes the first LEN bytes of the block that measure_block gave last. Where PCR0 and
 * PCR2 are of the same bytes two threads hash them, while the caller fills the next.
 */
void measure_add(struct measure *m, size_t len);

/* Of what has passed so far. */
int measure_pcrs(struct measure *m, struct eif_pcrs *ret, struct fault *reterr);
void measure_end(struct measure *m);

/* SHA384(48 zeros || CONTENT): what a PCR becomes when CONTENT first extends it. */
int measure_extend(const void *content, size_t len, uint8_t ret[EIF_HASH],
		   struct fault *reterr);

/* SHA-384 of all of C. */
int measure_content(const struct content *c, uint8_t ret[EIF_HASH],
		    struct fault *reterr);

#endif
