/*
 * compat NAME: a test of AWS's nine functions, as their users call them, over a
 * device that is in this file: the library reaches it by syscall(), open() and
 * close(). -l lists the tests. What is wanted was measured on AWS's own library.
 *
 * It compiles as C++ as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <nsm.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define CHECK(condition)                                           \
	do                                                         \
		if (!(condition)) {                                \
			fprintf(stderr, "line %d: %s\n", __LINE__, \
				#condition);                       \
			exit(1);                                   \
		}                                                  \
	while (0)

enum { FD = 7, REQUEST_MAX = 0x1000, ANSWER_MAX = 0x3000 };

/* --- the device --- */

static struct {
	uint8_t answer[ANSWER_MAX + 1];
	size_t answer_len;
	int fails; /* an errno */

	int requests;
	uint8_t request[REQUEST_MAX];
	size_t request_len;

	int opened[4]; /* what open returns, or -errno, by turns */
	int opens, flags, closed;
	char path[32];
} dev;

#ifdef __cplusplus
extern "C" {
#endif

long syscall(long number, ...);
int open(const char *path, int flags, ...);
int close(int fd);

long syscall(long number, ...)
{
	struct raw {
		uint64_t req, req_len, resp, resp_len;
	} * raw;
	va_list ap;
	unsigned long request;
	int fd;

	va_start(ap, number);
	fd = va_arg(ap, int);
	request = va_arg(ap, unsigned long);
	raw = va_arg(ap, struct raw *);
	va_end(ap);
	CHECK((request & 0xffffffff) == 0xc0200a00);
	if (fd != FD) {
		errno = EBADF;
		return -1;
	}
	dev.requests++;
	CHECK(raw->req_len > 0 && raw->req_len <= REQUEST_MAX);
	CHECK(raw->resp_len == ANSWER_MAX);
	dev.request_len = raw->req_len;
	memcpy(dev.request, (const void *)(uintptr_t)raw->req, raw->req_len);
	if (dev.fails) {
		errno = dev.fails;
		return -1;
	}
	memcpy((void *)(uintptr_t)raw->resp, dev.answer, dev.answer_len);
	raw->resp_len = dev.answer_len;
	return 0;
}

int open(const char *path, int flags, ...)
{
	int fd = dev.opened[dev.opens < 3 ? dev.opens : 3];

	dev.opens++;
	dev.flags = flags;
	snprintf(dev.path, sizeof(dev.path), "%s", path);
	if (fd >= 0)
		return fd;
	errno = -fd;
	return -1;
}

int close(int fd)
{
	dev.closed = fd;
	return 0;
}

#ifdef __cplusplus
}
#endif

static void put(const void *data, size_t len)
{
	CHECK(dev.answer_len + len <= ANSWER_MAX);
	memcpy(dev.answer + dev.answer_len, data, len);
	dev.answer_len += len;
}

/* A byte string of LEN bytes, which count from 1, or another of that MAJOR. */
static void put_bytes(unsigned major, size_t len)
{
	uint8_t head[3] = { (uint8_t)(major << 5 | 25), (uint8_t)(len >> 8),
			    (uint8_t)len };

	put(head, sizeof(head));
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = major == 3 ? (uint8_t)('a' + i % 26) :
					    (uint8_t)(i + 1);

		put(&byte, 1);
	}
}

static void answer(const void *data, size_t len)
{
	dev.answer_len = 0;
	put(data, len);
}

#define ANSWER(text) answer(text, sizeof(text) - 1)
#define ASKED(text)                             \
	(dev.request_len == sizeof(text) - 1 && \
	 memcmp(dev.request, text, sizeof(text) - 1) == 0)
#define PCR48                            \
	"\x58\x30"                       \
	"abcdefghijklmnopqrstuvwxABCDEF" \
	"GHIJKLMNOPQRSTUVWX"
#define EXTENDED            \
	"\xa1\x69"          \
	"ExtendPCR\xa1\x64" \
	"data" PCR48
#define DESCRIBED(lock)                       \
	"\xa1\x6b"                            \
	"DescribePCR\xa2\x64lock" lock "\x64" \
	"data" PCR48

static uint8_t out[20000];

static void clear(void)
{
	memset(out, 0xee, sizeof(out));
	dev.requests = 0;
}

/* How many bytes of OUT were written. */
static size_t written(void)
{
	size_t n = sizeof(out);

	while (n > 0 && out[n - 1] == 0xee)
		n--;
	return n;
}

/* --- the tests --- */

static void layout(void)
{
	CHECK(sizeof(NsmDescription) == 252);
	CHECK(offsetof(NsmDescription, version_major) == 0);
	CHECK(offsetof(NsmDescription, version_minor) == 2);
	CHECK(offsetof(NsmDescription, version_patch) == 4);
	CHECK(offsetof(NsmDescription, module_id) == 6);
	CHECK(offsetof(NsmDescription, module_id_len) == 108);
	CHECK(offsetof(NsmDescription, max_pcrs) == 112);
	CHECK(offsetof(NsmDescription, locked_pcrs) == 114);
	CHECK(offsetof(NsmDescription, locked_pcrs_len) == 244);
	CHECK(offsetof(NsmDescription, digest) == 248);
	CHECK(sizeof(((NsmDescription *)NULL)->module_id) == 100);
	CHECK(sizeof(((NsmDescription *)NULL)->locked_pcrs) == 128);
	CHECK(sizeof(ErrorCode) == 4 && sizeof(enum Digest) == 4);
	CHECK(DIGEST_SHA256 == 0 && DIGEST_SHA384 == 1 && DIGEST_SHA512 == 2);
	CHECK(ERROR_CODE_SUCCESS == 0 && ERROR_CODE_INVALID_ARGUMENT == 1);
	CHECK(ERROR_CODE_INVALID_INDEX == 2 &&
	      ERROR_CODE_INVALID_RESPONSE == 3);
	CHECK(ERROR_CODE_READ_ONLY_INDEX == 4);
	CHECK(ERROR_CODE_INVALID_OPERATION == 5);
	CHECK(ERROR_CODE_BUFFER_TOO_SMALL == 6);
	CHECK(ERROR_CODE_INPUT_TOO_LARGE == 7 &&
	      ERROR_CODE_INTERNAL_ERROR == 8);
}

static void init(void)
{
	dev.opened[0] = 5;
	CHECK(nsm_lib_init() == 5 && dev.opens == 1);
	CHECK(strcmp(dev.path, "/dev/nsm") == 0);
	CHECK(dev.flags == (O_RDWR | O_CLOEXEC));
	dev.opens = 0;
	dev.opened[0] = dev.opened[1] = -EINTR;
	dev.opened[2] = 0;
	CHECK(nsm_lib_init() == 0 && dev.opens == 3);
	dev.opens = 0;
	dev.opened[0] = -ENOENT;
	CHECK(nsm_lib_init() == -1 && errno == ENOENT && dev.opens == 1);
}

static void end(void)
{
	nsm_lib_exit(5);
	CHECK(dev.closed == 5);
	nsm_lib_exit(-1);
	CHECK(dev.closed == -1);
}

static const uint8_t abc[] = { 1, 2, 3 };

/* What comes back of 48 bytes where there is room for CAP of them. */
static void check_out(uint32_t cap, uint32_t len, enum ErrorCode e)
{
	static const char pcr[] = PCR48;

	if (cap >= 48)
		CHECK(e == ERROR_CODE_SUCCESS && len == 48);
	else
		CHECK(e == ERROR_CODE_BUFFER_TOO_SMALL && len == cap);
	CHECK(written() == (cap < 48 ? cap : 48));
	CHECK(memcmp(out, pcr + 2, written()) == 0);
	CHECK(dev.requests == 1);
}

static const uint32_t caps[] = { 64, 48, 47, 1, 0 };

static void extend(void)
{
	uint32_t len;

	ANSWER(EXTENDED);
	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		enum ErrorCode e;

		clear();
		len = caps[i];
		e = nsm_extend_pcr(FD, 16, abc, 3, out, &len);
		check_out(caps[i], len, e);
	}
	CHECK(ASKED("\xa1\x69"
		    "ExtendPCR\xa2\x65index\x10\x64"
		    "data\x43\1\2\3"));
}

static void extend_without_room_or_data(void)
{
	uint32_t len = 64;

	ANSWER(EXTENDED);
	CHECK(nsm_extend_pcr(FD, 16, abc, 3, NULL, &len) ==
	      ERROR_CODE_BUFFER_TOO_SMALL);
	CHECK(len == 0 && dev.requests == 1);

	clear();
	for (uint32_t n = 0; n < 4; n += 3) {
		len = 64;
		CHECK(nsm_extend_pcr(FD, 16, NULL, n, out, &len) ==
		      ERROR_CODE_INVALID_ARGUMENT);
		CHECK(len == 64 && written() == 0 && dev.requests == 0);
	}
	CHECK(nsm_extend_pcr(FD, 16, abc, 0, out, &len) == ERROR_CODE_SUCCESS);
	CHECK(ASKED("\xa1\x69"
		    "ExtendPCR\xa2\x65index\x10\x64"
		    "data\x40"));
}

static void extend_with_much(void)
{
	static uint8_t data[5000];
	static const struct {
		uint16_t index;
		uint32_t max;
	} cases[] = { { 0, 4069 }, { 23, 4069 }, { 24, 4068 }, { 255, 4068 } };
	uint32_t len;

	ANSWER(EXTENDED);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		clear();
		len = 64;
		CHECK(nsm_extend_pcr(FD, cases[i].index, data, cases[i].max,
				     out, &len) == ERROR_CODE_SUCCESS);
		CHECK(dev.requests == 1 && dev.request_len == REQUEST_MAX);
		len = 64;
		CHECK(nsm_extend_pcr(FD, cases[i].index, data, cases[i].max + 1,
				     out, &len) == ERROR_CODE_INPUT_TOO_LARGE);
		CHECK(nsm_extend_pcr(FD, cases[i].index, data, UINT32_MAX, out,
				     &len) == ERROR_CODE_INPUT_TOO_LARGE);
		CHECK(dev.requests == 1 && len == 64);
	}
}

static void describe(void)
{
	uint32_t len;
	bool lock;

	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		enum ErrorCode e;

		clear();
		ANSWER(DESCRIBED("\xf5"));
		len = caps[i];
		lock = false;
		e = nsm_describe_pcr(FD, 3, &lock, out, &len);
		check_out(caps[i], len, e);
		/* Before the lengths are compared. */
		CHECK(lock);
	}
	CHECK(ASKED("\xa1\x6b"
		    "DescribePCR\xa1\x65index\x03"));
	ANSWER(DESCRIBED("\xf4"));
	len = 64;
	CHECK(nsm_describe_pcr(FD, 255, &lock, out, &len) == 0 && !lock);
	CHECK(ASKED("\xa1\x6b"
		    "DescribePCR\xa1\x65index\x18\xff"));
	ANSWER(DESCRIBED("\xf5"));
	len = 64;
	CHECK(nsm_describe_pcr(FD, 3, &lock, NULL, &len) ==
	      ERROR_CODE_BUFFER_TOO_SMALL);
	CHECK(len == 0 && lock);
}

static void lock(void)
{
	ANSWER("\x67LockPCR");
	CHECK(nsm_lock_pcr(FD, 16) == ERROR_CODE_SUCCESS);
	CHECK(ASKED("\xa1\x67LockPCR\xa1\x65index\x10"));
	CHECK(nsm_lock_pcrs(FD, 16) == ERROR_CODE_INVALID_RESPONSE);
	CHECK(ASKED("\xa1\x68LockPCRs\xa1\x65range\x10"));
	ANSWER("\x68LockPCRs");
	CHECK(nsm_lock_pcrs(FD, 0) == ERROR_CODE_SUCCESS);
	CHECK(ASKED("\xa1\x68LockPCRs\xa1\x65range\x00"));
	CHECK(nsm_lock_pcr(FD, 16) == ERROR_CODE_INVALID_RESPONSE);
	ANSWER("\xa1\x65"
	       "Error\x6dReadOnlyIndex");
	CHECK(nsm_lock_pcr(FD, 16) == ERROR_CODE_READ_ONLY_INDEX);
}

/* There is no such PCR; the device is not asked, which AWS's library does. */
static void indexes_above_255(void)
{
	uint32_t len = 64;
	bool is_locked = true;

	ANSWER(EXTENDED);
	clear();
	for (unsigned i = 256; i < 65536; i += 65535 - 256) {
		uint16_t index = (uint16_t)i;

		CHECK(nsm_extend_pcr(FD, index, abc, 3, out, &len) ==
		      ERROR_CODE_INVALID_INDEX);
		CHECK(nsm_describe_pcr(FD, index, &is_locked, out, &len) ==
		      ERROR_CODE_INVALID_INDEX);
		CHECK(nsm_lock_pcr(FD, index) == ERROR_CODE_INVALID_INDEX);
		CHECK(nsm_lock_pcrs(FD, index) == ERROR_CODE_INVALID_INDEX);
	}
	CHECK(dev.requests == 0 && len == 64 && written() == 0 && is_locked);
}

/* An answer with a module_id of ID_LEN bytes, DIGEST, and the PCRs LOCKED. */
static void describes(size_t id_len, const char *digest, const void *locked,
		      size_t locked_len)
{
	static const char begin[] =
		"\xa1\x6b"
		"DescribeNSM\xa7\x6dversion_major\x01\x6dversion_minor"
		"\x02\x6dversion_patch\x19\x01\x02\x69module_id";
	static const char middle[] = "\x68max_pcrs\x18\x20\x6blocked_pcrs";
	uint8_t head = (uint8_t)(0x60 + strlen(digest));

	answer(begin, sizeof(begin) - 1);
	put_bytes(3, id_len);
	put(middle, sizeof(middle) - 1);
	put(locked, locked_len);
	put("\x66"
	    "digest",
	    7);
	put(&head, 1);
	put(digest, strlen(digest));
}

static void description(void)
{
	static const char none[] = "\x80", some[] = "\x84\x00\x01\x18\x1f\x0f";
	static const struct {
		const char *name;
		enum Digest digest;
	} digests[] = { { "SHA256", DIGEST_SHA256 },
			{ "SHA384", DIGEST_SHA384 },
			{ "SHA512", DIGEST_SHA512 } };
	static const struct {
		size_t len, kept;
	} ids[] = { { 0, 0 },	{ 1, 1 },    { 98, 98 },
		    { 99, 99 }, { 100, 99 }, { 200, 99 } };
	NsmDescription d;

	memset(&d, 0xee, sizeof(d));
	describes(20, "SHA384", some, sizeof(some) - 1);
	CHECK(nsm_get_description(FD, &d) == ERROR_CODE_SUCCESS);
	CHECK(ASKED("\x6b"
		    "DescribeNSM"));
	CHECK(d.version_major == 1 && d.version_minor == 2);
	CHECK(d.version_patch == 0x102 && d.max_pcrs == 32);
	CHECK(d.module_id_len == 20);
	CHECK(strcmp((const char *)d.module_id, "abcdefghijklmnopqrst") == 0);
	CHECK(d.locked_pcrs_len == 4 && d.locked_pcrs[0] == 0);
	/* Ascending, whatever the device says. */
	CHECK(d.locked_pcrs[1] == 1 && d.locked_pcrs[2] == 15);
	CHECK(d.locked_pcrs[3] == 31);
	for (size_t i = 0; i < 3; i++) {
		describes(3, digests[i].name, none, 1);
		CHECK(nsm_get_description(FD, &d) == ERROR_CODE_SUCCESS);
		CHECK(d.digest == digests[i].digest && d.locked_pcrs_len == 0);
	}
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		memset(&d, 0xee, sizeof(d));
		describes(ids[i].len, "SHA384", none, 1);
		CHECK(nsm_get_description(FD, &d) == ERROR_CODE_SUCCESS);
		CHECK(d.module_id_len == ids[i].kept);
		CHECK(d.module_id[ids[i].kept] == 0);
		CHECK(ids[i].kept == 0 || d.module_id[ids[i].kept - 1] ==
						  'a' + (ids[i].kept - 1) % 26);
		CHECK(d.max_pcrs == 32);
	}
}

static void description_refused(void)
{
	NsmDescription d, untouched;

	memset(&d, 0xee, sizeof(d));
	memset(&untouched, 0xee, sizeof(untouched));
	describes(3, "SHA-1", "\x80", 1);
	CHECK(nsm_get_description(FD, &d) == ERROR_CODE_INTERNAL_ERROR);
	ANSWER("\xa1\x65"
	       "Error\x70InvalidOperation");
	CHECK(nsm_get_description(FD, &d) == ERROR_CODE_INVALID_OPERATION);
	ANSWER("\x67LockPCR");
	CHECK(nsm_get_description(FD, &d) == ERROR_CODE_INVALID_RESPONSE);
	CHECK(nsm_get_description(-1, &d) == ERROR_CODE_INTERNAL_ERROR);
	CHECK(memcmp(&d, &untouched, sizeof(d)) == 0);
}

static void attests(size_t len)
{
	ANSWER("\xa1\x6b"
	       "Attestation\xa1\x68"
	       "document");
	put_bytes(2, len);
}

static void attest(void)
{
	static const uint8_t user[] = { 'u' }, nonce[] = { 'n', 'n' };
	uint32_t len = 16384;

	/* As aws-nitro-enclaves-sdk-c asks for it. */
	clear();
	attests(4500);
	CHECK(nsm_get_attestation_doc(FD, NULL, 0, NULL, 0, abc, 3, out,
				      &len) == ERROR_CODE_SUCCESS);
	CHECK(len == 4500 && written() == 4500 && out[4499] == (uint8_t)4500);
	CHECK(ASKED("\xa1\x6b"
		    "Attestation\xa3\x69user_data\xf6\x65nonce\xf6"
		    "\x6apublic_key\x43\1\2\3"));
	/* NULL is absent, whatever its length; what is not is empty at least. */
	len = 16384;
	CHECK(nsm_get_attestation_doc(FD, user, 1, nonce, 2, NULL, 9, out,
				      &len) == ERROR_CODE_SUCCESS);
	CHECK(ASKED("\xa1\x6b"
		    "Attestation\xa3\x69user_data\x41u\x65nonce\x42nn"
		    "\x6apublic_key\xf6"));
	len = 16384;
	CHECK(nsm_get_attestation_doc(FD, user, 0, NULL, 0, abc, 0, out,
				      &len) == ERROR_CODE_SUCCESS);
	CHECK(ASKED("\xa1\x6b"
		    "Attestation\xa3\x69user_data\x40\x65nonce\xf6"
		    "\x6apublic_key\x40"));
	len = 16384;
	CHECK(nsm_get_attestation_doc(FD, NULL, UINT32_MAX, NULL, 4097, NULL, 1,
				      out, &len) == ERROR_CODE_SUCCESS);
	CHECK(ASKED("\xa1\x6b"
		    "Attestation\xa3\x69user_data\xf6\x65nonce\xf6"
		    "\x6apublic_key\xf6"));
	/* The longest that an answer has room for. */
	len = 16384;
	attests(12262);
	CHECK(nsm_get_attestation_doc(FD, NULL, 0, NULL, 0, NULL, 0, out,
				      &len) == ERROR_CODE_SUCCESS);
	CHECK(len == 12262 && dev.answer_len == ANSWER_MAX);
}

static void attest_without_room(void)
{
	uint32_t len = 4499;

	clear();
	attests(4500);
	CHECK(nsm_get_attestation_doc(FD, NULL, 0, NULL, 0, NULL, 0, out,
				      &len) == ERROR_CODE_BUFFER_TOO_SMALL);
	CHECK(len == 4499 && written() == 4499);
	CHECK(nsm_get_attestation_doc(FD, NULL, 0, NULL, 0, NULL, 0, NULL,
				      &len) == ERROR_CODE_BUFFER_TOO_SMALL);
	CHECK(len == 0);
}

static void attest_with_much(void)
{
	static uint8_t data[5000];
	uint32_t len = 16384;

	clear();
	attests(10);
	CHECK(nsm_get_attestation_doc(FD, data, 4051, NULL, 0, NULL, 0, out,
				      &len) == ERROR_CODE_INPUT_TOO_LARGE);
	CHECK(nsm_get_attestation_doc(FD, data, 1348, data, 1348, data, 1351,
				      out, &len) == ERROR_CODE_INPUT_TOO_LARGE);
	CHECK(len == 16384 && written() == 0 && dev.requests == 0);
	CHECK(nsm_get_attestation_doc(FD, data, 4050, NULL, 0, NULL, 0, out,
				      &len) == ERROR_CODE_SUCCESS);
	CHECK(dev.request_len == REQUEST_MAX);
	len = 16384;
	CHECK(nsm_get_attestation_doc(FD, data, 1348, data, 1348, data, 1348,
				      out, &len) == ERROR_CODE_SUCCESS);
}

static void randoms(size_t len)
{
	ANSWER("\xa1\x69GetRandom\xa1\x66random");
	put_bytes(2, len);
}

static void random_bytes(void)
{
	static const uintptr_t sizes[] = { 256, 1, 255, 257, 16384 };
	uintptr_t len;

	randoms(256);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uintptr_t wanted = sizes[i] < 256 ? sizes[i] : 256;

		clear();
		len = sizes[i];
		CHECK(nsm_get_random(FD, out, &len) == ERROR_CODE_SUCCESS);
		CHECK(len == wanted && written() <= wanted);
		CHECK(out[0] == 1 && out[wanted - 1] == (uint8_t)wanted);
		CHECK(dev.requests == 1 && ASKED("\x69GetRandom"));
	}
	/* The device may have less. */
	randoms(5);
	clear();
	len = 100;
	CHECK(nsm_get_random(FD, out, &len) == ERROR_CODE_SUCCESS);
	CHECK(len == 5 && written() == 5);
}

static void random_without_room(void)
{
	uintptr_t len = 256, none = 0;

	clear();
	randoms(256);
	CHECK(nsm_get_random(-1, out, &len) == ERROR_CODE_INVALID_ARGUMENT);
	CHECK(nsm_get_random(FD, NULL, &len) == ERROR_CODE_INVALID_ARGUMENT);
	CHECK(nsm_get_random(FD, out, &none) == ERROR_CODE_INVALID_ARGUMENT);
	CHECK(len == 256 && none == 0 && written() == 0 && dev.requests == 0);
	ANSWER("\xa1\x65"
	       "Error\x6dInternalError");
	CHECK(nsm_get_random(FD, out, &len) == ERROR_CODE_INTERNAL_ERROR);
	CHECK(len == 256 && written() == 0);
}

/* Each of the seven answers E, and writes nothing. */
static void all_are(int line, enum ErrorCode e)
{
	NsmDescription d, untouched;
	uint32_t len = 64;
	uintptr_t size = 256;
	bool is_locked = true;
	enum ErrorCode got[7];

	clear();
	memset(&d, 0xee, sizeof(d));
	memset(&untouched, 0xee, sizeof(untouched));
	got[0] = nsm_extend_pcr(FD, 16, abc, 3, out, &len);
	got[1] = nsm_describe_pcr(FD, 16, &is_locked, out, &len);
	got[2] = nsm_lock_pcr(FD, 16);
	got[3] = nsm_lock_pcrs(FD, 16);
	got[4] = nsm_get_description(FD, &d);
	got[5] = nsm_get_attestation_doc(FD, NULL, 0, NULL, 0, NULL, 0, out,
					 &len);
	got[6] = nsm_get_random(FD, out, &size);
	for (size_t i = 0; i < 7; i++)
		if (got[i] != e) {
			fprintf(stderr, "line %d: function %zu: %d, not %d\n",
				line, i, (int)got[i], (int)e);
			exit(1);
		}
	CHECK(len == 64 && size == 256 && written() == 0 && is_locked);
	CHECK(memcmp(&d, &untouched, sizeof(d)) == 0 && dev.requests == 7);
}
#define ALL_ARE(e) all_are(__LINE__, e)

static void refusals(void)
{
	static const struct {
		const char *name;
		enum ErrorCode e;
	} names[] = {
		{ "InvalidArgument", ERROR_CODE_INVALID_ARGUMENT },
		{ "InvalidIndex", ERROR_CODE_INVALID_INDEX },
		{ "InvalidResponse", ERROR_CODE_INVALID_RESPONSE },
		{ "ReadOnlyIndex", ERROR_CODE_READ_ONLY_INDEX },
		{ "InvalidOperation", ERROR_CODE_INVALID_OPERATION },
		{ "BufferTooSmall", ERROR_CODE_BUFFER_TOO_SMALL },
		{ "InputTooLarge", ERROR_CODE_INPUT_TOO_LARGE },
		{ "InternalError", ERROR_CODE_INTERNAL_ERROR },
		{ "ANewError", ERROR_CODE_INTERNAL_ERROR },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint8_t head = (uint8_t)(0x60 + strlen(names[i].name));

		ANSWER("\xa1\x65"
		       "Error");
		put(&head, 1);
		put(names[i].name, strlen(names[i].name));
		ALL_ARE(names[i].e);
	}
}

static void failures_of_the_device(void)
{
	static const int errors[] = { EINVAL, EBADF, EINTR, ENOTTY, ETIMEDOUT };

	dev.fails = EMSGSIZE;
	ALL_ARE(ERROR_CODE_INPUT_TOO_LARGE);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		dev.fails = errors[i];
		ALL_ARE(ERROR_CODE_INTERNAL_ERROR);
	}
}

static void answers_that_are_none(void)
{
	ANSWER("");
	ALL_ARE(ERROR_CODE_INTERNAL_ERROR);
	ANSWER("\xf6");
	ALL_ARE(ERROR_CODE_INTERNAL_ERROR);
	ANSWER("\x63New");
	ALL_ARE(ERROR_CODE_INTERNAL_ERROR);
	ANSWER("\xa1\x63New\xa0");
	ALL_ARE(ERROR_CODE_INTERNAL_ERROR);
	/* Without its fields. */
	ANSWER("\xa1\x69"
	       "ExtendPCR\xa0");
	ALL_ARE(ERROR_CODE_INTERNAL_ERROR);
	/* Cut, and with more behind it. */
	ANSWER(EXTENDED);
	dev.answer_len--;
	ALL_ARE(ERROR_CODE_INTERNAL_ERROR);
	ANSWER(EXTENDED "\0");
	ALL_ARE(ERROR_CODE_INTERNAL_ERROR);
}

/* A good answer is good for its own request alone. */
static void answers_to_another_request(void)
{
	uint32_t len = 64;
	bool is_locked = true;

	ANSWER(EXTENDED);
	CHECK(nsm_describe_pcr(FD, 3, &is_locked, out, &len) ==
	      ERROR_CODE_INVALID_RESPONSE);
	CHECK(nsm_lock_pcr(FD, 3) == ERROR_CODE_INVALID_RESPONSE);
	randoms(256);
	CHECK(nsm_extend_pcr(FD, 3, abc, 3, out, &len) ==
	      ERROR_CODE_INVALID_RESPONSE);
	attests(100);
	CHECK(nsm_lock_pcrs(FD, 3) == ERROR_CODE_INVALID_RESPONSE);
	describes(3, "SHA384", "\x80", 1);
	CHECK(nsm_get_attestation_doc(FD, NULL, 0, NULL, 0, NULL, 0, out,
				      &len) == ERROR_CODE_INVALID_RESPONSE);
	CHECK(len == 64);
}

#define TEST(name)          \
	{                   \
#name, name \
	}
static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	TEST(layout),
	TEST(init),
	TEST(end),
	TEST(extend),
	TEST(extend_without_room_or_data),
	TEST(extend_with_much),
	TEST(describe),
	TEST(lock),
	TEST(indexes_above_255),
	TEST(description),
	TEST(description_refused),
	TEST(attest),
	TEST(attest_without_room),
	TEST(attest_with_much),
	TEST(random_bytes),
	TEST(random_without_room),
	TEST(refusals),
	TEST(failures_of_the_device),
	TEST(answers_that_are_none),
	TEST(answers_to_another_request),
};

int main(int argc, char **argv)
{
	int found = 0;

	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (argc == 2 && strcmp(argv[1], "-l") == 0)
			puts(tests[i].name);
		else if (argc != 2 || strcmp(argv[1], tests[i].name) != 0)
			continue;
		else
			tests[i].run();
		found = 1;
	}
	return found ? 0 : 2;
}
