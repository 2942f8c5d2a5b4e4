/*
 * An NSM in a file, for the tool: in the place of nsm/dev.c. Words of the
 * environment:
 *
 *   NSM_STATE=FILE      the PCRs, 32 times a byte (locked) and 48 of value; without
 *                       it there is no NSM
 *   NSM_DOCUMENT=FILE   what an attestation answers
 *   NSM_LOG=FILE        gets a line of hex for each request
 *   NSM_OPEN_ERRNO, NSM_ERRNO=N   opening fails, each exchange fails
 *   NSM_REFUSAL=NAME    each answer is that error
 *   NSM_LIES=1          says that it extends and locks, and does not
 *   NSM_NO_MEMORY=N     the Nth allocation of the program fails, on musl
 *
 * Random bytes are 0, 1, 2 ...
 */

#include "nsm/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nsm/nsmc.h"

enum { PCRS = 32, SLOT = 1 + NSMC_PCR_SIZE };

static int number(const char *name)
{
	const char *value = getenv(name);

	return value ? atoi(value) : 0;
}

#ifndef __GLIBC__ /* ASan has its own there */
/* musl's malloc is weak, and this is what it calls. */
void *__libc_malloc(size_t len);

void *malloc(size_t len)
{
	static int count;

	if (++count == number("NSM_NO_MEMORY")) {
		errno = ENOMEM;
		return NULL;
	}
	return __libc_malloc(len);
}
#endif

int dev_open(void)
{
	const char *path = getenv("NSM_STATE");
	int error = number("NSM_OPEN_ERRNO"), fd;

	if (error || !path)
		return error ? -error : -ENOENT;
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static void log_request(const uint8_t *req, size_t len)
{
	const char *path = getenv("NSM_LOG");
	FILE *f = path ? fopen(path, "ae") : NULL;

	if (!f)
		return;
	for (size_t i = 0; i < len; i++)
		(void)fprintf(f, "%02x", req[i]);
	(void)fprintf(f, "\n");
	(void)fclose(f);
}

struct answer {
	uint8_t *at;
	size_t len;
};

static void put(struct answer *a, const void *data, size_t len)
{
	memcpy(a->at + a->len, data, len);
	a->len += len;
}

static void put_byte(struct answer *a, unsigned byte)
{
	a->at[a->len++] = (uint8_t)byte;
}

static void put_text(struct answer *a, const char *text)
{
	size_t len = strlen(text);

	if (len >= 24)
		put_byte(a, 0x78);
	put_byte(a, (unsigned)(len < 24 ? 0x60 + len : len));
	put(a, text, len);
}

static void put_bytes(struct answer *a, const void *data, size_t len)
{
	put_byte(a, 0x59);
	put_byte(a, (unsigned)len >> 8);
	put_byte(a, len & 0xff);
	put(a, data, len);
}

static void put_error(struct answer *a, const char *name)
{
	put_byte(a, 0xa1);
	put_text(a, "Error");
	put_text(a, name);
}

static void put_number(struct answer *a, const char *key, unsigned n)
{
	put_text(a, key);
	if (n >= 24)
		put_byte(a, 0x18);
	put_byte(a, n);
}

static bool slot(int fd, unsigned index, uint8_t to[SLOT])
{
	return pread(fd, to, SLOT, (off_t)(index * SLOT)) == SLOT;
}

static bool set_slot(int fd, unsigned index, const uint8_t from[SLOT])
{
	return number("NSM_LIES") ||
	       pwrite(fd, from, SLOT, (off_t)(index * SLOT)) == SLOT;
}

static void describe(int fd, struct answer *a)
{
	uint8_t s[SLOT];
	unsigned locked = 0;

	put(a, "\xa1", 1);
	put_text(a, "DescribeNSM");
	put_byte(a, 0xa7);
	put_number(a, "version_major", 1);
	put_number(a, "version_minor", 0);
	put_number(a, "version_patch", 7);
	put_text(a, "module_id");
	put_text(a, "i-07e25f3bada361dec-enc0181d3dff86da785");
	put_number(a, "max_pcrs", PCRS);
	put_text(a, "locked_pcrs");
	for (unsigned i = 0; i < PCRS; i++)
		locked += slot(fd, i, s) && s[0];
	if (locked >= 24)
		put_byte(a, 0x98);
	put_byte(a, locked < 24 ? 0x80 + locked : locked);
	for (unsigned i = 0; i < PCRS; i++) {
		if (!slot(fd, i, s) || !s[0])
			continue;
		if (i >= 24)
			put_byte(a, 0x18);
		put_byte(a, i);
	}
	put_text(a, "digest");
	put_text(a, "SHA384");
}

static void random_bytes(struct answer *a)
{
	uint8_t bytes[256];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	put_byte(a, 0xa1);
	put_text(a, "GetRandom");
	put_byte(a, 0xa1);
	put_text(a, "random");
	put_bytes(a, bytes, sizeof(bytes));
}

static void document(struct answer *a)
{
	const char *path = getenv("NSM_DOCUMENT");
	uint8_t doc[DEV_RESPONSE_MAX - 64];
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = read(fd, doc, sizeof(doc));

	(void)close(fd);
	if (n <= 0) {
		put_error(a, "InternalError");
		return;
	}
	put_byte(a, 0xa1);
	put_text(a, "Attestation");
	put_byte(a, 0xa1);
	put_text(a, "document");
	put_bytes(a, doc, (size_t)n);
}

/* The number after KEY in a request of ours. */
static int number_after(const uint8_t *req, size_t len, const char *key)
{
	const uint8_t *at = memmem(req, len, key, strlen(key));

	if (!at)
		return -1;
	at += strlen(key);
	return *at < 24 ? *at : *at == 0x18 ? at[1] : -1;
}

static void extend(int fd, unsigned index, const uint8_t *req, size_t len,
		   struct answer *a)
{
	const uint8_t *at = memmem(req, len, "data", 4);
	uint8_t s[SLOT];
	size_t n;

	if (!at || !slot(fd, index, s)) {
		put_error(a, "InvalidOperation");
		return;
	}
	at += 4;
	n = *at < 0x58	? *at - 0x40u :
	    *at == 0x58 ? at[1] :
			  at[1] * 256u + at[2];
	at += *at < 0x58 ? 1 : *at == 0x58 ? 2 : 3;
	if (s[0] || at + n != req + len) {
		put_error(a, s[0] ? "ReadOnlyIndex" : "InvalidOperation");
		return;
	}
	nsmc_predict(s + 1, at, n);
	(void)set_slot(fd, index, s);
	put_byte(a, 0xa1);
	put_text(a, "ExtendPCR");
	put_byte(a, 0xa1);
	put_text(a, "data");
	put_bytes(a, s + 1, NSMC_PCR_SIZE);
}

static void describe_pcr(int fd, unsigned index, struct answer *a)
{
	uint8_t s[SLOT];

	if (!slot(fd, index, s)) {
		put_error(a, "InvalidIndex");
		return;
	}
	put_byte(a, 0xa1);
	put_text(a, "DescribePCR");
	put_byte(a, 0xa2);
	put_text(a, "lock");
	put_byte(a, s[0] ? 0xf5 : 0xf4);
	put_text(a, "data");
	put_bytes(a, s + 1, NSMC_PCR_SIZE);
}

static void lock(int fd, unsigned index, struct answer *a)
{
	uint8_t s[SLOT];

	if (!slot(fd, index, s) || s[0]) {
		put_error(a, "ReadOnlyIndex");
		return;
	}
	s[0] = 1;
	(void)set_slot(fd, index, s);
	put_text(a, "LockPCR");
}

static void lock_below(int fd, unsigned end, struct answer *a)
{
	uint8_t s[SLOT];

	for (unsigned i = 0; i < end && slot(fd, i, s); i++) {
		s[0] = 1;
		(void)set_slot(fd, i, s);
	}
	put_text(a, "LockPCRs");
}

static bool begins(const uint8_t *req, size_t len, const char *with)
{
	return len >= strlen(with) && memcmp(req, with, strlen(with)) == 0;
}

int dev_exchange(int fd, const void *req, size_t len, void *resp,
		 size_t *ret_len)
{
	struct answer a = { .at = resp };
	int index = number_after(req, len, "index");
	int range = number_after(req, len, "range");

	log_request(req, len);
	if (number("NSM_ERRNO"))
		return -number("NSM_ERRNO");
	if (getenv("NSM_REFUSAL"))
		put_error(&a, getenv("NSM_REFUSAL"));
	else if (begins(req, len,
			"\x6b"
			"DescribeNSM"))
		describe(fd, &a);
	else if (begins(req, len, "\x69GetRandom"))
		random_bytes(&a);
	else if (begins(req, len,
			"\xa1\x6b"
			"Attestation"))
		document(&a);
	else if (begins(req, len,
			"\xa1\x69"
			"ExtendPCR") &&
		 index >= 0)
		extend(fd, (unsigned)index, req, len, &a);
	else if (begins(req, len,
			"\xa1\x6b"
			"DescribePCR") &&
		 index >= 0)
		describe_pcr(fd, (unsigned)index, &a);
	else if (begins(req, len, "\xa1\x67LockPCR\xa1") && index >= 0)
		lock(fd, (unsigned)index, &a);
	else if (begins(req, len, "\xa1\x68LockPCRs") && range >= 0)
		lock_below(fd, (unsigned)range, &a);
	else
		put_error(&a, "InvalidOperation");
	*ret_len = a.len;
	return 0;
}
