#include "nsm/api/routes/keys.h"

#include <errno.h>

#include "check.h"

#define ARN_1 \
	"arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
#define ARN_2 \
	"arn:aws:kms:eu-west-1:111122223333:key/aaaaaaaa-12ab-34cd-56ef-1234567890ab"
/* A replica of the second one in another region has its id. */
#define ARN_3 \
	"arn:aws:kms:eu-west-2:111122223333:key/aaaaaaaa-12ab-34cd-56ef-1234567890ab"

static struct spec some = {
	.keys = 3,
	.key = {
		{ .name = "orders", .arn = ARN_1, .pairs = 2,
		  .pair = { { "app", "orders" }, { "stage", "live" } } },
		{ .name = "logs", .arn = ARN_2 },
		{ .name = "logs-2", .arn = ARN_3 },
	},
};

static int found(const char *key_id)
{
	const struct spec_key *key = NULL;
	int r = keys_find(&some, key_id, &key);

	return r < 0 ? r : (int)(key - some.key);
}

TEST(a_key_has_an_arn_a_name_an_alias_and_an_id)
{
	CHECK(found(ARN_1) == 0);
	CHECK(found("orders") == 0);
	CHECK(found("alias/orders") == 0);
	CHECK(found("1234abcd-12ab-34cd-56ef-1234567890ab") == 0);
	CHECK(found(ARN_3) == 2);
	CHECK(found("logs-2") == 2);
}

TEST(what_is_not_configured_is_no_key)
{
	CHECK(found("") == -ENOENT);
	CHECK(found("other") == -ENOENT);
	CHECK(found("alias/") == -ENOENT);
	CHECK(found("alias/other") == -ENOENT);
	CHECK(found("alias/" ARN_1) == -ENOENT);
	CHECK(found("alias/alias/orders") == -ENOENT);
	CHECK(found("Orders") == -ENOENT);
	CHECK(found("orders ") == -ENOENT);
	CHECK(found("key/1234abcd-12ab-34cd-56ef-1234567890ab") == -ENOENT);
	CHECK(found("arn:aws:kms:eu-west-3:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab") ==
	      -ENOENT);
	CHECK(found("arn:aws:kms:eu-west-1:111122223333:alias/orders") ==
	      -ENOENT);
}

TEST(an_id_of_two_keys_is_no_name)
{
	CHECK(found("aaaaaaaa-12ab-34cd-56ef-1234567890ab") == -ENOTUNIQ);
}

TEST(two_names_of_one_key_leave_its_id_a_name)
{
	static const struct spec s = {
		.keys = 2,
		.key = { { .name = "a", .arn = ARN_1 },
			 { .name = "b", .arn = ARN_1 } },
	};
	const struct spec_key *key = NULL;

	CHECK(keys_find(&s, "1234abcd-12ab-34cd-56ef-1234567890ab", &key) == 0);
	CHECK(key == &s.key[0]);
}

TEST(without_a_key_what_all_pin_is_bound)
{
	struct spec s = { .keys = 0 };
	const struct spec_key *key = NULL;

	CHECK(keys_default(&s, &key) == -ENOENT);
	s.keys = 1;
	s.key[0] = some.key[0];
	CHECK(keys_default(&s, &key) == 0 && key == &s.key[0]);
	s.keys = 2;
	s.key[1] = (struct spec_key){
		.name = "b",
		.arn = ARN_2,
		.pairs = 2,
		.pair = { { "stage", "live" }, { "app", "orders" } },
	};
	CHECK(keys_default(&s, &key) == 0 && key == &s.key[0]);
	s.key[1].pair[1].value = "other";
	CHECK(keys_default(&s, &key) == -ENOTUNIQ);
	s.key[1].pairs = 1;
	CHECK(keys_default(&s, &key) == -ENOTUNIQ);
	CHECK(keys_default(&some, &key) == -ENOTUNIQ);
}

static bool has(const struct keys_context *c, const char *name,
		const char *value)
{
	size_t n = 0;
	bool is = false;

	for (size_t i = 0; i < c->count; i++)
		if (strcmp(c->pair[i].name, name) == 0) {
			n++;
			is = strcmp(c->pair[i].value, value) == 0;
		}
	return n == 1 && is;
}

TEST(a_key_adds_what_it_pins)
{
	static const struct kmsc_pair own[] = { { "tenant", "7" },
						{ "stage", "live" } };
	struct keys_context c = { 0 };
	const char *name = NULL;

	CHECK(keys_bind(&some.key[0], NULL, 0, &c, &name) == 0);
	CHECK(c.count == 2 && has(&c, "app", "orders") &&
	      has(&c, "stage", "live"));
	CHECK(keys_bind(&some.key[0], own, 2, &c, &name) == 0);
	CHECK(c.count == 3 && has(&c, "app", "orders") &&
	      has(&c, "stage", "live") && has(&c, "tenant", "7"));
	CHECK(keys_bind(&some.key[1], own, 2, &c, &name) == 0);
	CHECK(c.count == 2 && has(&c, "tenant", "7"));
}

TEST(another_value_than_the_pinned_one_is_refused)
{
	static const struct kmsc_pair own[] = { { "tenant", "7" },
						{ "stage", "test" } };
	struct keys_context c = { .count = 99 };
	const char *name = NULL;

	CHECK(keys_bind(&some.key[0], own, 2, &c, &name) == -EEXIST);
	CHECK(name && strcmp(name, "stage") == 0);
	CHECK(c.count == 99);
}

TEST(there_is_room_for_kms_and_no_more)
{
	static struct kmsc_pair own[KMSC_CONTEXT_MAX + 1];
	static char names[KMSC_CONTEXT_MAX + 1][8];
	struct keys_context c = { 0 };
	const char *name = NULL;

	for (size_t i = 0; i < KMSC_CONTEXT_MAX + 1; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "n%zu", i);
		own[i] = (struct kmsc_pair){ names[i], "" };
	}
	CHECK(keys_bind(&some.key[0], own, KMSC_CONTEXT_MAX - 2, &c, &name) ==
	      0);
	CHECK(c.count == KMSC_CONTEXT_MAX);
	CHECK(keys_bind(&some.key[0], own, KMSC_CONTEXT_MAX - 1, &c, &name) ==
	      -E2BIG);
	CHECK(keys_bind(&some.key[1], own, KMSC_CONTEXT_MAX, &c, &name) == 0);
	CHECK(keys_bind(&some.key[1], own, KMSC_CONTEXT_MAX + 1, &c, &name) ==
	      -E2BIG);
}

CHECK_MAIN("api_keys")
