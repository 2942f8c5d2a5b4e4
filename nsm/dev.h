#ifndef NSM_DEV_H
#define NSM_DEV_H

#include <stddef.h>

/*
 * Seam: the only code that touches /dev/nsm. Tests replace this object at link
 * time.
 */

enum {
	DEV_REQUEST_MAX = 0x1000,
	/*
	 * The whole buffer is always offered: AWS's driver passes a smaller one
	 * to the device, and QEMU takes any other size for a protocol
	 * violation.
	 */
	DEV_RESPONSE_MAX = 0x3000,
};

/*
 * Opens /dev/nsm, close-on-exec. Returns the descriptor, which the caller
 * closes, or -errno: -ENOENT, -ENODEV or -ENXIO if there is no NSM.
 */
int dev_open(void);

/*
 * Makes one exchange with the device: sends REQ of LEN bytes (1 to
 * DEV_REQUEST_MAX), writes the answer to RESP, which holds DEV_RESPONSE_MAX
 * bytes, and its length in bytes to *RET_LEN. Returns 0 or -errno of the ioctl
 * (drivers/misc/nsm.c). Cannot be interrupted; the driver gives up after 120 s
 * with -ETIMEDOUT. A refusal by the NSM is no error here: the answer contains
 * it.
 */
int dev_exchange(int fd, const void *req, size_t len, void *resp,
		 size_t *ret_len);

#endif
