#ifndef NSM_KMS_TOOL_SETTINGS_H
#define NSM_KMS_TOOL_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "nsm/kms/kmsc.h"
#include "nsm/opts.h"
#include "nsm/tool/blob.h"

struct tool;

/* What a command line asks for: options that several commands have, by one reader. */

/* The ids of options in a command's table. */
enum settings_id {
	SETTINGS_REGION = 'r',
	SETTINGS_ENDPOINT = 'e',
	SETTINGS_FIPS = 'f',
	SETTINGS_DUAL_STACK = 'd',
	SETTINGS_CONNECT = 'c',
	SETTINGS_CA = 'a',
	SETTINGS_CREDENTIALS = 'C',
	SETTINGS_TIMEOUT = 't',
	SETTINGS_ATTEMPTS = 'n',
	SETTINGS_OUT = 'o',
	SETTINGS_BASE64 = 'b',
	SETTINGS_FORCE = 'F',
	SETTINGS_JSON = 'j',
	SETTINGS_KEY = 'k',
	SETTINGS_ANY_KEY = 'A',
	SETTINGS_GRANT_TOKEN = 'g',
	SETTINGS_DRY_RUN = 'D',
	SETTINGS_CONTEXT = 'x',
	SETTINGS_SPEC = 's',
	SETTINGS_BYTES = 'B',
	SETTINGS_ALGORITHM = 'l',
	SETTINGS_STORE = 'S',
	SETTINGS_PUBLIC_KEY = 'p',
	SETTINGS_CIPHERTEXT_OUT = 'w',
	SETTINGS_PUBLIC_OUT = 'W',
};

/* Every command has these. */
#define SETTINGS_OF_ALL                                               \
	{ "--region", OPT_VALUE, SETTINGS_REGION },                   \
		{ "--endpoint", OPT_VALUE, SETTINGS_ENDPOINT },       \
		{ "--fips", OPT_FLAG, SETTINGS_FIPS },                \
		{ "--dual-stack", OPT_FLAG, SETTINGS_DUAL_STACK },    \
		{ "--connect", OPT_VALUE, SETTINGS_CONNECT },         \
		{ "--ca", OPT_VALUE, SETTINGS_CA },                   \
		{ "--credentials", OPT_VALUE, SETTINGS_CREDENTIALS }, \
		{ "--timeout", OPT_VALUE, SETTINGS_TIMEOUT },         \
		{ "--attempts", OPT_VALUE, SETTINGS_ATTEMPTS },       \
		{ "--out", OPT_VALUE, SETTINGS_OUT },                 \
		{ "--base64", OPT_FLAG, SETTINGS_BASE64 },            \
		{ "--force", OPT_FLAG, SETTINGS_FORCE },              \
	{                                                             \
		"--json", OPT_FLAG, SETTINGS_JSON                     \
	}

/* Those that name a key. */
#define SETTINGS_OF_KEYS                                             \
	{ "--key", OPT_VALUE, SETTINGS_KEY },                        \
		{ "--any-key", OPT_FLAG, SETTINGS_ANY_KEY },         \
		{ "--grant-token", OPT_MANY, SETTINGS_GRANT_TOKEN }, \
	{                                                            \
		"--dry-run", OPT_FLAG, SETTINGS_DRY_RUN              \
	}

struct settings {
	struct kmsc_request request; /* views into what is below */
	const char *region, *endpoint, *connect, *ca, *credentials;
	unsigned endpoint_flags;
	uint64_t timeout_s, attempts; /* 0: not said */

	const char *out, *ciphertext_out, *public_out;
	bool base64, force, json;

	const char *argument; /* the one that is no option */
	const char *public_key;
	struct kmsc_pair pairs[KMSC_CONTEXT_MAX];
	const char *tokens[KMSC_GRANT_TOKENS_MAX];
	struct blob input; /* ciphertext or public key */
};

/*
 * Reads the command line O to *SET, which is zero but for its request's operation. A command
 * without an option has no such id in its table. ARGUMENTS: how many there may be, 0 or 1.
 * Returns 0 or an exit code.
 */
int settings_read(struct tool *t, struct opts *o, int arguments,
		  struct settings *set);

/*
 * Checks all that can be known before anything is opened: the key, the request, and where the
 * secret goes. Returns 0 or an exit code.
 */
int settings_check(struct tool *t, struct settings *set);

/* Frees and wipes what it has. */
void settings_free(struct settings *set);

#endif
