#ifndef NSM_TOOL_COMMANDS_H
#define NSM_TOOL_COMMANDS_H

#include "nsm/nsmc.h"
#include "nsm/tool/tool.h"

/* All of the tool's commands, by file; main.c has their table. */

/* device.c */
extern const struct command command_describe, command_random, command_attest;
/* pcr.c */
extern const struct command command_pcr_list, command_pcr_get,
	command_pcr_extend, command_pcr_lock, command_pcr_predict;
/* verify.c, show.c */
extern const struct command command_verify, command_show;
/* recipient.c */
extern const struct command command_recipient_new, command_recipient_attest,
	command_recipient_open;

struct blob;
struct out;

/*
 * Prints the JSON object for a document that was refused because of ERROR,
 * which was printed on stderr; TEXT is for it, or NULL: the library's. OBJECT
 * is what the error is about; or REPORT has that and what was checked. Returns
 * TOOL_REFUSED, or TOOL_FILE after printing why.
 */
int refuse_json(const struct tool *t, int error, const char *text,
		const char *object);
int refuse_json_report(const struct tool *t, int error, const char *text,
		       const struct nsmc_report *report);

/*
 * Reads the document in the file PATH; with JSON a refusal is printed as JSON,
 * too.
 */
int read_document(struct tool *t, const char *path, bool json,
		  struct blob *ret);

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
