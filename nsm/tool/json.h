#ifndef NSM_TOOL_JSON_H
#define NSM_TOOL_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "nsm/nsmc.h"

struct out;

/*
 * JSON. KEY is NULL in arrays; an absent value is null. Numbers have up to 64
 * bits.
 */
void json_open(struct out *o, const char *key, char bracket);
void json_close(struct out *o, char bracket);
void json_string(struct out *o, const char *key, const char *text);
void json_text(struct out *o, const char *key, struct nsmc_bytes text);
void json_number(struct out *o, const char *key, uint64_t n);
void json_signed(struct out *o, const char *key, int64_t n);
void json_bool(struct out *o, const char *key, bool b);
void json_hex(struct out *o, const char *key, struct nsmc_bytes bytes);
void json_base64(struct out *o, const char *key, struct nsmc_bytes bytes);
/*
 * Writes "code", "error" (TEXT; NULL: the library's) and "object" of a refusal.
 */
void json_refusal(struct out *o, int error, const char *text,
		  const char *object);
/* Writes the key alone. */
void json_key(struct out *o, const char *key);

#endif
