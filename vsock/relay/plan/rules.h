#ifndef VSOCK_RELAY_PLAN_RULES_H
#define VSOCK_RELAY_PLAN_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vsock/relay/plan/host.h"

/*
 * Which hosts and ports may be reached. Pure. A value has words, of which each is a rule:
 *
 *	NAME, *.NAME, **.NAME, **, IP, IP/BITS, [IPv6], [IPv6]/BITS
 *
 * and behind it, if it is not about the default ports, :PORT[-LAST][,PORT[-LAST]]...
 *
 * *.NAME is each name with one label more, **.NAME each with one or more; neither is NAME itself.
 * ** is each name. Only the text of a host counts, never what its name resolves to: an address
 * is matched by addresses, a name by names.
 */

enum {
	RULES_MAX = 512,  /* of a list */
	RULES_PORT = 443, /* where an allowing rule names none */
	RULES_ANY_PORT = 0,
};

enum rule_kind {
	RULE_NAME,
	RULE_ONE,  /* *. */
	RULE_DEEP, /* **. */
	RULE_ANY,  /* ** */
	RULE_V4,
	RULE_V6,
};

/* One rule; points into the text. */
struct rule {
	const char *text;  /* the word */
	const char *name;  /* behind the wildcard, without a dot at its end */
	const char *ports; /* behind the colon */
	uint16_t text_len, name_len, ports_len; /* no PORTS: 0 */
	uint8_t kind, bits;
	uint8_t ip[16];
};

struct rules {
	uint16_t port; /* where a rule names none; RULES_ANY_PORT: any */
	size_t count;
	struct rule at[RULES_MAX];
};

/* PORT: RULES_PORT, or RULES_ANY_PORT as for lists of what is denied. */
void rules_open(struct rules *r, uint16_t port);

/*
 * Adds the words of the LEN bytes at TEXT, which must stay. Returns NULL, or why one of them,
 * *RETERR of *RETERR_LEN bytes, is none.
 */
const char *rules_add(struct rules *r, const char *text, size_t len,
		      const char **reterr, size_t *reterr_len);

/* The first rule that matches HOST and PORT (RULES_ANY_PORT: at whatever port); or NULL. */
const struct rule *rules_find(const struct rules *r, const struct host *host,
			      uint16_t port);

enum rules_verdict {
	RULES_ALLOWED,
	RULES_DENIED,  /* by the rule *RET, whatever allows it */
	RULES_UNKNOWN, /* no rule allows it */
};

/* May HOST be reached at PORT? *RET is the rule that has decided, or NULL. */
enum rules_verdict rules_judge(const struct rules *allow,
			       const struct rules *deny,
			       const struct host *host, uint16_t port,
			       const struct rule **ret);

#endif
