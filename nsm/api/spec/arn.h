#ifndef NSM_API_SPEC_ARN_H
#define NSM_API_SPEC_ARN_H

#include <stddef.h>

/*
 * Is ARN the full ARN of a key of KMS in REGION: arn:PARTITION:kms:REGION:ACCOUNT:key/ID? Pure. Returns NULL, or why not. An
 * alias is none: its account decides which key that is.
 */
const char *arn_check(const char *arn, const char *region);

#endif
