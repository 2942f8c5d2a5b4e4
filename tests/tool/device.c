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

#include "tests/seams/fake_nsm.h"

enum { SLOT = 1 + FAKE_PCR_SIZE };

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

static bool get(void *ctx, unsigned index, struct fake_pcr *ret)
{
	const int *fd = ctx;
	uint8_t s[SLOT];

	if (pread(*fd, s, SLOT, (off_t)(index * SLOT)) != SLOT)
		return false;
	ret->locked = s[0];
	memcpy(ret->value, s + 1, FAKE_PCR_SIZE);
	return true;
}

static void set(void *ctx, unsigned index, const struct fake_pcr *pcr)
{
	const int *fd = ctx;
	uint8_t s[SLOT] = { pcr->locked };

	memcpy(s + 1, pcr->value, FAKE_PCR_SIZE);
	if (!number("NSM_LIES"))
		(void)!pwrite(*fd, s, SLOT, (off_t)(index * SLOT));
}

static size_t attest(void *ctx, uint8_t *to)
{
	const char *path = getenv("NSM_DOCUMENT");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = read(fd, to, FAKE_DOCUMENT_MAX);

	(void)ctx;
	(void)close(fd);
	return n < 0 ? 0 : (size_t)n;
}

int dev_exchange(int fd, const void *req, size_t len, void *resp,
		 size_t *ret_len)
{
	const struct fake_nsm nsm = {
		.get = get,
		.extended = set,
		.locked = set,
		.attest = attest,
		.answers_lie = -1,
		.ctx = &fd,
	};
	const char *error = getenv("NSM_REFUSAL");

	log_request(req, len);
	if (number("NSM_ERRNO"))
		return -number("NSM_ERRNO");
	*ret_len = error ? fake_nsm_refuse(resp, error) :
			   fake_nsm_answer(&nsm, req, len, resp);
	return 0;
}
