#ifndef NSM_OBJECT_H
#define NSM_OBJECT_H

#include "nsm/nsm.h"

/*
 * What an error is about, put into words. What does not fit is cut. OBJECT may
 * be NULL.
 */

void object_set(struct nsm_object *object, const char *name);

/* BEFORE, the number N, AFTER. */
void object_set_number(struct nsm_object *object, const char *before,
		       unsigned n, const char *after);

#endif
