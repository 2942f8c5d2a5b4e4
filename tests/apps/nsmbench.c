/*
 * What libnsmc costs beside the bare ioctl, in guest time: N attestations and N
 * times 256 random bytes, each first by ioctl alone, then by libnsmc, which reads
 * the answers, copies, and wipes. "@bench=WHAT RAW_NS LIBNSM_NS" for one call.
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "nsm/nsmc.h"

enum { N = 2000 };

static const char attest[] = "\xa1\x6b"
			     "Attestation\xa3\x69user_data\xf6\x65nonce\xf6\x6a"
			     "public_key\xf6";
static const char random_bytes[] = "\x69GetRandom";

static int raw(int fd, const char *req, size_t len)
{
	static uint8_t resp[NSMC_DOCUMENT_MAX];
	struct {
		uint64_t req, req_len, resp, resp_len;
	} arg = { (uintptr_t)req, len, (uintptr_t)resp, sizeof(resp) };

	return (int)syscall(SYS_ioctl, fd,
			    _IOC(_IOC_READ | _IOC_WRITE, 0x0A, 0, sizeof(arg)),
			    &arg);
}

static int by_ioctl_attest(int fd)
{
	return raw(fd, attest, sizeof(attest) - 1);
}

static int by_libnsmc_attest(int fd)
{
	static uint8_t doc[NSMC_DOCUMENT_MAX];
	const struct nsmc_bytes none = { NULL, 0 };
	size_t len;

	return nsmc_attest(fd, none, none, none, doc, sizeof(doc), &len);
}

static int by_ioctl_random(int fd)
{
	return raw(fd, random_bytes, sizeof(random_bytes) - 1);
}

static int by_libnsmc_random(int fd)
{
	static uint8_t buf[256];

	return nsmc_get_random(fd, buf, sizeof(buf));
}

/* Nanoseconds of one call, or -1. */
static long long measure(int (*call)(int), int fd)
{
	struct timespec a, b;

	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < N; i++)
		if (call(fd) < 0)
			return -1;
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	return ((b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec) /
	       N;
}

int main(void)
{
	static const struct {
		const char *name;
		int (*by_ioctl)(int), (*by_libnsmc)(int);
	} rows[] = {
		{ "attestation", by_ioctl_attest, by_libnsmc_attest },
		{ "256 random bytes", by_ioctl_random, by_libnsmc_random },
	};
	int fd = nsmc_open();

	if (fd < 0)
		return 1;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		long long first = measure(rows[i].by_ioctl, fd);
		long long second = measure(rows[i].by_libnsmc, fd);

		if (first < 0 || second < 0)
			return 2;
		printf("@bench=%s: %lld %lld\n", rows[i].name, first, second);
	}
	return 0;
}
