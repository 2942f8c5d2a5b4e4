#include "nsm/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* struct rand_pool_info of linux/random.h, whose array has no size. */
struct pool_info {
	int bits;
	int bytes;
	uint8_t data[POOL_CREDIT_MAX];
};

enum {
	/* _IOW('R', 3, int[2]): the size of the two ints alone. */
	POOL_ADD_ENTROPY = 0x40085203,
	POOL_RESEED = 0x5207,
};

int pool_credit(const uint8_t *buf, size_t len)
{
	struct pool_info info;
	int fd, r = 0;

	if (len > sizeof(info.data))
		return -EMSGSIZE;
	fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;

	/*
	 * The first count is in bits, the second in bytes: a peer credits bytes
	 * as bits.
	 */
	info.bits = (int)len * 8;
	info.bytes = (int)len;
	memcpy(info.data, buf, len);
	if (ioctl(fd, POOL_ADD_ENTROPY, &info) < 0)
		r = -errno;
	explicit_bzero(&info, sizeof(info));

	/*
	 * This only makes it quicker: a generator that is ready reseeds anyway.
	 */
	if (r == 0)
		(void)ioctl(fd, POOL_RESEED);
	close(fd);
	return r;
}
