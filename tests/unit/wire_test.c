#include "nsm/wire.h"

#include <errno.h>
#include <limits.h>

#include "tests/unit/check.h"

/* Bytes from hexadecimal text with blanks in it, in memory of just that size. */
struct bytes {
	uint8_t *at;
	size_t len;
};

static unsigned digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static struct bytes hex(const char *text)
{
	struct bytes b = { .at = malloc(strlen(text) / 2 + 1) };

	REQUIRE(b.at);
	for (; *text; text++) {
		if (*text == ' ')
			continue;
		b.at[b.len++] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
		text++;
	}
	b.at = realloc(b.at, b.len ? b.len : 1);
	REQUIRE(b.at);
	return b;
}

static struct bytes join(const char *before, size_t n, uint8_t fill,
			 const char *after)
{
	struct bytes b = hex(before), a = hex(after);

	b.at = realloc(b.at, b.len + n + a.len);
	REQUIRE(b.at);
	memset(b.at + b.len, fill, n);
	memcpy(b.at + b.len + n, a.at, a.len);
	b.len += n + a.len;
	free(a.at);
	return b;
}

#define RANDOM "a1 69 47657452616e646f6d a1 66 72616e646f6d "
#define PCR "a1 6b 4465736372696265504352 "
#define LOCK "64 6c6f636b "
#define DATA "64 64617461 "
#define ERROR "a1 65 4572726f72 "

/* The same, whose outer map is open. */
#define OPEN_RANDOM "bf 69 47657452616e646f6d "
#define OPEN_PCR "bf 6b 4465736372696265504352 "
#define OPEN_ERROR "bf 65 4572726f72 "

static int read_random(const char *text)
{
	struct bytes b = hex(text);
	struct nsmc_bytes data;
	int r = wire_read_random(b.at, b.len, &data);

	free(b.at);
	return r;
}

static int read_pcr(const char *text)
{
	struct bytes b = hex(text);
	struct nsmc_pcr pcr;
	int r = wire_read_pcr(b.at, b.len, &pcr);

	free(b.at);
	return r;
}

/* --- requests --- */

static void check_request(const uint8_t *got, size_t len, const char *wanted)
{
	struct bytes b = hex(wanted);

	if (CHECK_INT(len, b.len))
		CHECK_MEM(got, b.at, len);
	free(b.at);
}

/* All of FACTS: what a serde client sends, byte for byte. */
TEST(requests_are_the_bytes_that_work)
{
	uint8_t buf[WIRE_REQUEST_CAP];

	check_request(buf, wire_describe(buf), "6b 44657363726962654e534d");
	check_request(buf, wire_get_random(buf), "69 47657452616e646f6d");
	check_request(buf, wire_describe_pcr(buf, 0),
		      PCR "a1 65 696e646578 00");
	check_request(buf, wire_describe_pcr(buf, 16),
		      PCR "a1 65 696e646578 10");
	check_request(buf, wire_describe_pcr(buf, 31),
		      PCR "a1 65 696e646578 181f");
	check_request(buf, wire_describe_pcr(buf, 255),
		      PCR "a1 65 696e646578 18ff");
	check_request(buf, wire_lock_pcr(buf, 16),
		      "a1 67 4c6f636b504352 a1 65 696e646578 10");
	check_request(buf, wire_lock_pcrs(buf, 18),
		      "a1 68 4c6f636b50435273 a1 65 72616e6765 12");
	check_request(buf, wire_lock_pcrs(buf, 32),
		      "a1 68 4c6f636b50435273 a1 65 72616e6765 1820");
	check_request(buf, wire_lock_pcrs(buf, 0),
		      "a1 68 4c6f636b50435273 a1 65 72616e6765 00");
}

#define EXTEND "a1 69 457874656e64504352 a2 65 696e646578 "
#define ATTEST "a1 6b 4174746573746174696f6e a3 69 757365725f64617461 "

static struct nsmc_bytes view(const void *data, size_t len)
{
	return (struct nsmc_bytes){ data, len };
}

TEST(extensions_carry_their_bytes)
{
	uint8_t buf[4096], data[4096] = { 0 };

	check_request(buf,
		      wire_extend_pcr(buf, sizeof(buf), 16, view("\1\2\3", 3)),
		      EXTEND "10 64 64617461 43 010203");
	check_request(buf, wire_extend_pcr(buf, sizeof(buf), 31, view("", 0)),
		      EXTEND "181f 64 64617461 40");
	CHECK_INT(wire_extend_pcr(buf, sizeof(buf), 23, view(data, 4069)),
		  4096);
	CHECK_INT(wire_extend_pcr(buf, sizeof(buf), 24, view(data, 4068)),
		  4096);
	CHECK_INT(wire_extend_pcr(buf, sizeof(buf), 24, view(data, 4069)), 0);
	CHECK_INT(wire_extend_pcr(buf, sizeof(buf), 0, view(data, SIZE_MAX)),
		  0);
}

TEST(attestations_tell_absent_from_empty)
{
	static const uint8_t nonce[] = { 0, 1, 2,  3,  4,  5,  6,  7,
					 8, 9, 10, 11, 12, 13, 14, 15 };
	const struct nsmc_bytes none = { NULL, 0 };
	uint8_t buf[4096], data[4096] = { 0 };

	check_request(buf, wire_attest(buf, sizeof(buf), none, none, none),
		      ATTEST "f6 65 6e6f6e6365 f6 6a 7075626c69635f6b6579 f6");
	check_request(buf,
		      wire_attest(buf, sizeof(buf), view("hi", 2),
				  view(nonce, 16), none),
		      ATTEST "42 6869 65 6e6f6e6365 50 "
			     "000102030405060708090a0b0c0d0e0f 6a "
			     "7075626c69635f6b6579 f6");
	check_request(buf,
		      wire_attest(buf, sizeof(buf), view("", 0), none,
				  view("", 0)),
		      ATTEST "40 65 6e6f6e6365 f6 6a 7075626c69635f6b6579 40");
	CHECK_INT(wire_attest(buf, sizeof(buf), view(data, 1024),
			      view(data, 1024), view(data, 1024)),
		  3122);
	CHECK_INT(wire_attest(buf, sizeof(buf), view(data, 4050), none, none),
		  4096);
	CHECK_INT(wire_attest(buf, sizeof(buf), view(data, 4051), none, none),
		  0);
}

/* Into memory of just that size: the sanitizer sees a byte too many. */
TEST(requests_that_do_not_fit_are_none)
{
	for (size_t cap = 0; cap < 28; cap++) {
		uint8_t *buf = malloc(cap ? cap : 1);

		REQUIRE(buf);
		CHECK_INT(wire_extend_pcr(buf, cap, 16, view("\1\2\3", 3)), 0);
		free(buf);
	}
}

/* --- answers as they should be --- */

TEST(random_bytes_of_any_length_are_found)
{
	static const struct {
		const char *head;
		size_t len;
	} cases[] = {
		{ RANDOM "59 0100", 256 },
		{ RANDOM "58 ff", 255 },
		{ RANDOM "58 18", 24 },
		{ RANDOM "57", 23 },
		{ RANDOM "41", 1 },
		{ RANDOM "58 01", 1 },
		{ RANDOM "5a 00000100", 256 },
		{ RANDOM "5b 0000000000000100", 256 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes b = join(cases[i].head, cases[i].len, 0xab, "");
		struct nsmc_bytes data = { 0 };

		CHECK_INT(wire_read_random(b.at, b.len, &data), 0);
		CHECK_INT(data.len, cases[i].len);
		CHECK(data.data == b.at + b.len - data.len);
		free(b.at);
	}
}

/* A PCR of LEN bytes FILL between BEFORE and AFTER. */
static void check_pcr(const char *before, size_t len, uint8_t fill,
		      const char *after, bool wanted)
{
	struct bytes b = join(before, len, fill, after);
	struct nsmc_pcr pcr = { .locked = !wanted };

	if (CHECK_INT(wire_read_pcr(b.at, b.len, &pcr), 0)) {
		CHECK_INT(pcr.locked, wanted);
		if (CHECK_INT(pcr.len, len))
			CHECK(pcr.value[0] == fill &&
			      pcr.value[len - 1] == fill);
	}
	free(b.at);
}

TEST(pcr_is_read_in_either_order_of_keys)
{
	check_pcr(PCR "a2" LOCK "f4" DATA "58 30", 48, 0, "", false);
	check_pcr(PCR "a2" LOCK "f5" DATA "58 30", 48, 0, "", true);
	check_pcr(PCR "a2" DATA "58 30", 48, 0xfe, LOCK "f5", true);
	check_pcr(PCR "a2" DATA "58 30", 48, 0xfe, LOCK "f4", false);
}

TEST(pcr_of_each_digest_fits)
{
	check_pcr(PCR "a2" LOCK "f5" DATA "58 20", 32, 1, "", true);
	check_pcr(PCR "a2" LOCK "f5" DATA "58 40", 64, 1, "", true);
}

TEST(unknown_fields_are_passed_over)
{
	/* null, number, text, bytes, truth, nested arrays and maps */
	check_pcr(PCR "a4 61 61 f6" LOCK "f5 61 62 1b ffffffffffffffff" DATA
		      "58 30",
		  48, 7, "", true);
	check_pcr(PCR "a4" DATA "58 30", 48, 7,
		  "61 78 83 01 82 f4 f5 a1 61 61 80 " LOCK
		  "f5 61 79 a2 61 6b 42 0102 61 6c a0",
		  true);
	/* negative, tagged, float, undefined */
	check_pcr(PCR "a6 61 61 20" LOCK "f5 61 62 c2 41 00 61 63 "
		      "fb 3ff0000000000000 61 64 f7" DATA "58 30",
		  48, 7, "", true);
	/* A value that looks like the field it is not. */
	check_pcr(PCR "a3 61 78 a1" DATA "41 ff" DATA "58 30", 48, 7, LOCK "f5",
		  true);
	CHECK_INT(read_random("a1 69 47657452616e646f6d a2 61 7a 64 7a7a7a7a "
			      "66 72616e646f6d 41 aa"),
		  0);
}

TEST(extensions_answer_the_new_value)
{
	struct bytes b = join("a1 69 457874656e64504352 a1 64 64617461 58 30",
			      48, 0x5a, "");
	struct nsmc_pcr pcr;

	CHECK_INT(b.len, 67);
	CHECK_INT(wire_read_extend(b.at, b.len, &pcr), 0);
	CHECK_INT(pcr.len, 48);
	CHECK_INT(pcr.value[47], 0x5a);
	CHECK(!pcr.locked);
	for (size_t len = 0; len < b.len; len++)
		CHECK_INT(wire_read_extend(b.at, len, &pcr), -NSMC_E_TRUNCATED);
	free(b.at);
}

TEST(documents_are_found_in_their_answer)
{
	struct bytes b = join("a1 6b 4174746573746174696f6e a1 68 "
			      "646f63756d656e74 59 0400",
			      1024, 0x84, "");
	struct nsmc_bytes doc;

	CHECK_INT(wire_read_attest(b.at, b.len, &doc), 0);
	CHECK_INT(doc.len, 1024);
	CHECK(doc.data == b.at + b.len - 1024);
	for (size_t len = 0; len < b.len; len++)
		CHECK_INT(wire_read_attest(b.at, len, &doc), -NSMC_E_TRUNCATED);
	free(b.at);
}

static int read_lock(const char *text)
{
	struct bytes b = hex(text);
	int r = wire_read_lock_pcr(b.at, b.len);

	free(b.at);
	return r;
}

TEST(locks_answer_a_bare_word)
{
	struct bytes b = hex("68 4c6f636b50435273");

	CHECK_INT(read_lock("67 4c6f636b504352"), 0);
	CHECK_INT(wire_read_lock_pcrs(b.at, b.len), 0);
	free(b.at);
	/* the other one, more, less, another type, fields, nothing */
	CHECK_INT(read_lock("68 4c6f636b50435273"), -NSMC_E_MALFORMED);
	CHECK_INT(read_lock("67 4c6f636b504352 00"), -NSMC_E_MALFORMED);
	CHECK_INT(read_lock("67 4c6f636b5043"), -NSMC_E_TRUNCATED);
	CHECK_INT(read_lock("47 4c6f636b504352"), -NSMC_E_MALFORMED);
	CHECK_INT(read_lock("a1 67 4c6f636b504352 a0"), -NSMC_E_MALFORMED);
	CHECK_INT(read_lock(""), -NSMC_E_TRUNCATED);
	CHECK_INT(read_lock(ERROR "6d 526561644f6e6c79496e646578"),
		  -NSMC_E_READ_ONLY_INDEX);
	CHECK_INT(read_lock(ERROR "6c 496e76616c6964496e646578"),
		  -NSMC_E_INVALID_INDEX);
}

/* QEMU's order of keys, then serde's. */
#define QEMU                                                   \
	"a1 6b 44657363726962654e534d a7 66 646967657374 66 "  \
	"534841333834 68 6d61785f70637273 1820 69 "            \
	"6d6f64756c655f6964 6d 692d3233342d656e6335363738 6b " \
	"6c6f636b65645f70637273 90 "                           \
	"000102030405060708090a0b0c0d0e0f 6d "                 \
	"76657273696f6e5f6d616a6f72 01 6d "                    \
	"76657273696f6e5f6d696e6f72 00 6d "                    \
	"76657273696f6e5f7061746368 07"

static int read_describe(const char *text, struct nsmc_description *d)
{
	struct bytes b = hex(text);
	int r = wire_read_describe(b.at, b.len, d);

	free(b.at);
	return r;
}

TEST(the_nsm_is_described)
{
	struct nsmc_description d;
	struct bytes b = hex(QEMU);

	CHECK_INT(b.len, 137);
	CHECK_INT(wire_read_describe(b.at, b.len, &d), 0);
	CHECK_STR(d.module_id, "i-234-enc5678");
	CHECK_STR(d.digest, "SHA384");
	CHECK_INT(d.max_pcrs, 32);
	CHECK_INT(d.locked_pcrs, 0xffff);
	CHECK_INT(d.version_major, 1);
	CHECK_INT(d.version_minor, 0);
	CHECK_INT(d.version_patch, 7);
	for (size_t len = 0; len < b.len; len++)
		CHECK_INT(wire_read_describe(b.at, len, &d), -NSMC_E_TRUNCATED);
	free(b.at);

	/* no PCR locked; one too high to be told; the id's odd characters */
	CHECK_INT(read_describe(
			  "a1 6b 44657363726962654e534d a7 6d "
			  "76657273696f6e5f6d616a6f72 01 6d "
			  "76657273696f6e5f6d696e6f72 00 6d "
			  "76657273696f6e5f7061746368 00 69 "
			  "6d6f64756c655f6964 63 611b62 68 6d61785f70637273 "
			  "19ffff 6b 6c6f636b65645f70637273 82 181f 1840 66 "
			  "646967657374 66 534841353132",
			  &d),
		  0);
	CHECK_STR(d.module_id, "a?b");
	CHECK_STR(d.digest, "SHA512");
	CHECK_INT(d.max_pcrs, 65535);
	CHECK_INT(d.locked_pcrs, 0x80000000);
}

/* The description with one field's value, at the end, in place of "07". */
static int describe_with(const char *value)
{
	static const char before[] = QEMU;
	char text[sizeof(before) + 100];
	struct nsmc_description d;

	(void)snprintf(text, sizeof(text), "%.*s%s", (int)sizeof(before) - 3,
		       before, value);
	return read_describe(text, &d);
}

TEST(descriptions_out_of_range_are_malformed)
{
	CHECK_INT(describe_with("19ffff"), 0);
	CHECK_INT(describe_with("1a00010000"), -NSMC_E_MALFORMED);
	CHECK_INT(describe_with("1bffffffffffffffff"), -NSMC_E_MALFORMED);
	CHECK_INT(describe_with("20"), -NSMC_E_MALFORMED);
	CHECK_INT(describe_with("f6"), -NSMC_E_MALFORMED);
	CHECK_INT(describe_with("0700"), -NSMC_E_MALFORMED);
}

TEST(locked_pcrs_must_be_numbers)
{
	static const char *const lists[] = { "81 f6",	 "81 20", "81 61 61",
					     "a1 00 00", "00",	  "f6" };
	struct nsmc_description d;
	char text[400];

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		(void)snprintf(text, sizeof(text),
			       "a1 6b 44657363726962654e534d a7 66 "
			       "646967657374 66 534841333834 68 "
			       "6d61785f70637273 1820 69 6d6f64756c655f6964 "
			       "61 69 6b 6c6f636b65645f70637273 %s 6d "
			       "76657273696f6e5f6d616a6f72 01 6d "
			       "76657273696f6e5f6d696e6f72 00 6d "
			       "76657273696f6e5f7061746368 00",
			       lists[i]);
		CHECK_INT(read_describe(text, &d), -NSMC_E_MALFORMED);
	}
}

/* Longer than there is room for: the id is cut, the digest refused. */
TEST(long_texts_of_the_nsm_do_not_overflow)
{
	struct nsmc_description d;
	char id[2 * 300 + 1], text[1400];

	memset(id, '6', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	(void)snprintf(text, sizeof(text),
		       "a1 6b 44657363726962654e534d a7 66 646967657374 66 "
		       "534841333834 68 6d61785f70637273 1820 69 "
		       "6d6f64756c655f6964 79 012c %s 6b "
		       "6c6f636b65645f70637273 80 6d "
		       "76657273696f6e5f6d616a6f72 01 6d "
		       "76657273696f6e5f6d696e6f72 00 6d "
		       "76657273696f6e5f7061746368 00",
		       id);
	CHECK_INT(read_describe(text, &d), 0);
	CHECK_INT(strlen(d.module_id), NSMC_MODULE_ID_MAX);
	CHECK_INT(d.locked_pcrs, 0);
	CHECK_INT(read_describe("a1 6b 44657363726962654e534d a7 66 "
				"646967657374 68 5348413338343838 68 "
				"6d61785f70637273 1820 69 6d6f64756c655f6964 "
				"61 69 6b 6c6f636b65645f70637273 80 6d "
				"76657273696f6e5f6d616a6f72 01 6d "
				"76657273696f6e5f6d696e6f72 00 6d "
				"76657273696f6e5f7061746368 00",
				&d),
		  -NSMC_E_MALFORMED);
}

/* --- refusals --- */

TEST(each_refusal_is_told_apart)
{
	static const struct {
		const char *answer;
		int r;
		const char *text;
	} cases[] = {
		{ ERROR "6f 496e76616c6964417267756d656e74",
		  -NSMC_E_INVALID_ARGUMENT, "InvalidArgument" },
		{ ERROR "6c 496e76616c6964496e646578", -NSMC_E_INVALID_INDEX,
		  "InvalidIndex" },
		{ ERROR "6f 496e76616c6964526573706f6e7365",
		  -NSMC_E_INVALID_RESPONSE, "InvalidResponse" },
		{ ERROR "6d 526561644f6e6c79496e646578",
		  -NSMC_E_READ_ONLY_INDEX, "ReadOnlyIndex" },
		{ ERROR "70 496e76616c69644f7065726174696f6e",
		  -NSMC_E_INVALID_OPERATION, "InvalidOperation" },
		{ ERROR "6e 427566666572546f6f536d616c6c",
		  -NSMC_E_BUFFER_TOO_SMALL, "BufferTooSmall" },
		{ ERROR "6d 496e707574546f6f4c61726765",
		  -NSMC_E_INPUT_TOO_LARGE, "InputTooLarge" },
		{ ERROR "6d 496e7465726e616c4572726f72", -NSMC_E_INTERNAL_ERROR,
		  "InternalError" },
		/* None of them: a success, a prefix, more than the name. */
		{ ERROR "67 53756363657373", -NSMC_E_UNKNOWN,
		  "an error without a known name" },
		{ ERROR "6c 496e7465726e616c4572726f", -NSMC_E_UNKNOWN,
		  "an error without a known name" },
		{ ERROR "6e 496e7465726e616c4572726f7273", -NSMC_E_UNKNOWN,
		  "an error without a known name" },
		{ ERROR "60", -NSMC_E_UNKNOWN,
		  "an error without a known name" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CHECK_INT(read_random(cases[i].answer), cases[i].r);
		CHECK_INT(read_pcr(cases[i].answer), cases[i].r);
		CHECK_STR(wire_error_text(cases[i].r), cases[i].text);
	}
}

TEST(other_numbers_are_the_systems)
{
	CHECK_STR(wire_error_text(-EIO), strerror(EIO));
	CHECK_STR(wire_error_text(0), "an unknown error");
	CHECK_STR(wire_error_text(-NSMC_E_INVALID_ARGUMENT + 1),
		  "an unknown error");
	CHECK_STR(wire_error_text(-NSMC_E_NOT_LOCKED - 1), "an unknown error");
	CHECK_STR(wire_error_text(INT_MIN), "an unknown error");
	CHECK_STR(wire_error_text(INT_MAX), "an unknown error");
	CHECK_STR(wire_error_text(-INT_MAX), "an unknown error");
	CHECK_STR(wire_error_text(NSMC_E_INVALID_INDEX), "an unknown error");
}

/* --- answers as they should not be --- */

TEST(cut_answers_are_never_good)
{
	const struct bytes good[] = {
		join(RANDOM "59 0100", 256, 0xab, ""),
		join(RANDOM "41", 1, 0xab, ""),
		join(PCR "a2" LOCK "f4" DATA "58 30", 48, 0, ""),
		join(PCR "a2" DATA "58 30", 48, 0, LOCK "f5"),
		join(PCR "a3 61 78 82 01 a1 01 02" DATA "58 30", 48, 0,
		     LOCK "f5"),
		hex(ERROR "6d 496e7465726e616c4572726f72"),
		join(OPEN_PCR "bf 61 78 9f 01 bf 01 02 ff ff" DATA "58 30", 48,
		     0, LOCK "f5 ff ff"),
		hex(OPEN_ERROR "6d 496e7465726e616c4572726f72 ff"),
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		for (size_t len = 0; len < good[i].len; len++) {
			uint8_t *cut = malloc(len ? len : 1);
			struct nsmc_bytes data;
			struct nsmc_pcr pcr;

			REQUIRE(cut);
			memcpy(cut, good[i].at, len);
			/* Cut short is said as such by the reader it is for. */
			CHECK_INT(i < 2 ? wire_read_random(cut, len, &data) :
					  wire_read_pcr(cut, len, &pcr),
				  -NSMC_E_TRUNCATED);
			CHECK(wire_read_random(cut, len, &data) < 0);
			CHECK(wire_read_pcr(cut, len, &pcr) < 0);
			free(cut);
		}
		free(good[i].at);
	}
}

TEST(bytes_after_the_end_are_refused)
{
	CHECK_INT(read_random(RANDOM "41 aa"), 0);
	CHECK_INT(read_random(RANDOM "41 aa 00"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random(RANDOM "41 aa ff"), -NSMC_E_MALFORMED);
	CHECK_INT(read_pcr(PCR "a2" LOCK "f5" DATA "41 00 f6"),
		  -NSMC_E_MALFORMED);
	CHECK_INT(read_pcr(ERROR "6c 496e76616c6964496e646578 ff"),
		  -NSMC_E_MALFORMED);
	CHECK_INT(read_lock(ERROR "6c 496e76616c6964496e646578 00"),
		  -NSMC_E_MALFORMED);
}

TEST(answers_to_something_else_are_refused)
{
	CHECK_INT(read_random(PCR "a2" LOCK "f5" DATA "41 00"),
		  -NSMC_E_MALFORMED);
	CHECK_INT(read_pcr(RANDOM "41 aa"), -NSMC_E_MALFORMED);
	/* LockPCR's bare text, an array, a number, an empty map, two pairs */
	CHECK_INT(read_pcr("67 4c6f636b504352"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random("69 47657452616e646f6d"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random("81 01"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random("00"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random("a0"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random("a2 69 47657452616e646f6d a1 66 72616e646f6d 41 "
			      "aa 61 61 00"),
		  -NSMC_E_MALFORMED);
	/* no map of fields below the name; a name that is not text */
	CHECK_INT(read_random("a1 69 47657452616e646f6d 41 aa"),
		  -NSMC_E_MALFORMED);
	CHECK_INT(read_random("a1 49 47657452616e646f6d a1 66 72616e646f6d 41 "
			      "aa"),
		  -NSMC_E_MALFORMED);
	CHECK_INT(read_random(ERROR "01"), -NSMC_E_MALFORMED);
}

TEST(fields_missing_twice_or_of_another_type_are_refused)
{
	CHECK_INT(read_random("a1 69 47657452616e646f6d a0"),
		  -NSMC_E_MALFORMED);
	CHECK_INT(read_random("a1 69 47657452616e646f6d a1 61 61 41 aa"),
		  -NSMC_E_MALFORMED);
	CHECK_INT(read_random("a1 69 47657452616e646f6d a2 66 72616e646f6d 41 "
			      "aa 66 72616e646f6d 41 aa"),
		  -NSMC_E_MALFORMED);
	CHECK_INT(read_random(RANDOM "61 61"), -NSMC_E_MALFORMED); /* text */
	CHECK_INT(read_random(RANDOM "f6"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random(RANDOM "81 01"), -NSMC_E_MALFORMED);
	CHECK_INT(read_pcr(PCR "a1" LOCK "f5"), -NSMC_E_MALFORMED);
	CHECK_INT(read_pcr(PCR "a1" DATA "41 00"), -NSMC_E_MALFORMED);
	CHECK_INT(read_pcr(PCR "a2" LOCK "01" DATA "41 00"), -NSMC_E_MALFORMED);
	CHECK_INT(read_pcr(PCR "a2" LOCK "f6" DATA "41 00"), -NSMC_E_MALFORMED);
	CHECK_INT(read_pcr(PCR "a3" LOCK "f5" DATA "41 00" LOCK "f5"),
		  -NSMC_E_MALFORMED);
	CHECK_INT(read_pcr(PCR "a2 01 f5" DATA "41 00"), -NSMC_E_MALFORMED);
}

TEST(lengths_out_of_bounds_are_refused)
{
	struct bytes b = join(PCR "a2" LOCK "f5" DATA "58 41", 65, 0, "");
	struct nsmc_pcr pcr;

	CHECK_INT(wire_read_pcr(b.at, b.len, &pcr), -NSMC_E_MALFORMED);
	free(b.at);
	CHECK_INT(read_pcr(PCR "a2" LOCK "f5" DATA "40"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random(RANDOM "40"), -NSMC_E_MALFORMED);
}

TEST(hostile_counts_and_lengths_end_soon)
{
	CHECK_INT(read_random(RANDOM "5b ffffffffffffffff aa"),
		  -NSMC_E_TRUNCATED);
	CHECK_INT(read_random(RANDOM "5b 7fffffffffffffff aa"),
		  -NSMC_E_TRUNCATED);
	CHECK_INT(read_random(RANDOM "5a ffffffff aa"), -NSMC_E_TRUNCATED);
	CHECK_INT(read_random("bb ffffffffffffffff"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random("a1 7b ffffffffffffffff 47"), -NSMC_E_TRUNCATED);
	CHECK_INT(read_random("a1 69 47657452616e646f6d bb ffffffffffffffff 66 "
			      "72616e646f6d 41 aa"),
		  -NSMC_E_TRUNCATED);
	/* in a field that is passed over */
	CHECK_INT(read_pcr(PCR "a3 61 78 9b ffffffffffffffff 01"),
		  -NSMC_E_TRUNCATED);
	CHECK_INT(read_pcr(PCR "a3 61 78 bb 8000000000000000 01"),
		  -NSMC_E_TRUNCATED);
	CHECK_INT(read_pcr(PCR "a3 61 78 82 9b 7fffffffffffffff 01"),
		  -NSMC_E_TRUNCATED);
	CHECK_INT(read_pcr(PCR "a3 61 78 7b ffffffffffffffff 01"),
		  -NSMC_E_TRUNCATED);
}

/* As documents are since 2025: answers may follow. */
TEST(maps_of_answers_may_be_open)
{
	CHECK_INT(read_random("bf 69 47657452616e646f6d a1 66 72616e646f6d 41 "
			      "aa ff"),
		  0);
	CHECK_INT(read_random("a1 69 47657452616e646f6d bf 66 72616e646f6d 41 "
			      "aa ff"),
		  0);
	CHECK_INT(read_random(OPEN_RANDOM "bf 66 72616e646f6d 41 aa ff ff"), 0);
	check_pcr(OPEN_PCR "bf" LOCK "f4" DATA "58 30", 48, 0, "ff ff", false);
	check_pcr(OPEN_PCR "a2" DATA "58 30", 48, 0xfe, LOCK "f5 ff", true);
	check_pcr(PCR "bf" DATA "58 30", 48, 0xfe, LOCK "f5 ff", true);
	/* open values of fields that nobody knows */
	check_pcr(OPEN_PCR "bf 61 78 9f 01 9f ff bf 61 61 80 ff ff" DATA
			   "58 30",
		  48, 7, LOCK "f5 61 79 bf ff ff ff", true);
	/* refusals, also of the locks */
	CHECK_INT(read_random(OPEN_ERROR "6d 496e7465726e616c4572726f72 ff"),
		  -NSMC_E_INTERNAL_ERROR);
	CHECK_INT(read_pcr(OPEN_ERROR "6c 496e76616c6964496e646578 ff"),
		  -NSMC_E_INVALID_INDEX);
	CHECK_INT(read_lock(OPEN_ERROR "6d 526561644f6e6c79496e646578 ff"),
		  -NSMC_E_READ_ONLY_INDEX);
	CHECK_INT(read_lock("bf 67 4c6f636b504352 a0 ff"), -NSMC_E_MALFORMED);
}

TEST(documents_are_found_in_open_answers)
{
	static const struct {
		const char *before, *after;
	} forms[] = {
		{ "bf 6b 4174746573746174696f6e a1 68 646f63756d656e74 59 0400",
		  "ff" },
		{ "a1 6b 4174746573746174696f6e bf 68 646f63756d656e74 59 0400",
		  "ff" },
		{ "bf 6b 4174746573746174696f6e bf 68 646f63756d656e74 59 0400",
		  "ffff" },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct bytes b =
			join(forms[i].before, 1024, 0x84, forms[i].after);
		struct nsmc_bytes doc;

		CHECK_INT(wire_read_attest(b.at, b.len, &doc), 0);
		CHECK_INT(doc.len, 1024);
		CHECK(doc.data[0] == 0x84 && doc.data[1023] == 0x84);
		for (size_t len = 0; len < b.len; len++)
			CHECK_INT(wire_read_attest(b.at, len, &doc),
				  -NSMC_E_TRUNCATED);
		free(b.at);
	}
}

/* The description with this list of locked PCRs, in open maps or not. */
static int describe_locked(bool open, const char *list, uint32_t *ret)
{
	struct nsmc_description d = { 0 };
	char text[500];
	int r;

	(void)snprintf(text, sizeof(text),
		       "%s 6b 44657363726962654e534d %s 66 "
		       "646967657374 66 534841333834 68 "
		       "6d61785f70637273 1820 69 6d6f64756c655f6964 "
		       "61 69 6b 6c6f636b65645f70637273 %s 6d "
		       "76657273696f6e5f6d616a6f72 01 6d "
		       "76657273696f6e5f6d696e6f72 00 6d "
		       "76657273696f6e5f7061746368 00 %s",
		       open ? "bf" : "a1", open ? "bf" : "a7", list,
		       open ? "ffff" : "");
	r = read_describe(text, &d);
	*ret = d.locked_pcrs;
	return r;
}

TEST(locked_pcrs_may_be_an_open_list)
{
	static const struct {
		const char *list;
		uint32_t locked;
		int r;
	} rows[] = {
		{ "80", 0, 0 },
		{ "9f ff", 0, 0 },
		{ "9f 00 01 02 ff", 7, 0 },
		{ "9f 181f 1820 1840 ff", UINT32_C(1) << 31, 0 },
		{ "83 00 01 02", 7, 0 },
		{ "9f 00 20 ff", 0, -NSMC_E_MALFORMED },
		{ "9f 9f ff ff", 0, -NSMC_E_MALFORMED },
		{ "9f c1 00 ff", 0, -NSMC_E_MALFORMED },
		{ "bf 00 00 ff", 0, -NSMC_E_MALFORMED },
		{ "81 ff", 0, -NSMC_E_MALFORMED },
		{ "9f 00 ff ff", 0, -NSMC_E_MALFORMED },
	};

	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t locked;
		int r = describe_locked(i % 2, rows[i / 2].list, &locked);

		/* A break too many is the end of the map that it is in. */
		CHECK_INT(r, rows[i / 2].r);
		if (r == 0)
			CHECK_INT(locked, rows[i / 2].locked);
	}
}

TEST(open_answers_end_where_they_say)
{
	/* no break, one too many, and one in place of a value or a key */
	CHECK_INT(read_random(OPEN_RANDOM "a1 66 72616e646f6d 41 aa"),
		  -NSMC_E_TRUNCATED);
	CHECK_INT(read_random(OPEN_RANDOM "bf 66 72616e646f6d 41 aa ff"),
		  -NSMC_E_TRUNCATED);
	CHECK_INT(read_random(OPEN_RANDOM "a1 66 72616e646f6d 41 aa ff ff"),
		  -NSMC_E_MALFORMED);
	CHECK_INT(read_random(RANDOM "41 aa ff"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random(OPEN_RANDOM "bf 66 72616e646f6d ff ff"),
		  -NSMC_E_MALFORMED);
	CHECK_INT(read_random("bf 69 47657452616e646f6d ff"),
		  -NSMC_E_MALFORMED);
	CHECK_INT(read_random("bf ff"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random("bf"), -NSMC_E_TRUNCATED);
	CHECK_INT(read_random("a1 ff"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random(OPEN_RANDOM "a1 ff ff"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random(OPEN_RANDOM "bf ff ff"), -NSMC_E_MALFORMED);
	/* two answers in one */
	CHECK_INT(read_random(OPEN_RANDOM "a1 66 72616e646f6d 41 aa 61 61 00 "
					  "ff"),
		  -NSMC_E_MALFORMED);
	/* a field that comes twice, and one of an odd number of items */
	CHECK_INT(read_random(OPEN_RANDOM "bf 66 72616e646f6d 41 aa "
					  "66 72616e646f6d 41 aa ff ff"),
		  -NSMC_E_MALFORMED);
	CHECK_INT(read_random(OPEN_RANDOM "bf 61 78 bf 01 ff "
					  "66 72616e646f6d 41 aa ff ff"),
		  -NSMC_E_MALFORMED);
	/* refusals */
	CHECK_INT(read_random(OPEN_ERROR "6d 496e7465726e616c4572726f72"),
		  -NSMC_E_TRUNCATED);
	CHECK_INT(read_random(OPEN_ERROR "6d 496e7465726e616c4572726f72 ff ff"),
		  -NSMC_E_MALFORMED);
	CHECK_INT(read_random(OPEN_ERROR "6d 496e7465726e616c4572726f72 00 ff"),
		  -NSMC_E_MALFORMED);
	CHECK_INT(read_random(OPEN_ERROR "ff"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random(ERROR "ff"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random("9f ff"), -NSMC_E_MALFORMED);
}

TEST(chunked_strings_and_tags_are_refused)
{
	CHECK_INT(read_random(RANDOM "5f 41 aa ff"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random("a1 7f 69 47657452616e646f6d ff"),
		  -NSMC_E_MALFORMED);
	CHECK_INT(read_random("d9d9f7 " RANDOM "41 aa"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random(RANDOM "c2 41 aa"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random("ff"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random("1c"), -NSMC_E_MALFORMED); /* reserved */
	CHECK_INT(read_random("fb 3ff0000000000000"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random("20"), -NSMC_E_MALFORMED);
	CHECK_INT(read_random("f7"), -NSMC_E_MALFORMED);
}

/* Each of the 24 tags in one byte, and the longer ones: libcbor knows few. */
TEST(tagged_fields_that_nobody_knows_are_passed_over)
{
	char text[200];

	for (unsigned tag = 0xc0; tag < 0xd8; tag++) {
		snprintf(text, sizeof(text),
			 PCR "a3 61 78 %02x 01 " LOCK "f5" DATA "41 00", tag);
		CHECK_INT(read_pcr(text), 0);
		snprintf(text, sizeof(text),
			 PCR "a3 " LOCK "f5" DATA "41 00"
			     "61 78 %02x",
			 tag);
		CHECK_INT(read_pcr(text), -NSMC_E_TRUNCATED);
	}
	CHECK_INT(read_pcr(PCR "a3 61 78 d8 12 01" LOCK "f5" DATA "41 00"), 0);
	CHECK_INT(read_pcr(PCR "a3 61 78 d9 d9f7 d2 01" LOCK "f5" DATA "41 00"),
		  0);
}

/* No recursion: the depth is as much as an answer can hold. */
TEST(deep_nesting_takes_no_stack)
{
	struct bytes b =
		join(PCR "a3 61 78", 12000, 0x81, "01" LOCK "f5" DATA "41 00");
	struct nsmc_pcr pcr;

	CHECK_INT(wire_read_pcr(b.at, b.len, &pcr), 0);
	b.at[b.len - 1 - 12] = 0x81;
	CHECK(wire_read_pcr(b.at, b.len, &pcr) < 0);
	free(b.at);
}

/* Whatever one byte turns into: a known answer, and no read out of bounds. */
TEST(any_byte_may_be_any_other)
{
	const struct bytes good[] = {
		join(RANDOM "58 20", 32, 0xab, ""),
		join(PCR "a3 61 78 82 01 a1 01 02" DATA "58 30", 48, 0,
		     LOCK "f5"),
		hex(ERROR "6d 496e7465726e616c4572726f72"),
		join(OPEN_PCR "bf 61 78 9f 01 bf 01 02 ff ff" DATA "58 30", 48,
		     0, LOCK "f5 ff ff"),
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		for (size_t at = 0; at < good[i].len * 256; at++) {
			uint8_t kept = good[i].at[at / 256];
			struct nsmc_bytes data = { good[i].at, 0 };
			struct nsmc_pcr pcr;
			int r;

			good[i].at[at / 256] = (uint8_t)at;
			r = i == 0 ? wire_read_random(good[i].at, good[i].len,
						      &data) :
				     wire_read_pcr(good[i].at, good[i].len,
						   &pcr);
			if (r == 0)
				CHECK(data.data >= good[i].at &&
				      data.len <= (size_t)(good[i].at +
							   good[i].len -
							   data.data));
			else
				CHECK(r <= -NSMC_E_INVALID_ARGUMENT &&
				      r >= -NSMC_E_MALFORMED);
			good[i].at[at / 256] = kept;
		}
		free(good[i].at);
	}
}

CHECK_MAIN("wire")
