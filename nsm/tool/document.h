#ifndef NSM_TOOL_DOCUMENT_H
#define NSM_TOOL_DOCUMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "nsm/nsmc.h"

struct blob;
struct out;
struct tool;

/* What verify and show share. */

/*
 * Prints the JSON object for a document that was refused because of ERROR,
 * which was printed on stderr; TEXT is for it, or NULL: the library's. OBJECT
 * is what the error is about; or REPORT has that and what was checked. Returns
 * TOOL_REFUSED, or TOOL_FILE after printing why.
 */
int document_refuse(const struct tool *t, int error, const char *text,
		    const char *object);
int document_refuse_report(const struct tool *t, int error, const char *text,
			   const struct nsmc_report *report);

/*
 * Reads the document in the file PATH; with JSON a refusal is printed as JSON,
 * too.
 */
int document_read(struct tool *t, const char *path, bool json,
		  struct blob *ret);

/* Words for programs: the checks of SET, and the numbers of the PCRs of SET. */
void document_checks_json(struct out *o, const char *key, unsigned set);
void document_pcrs_json(struct out *o, const char *key, uint32_t set);

#endif
