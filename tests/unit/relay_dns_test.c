/* DNS messages as relay reads, answers and cuts them. */

#include <errno.h>

#include "tests/unit/data.h"
#include "vsock/relay/wire/dns.h"

enum { HEAD = 12 };

/* The question www.Example A IN, with the number 0x1234. */
static const uint8_t plain[] = {
	0x12, 0x34, 1,	 0,   0,   1,	0,   0,	  0,   0, 0, 0, 3, 'w', 'w',
	'w',  7,    'E', 'x', 'a', 'm', 'p', 'l', 'e', 0, 0, 1, 0, 1,
};

static struct dns_query q;

static int read_query(const void *bytes, size_t len)
{
	struct data d = data_copy(bytes, len);
	int r = dns_query_read(d.bytes, len, &q);

	free(d.bytes);
	return r;
}

/* The question of the name with the labels at NAME, LEN bytes with the last 0. */
static int read_name(const void *name, size_t len)
{
	uint8_t m[600] = { [2] = 1, [5] = 1 };

	memcpy(m + HEAD, name, len);
	m[HEAD + len + 1] = 1;
	m[HEAD + len + 3] = 1;
	return read_query(m, HEAD + len + 4);
}

TEST(a_query_is_read)
{
	CHECK_INT(read_query(plain, sizeof(plain)), 0);
	CHECK_STR(q.name, "www.example");
	CHECK_INT(q.id, 0x1234);
	CHECK_INT(q.type, 1);
	CHECK_INT(q.class, DNS_CLASS_IN);
	CHECK_INT(q.question, sizeof(plain));
	CHECK_INT(q.udp_size, 512);
	CHECK(!q.has_opt);
}

TEST(what_is_cut_short_is_no_query)
{
	for (size_t len = 0; len < sizeof(plain); len++)
		CHECK_INT(read_query(plain, len),
			  len < HEAD ? -EBADMSG : DNS_FORMERR);
}

TEST(more_than_a_query_is_none)
{
	uint8_t m[sizeof(plain) + 1] = { 0 };

	memcpy(m, plain, sizeof(plain));
	CHECK_INT(read_query(m, sizeof(m)), DNS_FORMERR);
	m[7] = 1;
	CHECK_INT(read_query(m, sizeof(plain)), DNS_FORMERR);
	m[7] = 0;
	m[5] = 2;
	CHECK_INT(read_query(m, sizeof(plain)), DNS_FORMERR);
	m[5] = 1;
	m[2] = 0x28; /* an update */
	CHECK_INT(read_query(m, sizeof(plain)), DNS_NOTIMP);
	m[2] = 0x81; /* an answer */
	CHECK_INT(read_query(m, sizeof(plain)), -EBADMSG);
}

TEST(names_have_limits)
{
	uint8_t name[300];

	CHECK_INT(read_name("", 1), 0);
	CHECK_STR(q.name, "");
	memset(name, 'a', sizeof(name));
	for (size_t at = 0; at < 256; at += 64)
		name[at] = 63;
	/* 3 labels of 63, and one of 61: 255 bytes with the last. */
	name[192] = 61;
	name[254] = 0;
	CHECK_INT(read_name(name, 255), 0);
	CHECK_INT(strlen(q.name), 253);
	name[192] = 62;
	name[254] = 'a';
	name[255] = 0;
	CHECK_INT(read_name(name, 256), DNS_FORMERR);
	name[0] = 64;
	name[65] = 0;
	CHECK_INT(read_name(name, 66), DNS_FORMERR);
}

TEST(a_question_has_no_pointers)
{
	CHECK_INT(read_name("\xc0\x0c", 2), DNS_FORMERR);
	CHECK_INT(read_name("\xc0\x00", 2), DNS_FORMERR);
	CHECK_INT(read_name("\1a\xc0\x0c", 4), DNS_FORMERR);
	CHECK_INT(read_name("\x80", 1), DNS_FORMERR);
	CHECK_INT(read_name("\x40", 1), DNS_FORMERR);
}

TEST(a_character_that_no_rule_can_have_is_a_question_mark)
{
	CHECK_INT(read_name("\3a.b\2cd", 8), 0);
	CHECK_STR(q.name, "a?b.cd");
	CHECK_INT(read_name("\2a\0", 4), 0);
	CHECK_STR(q.name, "a?");
	CHECK_INT(read_name("\2\xc3\xa4", 4), 0);
	CHECK_STR(q.name, "??");
	CHECK_INT(read_name("\4_TcP\1-", 8), 0);
	CHECK_STR(q.name, "_tcp.-");
}

/* A query with COUNT times the 11 bytes of OPT. */
static size_t with_opt(uint8_t ret[200], uint8_t size_high, unsigned count)
{
	size_t len = sizeof(plain);

	memset(ret, 0, 200);
	memcpy(ret, plain, len);
	ret[11] = (uint8_t)count;
	for (; count > 0; count--, len += 11) {
		ret[len + 2] = 41;
		ret[len + 3] = size_high;
	}
	return len;
}

TEST(the_size_for_answers_is_that_of_opt)
{
	uint8_t m[200];

	CHECK_INT(read_query(m, with_opt(m, 4, 1)), 0);
	CHECK(q.has_opt);
	CHECK_INT(q.udp_size, 1024);
	CHECK_INT(read_query(m, with_opt(m, 1, 1)), 0);
	CHECK_INT(q.udp_size, 512);
	CHECK_INT(read_query(m, with_opt(m, 0xff, 1)), 0);
	CHECK_INT(q.udp_size, 0xff00);
	CHECK_INT(read_query(m, with_opt(m, 4, 2)), DNS_FORMERR);
}

TEST(an_error_has_the_question_and_opt)
{
	uint8_t m[200], e[DNS_ERROR_MAX];
	size_t len;

	CHECK_INT(read_query(plain, sizeof(plain)), 0);
	len = dns_error(plain, &q, DNS_NXDOMAIN, DNS_WHY_PROHIBITED, e);
	CHECK_INT(len, sizeof(plain));
	CHECK_MEM(e, "\x12\x34\x81\x83\0\1\0\0\0\0\0\0", 12);
	CHECK_MEM(e + 12, plain + 12, sizeof(plain) - 12);

	CHECK_INT(read_query(m, with_opt(m, 4, 1)), 0);
	len = dns_error(m, &q, DNS_SERVFAIL, DNS_WHY_UNREACHABLE, e);
	CHECK_INT(len, sizeof(plain) + 17);
	CHECK_MEM(e + sizeof(plain),
		  "\0\0\x29\x04\xd0\0\0\0\0\0\6\0\x0f\0\2\0\x16", 17);
	CHECK_INT(dns_check(e, len), len);

	/* There is no question to repeat. */
	CHECK_INT(read_query(plain, 20), DNS_FORMERR);
	CHECK_INT(dns_error(plain, &q, DNS_FORMERR, DNS_WHY_NONE, e), HEAD);
	CHECK_MEM(e, "\x12\x34\x81\x81\0\0\0\0\0\0\0\0", 12);
}

/* An answer to plain with a record whose owner and data are names. */
static size_t answer(uint8_t ret[200], const void *owner, size_t owner_len,
		     uint8_t type, const void *data, size_t data_len)
{
	size_t len = sizeof(plain);

	memset(ret, 0, 200);
	memcpy(ret, plain, len);
	ret[2] = 0x81;
	ret[7] = 1;
	memcpy(ret + len, owner, owner_len);
	len += owner_len;
	ret[len + 1] = type;
	ret[len + 3] = 1;
	ret[len + 9] = (uint8_t)data_len;
	memcpy(ret + len + 10, data, data_len);
	return len + 10 + data_len;
}

static bool is_good(const void *owner, size_t owner_len, uint8_t type,
		    const void *data, size_t data_len)
{
	uint8_t m[200];
	size_t len = answer(m, owner, owner_len, type, data, data_len);
	struct data d = data_copy(m, len);
	size_t n = dns_check(d.bytes, len);

	CHECK(n == 0 || n == len);
	for (size_t cut = 0; cut < len; cut++)
		CHECK_INT(dns_check(m, cut), 0);
	free(d.bytes);
	return n != 0;
}

TEST(pointers_lead_backwards)
{
	static const uint8_t zeros[20];

	CHECK(is_good("\xc0\x0c", 2, 1, "\1\2\3\4", 4));
	CHECK(is_good("\xc0\x10", 2, 5, "\1a\xc0\x0c", 4));
	/* To itself, forward, into the header, and round about. */
	CHECK(!is_good("\xc0\x1d", 2, 1, "\1\2\3\4", 4));
	CHECK(!is_good("\xc0\x1f", 2, 1, "\1\2\3\4", 4));
	CHECK(!is_good("\xc0\x04", 2, 1, "\1\2\3\4", 4));
	CHECK(!is_good("\1a\xc0\x1d", 4, 1, "\1\2\3\4", 4));
	CHECK(!is_good("\xc0\x0c", 2, 5, "\xc0\x29", 2));
	CHECK(!is_good("\xc0\x0c", 2, 5, "\1a\xc0\x29", 4));
	/* To the type of the question: as labels its bytes go on into the record. */
	CHECK(!is_good("\xc0\x1a", 2, 16, zeros, sizeof(zeros)));
}

TEST(names_in_records_end_with_them)
{
	CHECK(is_good("", 1, 2, "\1a", 3));
	CHECK(!is_good("", 1, 2, "\1a", 2));
	CHECK(is_good("", 1, 15, "\0\1\1a", 5));
	CHECK(!is_good("", 1, 15, "\0\1", 2));
	CHECK(is_good("", 1, 33, "\0\0\0\0\0\1\1a", 9));
	CHECK(!is_good("", 1, 33, "\0\0\0", 3));
	/* Of a type that nobody compresses it is not looked at. */
	CHECK(is_good("", 1, 16, "\xc0\xff", 2));
}

TEST(an_answer_has_number_and_question_of_the_query)
{
	uint8_t m[200];
	size_t len = answer(m, "\xc0\x0c", 2, 1, "\1\2\3\4", 4);

	CHECK_INT(read_query(plain, sizeof(plain)), 0);
	CHECK(dns_is_answer(m, len, plain, &q));
	CHECK(!dns_is_answer(m, HEAD - 1, plain, &q));
	CHECK(!dns_is_answer(m, sizeof(plain) - 1, plain, &q));
	m[1] ^= 1;
	CHECK(!dns_is_answer(m, len, plain, &q));
	m[1] ^= 1;
	/* The case of a letter is a part of the question (0x20). */
	m[17] ^= 0x20;
	CHECK(!dns_is_answer(m, len, plain, &q));
	m[17] ^= 0x20;
	m[sizeof(plain) - 3] = 28;
	CHECK(!dns_is_answer(m, len, plain, &q));
	m[sizeof(plain) - 3] = 1;
	m[2] = 1;
	CHECK(!dns_is_answer(m, len, plain, &q));
	m[2] = 0x81;
	m[5] = 0;
	CHECK(!dns_is_answer(m, len, plain, &q));
	m[3] = DNS_FORMERR;
	CHECK(dns_is_answer(m, HEAD, plain, &q));
}

/* What two machines have sent each other: a query and its answer. */
struct pair {
	struct data file;
	const uint8_t *query;
	uint8_t *answer;
	size_t query_len, answer_len;
};

static struct pair load(const char *name)
{
	char path[64];
	struct pair p;

	(void)snprintf(path, sizeof(path), "relay_dns/%s", name);
	p.file = data_load(path);
	p.query_len = (size_t)p.file.bytes[0] << 8 | p.file.bytes[1];
	p.query = p.file.bytes + 2;
	p.answer = p.file.bytes + 2 + p.query_len;
	p.answer_len = p.file.len - 2 - p.query_len;
	return p;
}

TEST(answers_of_real_servers_are_answers)
{
	static const struct {
		const char *file, *name;
	} all[] = {
		{ "dnsmasq-cname", "www.example" },
		{ "dnsmasq-cut", "big.example" },
		{ "dnsmasq-cut-tcp", "big.example" },
		{ "dnsmasq-dig", "w3.example" },
		{ "dnsmasq-ptr", "1.2.0.192.in-addr.arpa" },
		{ "dnsmasq-aaaa-0x20", "a.example" },
		{ "knot-any-tcp", "example" },
		{ "knot-cut", "txt.example" },
		{ "knot-dname", "x.d.example" },
		{ "knot-nxdomain", "nothing.example" },
		{ "unbound-a", "w3.example" },
		{ "unbound-aaaa-0x20", "sip.example" },
		{ "unbound-chaos", "version.bind" },
		{ "unbound-cname", "www.example" },
		{ "unbound-dig", "w3.example" },
		{ "unbound-dname", "x.d.example" },
		{ "unbound-https", "h.example" },
		{ "unbound-many", "many.example" },
		{ "unbound-mx", "example" },
		{ "unbound-refused", "www.refused.test" },
		{ "unbound-srv", "_sip._tcp.example" },
		{ "unbound-static", "www.static.test" },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct pair p = load(all[i].file);

		CHECK_INT(dns_query_read(p.query, p.query_len, &q), 0);
		CHECK_STR(q.name, all[i].name);
		CHECK(dns_is_answer(p.answer, p.answer_len, p.query, &q));
		CHECK_INT(dns_check(p.answer, p.answer_len), p.answer_len);
		free(p.file.bytes);
	}
}

TEST(a_cut_answer_has_the_records_that_fit_and_opt)
{
	struct pair p = load("unbound-many");
	size_t len = p.answer_len, cut;
	uint8_t opt[11];

	/* 119 addresses of 16 bytes, a signature, and OPT at the end. */
	CHECK_INT(dns_query_read(p.query, p.query_len, &q), 0);
	CHECK_INT(dns_cut(p.answer, len, len), len);
	CHECK(!dns_is_cut(p.answer));
	memcpy(opt, p.answer + len - 11, sizeof(opt));
	cut = dns_cut(p.answer, len, 512);
	CHECK(cut <= 512 && cut > 512 - 16);
	CHECK(dns_is_cut(p.answer));
	CHECK(dns_is_answer(p.answer, cut, p.query, &q));
	CHECK_INT(dns_check(p.answer, cut), cut);
	CHECK_INT(p.answer[7], (cut - q.question - 11) / 16);
	CHECK_INT(p.answer[9], 0);
	CHECK_INT(p.answer[11], 1);
	CHECK_MEM(p.answer + cut - 11, opt, sizeof(opt));
	free(p.file.bytes);
}

TEST(an_opt_of_another_name_goes_with_the_rest)
{
	struct pair p = load("unbound-many");
	size_t len = p.answer_len, cut;
	uint8_t *m = malloc(len + 1);

	/* Its name is a pointer to the root at the end of the question. */
	REQUIRE(m);
	CHECK_INT(dns_query_read(p.query, p.query_len, &q), 0);
	memcpy(m, p.answer, len - 11);
	m[len - 11] = 0xc0;
	m[len - 10] = (uint8_t)(q.question - 5);
	memcpy(m + len - 9, p.answer + len - 10, 10);
	CHECK_INT(dns_check(m, len + 1), len + 1);
	cut = dns_cut(m, len + 1, 512);
	CHECK(cut <= 512);
	CHECK_INT(m[11], 0);
	CHECK_INT(dns_check(m, cut), cut);
	free(m);
	free(p.file.bytes);
}

TEST(a_record_that_does_not_fit_leaves_the_question)
{
	struct pair p = load("dnsmasq-cut-tcp");

	CHECK_INT(dns_query_read(p.query, p.query_len, &q), 0);
	CHECK_INT(dns_cut(p.answer, p.answer_len, 512), q.question);
	CHECK(dns_is_cut(p.answer));
	CHECK_MEM(p.answer + 4, "\0\1\0\0\0\0\0\0", 8);
	free(p.file.bytes);
}

CHECK_MAIN("relay_dns")
