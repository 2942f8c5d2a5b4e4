#include "nsm/kms/tool/settings.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nsm/kms/wire/endpoint.h"
#include "nsm/kms/wire/operations.h"
#include "nsm/tool/input.h"
#include "nsm/tool/tool.h"

/* NAME=VALUE, of which NAME is copied. */
static int take_context(const struct tool *t, const char *text,
			struct settings *set)
{
	const char *equals = strchr(text, '=');
	struct kmsc_pair *pair = &set->pairs[set->request.context_count];

	if (!equals || equals == text)
		return tool_usage(t, "--context", "it must be NAME=VALUE");
	if (set->request.context_count == KMSC_CONTEXT_MAX)
		return tool_usage(t, "--context", "there are more than %d",
				  KMSC_CONTEXT_MAX);
	for (const struct kmsc_pair *p = set->pairs; p < pair; p++)
		if (strlen(p->name) == (size_t)(equals - text) &&
		    memcmp(p->name, text, strlen(p->name)) == 0)
			return tool_usage(t, "--context", "%s: given twice",
					  p->name);
	pair->name = strndup(text, (size_t)(equals - text));
	if (!pair->name)
		return tool_fail(t, TOOL_FILE, NULL, "out of memory");
	pair->value = equals + 1;
	set->request.context_count++;
	return 0;
}

static int take_token(const struct tool *t, const char *text,
		      struct settings *set)
{
	if (set->request.grant_token_count == KMSC_GRANT_TOKENS_MAX)
		return tool_usage(t, "--grant-token", "there are more than %d",
				  KMSC_GRANT_TOKENS_MAX);
	set->tokens[set->request.grant_token_count++] = text;
	return 0;
}

static int take_bytes(const struct tool *t, const char *text,
		      struct settings *set)
{
	uint64_t n = 0;
	int r = input_number(t, "--bytes", text, 1, KMSC_RANDOM_MAX, &n);

	set->request.number_of_bytes = (uint32_t)n;
	return r;
}

/* Options whose values need no look. Returns true if ID is one. */
static bool take_text(int id, const char *value, struct settings *set)
{
	struct kmsc_request *request = &set->request;
	const struct {
		int id;
		const char **to;
	} texts[] = {
		{ SETTINGS_REGION, &set->region },
		{ SETTINGS_ENDPOINT, &set->endpoint },
		{ SETTINGS_CONNECT, &set->connect },
		{ SETTINGS_CA, &set->ca },
		{ SETTINGS_CREDENTIALS, &set->credentials },
		{ SETTINGS_OUT, &set->out },
		{ SETTINGS_KEY, &request->key_arn },
		{ SETTINGS_SPEC, &request->key_spec },
		{ SETTINGS_STORE, &request->custom_key_store_id },
		{ SETTINGS_PUBLIC_KEY, &set->public_key },
		{ SETTINGS_CIPHERTEXT_OUT, &set->ciphertext_out },
		{ SETTINGS_PUBLIC_OUT, &set->public_out },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].id != id)
			continue;
		*texts[i].to = value;
		return true;
	}
	return false;
}

static bool take_flag(int id, struct settings *set)
{
	switch (id) {
	case SETTINGS_FIPS:
		set->endpoint_flags |= KMSC_ENDPOINT_FIPS;
		return true;
	case SETTINGS_DUAL_STACK:
		set->endpoint_flags |= KMSC_ENDPOINT_DUAL_STACK;
		return true;
	case SETTINGS_BASE64:
		set->base64 = true;
		return true;
	case SETTINGS_FORCE:
		set->force = true;
		return true;
	case SETTINGS_JSON:
		set->json = true;
		return true;
	case SETTINGS_ANY_KEY:
		set->request.any_key = true;
		return true;
	case SETTINGS_DRY_RUN:
		set->request.dry_run = true;
		return true;
	default:
		return false;
	}
}

static int take(struct tool *t, const struct opts *o, int id,
		struct settings *set)
{
	switch (id) {
	case SETTINGS_TIMEOUT:
		return input_number(t, o->name, o->value, 1,
				    KMSC_TIMEOUT_MAX_MS / 1000,
				    &set->timeout_s);
	case SETTINGS_ATTEMPTS:
		return input_number(t, o->name, o->value, 1, KMSC_ATTEMPTS_MAX,
				    &set->attempts);
	case SETTINGS_CONTEXT:
		return take_context(t, o->value, set);
	case SETTINGS_GRANT_TOKEN:
		return take_token(t, o->value, set);
	case SETTINGS_BYTES:
		return take_bytes(t, o->value, set);
	case SETTINGS_ALGORITHM:
		if (set->request.operation == KMSC_DECRYPT)
			set->request.encryption_algorithm = o->value;
		else
			set->request.key_agreement_algorithm = o->value;
		return 0;
	default:
		return take_flag(id, set) || take_text(id, o->value, set) ?
			       0 :
			       TOOL_USAGE;
	}
}

int settings_read(struct tool *t, struct opts *o, int arguments,
		  struct settings *set)
{
	int id, r = 0;

	set->request.context = set->pairs;
	set->request.grant_tokens = set->tokens;
	while (r == 0 && (id = opts_next(o)) != OPT_END) {
		if (id == OPT_ARGUMENT) {
			if (arguments == 0 || set->argument)
				return opts_too_many(o);
			set->argument = o->value;
			continue;
		}
		r = id == OPT_BAD ? TOOL_USAGE : take(t, o, id, set);
	}
	if (r == 0 && set->credentials &&
	    (strcmp(set->credentials, "-") == 0 ||
	     strcmp(set->credentials, "fd:0") == 0))
		t->stdin_taken = true;
	return r;
}

/* --- before anything is opened --- */

static int check_key(const struct tool *t, const struct settings *set)
{
	const char *arn = set->request.key_arn;
	const bool decrypts = set->request.operation == KMSC_DECRYPT;

	if (set->request.operation == KMSC_GENERATE_RANDOM)
		return 0;
	if (set->request.any_key) {
		if (arn && !endpoint_is_key_id(arn))
			return tool_usage(t, "--key",
					  "it is neither an ARN of a key or an "
					  "alias, nor an id or alias/NAME");
		if (!arn && !decrypts)
			return tool_usage(t, NULL,
					  "--key is needed: which key of KMS");
		return 0;
	}
	if (!arn)
		return tool_usage(t, NULL,
				  "--key ARN is needed: the parent could let "
				  "another key answer; --any-key does without");
	if (!endpoint_is_key_arn(arn))
		return tool_usage(
			t, "--key",
			"it must be the full ARN of a key, "
			"arn:aws:kms:REGION:ACCOUNT:key/ID; --any-key "
			"takes the others");
	return 0;
}

/* The option that AWS's member stands for. */
static const char *option_of(const char *member)
{
	static const struct {
		const char *member, *option;
	} of[] = {
		{ "CiphertextBlob", "the ciphertext" },
		{ "KeyId", "--key" },
		{ "KeySpec", "--key-spec" },
		{ "KeyPairSpec", "--key-spec" },
		{ "NumberOfBytes", "--bytes" },
		{ "EncryptionContext", "--context" },
		{ "EncryptionAlgorithm", "--algorithm" },
		{ "KeyAgreementAlgorithm", "--algorithm" },
		{ "PublicKey", "--public-key" },
		{ "GrantTokens", "--grant-token" },
		{ "CustomKeyStoreId", "--key-store" },
		{ "DryRun", "--dry-run" },
	};

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
		if (strcmp(of[i].member, member) == 0)
			return of[i].option;
	return member;
}

static bool is_stdout(const char *path)
{
	return path && strcmp(path, "-") == 0;
}

/* How many of its files are stdout. */
static int count_stdout(const struct settings *set)
{
	const char *const files[] = { set->out, set->ciphertext_out,
				      set->public_out };
	int n = 0;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		n += is_stdout(files[i]);
	return n;
}

/* What is not the secret has a place of its own, or stdout for itself. */
static int check_places(const struct tool *t, const struct settings *set)
{
	const bool pair = set->request.operation == KMSC_GENERATE_DATA_KEY_PAIR;
	const bool key = pair ||
			 set->request.operation == KMSC_GENERATE_DATA_KEY;

	if (set->json &&
	    (set->out || set->ciphertext_out || set->public_out || set->base64))
		return tool_usage(t, "--json",
				  "it has all in one object, and excludes "
				  "--out, --base64 and their like");
	if (set->json || set->request.dry_run)
		return 0;
	if (key && !set->out)
		return tool_usage(t, NULL,
				  "--out FILE is needed, for the secret, or "
				  "--json");
	if (pair && !set->ciphertext_out)
		return tool_usage(t, NULL,
				  "--ciphertext-out FILE is needed, for the "
				  "private key as KMS encrypted it, or --json");
	if (count_stdout(set) > 1 ||
	    (key && is_stdout(set->out) &&
	     !(pair ? set->public_out : set->ciphertext_out)))
		return tool_usage(t, "--out", "stdout is for one of them");
	return 0;
}

static int check_terminal(const struct tool *t, const struct settings *set)
{
	if (set->json || set->base64 || set->force || set->request.dry_run)
		return 0;
	if ((set->out && !is_stdout(set->out)) || !isatty(STDOUT_FILENO))
		return 0;
	return tool_usage(t, "stdout",
			  "a secret does not go to a terminal: --out FILE, "
			  "--base64, or --force to insist");
}

int settings_check(struct tool *t, struct settings *set)
{
	struct operations_fault fault = { 0 };
	int r = check_key(t, set);

	if (r == 0 && set->endpoint && set->endpoint_flags)
		r = tool_usage(t, "--endpoint",
			       "it is another host than --fips and "
			       "--dual-stack choose");
	if (r == 0)
		r = check_places(t, set);
	if (r == 0)
		r = check_terminal(t, set);
	if (r == 0 && operations_check(&set->request, &fault) < 0)
		r = tool_usage(t, option_of(fault.member), "%s", fault.what);
	return r;
}

void settings_free(struct settings *set)
{
	for (size_t i = 0; i < set->request.context_count; i++)
		free((void *)(uintptr_t)set->pairs[i].name);
	blob_free(&set->input);
	*set = (struct settings){ 0 };
}
