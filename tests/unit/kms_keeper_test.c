/* When credentials are fetched again. The clock is the test's. */

#include "check.h"
#include "nsm/kms/credentials/credential.h"
#include "nsm/kms/credentials/keeper.h"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };

static const int64_t noon = INT64_C(1767268800000); /* 2026-01-01T12:00:00Z */

static struct kmsc_credentials some(const char *id, int64_t until_ms)
{
	struct kmsc_credentials c;

	REQUIRE(!credential_set(&c, id, strlen(id), "secret", 6, "token", 5,
				until_ms ? until_ms / 1000 : 0));
	return c;
}

TEST(a_new_keeper_wants_credentials_at_once)
{
	struct keeper k = { 0 };

	CHECK(!keeper_current(&k));
	CHECK_INT(keeper_wants_at(&k, noon), noon);
	CHECK(keeper_wants(&k, noon));
}

TEST(credentials_are_fetched_again_fifteen_minutes_before_their_end)
{
	struct kmsc_credentials c = some("A", noon + 6 * HOUR);
	struct keeper k = { 0 };

	keeper_take(&k, &c, noon, 7);
	CHECK_STR(keeper_current(&k)->access_key_id, "A");
	CHECK_INT(keeper_wants_at(&k, noon), noon + 6 * HOUR - 15 * MINUTE);
	CHECK(!keeper_wants(&k, noon + 6 * HOUR - 15 * MINUTE - 1));
	CHECK(keeper_wants(&k, noon + 6 * HOUR - 15 * MINUTE));
}

TEST(credentials_without_an_end_are_never_fetched_again)
{
	struct kmsc_credentials c = some("A", 0);
	struct keeper k = { 0 };

	keeper_take(&k, &c, noon, 7);
	CHECK_INT(keeper_wants_at(&k, noon), INT64_MAX);
	CHECK(!keeper_wants(&k, noon + INT64_C(1000) * 24 * HOUR));
	keeper_refuse(&k, &c);
	CHECK(keeper_wants(&k, noon + 1));
}

TEST(the_old_ones_stay_while_the_source_fails)
{
	struct kmsc_credentials c = some("A", noon + HOUR);
	struct keeper k = { 0 };
	int64_t now = noon + 45 * MINUTE, before;

	keeper_take(&k, &c, noon, 7);
	for (int i = 0; i < 100; i++) {
		REQUIRE(keeper_wants(&k, now));
		keeper_fail(&k, now, 0x9e3779b9u * (unsigned)i);
		CHECK_STR(keeper_current(&k)->access_key_id, "A");
		before = now;
		now = keeper_wants_at(&k, now);
		CHECK(now > before);
		CHECK(now - before >= KEEPER_DELAY_MIN_MS / 2);
		CHECK(now - before <= KEEPER_DELAY_MAX_MS);
		CHECK(!keeper_wants(&k, now - 1));
	}
	/* Past their end: KMS decides. */
	CHECK(now > noon + HOUR);
	CHECK_STR(keeper_current(&k)->access_key_id, "A");
	c = some("B", now + HOUR);
	keeper_take(&k, &c, now, 7);
	CHECK_STR(keeper_current(&k)->access_key_id, "B");
	CHECK_INT(keeper_wants_at(&k, now),
		  (now + HOUR) / 1000 * 1000 - 15 * MINUTE);
}

TEST(delays_grow_to_a_minute_and_differ_by_half)
{
	static const int64_t most[] = { 1000,  2000,  4000,  8000, 16000,
					32000, 60000, 60000, 60000 };
	struct keeper low = { 0 }, high = { 0 };
	int64_t now = noon;

	for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		keeper_fail(&low, now, 0);
		keeper_fail(&high, now, (uint32_t)(most[i] / 2));
		CHECK_INT(keeper_wants_at(&low, now), now + most[i] / 2);
		CHECK_INT(keeper_wants_at(&high, now), now + most[i]);
		now += HOUR;
	}
}

TEST(refused_ones_are_fetched_again_at_once)
{
	struct kmsc_credentials c = some("A", noon + 6 * HOUR);
	struct kmsc_credentials d = some("B", noon + 12 * HOUR);
	struct keeper k = { 0 };

	keeper_take(&k, &c, noon, 7);
	CHECK(!keeper_wants(&k, noon + HOUR));
	keeper_refuse(&k, &c);
	CHECK(keeper_wants(&k, noon + HOUR));
	CHECK_STR(keeper_current(&k)->access_key_id, "A");
	keeper_take(&k, &d, noon + HOUR, 7);
	CHECK(!keeper_wants(&k, noon + HOUR));
	/* A call that began with the first ones is no reason to ask again. */
	keeper_refuse(&k, &c);
	CHECK(!keeper_wants(&k, noon + HOUR));
}

TEST(a_source_that_gives_refused_ones_again_is_not_asked_for_each_call)
{
	struct kmsc_credentials c = some("A", noon + 6 * HOUR);
	struct keeper k = { 0 };
	int fetches = 0;

	keeper_take(&k, &c, noon, 7);
	for (int64_t now = noon; now < noon + MINUTE; now += 10) {
		keeper_refuse(&k, &c);
		if (!keeper_wants(&k, now))
			continue;
		fetches++;
		keeper_take(&k, &c, now, (uint32_t)now);
	}
	CHECK(fetches >= 60 / 4 && fetches <= 60 / 2 + 1);
}

TEST(a_failing_source_is_not_asked_for_each_refusal)
{
	struct kmsc_credentials c = some("A", noon + 6 * HOUR);
	struct keeper k = { 0 };
	int fetches = 0;

	keeper_take(&k, &c, noon, 7);
	for (int64_t now = noon; now < noon + 10 * MINUTE; now += 10) {
		keeper_refuse(&k, &c);
		if (!keeper_wants(&k, now))
			continue;
		fetches++;
		keeper_fail(&k, now, (uint32_t)now);
	}
	CHECK(fetches > 10 && fetches < 30);
}

TEST(ones_that_come_late_or_past_their_end_are_used_and_replaced)
{
	struct kmsc_credentials c = some("A", noon - HOUR);
	struct keeper k = { 0 };
	int64_t next;

	keeper_take(&k, &c, noon, 12345);
	CHECK_STR(keeper_current(&k)->access_key_id, "A");
	next = keeper_wants_at(&k, noon);
	CHECK(next >= noon + KEEPER_STALE_MS / 2);
	CHECK(next <= noon + KEEPER_STALE_MS);
}

TEST(a_clock_that_is_set_back_does_not_stop_the_fetches)
{
	struct keeper k = { 0 };

	for (int i = 0; i < 20; i++)
		keeper_fail(&k, noon, UINT32_MAX);
	CHECK(!keeper_wants(&k, noon));
	CHECK(keeper_wants(&k, noon - HOUR));
}

TEST(a_wiped_keeper_has_nothing)
{
	struct kmsc_credentials c = some("A", noon + HOUR);
	static const struct keeper nothing;
	struct keeper k = { 0 };

	keeper_take(&k, &c, noon, 7);
	keeper_wipe(&k);
	CHECK(!keeper_current(&k));
	CHECK_MEM(&k, &nothing, sizeof(k));
}

CHECK_MAIN("kms_keeper")
