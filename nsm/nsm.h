#ifndef NSM_NSM_H
#define NSM_NSM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The Nitro Secure Module. All functions take FD, from nsm_open, and return
 * -errno when the device cannot be talked to (-ENODATA and -EBADMSG: an answer
 * cut short, a malformed one) or an NSM refusal; nsm_error_text tells both.
 * A call cannot be interrupted and may take the driver's 120 s.
 */

/* Opens the device; a descriptor the caller closes, or -errno. */
int nsm_open(void);

/* What the negative return R of a function here means. Never NULL. */
const char *nsm_error_text(int r);

/*
 * Fills BUF with LEN random bytes, in as many requests as it takes (the device
 * gives up to 256 at a time). On failure BUF holds nothing.
 */
int nsm_get_random(int fd, uint8_t *buf, size_t len);

/*
 * Whether the enclave runs in debug mode: PCR0 locked and zero. PCR0 of a
 * production enclave measures the image; that of a bare emulated device is
 * zero, but not locked. Returns 0 and sets *RET_DEBUG.
 */
int nsm_is_debug(int fd, bool *ret_debug);

#endif
