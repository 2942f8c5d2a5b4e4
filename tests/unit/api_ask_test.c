#include "nsm/api/routes/ask.h"

#include <errno.h>

#include "check.h"

#define ARN_1 \
	"arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
#define ARN_2 \
	"arn:aws:kms:eu-west-1:111122223333:key/aaaaaaaa-12ab-34cd-56ef-1234567890ab"

static const struct spec two = {
	.keys = 2,
	.key = {
		{ .name = "orders", .arn = ARN_1, .pairs = 1,
		  .pair = { { "app", "orders" } } },
		{ .name = "logs", .arn = ARN_2 },
	},
};

static const struct spec one = {
	.keys = 1,
	.key = { { .name = "orders", .arn = ARN_1 } },
};

static const struct spec none = { .keys = 0 };

/* CTX is the name of a key that may not be used, or NULL. */
static bool may(const void *ctx, const struct spec_key *key)
{
	return !ctx || strcmp(ctx, key->name) != 0;
}

static struct ask_fault fault;

static struct ask *ask(const struct spec *s, const char *operation,
		       const char *text)
{
	struct ask *a = NULL;
	int r;

	fault = (struct ask_fault){ .words = "" };
	r = ask_read(s, operations_by_name(operation), OPERATIONS_AWS, text,
		     strlen(text), may, NULL, &a, &fault);
	CHECK((r == 0) == (a != NULL));
	return a;
}

static bool refuses(const struct spec *s, const char *operation,
		    const char *text, enum ask_why why)
{
	struct ask *a = ask(s, operation, text);

	ask_free(a);
	return !a && fault.why == why && fault.words[0];
}

/* The JSON that is forwarded. */
static bool forwards(const struct spec *s, const char *operation,
		     const char *text, const char *wanted)
{
	struct ask *a = ask(s, operation, text);
	bool is = a && a->body_len == strlen(wanted) &&
		  memcmp(a->body, wanted, a->body_len) == 0;

	if (a && !is)
		(void)printf("# %.*s\n", (int)a->body_len, a->body);
	ask_free(a);
	return is;
}

TEST(a_name_becomes_the_arn_and_the_pinned_pair_is_there)
{
	struct ask *a = ask(
		&two, "Decrypt",
		"{\"CiphertextBlob\":\"AQID\",\"KeyId\":\"alias/orders\",\"EncryptionContext\":{\"a\":\"b\"}}");

	CHECK(a && strcmp(a->request.key_arn, ARN_1) == 0);
	CHECK(a->keys == 1 && a->key[0] == &two.key[0] && !a->request.any_key);
	CHECK(a->request.ciphertext.len == 3 &&
	      memcmp(a->request.ciphertext.data, "\1\2\3", 3) == 0);
	CHECK(a->request.context_count == 2);
	CHECK(strcmp(a->request.context[0].name, "a") == 0);
	CHECK(strcmp(a->request.context[1].name, "app") == 0);
	CHECK(strcmp(a->request.context[1].value, "orders") == 0);
	ask_free(a);
}

TEST(without_a_key_the_only_one_is_meant)
{
	struct ask *a = ask(&one, "Decrypt", "{\"CiphertextBlob\":\"AQID\"}");

	CHECK(a && strcmp(a->request.key_arn, ARN_1) == 0);
	CHECK(!a->request.any_key);
	ask_free(a);
	CHECK(refuses(&none, "Decrypt", "{\"CiphertextBlob\":\"AQID\"}",
		      ASK_NO_KEY));
}

TEST(without_a_key_the_answers_is_compared)
{
	struct spec s = two;
	struct ask *a;

	CHECK(refuses(&two, "Decrypt", "{\"CiphertextBlob\":\"AQID\"}",
		      ASK_WHICH_KEY));
	s.key[0].pairs = 0;
	a = ask(&s, "Decrypt", "{\"CiphertextBlob\":\"AQID\"}");
	CHECK(a && a->request.any_key && !a->request.key_arn && a->keys == 0);
	CHECK(ask_is_answer_key(&s, a, ARN_2, may, NULL));
	CHECK(!ask_is_answer_key(&s, a, ARN_2, may, "logs"));
	CHECK(!ask_is_answer_key(&s, a, "orders", may, NULL));
	CHECK(!ask_is_answer_key(&s, a, "", may, NULL));
	CHECK(!ask_is_answer_key(&s, a, NULL, may, NULL));
	ask_free(a);
}

TEST(a_recipient_of_the_caller_is_refused)
{
	CHECK(refuses(
		&one, "Decrypt",
		"{\"CiphertextBlob\":\"AQID\",\"Recipient\":{\"AttestationDocument\":\"AA==\"}}",
		ASK_RECIPIENT));
	CHECK(refuses(&one, "GenerateRandom",
		      "{\"NumberOfBytes\":1,\"Recipient\":{}}", ASK_RECIPIENT));
}

TEST(another_callers_key_is_refused)
{
	struct ask *a = NULL;
	const char *text = "{\"KeyId\":\"" ARN_1 "\",\"KeySpec\":\"AES_256\"}";

	CHECK(ask_read(&two, operations_by_name("GenerateDataKey"),
		       OPERATIONS_AWS, text, strlen(text), may, "orders", &a,
		       &fault) == -EINVAL);
	CHECK(fault.why == ASK_NOT_YOURS);
	CHECK(!a);
	CHECK(refuses(&two, "GenerateDataKey",
		      "{\"KeyId\":\"other\",\"KeySpec\":\"AES_256\"}",
		      ASK_NO_KEY));
}

TEST(against_what_is_pinned_nothing_is_asked)
{
	CHECK(refuses(
		&two, "GenerateDataKey",
		"{\"KeyId\":\"orders\",\"KeySpec\":\"AES_256\",\"EncryptionContext\":{\"app\":\"x\"}}",
		ASK_CONTEXT));
	CHECK(refuses(
		&two, "Encrypt",
		"{\"KeyId\":\"orders\",\"Plaintext\":\"AA==\",\"EncryptionContext\":{\"app\":\"x\"}}",
		ASK_CONTEXT));
	CHECK(refuses(
		&two, "Encrypt",
		"{\"KeyId\":\"orders\",\"Plaintext\":\"AA==\",\"EncryptionContext\":{\"app\\u0000\":\"orders\"}}",
		ASK_MEMBER));
	CHECK(refuses(
		&two, "ReEncrypt",
		"{\"CiphertextBlob\":\"AQID\",\"SourceKeyId\":\"orders\",\"DestinationKeyId\":\"logs\",\"SourceEncryptionContext\":{\"app\":\"x\"}}",
		ASK_CONTEXT));
}

TEST(what_is_not_a_request_is_refused)
{
	CHECK(refuses(&one, "Decrypt", "{", ASK_NOT_JSON));
	CHECK(refuses(&one, "Encrypt", "{", ASK_NOT_JSON));
	CHECK(refuses(&one, "Encrypt", "", ASK_NOT_JSON));
	CHECK(refuses(&one, "Decrypt", "{\"CiphertextBlob\":7}", ASK_MEMBER));
	CHECK(refuses(&one, "Decrypt",
		      "{\"CiphertextBlob\":\"AQID\",\"Unknown\":7}",
		      ASK_MEMBER));
	CHECK(strstr(fault.words, "Unknown") != NULL);
	CHECK(refuses(&one, "DescribeKey",
		      "{\"KeyId\":\"orders\",\"Unknown\":7}", ASK_MEMBER));
	CHECK(refuses(
		&one, "Decrypt",
		"{\"CiphertextBlob\":\"AQID\",\"DryRunModifiers\":[\"X\"]}",
		ASK_MEMBER));
}

TEST(what_is_forwarded_has_arns_and_pinned_pairs)
{
	CHECK(forwards(
		&two, "Encrypt",
		"{\"KeyId\":\"orders\",\"Plaintext\":\"AA==\"}",
		"{\"KeyId\":\"" ARN_1
		"\",\"Plaintext\":\"AA==\",\"EncryptionContext\":{\"app\":\"orders\"}}"));
	CHECK(forwards(&two, "DescribeKey", "{\"KeyId\":\"logs\"}",
		       "{\"KeyId\":\"" ARN_2 "\"}"));
	CHECK(forwards(
		&two, "ReEncrypt",
		"{\"CiphertextBlob\":\"AQID\",\"SourceKeyId\":\"logs\",\"DestinationKeyId\":\"orders\"}",
		"{\"CiphertextBlob\":\"AQID\",\"SourceKeyId\":\"" ARN_2
		"\",\"DestinationKeyId\":\"" ARN_1
		"\",\"DestinationEncryptionContext\":{\"app\":\"orders\"}}"));
}

TEST(a_source_that_is_not_named_is_the_only_key)
{
	static const char text[] =
		"{\"CiphertextBlob\":\"AQID\",\"DestinationKeyId\":\"orders\"}";

	CHECK(refuses(&two, "ReEncrypt", text, ASK_WHICH_KEY));
	CHECK(forwards(&one, "ReEncrypt", text,
		       "{\"CiphertextBlob\":\"AQID\",\"SourceKeyId\":\"" ARN_1
		       "\",\"DestinationKeyId\":\"" ARN_1 "\"}"));
}

TEST(the_lower_dialect_says_the_same)
{
	static const char text[] =
		"{\"key_id\":\"orders\",\"ciphertext\":\"AQID\",\"encryption_context\":{\"app\":\"orders\"}}";
	struct ask *a = NULL;

	CHECK(ask_read(&two, operations_by_path("decrypt"), OPERATIONS_LOWER,
		       text, strlen(text), may, NULL, &a, &fault) == 0);
	CHECK(a && strcmp(a->request.key_arn, ARN_1) == 0);
	CHECK(a->request.context_count == 1);
	ask_free(a);
}

CHECK_MAIN("api_ask")
