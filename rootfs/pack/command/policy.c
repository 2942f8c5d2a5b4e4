#include "rootfs/pack/command/policy.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "nsm/kms/wire/endpoint.h"
#include "rootfs/pack/base/fault.h"
#include "rootfs/pack/base/slurp.h"
#include "rootfs/pack/command/command.h"
#include "rootfs/pack/eif/measure.h"
#include "rootfs/pack/sign/signature.h"

enum {
	O_KEY = 1,
	O_ROLE,
	O_PCR,
	O_CERT,
	O_INSTANCE,
	O_ACTION,
	O_CONTEXT,
	O_ADMIN,
	O_ENCRYPT,
	O_DENY,
	CONTEXT_NAME_MAX = 200,
};

static const struct option options[] = {
	{ "key", required_argument, NULL, O_KEY },
	{ "role", required_argument, NULL, O_ROLE },
	{ "pcr", required_argument, COMMAND_REPEATS, O_PCR },
	{ "cert", required_argument, NULL, O_CERT },
	{ "instance", required_argument, NULL, O_INSTANCE },
	{ "action", required_argument, COMMAND_REPEATS, O_ACTION },
	{ "context", required_argument, COMMAND_REPEATS, O_CONTEXT },
	{ "admin", required_argument, COMMAND_REPEATS, O_ADMIN },
	{ "encrypt", required_argument, COMMAND_REPEATS, O_ENCRYPT },
	{ "deny", no_argument, NULL, O_DENY },
	{ "eif-path", required_argument, NULL, COMMAND_ARGUMENT },
	{ 0 },
};

static const struct command_hint hints[] = {
	{ "role-arn", COMMAND_HINT("role") },
	{ "key-id", COMMAND_HINT("key") },
	{ "principal", COMMAND_HINT("role") },
	{ "pcrs", COMMAND_HINT("pcr") },
	{ 0 },
};

struct ask {
	const char *path, *key, *cert, *instance; /* NULL: not said */
	bool has_pcrs, has_actions;
	struct policy policy;
};

/* --- what may be said --- */

/* "arn:aws:iam::111122223333:role/NAME", which may have a path before NAME. */
static bool is_role(const char *arn)
{
	const char *at = arn;

	if (strncmp(at, "arn:", 4) != 0)
		return false;
	at += 4;
	at += strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-");
	if (at == arn + 4 || strncmp(at, ":iam::", 6) != 0)
		return false;
	at += 6;
	if (strspn(at, "0123456789") != ENDPOINT_ACCOUNT_LEN)
		return false;
	at += ENDPOINT_ACCOUNT_LEN;
	if (strncmp(at, ":role/", 6) != 0)
		return false;
	at += 6;
	return *at && strlen(at) < 576 &&
	       strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			  "0123456789+=,.@_-/") == strlen(at) &&
	       at[strlen(at) - 1] != '/';
}

static bool is_zero(const char *hex)
{
	return strspn(hex, "0") == strlen(hex);
}

static int take_value(const char *word, unsigned n, const char *hex,
		      struct ask *a, struct fault *reterr)
{
	if (strlen(hex) != POLICY_HEX - 1 ||
	    strspn(hex, "0123456789abcdefABCDEF") != POLICY_HEX - 1)
		return fault_usage(reterr, "--pcr %s: not %d hex digits", word,
				   POLICY_HEX - 1);
	if (is_zero(hex))
		return fault_usage(
			reterr,
			"--pcr %s: zeros are what every enclave in "
			"debug mode has: its console is the parent's",
			word);
	for (size_t i = 0; i < POLICY_HEX; i++)
		a->policy.pcr[n][i] = (char)(hex[i] >= 'A' && hex[i] <= 'F' ?
						     hex[i] - 'A' + 'a' :
						     hex[i]);
	return 0;
}

/* "0,3,8", or "16=HEX" for one that neither image nor options give. */
static int take_pcrs(const char *word, struct ask *a, struct fault *reterr)
{
	const char *at = word;
	unsigned long n;
	char *end;

	a->has_pcrs = true;
	for (;;) {
		n = strtoul(at, &end, 10);
		if (*at < '0' || *at > '9' || n >= POLICY_PCRS)
			return fault_usage(reterr,
					   "--pcr %s: a list of numbers from 0 "
					   "to %d, or NUMBER=HEX",
					   word, POLICY_PCRS - 1);
		a->policy.is_wanted[n] = true;
		if (*end == '=')
			return take_value(word, (unsigned)n, end + 1, a,
					  reterr);
		if (*end == '\0')
			return 0;
		at = *end == ',' ? end + 1 : "";
	}
}

static int take_action(const char *word, struct ask *a, struct fault *reterr)
{
	const char *name = strncasecmp(word, "kms:", 4) == 0 ? word + 4 : word;

	a->has_actions = true;
	for (int i = 0; i < POLICY_ACTIONS; i++) {
		if (strcasecmp(name,
			       policy_action_name((enum policy_action)i)) != 0)
			continue;
		a->policy.action[i] = true;
		return 0;
	}
	if (strcasecmp(name, "GenerateRandom") == 0)
		return fault_usage(reterr,
				   "--action %s: it is about no key: "
				   "IAM's policy of the role allows it",
				   word);
	return fault_usage(reterr,
			   "--action %s: none of Decrypt, GenerateDataKey, "
			   "GenerateDataKeyPair, DeriveSharedSecret, whose "
			   "answers KMS encrypts for an enclave",
			   word);
}

static int take_context(const char *word, struct policy *p,
			struct fault *reterr)
{
	const char *equals = strchr(word, '=');

	if (!equals || equals == word || !equals[1] ||
	    equals - word > CONTEXT_NAME_MAX)
		return fault_usage(reterr, "--context %s: not NAME=VALUE",
				   word);
	if (p->contexts == POLICY_CONTEXT_MAX)
		return fault_usage(reterr, "--context: more than %d",
				   POLICY_CONTEXT_MAX);
	p->context[p->contexts++] = word;
	return 0;
}

/* A role or user, for OPTION. */
static int take_user(const char *option, const char *word, const char **list,
		     size_t *count, struct fault *reterr)
{
	if (strncmp(word, "arn:", 4) != 0 || !strstr(word, ":iam::"))
		return fault_usage(reterr,
				   "%s %s: not the ARN of a role or user, "
				   "arn:aws:iam::ACCOUNT:role/NAME",
				   option, word);
	if (*count == POLICY_ADMINS_MAX)
		return fault_usage(reterr, "%s: more than %d", option,
				   POLICY_ADMINS_MAX);
	list[(*count)++] = word;
	return 0;
}

static int take_option(struct ask *a, int option, struct fault *reterr)
{
	switch (option) {
	case O_KEY:
		a->key = optarg;
		return endpoint_is_key_arn(optarg) ?
			       0 :
			       fault_usage(reterr,
					   "--key %s: not the full ARN of a "
					   "key, arn:aws:kms:REGION:ACCOUNT:"
					   "key/ID",
					   optarg);
	case O_ROLE:
		a->policy.role = optarg;
		return is_role(optarg) ?
			       0 :
			       fault_usage(reterr,
					   "--role %s: not the ARN of a role, "
					   "arn:aws:iam::ACCOUNT:role/NAME",
					   optarg);
	case O_PCR:
		return take_pcrs(optarg, a, reterr);
	case O_ACTION:
		return take_action(optarg, a, reterr);
	case O_CONTEXT:
		return take_context(optarg, &a->policy, reterr);
	case O_ADMIN:
		return take_user("--admin", optarg, a->policy.admin,
				 &a->policy.admins, reterr);
	case O_ENCRYPT:
		return take_user("--encrypt", optarg, a->policy.writer,
				 &a->policy.writers, reterr);
	case O_CERT:
		a->cert = optarg;
		return slurp_claim(optarg, reterr);
	case O_INSTANCE:
		a->instance = optarg;
		return *optarg ? 0 : fault_usage(reterr, "--instance: empty");
	default:
		a->policy.denies = true;
		return 0;
	}
}

/* --- the measurements --- */

static void set_pcr(struct policy *p, unsigned n, const uint8_t hash[EIF_HASH])
{
	/* What was said by --pcr N=HEX stays. */
	if (*p->pcr[n])
		return;
	for (size_t i = 0; i < EIF_HASH; i++)
		(void)snprintf(p->pcr[n] + 2 * i, 3, "%02x", hash[i]);
}

static int measure_image(struct ask *a, bool *ret_signed, struct fault *reterr)
{
	struct eif_pcrs pcrs = { 0 };
	struct cert_info info;
	struct eif eif;
	int r = -1;

	if (eif_open(a->path, &eif, reterr) < 0)
		return -1;
	if (eif_check_crc(&eif, reterr) < 0 ||
	    eif_measure(&eif, &pcrs, reterr) < 0 ||
	    signature_read(&eif, time(NULL), &pcrs, &info, reterr) < 0)
		goto out;
	if (pcrs.has_pcr8 && !info.is_valid) {
		(void)fault_refuse(reterr,
				   "%s: the signature is not of this image: no "
				   "enclave would start",
				   a->path);
		goto out;
	}
	set_pcr(&a->policy, 0, pcrs.pcr0);
	set_pcr(&a->policy, 1, pcrs.pcr1);
	set_pcr(&a->policy, 2, pcrs.pcr2);
	if (pcrs.has_pcr8 && !a->cert)
		set_pcr(&a->policy, 8, pcrs.pcr8);
	*ret_signed = pcrs.has_pcr8;
	r = 0;
out:
	eif_close(&eif);
	return r;
}

static int measure_others(struct ask *a, struct fault *reterr)
{
	uint8_t hash[EIF_HASH];
	struct cert_info cert;

	if (measure_extend(a->policy.role, strlen(a->policy.role), hash,
			   reterr) < 0)
		return -1;
	set_pcr(&a->policy, 3, hash);
	if (a->instance) {
		if (measure_extend(a->instance, strlen(a->instance), hash,
				   reterr) < 0)
			return -1;
		set_pcr(&a->policy, 4, hash);
	}
	if (!a->cert)
		return 0;
	if (signature_cert_info(a->cert, time(NULL), &cert, reterr) < 0)
		return -1;
	set_pcr(&a->policy, 8, cert.pcr8);
	return 0;
}

/* Image and role, if nothing was said; and what was named for no other purpose. */
static void want(struct ask *a)
{
	bool *wanted = a->policy.is_wanted;

	if (!a->has_pcrs) {
		wanted[0] = a->path;
		wanted[3] = true;
	}
	wanted[4] = wanted[4] || a->instance;
	wanted[8] = wanted[8] || a->cert;
	if (a->has_actions)
		return;
	a->policy.action[POLICY_DECRYPT] = true;
	a->policy.action[POLICY_DATA_KEY] = true;
}

static int check_wanted(const struct ask *a, struct fault *reterr)
{
	static const char *const from[9] = {
		[0] = "the image",
		[1] = "the image",
		[2] = "the image",
		[4] = "--instance ID",
		[8] = "--cert FILE, or an image that is signed",
	};
	const bool *wanted = a->policy.is_wanted;

	for (unsigned i = 0; i < POLICY_PCRS; i++)
		if (wanted[i] && !*a->policy.pcr[i])
			return fault_usage(
				reterr,
				"PCR%u: its value is not known: it "
				"needs %s",
				i, i < 9 && from[i] ? from[i] : "--pcr N=HEX");
	if (!wanted[0] && !wanted[1] && !wanted[2] && !wanted[8])
		return fault_usage(reterr,
				   "none of PCR0, 1, 2 and 8 is asked for: any "
				   "code of anybody's would be answered");
	return 0;
}

static int check_key(const struct ask *a, struct fault *reterr)
{
	struct endpoint_arn key;

	if (!a->key || endpoint_arn(a->key, &key) < 0)
		return 0;
	if (strncmp(a->policy.role + 4, key.partition, strlen(key.partition)) !=
		    0 ||
	    a->policy.role[4 + strlen(key.partition)] != ':')
		return fault_usage(reterr,
				   "--role and --key are of two partitions of "
				   "AWS");
	return 0;
}

/* --- what to know --- */

static void note(const struct command *c, const struct ask *a, bool is_signed)
{
	const struct policy *p = &a->policy;
	struct endpoint_arn key;

	if (!p->denies)
		command_note(c, "each statement that allows Decrypt needs the "
				"condition: another one of this policy, IAM's "
				"(where the policy lets the account's root do "
				"kms:*), or a grant lets the parent in; --deny "
				"shuts them all out");
	command_note(c, "in debug mode all PCRs are zero: such an enclave is "
			"refused, and a key for trials is another key");
	if (p->admins == 0)
		command_note(c,
			     "the key's policy must also let somebody change "
			     "it: --admin ARN; who may do that may let "
			     "anybody in");
	if (p->contexts > 0 && p->action[POLICY_SHARED_SECRET])
		command_note(c, "DeriveSharedSecret has no encryption context: "
				"it will be refused");
	if (is_signed && !p->is_wanted[8])
		command_note(c,
			     "the image is signed: --pcr 3,8 asks for its "
			     "signer, and a new version needs no new policy");
	if (!p->is_wanted[0] && !p->is_wanted[8])
		command_note(c, "without PCR0 and PCR8 a part of the image is "
				"not asked for");
	if (p->is_wanted[8] && !p->is_wanted[0])
		command_note(c, "PCR8 lets in all that this certificate signs, "
				"old versions, too");
	if (a->key && endpoint_arn(a->key, &key) == 0 &&
	    strstr(p->role, key.account) == NULL)
		command_note(c, "the role is of another account than the key: "
				"IAM's policy there must allow these actions, "
				"too");
}

static int run(const struct command *c, int argc, char **argv)
{
	struct ask a = { 0 };
	struct fault fault;
	bool is_signed = false;
	int option;

	while ((option = command_option(c, argc, argv, options)) >= 0) {
		if (option == '?')
			return EXIT_USAGE;
		if (take_option(&a, option, &fault) < 0)
			return command_fail(c, &fault);
	}
	if (!a.policy.role)
		return command_usage(c, "--role is missing: the ARN of the "
					"parent instance's role");
	if (optind < argc && !command_arguments(c, argc, argv, 1, "the image"))
		return EXIT_USAGE;
	a.path = optind < argc ? argv[optind] : NULL;
	if ((a.path && measure_image(&a, &is_signed, &fault) < 0) ||
	    measure_others(&a, &fault) < 0)
		return command_fail(c, &fault);
	want(&a);
	if (check_wanted(&a, &fault) < 0 || check_key(&a, &fault) < 0)
		return command_fail(c, &fault);
	note(c, &a, is_signed);
	option = command_print_json(c, policy_json(&a.policy));
	return option ? option : command_end(c, EXIT_DONE);
}

const struct command policy_command = {
	.name = "policy",
	.does = "prints a KMS key's policy that answers one enclave alone",
	.help = "usage: mkeif policy [X.eif] --role ARN [OPTION]...\n"
		"Prints a policy for a KMS key that answers only enclaves of X.eif on instances\n"
		"with that role. It is for `aws kms put-key-policy --policy file://...`.\n"
		"  --role ARN            the role of the parent instance; asked for as PCR3, too\n"
		"  --pcr LIST            PCRs to ask for; 0,3 if nothing is said; 3,8: who signed\n"
		"  --pcr N=HEX           one that only you know: nsm pcr predict gives it\n"
		"  --cert FILE           PCR8: the certificate that will sign (PEM)\n"
		"  --instance ID         PCR4: that parent instance alone\n"
		"  --action NAME         Decrypt, GenerateDataKey (these two if nothing is said),\n"
		"                        GenerateDataKeyPair, DeriveSharedSecret\n"
		"  --context NAME=VALUE  that encryption context alone\n"
		"  --deny                also refuses everybody else, whatever allows them\n"
		"  --encrypt ARN         who may encrypt for the enclave\n"
		"  --admin ARN           who may look after the key, and change this policy\n"
		"  --key ARN             the key: checked against the role\n"
		"--pcr, --action, --context, --encrypt and --admin may come again.\n",
	.options = options,
	.hints = hints,
	.run = run,
};
