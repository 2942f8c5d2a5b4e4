#ifndef NSM_KMS_NET_ROOTS_H
#define NSM_KMS_NET_ROOTS_H

#include "nsm/nsmc.h"

/*
 * The certificates of authorities that KMS's chains end at: Amazon Root CA 1 to 4 and
 * Starfield Services Root Certificate Authority - G2, as Amazon Trust Services
 * recommends. Pure.
 */

enum { ROOTS_AMAZON_COUNT = 5 };

/* Returns the one at INDEX, DER, static; absent from ROOTS_AMAZON_COUNT on. */
struct nsmc_bytes roots_amazon(size_t index);

#endif
