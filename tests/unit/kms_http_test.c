/* HTTP as a client: heads of requests, answers in pieces of any size. */

#include <errno.h>

#include "check.h"
#include "nsm/kms/wire/http.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OK "HTTP/1.1 200 OK\r\n"

/* --- requests --- */

static const struct http_field fields[] = {
	{ "Host", "kms.eu-west-1.amazonaws.com" },
	{ "X-Amz-Target", "TrentService.Decrypt" },
};

static char head[HTTP_HEAD_MAX + 1];

static int write_head(const char *method, const char *path,
		      const struct http_field *f, size_t count)
{
	struct http_request r = { method, path, f, count, true, 130 };
	size_t len;
	int e = http_request_head(&r, head, sizeof(head) - 1, &len);

	head[e == 0 ? len : 0] = '\0';
	return e;
}

TEST(a_head_is_written)
{
	struct http_request get = {
		"GET", "/latest/?a=b", fields, 1, false, 0
	};
	size_t len;

	CHECK_INT(write_head("POST", "/", fields, 2), 0);
	CHECK_STR(head,
		  "POST / HTTP/1.1\r\nHost: kms.eu-west-1.amazonaws.com\r\n"
		  "X-Amz-Target: TrentService.Decrypt\r\n"
		  "Content-Length: 130\r\nConnection: close\r\n\r\n");
	REQUIRE(http_request_head(&get, head, sizeof(head), &len) == 0);
	head[len] = '\0';
	CHECK_STR(head, "GET /latest/?a=b HTTP/1.1\r\n"
			"Host: kms.eu-west-1.amazonaws.com\r\n"
			"Connection: close\r\n\r\n");
}

TEST(a_head_that_would_be_two_is_not_written)
{
	static const char *const methods[] = { "", "GET ", "G\n", "G ET",
					       "GET\r\n\r\n" };
	static const char *const paths[] = { "",      "a",	   "/ b",
					     "/\r\n", "/\n",	   "/\t",
					     "/#a",   "/\xc3\xa4", "/\x7f" };
	static const char *const values[] = { "a\r\nb: c", "a\n",  "a\r",
					      "\x01",	   " a",   "a ",
					      "\xc3\xa4",  "a\x7f" };
	static const char *const names[] = {
		"",
		"a b",
		"a:",
		"a\r\nb",
		"Host ",
		"\xc3",
		"Connection",
		"content-length",
		"Host",
		"hOST",
		"Transfer-Encoding",
		"Expect",
		"Upgrade",
		"TE",
	};
	struct http_field some[2] = { fields[0], fields[1] };

	for (size_t i = 0; i < COUNT(methods); i++)
		CHECK_INT(write_head(methods[i], "/", fields, 2), -EINVAL);
	for (size_t i = 0; i < COUNT(paths); i++)
		CHECK_INT(write_head("GET", paths[i], fields, 2), -EINVAL);
	for (size_t i = 0; i < COUNT(values); i++) {
		some[1].value = values[i];
		CHECK_INT(write_head("GET", "/", some, 2), -EINVAL);
	}
	some[1].value = "a";
	for (size_t i = 0; i < COUNT(names); i++) {
		some[1].name = names[i];
		CHECK_INT(write_head("GET", "/", some, 2), -EINVAL);
	}
	some[0].name = "Hos";
	some[1].name = "t";
	CHECK_INT(write_head("GET", "/", some, 2), -EINVAL);
}

TEST(a_head_has_to_fit)
{
	struct http_request r = { "POST", "/", fields, 2, true, 9 };
	size_t len, whole = 0;

	REQUIRE(http_request_head(&r, head, sizeof(head), &whole) == 0);
	for (size_t cap = 0; cap < whole; cap++) {
		head[cap] = '#';
		CHECK_INT(http_request_head(&r, head, cap, &len), -ENOSPC);
		CHECK(head[cap] == '#');
	}
	CHECK_INT(http_request_head(&r, head, whole, &len), 0);
}

/* --- answers --- */

static struct http_answer a;
static struct http_wanted wanted[2];
static char body[HTTP_BODY_MAX];
static size_t used;

static void begin(size_t cap)
{
	memset(wanted, 0, sizeof(wanted));
	wanted[0].name = "x-amzn-requestid";
	wanted[1].name = "content-type";
	http_answer_begin(&a, wanted, COUNT(wanted), body, cap);
}

/* Feeds it in pieces of SIZE bytes, then the end of the connection. */
static int feed_by(const char *text, size_t len, size_t size)
{
	size_t n;
	int r = 0;

	begin(sizeof(body));
	for (used = 0; used < len && r == 0; used += n) {
		r = http_answer_feed(&a, text + used,
				     len - used < size ? len - used : size, &n);
		if (r < 0)
			return r;
	}
	return r == 0 ? http_answer_eof(&a) : r;
}

/* All sizes give the same. */
static int feed_len(const char *text, size_t len)
{
	static const size_t sizes[] = { 1, 2, 3, 7, 64 };
	int r = feed_by(text, len, len ? len : 1);
	enum http_fault why = a.fault;
	size_t end = used;

	for (size_t i = 0; i < COUNT(sizes); i++) {
		CHECK_INT(feed_by(text, len, sizes[i]), r);
		CHECK_INT(a.fault, why);
		if (r == 1)
			CHECK_INT(used, end);
	}
	return r;
}

static int feed(const char *text)
{
	return feed_len(text, strlen(text));
}

static bool body_is(const char *text)
{
	return a.body_len == strlen(text) &&
	       memcmp(a.body, text, a.body_len) == 0;
}

TEST(an_answer_of_kms_is_read)
{
	CHECK_INT(feed(OK "x-amzn-RequestId: 0f8e6b1e-57b8-4a3d-b7a1-3f3c1d\r\n"
			  "Cache-Control: no-cache, no-store, must-revalidate, "
			  "private\r\nExpires: 0\r\nPragma: no-cache\r\n"
			  "Date: Fri, 02 Jan 2026 03:04:05 GMT\r\n"
			  "Content-Type: application/x-amz-json-1.1\r\n"
			  "Content-Length: 16\r\nconnection: keep-alive\r\n\r\n"
			  "{\"KeyId\":\"arn:\"}"),
		  1);
	CHECK_INT(a.status, 200);
	CHECK(body_is("{\"KeyId\":\"arn:\"}"));
	CHECK(a.has_length);
	CHECK(wanted[0].is_there && !wanted[0].is_cut);
	CHECK_STR(wanted[0].value, "0f8e6b1e-57b8-4a3d-b7a1-3f3c1d");
	CHECK_STR(wanted[1].value, "application/x-amz-json-1.1");
}

TEST(an_answer_of_imds_is_read)
{
	CHECK_INT(feed("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n"
		       "Date: Fri, 02 Jan 2026 03:04:05 GMT\r\n"
		       "Server: EC2ws\r\nConnection: close\r\n\r\n"),
		  1);
	CHECK_INT(a.status, 401);
	CHECK_INT(a.body_len, 0);
	CHECK(!wanted[0].is_there);
	CHECK_INT(feed("HTTP/1.0 200 OK\r\nContent-type: text/plain\r\n\r\n"
		       "role"),
		  1);
	CHECK(body_is("role"));
	CHECK(!a.has_length);
}

TEST(chunks_are_put_together)
{
	CHECK_INT(feed(OK "Transfer-Encoding: chunked\r\n\r\n"
			  "5\r\nhello\r\n6;a=b;c=\"d\"\r\n world\r\n"
			  "000A\r\n0123456789\r\n0\r\n\r\n"),
		  1);
	CHECK(body_is("hello world0123456789"));
	CHECK_INT(feed(OK "transfer-encoding: CHUNKED \r\n\r\n1\r\na\r\n"
			  "0\r\nx-amzn-RequestId: late\r\n"
			  "Content-Type: 7\r\n\r\n"),
		  1);
	CHECK(body_is("a"));
	/* A trailer is no header. */
	CHECK(!wanted[0].is_there);
	CHECK_INT(feed(OK "Transfer-Encoding: chunked\r\n\r\n0\r\n"
			  "Content-Length: 7\r\n\r\n"),
		  -1);
}

TEST(interim_answers_are_skipped)
{
	CHECK_INT(
		feed("HTTP/1.1 100 Continue\r\nx-amzn-RequestId: no\r\n\r\n"
		     "HTTP/1.1 103 Early Hints\r\nConnection: close\r\n\r\n" OK
		     "Content-Length: 2\r\n\r\nok"),
		1);
	CHECK_INT(a.status, 200);
	CHECK(body_is("ok"));
	CHECK(!wanted[0].is_there);
	CHECK_INT(feed("HTTP/1.1 100 Continue\r\n\r\n"), -1);
	CHECK_INT(a.fault, HTTP_FAULT_CUT);
	CHECK_INT(feed("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n"
		       "Connection: Upgrade\r\n\r\n"),
		  -1);
	CHECK_INT(a.fault, HTTP_FAULT_STATUS);
	CHECK_INT(feed("HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\nok"),
		  -1);
	CHECK_INT(feed("HTTP/1.1 100 Continue\r\n\r\n\r\n" OK
		       "Content-Length: 0\r\n\r\n"),
		  -1);
}

TEST(some_answers_have_no_body)
{
	CHECK_INT(feed("HTTP/1.1 204 No Content\r\n\r\n"), 1);
	CHECK_INT(
		feed("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
		1);
	CHECK_INT(a.body_len, 0);
	CHECK_INT(feed("HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n"
		       "ab"),
		  -1);
	CHECK_INT(a.fault, HTTP_FAULT_LENGTHS);
}

TEST(what_follows_an_answer_is_not_taken)
{
	static const char one[] = OK "Content-Length: 2\r\n\r\nok";
	static const char chunked[] = OK
		"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
	char two[400];

	snprintf(two, sizeof(two), "%s%s", one, one);
	CHECK_INT(feed(two), 1);
	CHECK_INT(used, strlen(one));
	CHECK(body_is("ok"));
	snprintf(two, sizeof(two), "%sHTTP/1.1 500 x\r\n\r\n", chunked);
	CHECK_INT(feed(two), 1);
	CHECK_INT(used, strlen(chunked));
}

TEST(an_answer_that_is_cut_is_refused)
{
	static const char *const texts[] = {
		OK "Content-Length: 5\r\nX: y\r\n\r\nhello",
		OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
		   "T: v\r\n\r\n",
	};

	for (size_t i = 0; i < COUNT(texts); i++)
		for (size_t len = 0; len < strlen(texts[i]); len++) {
			if (!CHECK_INT(feed_len(texts[i], len), -1))
				CHECK_FAIL("%zu of text %zu", len, i);
			CHECK_INT(a.fault, HTTP_FAULT_CUT);
		}
}

TEST(answers_with_more_than_one_length_are_refused)
{
	static const struct {
		const char *headers;
		enum http_fault fault;
	} texts[] = {
		{ "Content-Length: 2\r\nContent-Length: 2\r\n",
		  HTTP_FAULT_LENGTHS },
		{ "Content-Length: 2\r\nContent-Length: 3\r\n",
		  HTTP_FAULT_LENGTHS },
		{ "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
		  HTTP_FAULT_LENGTHS },
		{ "Transfer-Encoding: chunked\r\ncontent-length: 2\r\n",
		  HTTP_FAULT_LENGTHS },
		{ "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		  HTTP_FAULT_LENGTHS },
		{ "Transfer-Encoding: gzip, chunked\r\n", HTTP_FAULT_CODING },
		{ "Transfer-Encoding: gzip\r\n", HTTP_FAULT_CODING },
		{ "Transfer-Encoding: identity\r\n", HTTP_FAULT_CODING },
		{ "Transfer-Encoding: chunked, identity\r\n",
		  HTTP_FAULT_CODING },
		{ "Transfer-Encoding: xchunked\r\n", HTTP_FAULT_CODING },
		{ "Transfer-Encoding: chunked;a\r\n", HTTP_FAULT_CODING },
		{ "Transfer-Encoding:\r\n", HTTP_FAULT_CODING },
		{ "Content-Length: 2, 2\r\n", HTTP_FAULT_FORM },
		{ "Content-Length: +2\r\n", HTTP_FAULT_FORM },
		{ "Content-Length: -2\r\n", HTTP_FAULT_FORM },
		{ "Content-Length: 0x2\r\n", HTTP_FAULT_FORM },
		{ "Content-Length: 2 2\r\n", HTTP_FAULT_FORM },
		{ "Content-Length: 99999999999999999999\r\n", HTTP_FAULT_FORM },
		{ "Content-Length: \r\n", HTTP_FAULT_FORM },
		{ "Content-Length: 65537\r\n", HTTP_FAULT_BODY_TOO_LONG },
	};
	char text[300];

	for (size_t i = 0; i < COUNT(texts); i++) {
		snprintf(text, sizeof(text), OK "%s\r\n2\r\nok\r\n0\r\n\r\n",
			 texts[i].headers);
		if (!CHECK_INT(feed(text), -1) ||
		    !CHECK_INT(a.fault, texts[i].fault))
			CHECK_FAIL("%s", texts[i].headers);
	}
	CHECK_INT(feed("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		       "0\r\n\r\n"),
		  -1);
}

TEST(answers_that_others_may_read_otherwise_are_refused)
{
	static const char *const texts[] = {
		"",
		"x",
		"\r\n" OK "Content-Length: 0\r\n\r\n",
		"\n" OK "\r\n",
		" " OK "\r\n",
		"HTTP/0.9 200 OK\r\n\r\n",
		"HTTP/2.0 200 OK\r\n\r\n",
		"HTTP/1.2 200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1 600 OK\r\n\r\n",
		"HTTP/1.1  200 OK\r\n\r\n",
		"HTTP/1.1\t200 OK\r\n\r\n",
		"HTTP/1.1 200 O\x01K\r\n\r\n",
		"http/1.1 200 OK\r\n\r\n",
		"HTTPS/1.1 200 OK\r\n\r\n",
		"ICY 200 OK\r\n\r\n",
		"RTSP/1.0 200 OK\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		OK "Content-Length: 0\n\r\n",
		OK "Content-Length: 0\r\n\n",
		OK "Content-Length : 0\r\n\r\n",
		OK "Content-Length\t: 0\r\n\r\n",
		OK " Content-Length: 0\r\n\r\n",
		OK "A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
		OK "A: b\r\n\tc\r\nContent-Length: 0\r\n\r\n",
		OK "A: b\x01\r\nContent-Length: 0\r\n\r\n",
		OK "A: b\rC: d\r\nContent-Length: 0\r\n\r\n",
		OK "A\r\nContent-Length: 0\r\n\r\n",
		OK ": b\r\nContent-Length: 0\r\n\r\n",
		OK "A b: c\r\nContent-Length: 0\r\n\r\n",
		OK "\xc3\xa4: c\r\nContent-Length: 0\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n2\r\nok0\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n2\r\nok\n0\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n2\r\nokk\r\n0\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n 2\r\nok\r\n0\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n2 \r\nok\r\n0\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n\r\nok\r\n0\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n"
		   "11111111111111111\r\nok\r\n0\r\n\r\n",
		OK "Transfer-Encoding: chunked\r\n\r\n"
		   "2\r\nok\r\n0\r\nA : b\r\n\r\n",
	};

	for (size_t i = 0; i < COUNT(texts); i++)
		if (!CHECK_INT(feed(texts[i]), -1))
			CHECK_FAIL("text %zu: %s", i, texts[i]);
	CHECK_INT(feed_len(OK "A: \0\r\nContent-Length: 0\r\n\r\n", 41), -1);
}

/* Headers: COUNT lines of SIZE bytes each. */
static size_t lines(char *to, size_t count, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < count; i++, at += size) {
		memset(to + at, 'v', size);
		memcpy(to + at, "n: ", 3);
		memcpy(to + at + size - 2, "\r\n", 2);
	}
	return at;
}

TEST(lines_and_bytes_of_a_head_are_bounded)
{
	static char text[2 * HTTP_HEAD_MAX];
	static const char end[] = "Content-Length: 0\r\n\r\n";
	size_t at, ok = strlen(OK);

	memcpy(text, OK, ok);
	at = ok + lines(text + ok, HTTP_LINES_MAX - 1, 10);
	memcpy(text + at, end, sizeof(end));
	CHECK_INT(feed(text), 1);
	at = ok + lines(text + ok, HTTP_LINES_MAX, 10);
	memcpy(text + at, end, sizeof(end));
	CHECK_INT(feed(text), -1);
	CHECK_INT(a.fault, HTTP_FAULT_TOO_MANY_LINES);
	at = ok + lines(text + ok, 1, HTTP_HEAD_MAX - ok - strlen(end));
	memcpy(text + at, end, sizeof(end));
	CHECK_INT(strlen(text), HTTP_HEAD_MAX);
	CHECK_INT(feed(text), 1);
	at = ok + lines(text + ok, 1, HTTP_HEAD_MAX - ok - strlen(end) + 1);
	memcpy(text + at, end, sizeof(end));
	CHECK_INT(feed(text), -1);
	CHECK_INT(a.fault, HTTP_FAULT_HEAD_TOO_LONG);
	memset(text + ok, ' ', sizeof(text) - ok);
	memcpy(text + ok, "n:", 2);
	CHECK_INT(feed_len(text, sizeof(text)), -1);
	CHECK_INT(a.fault, HTTP_FAULT_HEAD_TOO_LONG);
	/* And those of interim answers together. */
	for (at = 0; at + 50 < sizeof(text); at += strlen(text + at))
		strcpy(text + at, "HTTP/1.1 103 x\r\nA: b\r\n\r\n");
	CHECK_INT(feed(text), -1);
	CHECK_INT(a.fault, HTTP_FAULT_TOO_MANY_LINES);
	for (at = 0; at + 50 < sizeof(text); at += strlen(text + at))
		strcpy(text + at, "HTTP/1.1 103 x\r\n\r\n");
	CHECK_INT(feed(text), -1);
	CHECK_INT(a.fault, HTTP_FAULT_HEAD_TOO_LONG);
}

TEST(trailers_are_bounded_as_heads_are)
{
	static char text[2 * HTTP_HEAD_MAX];
	static const char start[] = OK
		"Transfer-Encoding: chunked\r\n\r\n0\r\n";
	size_t at = strlen(start);

	memcpy(text, start, at);
	at += lines(text + at, HTTP_LINES_MAX, 10);
	memcpy(text + at, "\r\n", 3);
	CHECK_INT(feed(text), -1);
	CHECK_INT(a.fault, HTTP_FAULT_TOO_MANY_LINES);
	at = strlen(start);
	at += lines(text + at, 10, HTTP_HEAD_MAX / 10);
	memcpy(text + at, "\r\n", 3);
	CHECK_INT(feed(text), -1);
	CHECK_INT(a.fault, HTTP_FAULT_HEAD_TOO_LONG);
}

TEST(a_body_has_to_fit)
{
	static const char *const texts[] = {
		OK "Content-Length: 5\r\n\r\nhello",
		OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n"
		   "0\r\n\r\n",
		OK "\r\nhello",
	};
	size_t n;

	for (size_t i = 0; i < COUNT(texts); i++) {
		begin(4);
		body[4] = '#';
		CHECK_INT(http_answer_feed(&a, texts[i], strlen(texts[i]), &n),
			  -1);
		CHECK_INT(a.fault, HTTP_FAULT_BODY_TOO_LONG);
		CHECK(body[4] == '#');
		CHECK_INT(http_answer_eof(&a), -1);
		begin(5);
		CHECK(http_answer_feed(&a, texts[i], strlen(texts[i]), &n) >=
		      0);
		CHECK_INT(http_answer_eof(&a), 1);
		CHECK(body_is("hello"));
	}
}

TEST(all_bytes_of_an_answer_are_bounded)
{
	static char text[HTTP_BYTES_MAX + 1000];
	static const char start[] = OK "Transfer-Encoding: chunked\r\n\r\n1;";
	size_t n;

	memset(text, 'e', sizeof(text));
	memcpy(text, start, strlen(start));
	begin(sizeof(body));
	CHECK_INT(http_answer_feed(&a, text, sizeof(text), &n), -1);
	CHECK_INT(a.fault, HTTP_FAULT_TOO_MANY_BYTES);
}

TEST(values_that_are_wanted_are_printable_and_cut)
{
	char text[1000];
	size_t at = (size_t)sprintf(text,
				    OK "X-Amzn-RequestId: \xc3\xa4\tb\t \r\n"
				       "x-amzn-requestid: second\r\n"
				       "Content-Type: ");

	memset(text + at, 't', 300);
	strcpy(text + at + 300, "\r\nContent-Length: 0\r\n\r\n");
	CHECK_INT(feed(text), 1);
	CHECK_STR(wanted[0].value, "?? b");
	CHECK_INT(strlen(wanted[1].value), HTTP_VALUE_SIZE - 1);
	CHECK(wanted[1].is_cut && !wanted[0].is_cut);
	CHECK_INT(feed(OK "Content-Type:\r\nContent-Length: 0\r\n\r\n"), 1);
	CHECK(wanted[1].is_there);
	CHECK_STR(wanted[1].value, "");
	/* A name that is longer than those that are looked for. */
	CHECK_INT(feed(OK "content-typecontent-typecontent-typecontent-type: a"
			  "\r\nContent-Length: 0\r\n\r\n"),
		  1);
	CHECK(!wanted[1].is_there);
}

TEST(faults_have_words)
{
	for (enum http_fault f = 0; f < HTTP_FAULT_COUNT; f++)
		CHECK(http_fault_text(f) && http_fault_text(f)[0]);
	CHECK_STR(http_fault_text(HTTP_FAULT_COUNT), "no error");
}

CHECK_MAIN("kms_http")
