/* Measuring, predicting, and the calls that believe nothing, over an NSM here. */

#include <errno.h>
#include <sys/stat.h>

#include "nsm/dev.h"
#include "nsm/nsmc.h"
#include "tests/unit/check.h"
#include "tests/unit/temp.h"

/* --- an NSM of 32 PCRs, which may lie --- */

enum lie {
	HONEST,
	NO_EXTENSION,	  /* says what it should be, and leaves the PCR */
	WRONG_ANSWER,	  /* extends, and answers another value */
	SHORT_PCR,	  /* 32 bytes */
	NO_LOCK,	  /* says that it locked */
	LOCK_CHANGES,	  /* locks, and the value is another */
	SECOND_ASK_FAILS, /* ENODATA when the PCR is read back */
};

static struct {
	enum lie lie;
	bool locked[NSMC_PCR_COUNT];
	uint8_t value[NSMC_PCR_COUNT][NSMC_PCR_SIZE];
	int describes, extends, locks;
} nsm;

int dev_open(void)
{
	return 77;
}

static size_t put(uint8_t *to, const char *head, size_t len)
{
	memcpy(to, head, len);
	return len;
}

#define PUT(to, head) put(to, head, sizeof(head) - 1)

static size_t refuse(uint8_t *to)
{
	return PUT(to, "\xa1\x65"
		       "Error\x6dReadOnlyIndex");
}

/* The index is the last byte of a request for a number, up to 31. */
static size_t describe(const uint8_t *req, size_t len, uint8_t *to)
{
	uint8_t index = req[len - 1];
	size_t n, size = nsm.lie == SHORT_PCR ? 32 : 48;

	n = PUT(to, "\xa1\x6b"
		    "DescribePCR\xa2\x64"
		    "lock\xf4\x64"
		    "data\x58");
	if (nsm.locked[index])
		to[n - 7] = 0xf5;
	to[n++] = (uint8_t)size;
	memcpy(to + n, nsm.value[index], size);
	return n + size;
}

static size_t extend(const uint8_t *req, uint8_t *to)
{
	/* a1 69 "ExtendPCR" a2 65 "index" INDEX 64 "data" */
	uint8_t index = req[18], value[NSMC_PCR_SIZE];
	const uint8_t *data;
	size_t at = index == 0x18 ? 20 : 19, len, n;

	if (index == 0x18)
		index = req[19];
	at += 5;
	len = req[at++] - 0x40U;
	if (len == 0x18)
		len = req[at++];
	data = req + at;
	if (nsm.locked[index])
		return refuse(to);
	memcpy(value, nsm.value[index], sizeof(value));
	nsmc_predict(value, data, len);
	if (nsm.lie != NO_EXTENSION)
		memcpy(nsm.value[index], value, sizeof(value));
	if (nsm.lie == WRONG_ANSWER)
		value[47] ^= 1;
	n = PUT(to, "\xa1\x69"
		    "ExtendPCR\xa1\x64"
		    "data\x58\x30");
	memcpy(to + n, value, sizeof(value));
	return n + sizeof(value);
}

/* The end, half open, is the last byte of it, too. */
static size_t lock_below(const uint8_t *req, size_t len, uint8_t *to)
{
	for (uint8_t i = 0; i < req[len - 1]; i++)
		nsm.locked[i] = nsm.locked[i] || nsm.lie != NO_LOCK || i != 17;
	if (nsm.lie == LOCK_CHANGES)
		nsm.value[16][0] ^= 1;
	return PUT(to, "\x68LockPCRs");
}

static size_t lock(const uint8_t *req, size_t len, uint8_t *to)
{
	uint8_t index = req[len - 1];

	if (nsm.locked[index])
		return refuse(to);
	nsm.locked[index] = nsm.lie != NO_LOCK;
	if (nsm.lie == LOCK_CHANGES)
		nsm.value[index][0] ^= 1;
	return PUT(to, "\x67LockPCR");
}

int dev_exchange(int fd, const void *req, size_t len, void *resp,
		 size_t *ret_len)
{
	const uint8_t *r = req;

	CHECK_INT(fd, 77);
	REQUIRE(len > 10);
	if (memcmp(r + 2, "Descr", 5) == 0) {
		if (++nsm.describes == 2 && nsm.lie == SECOND_ASK_FAILS)
			return -ENODATA;
		*ret_len = describe(r, len, resp);
	} else if (memcmp(r + 2, "Exten", 5) == 0) {
		nsm.extends++;
		*ret_len = extend(r, resp);
	} else {
		nsm.locks++;
		*ret_len = r[1] == 0x68 ? lock_below(r, len, resp) :
					  lock(r, len, resp);
	}
	return 0;
}

static void check_hex(const uint8_t *got, const char *wanted)
{
	char text[2 * NSMC_PCR_SIZE + 1];

	for (size_t i = 0; i < NSMC_PCR_SIZE; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", got[i]);
	CHECK_STR(text, wanted);
}

/* --- values --- */

/* Worked examples of a real NSM's rule: SHA384(old || data). */
TEST(extensions_are_predicted)
{
	uint8_t pcr[NSMC_PCR_SIZE] = { 0 };

	nsmc_predict(pcr, "\1\2\3", 3);
	check_hex(pcr, "cb178fcd3f328244c05c6248723fd068b3a1dda878e1ab8be91109"
		       "8f199958add55d0c27f04826d27b44d949a650694e");
	nsmc_predict(pcr, "\1\2\3", 3);
	check_hex(pcr, "65ecb1f7ff7536285cb0ef60bdab531a9cdcf41a2dd1ca5e3dea64"
		       "45de2c937aab5a1e474c534210583289964acbdc45");
	memset(pcr, 0, sizeof(pcr));
	nsmc_predict(pcr, "", 0);
	check_hex(pcr, "8f0d145c0368ad6b70be22e41c400eea91b971d96ba220fec9fae2"
		       "5a58dffdaaf72dbe8f6783d55128c9df4efaf6f8a7");
}

/*
 * By Python: hashlib.sha384(b"enclave-init measurement 1\0" +
 * struct.pack(">Q", 6) + b"config" + struct.pack(">Q", 3) + b"abc")
 */
TEST(measurements_are_the_documented_bytes)
{
	uint8_t m[NSMC_PCR_SIZE];

	nsmc_measure("config", 6, "abc", 3, m);
	check_hex(
		m,
		"6c52e9ad7f970c717dc77c0685275afe3a2c82eb93467459e775e2290137278c196e42a825854cf42f4285a4c402ebe9");
	nsmc_measure("", 0, "", 0, m);
	check_hex(
		m,
		"43beb26426462ea7e96b68974125e55999ec9aab5d61a4b671f38eaeea953e63ada2de40f1ad06eeb04ea4f649f3a704");
}

/* What a peer had: names that run into contents, contents into the next. */
TEST(no_two_measurements_run_into_each_other)
{
	static const struct {
		const char *name, *data;
	} pairs[] = {
		{ "a", "bc" },	{ "ab", "c" }, { "abc", "" }, { "", "abc" },
		{ "a", "b" },	{ "b", "a" },  { "a", "" },   { "", "a" },
		{ "a", "bc " }, { "A", "bc" }, { "", "" },
	};
	enum { N = sizeof(pairs) / sizeof(pairs[0]) };
	uint8_t m[N][NSMC_PCR_SIZE];

	for (size_t i = 0; i < N; i++) {
		nsmc_measure(pairs[i].name, strlen(pairs[i].name),
			     pairs[i].data, strlen(pairs[i].data), m[i]);
		for (size_t j = 0; j < i; j++)
			CHECK(memcmp(m[i], m[j], NSMC_PCR_SIZE) != 0);
	}
}

TEST(files_measure_as_their_content)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 100000 };
	static uint8_t data[100000];
	uint8_t of_file[NSMC_PCR_SIZE], of_data[NSMC_PCR_SIZE];
	int fd;

	temp_enter();
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0600);
		REQUIRE(fd >= 0);
		CHECK_INT(write(fd, data, sizes[i]), sizes[i]);
		/* whatever the offset is */
		CHECK_INT(nsmc_measure_file("n", 1, fd, of_file), 0);
		CHECK_INT(lseek(fd, 0, SEEK_CUR), sizes[i]);
		nsmc_measure("n", 1, data, sizes[i], of_data);
		CHECK_MEM(of_file, of_data, NSMC_PCR_SIZE);
		close(fd);
	}
	temp_leave();
}

TEST(what_is_no_regular_file_is_not_measured)
{
	uint8_t m[NSMC_PCR_SIZE], kept[NSMC_PCR_SIZE];
	int fd = open("/dev/zero", O_RDONLY), fds[2];

	memset(m, 0xee, sizeof(m));
	memset(kept, 0xee, sizeof(kept));
	REQUIRE(fd >= 0 && pipe(fds) == 0);
	CHECK_INT(nsmc_measure_file("n", 1, fd, m), -EINVAL);
	CHECK_INT(nsmc_measure_file("n", 1, fds[0], m), -EINVAL);
	CHECK_INT(nsmc_measure_file("n", 1, -1, m), -EBADF);
	close(fd);
	fd = open("/", O_RDONLY | O_DIRECTORY);
	CHECK_INT(nsmc_measure_file("n", 1, fd, m), -EINVAL);
	close(fd);
	fd = open("/proc/self/exe", O_RDONLY);
	REQUIRE(fd >= 0);
	CHECK_INT(nsmc_measure_file(NULL, 4, fd, m), -EINVAL); /* a lost name */
	close(fd);
	/* Regular for stat, of no length, and yet with something in it. */
	fd = open("/proc/self/status", O_RDONLY);
	CHECK_INT(nsmc_measure_file("n", 1, fd, m), -EAGAIN);
	CHECK_MEM(m, kept, sizeof(m));
}

/* --- belief --- */

TEST(an_honest_extension_gives_the_value)
{
	struct nsmc_pcr pcr = { 0 };
	uint8_t wanted[NSMC_PCR_SIZE] = { 0 };

	CHECK_INT(nsmc_extend_pcr_checked(77, 16, "\1\2\3", 3, &pcr), 0);
	nsmc_predict(wanted, "\1\2\3", 3);
	CHECK_INT(pcr.len, 48);
	CHECK_MEM(pcr.value, wanted, sizeof(wanted));
	CHECK_INT(nsm.extends, 1);
	CHECK_INT(nsmc_extend_pcr_checked(77, 31, "", 0, NULL), 0);
	CHECK(memcmp(nsm.value[31], nsm.value[30], NSMC_PCR_SIZE) != 0);
}

static int extend_with(enum lie lie)
{
	struct nsmc_pcr pcr = { .len = 99 };
	int r;

	nsm.lie = lie;
	r = nsmc_extend_pcr_checked(77, 16, "x", 1, &pcr);
	CHECK_INT(pcr.len, 99);
	return r;
}

TEST(an_extension_that_did_not_take_is_seen)
{
	CHECK_INT(extend_with(NO_EXTENSION), -NSMC_E_NOT_EXTENDED);
}

TEST(an_extension_with_another_answer_is_seen)
{
	CHECK_INT(extend_with(WRONG_ANSWER), -NSMC_E_NOT_EXTENDED);
}

TEST(a_pcr_of_another_size_is_not_extended)
{
	CHECK_INT(extend_with(SHORT_PCR), -NSMC_E_MALFORMED);
	CHECK_INT(nsm.extends, 0);
}

TEST(an_extension_that_cannot_be_read_back_is_none)
{
	CHECK_INT(extend_with(SECOND_ASK_FAILS), -ENODATA);
}

TEST(a_locked_pcr_is_not_extended)
{
	nsm.locked[16] = true;
	CHECK_INT(extend_with(HONEST), -NSMC_E_READ_ONLY_INDEX);
	CHECK_INT(nsm.extends, 0);
}

TEST(more_than_fits_is_refused_before_it_is_sent)
{
	static uint8_t data[NSMC_EXTEND_MAX + 1];

	CHECK_INT(nsmc_extend_pcr(77, 16, data, sizeof(data), NULL), -EMSGSIZE);
	CHECK_INT(nsm.extends, 0);
}

TEST(a_lock_keeps_the_value)
{
	struct nsmc_pcr pcr;

	nsm.value[17][3] = 9;
	CHECK_INT(nsmc_lock_pcr_checked(77, 17, &pcr), 0);
	CHECK(nsm.locked[17] && pcr.locked);
	CHECK_INT(pcr.value[3], 9);
	CHECK_INT(nsm.locks, 1);
	/* once more: there is nothing to do */
	CHECK_INT(nsmc_lock_pcr_checked(77, 17, NULL), 0);
	CHECK_INT(nsm.locks, 1);
	CHECK(!nsm.locked[16] && !nsm.locked[18]);
}

TEST(a_lock_that_did_not_take_is_seen)
{
	nsm.lie = NO_LOCK;
	CHECK_INT(nsmc_lock_pcr_checked(77, 17, NULL), -NSMC_E_NOT_LOCKED);
}

TEST(a_pcr_that_changed_while_it_was_locked_is_seen)
{
	nsm.lie = LOCK_CHANGES;
	CHECK_INT(nsmc_lock_pcr_checked(77, 17, NULL), -NSMC_E_NOT_LOCKED);
}

TEST(locks_below_an_end_are_seen_to_hold)
{
	nsm.value[17][3] = 9;
	CHECK_INT(nsmc_lock_pcrs_below_checked(77, 18), 0);
	CHECK_INT(nsm.locks, 1);
	for (int i = 0; i < NSMC_PCR_COUNT; i++)
		CHECK_INT(nsm.locked[i], i < 18);
	CHECK_INT(nsmc_lock_pcrs_below_checked(77, 0), 0);
	CHECK_INT(nsmc_lock_pcrs_below_checked(77, 33), -NSMC_E_INVALID_INDEX);
	CHECK_INT(nsm.locks, 2);
}

TEST(a_lock_below_an_end_that_left_one_out_is_seen)
{
	nsm.lie = NO_LOCK;
	CHECK_INT(nsmc_lock_pcrs_below_checked(77, 18), -NSMC_E_NOT_LOCKED);
}

TEST(a_pcr_that_changed_while_many_were_locked_is_seen)
{
	nsm.lie = LOCK_CHANGES;
	CHECK_INT(nsmc_lock_pcrs_below_checked(77, 18), -NSMC_E_NOT_LOCKED);
}

TEST(bytes_that_are_not_there_extend_nothing)
{
	CHECK_INT(nsmc_extend_pcr(77, 16, NULL, 4, NULL), -EINVAL);
	CHECK_INT(nsmc_extend_pcr_checked(77, 16, NULL, 4, NULL), -EINVAL);
	CHECK_INT(nsm.extends, 0);
	CHECK_INT(nsmc_extend_pcr(77, 16, NULL, 0, NULL), 0);
}

CHECK_MAIN("measure")
