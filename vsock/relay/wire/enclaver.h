#ifndef VSOCK_RELAY_WIRE_ENCLAVER_H
#define VSOCK_RELAY_WIRE_ENCLAVER_H

#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/plan/host.h"

/*
 * How enclaver's two ends speak of a connection: frames of a length, 16 bits, little endian, and
 * JSON: {"host":"example.com","port":443}, answered by "Ok" or by
 * {"Err":{"os_code":111,"message":"..."}}; then the bytes of the connection follow. Pure.
 */

enum {
	ENCLAVER_FRAME_MAX = 2 + 4096, /* what is read */
	ENCLAVER_WRITE_MAX = 2 + 320,
};

/*
 * These read what is at the beginning of LEN bytes and return its length; 0: it is not whole
 * yet; or -1. What is asked for may have its members in any order, and others of simple values.
 */
int enclaver_read_request(const uint8_t *bytes, size_t len, struct host *ret,
			  uint16_t *ret_port);

/* *RET: 0, or the peer's errno, EIO if it names none. */
int enclaver_read_answer(const uint8_t *bytes, size_t len, int *ret);

/* These return the length of what they write. ERROR is an errno; 0: it went well. */
size_t enclaver_write_request(const struct host *host, uint16_t port,
			      uint8_t ret[ENCLAVER_WRITE_MAX]);
size_t enclaver_write_answer(int error, const char *message,
			     uint8_t ret[ENCLAVER_WRITE_MAX]);

#endif
