/* JSON, read strictly and written; base64. tests/kms has whole corpora. */

#include <errno.h>

#include "check.h"
#include "nsm/kms/wire/base64.h"
#include "nsm/kms/wire/json.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char room[4 * JSON_TEXT_MAX + 98304];
static const struct json *root;
static struct json_fault fault;

static int read_len(const char *text, size_t len)
{
	return json_read(text, len, room, json_room(len), &root, &fault);
}

static int read_text(const char *text)
{
	return read_len(text, strlen(text));
}

/* --- reading --- */

TEST(members_are_read)
{
	static const char text[] =
		"{ \"a\":\"x\\u00e4\\ud83d\\ude00\\/\\n\",\"n\":1024,\"t\":true,"
		"\"f\":false,\"b\":\"AQID\",\"z\":null,\"o\":{\"a\":\"in\"},"
		"\"l\":[1,\"two\",[]],\"\":\"none\" }\r\n";
	const char *s;
	uint8_t bytes[3];
	uint64_t n;
	size_t len;
	bool is;

	REQUIRE(read_text(text) == 0);
	CHECK_INT(json_kind(root), JSON_OBJECT);
	CHECK_INT(json_count(root), 9);
	CHECK_INT(json_member_text(root, "a", 1, 100, &s), 1);
	CHECK_STR(s, "x\xc3\xa4\xf0\x9f\x98\x80/\n");
	CHECK_INT(json_member_number(root, "n", 1, 1024, &n), 1);
	CHECK_INT(n, 1024);
	CHECK_INT(json_member_bool(root, "t", &is), 1);
	CHECK(is);
	CHECK_INT(json_member_bool(root, "f", &is), 1);
	CHECK(!is);
	CHECK_INT(json_member_bytes(root, "b", 1, 3, bytes, &len), 1);
	CHECK_INT(len, 3);
	CHECK_MEM(bytes, "\1\2\3", 3);
	CHECK_INT(json_member_text(json_member(root, "o"), "a", 1, 2, &s), 1);
	CHECK_STR(s, "in");
	CHECK_INT(json_member_text(root, "", 0, 9, &s), 1);
	CHECK_STR(s, "none");
}

TEST(null_is_as_if_it_were_not_there)
{
	const char *s = NULL;
	uint64_t n;
	size_t len;
	bool is;

	REQUIRE(read_text("{\"a\":null,\"b\":[null]}") == 0);
	CHECK(!json_member(root, "a"));
	CHECK(!json_member(root, "none"));
	CHECK(!json_member(NULL, "a"));
	CHECK(!json_member(json_member(root, "b"), "a"));
	CHECK_INT(json_member_text(root, "a", 0, 9, &s), 0);
	CHECK_INT(json_member_number(root, "a", 0, 9, &n), 0);
	CHECK_INT(json_member_bool(root, "a", &is), 0);
	CHECK_INT(json_member_bytes(root, "a", 0, 9, NULL, &len), 0);
	CHECK(!s);
	CHECK_INT(json_count(NULL), 0);
}

TEST(members_of_another_kind_or_length_are_refused)
{
	const char *s;
	uint8_t bytes[4];
	uint64_t n;
	size_t len;
	bool is;

	REQUIRE(read_text("{\"s\":\"abcd\",\"n\":7,\"z\":\"a\\u0000b\","
			  "\"b\":\"AQIDBA==\"}") == 0);
	CHECK_INT(json_member_text(root, "n", 0, 9, &s), -EPROTO);
	CHECK_INT(json_member_number(root, "s", 0, 9, &n), -EPROTO);
	CHECK_INT(json_member_bool(root, "n", &is), -EPROTO);
	CHECK_INT(json_member_bytes(root, "n", 0, 4, bytes, &len), -EPROTO);
	CHECK_INT(json_member_text(root, "s", 0, 3, &s), -ERANGE);
	CHECK_INT(json_member_text(root, "s", 5, 9, &s), -ERANGE);
	CHECK_INT(json_member_number(root, "n", 8, 9, &n), -ERANGE);
	CHECK_INT(json_member_number(root, "n", 0, 6, &n), -ERANGE);
	CHECK_INT(json_member_text(root, "z", 0, 9, &s), -EILSEQ);
	CHECK_INT(json_member_bytes(root, "b", 0, 3, bytes, &len), -ERANGE);
	CHECK_INT(json_member_bytes(root, "b", 5, 9, bytes, &len), -ERANGE);
	CHECK_INT(json_member_bytes(root, "b", 4, 4, bytes, &len), 1);
	REQUIRE(read_text("{\"b\":\"AQI\",\"c\":\"AQI*\"}") == 0);
	CHECK_INT(json_member_bytes(root, "b", 0, 4, bytes, &len), -EILSEQ);
	CHECK_INT(json_member_bytes(root, "c", 0, 4, bytes, &len), -EILSEQ);
}

TEST(numbers_are_whole_and_from_zero)
{
	static const char *const bad[] = {
		"-1", "1.0", "1e3", "-0", "0.5", "18446744073709551616"
	};
	uint64_t n;

	REQUIRE(read_text("18446744073709551615") == 0);
	CHECK_INT(json_number(root, &n), 0);
	CHECK(n == UINT64_MAX);
	REQUIRE(read_text("0") == 0);
	CHECK_INT(json_number(root, &n), 0);
	CHECK_INT(n, 0);
	for (size_t i = 0; i < COUNT(bad); i++) {
		REQUIRE(read_text(bad[i]) == 0);
		CHECK_INT(json_kind(root), JSON_NUMBER);
		CHECK_INT(json_number(root, &n), -EPROTO);
	}
}

TEST(what_is_no_json_is_refused)
{
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"[1,]",
		"[,1]",
		"{,}",
		"{a:1}",
		"{'a':1}",
		"{\"a\":1}x",
		"{}{}",
		"1 2",
		"nul",
		"True",
		"NaN",
		"Infinity",
		"01",
		"+1",
		"1.",
		".5",
		"1e",
		"0x10",
		"\"a",
		"\"\\x\"",
		"\"\\u12\"",
		"\"\n\"",
		"\"\t\"",
		"\"\x01\"",
		"\"\\ud800\"",
		"\"\\udc00\"",
		"\"\\ud800\\u0041\"",
		"\"\xff\"",
		"\"\xc0\x80\"",
		"\"\xed\xa0\x80\"",
		"\"\xf4\x90\x80\x80\"",
		"\"\xe2\x82\"",
		"/**/1",
		"1//",
		"[1]/**/",
		"\xef\xbb\xbf{}",
		"\xff\xfe{\0}",
		"[1\f]",
		"\xc2\xa0"
		"1",
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		if (!CHECK_INT(read_text(bad[i]), -EINVAL))
			CHECK_FAIL("text %zu: %s", i, bad[i]);
		CHECK(fault.what && fault.what[0]);
		CHECK(fault.at <= strlen(bad[i]));
	}
	CHECK_INT(read_len("{}\0", 3), -EINVAL);
	CHECK_INT(read_len("\"a\0b\"", 5), -EINVAL);
}

TEST(a_member_that_comes_twice_is_refused)
{
	static const char *const bad[] = {
		"{\"a\":1,\"a\":1}",
		"{\"a\":1,\"b\":2,\"\\u0061\":3}",
		"{\"x\":{\"a\":null,\"a\":null}}",
		"[[{\"a\":[{}],\"b\":{},\"a\":0}]]",
		"{\"\":1,\"\":2}",
		"{\"a\\u0000\":1,\"a\\u0000\":2}",
	};

	for (size_t i = 0; i < COUNT(bad); i++)
		if (!CHECK_INT(read_text(bad[i]), -EINVAL))
			CHECK_FAIL("%s", bad[i]);
	CHECK_INT(read_text(
			  "{\"a\":{\"a\":1},\"b\":{\"a\":1},\"A\":1,"
			  "\"a\\u0000\":1,\"\":2,\"c\":[{\"a\":1},{\"a\":1}]}"),
		  0);
}

TEST(depth_number_and_length_are_bounded)
{
	static char text[JSON_TEXT_MAX + 2];
	size_t at = 0;

	CHECK_INT(read_text("[[[[[[[[1]]]]]]]]"), 0);
	CHECK_INT(read_text("[[[[[[[[[1]]]]]]]]]"), -EINVAL);
	CHECK_INT(read_text("{\"a\":[{\"a\":[{\"a\":[{\"a\":[]}]}]}]}"), 0);
	CHECK_INT(read_text("{\"a\":[{\"a\":[{\"a\":[{\"a\":[{}]}]}]}]}"),
		  -EINVAL);
	CHECK_INT(read_text("[\"[[[[[[[[[[{{{{{\\\"[[[\"]"), 0);
	/* 1 and 1023 values; then one more. */
	text[at++] = '[';
	for (size_t i = 0; i < JSON_VALUES_MAX - 1; i++)
		at += (size_t)sprintf(text + at, "%s1", i ? "," : "");
	text[at] = ']';
	CHECK_INT(read_len(text, at + 1), 0);
	CHECK_INT(json_count(root), JSON_VALUES_MAX - 1);
	memcpy(text + at, ",1]", 3);
	CHECK_INT(read_len(text, at + 3), -EINVAL);
	memset(text, ' ', sizeof(text));
	text[0] = '1';
	CHECK_INT(read_len(text, JSON_TEXT_MAX), 0);
	CHECK_INT(read_len(text, JSON_TEXT_MAX + 1), -EINVAL);
	memset(text, '[', sizeof(text));
	CHECK_INT(read_len(text, JSON_TEXT_MAX), -EINVAL);
}

TEST(each_prefix_of_a_text_is_refused)
{
	static const char text[] =
		"{\"a\":[1,-2.5e+3,true,false,null],\"b\":\"\\u00e4\\\"\","
		"\"c\":{\"d\":\"\xc3\xa4\"}}";

	for (size_t len = 0; len < strlen(text); len++)
		CHECK_INT(read_len(text, len), -EINVAL);
	CHECK_INT(read_text(text), 0);
}

TEST(a_room_too_small_is_an_error_of_its_own)
{
	static const char text[] = "{\"a\":[1,2,3],\"b\":\"text\"}";
	bool was_read = false;

	for (size_t cap = 0; cap < 4096; cap++) {
		int r = json_read(text, strlen(text), room, cap, &root, &fault);

		CHECK(r == 0 || r == -ENOSPC);
		/* More is never worse. */
		CHECK(r == 0 || !was_read);
		was_read = r == 0;
	}
	CHECK(was_read);
}

TEST(objects_and_arrays_are_walked_in_their_order)
{
	const struct json *value;
	struct json_walk w;
	struct json_text name;
	uint64_t n;

	REQUIRE(read_text("{\"a\":[1,[2,[3]],4],\"b\":null,\"c\":{\"d\":5}}") ==
		0);
	w = (struct json_walk){ .of = root };
	CHECK(json_next(&w, &name, &value));
	CHECK_STR(name.at, "a");
	{
		struct json_walk in = { .of = value };

		CHECK(json_next(&in, NULL, &value));
		CHECK(json_number(value, &n) == 0 && n == 1);
		CHECK(json_next(&in, NULL, &value));
		CHECK_INT(json_kind(value), JSON_ARRAY);
		CHECK(json_next(&in, NULL, &value));
		CHECK(json_number(value, &n) == 0 && n == 4);
		CHECK(!json_next(&in, NULL, &value));
		CHECK(!json_next(&in, NULL, &value));
	}
	CHECK(json_next(&w, NULL, &value));
	CHECK_INT(json_kind(value), JSON_NULL);
	CHECK(json_next(&w, &name, &value));
	CHECK_STR(name.at, "c");
	CHECK_INT(json_kind(value), JSON_OBJECT);
	CHECK(!json_next(&w, &name, &value));
	REQUIRE(read_text("\"text\"") == 0);
	w = (struct json_walk){ .of = root };
	CHECK(!json_next(&w, NULL, &value));
	w = (struct json_walk){ .of = NULL };
	CHECK(!json_next(&w, NULL, &value));
}

/* --- writing --- */

static char buf[8192];
static struct json_out out;

static const char *written(void)
{
	size_t len = 0;
	int r = json_out_end(&out, &len);

	if (r < 0)
		return r == -ENOSPC ? "full" : r == -EILSEQ ? "utf8" : "open";
	buf[len] = '\0';
	return buf;
}

static void begin(void)
{
	json_out_begin(&out, buf, sizeof(buf) - 1);
}

TEST(values_are_written)
{
	begin();
	json_put_object(&out, NULL);
	json_put_text(&out, "a", "b");
	json_put_array(&out, "l");
	json_put_number(&out, NULL, 0);
	json_put_number(&out, NULL, UINT64_MAX);
	json_put_object(&out, NULL);
	json_put_object_end(&out);
	json_put_null(&out, NULL);
	json_put_array_end(&out);
	json_put_bool(&out, "t", true);
	json_put_bool(&out, "f", false);
	json_put_bytes(&out, "b", "\1\2\3\4", 4);
	json_put_bytes(&out, "e", "", 0);
	json_put_object_end(&out);
	CHECK_STR(written(),
		  "{\"a\":\"b\",\"l\":[0,18446744073709551615,{},null],"
		  "\"t\":true,\"f\":false,\"b\":\"AQIDBA==\",\"e\":\"\"}");
}

TEST(texts_are_escaped)
{
	begin();
	json_put_text_of(&out, NULL,
			 "\"\\/\b\f\n\r\t\0\x1f\x7f<>\xc3\xa4\xf0\x9f\x98\x80",
			 19);
	CHECK_STR(written(), "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f<>"
			     "\xc3\xa4\xf0\x9f\x98\x80\"");
	begin();
	json_put_object(&out, NULL);
	json_put_text(&out, "\"},{\"", "\n");
	json_put_object_end(&out);
	CHECK_STR(written(), "{\"\\\"},{\\\"\":\"\\n\"}");
}

TEST(what_is_not_utf8_is_not_written)
{
	static const char *const bad[] = { "\xff", "a\xc3", "\xed\xa0\x80",
					   "\xc0\x80", "\xf4\x90\x80\x80" };

	for (size_t i = 0; i < COUNT(bad); i++) {
		begin();
		json_put_text(&out, NULL, bad[i]);
		CHECK_STR(written(), "utf8");
		begin();
		json_put_object(&out, NULL);
		json_put_null(&out, bad[i]);
		json_put_object_end(&out);
		CHECK_STR(written(), "utf8");
	}
}

TEST(a_buffer_too_small_stays_an_error)
{
	static const char whole[] = "{\"a\":\"b\\n\",\"c\":\"AQID\",\"d\":17}";

	for (size_t cap = 0; cap <= strlen(whole); cap++) {
		memset(buf, '#', sizeof(buf));
		json_out_begin(&out, buf, cap);
		json_put_object(&out, NULL);
		json_put_text(&out, "a", "b\n");
		json_put_bytes(&out, "c", "\1\2\3", 3);
		json_put_number(&out, "d", 17);
		json_put_object_end(&out);
		CHECK(buf[cap] == '#');
		CHECK_STR(written(), cap < strlen(whole) ? "full" : whole);
	}
	begin();
	json_put_object(&out, NULL);
	CHECK_STR(written(), "open");
	begin();
	CHECK_STR(written(), "open");
}

TEST(values_that_were_read_are_written_again)
{
	static const char *const texts[] = {
		"{\"a\":[1,-2.50e+3,{\"b\":[]},true,null,\"\\u0000\"],\"\":{}}",
		"[[[[[[[[1,2],3],4]]]]]]",
		"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}",
		"123456789012345678901234567890",
		"\"text\"",
		"null",
	};

	for (size_t i = 0; i < COUNT(texts); i++) {
		REQUIRE(read_text(texts[i]) == 0);
		begin();
		json_put_value(&out, NULL, root);
		CHECK_STR(written(), texts[i]);
		begin();
		json_put_array(&out, NULL);
		json_put_value(&out, NULL, root);
		json_put_value(&out, NULL, root);
		json_put_array_end(&out);
		CHECK_INT(strlen(written()), 2 * strlen(texts[i]) + 3);
	}
}

/* --- base64 --- */

TEST(base64_is_strict)
{
	static const char *const bad[] = {
		"A",	 "AB",	     "ABC",  "ABCDE", "====", "A===",
		"AB=C",	 "AB==CD==", "AQI*", "AQ I",  "AQ-_", "AQID\n",
		"AQID=", "AR==",     "AQJ=", "AQ=",   "=AQI", "AQI\xc3",
	};
	uint8_t bytes[16];
	size_t len = 77;

	for (size_t i = 0; i < COUNT(bad); i++)
		if (!CHECK_INT(base64_read(bad[i], strlen(bad[i]), bytes, &len),
			       -EINVAL))
			CHECK_FAIL("%s", bad[i]);
	CHECK_INT(len, 77);
	CHECK_INT(base64_read("", 0, bytes, &len), 0);
	CHECK_INT(len, 0);
	CHECK_INT(base64_read("AQ==", 4, NULL, &len), 0);
	CHECK_INT(len, 1);
}

TEST(base64_goes_both_ways)
{
	uint8_t bytes[256], again[256];
	char text[400];
	size_t len;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 167 + 13);
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		memset(text, '#', sizeof(text));
		base64_write(bytes, n, text);
		CHECK(text[base64_len(n)] == '#');
		REQUIRE(base64_read(text, base64_len(n), again, &len) == 0);
		CHECK_INT(len, n);
		CHECK_MEM(again, bytes, n);
	}
	base64_write((const uint8_t *)"\xfb\xff\xbf", 3, text);
	CHECK_MEM(text, "+/+/", 4);
}

CHECK_MAIN("kms_json")
