/* Where credentials come from, as users write it. */

#include "check.h"
#include "nsm/kms/credentials/source.h"

static const char *why_not(const char *text, struct source *ret)
{
	return source_read(text, strlen(text), ret);
}

TEST(each_kind_of_source_is_read)
{
	static const struct {
		const char *text;
		enum source_kind kind;
		const char *address, *name;
	} cases[] = {
		{ "/run/credentials", SOURCE_FILE, NULL, "/run/credentials" },
		{ "/run/my credentials", SOURCE_FILE, NULL,
		  "/run/my credentials" },
		{ "credentials", SOURCE_FILE, NULL, "credentials" },
		{ "./environment", SOURCE_FILE, NULL, "./environment" },
		{ "file environment", SOURCE_FILE, NULL, "environment" },
		{ "environment", SOURCE_ENVIRONMENT, NULL, "" },
		{ "environment ", SOURCE_ENVIRONMENT, NULL, "" },
		{ "imds vsock:3:8002", SOURCE_IMDS, "vsock:3:8002", "" },
		{ "imds  tcp:169.254.169.254:80  my-role+1", SOURCE_IMDS,
		  "tcp:169.254.169.254:80", "my-role+1" },
		{ "imds unix:/run/imds", SOURCE_IMDS, "unix:/run/imds", "" },
		{ "container http://127.0.0.1:8100/v1/credentials",
		  SOURCE_CONTAINER, "tcp:127.0.0.1:8100", "/v1/credentials" },
		{ "container http://LOCALHOST/x?y=z", SOURCE_CONTAINER,
		  "tcp:127.0.0.1:80", "/x?y=z" },
		{ "container http://169.254.170.2/v2/c/1", SOURCE_CONTAINER,
		  "tcp:169.254.170.2:80", "/v2/c/1" },
		{ "container http://169.254.170.23/v1/credentials",
		  SOURCE_CONTAINER, "tcp:169.254.170.23:80",
		  "/v1/credentials" },
		{ "container http://[fd00:ec2::23]:81/v1", SOURCE_CONTAINER,
		  "tcp:[fd00:ec2::23]:81", "/v1" },
		{ "container http://[::1]", SOURCE_CONTAINER, "tcp:[::1]:80",
		  "/" },
		{ "container vsock:3:8003 /v2/c", SOURCE_CONTAINER,
		  "vsock:3:8003", "/v2/c" },
		{ "setclient vsock:3000", SOURCE_SETCLIENT, "vsock:3000", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct source s = { 0 };
		const char *why = why_not(cases[i].text, &s);
		char address[ADDRESS_TEXT] = "";

		if (why) {
			CHECK_FAIL("%s: %s", cases[i].text, why);
			continue;
		}
		CHECK_INT(s.kind, cases[i].kind);
		if (cases[i].address) {
			address_text(&s.address, address);
			CHECK_STR(address, cases[i].address);
		}
		CHECK_INT(s.name_len, strlen(cases[i].name));
		CHECK_MEM(s.name ? s.name : "", cases[i].name, s.name_len);
	}
}

TEST(descriptors_are_numbers_and_standard_input_is_a_minus)
{
	struct source s;

	CHECK(!why_not("-", &s));
	CHECK(s.kind == SOURCE_FD && s.fd == 0);
	CHECK(!why_not("fd:7", &s));
	CHECK(s.kind == SOURCE_FD && s.fd == 7);
	CHECK(!why_not("fd:1023", &s));
	CHECK(why_not("fd:1024", &s));
	CHECK(why_not("fd:", &s));
	CHECK(why_not("fd:-1", &s));
	CHECK(why_not("fd:7x", &s));
	CHECK(why_not("fd:99999999999999999999", &s));
}

TEST(what_is_no_source_is_refused_with_a_reason)
{
	static const char *const cases[] = {
		"",
		"   ",
		"imds",
		"imds 8002",
		"imds vsock:3:8002-8003",
		"imds dir:/run:80",
		"imds vsock:3:8002 role/with/path",
		"imds vsock:3:8002 role other",
		"imdsv2 vsock:3:8002",
		"environment please",
		"container",
		"container vsock:3:8003",
		"container vsock:3:8003 no-slash",
		"container vsock:3:8003 /a /b",
		"container https://127.0.0.1/x",
		"container http:///x",
		"container http://example.com/x",
		"container http://169.254.169.254/latest",
		"container http://10.0.0.1/x",
		"container http://127.0.0.1:0x50/x",
		"container http://127.0.0.1:65536/x",
		"container http://127.0.0.1/a\tb",
		"container http://user@127.0.0.1/x",
		"container http://127.0.0.1.evil.example/x",
		"container http://[::1/x",
		"setclient",
		"setclient tcp:127.0.0.1:3000",
		"setclient unix:/run/x",
		"setclient vsock:3000 more",
	};
	struct source s = { .kind = SOURCE_NONE };
	char longer[SOURCE_TEXT_MAX + 2];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (!why_not(cases[i], &s))
			CHECK_FAIL("it is taken: %s", cases[i]);
	CHECK_INT(s.kind, SOURCE_NONE);
	memset(longer, 'a', sizeof(longer));
	CHECK(source_read(longer, SOURCE_TEXT_MAX + 1, &s));
	CHECK(!source_read(longer, SOURCE_TEXT_MAX, &s));
	CHECK(source_read("a\0b", 3, &s));
}

TEST(the_host_of_a_url_is_kept_as_it_was_written)
{
	static const char url[] = "http://localhost:99/x";
	struct source s;

	CHECK(!source_read_url(url, strlen(url), &s));
	CHECK_INT(s.host_len, 12);
	CHECK_MEM(s.host, "localhost:99", 12);
}

CHECK_MAIN("kms_source")
