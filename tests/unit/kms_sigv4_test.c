/* Signatures: the worked vectors, each step of them, and what must not be signed. */

#include <errno.h>
#include <mbedtls/sha256.h>

#include "check.h"
#include "nsm/kms/wire/sigv4.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BODY_HASH \
	"d9b32f2058176b637de02735bbbcd57e9a561eaa126949e528032d9c03feae99"

static const char body[] = "{\"CiphertextBlob\":\"AQICAHg=\",\"Recipient\":{"
			   "\"KeyEncryptionAlgorithm\":\"RSAES_OAEP_SHA_256\","
			   "\"AttestationDocument\":\"hEShATgioFkUBA==\"}}";
static const char date[] = "20260102T030405Z";

static const struct sigv4_key key = {
	"AKIDEXAMPLE",
	"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	"eu-west-1",
	"kms",
};

static const struct http_field fields[] = {
	{ "Host", "kms.eu-west-1.amazonaws.com" },
	{ "Content-Type", "application/x-amz-json-1.1" },
	{ "X-Amz-Target", "TrentService.Decrypt" },
	{ "X-Amz-Date", "20260102T030405Z" },
	/* B has these four and the token; C and D have as AWS's SDK for C. */
	{ "X-Amz-Security-Token", "FQoDYXdzEXAMPLETOKEN==" },
	{ "content-length", "130" },
	{ "x-amz-content-sha256", BODY_HASH },
};

/* The vectors: which fields, and what comes of them. */
static const struct {
	uint8_t fields[8];
	size_t count;
	const char *names, *canonical_hash, *signature;
	size_t canonical_len;
} vectors[] = {
	{ { 0, 1, 2, 3 },
	  4,
	  "content-type;host;x-amz-date;x-amz-target",
	  "69f5d35987c2aa38ce628d9939e92def787f59a6d63acf864e86cdb539590273",
	  "8f7108316ec06264a0d72e047dfc75951a5562cf8eb72f9c58c08f4263c14adf",
	  250 },
	{ { 4, 2, 1, 0, 3 },
	  5,
	  "content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
	  "b176da354a7240a104eb6965bbe1a35869afb23ca9acef89f45ccbb166a11b4d",
	  "d63a1537b74d829f8bd1c764accbebb2708630680f4182245bbb473bc5353e72",
	  315 },
	{ { 0, 1, 2, 3, 5, 6 },
	  6,
	  "content-length;content-type;host;x-amz-content-sha256;x-amz-date;"
	  "x-amz-target",
	  NULL,
	  "49e6a618c1c97a757ea5e3c2751ffa35887edb308580dc3ba16fbb59c00a9b59",
	  0 },
	{ { 6, 5, 4, 3, 2, 1, 0 },
	  7,
	  "content-length;content-type;host;x-amz-content-sha256;x-amz-date;"
	  "x-amz-security-token;x-amz-target",
	  NULL,
	  "0851cdcfa87a0566495a53d954ece4b8a22edeb8506e752903814a39938d8961",
	  0 },
};

static struct sigv4_request request_of(const struct http_field *f, size_t n)
{
	return (struct sigv4_request){ "POST", "/", f, n, body, strlen(body) };
}

static void hex(const uint8_t *at, size_t len, char *to)
{
	for (size_t i = 0; i < len; i++)
		sprintf(to + 2 * i, "%02x", at[i]);
}

TEST(vectors_have_their_canonical_requests)
{
	static char canonical[SIGV4_CANONICAL_MAX];
	struct http_field chosen[8];
	char got[SIGV4_HEX + 1];
	size_t len;

	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct sigv4_request r = request_of(chosen, vectors[i].count);

		for (size_t j = 0; j < vectors[i].count; j++)
			chosen[j] = fields[vectors[i].fields[j]];
		if (!vectors[i].canonical_hash)
			continue;
		REQUIRE(sigv4_canonical(&r, canonical, &len) == 0);
		CHECK_INT(len, vectors[i].canonical_len);
		sigv4_hash_hex(canonical, len, got);
		CHECK_STR(got, vectors[i].canonical_hash);
	}
}

TEST(vectors_have_their_signatures)
{
	char got[SIGV4_AUTHORIZATION_SIZE], wanted[SIGV4_AUTHORIZATION_SIZE];
	struct http_field chosen[8];

	for (size_t i = 0; i < COUNT(vectors); i++) {
		struct sigv4_request r = request_of(chosen, vectors[i].count);

		for (size_t j = 0; j < vectors[i].count; j++)
			chosen[j] = fields[vectors[i].fields[j]];
		sprintf(wanted,
			"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/"
			"eu-west-1/kms/aws4_request, SignedHeaders=%s, "
			"Signature=%s",
			vectors[i].names, vectors[i].signature);
		if (CHECK_INT(sigv4_sign(&r, &key, got), 0))
			CHECK_STR(got, wanted);
	}
}

TEST(the_first_vector_is_right_in_each_step)
{
	static const char *const keys[] = {
		"4a94b7301bf76bc4db30e0c4fffd8434ec90b24fbe8ece2d7b3edb20adc3beb1",
		"21b5572e36594e4d3367ed6b36060237a487c297939e1e2296361302f60d8cb9",
		"65a7e6f75a1736359279ded56906bca76878b2475c2b72d63582b9765ad44b68",
		"53fec63b4c301370421a70452da10de023f50c9e8db579f026a19509b936a8b6",
	};
	static char canonical[SIGV4_CANONICAL_MAX + 1];
	struct sigv4_request r = request_of(fields, 4);
	uint8_t derived[4][SIGV4_HASH], hash[SIGV4_HASH];
	char text[SIGV4_HEX + 1], to_sign[SIGV4_TO_SIGN_SIZE];
	size_t len;

	CHECK_INT(strlen(body), 130);
	sigv4_hash_hex(body, strlen(body), text);
	CHECK_STR(text, BODY_HASH);
	REQUIRE(sigv4_canonical(&r, canonical, &len) == 0);
	canonical[len] = '\0';
	CHECK_STR(canonical,
		  "POST\n/\n\ncontent-type:application/x-amz-json-1.1\n"
		  "host:kms.eu-west-1.amazonaws.com\n"
		  "x-amz-date:20260102T030405Z\n"
		  "x-amz-target:TrentService.Decrypt\n\n"
		  "content-type;host;x-amz-date;x-amz-target\n" BODY_HASH);
	(void)mbedtls_sha256((const uint8_t *)canonical, len, hash, 0);
	REQUIRE(sigv4_to_sign(date, &key, hash, to_sign) == 0);
	CHECK_STR(
		to_sign,
		"AWS4-HMAC-SHA256\n20260102T030405Z\n"
		"20260102/eu-west-1/kms/aws4_request\n"
		"69f5d35987c2aa38ce628d9939e92def787f59a6d63acf864e86cdb539590273");
	REQUIRE(sigv4_derive(date, &key, derived) == 0);
	for (size_t i = 0; i < 4; i++) {
		hex(derived[i], SIGV4_HASH, text);
		CHECK_STR(text, keys[i]);
	}
}

TEST(the_order_and_the_case_of_fields_do_not_matter)
{
	static const struct http_field other[] = {
		{ "x-amz-TARGET", "TrentService.Decrypt" },
		{ "x-amz-date", "20260102T030405Z" },
		{ "HOST", "kms.eu-west-1.amazonaws.com" },
		{ "content-Type", "application/x-amz-json-1.1" },
	};
	struct sigv4_request a = request_of(fields, 4),
			     b = request_of(other, 4);
	char one[SIGV4_AUTHORIZATION_SIZE], two[SIGV4_AUTHORIZATION_SIZE];

	REQUIRE(sigv4_sign(&a, &key, one) == 0);
	REQUIRE(sigv4_sign(&b, &key, two) == 0);
	CHECK_STR(one, two);
}

TEST(fields_of_one_name_are_joined_and_blanks_are_folded)
{
	static const struct http_field some[] = {
		{ "Host", "h" },
		{ "B", "two  \t three" },
		{ "X-Amz-Date", "20260102T030405Z" },
		{ "a", "" },
		{ "b", "one" },
	};
	static char canonical[SIGV4_CANONICAL_MAX + 1];
	struct sigv4_request r = { "GET", "/a/b-c_d.e~f", some, 5, "", 0 };
	size_t len;

	REQUIRE(sigv4_canonical(&r, canonical, &len) == 0);
	canonical[len] = '\0';
	CHECK_STR(
		canonical,
		"GET\n/a/b-c_d.e~f\n\na:\nb:two three,one\nhost:h\n"
		"x-amz-date:20260102T030405Z\n\na;b;host;x-amz-date\n"
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* The fields of the first vector, of which one is another. */
static int sign_with(size_t at, const char *name, const char *value)
{
	struct http_field some[4];
	struct sigv4_request r = request_of(some, 4);
	char got[SIGV4_AUTHORIZATION_SIZE];

	memcpy(some, fields, sizeof(some));
	some[at] = (struct http_field){ name, value };
	return sigv4_sign(&r, &key, got);
}

TEST(fields_that_would_be_others_are_refused)
{
	static const char *const values[] = {
		"a\nHost: b", "a\r\nb", "a\rb", "a\x7f",  "a\xc3\xa4",
		" a",	      "a ",	"\ta",	"a\x01b",
	};
	static const char *const names[] = { "",     "a b",  "a:",   "a\n",
					     "\xc3", "a(b)", "a\x7f" };

	CHECK_INT(sign_with(1, "Content-Type", "a \tb"), 0);
	for (size_t i = 0; i < COUNT(values); i++)
		CHECK_INT(sign_with(1, "Content-Type", values[i]), -EINVAL);
	for (size_t i = 0; i < COUNT(names); i++)
		CHECK_INT(sign_with(1, names[i], "a"), -EINVAL);
}

TEST(host_and_date_are_there_once)
{
	static const char *const dates[] = {
		"",
		"20260102T030405",
		"20260102T030405Z ",
		"20260132T030405Z",
		"20260102T030460Z",
		"2026-01-02T03:04:05Z",
		"20260102 030405Z",
		"20260102T030405ZZ",
	};

	CHECK_INT(sign_with(0, "Hose", "a"), -EINVAL);
	CHECK_INT(sign_with(3, "Date", date), -EINVAL);
	CHECK_INT(sign_with(1, "host", "a"), -EINVAL);
	CHECK_INT(sign_with(1, "x-amz-date", date), -EINVAL);
	for (size_t i = 0; i < COUNT(dates); i++)
		CHECK_INT(sign_with(3, "X-Amz-Date", dates[i]), -EINVAL);
}

TEST(paths_that_aws_would_rewrite_are_refused)
{
	static const char *const good[] = { "/", "/a", "/a/", "/..a/.b/c.",
					    "/a.b/~c-d_e" };
	static const char *const bad[] = {
		"",	"a",	"/a b",	 "/a%20b", "/a?b", "/a#b",
		"//",	"/a//", "/.",	 "/..",	   "/./",  "/a/../b",
		"/a/.", "/a\n", "/\xc3", "/a/..",  "/a+b",
	};
	char got[SIGV4_AUTHORIZATION_SIZE];
	struct sigv4_request r = request_of(fields, 4);

	for (size_t i = 0; i < COUNT(good); i++) {
		r.path = good[i];
		CHECK_INT(sigv4_sign(&r, &key, got), 0);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		r.path = bad[i];
		if (!CHECK_INT(sigv4_sign(&r, &key, got), -EINVAL))
			CHECK_FAIL("path %s", bad[i]);
	}
	r.path = "/";
	r.method = "POST /";
	CHECK_INT(sigv4_sign(&r, &key, got), -EINVAL);
	r.method = "";
	CHECK_INT(sigv4_sign(&r, &key, got), -EINVAL);
}

TEST(a_scope_has_no_separators_in_its_parts)
{
	static const char *const bad[] = { "",	  "a/b", "a,b", "a b",
					   "a\n", "a=b", "a;b", "\xc3" };
	struct sigv4_request r = request_of(fields, 4);
	char got[SIGV4_AUTHORIZATION_SIZE], big[400];
	struct sigv4_key k = key;

	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	for (size_t i = 0; i < COUNT(bad); i++) {
		k = key;
		k.access_key_id = bad[i];
		CHECK_INT(sigv4_sign(&r, &k, got), -EINVAL);
		k = key;
		k.region = bad[i];
		CHECK_INT(sigv4_sign(&r, &k, got), -EINVAL);
		k = key;
		k.service = bad[i];
		CHECK_INT(sigv4_sign(&r, &k, got), -EINVAL);
	}
	k = key;
	k.region = "EU-west-1";
	CHECK_INT(sigv4_sign(&r, &k, got), -EINVAL);
	k = key;
	k.access_key_id = big;
	CHECK_INT(sigv4_sign(&r, &k, got), -EINVAL);
	k = key;
	k.region = big;
	CHECK_INT(sigv4_sign(&r, &k, got), -EINVAL);
	k = key;
	k.secret_access_key = big;
	CHECK_INT(sigv4_sign(&r, &k, got), -EINVAL);
	k.secret_access_key = "";
	CHECK_INT(sigv4_sign(&r, &k, got), -EINVAL);
	/* 256 characters are more than a block of the hash. */
	big[256] = '\0';
	k.secret_access_key = big;
	CHECK_INT(sigv4_sign(&r, &k, got), 0);
}

TEST(too_much_is_refused)
{
	static struct http_field many[SIGV4_FIELDS_MAX + 1];
	static char names[SIGV4_FIELDS_MAX + 1][80];
	static char token[2 * SIGV4_CANONICAL_MAX];
	struct sigv4_request r = request_of(many, SIGV4_FIELDS_MAX);
	char got[SIGV4_AUTHORIZATION_SIZE];

	memcpy(many, fields, 4 * sizeof(*many));
	for (size_t i = 4; i < COUNT(many); i++) {
		sprintf(names[i], "n%zu", i);
		many[i] = (struct http_field){ names[i], "v" };
	}
	CHECK_INT(sigv4_sign(&r, &key, got), 0);
	r.count++;
	CHECK_INT(sigv4_sign(&r, &key, got), -ENOSPC);
	r.count = 5;
	memset(token, 't', sizeof(token) - 1);
	many[4] = (struct http_field){ "X-Amz-Security-Token", token };
	CHECK_INT(sigv4_sign(&r, &key, got), -ENOSPC);
	token[8192] = '\0';
	CHECK_INT(sigv4_sign(&r, &key, got), 0);
	/* SignedHeaders alone would be longer than there is room. */
	r.count = SIGV4_FIELDS_MAX;
	for (size_t i = 5; i < COUNT(many); i++)
		sprintf(names[i], "%060zu", i);
	CHECK_INT(sigv4_sign(&r, &key, got), -ENOSPC);
}

CHECK_MAIN("kms_sigv4")
