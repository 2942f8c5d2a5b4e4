#ifndef VSOCK_RELAY_PLAN_ALLOWLIST_H
#define VSOCK_RELAY_PLAN_ALLOWLIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The allowlist file of AWS's vsock-proxy. Pure. It is YAML, of which this is read: comments, one
 * document, the key "allowlist" among others, and below it a list whose entries have address
 * and port, each entry in block form or in braces, or the whole list in brackets; plain and
 * quoted words. Anchors, tags, escapes and JSON are refused.
 */

enum { ALLOWLIST_TEXT_MAX = 256 << 10, ALLOWLIST_HOST_MAX = 253 };

struct allowlist_entry {
	const char *host; /* within the text; no NUL ends it */
	size_t host_len;
	uint16_t port;
	unsigned line;
};

/* How far a text has been read. */
struct allowlist {
	const char *next, *end; /* the lines after the current one */
	const char *at, *stop;	/* what is left of that, without its comment */
	size_t indent;
	unsigned line; /* its number; 0: none was read yet */
	int state;
};

/* Begins with the LEN bytes at TEXT, which must stay. */
void allowlist_open(struct allowlist *a, const char *text, size_t len);

/*
 * Reads the next entry. Returns true; or false at the end, where *RET_WHY is NULL, or why the
 * text is none, in line A->line.
 */
bool allowlist_next(struct allowlist *a, struct allowlist_entry *ret,
		    const char **ret_why);

#endif
