#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rootfs/pack/fault.h"
#include "rootfs/pack/image.h"

int strings_add(struct strings *s, const char *item, struct fault *reterr)
{
	char **bigger, *copy;

	/* Room is for a power of two. */
	if ((s->count & (s->count - 1)) == 0) {
		bigger = reallocarray(s->items, s->count ? s->count * 2 : 1,
				      sizeof(char *));
		if (!bigger)
			return fault_system(reterr, ENOMEM, "strings");
		s->items = bigger;
	}
	copy = strdup(item);
	if (!copy)
		return fault_system(reterr, ENOMEM, "strings");
	s->items[s->count++] = copy;
	return 0;
}

void strings_free(struct strings *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i]);
	free(s->items);
	*s = (struct strings){ 0 };
}
