#ifndef NSM_OBJECT_H
#define NSM_OBJECT_H

#include "nsm/nsmc.h"

/*
 * Writes what an error is about. What does not fit is cut. OBJECT may be NULL.
 */

void object_set(struct nsmc_object *object, const char *name);

/* Writes BEFORE, the number N, and AFTER. */
void object_set_number(struct nsmc_object *object, const char *before,
		       unsigned n, const char *after);

#endif
