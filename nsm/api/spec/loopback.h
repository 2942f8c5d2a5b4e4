#ifndef NSM_API_SPEC_LOOPBACK_H
#define NSM_API_SPEC_LOOPBACK_H

#include <stdbool.h>
#include <stddef.h>

struct spec_loopback;

/* Addresses that only programs of the same machine reach. Pure. */

/* Reads 127.x.y.z:PORT or [::1]:PORT. Returns NULL, or why TEXT is none. */
const char *loopback_read(const char *text, struct spec_loopback *ret);

bool loopback_is_same(const struct spec_loopback *a,
		      const struct spec_loopback *b);

/*
 * True if HOST of LEN bytes, the value of a header Host, names this machine: localhost, 127.x.y.z or [::1], with a port or without.
 */
bool loopback_is_host(const char *host, size_t len);

#endif
