#ifndef INIT_SPEC_CAPABILITY_H
#define INIT_SPEC_CAPABILITY_H

/*
 * Linux's capabilities by name, as linux/capability.h numbers them. Pure.
 */

enum { CAPABILITY_COUNT = 41 }; /* up to CAP_CHECKPOINT_RESTORE of 5.9 */

/* The number of the capability NAME, with or without CAP_, in either case; or -1. */
int capability_number(const char *name);

/* The name of capability NUMBER, in capitals without CAP_, or NULL. */
const char *capability_name(int number);

#endif
