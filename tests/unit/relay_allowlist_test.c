/* The allowlist of vsock-proxy: relay's. */

#include "tests/unit/check.h"
#include "vsock/relay/plan/allowlist.h"

enum { ENTRIES_MAX = 8 };

static struct allowlist_entry entries[ENTRIES_MAX];
static unsigned count, line;

/* Why it is none, or NULL; copies of just its size show what is read beyond it. */
static const char *read_text(const char *text)
{
	size_t len = strlen(text);
	static char *copy;
	struct allowlist a;
	const char *why;

	free(copy);
	copy = malloc(len + !len);
	REQUIRE(copy);
	memcpy(copy, text, len);
	count = 0;
	allowlist_open(&a, copy, len);
	while (count < ENTRIES_MAX && allowlist_next(&a, &entries[count], &why))
		count++;
	line = a.line;
	return why;
}

static bool is_entry(unsigned i, const char *host, unsigned port)
{
	return i < count && entries[i].host_len == strlen(host) &&
	       memcmp(entries[i].host, host, strlen(host)) == 0 &&
	       entries[i].port == port;
}

TEST(the_forms_that_are_in_use_are_read)
{
	static const char *const texts[] = {
		"allowlist:\n"
		"- {address: kms.us-east-1.amazonaws.com, port: 443}\n"
		"- {address: 127.0.0.1, port: 2049 }\n",

		"# what may be reached\n---\n\nallowlist: # all of it\n"
		"  - address: kms.us-east-1.amazonaws.com # KMS\n"
		"    port: 443\n\n"
		"  -   port: 2049\n"
		"      address: '127.0.0.1'\n",

		"\xef\xbb\xbf"
		"allowlist:\r\n"
		"- address: \"kms.us-east-1.amazonaws.com\"\r\n"
		"  port: 443\r\n"
		"- {\"address\": 127.0.0.1, 'port': 2049}\r\n",

		"version: 1\nother:\n  - a\n  - b: {c}\nallowlist:\n"
		"  - {address: kms.us-east-1.amazonaws.com,\n"
		"     port: 443, comment: 'a, b'}\n"
		"  - note: x\n    address: 127.0.0.1\n    port: 2049\n"
		"more: yes\n",

		"allowlist: [{address: kms.us-east-1.amazonaws.com, "
		"port: 443},\n {port: 2049, address: 127.0.0.1}]",

		"allowlist:\n"
		"- {address: kms.us-east-1.amazonaws.com, port: 443}\n"
		"- {address: 127.0.0.1, port: 2049}\n"
		"---\n"
		"- {address: another.document, port: 1}\n",
	};

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *why = read_text(texts[i]);

		CHECK_STR(why ? why : "", "");
		CHECK_INT(count, 2);
		CHECK(is_entry(0, "kms.us-east-1.amazonaws.com", 443));
		CHECK(is_entry(1, "127.0.0.1", 2049));
	}
}

TEST(a_colon_and_a_hash_may_be_of_a_word)
{
	CHECK(!read_text("allowlist:\n"
			 "- {address: 2001:db8::1, port: 443}\n"
			 "- address: a#b\n"
			 "  port: 1\n"
			 "- address: fe80::1\n"
			 "  port: 2"));
	CHECK(is_entry(0, "2001:db8::1", 443));
	CHECK(is_entry(1, "a#b", 1));
	CHECK(is_entry(2, "fe80::1", 2));
	CHECK_INT(entries[1].line, 3);
}

TEST(an_empty_list_allows_nothing)
{
	CHECK(!read_text("allowlist: []"));
	CHECK_INT(count, 0);
	CHECK(!read_text("allowlist: [ # nothing\n ]\nmore: 1"));
	CHECK_INT(count, 0);
}

TEST(what_is_no_allowlist_is_refused_with_its_line)
{
	static const char bad[] = "Bad yaml format",
			  none[] = "No allowlist field",
			  host[] = "No address field",
			  port[] = "No port field or invalid type",
			  range[] = "a port is a number from 1 to 65535";
	static const struct {
		const char *text, *why;
		unsigned line, count;
	} rows[] = {
		{ "", none, 0, 0 },
		{ "# nothing", none, 1, 0 },
		{ "- {address: a, port: 1}", none, 1, 0 },
		{ "allowlist:", none, 1, 0 },
		{ "allowlist: yes", none, 1, 0 },
		{ "allowlists:\n- {address: a, port: 1}", none, 2, 0 },
		{ "whitelist:\n- {address: a, port: 1}", none, 2, 0 },
		{ "{\"allowlist\": []}", "JSON is not read here", 1, 0 },
		{ "allowlist:\n- {address: a, port: 1}\n- {port: 1}", host, 3,
		  1 },
		{ "allowlist:\n- {address: a}", port, 2, 0 },
		{ "allowlist:\n- {address: '', port: 1}", host, 2, 0 },
		{ "allowlist:\n- {address: a, port: '1'}", port, 2, 0 },
		{ "allowlist:\n- {address: a, port: 0x1bb}", port, 2, 0 },
		{ "allowlist:\n- {address: a, port: -1}", port, 2, 0 },
		{ "allowlist:\n- {address: a, port: 65979}", range, 2, 0 },
		{ "allowlist:\n- {address: a, port: 0}", range, 2, 0 },
		{ "allowlist:\n- {address: a, address: b, port: 1}", bad, 2,
		  0 },
		{ "allowlist:\n- {address: a, port: 1", bad, 2, 0 },
		{ "allowlist:\n- {address: a, port: 1} x", bad, 2, 0 },
		{ "allowlist:\n- {address a, port: 1}", bad, 2, 0 },
		{ "allowlist:\n- {address: &a b, port: 1}", bad, 2, 0 },
		{ "allowlist:\n- {address: \"a\\x41\", port: 1}", bad, 2, 0 },
		{ "allowlist:\n- {address: 'a, port: 1}", bad, 2, 0 },
		{ "allowlist:\n- a:443", bad, 2, 0 },
		{ "allowlist:\n-", bad, 2, 0 },
		{ "allowlist:\n  address: a\n  port: 1", bad, 2, 0 },
		{ "allowlist:\n- address: a\n   port: 1", bad, 3, 0 },
		{ "allowlist:\n- address: a\n\tport: 1", bad, 3, 0 },
		{ "allowlist:\n- address: a b\n  port: 1", bad, 2, 0 },
		{ "allowlist: [{address: a, port: 1}", bad, 1, 0 },
		{ "allowlist: [{address: a, port: 1} {", bad, 1, 0 },
		{ "allowlist: [a]", bad, 1, 0 },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *why = read_text(rows[i].text);

		CHECK_STR(why ? why : rows[i].text, rows[i].why);
		CHECK_INT(line, rows[i].line);
		CHECK_INT(count, rows[i].count);
	}
}

CHECK_MAIN("relay_allowlist")
