#ifndef NSM_API_ROUTES_BODY_H
#define NSM_API_ROUTES_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nsm/api/jobs/jobs.h"
#include "nsm/kms/wire/json.h"
#include "nsm/nsmc.h"

/*
 * Bodies of requests and answers, in a job's child: what is read is never freed, since the child ends. Each function that fails has
 * answered the job: 400, 415 or 503.
 */

/* The body of J's request as a JSON object. NULL: it was none. */
const struct json *body_object(struct job *j);

/* True if OBJECT has no other members than NAMES, which NULL ends. */
bool body_has_only(struct job *j, const struct json *object,
		   const char *const *names);

/* The member NAME, base64 of MIN to MAX bytes; absent if it is not there. */
bool body_bytes(struct job *j, const struct json *object, const char *name,
		size_t min, size_t max, struct nsmc_bytes *ret);

/* The member NAME, hex. */
bool body_hex(struct job *j, const char *what, const char *text, size_t len,
	      size_t min, size_t max, struct nsmc_bytes *ret);

/* A number from 0 to MAX; *RET_IS: it is there. */
bool body_number(struct job *j, const struct json *object, const char *name,
		 uint64_t max, bool *ret_is, uint64_t *ret);

/* False, if it is not there. */
bool body_flag(struct job *j, const struct json *object, const char *name,
	       bool *ret);

/* Refuses the member NAME: it must be MUST. Returns false. */
bool body_refuse(struct job *j, const char *name, const char *must);

/* --- answers --- */

/* The place for one of JSON. */
struct json_out *body_begin(void);

/* Answers with it, and a newline. */
void body_end(struct job *j, struct json_out *out);
void body_end_with(struct job *j, int status, struct json_out *out);

/* A member of hex; absent BYTES are null. */
void body_put_hex(struct json_out *out, const char *name,
		  struct nsmc_bytes bytes);

/* A member of base64; absent BYTES are null. */
void body_put_bytes(struct json_out *out, const char *name,
		    struct nsmc_bytes bytes);

/* "debug": true, false or null */
void body_put_debug(struct json_out *out, enum nsmc_debug debug);

/* An array of the numbers of the bits of SET. */
void body_put_set(struct json_out *out, const char *name, uint32_t set);

#endif
