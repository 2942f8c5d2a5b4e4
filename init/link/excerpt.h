#ifndef INIT_LINK_EXCERPT_H
#define INIT_LINK_EXCERPT_H

#include <stddef.h>

#include "vsock/ring.h"

/*
 * Writes the last whole lines of the service NAME that RING still has to OUT: as many as
 * CAP bytes hold. Returns their length. Pure.
 */
size_t excerpt_of(const struct ring *ring, const char *name, char *out,
		  size_t cap);

#endif
