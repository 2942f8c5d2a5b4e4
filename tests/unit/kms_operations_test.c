/*
 * Requests and answers by tables; tests/kms compares the tables with botocore's model and
 * the bodies with what it sends.
 */

#include <errno.h>

#include "check.h"
#include "nsm/kms/wire/operations.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES(text) NSMC_BYTES((const uint8_t *)(text), sizeof(text) - 1)
#define ARN "arn:aws:kms:eu-west-1:111122223333:key/a"

static struct operations_fault fault;
static char buf[OPERATIONS_BODY_MAX + 1];
static char room[4 * OPERATIONS_BODY_MAX + 98304 + OPERATIONS_BODY_MAX + 8192]
	__attribute__((aligned(16)));

static const char *written(const struct kmsc_request *r,
			   struct nsmc_bytes document)
{
	size_t len;
	int e = operations_write_request(r, document, buf, sizeof(buf) - 1,
					 &len, &fault);

	if (e < 0) {
		CHECK_FAIL("%d: %s %s", e, fault.member, fault.what);
		return "";
	}
	buf[len] = '\0';
	return buf;
}

/* --- requests to JSON --- */

static const struct kmsc_pair context[] = { { "app", "orders" },
					    { "\"q\"", "\xc3\xa4" } };
static const char *const tokens[] = { "one", "two" };

TEST(requests_are_written)
{
	struct kmsc_request r = {
		.operation = KMSC_DECRYPT,
		.key_arn = ARN,
		.ciphertext = BYTES("\1\2\3"),
		.context = context,
		.context_count = 2,
		.grant_tokens = tokens,
		.grant_token_count = 2,
		.encryption_algorithm = "SYMMETRIC_DEFAULT",
		.dry_run = true,
	};

	CHECK_STR(
		written(&r, BYTES("\x84")),
		"{\"CiphertextBlob\":\"AQID\",\"EncryptionContext\":{\"app\":"
		"\"orders\",\"\\\"q\\\"\":\"\xc3\xa4\"},\"GrantTokens\":"
		"[\"one\",\"two\"],\"KeyId\":\"" ARN "\","
		"\"EncryptionAlgorithm\":\"SYMMETRIC_DEFAULT\",\"DryRun\":true,"
		"\"Recipient\":{\"KeyEncryptionAlgorithm\":"
		"\"RSAES_OAEP_SHA_256\",\"AttestationDocument\":\"hA==\"}}");
	r = (struct kmsc_request){ .operation = KMSC_DECRYPT,
				   .ciphertext = BYTES("\1\2\3") };
	CHECK_STR(written(&r, NSMC_ABSENT), "{\"CiphertextBlob\":\"AQID\"}");
	r = (struct kmsc_request){ .operation = KMSC_GENERATE_RANDOM,
				   .number_of_bytes = 1024 };
	CHECK_STR(written(&r, NSMC_ABSENT), "{\"NumberOfBytes\":1024}");
	r = (struct kmsc_request){ .operation = KMSC_GENERATE_DATA_KEY,
				   .key_arn = ARN,
				   .key_spec = "AES_256" };
	CHECK_STR(written(&r, NSMC_ABSENT),
		  "{\"KeyId\":\"" ARN "\",\"KeySpec\":\"AES_256\"}");
	r = (struct kmsc_request){ .operation = KMSC_GENERATE_DATA_KEY_PAIR,
				   .key_arn = ARN,
				   .key_spec = "RSA_2048" };
	CHECK_STR(written(&r, NSMC_ABSENT),
		  "{\"KeyId\":\"" ARN "\",\"KeyPairSpec\":\"RSA_2048\"}");
	r = (struct kmsc_request){ .operation = KMSC_DERIVE_SHARED_SECRET,
				   .key_arn = ARN,
				   .public_key = BYTES("0") };
	CHECK_STR(written(&r, NSMC_ABSENT),
		  "{\"KeyId\":\"" ARN "\",\"KeyAgreementAlgorithm\":\"ECDH\","
		  "\"PublicKey\":\"MA==\"}");
}

static char big[8200];
static struct kmsc_pair many[KMSC_CONTEXT_MAX + 1];
static const char *long_tokens[KMSC_GRANT_TOKENS_MAX + 1];

static void fill(void)
{
	static char names[KMSC_CONTEXT_MAX + 1][8];

	memset(big, 'a', sizeof(big) - 1);
	for (size_t i = 0; i < COUNT(many); i++) {
		sprintf(names[i], "n%zu", i);
		many[i] = (struct kmsc_pair){ names[i], "v" };
	}
	for (size_t i = 0; i < COUNT(long_tokens); i++)
		long_tokens[i] = "t";
}

#define DECRYPT .operation = KMSC_DECRYPT, .ciphertext = BYTES("c")

TEST(requests_beyond_a_limit_are_refused)
{
	static const char *const empty_token[] = { "" }, *const null_token[] = {
		NULL
	};
	static const char *const long_token[] = { big };
	static const struct kmsc_pair empty[] = { { "", "v" } },
				      twice[] = { { "a", "1" },
						  { "b", "2" },
						  { "a", "3" } },
				      null[] = { { "a", NULL } },
				      huge[] = { { "a", big } };
	const struct {
		struct kmsc_request request;
		const char *member;
	} bad[] = {
		{ { .operation = KMSC_DECRYPT }, "CiphertextBlob" },
		{ { .operation = KMSC_DECRYPT,
		    .ciphertext = NSMC_BYTES((const uint8_t *)big, 6145) },
		  "CiphertextBlob" },
		{ { .operation = KMSC_DECRYPT, .ciphertext = NSMC_EMPTY },
		  "CiphertextBlob" },
		{ { .operation = KMSC_DECRYPT,
		    .ciphertext = NSMC_BYTES(NULL, 4) },
		  "CiphertextBlob" },
		{ { DECRYPT, .encryption_algorithm = "" },
		  "EncryptionAlgorithm" },
		{ { DECRYPT, .key_arn = "" }, "KeyId" },
		{ { DECRYPT, .key_arn = big }, "KeyId" },
		{ { DECRYPT, .context = many,
		    .context_count = KMSC_CONTEXT_MAX + 1 },
		  "EncryptionContext" },
		{ { DECRYPT, .context = empty, .context_count = 1 },
		  "EncryptionContext" },
		{ { DECRYPT, .context = twice, .context_count = 3 },
		  "EncryptionContext" },
		{ { DECRYPT, .context = null, .context_count = 1 },
		  "EncryptionContext" },
		{ { DECRYPT, .context = huge, .context_count = 1 },
		  "EncryptionContext" },
		{ { DECRYPT, .context_count = 1 }, "EncryptionContext" },
		{ { DECRYPT, .grant_tokens = long_tokens,
		    .grant_token_count = 11 },
		  "GrantTokens" },
		{ { DECRYPT, .grant_tokens = empty_token,
		    .grant_token_count = 1 },
		  "GrantTokens" },
		{ { DECRYPT, .grant_tokens = null_token,
		    .grant_token_count = 1 },
		  "GrantTokens" },
		{ { DECRYPT, .grant_tokens = long_token,
		    .grant_token_count = 1 },
		  "GrantTokens" },
		{ { DECRYPT, .grant_token_count = 1 }, "GrantTokens" },
		{ { .operation = KMSC_GENERATE_DATA_KEY, .key_arn = ARN },
		  "KeySpec" },
		{ { .operation = KMSC_GENERATE_DATA_KEY,
		    .key_arn = ARN,
		    .key_spec = "AES_256",
		    .number_of_bytes = 1 },
		  "KeySpec" },
		{ { .operation = KMSC_GENERATE_DATA_KEY,
		    .key_arn = ARN,
		    .number_of_bytes = 1025 },
		  "NumberOfBytes" },
		{ { .operation = KMSC_GENERATE_DATA_KEY_PAIR, .key_arn = ARN },
		  "KeyPairSpec" },
		{ { .operation = KMSC_GENERATE_RANDOM }, "NumberOfBytes" },
		{ { .operation = KMSC_GENERATE_RANDOM,
		    .number_of_bytes = 1,
		    .custom_key_store_id = big },
		  "CustomKeyStoreId" },
		{ { .operation = KMSC_DERIVE_SHARED_SECRET, .key_arn = ARN },
		  "PublicKey" },
		{ { .operation = (enum kmsc_operation)5 }, "" },
	};

	fill();
	for (size_t i = 0; i < COUNT(bad); i++) {
		fault = (struct operations_fault){ .member = NULL };
		if (!CHECK_INT(operations_check(&bad[i].request, &fault),
			       -KMSC_E_REQUEST))
			CHECK_FAIL("request %zu", i);
		CHECK_STR(fault.member, bad[i].member);
		CHECK(fault.what && fault.what[0]);
	}
}

TEST(requests_with_members_of_others_are_refused)
{
	const struct {
		struct kmsc_request request;
		const char *member;
	} bad[] = {
		{ { DECRYPT, .number_of_bytes = 1 }, "NumberOfBytes" },
		{ { DECRYPT, .key_spec = "AES_256" }, "KeySpec" },
		{ { DECRYPT, .public_key = BYTES("k") }, "PublicKey" },
		{ { DECRYPT, .custom_key_store_id = "a" }, "CustomKeyStoreId" },
		{ { .operation = KMSC_GENERATE_RANDOM,
		    .number_of_bytes = 1,
		    .key_arn = ARN },
		  "KeyId" },
		{ { .operation = KMSC_GENERATE_RANDOM,
		    .number_of_bytes = 1,
		    .context = context,
		    .context_count = 1 },
		  "EncryptionContext" },
		{ { .operation = KMSC_GENERATE_RANDOM,
		    .number_of_bytes = 1,
		    .dry_run = true },
		  "DryRun" },
		{ { .operation = KMSC_DERIVE_SHARED_SECRET,
		    .key_arn = ARN,
		    .public_key = BYTES("k"),
		    .context = context,
		    .context_count = 1 },
		  "EncryptionContext" },
		{ { .operation = KMSC_GENERATE_DATA_KEY,
		    .key_arn = ARN,
		    .key_spec = "AES_256",
		    .ciphertext = BYTES("c") },
		  "CiphertextBlob" },
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		if (!CHECK_INT(operations_check(&bad[i].request, &fault),
			       -KMSC_E_REQUEST))
			CHECK_FAIL("request %zu", i);
		CHECK_STR(fault.member, bad[i].member);
	}
}

TEST(requests_within_their_limits_are_taken)
{
	struct kmsc_request r = { DECRYPT, .context = many,
				  .context_count = KMSC_CONTEXT_MAX,
				  .grant_tokens = long_tokens,
				  .grant_token_count = KMSC_GRANT_TOKENS_MAX };
	static char value[KMSC_CONTEXT_BYTES_MAX];
	struct kmsc_pair wide = { "a", value };
	size_t len;

	fill();
	CHECK_INT(operations_check(&r, &fault), 0);
	memset(value, 'v', sizeof(value) - 1);
	r.context = &wide;
	r.context_count = 1;
	CHECK_INT(operations_check(&r, &fault), 0);
	r.ciphertext = NSMC_BYTES((const uint8_t *)big, KMSC_CIPHERTEXT_MAX);
	CHECK_INT(operations_check(&r, &fault), 0);
	CHECK_INT(operations_write_request(&r, NSMC_ABSENT, buf, 100, &len,
					   &fault),
		  -ENOSPC);
	r.context = &(struct kmsc_pair){ "a", "\xff" };
	CHECK_INT(operations_write_request(&r, NSMC_ABSENT, buf, sizeof(buf),
					   &len, &fault),
		  -KMSC_E_REQUEST);
}

/* --- answers from JSON --- */

static struct operations_answer answer;

static int read_answer(enum kmsc_operation operation, const char *text)
{
	return operations_read_answer(operation, text, strlen(text), room,
				      sizeof(room), &answer, &fault);
}

TEST(answers_are_read)
{
	REQUIRE(read_answer(
			KMSC_DECRYPT,
			"{\"KeyId\":\"" ARN "\",\"Plaintext\":null,"
			"\"EncryptionAlgorithm\":\"SYMMETRIC_DEFAULT\","
			"\"CiphertextForRecipient\":\"AQID\","
			"\"KeyMaterialId\":\"0123\",\"Future\":{\"a\":[]}}") ==
		0);
	CHECK_STR(answer.answer.key_id, ARN);
	CHECK_STR(answer.answer.encryption_algorithm, "SYMMETRIC_DEFAULT");
	CHECK_STR(answer.answer.key_material_id, "0123");
	CHECK(!answer.answer.plaintext.data);
	CHECK_INT(answer.for_recipient.len, 3);
	CHECK_MEM(answer.for_recipient.data, "\1\2\3", 3);
	CHECK(!answer.answer.ciphertext_blob.data && !answer.answer.key_origin);

	REQUIRE(read_answer(KMSC_GENERATE_DATA_KEY_PAIR,
			    "{\"PrivateKeyCiphertextBlob\":\"AQ==\","
			    "\"PublicKey\":\"Ag==\",\"KeyId\":\"" ARN "\","
			    "\"PrivateKeyPlaintext\":\"Aw==\","
			    "\"KeyPairSpec\":\"RSA_2048\"}") == 0);
	CHECK_MEM(answer.answer.ciphertext_blob.data, "\1", 1);
	CHECK_MEM(answer.answer.public_key.data, "\2", 1);
	CHECK_MEM(answer.answer.plaintext.data, "\3", 1);
	CHECK_STR(answer.answer.key_pair_spec, "RSA_2048");
	CHECK(!answer.for_recipient.data);

	REQUIRE(read_answer(KMSC_DERIVE_SHARED_SECRET,
			    "{\"KeyId\":\"a\",\"SharedSecret\":\"\","
			    "\"KeyAgreementAlgorithm\":\"ECDH\","
			    "\"KeyOrigin\":\"AWS_KMS\"}") == 0);
	CHECK_STR(answer.answer.key_agreement_algorithm, "ECDH");
	CHECK_STR(answer.answer.key_origin, "AWS_KMS");
	CHECK(!answer.answer.plaintext.data);
	CHECK_INT(read_answer(KMSC_GENERATE_RANDOM, "{}"), 0);
}

TEST(answers_that_are_not_as_the_model_says_are_refused)
{
	static const struct {
		enum kmsc_operation operation;
		const char *text, *member;
	} bad[] = {
		{ KMSC_DECRYPT, "", "" },
		{ KMSC_DECRYPT, "[]", "" },
		{ KMSC_DECRYPT, "<html></html>", "" },
		{ KMSC_DECRYPT, "{}", "KeyId" },
		{ KMSC_DECRYPT, "{\"KeyId\":\"\"}", "KeyId" },
		{ KMSC_DECRYPT, "{\"KeyId\":7}", "KeyId" },
		{ KMSC_DECRYPT, "{\"KeyId\":\"a\\u0000b\"}", "KeyId" },
		{ KMSC_DECRYPT, "{\"KeyId\":\"a\\u001b[31m\"}", "KeyId" },
		{ KMSC_DECRYPT, "{\"KeyId\":\"\\u00e4\"}", "KeyId" },
		{ KMSC_DECRYPT,
		  "{\"KeyId\":\"a\",\"CiphertextForRecipient\":\"AQI\"}",
		  "CiphertextForRecipient" },
		{ KMSC_DECRYPT,
		  "{\"KeyId\":\"a\",\"CiphertextForRecipient\":[1]}",
		  "CiphertextForRecipient" },
		{ KMSC_DECRYPT, "{\"KeyId\":\"a\",\"Plaintext\":{}}",
		  "Plaintext" },
		{ KMSC_GENERATE_DATA_KEY, "{\"KeyId\":\"a\"}",
		  "CiphertextBlob" },
		{ KMSC_GENERATE_DATA_KEY_PAIR,
		  "{\"KeyId\":\"a\",\"PrivateKeyCiphertextBlob\":\"AQ==\"}",
		  "PublicKey" },
		{ (enum kmsc_operation)7, "{}", "" },
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		if (!CHECK_INT(read_answer(bad[i].operation, bad[i].text),
			       -KMSC_E_ANSWER))
			CHECK_FAIL("%s", bad[i].text);
		CHECK_STR(fault.member, bad[i].member);
	}
}

TEST(an_answer_as_long_as_can_be_is_read)
{
	static char text[OPERATIONS_BODY_MAX], base64[8192 * 4 / 3 + 8];
	size_t len, at;

	memset(base64, 'A', 8192);
	at = (size_t)sprintf(text,
			     "{\"KeyId\":\"" ARN
			     "\",\"CiphertextForRecipient\":"
			     "\"%s\",\"PrivateKeyCiphertextBlob\":\"%s\","
			     "\"PublicKey\":\"",
			     base64, base64);
	memset(base64, 'A', 10920);
	strcpy(base64 + 10920, "AAA=");
	len = at + (size_t)sprintf(text + at, "%s\"}", base64);
	REQUIRE(operations_read_answer(KMSC_GENERATE_DATA_KEY_PAIR, text, len,
				       room, operations_room(len), &answer,
				       &fault) == 0);
	CHECK_INT(answer.for_recipient.len, 6144);
	CHECK_INT(answer.answer.ciphertext_blob.len, 6144);
	CHECK_INT(answer.answer.public_key.len, 8192);
	CHECK_INT(operations_read_answer(KMSC_GENERATE_DATA_KEY_PAIR, text, len,
					 room, operations_room(len) - 1,
					 &answer, &fault),
		  -ENOSPC);
	/* One more byte is too long. */
	strcpy(text + len - 6, "AAAA\"}");
	CHECK_INT(read_answer(KMSC_GENERATE_DATA_KEY_PAIR, text),
		  -KMSC_E_ANSWER);
	CHECK_STR(fault.member, "PublicKey");
}

/* --- the local API --- */

static struct operations_request request;

static int read_request(const char *path, enum operations_dialect dialect,
			const char *text)
{
	return operations_read_request(operations_by_path(path), dialect, text,
				       strlen(text), room, sizeof(room),
				       &request, &fault);
}

TEST(requests_of_programs_are_read)
{
	const struct kmsc_request *r = &request.request;

	REQUIRE(read_request(
			"decrypt", OPERATIONS_AWS,
			"{\"CiphertextBlob\":\"AQID\",\"EncryptionContext\":"
			"{\"app\":\"orders\",\"b\":\"\"},\"KeyId\":\"orders\","
			"\"GrantTokens\":[\"one\",\"two\"],\"DryRun\":true,"
			"\"EncryptionAlgorithm\":null}") == 0);
	CHECK_INT(r->operation, KMSC_DECRYPT);
	CHECK_MEM(r->ciphertext.data, "\1\2\3", 3);
	CHECK_INT(r->context_count, 2);
	CHECK_STR(r->context[0].name, "app");
	CHECK_STR(r->context[0].value, "orders");
	CHECK_STR(r->context[1].value, "");
	CHECK_INT(r->grant_token_count, 2);
	CHECK_STR(r->grant_tokens[1], "two");
	CHECK_STR(r->key_arn, "orders");
	CHECK(r->dry_run && !r->encryption_algorithm && !r->any_key);
	CHECK(!request.has_recipient);

	REQUIRE(read_request("generate-data-key-pair", OPERATIONS_LOWER,
			     "{\"key_id\":\"orders\",\"key_pair_spec\":"
			     "\"RSA_2048\",\"encryption_context\":{}}") == 0);
	CHECK_STR(r->key_spec, "RSA_2048");
	CHECK_INT(r->context_count, 0);
	REQUIRE(read_request("generate-random", OPERATIONS_LOWER,
			     "{\"number_of_bytes\":32}") == 0);
	CHECK_INT(r->number_of_bytes, 32);
	REQUIRE(read_request("generate-random", OPERATIONS_AWS,
			     "{\"NumberOfBytes\":32,\"Recipient\":{"
			     "\"AttestationDocument\":\"hA==\"}}") == 0);
	CHECK(request.has_recipient);
}

TEST(requests_of_programs_that_are_wrong_are_refused)
{
	static const struct {
		const char *path;
		enum operations_dialect dialect;
		const char *text, *member, *unknown;
	} bad[] = {
		{ "decrypt", OPERATIONS_AWS, "", "CiphertextBlob", "" },
		{ "decrypt", OPERATIONS_LOWER, "", "ciphertext", "" },
		{ "decrypt", OPERATIONS_LOWER, "{", "", "" },
		{ "decrypt", OPERATIONS_LOWER, "[1]", "", "" },
		{ "decrypt", OPERATIONS_LOWER,
		  "{\"ciphertext\":\"AQID\",\"encryption_contxt\":{}}", "",
		  "encryption_contxt" },
		{ "decrypt", OPERATIONS_AWS, "{\"ciphertext\":\"AQID\"}", "",
		  "ciphertext" },
		{ "decrypt", OPERATIONS_LOWER, "{\"recipient\":{}}", "",
		  "recipient" },
		{ "decrypt", OPERATIONS_LOWER, "{\"\\u001b\\u00e4\":1}", "",
		  "???" },
		{ "decrypt", OPERATIONS_AWS,
		  "{\"CiphertextBlob\":\"AQID\",\"DryRunModifiers\":[]}",
		  "DryRunModifiers", "" },
		{ "decrypt", OPERATIONS_LOWER, "{\"ciphertext\":\"A\"}",
		  "ciphertext", "" },
		{ "decrypt", OPERATIONS_LOWER, "{\"ciphertext\":\"\"}",
		  "ciphertext", "" },
		{ "decrypt", OPERATIONS_LOWER,
		  "{\"ciphertext\":\"AQID\",\"encryption_context\":[]}",
		  "encryption_context", "" },
		{ "decrypt", OPERATIONS_LOWER,
		  "{\"ciphertext\":\"AQID\",\"encryption_context\":{\"a\":1}}",
		  "encryption_context", "" },
		{ "decrypt", OPERATIONS_LOWER,
		  "{\"ciphertext\":\"AQID\",\"encryption_context\":{\"a\":null}}",
		  "encryption_context", "" },
		{ "decrypt", OPERATIONS_LOWER,
		  "{\"ciphertext\":\"AQID\",\"encryption_context\":"
		  "{\"\":\"v\"}}",
		  "encryption_context", "" },
		{ "decrypt", OPERATIONS_LOWER,
		  "{\"ciphertext\":\"AQID\",\"encryption_context\":"
		  "{\"a\\u0000b\":\"v\"}}",
		  "encryption_context", "" },
		{ "decrypt", OPERATIONS_LOWER,
		  "{\"ciphertext\":\"AQID\",\"grant_tokens\":\"one\"}",
		  "grant_tokens", "" },
		{ "decrypt", OPERATIONS_LOWER,
		  "{\"ciphertext\":\"AQID\",\"grant_tokens\":[null]}",
		  "grant_tokens", "" },
		{ "decrypt", OPERATIONS_LOWER,
		  "{\"ciphertext\":\"AQID\",\"dry_run\":\"yes\"}", "dry_run",
		  "" },
		{ "generate-data-key", OPERATIONS_LOWER, "{\"key_id\":\"a\"}",
		  "key_spec", "" },
		{ "generate-random", OPERATIONS_LOWER,
		  "{\"number_of_bytes\":\"32\"}", "number_of_bytes", "" },
		{ "generate-random", OPERATIONS_LOWER,
		  "{\"number_of_bytes\":0}", "number_of_bytes", "" },
		{ "generate-random", OPERATIONS_LOWER,
		  "{\"number_of_bytes\":4294967328}", "number_of_bytes", "" },
		{ "encrypt", OPERATIONS_AWS, "{}", "", "" },
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		if (!CHECK_INT(read_request(bad[i].path, bad[i].dialect,
					    bad[i].text),
			       -KMSC_E_REQUEST))
			CHECK_FAIL("%s", bad[i].text);
		CHECK_STR(fault.member, bad[i].member);
		CHECK_STR(fault.unknown, bad[i].unknown);
		CHECK(fault.what && fault.what[0]);
	}
}

TEST(answers_to_programs_are_written)
{
	struct kmsc_answer a = {
		.plaintext = BYTES("\1"),
		.ciphertext_blob = BYTES("\2"),
		.public_key = BYTES("\3"),
		.key_id = ARN,
		.key_pair_spec = "RSA_2048",
		.request_id = "id",
	};
	size_t len;

	REQUIRE(operations_write_answer(
			operations_by_path("generate-data-key-pair"),
			OPERATIONS_AWS, &a, buf, sizeof(buf), &len) == 0);
	buf[len] = '\0';
	CHECK_STR(buf, "{\"PrivateKeyCiphertextBlob\":\"Ag==\","
		       "\"PrivateKeyPlaintext\":\"AQ==\",\"PublicKey\":"
		       "\"Aw==\",\"KeyId\":\"" ARN "\",\"KeyPairSpec\":"
		       "\"RSA_2048\"}");
	REQUIRE(operations_write_answer(operations_by_path("decrypt"),
					OPERATIONS_LOWER, &a, buf, sizeof(buf),
					&len) == 0);
	buf[len] = '\0';
	CHECK_STR(buf, "{\"key_id\":\"" ARN "\",\"plaintext\":\"AQ==\"}");
	CHECK_INT(operations_write_answer(operations_by_path("decrypt"),
					  OPERATIONS_LOWER, &a, buf, 20, &len),
		  -ENOSPC);
}

/* --- what is forwarded --- */

static int check_forward(const char *path, const char *text)
{
	const struct json *value;
	struct json_fault why;

	REQUIRE(json_read(text, strlen(text), room, sizeof(room), &value,
			  &why) == 0);
	return operations_check_forward(operations_by_path(path), value,
					&fault);
}

TEST(what_is_forwarded_is_checked)
{
	static const struct {
		const char *path, *text, *member;
	} bad[] = {
		{ "encrypt", "[]", "" },
		{ "encrypt", "{}", "KeyId" },
		{ "encrypt", "{\"KeyId\":null,\"Plaintext\":\"AQ==\"}",
		  "KeyId" },
		{ "encrypt", "{\"KeyId\":\"a\"}", "Plaintext" },
		{ "encrypt", "{\"KeyId\":\"a\",\"Plaintext\":\"AQ\"}",
		  "Plaintext" },
		{ "encrypt",
		  "{\"KeyId\":\"a\",\"Plaintext\":\"AQ==\",\"Recipient\":{}}",
		  "" },
		{ "encrypt",
		  "{\"KeyId\":\"a\",\"Plaintext\":\"AQ==\","
		  "\"EncryptionContext\":{\"a\":{}}}",
		  "EncryptionContext" },
		{ "sign",
		  "{\"KeyId\":\"a\",\"Message\":\"AQ==\",\"SigningAlgorithm\":"
		  "\"ECDSA_SHA_256\",\"MessageType\":7}",
		  "MessageType" },
		{ "describe-key", "{\"KeyId\":\"a\",\"GrantTokens\":{}}",
		  "GrantTokens" },
		{ "generate-data-key-without-plaintext",
		  "{\"KeyId\":\"a\",\"NumberOfBytes\":1025}", "NumberOfBytes" },
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		if (!CHECK_INT(check_forward(bad[i].path, bad[i].text),
			       -KMSC_E_REQUEST))
			CHECK_FAIL("%s", bad[i].text);
		CHECK_STR(fault.member, bad[i].member);
	}
	CHECK_INT(check_forward("encrypt",
				"{\"KeyId\":\"a\",\"Plaintext\":\"AQ==\","
				"\"EncryptionContext\":{\"a\":\"b\"},"
				"\"GrantTokens\":[\"t\"],\"DryRun\":false,"
				"\"EncryptionAlgorithm\":null}"),
		  0);
	CHECK_INT(check_forward("describe-key", "{\"KeyId\":\"a\"}"), 0);
}

static const char *forwarded(const char *path, const char *text,
			     const struct operations_patch *patches,
			     size_t count)
{
	const struct json *value;
	struct json_fault why;
	size_t len;

	REQUIRE(json_read(text, strlen(text), room, sizeof(room), &value,
			  &why) == 0);
	if (!CHECK_INT(operations_write_forward(operations_by_path(path), value,
						patches, count, buf,
						sizeof(buf), &len),
		       0))
		return "";
	buf[len] = '\0';
	return buf;
}

TEST(what_is_forwarded_has_the_keys_and_contexts_that_are_pinned)
{
	static const struct kmsc_pair pins[] = { { "app", "orders" },
						 { "z", "1" } };
	static const struct operations_patch patches[] = {
		{ .member = "KeyId", .text = ARN },
		{ .member = "EncryptionContext",
		  .context = pins,
		  .context_count = 2 },
		{ .member = "GrantTokens" },
	};
	static const struct operations_patch two[] = {
		{ .member = "DestinationEncryptionContext",
		  .context = pins,
		  .context_count = 1 },
	};

	CHECK_STR(forwarded("encrypt",
			    "{\"Plaintext\":\"AQ==\",\"KeyId\":\"orders\","
			    "\"EncryptionContext\":{\"a\":\"b\",\"app\":"
			    "\"evil\"},\"GrantTokens\":[\"t\"]}",
			    patches, 3),
		  "{\"KeyId\":\"" ARN "\",\"Plaintext\":\"AQ==\","
		  "\"EncryptionContext\":{\"a\":\"b\",\"app\":\"orders\","
		  "\"z\":\"1\"}}");
	CHECK_STR(forwarded("encrypt",
			    "{\"Plaintext\":\"AQ==\",\"KeyId\":\"orders\"}",
			    patches, 2),
		  "{\"KeyId\":\"" ARN "\",\"Plaintext\":\"AQ==\","
		  "\"EncryptionContext\":{\"app\":\"orders\",\"z\":\"1\"}}");
	CHECK_STR(forwarded("re-encrypt",
			    "{\"CiphertextBlob\":\"AQ==\",\"DestinationKeyId\":"
			    "\"b\",\"SourceEncryptionContext\":{\"s\":\"t\"},"
			    "\"DestinationEncryptionContext\":null}",
			    two, 1),
		  "{\"CiphertextBlob\":\"AQ==\",\"SourceEncryptionContext\":"
		  "{\"s\":\"t\"},\"DestinationKeyId\":\"b\","
		  "\"DestinationEncryptionContext\":{\"app\":\"orders\"}}");
}

TEST(rows_are_found)
{
	CHECK_STR(operations_by_name("Decrypt")->path, "decrypt");
	CHECK_STR(operations_by_target("TrentService.ReEncrypt")->name,
		  "ReEncrypt");
	CHECK_STR(operations_by_path("generate-data-key")->name,
		  "GenerateDataKey");
	CHECK(!operations_by_name("decrypt"));
	CHECK(!operations_by_name(""));
	CHECK(!operations_by_target("Decrypt"));
	CHECK(!operations_by_target("TrentService.ScheduleKeyDeletion"));
	CHECK(!operations_by_path("Decrypt"));
	for (int i = 0; i < 5; i++) {
		CHECK_INT(operations_of((enum kmsc_operation)i)->operation, i);
		CHECK_INT(operations[i].operation, i);
		CHECK(operations[i].is_attested);
	}
	for (size_t i = 5; i < operations_count; i++)
		CHECK(!operations[i].is_attested);
	CHECK(!operations_of((enum kmsc_operation)5));
}

CHECK_MAIN("kms_operations")
