#ifndef INIT_CLOCK_STAMP_H
#define INIT_CLOCK_STAMP_H

#include <stddef.h>
#include <stdint.h>

/*
 * Reads the timestamp of an attestation document of LEN bytes, in ms since 1970;
 * pure. Nothing else of it is looked at, the signature least of all. Returns 0,
 * -ENODATA where the bytes end too early, -EBADMSG where they are no document or
 * there is no timestamp.
 */
int stamp_read(const void *doc, size_t len, uint64_t *ret_ms);

#endif
