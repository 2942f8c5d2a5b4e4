#ifndef ROOTFS_PACK_BASE_JSON_H
#define ROOTFS_PACK_BASE_JSON_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

struct fault;
struct strings;

/* JSON of others: what is not as it should be is refused, with its key. */

enum {
	JSON_TEXT_MAX = 4 << 20, /* bytes: what registries take, too */
	JSON_DEPTH_MAX = 64,
};

/*
 * Refuses what cJSON takes and other readers do not: what is not UTF-8, control characters
 * and NULs in strings, numbers like 01 and 1e999; and what is too deep. TEXT is LEN bytes
 * and a NUL.
 */
int json_check(const char *text, size_t len, struct fault *reterr);

/* The same text, all of it checked, must be an object or array. */
int json_parse(const char *text, size_t len, cJSON **ret, struct fault *reterr);

/*
 * What OBJECT has under KEY, NULL where that is nothing, or null. The key may have its
 * letters in any case, as Go's encoding/json reads them, and so what makes and runs
 * containers. Refused: another type than the function's, and a key that is there twice,
 * in whatever case: of these Go takes the last, other readers another.
 */
int json_object(const cJSON *object, const char *key, const cJSON **ret,
		struct fault *reterr);
int json_array(const cJSON *object, const char *key, const cJSON **ret,
	       struct fault *reterr);
int json_string(const cJSON *object, const char *key, const char **ret,
		struct fault *reterr);

/* The same of an object whose keys are data (annotations): KEY is meant to the letter. */
int json_entry(const cJSON *object, const char *key, const char **ret,
	       struct fault *reterr);

/* An integer of 0 to 2^53, which must be there. */
int json_size(const cJSON *object, const char *key, uint64_t *ret,
	      struct fault *reterr);

/* An array of strings, added to *RET. */
int json_strings(const cJSON *object, const char *key, struct strings *ret,
		 struct fault *reterr);

/* The same, where a string stands for an array of it alone, as docker has it of commands. */
int json_words(const cJSON *object, const char *key, struct strings *ret,
	       struct fault *reterr);

#endif
