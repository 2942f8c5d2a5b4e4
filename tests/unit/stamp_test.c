/* The timestamp in attestation documents. What is not broken is cbor2's work. */

#include "init/clock/stamp.h"

#include <errno.h>

#include "tests/unit/data.h"

/* COSE_Sign1 of a payload of LEN bytes (one byte of length), without its tag. */
#define DOC(len, payload)          \
	"\x84\x44\xa1\x01\x38\x22" \
	"\xa1\x04\x43kid\x58" len payload "\x44ssss"

/* The last of the fields, behind a map, an array and null. */
#define FULL                                                            \
	DOC("\x52", "\xa6\x69module_id\x63i-1\x66"                      \
		    "digest\x66SHA384\x64pcrs\xa2\x00\x42\x01\x02"      \
		    "\x01\x40\x69timestamp\x1b\x00\x00\x01\x81\xd3\xe0" \
		    "\x51\x94\x65nonce\xf6\x68"                         \
		    "cabundle\x82\x41x\x42yz")

#define READ(text, ret) read_copy(text, sizeof(text) - 1, ret)

/* From memory of exactly that length. */
static int read_copy(const char *bytes, size_t len, uint64_t *ret)
{
	struct data d = data_copy(bytes, len);
	int r = stamp_read(d.bytes, d.len, ret);

	free(d.bytes);
	return r;
}

TEST(a_timestamp_is_found)
{
	uint64_t ms = 0;

	CHECK_INT(READ(FULL, &ms), 0);
	CHECK_INT((int64_t)ms, INT64_C(1657117102484));
	ms = 0;
	CHECK_INT(READ("\xd2" FULL, &ms), 0);
	CHECK_INT((int64_t)ms, INT64_C(1657117102484));
	CHECK_INT(READ(DOC("\x0c", "\xa1\x69timestamp\x00"), &ms), 0);
	CHECK_INT((int64_t)ms, 0);
	/* As NSMs write it since the middle of 2025: an open map. */
	ms = 0;
	CHECK_INT(READ(DOC("\x16", "\xbf\x61z\x9f\x82\x01\x02\xff\x69timestamp"
				   "\x19\x01\x02\xff"),
		       &ms),
		  0);
	CHECK_INT((int64_t)ms, 0x102);
	CHECK_INT(READ(DOC("\x04", "\xbf\x61z\xff"), &ms), -EBADMSG);
	CHECK_INT(READ(DOC("\x02", "\xbf\xff"), &ms), -EBADMSG);
	/* Not one that lies in another field's value. */
	CHECK_INT(READ(DOC("\x1a", "\xa2\x61z\xa1\x69timestamp\x05"
				   "\x69timestamp\x07"),
		       &ms),
		  0);
	CHECK_INT((int64_t)ms, 7);
}

TEST(a_document_cut_short_is_none)
{
	static const char doc[] = "\xd2" FULL;
	/* Up to the end of the payload; the signature is not looked at. */
	const size_t end = sizeof(doc) - 1 - 5;
	uint64_t ms = 7;

	for (size_t len = 0; len < end; len++)
		CHECK_INT(read_copy(doc, len, &ms), -ENODATA);
	CHECK_INT((int64_t)ms, 7);
	CHECK_INT(read_copy(doc, end, &ms), 0);
}

TEST(what_is_no_document_is_refused)
{
	uint64_t ms = 7;

	CHECK_INT(READ("\x83\x40\xa0\x40\x40", &ms), -EBADMSG);
	CHECK_INT(READ("\xa4\x40\xa0\x40\x40", &ms), -EBADMSG);
	CHECK_INT(READ("\x84\x40\xa0\xa0\x40", &ms), -EBADMSG);
	CHECK_INT(READ("\x84\x40\xa0\x41\x01\x40", &ms), -EBADMSG);
	CHECK_INT(READ("\xd2\xd2\x84\x40\xa0\x41\x01\x40", &ms), -EBADMSG);
	CHECK_INT(READ(DOC("\x00", ""), &ms), -ENODATA);
	/* None; of another type; in another field's value; of no length. */
	CHECK_INT(READ(DOC("\x15", "\xa1\x69module_id\x69timestamp"), &ms),
		  -EBADMSG);
	CHECK_INT(READ(DOC("\x0d", "\xa1\x69timestamp\x61x"), &ms), -EBADMSG);
	CHECK_INT(READ(DOC("\x0c", "\xa1\x69timestamp\x20"), &ms), -EBADMSG);
	CHECK_INT(READ(DOC("\x0f", "\xa1\x00\xa1\x69timestamp\x00"), &ms),
		  -EBADMSG);
	/* Open, and a break in place of the number; a string in chunks. */
	CHECK_INT(READ(DOC("\x0c", "\xbf\x69timestamp\xff"), &ms), -EBADMSG);
	CHECK_INT(READ(DOC("\x05", "\xbf\x7f\x61t\xff"), &ms), -EBADMSG);
	/* More pairs than there are bytes. */
	CHECK_INT(READ(DOC("\x09", "\xbb\xff\xff\xff\xff\xff\xff\xff\xff"),
		       &ms),
		  -ENODATA);
	CHECK_INT((int64_t)ms, 7);
}

CHECK_MAIN("stamp")
