#ifndef NSM_OBJECT_H
#define NSM_OBJECT_H

#include "nsm/nsmc.h"

/*
 * What an error is about, put into words. What does not fit is cut. OBJECT may
 * be NULL.
 */

void object_set(struct nsmc_object *object, const char *name);

/* BEFORE, the number N, AFTER. */
void object_set_number(struct nsmc_object *object, const char *before,
		       unsigned n, const char *after);

#endif
