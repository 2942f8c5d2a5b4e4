#ifndef NSM_KMS_CALL_FAULT_H
#define NSM_KMS_CALL_FAULT_H

#include "nsm/kms/kmsc.h"

/*
 * Sets what E says of its own: code, step and words by FORMAT, which are cut and made
 * printable. CODE is negative, and returned.
 */
int fault_set(struct kmsc_error *e, int code, enum kmsc_step step,
	      const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same without words of its own. */
int fault_code(struct kmsc_error *e, int code, enum kmsc_step step);

#endif
