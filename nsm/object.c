#include "nsm/object.h"

#include <stdio.h>

void object_set(struct nsmc_object *object, const char *name)
{
	size_t i;

	if (!object)
		return;
	for (i = 0; i < sizeof(object->name) - 1 && name[i]; i++)
		object->name[i] = name[i];
	object->name[i] = '\0';
}

void object_set_number(struct nsmc_object *object, const char *before,
		       unsigned n, const char *after)
{
	if (object)
		(void)snprintf(object->name, sizeof(object->name), "%s%u%s",
			       before, n, after);
}
