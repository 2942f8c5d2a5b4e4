#ifndef ROOTFS_PACK_BASE_BUFFER_H
#define ROOTFS_PACK_BASE_BUFFER_H

#include <stddef.h>

struct fault;

/* Bytes that grow. Those of a string end with a NUL that LEN does not count. */
struct buffer {
	char *data;
	size_t len, room;
};

int buffer_add(struct buffer *b, const char *data, size_t len,
	       struct fault *reterr);
void buffer_free(struct buffer *b);

#endif
