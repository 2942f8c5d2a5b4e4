/*
 * An NSM: GetRandom answers 256 bytes 0, 1, 2 ..., DescribePCR a PCR that the
 * words PCR_LOCKED and PCR_BYTE make.
 */

#include "nsm/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/seams/seam.h"

int nsm_dev_open(void)
{
	int error = seam_number("NSM_OPEN_ERRNO", 0);

	seam_record("nsm open\n");
	return error ? -error : open("/dev/null", O_RDWR | O_CLOEXEC);
}

static size_t random_answer(uint8_t *to)
{
	static const uint8_t head[] = "\xa1\x69GetRandom\xa1\x66random\x59\x01";
	size_t len = sizeof(head); /* its NUL is the length's last byte */

	memcpy(to, head, len);
	for (int i = 0; i < 256; i++)
		to[len++] = (uint8_t)i;
	return len;
}

static size_t pcr_answer(uint8_t *to)
{
	static const uint8_t head[] = "\xa1\x6b"
				      "DescribePCR\xa2\x64"
				      "lock\xf4\x64"
				      "data\x58\x30";
	size_t len = sizeof(head) - 1;

	memcpy(to, head, len);
	if (seam_number("PCR_LOCKED", 1))
		to[len - 8] = 0xf5;
	memset(to + len, seam_number("PCR_BYTE", 0x5a), 48);
	return len + 48;
}

static size_t refusal(uint8_t *to, const char *name)
{
	static const uint8_t head[] = "\xa1\x65"
				      "Error";
	size_t len = sizeof(head) - 1, n = strlen(name);

	memcpy(to, head, len);
	to[len++] = (uint8_t)(0x60 + n);
	memcpy(to + len, name, n);
	return len + n;
}

int nsm_dev_exchange(int fd, const void *req, size_t len, void *resp,
		     size_t *ret_len)
{
	static const char get_random[] = "\x69GetRandom";
	const char *error = getenv("NSM_REFUSAL");
	bool random = len == sizeof(get_random) - 1 &&
		      memcmp(req, get_random, len) == 0;
	int r = seam_number("NSM_ERRNO", 0);

	(void)fd;
	seam_record("nsm %s\n", random ? "GetRandom" : "DescribePCR");
	if (r)
		return -r;
	*ret_len = error  ? refusal(resp, error) :
		   random ? random_answer(resp) :
			    pcr_answer(resp);
	*ret_len -= (size_t)seam_number("NSM_CUT", 0);
	return 0;
}
