#ifndef ROOTFS_PACK_COMMAND_POLICY_H
#define ROOTFS_PACK_COMMAND_POLICY_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "rootfs/pack/eif/eif.h"

/* The policy of a KMS key that answers one enclave: what was asked for, and its JSON. */

enum {
	POLICY_PCRS = 32,
	POLICY_ADMINS_MAX = 8,
	POLICY_CONTEXT_MAX = 8,
	POLICY_HEX = 2 * EIF_HASH + 1,
};

/* The operations whose answers KMS encrypts for an enclave, and that are about a key. */
enum policy_action {
	POLICY_DECRYPT,
	POLICY_DATA_KEY,
	POLICY_KEY_PAIR,
	POLICY_SHARED_SECRET,
	POLICY_ACTIONS,
};

/* Returns the action's name without "kms:". */
const char *policy_action_name(enum policy_action action);

struct policy {
	const char *role; /* of the parent instance */
	bool is_wanted[POLICY_PCRS];
	char pcr[POLICY_PCRS][POLICY_HEX]; /* of those that are wanted */
	bool action[POLICY_ACTIONS];
	/* ARNs of roles and users: who looks after the key, who encrypts for the enclave. */
	const char *admin[POLICY_ADMINS_MAX], *writer[POLICY_ADMINS_MAX];
	size_t admins, writers;
	const char *context[POLICY_CONTEXT_MAX]; /* NAME=VALUE */
	size_t contexts;
	bool denies; /* with statements that hold against all others */
};

/* Returns the policy's JSON, which is the caller's; NULL: no memory. */
cJSON *policy_json(const struct policy *p);

#endif
