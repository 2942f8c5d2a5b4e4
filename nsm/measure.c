#include "nsm/nsmc.h"

#include <errno.h>
#include <mbedtls/sha512.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Hashed with its NUL. No other hash of this project begins with it. */
static const char domain[] = "enclave-init measurement 1";

static void hash_number(mbedtls_sha512_context *hash, uint64_t n)
{
	uint8_t be[8];

	for (int i = 0; i < 8; i++)
		be[i] = (uint8_t)(n >> (56 - 8 * i));
	(void)mbedtls_sha512_update(hash, be, sizeof(be));
}

/* mbedTLS's own code cannot fail here. */
static void begin(mbedtls_sha512_context *hash)
{
	mbedtls_sha512_init(hash);
	(void)mbedtls_sha512_starts(hash, 1);
}

static void begin_named(mbedtls_sha512_context *hash, const void *name,
			size_t name_len, uint64_t content_len)
{
	begin(hash);
	(void)mbedtls_sha512_update(hash, (const uint8_t *)domain,
				    sizeof(domain));
	hash_number(hash, name_len);
	(void)mbedtls_sha512_update(hash, name, name_len);
	hash_number(hash, content_len);
}

/* Returns SHA-384's 48 bytes; mbedTLS writes no more. */
static void end(mbedtls_sha512_context *hash, uint8_t ret[NSMC_PCR_SIZE])
{
	(void)mbedtls_sha512_finish(hash, ret);
	mbedtls_sha512_free(hash);
}

void nsmc_measure(const void *name, size_t name_len, const void *data,
		  size_t len, uint8_t ret[NSMC_PCR_SIZE])
{
	mbedtls_sha512_context hash;

	begin_named(&hash, name, name_len, len);
	(void)mbedtls_sha512_update(&hash, data, len);
	end(&hash, ret);
}

int nsmc_measure_file(const void *name, size_t name_len, int fd,
		      uint8_t ret[NSMC_PCR_SIZE])
{
	mbedtls_sha512_context hash;
	uint8_t buf[4096], digest[NSMC_PCR_SIZE];
	struct stat st;
	off_t at = 0;
	ssize_t n;
	int r = 0;

	if (!name && name_len > 0)
		return -EINVAL;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;

	begin_named(&hash, name, name_len, (uint64_t)st.st_size);
	while ((n = pread(fd, buf, sizeof(buf), at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			r = -errno;
			break;
		}
		(void)mbedtls_sha512_update(&hash, buf, (size_t)n);
		at += n;
		/* A file that grows as fast as it is read would never end. */
		if (at > st.st_size)
			break;
	}
	end(&hash, digest);
	explicit_bzero(buf, sizeof(buf));
	if (r == 0 && at != st.st_size)
		r = -EAGAIN;
	if (r == 0)
		memcpy(ret, digest, sizeof(digest));
	return r;
}

void nsmc_predict(uint8_t value[NSMC_PCR_SIZE], const void *data, size_t len)
{
	mbedtls_sha512_context hash;

	begin(&hash);
	(void)mbedtls_sha512_update(&hash, value, NSMC_PCR_SIZE);
	(void)mbedtls_sha512_update(&hash, data, len);
	end(&hash, value);
}

int nsmc_extend_pcr_checked(int fd, uint8_t index, const void *data, size_t len,
			    struct nsmc_pcr *ret)
{
	struct nsmc_pcr before, told, after;
	int r = nsmc_describe_pcr(fd, index, &before);

	if (r < 0)
		return r;
	if (before.locked)
		return -NSMC_E_READ_ONLY_INDEX;
	if (before.len != NSMC_PCR_SIZE)
		return -NSMC_E_MALFORMED;
	r = nsmc_extend_pcr(fd, index, data, len, &told);
	if (r == 0)
		r = nsmc_describe_pcr(fd, index, &after);
	if (r < 0)
		return r;
	nsmc_predict(before.value, data, len);
	if (told.len != before.len || after.len != before.len ||
	    memcmp(told.value, before.value, before.len) != 0 ||
	    memcmp(after.value, before.value, before.len) != 0)
		return -NSMC_E_NOT_EXTENDED;
	if (ret)
		*ret = after;
	return 0;
}

static bool is_locked_as(const struct nsmc_pcr *after,
			 const struct nsmc_pcr *before)
{
	return after->locked && after->len == before->len &&
	       memcmp(after->value, before->value, before->len) == 0;
}

int nsmc_lock_pcr_checked(int fd, uint8_t index, struct nsmc_pcr *ret)
{
	struct nsmc_pcr before = { 0 }, after = { 0 };
	int r = nsmc_describe_pcr(fd, index, &before);

	if (r == 0 && !before.locked)
		r = nsmc_lock_pcr(fd, index);
	if (r == 0)
		r = nsmc_describe_pcr(fd, index, &after);
	if (r < 0)
		return r;
	if (!is_locked_as(&after, &before))
		return -NSMC_E_NOT_LOCKED;
	if (ret)
		*ret = after;
	return 0;
}

int nsmc_lock_pcrs_below_checked(int fd, uint8_t end)
{
	struct nsmc_pcr before[NSMC_PCR_COUNT] = { 0 }, after = { 0 };
	int r = 0;

	if (end > NSMC_PCR_COUNT)
		return -NSMC_E_INVALID_INDEX;
	for (uint8_t i = 0; i < end && r == 0; i++)
		r = nsmc_describe_pcr(fd, i, &before[i]);
	if (r == 0)
		r = nsmc_lock_pcrs_below(fd, end);
	for (uint8_t i = 0; i < end && r == 0; i++) {
		r = nsmc_describe_pcr(fd, i, &after);
		if (r == 0 && !is_locked_as(&after, &before[i]))
			r = -NSMC_E_NOT_LOCKED;
	}
	return r;
}
