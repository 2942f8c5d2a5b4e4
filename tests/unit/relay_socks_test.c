/* SOCKS5 and enclaver's frames, both sides. */

#include <errno.h>

#include "check.h"
#include "vsock/relay/wire/enclaver.h"
#include "vsock/relay/wire/socks.h"

static struct host host;
static uint16_t port;

static const char *target(void)
{
	static char text[HOST_PORT_TEXT];

	host_port_text(&host, port, text);
	return text;
}

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static int request(const uint8_t *bytes, size_t len, enum socks_reply *reply)
{
	/* No prefix is whole, and none is refused before its time for no reason. */
	for (size_t i = 0; i < len; i++) {
		int r = socks_read_request(bytes, i, &host, &port, reply);

		if (r > 0)
			CHECK_FAIL("%zu of %zu bytes are whole", i, len);
	}
	return socks_read_request(bytes, len, &host, &port, reply);
}

TEST(methods_are_read)
{
	uint8_t answer[2];

	CHECK_INT(socks_read_methods(BYTES("\x05"), answer), 0);
	CHECK_INT(socks_read_methods(BYTES("\x05\x01"), answer), 0);
	CHECK_INT(socks_read_methods(BYTES("\x05\x01\x00"), answer), 3);
	CHECK_MEM(answer, "\x05\x00", 2);
	CHECK_INT(socks_read_methods(BYTES("\x05\x02\x02\x00\x05"), answer), 4);
	CHECK_MEM(answer, "\x05\x00", 2);
	CHECK_INT(socks_read_methods(BYTES("\x05\x01\x02"), answer), 3);
	CHECK_MEM(answer, "\x05\xff", 2);
	CHECK_INT(socks_read_methods(BYTES("\x05\x00"), answer), 2);
	CHECK_MEM(answer, "\x05\xff", 2);
}

TEST(requests_are_read)
{
	enum socks_reply reply;

	CHECK_INT(request(BYTES("\x05\x01\x00\x01\x01\x02\x03\x04\x01\xbb"),
			  &reply),
		  10);
	CHECK_STR(target(), "1.2.3.4:443");
	CHECK_INT(request(BYTES("\x05\x01\x00\x03\x0b"
				"Example.com\x00\x50"),
			  &reply),
		  18);
	CHECK_STR(target(), "example.com:80");
	CHECK_INT(request(BYTES("\x05\x01\x00\x03\x07"
				"1.2.3.4\x00\x50"),
			  &reply),
		  14);
	CHECK_STR(target(), "1.2.3.4:80");
	CHECK_INT(
		request(BYTES("\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x50"),
			&reply),
		22);
	CHECK_STR(target(), "[::1]:80");
	CHECK_INT(
		request(BYTES("\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01\x00\x50"),
			&reply),
		22);
	CHECK_STR(target(), "127.0.0.1:80");
}

TEST(bad_requests_have_an_answer)
{
	enum socks_reply reply;

	CHECK_INT(request(BYTES("\x05\x02\x00\x01\x01\x02\x03\x04\x01\xbb"),
			  &reply),
		  -1);
	CHECK_INT(reply, SOCKS_NO_COMMAND);
	CHECK_INT(request(BYTES("\x05\x03\x00\x01\x01\x02\x03\x04\x01\xbb"),
			  &reply),
		  -1);
	CHECK_INT(reply, SOCKS_NO_COMMAND);
	CHECK_INT(request(BYTES("\x05\x01\x00\x02\x01\x02\x03\x04\x01\xbb"),
			  &reply),
		  -1);
	CHECK_INT(reply, SOCKS_NO_ADDRESS);
	CHECK_INT(request(BYTES("\x05\x01\x00\x01\x01\x02\x03\x04\x00\x00"),
			  &reply),
		  -1);
	CHECK_INT(reply, SOCKS_NO_ADDRESS);
	CHECK_INT(request(BYTES("\x05\x01\x00\x03\x00\x00\x50"), &reply), -1);
	CHECK_INT(reply, SOCKS_NO_ADDRESS);
	CHECK_INT(request(BYTES("\x05\x01\x00\x03\x05"
				"127.1\x00\x50"),
			  &reply),
		  -1);
	CHECK_INT(request(BYTES("\x05\x01\x00\x03\x04"
				"a\0b.\x00\x50"),
			  &reply),
		  -1);
	CHECK_INT(request(BYTES("\x05\x01\x01\x01\x01\x02\x03\x04\x01\xbb"),
			  &reply),
		  -1);
	CHECK_INT(request(BYTES("\x04\x01\x00\x50\x01\x02\x03\x04\x00"),
			  &reply),
		  -1);
}

TEST(the_clients_side)
{
	static const char *const hosts[] = { "example.com", "1.2.3.4",
					     "2001:db8::1" };
	uint8_t message[SOCKS_MESSAGE_MAX];
	enum socks_reply reply;
	char want[HOST_PORT_TEXT];
	struct host h;
	size_t len;

	CHECK_INT(socks_write_methods(message), 3);
	CHECK_MEM(message, "\x05\x01\x00", 3);
	for (size_t i = 0; i < 3; i++) {
		CHECK(!host_read(hosts[i], strlen(hosts[i]), &h));
		len = socks_write_request(&h, 8443, message);
		CHECK_INT(request(message, len, &reply), (int)len);
		host_port_text(&h, 8443, want);
		CHECK_STR(target(), want);
	}
	CHECK_INT(socks_read_choice(BYTES("\x05")), 0);
	CHECK_INT(socks_read_choice(BYTES("\x05\x00")), 2);
	CHECK_INT(socks_read_choice(BYTES("\x05\x02")), -1);
	CHECK_INT(socks_read_choice(BYTES("\x05\xff")), -1);
	CHECK_INT(socks_read_choice(BYTES("\x04\x00")), -1);
	CHECK_INT(socks_read_reply(BYTES("\x05\x00\x00\x01\0\0\0\0\0"), &reply),
		  0);
	CHECK_INT(socks_read_reply(BYTES("\x05\x00\x00\x01\0\0\0\0\0\0after"),
				   &reply),
		  10);
	CHECK_INT(reply, SOCKS_DONE);
	CHECK_INT(socks_read_reply(BYTES("\x05\x00\x00\x03\x02"
					 "ab\0\0"),
				   &reply),
		  9);
	CHECK_INT(socks_read_reply(BYTES("\x05\x02"), &reply), 2);
	CHECK_INT(reply, SOCKS_DENIED);
	CHECK_INT(socks_read_reply(BYTES("\x05\x63\x00\x01\0\0\0\0\0\0"),
				   &reply),
		  10);
	CHECK_INT(reply, SOCKS_FAILED);
	CHECK_INT(socks_read_reply(BYTES("\x05\x00\x00\x09\0\0\0\0\0\0"),
				   &reply),
		  -1);
	CHECK_INT(socks_read_reply(BYTES("HTTP/1.1 400"), &reply), -1);
}

TEST(the_longest_name_has_room)
{
	uint8_t message[SOCKS_MESSAGE_MAX], frame[ENCLAVER_WRITE_MAX];
	enum socks_reply reply;
	char name[HOST_MAX];
	struct host h;
	size_t len;

	memset(name, 'a', sizeof(name));
	for (size_t i = 63; i < sizeof(name); i += 64)
		name[i] = '.';
	CHECK(!host_read(name, sizeof(name), &h));
	len = socks_write_request(&h, 65535, message);
	CHECK_INT(request(message, len, &reply), (int)len);
	len = enclaver_write_request(&h, 65535, frame);
	CHECK_INT(enclaver_read_request(frame, len, &host, &port), (int)len);
	CHECK(host.len == 253 && port == 65535);
}

/* --- enclaver --- */

static int read_json(const char *json)
{
	uint8_t frame[5000];
	size_t len = strlen(json);

	frame[0] = (uint8_t)len;
	frame[1] = (uint8_t)(len >> 8);
	memcpy(frame + 2, json, len);
	for (size_t i = 0; i < len + 2; i++)
		if (enclaver_read_request(frame, i, &host, &port) != 0)
			CHECK_FAIL("%zu bytes of %s", i, json);
	memcpy(frame + 2 + len, "after", 5);
	return enclaver_read_request(frame, len + 7, &host, &port);
}

TEST(enclaver_asks_in_json)
{
	uint8_t frame[ENCLAVER_WRITE_MAX];
	struct host h;
	size_t len;

	CHECK(!host_read("a.b", 3, &h));
	len = enclaver_write_request(&h, 443, frame);
	CHECK_INT(len, 27);
	CHECK_MEM(frame, "\x19\0{\"host\":\"a.b\",\"port\":443}", 27);
	CHECK(!host_read("[::1]", 5, &h));
	len = enclaver_write_request(&h, 443, frame);
	CHECK_MEM(frame + 2, "{\"host\":\"::1\",\"port\":443}", 25);

	CHECK(read_json("{\"host\":\"Example.com\",\"port\":443}") > 0);
	CHECK_STR(target(), "example.com:443");
	CHECK(read_json(" { \"port\" : 80 , \"host\" : \"::1\" } ") > 0);
	CHECK_STR(target(), "[::1]:80");
	CHECK(read_json(
		      "{\"x\":\"a\\\"b\",\"port\":80,\"y\":-1.5e3,\"host\":\"a\",\"z\":null}") >
	      0);
	CHECK_STR(target(), "a:80");
}

TEST(bad_json_is_refused)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"null",
		"{\"host\":\"a\"}",
		"{\"port\":1}",
		"{\"host\":\"a\",\"port\":0}",
		"{\"host\":\"a\",\"port\":65536}",
		"{\"host\":\"a\",\"port\":-1}",
		"{\"host\":\"a\",\"port\":1.5}",
		"{\"host\":\"a\",\"port\":\"1\"}",
		"{\"host\":1,\"port\":1}",
		"{\"host\":\"a\",\"port\":1",
		"{\"host\":\"a\",\"port\":1}}",
		"{\"host\":\"a\",\"port\":1,}",
		"{\"host\":\"a\" \"port\":1}",
		"{\"host\":\"a\",\"host\":\"b\",\"port\":1}",
		"{\"host\":\"a\",\"port\":1,\"port\":2}",
		"{\"host\":\" a\",\"port\":1}",
		"{\"host\":\"a \",\"port\":1}",
		"{\"host\":\"127.1\",\"port\":1}",
		"{\"host\":\"\\u0061\",\"port\":1}",
		"{\"host\":\"a\\\",\"port\":1}",
		"{\"host\":\"a\nb\",\"port\":1}",
		"{\"host\":\"a\",\"port\":1,\"x\":{}}",
		"{host:\"a\",port:1}",
		"{'host':'a','port':1}",
		"{\"host\":\"a\",\"port\":1}x",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (read_json(bad[i]) != -1)
			CHECK_FAIL("%s", bad[i]);
	CHECK_INT(enclaver_read_request(BYTES("\xff\xff"), &host, &port), -1);
	CHECK_INT(enclaver_read_request(BYTES("\x01\x10"), &host, &port), -1);
}

static int answer(const char *json)
{
	uint8_t frame[400];
	int error = -1, r;

	frame[0] = (uint8_t)strlen(json);
	frame[1] = 0;
	memcpy(frame + 2, json, strlen(json));
	CHECK_INT(enclaver_read_answer(frame, 1 + strlen(json), &error), 0);
	r = enclaver_read_answer(frame, 2 + strlen(json), &error);
	CHECK_INT(r, (int)strlen(json) + 2);
	return error;
}

TEST(enclaver_answers)
{
	uint8_t frame[ENCLAVER_WRITE_MAX];
	char text[400];
	int error = -1;
	size_t len;

	CHECK_INT(answer("\"Ok\""), 0);
	CHECK_INT(answer(" \"Ok\"\n"), 0);
	CHECK_INT(
		answer("{\"Err\":{\"os_code\":111,\"message\":\"Connection refused\"}}"),
		ECONNREFUSED);
	CHECK_INT(answer("{\"Err\":{\"message\":\"x\",\"os_code\": 110}}"),
		  ETIMEDOUT);
	CHECK_INT(answer("{\"Err\":{\"os_code\":0,\"message\":\"\"}}"), EIO);
	CHECK_INT(answer("{\"Err\":{\"os_code\":-1,\"message\":\"\"}}"), EIO);
	CHECK_INT(answer("\"Okay\""), EIO);
	CHECK_INT(answer("Ok"), EIO);
	CHECK_INT(answer("\"Ok\" 1"), EIO);
	CHECK_INT(answer("x"), EIO);
	CHECK_INT(enclaver_read_answer(BYTES("\x01\x10"), &error), -1);
	len = enclaver_write_answer(0, "", frame);
	CHECK_INT(len, 6);
	CHECK_MEM(frame, "\x04\0\"Ok\"", 6);
	len = enclaver_write_answer(ECONNREFUSED, "no \"way\"", frame);
	CHECK_INT(len, 2 + 39);
	CHECK_INT(enclaver_read_answer(frame, len, &error), (int)len);
	CHECK_INT(error, ECONNREFUSED);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	len = enclaver_write_answer(ECONNREFUSED, text, frame);
	CHECK(len <= ENCLAVER_WRITE_MAX &&
	      memcmp(frame + len - 3, "\"}}", 3) == 0);
}

CHECK_MAIN("relay_socks")
