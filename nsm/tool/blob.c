#include "nsm/tool/blob.h"

#include <stdlib.h>
#include <string.h>

void blob_free(struct blob *b)
{
	if (b->data)
		explicit_bzero(b->data, b->len);
	free(b->data);
	*b = (struct blob){ 0 };
}

struct nsmc_bytes blob_view(const struct blob *b)
{
	return (struct nsmc_bytes){ b->data, b->len };
}
