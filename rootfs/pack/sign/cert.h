#ifndef ROOTFS_PACK_SIGN_CERT_H
#define ROOTFS_PACK_SIGN_CERT_H

#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "rootfs/pack/eif/eif.h"

struct fault;
struct sign_info;

/* Certificates, by the library that AWS reads them with. Its checks of them are AWS's
 * as well: the validity and no more; usages and issuers do not count. */

/*
 * The first certificate of TEXT, which has a NUL at LEN; for the caller to free. A text
 * where two readers could see two different certificates is refused.
 */
int cert_read(const char *text, size_t len, X509 **ret, struct fault *reterr);

int cert_pcr8(const X509 *cert, uint8_t ret[EIF_HASH], struct fault *reterr);

/* Refuses a certificate that is not valid at NOW. */
int cert_check_time(const X509 *cert, time_t now, struct fault *reterr);

/* Sets all of *RET but IS_VALID; leaves it alone on a failure. */
int cert_info(const X509 *cert, time_t now, struct sign_info *ret,
	      struct fault *reterr);

#endif
