/*
 * One call of libkmsc, for tests in Python: caller OPERATION NAME=VALUE...
 *
 *	connect, ca (a file), region, endpoint, flags, timeout, attempts, agent, id, secret, token, source
 *	key, any-key, dry-run, context (NAME=VALUE), grant, spec, bytes, algorithm
 *	ciphertext, public-key	files
 *	body			a file: OPERATION is forwarded
 *	refreshed		the id that there is after a refusal, with the same secret
 *	no-more			credentials are a callback that fails after a refusal
 *	kept			documents by a callback, and a key that is kept
 *	repeat			so many calls
 *
 * It writes what came back, a line each, and what failed to stderr; "code", "step", "attempts" and
 * "status" first.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nsm/kms/kmsc.h"

enum { FILE_MAX = 1 << 17, PAIRS_MAX = 70, TOKENS_MAX = 12 };

static const char *id = "", *secret = "", *token, *refreshed;
static bool has_no_more;
static int nsm = -1;

static void die(const char *what, int r)
{
	fprintf(stderr, "caller: %s: %s\n", what, kmsc_error_text(r));
	exit(3);
}

static void must(const char *what, int r)
{
	if (r < 0)
		die(what, r);
}

static struct nsmc_bytes slurp(const char *name)
{
	uint8_t *data = malloc(FILE_MAX);
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, data, FILE_MAX);

	if (n < 0)
		die(name, -1);
	close(fd);
	return NSMC_BYTES(data, (size_t)n);
}

static int give(void *ctx, bool refused, uint32_t timeout_ms,
		struct kmsc_credentials *ret, char words[KMSC_WORDS_SIZE])
{
	(void)ctx;
	fprintf(stderr, "asked%s\n", refused ? " again" : "");
	if (timeout_ms == 0)
		return -KMSC_E_TIMEOUT;
	if (refused && has_no_more) {
		snprintf(words, KMSC_WORDS_SIZE, "the source\nis dry");
		return -KMSC_E_NO_CREDENTIALS;
	}
	*ret = (struct kmsc_credentials){ 0 };
	snprintf(ret->access_key_id, sizeof(ret->access_key_id), "%s",
		 refused && refreshed ? refreshed : id);
	snprintf(ret->secret_access_key, sizeof(ret->secret_access_key), "%s",
		 secret);
	snprintf(ret->session_token, sizeof(ret->session_token), "%s",
		 token ? token : "");
	return 0;
}

static int attest(void *ctx, struct nsmc_bytes public_key, uint32_t timeout_ms,
		  void *buf, size_t cap, size_t *ret_len)
{
	(void)ctx;
	fprintf(stderr, "attested\n");
	return timeout_ms == 0 ? -KMSC_E_TIMEOUT :
				 nsmc_attest(nsm, NSMC_ABSENT, NSMC_ABSENT,
					     public_key, buf, cap, ret_len);
}

static void print_bytes(const char *name, struct nsmc_bytes b)
{
	if (!b.data)
		return;
	printf("%s ", name);
	for (size_t i = 0; i < b.len; i++)
		printf("%02x", b.data[i]);
	printf("\n");
}

static void print_text(const char *name, const char *s)
{
	if (s)
		printf("%s %s\n", name, s);
}

static int report(int r, const struct kmsc_error *e)
{
	char text[KMSC_ERROR_LINE_SIZE];
	const char *name = kmsc_error_name(r);

	(void)kmsc_error_print(e, text, sizeof(text));
	fprintf(stderr, "code %s\nstep %d\nattempts %d\nstatus %d\n%s\n",
		name ? name : "errno", (int)e->step, e->attempts, e->status,
		text);
	return r == e->code ? 1 : 4;
}

static int call(struct kmsc_client *c, const struct kmsc_request *request)
{
	struct kmsc_answer *a;
	struct kmsc_error e;
	int r = kmsc_call(c, request, &a, &e);

	if (r < 0)
		return report(r, &e);
	print_bytes("plaintext", a->plaintext);
	print_bytes("ciphertext", a->ciphertext_blob);
	print_bytes("public-key", a->public_key);
	print_text("key", a->key_id);
	print_text("material", a->key_material_id);
	print_text("algorithm", a->encryption_algorithm);
	print_text("spec", a->key_pair_spec);
	print_text("agreement", a->key_agreement_algorithm);
	print_text("origin", a->key_origin);
	print_text("request", a->request_id);
	printf("attempts %d\ntime %lld\n", a->attempts, (long long)a->time_ms);
	kmsc_answer_free(a);
	return 0;
}

static int forward(struct kmsc_client *c, const char *operation,
		   const char *key, struct nsmc_bytes body)
{
	static char buf[KMSC_FORWARD_MAX];
	struct kmsc_error e = { 0 };
	size_t len;
	int status, r;

	r = kmsc_forward(c, operation, key, body.data, body.len, buf,
			 sizeof(buf), &len, &status, &e);
	if (r < 0)
		return report(r, &e);
	printf("status %d\n", status);
	fwrite(buf, 1, len, stdout);
	if (e.aws_code[0])
		printf("\ncode %s\nrequest %s\n", e.aws_code, e.request_id);
	return 0;
}

static enum kmsc_operation operation_of(const char *name)
{
	static const char *const names[] = { "Decrypt", "GenerateDataKey",
					     "GenerateDataKeyPair",
					     "GenerateRandom",
					     "DeriveSharedSecret" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			return (enum kmsc_operation)i;
	return (enum kmsc_operation)99;
}

static struct kmsc_pair pairs[PAIRS_MAX];
static const char *grants[TOKENS_MAX];

static struct nsmc_bytes body;
static bool is_kept;
static int repeat = 1;

static void set_client(struct kmsc_client *c, const char *name,
		       const char *value)
{
	struct nsmc_bytes b;

	if (strcmp(name, "connect") == 0) {
		must(name, kmsc_client_connect(c, value));
	} else if (strcmp(name, "ca") == 0) {
		b = slurp(value);
		must(name, kmsc_client_ca(c, b.data, b.len));
		free((void *)(uintptr_t)b.data);
	} else if (strcmp(name, "region") == 0) {
		must(name, kmsc_client_region(c, value));
	} else if (strcmp(name, "endpoint") == 0) {
		must(name, kmsc_client_endpoint(c, value));
	} else if (strcmp(name, "flags") == 0) {
		must(name,
		     kmsc_client_endpoint_flags(c, (unsigned)atoi(value)));
	} else if (strcmp(name, "timeout") == 0) {
		must(name, kmsc_client_timeout(c, (uint32_t)atoi(value)));
	} else if (strcmp(name, "attempts") == 0) {
		must(name, kmsc_client_attempts(c, (unsigned)atoi(value)));
	} else if (strcmp(name, "source") == 0) {
		must(name, kmsc_client_source(c, value, NULL));
	} else if (strcmp(name, "agent") == 0) {
		must(name, kmsc_client_user_agent(c, value));
	} else if (strcmp(name, "id") == 0) {
		id = value;
	} else if (strcmp(name, "secret") == 0) {
		secret = value;
	} else if (strcmp(name, "token") == 0) {
		token = value;
	} else if (strcmp(name, "refreshed") == 0) {
		refreshed = value;
	} else if (strcmp(name, "no-more") == 0) {
		has_no_more = true;
	} else if (strcmp(name, "kept") == 0) {
		is_kept = true;
	} else if (strcmp(name, "repeat") == 0) {
		repeat = atoi(value);
	} else if (strcmp(name, "body") == 0) {
		body = slurp(value);
	} else {
		die(name, -1);
	}
}

static void set_pair(struct kmsc_request *r, char *text)
{
	char *equals = strchr(text, '=');

	if (!equals || r->context_count == PAIRS_MAX)
		die("context", -1);
	*equals = '\0';
	pairs[r->context_count++] = (struct kmsc_pair){ text, equals + 1 };
	r->context = pairs;
}

static bool set_request(struct kmsc_request *r, const char *name, char *value)
{
	if (strcmp(name, "key") == 0) {
		r->key_arn = value;
	} else if (strcmp(name, "any-key") == 0) {
		r->any_key = true;
	} else if (strcmp(name, "dry-run") == 0) {
		r->dry_run = true;
	} else if (strcmp(name, "context") == 0) {
		set_pair(r, value);
	} else if (strcmp(name, "grant") == 0) {
		grants[r->grant_token_count++ % TOKENS_MAX] = value;
		r->grant_tokens = grants;
	} else if (strcmp(name, "spec") == 0) {
		r->key_spec = value;
	} else if (strcmp(name, "bytes") == 0) {
		r->number_of_bytes = (uint32_t)atoi(value);
	} else if (strcmp(name, "algorithm") == 0) {
		r->encryption_algorithm = value;
	} else if (strcmp(name, "ciphertext") == 0) {
		r->ciphertext = slurp(value);
	} else if (strcmp(name, "public-key") == 0) {
		r->public_key = slurp(value);
	} else {
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct nsmc_recipient *kept = NULL;
	struct kmsc_request request = { 0 };
	struct kmsc_client *c;
	int r = 0;

	if (argc < 2)
		return 2;
	must("client", kmsc_client_new(&c));
	request.operation = operation_of(argv[1]);
	for (int i = 2; i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		if (!equals)
			return 2;
		*equals = '\0';
		if (!set_request(&request, argv[i], equals + 1))
			set_client(c, argv[i], equals + 1);
	}
	nsm = nsmc_open();
	if (is_kept) {
		must("key", nsmc_recipient_new(nsm, 2048, &kept));
		must("kept", kmsc_client_attester(c, attest, NULL, kept));
	} else if (nsm >= 0) {
		must("nsm", kmsc_client_nsm(c, nsm));
	}
	if (refreshed || has_no_more)
		must("credentials", kmsc_client_credentials(c, give, NULL));
	else if (id[0])
		must("keys", kmsc_client_keys(c, id, secret, token));
	for (int i = 0; i < repeat && r == 0; i++)
		r = body.data ? forward(c, argv[1], request.key_arn, body) :
				call(c, &request);
	kmsc_client_free(c);
	nsmc_recipient_free(kept);
	if (nsm >= 0)
		close(nsm);
	free((void *)(uintptr_t)body.data);
	free((void *)(uintptr_t)request.ciphertext.data);
	free((void *)(uintptr_t)request.public_key.data);
	return r;
}
