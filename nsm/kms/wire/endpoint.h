#ifndef NSM_KMS_WIRE_ENDPOINT_H
#define NSM_KMS_WIRE_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Names that AWS gives: regions, the hosts of KMS in them, ARNs of keys. The partitions are
 * those of botocore's partitions.json. Pure: mkeif compiles it, too.
 */

enum {
	ENDPOINT_REGION_MAX = 32, /* characters */
	ENDPOINT_HOST_MAX = 253,
	ENDPOINT_ARN_MAX = 2048,
	ENDPOINT_ACCOUNT_LEN = 12,
	ENDPOINT_KEY_ID_MAX = 256,

	/* Which of a region's hosts. */
	ENDPOINT_FIPS = 1,
	ENDPOINT_DUAL_STACK = 2,
};

/*
 * The partition of a region, "aws" or "aws-cn": a static text. NULL: no partition has regions
 * by such a name. A region that AWS opens later has a partition as long as its name is like
 * its neighbours'.
 */
const char *endpoint_partition(const char *region);

/* Writes the host of KMS in REGION, e.g. "kms.eu-west-1.amazonaws.com". -EINVAL: no region. */
int endpoint_host(const char *region, unsigned flags,
		  char ret[ENDPOINT_HOST_MAX + 1]);

/* True: TEXT is a name of the DNS (letters, digits, '-', '.') or an IPv4 address. */
bool endpoint_is_host(const char *text);

/* The parts of an ARN of KMS. */
struct endpoint_arn {
	char partition[16];
	char region[ENDPOINT_REGION_MAX + 1];
	char account[ENDPOINT_ACCOUNT_LEN + 1];
	bool is_alias;			  /* alias/ID instead of key/ID */
	char id[ENDPOINT_KEY_ID_MAX + 1]; /* of an alias without "alias/" */
};

/*
 * Takes "arn:PARTITION:kms:REGION:ACCOUNT:key/ID" or ":alias/NAME" apart. The region must be of
 * the partition. -EINVAL: it is anything else.
 */
int endpoint_arn(const char *text, struct endpoint_arn *ret);

/* True: TEXT is the full ARN of a key, not of an alias. */
bool endpoint_is_key_arn(const char *text);

/*
 * True: TEXT may be a KeyId: an ARN as above, an id of letters, digits and '-', or
 * "alias/NAME".
 */
bool endpoint_is_key_id(const char *text);

#endif
