#ifndef VSOCK_RELAY_RUN_TEXT_H
#define VSOCK_RELAY_RUN_TEXT_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * The text of a plan, of which a process has one. Reads all that FD has; a file
 * FROM_START, wherever another process has read it to. Returns its length and *RET, which
 * stays; or -errno: -EFBIG for more than PLAN_TEXT_MAX bytes.
 */
ssize_t text_read(int fd, bool from_start, const char **ret);

#endif
