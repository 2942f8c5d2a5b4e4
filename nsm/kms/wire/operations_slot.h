#ifndef NSM_KMS_WIRE_OPERATIONS_SLOT_H
#define NSM_KMS_WIRE_OPERATIONS_SLOT_H

#include "nsm/kms/wire/operations.h"

/* A member of a struct kmsc_request or kmsc_answer, by its row of the tables. Pure. */

/* Memory that is given out, of the caller of operations_read_... */
struct operations_arena {
	uint8_t *at;
	size_t left;
};

/* True: AT, a struct of the kind that MEMBER is of, has it. */
bool operations_slot_is_set(const struct operations_member *member,
			    const void *at);

/* What is wrong with it, by its limits, if it is set; or NULL. */
const char *operations_slot_check(const struct operations_member *member,
				  const void *at);

/* Writes it by NAME, if it is set. */
void operations_slot_write(const struct operations_member *member,
			   const char *name, const void *at,
			   struct json_out *out);

/*
 * Reads VALUE, which is not null, to it. Returns NULL, what is wrong, or
 * operations_slot_no_room.
 */
const char *operations_slot_read(const struct operations_member *member,
				 const struct json *value, void *at,
				 struct operations_arena *arena);

extern const char operations_slot_no_room[];

/* What is wrong with VALUE, by the type and the limits of MEMBER; or NULL. */
const char *operations_slot_check_json(const struct operations_member *member,
				       const struct json *value);

#endif
