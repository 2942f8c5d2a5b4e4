#include "rootfs/pack/base/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/base/fault.h"

int buffer_add(struct buffer *b, const char *data, size_t len,
	       struct fault *reterr)
{
	size_t need = b->len + len + 1, room = b->room ? b->room : 256;
	char *grown;

	while (room < need)
		room *= 2;
	if (room > b->room) {
		grown = realloc(b->data, room);
		if (!grown)
			return fault_system(reterr, ENOMEM, "a text");
		b->data = grown;
		b->room = room;
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

void buffer_free(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){ 0 };
}
