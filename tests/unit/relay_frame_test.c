/* Frames of gvproxy, QEMU and DNS over a stream. */

#include <errno.h>

#include "tests/unit/check.h"
#include "vsock/relay/wire/frame.h"

static uint8_t buf[64 + FRAME_HEAD_MAX];
static struct frame_reader r;
static const uint8_t *frame;
static size_t len;

static void begin(enum frame_format format)
{
	r = (struct frame_reader){ .format = format,
				   .min = 2,
				   .max = 64,
				   .buf = buf,
				   .cap = sizeof(buf) };
}

static void put(const void *bytes, size_t n)
{
	size_t room;
	uint8_t *at = frame_room(&r, &room);

	REQUIRE(n <= room);
	memcpy(at, bytes, n);
	frame_fill(&r, n);
}

TEST(each_format_has_its_head)
{
	uint8_t head[FRAME_HEAD_MAX];

	CHECK_INT(frame_head(FRAME_GVPROXY, 0x1234, head), 2);
	CHECK_MEM(head, "\x34\x12", 2);
	CHECK_INT(frame_head(FRAME_DNS, 0x1234, head), 2);
	CHECK_MEM(head, "\x12\x34", 2);
	CHECK_INT(frame_head(FRAME_QEMU, 0x12345, head), 4);
	CHECK_MEM(head, "\0\1\x23\x45", 4);
}

TEST(frames_come_whole_however_they_are_cut)
{
	static const char stream[] = "\0\0\0\3abc\0\0\0\2de";

	begin(FRAME_QEMU);
	for (size_t i = 0; i < sizeof(stream) - 1; i++) {
		put(stream + i, 1);
		CHECK_INT(frame_next(&r, &frame, &len), i == 6 || i == 12);
		if (i == 6)
			CHECK(len == 3 && memcmp(frame, "abc", 3) == 0);
	}
	CHECK(len == 2 && memcmp(frame, "de", 2) == 0);
	begin(FRAME_QEMU);
	put(stream, sizeof(stream) - 1);
	CHECK_INT(frame_next(&r, &frame, &len), 1);
	CHECK_INT(frame_next(&r, &frame, &len), 1);
	CHECK(len == 2 && memcmp(frame, "de", 2) == 0);
	CHECK_INT(frame_next(&r, &frame, &len), 0);
}

TEST(a_length_that_cannot_be_ends_the_stream)
{
	begin(FRAME_GVPROXY);
	put("\0\0", 2);
	CHECK_INT(frame_next(&r, &frame, &len), -EMSGSIZE);
	CHECK_INT(len, 0);
	begin(FRAME_GVPROXY);
	put("\x41\0", 2);
	CHECK_INT(frame_next(&r, &frame, &len), -EMSGSIZE);
	CHECK_INT(len, 65);
	begin(FRAME_QEMU);
	put("\xff\xff\xff\xff", 4);
	CHECK_INT(frame_next(&r, &frame, &len), -EMSGSIZE);
	CHECK_INT(len, 0xffffffff);
}

TEST(there_is_room_for_the_longest_frame)
{
	uint8_t longest[64] = { 0 };
	size_t room;

	begin(FRAME_QEMU);
	put("\0\0\0\2xy\0\0\0\x40", 10);
	CHECK_INT(frame_next(&r, &frame, &len), 1);
	CHECK_INT(frame_next(&r, &frame, &len), 0);
	(void)frame_room(&r, &room);
	CHECK_INT(room, 64);
	put(longest, 64);
	CHECK_INT(frame_next(&r, &frame, &len), 1);
	CHECK_INT(len, 64);
}

TEST(gvproxy_is_asked_in_http)
{
	const char *end = strstr(frame_gvproxy_hello, "\r\n\r\n");

	CHECK(strncmp(frame_gvproxy_hello, "POST /connect HTTP/1.1\r\n", 24) ==
	      0);
	CHECK(strstr(frame_gvproxy_hello, "\r\nHost: "));
	CHECK(end && end[4] == '\0');
}

CHECK_MAIN("relay_frame")
