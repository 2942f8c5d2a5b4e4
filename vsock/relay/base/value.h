#ifndef VSOCK_RELAY_BASE_VALUE_H
#define VSOCK_RELAY_BASE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers, times and names of signals, as text. Pure. */

enum { VALUE_MS_MAX = 7 * 24 * 3600 * 1000 };

/* Reads the decimal number, of up to MAX, that TEXT is. False: it is none. */
bool value_number(const char *text, uint64_t max, uint64_t *ret);

/*
 * Reads such a number at *AT, of which bytes up to END may be read, and steps over it;
 * no digit follows it.
 */
bool value_number_at(const char **at, const char *end, uint64_t max,
		     uint64_t *ret);

enum { VALUE_BOOT_LEN = 8 };

/*
 * Reads the id of a boot, as docs/link.md has it, of the LEN bytes at TEXT: VALUE_BOOT_LEN
 * digits in hexadecimal. Returns 0 for what is none, and for the one that is all zeros.
 */
uint32_t value_boot(const char *text, size_t len);

/*
 * Reads a time as enclave-init.conf(5) has it: seconds, or with a unit: ms, s, m, h, d.
 * At most VALUE_MS_MAX.
 */
bool value_time(const char *text, int64_t *ret_ms);

/*
 * Reads a size as enclave-init.conf(5) has it: bytes, or with K, M or G for their
 * multiples of 1024; at most MAX.
 */
bool value_size(const char *text, uint64_t max, uint64_t *ret);

/*
 * Makes of a signal's name, with SIG or without, in either case, the one with SIG in
 * capitals: letters and digits, and + or - within. RET has room for CAP bytes, its NUL
 * included. False: it cannot be one.
 */
bool value_signal(const char *text, char *ret, size_t cap);

#endif
