#ifndef VSOCK_IO_H
#define VSOCK_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Milliseconds, and microseconds, on the monotonic clock. */
int64_t io_now_ms(void);
int64_t io_now_us(void);

/*
 * Write all LEN bytes to, or read LEN bytes from, the non-blocking socket FD,
 * until DEADLINE_MS on io_now_ms' clock. Return 0, -ETIMEDOUT, -errno, and when
 * reading -ECONNRESET if the peer closed before all bytes had come (vsock does
 * not tell a reset from an orderly end). No SIGPIPE.
 */
int io_write_full(int fd, const void *buf, size_t len, int64_t deadline_ms);
int io_read_full(int fd, void *buf, size_t len, int64_t deadline_ms);

/*
 * Reads the file PATH to its end, or to CAP bytes: as many as that may be the beginning of more. FLAGS are O_... beside
 * O_RDONLY and O_CLOEXEC: with O_NONBLOCK no pipe is waited for, and one whose writer is not through is -EAGAIN. Returns
 * the bytes, or -errno.
 */
ssize_t io_read_file(const char *path, int flags, void *buf, size_t cap);

#endif
