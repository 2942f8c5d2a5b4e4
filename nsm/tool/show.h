#ifndef NSM_TOOL_SHOW_H
#define NSM_TOOL_SHOW_H

#include <stdint.h>

#include "nsm/nsmc.h"

struct out;

/* Prints the fields of DOC, as KEY of an object. */
void show_json(struct out *o, const char *key, const struct nsmc_doc *doc);

/* Prints "debug": true, false or, if it cannot be known, null. */
void show_debug_json(struct out *o, enum nsmc_debug debug);

/* Returns "yes", "no" or "unknown". */
const char *show_debug_text(enum nsmc_debug debug);

/*
 * Prints a time of a document, with its milliseconds: "1700000000000
 * (2023-...)".
 */
void show_time(struct out *o, uint64_t ms);

#endif
