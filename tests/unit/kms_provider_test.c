/* Credentials between calls. The clock is the test's, the source a file. */

#include "check.h"
#include "nsm/kms/credentials/provider.h"
#include "temp.h"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };

static const int64_t noon = INT64_C(1767268800000); /* 2026-01-01T12:00:00Z */

static int64_t now;
static const char path[] = "keys";
static char words[KMSC_WORDS_SIZE];
static struct provider *p;
static struct kmsc_credentials got;

static int64_t test_now(void *ctx)
{
	CHECK(ctx == &now);
	return now;
}

static void write_text(const char *text)
{
	FILE *f = fopen(path, "w");

	REQUIRE(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* Ones that last until 18:00. */
static void write_keys(const char *id)
{
	char text[256];

	(void)snprintf(
		text, sizeof(text),
		"{\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s\",\"Expiration\":\"2026-01-01T18:00:00Z\"}",
		id);
	write_text(text);
}

static void begin(void)
{
	temp_enter();
	write_keys("A");
	REQUIRE(!provider_new(path, &p));
	provider_clock(p, test_now, &now);
	now = noon;
}

static void finish(void)
{
	provider_free(p);
	temp_leave();
}

static const char *give(bool refused)
{
	static char failed[16];
	int r;

	words[0] = '\0';
	r = provider_give(p, refused, 1000, &got, words);
	(void)snprintf(failed, sizeof(failed), "%d", r);
	return r < 0 ? failed : got.access_key_id;
}

TEST(credentials_are_kept_until_a_quarter_before_their_end)
{
	begin();
	CHECK_STR(give(false), "A");
	write_keys("B");
	CHECK_STR(give(false), "A");
	now = noon + 6 * HOUR - 15 * MINUTE - 1;
	CHECK_STR(give(false), "A");
	now++;
	CHECK_STR(give(false), "B");
	finish();
}

TEST(refused_ones_are_read_again_at_once)
{
	begin();
	CHECK_STR(give(false), "A");
	write_keys("B");
	CHECK_STR(give(true), "B");
	CHECK_STR(give(false), "B");
	finish();
}

TEST(old_ones_are_given_while_the_source_fails)
{
	begin();
	CHECK_STR(give(false), "A");
	REQUIRE(unlink(path) == 0);
	for (now = noon + 5 * HOUR; now < noon + 8 * HOUR; now += MINUTE) {
		CHECK_STR(give(false), "A");
		CHECK_STR(words, "");
	}
	write_keys("B");
	now += 5 * MINUTE;
	CHECK_STR(give(false), "B");
	finish();
}

TEST(without_any_each_call_tries_and_says_why_not)
{
	char expected[16];

	begin();
	REQUIRE(unlink(path) == 0);
	(void)snprintf(expected, sizeof(expected), "%d",
		       -KMSC_E_NO_CREDENTIALS);
	for (int i = 0; i < 3; i++) {
		CHECK_STR(give(false), expected);
		CHECK(strstr(words, "keys: No such file"));
	}
	write_text("AWS_ACCESS_KEY_ID=A\nAWS_SECRET_ACCESS_KEY=se cret");
	(void)snprintf(expected, sizeof(expected), "%d", -KMSC_E_CREDENTIALS);
	CHECK_STR(give(false), expected);
	CHECK(strstr(words, "line 2") && !strstr(words, "cret"));
	write_keys("A");
	CHECK_STR(give(false), "A");
	finish();
}

TEST(a_descriptor_is_read_to_its_end_once)
{
	static const char keys[] =
		"AWS_ACCESS_KEY_ID=A\nAWS_SECRET_ACCESS_KEY=s\n";
	int fds[2];
	char text[16];

	REQUIRE(pipe(fds) == 0);
	(void)snprintf(text, sizeof(text), "fd:%d", fds[0]);
	REQUIRE(!provider_new(text, &p));
	REQUIRE(write(fds[1], keys, strlen(keys)) == (ssize_t)strlen(keys));
	/* Its end does not come: no half of a secret is used. */
	(void)give(false);
	CHECK(strstr(words, "its end does not come"));
	provider_free(p);
	REQUIRE(!provider_new(text, &p));
	REQUIRE(write(fds[1], keys, strlen(keys)) == (ssize_t)strlen(keys));
	close(fds[1]);
	CHECK_STR(give(false), "A");
	/* Refused ones cannot be had anew, and stay. */
	CHECK_STR(give(true), "A");
	provider_free(p);
}

TEST(what_is_no_source_has_no_provider)
{
	struct provider *none = NULL;

	CHECK(provider_new("", &none));
	CHECK(provider_new("imds", &none));
	CHECK(!none);
	provider_free(NULL);
}

CHECK_MAIN("kms_provider")
