/* The parts of a call that need no peer: waiting, time, words, what a client takes. */

#include <errno.h>

#include "check.h"
#include "nsm/kms/call/fault.h"
#include "nsm/kms/call/moment.h"
#include "nsm/kms/call/request.h"
#include "nsm/kms/call/retry.h"
#include "nsm/kms/kmsc.h"
#include "vsock/io.h"

static const char arn[] =
	"arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

static struct kmsc_client *client(void)
{
	struct kmsc_client *c = NULL;

	REQUIRE(kmsc_client_new(&c) == 0);
	return c;
}

TEST(waits_double_up_to_twenty_seconds)
{
	CHECK(retry_delay_ms(false, 1, 0) == 0);
	CHECK(retry_delay_ms(false, 1, UINT32_MAX) == 50);
	CHECK(retry_delay_ms(false, 3, UINT32_MAX) == 200);
	CHECK(retry_delay_ms(true, 1, UINT32_MAX) == 1000);
	CHECK(retry_delay_ms(true, 4, UINT32_MAX) == 8000);
	CHECK(retry_delay_ms(true, 1, UINT32_MAX / 2) == 499);
	for (int n = 6; n < 200; n += 7)
		CHECK(retry_delay_ms(true, n, UINT32_MAX) == 20000);
	CHECK(retry_delay_ms(false, 0, UINT32_MAX) == 50);
	CHECK(retry_delay_ms(false, -5, UINT32_MAX) == 50);
}

TEST(only_lost_connections_pass_by_themselves)
{
	CHECK(retry_is_passing(KMSC_E_CONNECT));
	CHECK(retry_is_passing(KMSC_E_CLOSED));
	CHECK(!retry_is_passing(KMSC_E_TIMEOUT));
	CHECK(!retry_is_passing(KMSC_E_CERTIFICATE));
	CHECK(!retry_is_passing(KMSC_E_PLAINTEXT));
	CHECK(!retry_is_passing(0));
}

TEST(time_goes_on_from_a_timestamp)
{
	struct moment m;
	int64_t first;

	moment_begin(&m, INT64_C(1767323045000));
	first = moment_now_ms(&m);
	CHECK(first >= INT64_C(1767323045000));
	CHECK(first < INT64_C(1767323045000) + 300 * 1000);
	(void)usleep(2000);
	CHECK(moment_now_ms(&m) > first);
}

TEST(errors_have_names_and_words)
{
	int named = 0;

	for (int code = KMSC_E_REGION; code < 6100; code++) {
		const char *name = kmsc_error_name(-code);

		CHECK(kmsc_error_text(-code)[0]);
		if (!name)
			continue;
		named++;
		CHECK(strncmp(name, "KMSC_E_", 7) == 0);
		CHECK(strcmp(kmsc_error_text(-code), kmsc_error_text(0)) != 0);
	}
	CHECK(named == 34);
	CHECK(strcmp(kmsc_error_name(-NSMC_E_DEBUG), "NSMC_E_DEBUG") == 0);
	CHECK(strcmp(kmsc_error_text(-ENOENT), strerror(ENOENT)) == 0);
	CHECK(!kmsc_error_name(-ENOENT));
}

TEST(printed_errors_are_whole_or_cut)
{
	struct kmsc_error e = { 0 };
	char whole[KMSC_ERROR_LINE_SIZE], *cut;
	size_t len;

	(void)fault_set(&e, -KMSC_E_DENIED, KMSC_STEP_ANSWER, "a\nb%c", 0x7f);
	CHECK(strcmp(e.words, "a?b?") == 0);
	(void)fault_code(&e, -KMSC_E_DENIED, KMSC_STEP_ANSWER);
	e.attempts = 1;
	e.status = 400;
	memset(e.aws_code, 'c', sizeof(e.aws_code) - 1);
	memset(e.message, 'm', sizeof(e.message) - 1);
	memset(e.request_id, 'r', sizeof(e.request_id) - 1);
	memset(e.words, 'w', sizeof(e.words) - 1);
	memset(e.key, 'k', sizeof(e.key) - 1);
	e.has_document = true;
	e.debug = NSMC_DEBUG_YES;
	e.pcrs = UINT32_MAX;
	len = kmsc_error_print(&e, whole, sizeof(whole));
	CHECK(len == strlen(whole) && len < sizeof(whole) - 1);
	CHECK(strstr(whole, "\nPCR8: 00"));
	CHECK(strstr(whole, "debug mode"));
	/* Exactly as long as said, so that ASan sees more. */
	for (size_t cap = 1; cap <= len + 2; cap += cap < 40 ? 1 : 61) {
		cut = malloc(cap);
		REQUIRE(cut);
		CHECK(kmsc_error_print(&e, cut, cap) ==
		      (cap <= len ? cap - 1 : len));
		CHECK(strlen(cut) == (cap <= len ? cap - 1 : len));
		CHECK(strncmp(cut, whole, strlen(cut)) == 0);
		free(cut);
	}
	CHECK(kmsc_error_print(&e, whole, 0) == 0);
}

TEST(a_client_takes_what_makes_sense)
{
	struct kmsc_client *c = client();
	char long_text[400];

	memset(long_text, 'a', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	CHECK(kmsc_client_region(c, "eu-west-1") == 0);
	CHECK(kmsc_client_region(c, "") == -KMSC_E_REGION);
	CHECK(kmsc_client_region(c, "moon-1") == -KMSC_E_REGION);
	CHECK(kmsc_client_region(c, long_text) == -KMSC_E_REGION);
	CHECK(kmsc_client_region(c, NULL) == -EINVAL);
	CHECK(kmsc_client_endpoint_flags(c, 3) == 0);
	CHECK(kmsc_client_endpoint_flags(c, 4) == -EINVAL);
	CHECK(kmsc_client_connect(c, "vsock:3:8000") == 0);
	CHECK(kmsc_client_connect(c, "vsock:8000") == 0);
	CHECK(kmsc_client_connect(c, "vsock:3:4294967290") == 0);
	CHECK(kmsc_client_connect(c, "tcp:127.0.0.1:443") == 0);
	CHECK(kmsc_client_connect(c, "tcp:[::1]:443") == 0);
	CHECK(kmsc_client_connect(c, "tcp:kms.eu-west-1.amazonaws.com:443") ==
	      0);
	CHECK(kmsc_client_connect(c, "unix:/run/kms.sock") == 0);
	CHECK(kmsc_client_connect(c, "vsock:3:8000-8003") == -KMSC_E_ADDRESS);
	CHECK(kmsc_client_connect(c, "dir:/run:8000") == -KMSC_E_ADDRESS);
	CHECK(kmsc_client_connect(c, "mux:/run/v:8000") == -KMSC_E_ADDRESS);
	CHECK(kmsc_client_connect(c, "") == -KMSC_E_ADDRESS);
	CHECK(kmsc_client_connect(c, long_text) == -KMSC_E_ADDRESS);
	CHECK(kmsc_client_timeout(c, 0) == -EINVAL);
	CHECK(kmsc_client_timeout(c, KMSC_TIMEOUT_MAX_MS + 1) == -EINVAL);
	CHECK(kmsc_client_attempts(c, 0) == -EINVAL);
	CHECK(kmsc_client_attempts(c, KMSC_ATTEMPTS_MAX + 1) == -EINVAL);
	CHECK(kmsc_client_user_agent(c, "a/1 (b)") == 0);
	CHECK(kmsc_client_user_agent(c, "") == -EINVAL);
	CHECK(kmsc_client_user_agent(c, "a\r\nX: y") == -EINVAL);
	CHECK(kmsc_client_user_agent(c, long_text) == -EINVAL);
	CHECK(kmsc_client_seed(c, long_text, 256) == 0);
	CHECK(kmsc_client_seed(c, long_text, 257) == -EINVAL);
	CHECK(kmsc_client_seed(c, NULL, 1) == -EINVAL);
	CHECK(kmsc_client_seed(c, NULL, 0) == 0);
	CHECK(kmsc_client_nsm(c, -ENOENT) == -ENOENT);
	CHECK(kmsc_client_ca(c, "", 0) == -KMSC_E_CA);
	CHECK(kmsc_client_ca(c, long_text, sizeof(long_text)) == -KMSC_E_CA);
	kmsc_client_free(c);
	kmsc_client_free(NULL);
}

TEST(endpoints_are_a_host_and_a_port)
{
	static const char *const bad[] = {
		"",	"a:",	   ":443",	"a:0",		"a:65536",
		"a:1x", "a:443:1", "https://a", "a/b",		"a b",
		"a:01", "[::1]",   "a\r\nX: y", "a:4294967739",
	};
	struct kmsc_error e = { 0 };
	struct request_place place;
	struct kmsc_client *c = client();

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(kmsc_client_endpoint(c, bad[i]) == -KMSC_E_ENDPOINT);
	REQUIRE(kmsc_client_endpoint(c, "vpce-1.kms.test:8443") == 0);
	CHECK(request_place(c, NULL, &place, &e) == -KMSC_E_REGION);
	REQUIRE(request_place(c, arn, &place, &e) == 0);
	CHECK(strcmp(place.region, "eu-west-1") == 0);
	CHECK(strcmp(place.host, "vpce-1.kms.test") == 0);
	CHECK(strcmp(place.authority, "vpce-1.kms.test:8443") == 0);
	REQUIRE(kmsc_client_endpoint(c, "kms.test:443") == 0);
	REQUIRE(request_place(c, arn, &place, &e) == 0);
	CHECK(strcmp(place.authority, "kms.test") == 0);
	kmsc_client_free(c);

	c = client();
	REQUIRE(kmsc_client_endpoint_flags(c, KMSC_ENDPOINT_FIPS) == 0);
	REQUIRE(kmsc_client_region(c, "us-gov-west-1") == 0);
	REQUIRE(request_place(c, "alias/x", &place, &e) == 0);
	CHECK(strcmp(place.host, "kms-fips.us-gov-west-1.amazonaws.com") == 0);
	CHECK(request_place(c, arn, &place, &e) == -KMSC_E_KEY_REGION);
	kmsc_client_free(c);
}

TEST(credentials_have_no_characters_that_end_a_header)
{
	static const char *const bad[] = { "",		"a b", "a\n",
					   "a\r\nX: y", "a,b", "\x7f",
					   "\xc3\xbc" };
	struct kmsc_client *c = client();
	char words[KMSC_WORDS_SIZE], token[KMSC_SESSION_TOKEN_MAX + 2];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK(kmsc_client_keys(c, bad[i], "secret", NULL) ==
		      -KMSC_E_CREDENTIALS);
		CHECK(kmsc_client_keys(c, "AKID", bad[i], NULL) ==
		      -KMSC_E_CREDENTIALS);
	}
	CHECK(kmsc_client_keys(c, "AKID/x", "secret", NULL) ==
	      -KMSC_E_CREDENTIALS);
	CHECK(kmsc_client_keys(c, "AKID", "sec/ret+", "") == 0);
	CHECK(kmsc_client_keys(c, "AKID", "secret", "tok\nen") ==
	      -KMSC_E_CREDENTIALS);
	memset(token, 't', sizeof(token) - 1);
	token[sizeof(token) - 1] = '\0';
	CHECK(kmsc_client_keys(c, "AKID", "secret", token) ==
	      -KMSC_E_CREDENTIALS);
	CHECK(kmsc_client_keys(c, "AKID", "secret", token + 1) == 0);
	CHECK(kmsc_client_keys(c, token, "secret", NULL) ==
	      -KMSC_E_CREDENTIALS);
	CHECK(kmsc_client_source(c, "nowhere at all", words) ==
	      -KMSC_E_CREDENTIALS);
	CHECK(words[0]);
	CHECK(kmsc_client_source(c, "imds vsock:3:8002", NULL) == 0);
	CHECK(kmsc_client_source(c, "environment", NULL) == 0);
	kmsc_client_free(c);
}

TEST(a_call_without_nsm_or_key_is_refused_before_anything)
{
	struct kmsc_request r = { .operation = KMSC_GENERATE_RANDOM,
				  .number_of_bytes = 8 };
	struct kmsc_answer *a = NULL;
	struct kmsc_error e = { 0 };
	struct kmsc_client *c = client();
	size_t len;
	char buf[8];
	int status;

	CHECK(kmsc_call(NULL, &r, &a, &e) == -EINVAL && e.code == -EINVAL);
	CHECK(kmsc_call(c, NULL, &a, NULL) == -EINVAL);
	CHECK(kmsc_call(c, &r, &a, &e) == -KMSC_E_REGION);
	REQUIRE(kmsc_client_region(c, "eu-west-1") == 0);
	CHECK(kmsc_call(c, &r, &a, &e) == -KMSC_E_NO_CREDENTIALS);
	CHECK(e.step == KMSC_STEP_CREDENTIALS && e.attempts == 0);
	REQUIRE(kmsc_client_keys(c, "AKID", "secret", NULL) == 0);
	CHECK(kmsc_call(c, &r, &a, &e) == -KMSC_E_NO_NSM);
	CHECK(e.step == KMSC_STEP_DOCUMENT && !e.has_document && !a);
	r = (struct kmsc_request){ .operation = (enum kmsc_operation)99 };
	CHECK(kmsc_call(c, &r, &a, &e) == -KMSC_E_REQUEST);
	CHECK(kmsc_forward(c, "Encrypt", NULL, "", 0, buf, 8, &len, &status,
			   &e) == -KMSC_E_REQUEST);
	CHECK(kmsc_forward(c, "Decrypt", NULL, "{}", 2, buf, 8, &len, &status,
			   &e) == -KMSC_E_OPERATION);
	CHECK(kmsc_forward(c, "Encrypt", "key", "{}", 2, buf, 8, &len, &status,
			   &e) == -KMSC_E_KEY_ARN);
	CHECK(kmsc_forward(c, "Encrypt", arn, "{}", 2, buf, 8, &len, &status,
			   NULL) == -KMSC_E_NO_NSM);
	kmsc_client_free(c);
}

CHECK_MAIN("kms_call")
