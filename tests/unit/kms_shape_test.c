/* Credentials as others write them, and as we do. */

#include "check.h"
#include "nsm/kms/credentials/credential.h"
#include "nsm/kms/credentials/shape.h"

#define ID "ASIAIOSFODNN7EXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define TOKEN "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLXdlc3QtMSJ=="

static const int64_t end_s = 1775854092; /* 2026-04-10T20:48:12Z */

static int read_text(const char *text, struct kmsc_credentials *ret,
		     char words[KMSC_WORDS_SIZE])
{
	memset(ret, 0, sizeof(*ret));
	words[0] = '\0';
	return shape_read(text, strlen(text), ret, words);
}

static void expect(const char *text, const char *token, int64_t expiration_s)
{
	struct kmsc_credentials c;
	char words[KMSC_WORDS_SIZE];
	int r = read_text(text, &c, words);

	if (r < 0) {
		CHECK_FAIL("%d (%s): %s", r, words, text);
		return;
	}
	CHECK_STR(c.access_key_id, ID);
	CHECK_STR(c.secret_access_key, SECRET);
	CHECK_STR(c.session_token, token);
	CHECK_INT(c.expiration_s, expiration_s);
}

TEST(what_aws_answers_is_read)
{
	/* IMDS of EC2, with its blanks and lines. */
	expect("{\n  \"Code\" : \"Success\",\n"
	       "  \"LastUpdated\" : \"2026-04-10T14:22:31Z\",\n"
	       "  \"Type\" : \"AWS-HMAC\",\n"
	       "  \"AccessKeyId\" : \"" ID "\",\n"
	       "  \"SecretAccessKey\" : \"" SECRET "\",\n"
	       "  \"Token\" : \"" TOKEN "\",\n"
	       "  \"Expiration\" : \"2026-04-10T20:48:12Z\"\n}",
	       TOKEN, end_s);
	/* ECS. */
	expect("{\"RoleArn\":\"arn:aws:iam::111122223333:role/task\","
	       "\"AccessKeyId\":\"" ID "\",\"SecretAccessKey\":\"" SECRET
	       "\",\"Token\":\"" TOKEN
	       "\",\"Expiration\":\"2026-04-10T20:48:12Z\"}",
	       TOKEN, end_s);
	/* EKS pod identity. */
	expect("{\"AccessKeyId\":\"" ID "\",\"SecretAccessKey\":\"" SECRET
	       "\",\"Token\":\"" TOKEN "\",\"AccountId\":\"111122223333\","
	       "\"Expiration\":\"2026-04-10T20:48:12Z\"}",
	       TOKEN, end_s);
	/* aws sts assume-role */
	expect("{\n    \"Credentials\": {\n"
	       "        \"AccessKeyId\": \"" ID "\",\n"
	       "        \"SecretAccessKey\": \"" SECRET "\",\n"
	       "        \"SessionToken\": \"" TOKEN "\",\n"
	       "        \"Expiration\": \"2026-04-10T20:48:12+00:00\"\n"
	       "    },\n    \"AssumedRoleUser\": {\n"
	       "        \"AssumedRoleId\": \"AROA:me\",\n"
	       "        \"Arn\": \"arn:aws:sts::111122223333:assumed-role/a/me\"\n"
	       "    }\n}\n",
	       TOKEN, end_s);
	/* aws configure export-credentials */
	expect("{\n  \"Version\": 1,\n  \"AccessKeyId\": \"" ID "\",\n"
	       "  \"SecretAccessKey\": \"" SECRET "\"\n}\n",
	       "", 0);
}

TEST(lines_of_a_shell_are_read)
{
	/* aws configure export-credentials --format env */
	expect("export AWS_ACCESS_KEY_ID=" ID "\n"
	       "export AWS_SECRET_ACCESS_KEY=" SECRET "\n"
	       "export AWS_SESSION_TOKEN=" TOKEN "\n"
	       "export AWS_CREDENTIAL_EXPIRATION=2026-04-10T20:48:12+00:00\n",
	       TOKEN, end_s);
	expect("AWS_ACCESS_KEY_ID=" ID "\nAWS_SECRET_ACCESS_KEY=" SECRET, "",
	       0);
	expect("# mine\r\n\r\n\tAWS_ACCESS_KEY_ID='" ID "'\r\n"
	       "AWS_SECRET_ACCESS_KEY=\"" SECRET "\" # secret\r\n"
	       "AWS_REGION=eu-west-1\r\nPATH=$PATH:/x\r\n",
	       "", 0);
	expect("AWS_SESSION_TOKEN=\nAWS_SECRET_ACCESS_KEY=" SECRET
	       "\nAWS_ACCESS_KEY_ID=" ID "\n",
	       "", 0);
}

TEST(what_the_service_says_instead_is_told)
{
	struct kmsc_credentials c;
	char words[KMSC_WORDS_SIZE];

	CHECK_INT(
		read_text(
			"{\"Code\":\"AssumeRoleUnauthorizedAccess\","
			"\"Message\":\"EC2 cannot assume the role\\n\\u001b[31m\","
			"\"LastUpdated\":\"2026-01-01T00:00:00Z\"}",
			&c, words),
		-KMSC_E_CREDENTIALS);
	CHECK_STR(
		words,
		"no credentials but the code AssumeRoleUnauthorizedAccess: EC2 cannot assume the role??[31m");
	CHECK_INT(read_text("{\"Code\":\"Failed\"}", &c, words),
		  -KMSC_E_CREDENTIALS);
	CHECK_STR(words, "no credentials but the code Failed");
}

TEST(what_is_not_usable_is_refused_without_a_secret_in_the_words)
{
	static const char *const cases[] = {
		"",
		" \n",
		"nonsense",
		"[]",
		"{",
		"{}",
		"{\"AccessKeyId\":\"A\"}",
		"{\"SecretAccessKey\":\"qqqq\"}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":1}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"qqqq\"} x",
		"{\"AccessKeyId\":\"A\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"qqqq\"}",
		"{\"AccessKeyId\":\"A/B\",\"SecretAccessKey\":\"qqqq\"}",
		"{\"AccessKeyId\":\"A,B\",\"SecretAccessKey\":\"qqqq\"}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"qq\\nqq\"}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"qqqq\",\"Token\":\"a\\r\\nX: y\"}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"qqqq\",\"Token\":\"a\\u0000b\"}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"qqqq\",\"Token\":7}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"qqqq\",\"Expiration\":\"soon\"}",
		"{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"qqqq\",\"Expiration\":1767268800}",
		"{\"AccessKeyId\":\"\",\"SecretAccessKey\":\"\"}",
		"AWS_ACCESS_KEY_ID=A",
		"AWS_ACCESS_KEY_ID=A\nAWS_SECRET_ACCESS_KEY=",
		"AWS_ACCESS_KEY_ID=A\nAWS_SECRET_ACCESS_KEY='qqqq",
		"AWS_ACCESS_KEY_ID=A\nAWS_SECRET_ACCESS_KEY='qq'qq",
		"AWS_ACCESS_KEY_ID=A\nAWS_SECRET_ACCESS_KEY=$qqqq",
		"AWS_ACCESS_KEY_ID=A\nAWS_SECRET_ACCESS_KEY=\"`qqqq`\"",
		"AWS_ACCESS_KEY_ID=A\nAWS_SECRET_ACCESS_KEY=qq\\qq",
		"AWS_ACCESS_KEY_ID=A\nAWS_SECRET_ACCESS_KEY=qqqq;rm",
		"AWS_ACCESS_KEY_ID=A\nAWS_SECRET_ACCESS_KEY=qq qq",
		"AWS_ACCESS_KEY_ID=A\nAWS_SECRET_ACCESS_KEY=qqqq\nAWS_ACCESS_KEY_ID=B",
		"AWS_ACCESS_KEY_ID A\nAWS_SECRET_ACCESS_KEY=qqqq",
		"[default]\naws_access_key_id = A\naws_secret_access_key = qqqq\n",
	};
	struct kmsc_credentials c;
	static const struct kmsc_credentials nothing;
	char words[KMSC_WORDS_SIZE];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = read_text(cases[i], &c, words);

		if (r != -KMSC_E_CREDENTIALS)
			CHECK_FAIL("%d: %s", r, cases[i]);
		if (!words[0] || strstr(words, "qq"))
			CHECK_FAIL("\"%s\": %s", words, cases[i]);
		CHECK_MEM(&c, &nothing, sizeof(c));
	}
	CHECK_INT(shape_read("A=\0b", 4, &c, words), -KMSC_E_CREDENTIALS);
}

TEST(lengths_are_bounded)
{
	static char text[SHAPE_TEXT_MAX + 2], part[KMSC_SESSION_TOKEN_MAX + 2];
	struct kmsc_credentials c;
	char words[KMSC_WORDS_SIZE];
	const struct {
		size_t id, secret, token;
		bool is_good;
	} cases[] = {
		{ 128, 128, 8192, true },
		{ 129, 1, 1, false },
		{ 1, 129, 1, false },
		{ 1, 1, 8193, false },
	};

	memset(part, 'x', sizeof(part) - 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(
			text, sizeof(text),
			"{\"AccessKeyId\":\"%.*s\",\"SecretAccessKey\":\"%.*s\",\"Token\":\"%.*s\"}",
			(int)cases[i].id, part, (int)cases[i].secret, part,
			(int)cases[i].token, part);
		CHECK_INT(read_text(text, &c, words),
			  cases[i].is_good ? 0 : -KMSC_E_CREDENTIALS);
	}
	memset(text, ' ', sizeof(text) - 1);
	CHECK_INT(read_text(text, &c, words), -KMSC_E_CREDENTIALS);
	CHECK_STR(words, "they are longer than 32768 bytes");
}

TEST(what_we_write_is_what_we_read)
{
	struct kmsc_credentials c, d;
	char text[CREDENTIAL_JSON_CAP], words[KMSC_WORDS_SIZE];
	size_t len;

	REQUIRE(!credential_set(&c, ID, strlen(ID), "a\"b\\c", 5, TOKEN,
				strlen(TOKEN), end_s));
	len = credential_write(&c, end_s - 7, text);
	CHECK_INT(len, strlen(text));
	CHECK_STR(text,
		  "{\"AccessKeyId\":\"" ID
		  "\",\"SecretAccessKey\":\"a\\\"b\\\\c\",\"Token\":\"" TOKEN
		  "\",\"Expiration\":\"2026-04-10T20:48:12Z\"}");
	REQUIRE(shape_read_json(text, len, &d, words) == 0);
	CHECK_MEM(&c, &d, sizeof(c));
	/* Without token and end, SDKs get both all the same. */
	REQUIRE(!credential_set(&c, ID, strlen(ID), "s", 1, NULL, 0, 0));
	(void)credential_write(&c, end_s - 3600, text);
	CHECK_STR(text, "{\"AccessKeyId\":\"" ID
			"\",\"SecretAccessKey\":\"s\",\"Token\":\"\","
			"\"Expiration\":\"2026-04-10T20:48:12Z\"}");
}

TEST(the_longest_is_written)
{
	static char quotes[KMSC_SESSION_TOKEN_MAX + 1];
	struct kmsc_credentials c;
	char text[CREDENTIAL_JSON_CAP];

	memset(quotes, '"', sizeof(quotes) - 1);
	REQUIRE(!credential_set(&c, quotes, KMSC_ACCESS_KEY_ID_MAX, quotes,
				KMSC_SECRET_ACCESS_KEY_MAX, quotes,
				KMSC_SESSION_TOKEN_MAX, end_s));
	CHECK(credential_write(&c, 0, text) < sizeof(text));
}

CHECK_MAIN("kms_shape")
