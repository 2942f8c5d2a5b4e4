/* Heads of HTTP as a proxy reads and writes them. */

#include "check.h"
#include "vsock/relay/wire/http.h"

static struct http_request req;
static struct http_response resp;
static const char *why;

static int read_request(const char *head)
{
	return http_request_read(head, strlen(head), &req, &why);
}

/* "HOST:PORT" of the last one. */
static const char *target(void)
{
	static char text[HOST_PORT_TEXT];

	host_port_text(&req.host, req.port, text);
	return text;
}

static const char *rewrite(const char *head)
{
	static char text[HTTP_REWRITE_MAX + 1];
	size_t len;
	int r = read_request(head);

	if (r != 0) {
		CHECK_FAIL("%d %s: %s", r, why, head);
		return "";
	}
	len = http_request_rewrite(&req, text);
	text[len] = '\0';
	return text;
}

TEST(the_end_of_a_head_is_found)
{
	static const char head[] = "GET / HTTP/1.1\r\nA: b\r\n\r\nbody\r\n\r\n";
	static char big[HTTP_HEAD_MAX + 10];
	size_t whole = strlen("GET / HTTP/1.1\r\nA: b\r\n\r\n");

	for (size_t len = 0; len < strlen(head); len++)
		for (size_t seen = 0; seen <= len && seen < whole; seen++)
			CHECK_INT(http_head_len(head, len, seen),
				  len < whole ? 0 : (long)whole);
	CHECK_INT(http_head_len("GET / HTTP/1.1\n\n", 16, 0), -1);
	memset(big, 'a', sizeof(big));
	CHECK_INT(http_head_len(big, HTTP_HEAD_MAX - 1, 0), 0);
	CHECK_INT(http_head_len(big, HTTP_HEAD_MAX, HTTP_HEAD_MAX - 1), -1);
	CHECK_INT(http_head_len(big, sizeof(big), HTTP_HEAD_MAX), -1);
	memcpy(big + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
	CHECK_INT(http_head_len(big, sizeof(big), 0), HTTP_HEAD_MAX);
	memcpy(big + HTTP_HEAD_MAX - 4, "a\r\n\r\n", 5);
	CHECK_INT(http_head_len(big, sizeof(big), 0), -1);
}

TEST(targets_are_read)
{
	static const struct {
		const char *line, *target;
		bool is_connect;
	} good[] = {
		{ "CONNECT example.com:443", "example.com:443", true },
		{ "CONNECT EXAMPLE.com.:443", "example.com:443", true },
		{ "CONNECT 1.2.3.4:80", "1.2.3.4:80", true },
		{ "CONNECT [2001:db8::1]:8443", "[2001:db8::1]:8443", true },
		{ "CONNECT [::ffff:1.2.3.4]:1", "1.2.3.4:1", true },
		{ "GET http://example.com/", "example.com:80", false },
		{ "GET HTTP://Example.com:8080/a?b", "example.com:8080",
		  false },
		{ "GET http://example.com", "example.com:80", false },
		{ "GET http://example.com?q@x:1", "example.com:80", false },
		{ "GET http://example.com/a@b:c", "example.com:80", false },
		{ "PROPFIND http://[::1]:81/", "[::1]:81", false },
		{ "OPTIONS http://[::1]", "[::1]:80", false },
	};
	char head[400];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		(void)snprintf(head, sizeof(head),
			       "%s HTTP/1.1\r\nHost: other\r\n\r\n",
			       good[i].line);
		if (read_request(head) != 0) {
			CHECK_FAIL("%s: %s", head, why);
			continue;
		}
		CHECK_STR(target(), good[i].target);
		CHECK_INT(req.is_connect, good[i].is_connect);
	}
	CHECK_INT(read_request("GET http://a.b/ HTTP/1.0\r\n\r\n"), 0);
	CHECK_INT(req.minor, 0);
}

TEST(bad_requests_are_refused)
{
	static const char *const bad[] = {
		/* no target of a proxy */
		"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"GET * HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"GET https://example.com/ HTTP/1.1\r\n\r\n",
		"GET ftp://example.com/ HTTP/1.1\r\n\r\n",
		"GET //example.com/ HTTP/1.1\r\n\r\n",
		"GET http:/example.com/ HTTP/1.1\r\n\r\n",
		"GET http:///path HTTP/1.1\r\n\r\n",
		"GET http://:80/ HTTP/1.1\r\n\r\n",
		"CONNECT example.com HTTP/1.1\r\n\r\n",
		"CONNECT example.com: HTTP/1.1\r\n\r\n",
		"CONNECT example.com:0 HTTP/1.1\r\n\r\n",
		"CONNECT example.com:65536 HTTP/1.1\r\n\r\n",
		"CONNECT example.com:443x HTTP/1.1\r\n\r\n",
		"CONNECT example.com:+443 HTTP/1.1\r\n\r\n",
		"CONNECT example.com:80:443 HTTP/1.1\r\n\r\n",
		"CONNECT :443 HTTP/1.1\r\n\r\n",
		"CONNECT ::1:443 HTTP/1.1\r\n\r\n",
		"CONNECT [::1]443 HTTP/1.1\r\n\r\n",
		"CONNECT [::1 HTTP/1.1\r\n\r\n",
		"CONNECT 127.1:443 HTTP/1.1\r\n\r\n",
		"CONNECT 0x7f000001:443 HTTP/1.1\r\n\r\n",
		"CONNECT user@example.com:443 HTTP/1.1\r\n\r\n",
		"CONNECT http://example.com:443 HTTP/1.1\r\n\r\n",
		"CONNECT example.com:443/path HTTP/1.1\r\n\r\n",
		"GET http://user:pw@example.com/ HTTP/1.1\r\n\r\n",
		"GET http://example.com@evil.org/ HTTP/1.1\r\n\r\n",
		"GET http://example.com\\@evil.org/ HTTP/1.1\r\n\r\n",
		"GET http://evil.org#@example.com/ HTTP/1.1\r\n\r\n",
		"GET http://exa%6dple.com/ HTTP/1.1\r\n\r\n",
		"GET http://b\xc3\xbc.example/ HTTP/1.1\r\n\r\n",
		"GET http://example.com\r\n.evil.org/ HTTP/1.1\r\n\r\n",
		/* no HTTP/1 */
		"GET http://example.com/\r\n\r\n",
		"GET http://example.com/ HTTP/1\r\n\r\n",
		"GET http://example.com/ HTTP/1.2\r\n\r\n",
		"GET http://example.com/ HTTP/2.0\r\n\r\n",
		"GET http://example.com/ HTTP/0.9\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"\nGET http://example.com/ HTTP/1.1\r\n\r\n",
		"\r\nGET http://example.com/ HTTP/1.1\r\n\r\n",
		" GET http://example.com/ HTTP/1.1\r\n\r\n",
		"GET  http://example.com/ HTTP/1.1\r\n\r\n",
		"GET\thttp://example.com/ HTTP/1.1\r\n\r\n",
		"get http://example.com/ HTTP/1.1\r\n\r\n",
		"NONSENSE http://example.com/ HTTP/1.1\r\n\r\n",
		"\x16\x03\x01\x02\r\n\r\n",
		/* headers that others read in another way */
		"GET http://example.com/ HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
		"GET http://example.com/ HTTP/1.1\r\nA : b\r\n\r\n",
		"GET http://example.com/ HTTP/1.1\r\n: b\r\n\r\n",
		"GET http://example.com/ HTTP/1.1\r\nA\r\n\r\n",
		"GET http://example.com/ HTTP/1.1\r\n A: b\r\n\r\n",
		"GET http://example.com/ HTTP/1.1\r\nA: b\rc\r\n\r\n",
		"GET http://example.com/ HTTP/1.1\r\nA: b\nC: d\r\n\r\n",
		"GET http://example.com/ HTTP/1.1\nA: b\r\n\r\n",
		"GET http://example.com/ HTTP/1.1\r\nA: \x01\r\n\r\n",
		"GET http://example.com/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		/* two lengths */
		"POST http://example.com/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
		"POST http://example.com/ HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n",
		"POST http://example.com/ HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
		"POST http://example.com/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		"POST http://example.com/ HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n",
		"POST http://example.com/ HTTP/1.1\r\nContent-Length: 1 2\r\n\r\n",
		"POST http://example.com/ HTTP/1.1\r\nContent-Length: \r\n\r\n",
		"POST http://example.com/ HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST http://example.com/ HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST http://example.com/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
		"POST http://example.com/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"POST http://example.com/ HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
		"POST http://example.com/ HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
		"POST http://example.com/ HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
		"POST http://example.com/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST http://example.com/ HTTP/1.1\r\nTransfer-Encoding:\x0b"
		"chunked\r\n\r\n",
		"POST http://example.com/ HTTP/1.1\r\nContent-Length: 5\r\nConnection: content-length\r\n\r\n",
		"GET http://example.com/ HTTP/1.1\r\nHost: a\r\nConnection: close, Host\r\n\r\n",
		"POST http://example.com/ HTTP/1.1\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n",
	};
	static const char nul[] =
		"GET http://example.com/ HTTP/1.1\r\nA: \0\r\n\r\n";

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int r = read_request(bad[i]);

		if (r < 400 || r > 505)
			CHECK_FAIL("%d: %s", r, bad[i]);
	}
	CHECK_INT(http_request_read(nul, sizeof(nul) - 1, &req, &why), 400);
}

TEST(too_many_headers_are_431)
{
	static char head[HTTP_HEAD_MAX];
	size_t len = (size_t)snprintf(head, sizeof(head),
				      "GET http://a.b/ HTTP/1.1\r\n");

	for (int i = 0; i < HTTP_HEADERS_MAX; i++)
		len += (size_t)snprintf(head + len, sizeof(head) - len,
					"A%d: b\r\n", i);
	(void)snprintf(head + len, sizeof(head) - len, "\r\n");
	CHECK_INT(read_request(head), 0);
	CHECK_INT(req.headers.count, HTTP_HEADERS_MAX);
	(void)snprintf(head + len, sizeof(head) - len, "B: c\r\n\r\n");
	CHECK_INT(read_request(head), 431);
}

TEST(requests_are_rewritten)
{
	CHECK_STR(
		rewrite("GET http://Example.com/a?b=http://c HTTP/1.1\r\nHost: evil.org\r\nAccept: */*\r\n"
			"Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic xyz\r\n\r\n"),
		"GET /a?b=http://c HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\nConnection: close\r\n\r\n");
	CHECK_STR(
		rewrite("POST http://example.com:8080?q HTTP/1.0\r\nContent-Length: 3\r\nX: y\r\nEmpty:\r\n"
			"Connection: keep-alive, x ,,Upgrade\r\nKeep-Alive: 3\r\nTE: trailers\r\nUpgrade: h2c\r\n\r\n"),
		"POST /?q HTTP/1.0\r\nHost: example.com:8080\r\nContent-Length: 3\r\nEmpty: \r\nConnection: close\r\n\r\n");
	CHECK_STR(
		rewrite("OPTIONS http://example.com HTTP/1.1\r\n\r\n"),
		"OPTIONS * HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n");
	CHECK_STR(
		rewrite("GET http://[::1]:81 HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"),
		"GET / HTTP/1.1\r\nHost: [::1]:81\r\nTransfer-Encoding: Chunked\r\nConnection: close\r\n\r\n");
}

/* What is passed of BODY behind a head with HEADER, fed in steps of STEP bytes. */
static long pass(const char *header, const char *body, size_t step)
{
	char head[300];
	size_t len = strlen(body), at = 0;
	long n;

	(void)snprintf(head, sizeof(head),
		       "POST http://a.b/ HTTP/1.1\r\n%s\r\n", header);
	CHECK_INT(read_request(head), 0);
	while (at < len) {
		size_t some = len - at < step ? len - at : step;
		struct http_body copy = req.body;

		memset(&req.body, 0xa5, sizeof(req.body));
		req.body = copy;
		n = http_body_pass(&req.body, body + at, some);
		if (n < 0)
			return -1;
		at += (size_t)n;
		if (req.body.is_over)
			break;
		if ((size_t)n != some)
			CHECK_FAIL("%ld of %zu bytes", n, some);
	}
	return (long)at;
}

TEST(the_end_of_a_body_is_found)
{
	static const struct {
		const char *header, *body;
		long passed;
		bool is_over;
	} cases[] = {
		{ "", "GET http://b.c/ HTTP/1.1\r\n\r\n", 0, true },
		{ "Content-Length: 0\r\n", "abc", 0, true },
		{ "Content-Length: 3\r\n", "abcGET http://b.c/", 3, true },
		{ "Content-Length: 5\r\n", "abc", 3, false },
		{ "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\nGET ",
		  13, true },
		{ "Transfer-Encoding: chunked\r\n",
		  "3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\nGET ", 23, true },
		{ "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n", 8, false },
		{ "Transfer-Encoding: chunked\r\n", "3\r\nabcd\r\n", -1,
		  false },
		{ "Transfer-Encoding: chunked\r\n", "x\r\n", -1, false },
		{ "Transfer-Encoding: chunked\r\n", "3\nabc\n0\n\n", -1,
		  false },
		{ "Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n", -1,
		  false },
		{ "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n",
		  "abcdef", 3, true },
		{ "Connection: upgrade\r\nUpgrade: h2c\r\n", "abcdef", 0,
		  true },
	};
	static const size_t steps[] = { 1, 2, 3, 7, 1000 };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
			long n = pass(cases[i].header, cases[i].body, steps[s]);

			if (n != cases[i].passed ||
			    (n >= 0 && req.body.is_over != cases[i].is_over))
				CHECK_FAIL("%s%s: %ld, %d", cases[i].header,
					   cases[i].body, n, req.body.is_over);
		}
}

static int read_response(const char *head)
{
	return http_response_read(head, strlen(head), &resp);
}

static const char *rewrite_response(const char *head, bool is_last)
{
	static char text[HTTP_REWRITE_MAX + 1];
	size_t len;

	CHECK_INT(read_response(head), 0);
	len = http_response_rewrite(&resp, is_last, text);
	text[len] = '\0';
	return text;
}

TEST(answers_are_read_and_rewritten)
{
	CHECK_INT(read_response("HTTP/1.1 200 Connection established\r\n\r\n"),
		  0);
	CHECK_INT(resp.status, 200);
	CHECK_INT(read_response("HTTP/1.0 200\r\n\r\n"), 0);
	CHECK_INT(read_response("HTTP/1.1 403 \r\nContent-Length: 5\r\n\r\n"),
		  0);
	CHECK_INT(resp.status, 403);
	CHECK_INT(
		read_response(
			"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
		0);
	CHECK_INT(resp.status, 101);
	CHECK_INT(read_response("HTTP/1.1 100 Continue\r\n\r\n"), 0);
	CHECK_INT(read_response("HTTP/2.0 200 OK\r\n\r\n"), -1);
	CHECK_INT(read_response("HTTP/1.1 20 OK\r\n\r\n"), -1);
	CHECK_INT(read_response("ICY 200 OK\r\n\r\n"), -1);
	CHECK_INT(read_response("SSH-2.0-x\r\n\r\n"), -1);
	CHECK_INT(read_response("HTTP/1.1 200 OK\r\nA\r\n\r\n"), -1);
	CHECK_INT(
		read_response("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
		-1);
	CHECK_STR(
		rewrite_response(
			"HTTP/1.1 200 Very  OK\r\nServer: x\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\n"
			"Content-Length: 5\r\n\r\n",
			true),
		"HTTP/1.1 200 Very  OK\r\nServer: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\n");
	CHECK_STR(
		rewrite_response(
			"HTTP/1.0 204\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
			true),
		"HTTP/1.0 204 \r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: close\r\n\r\n");
	CHECK_STR(rewrite_response(
			  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
			  false),
		  "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
}

TEST(what_is_written_is_bounded)
{
	char head[HTTP_ANSWER_MAX + 1], long_text[3000];
	struct host h;
	size_t len;

	CHECK(!host_read("Example.com", 11, &h));
	len = http_connect_write(&h, 443, head);
	head[len] = '\0';
	CHECK_STR(
		head,
		"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n");
	len = http_answer_write(403, "no", head);
	head[len] = '\0';
	CHECK_STR(
		head,
		"HTTP/1.1 403 no\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno\n");
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	len = http_answer_write(403, long_text, head);
	CHECK(len < HTTP_ANSWER_MAX);
	head[len] = '\0';
	CHECK(strstr(head, "\r\nContent-Length: 512\r\n\r\nx"));
	CHECK_INT(strlen(strstr(head, "\r\n\r\n")), 4 + 512);
}

TEST(the_longest_head_has_room)
{
	static char head[HTTP_HEAD_MAX + 1], out[HTTP_REWRITE_MAX];
	size_t len, written;

	len = (size_t)snprintf(head, sizeof(head), "GET http://a.b?");
	memset(head + len, 'q', sizeof(head) - len);
	memcpy(head + HTTP_HEAD_MAX - 13, " HTTP/1.1\r\n\r\n", 13);
	CHECK_INT(http_request_read(head, HTTP_HEAD_MAX, &req, &why), 0);
	written = http_request_rewrite(&req, out);
	CHECK(written < HTTP_REWRITE_MAX);
	CHECK(memcmp(out + written - 4, "\r\n\r\n", 4) == 0);
	(void)snprintf(head, sizeof(head), "HTTP/1.1 200\r\n");
	len = strlen(head);
	for (int i = 0; i < HTTP_HEADERS_MAX; i++) {
		memcpy(head + len, "a:\r\n", 4);
		len += 4;
	}
	memcpy(head + len, "\r\n", 2);
	CHECK_INT(http_response_read(head, len + 2, &resp), 0);
	CHECK(http_response_rewrite(&resp, true, out) < HTTP_REWRITE_MAX);
}

CHECK_MAIN("relay_http")
