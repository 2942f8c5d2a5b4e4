#include "nsm/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "nsm/nsmc.h"

/* struct nsm_raw of linux/nsm.h, which headers have only since 6.8. */
struct nsm_raw {
	uint64_t req_addr;
	uint64_t req_len;
	uint64_t resp_addr;
	uint64_t resp_len;
};

_Static_assert(sizeof(struct nsm_raw) == 32, "the ABI of both drivers");

int dev_open(void)
{
	int fd;

	do
		fd = open("/dev/nsm", O_RDWR | O_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

int dev_exchange(int fd, const void *req, size_t len, void *resp,
		 size_t *ret_len)
{
	struct nsm_raw raw = {
		.req_addr = (uintptr_t)req,
		.req_len = len,
		.resp_addr = (uintptr_t)resp,
		.resp_len = DEV_RESPONSE_MAX,
	};

	/* An empty request kills QEMU's device until the machine resets. */
	if (len == 0 || len > DEV_REQUEST_MAX)
		return -EMSGSIZE;
	/* musl's ioctl takes the command as int, glibc's as unsigned long. */
	if (syscall(SYS_ioctl, fd, _IOWR(0x0A, 0, struct nsm_raw), &raw) < 0)
		return -errno;
	if (raw.resp_len > DEV_RESPONSE_MAX)
		return -NSMC_E_MALFORMED;
	*ret_len = raw.resp_len;
	return 0;
}
