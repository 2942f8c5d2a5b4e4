#include "init/spec/codes.h"

#include <string.h>

const char *codes_text(const char *texts, int before, int r)
{
	if (r >= -before)
		return strerror(-r);
	/* An empty text comes after the last one. */
	for (int code = before + 1; code < -r && *texts; code++)
		texts += strlen(texts) + 1;
	return *texts ? texts : strerror(-r);
}
