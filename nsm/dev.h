#ifndef NSM_DEV_H
#define NSM_DEV_H

#include <stddef.h>

/*
 * Seam: the only code that touches /dev/nsm. Tests put another object in its
 * place at link time.
 */

enum {
	DEV_REQUEST_MAX = 0x1000,
	/*
	 * Always offered whole: AWS's driver hands a smaller buffer to the
	 * device, QEMU takes any other size for a protocol violation.
	 */
	DEV_RESPONSE_MAX = 0x3000,
};

/*
 * Opens /dev/nsm, close-on-exec. Returns the descriptor, the caller's to
 * close, or -errno: -ENOENT, -ENODEV or -ENXIO where there is no NSM.
 */
int dev_open(void);

/*
 * One exchange with the device: REQ of LEN bytes (1 to DEV_REQUEST_MAX), the
 * answer into RESP, which holds DEV_RESPONSE_MAX bytes, its length in bytes
 * into *RET_LEN. Returns 0 or -errno of the ioctl (drivers/misc/nsm.c). Cannot
 * be interrupted; the driver gives up after 120 s with -ETIMEDOUT. That the
 * NSM refused is not seen here: the answer says it.
 */
int dev_exchange(int fd, const void *req, size_t len, void *resp,
		 size_t *ret_len);

#endif
