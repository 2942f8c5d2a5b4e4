#ifndef NSM_KMS_CREDENTIALS_SETCLIENT_H
#define NSM_KMS_CREDENTIALS_SETCLIENT_H

#include <stdint.h>

#include "nsm/kms/kmsc.h"
#include "vsock/relay/plan/address.h"

/*
 * Listens at AT, a port of vsock, until somebody has sent a SetClient as AWS's kmstool_instance
 * does, answers it, and stops listening. Connections are taken one after the other, those of
 * another CID than AT's are closed; a silent one has 10 s. Its AwsRegion is not looked at.
 * Returns 0 and *RET, which the caller wipes; -KMSC_E_NO_CREDENTIALS: until DEADLINE_MS nobody
 * did; -errno. WORDS says why.
 */
int setclient_wait(const struct address *at, int64_t deadline_ms,
		   struct kmsc_credentials *ret, char words[KMSC_WORDS_SIZE]);

#endif
