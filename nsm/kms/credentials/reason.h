#ifndef NSM_KMS_CREDENTIALS_REASON_H
#define NSM_KMS_CREDENTIALS_REASON_H

#include "nsm/kms/kmsc.h"

/*
 * Writes why something failed to WORDS, cut if it is longer, '?' for what is not printable
 * ASCII; what is to be written may be in WORDS itself. Returns R.
 */
__attribute__((format(printf, 3, 4))) int reason(char words[KMSC_WORDS_SIZE],
						 int r, const char *format,
						 ...);

#endif
