#include "nsm/opts.h"

#include <stddef.h>
#include <string.h>

#include "nsm/near.h"

/*
 * Finds the option with the first LEN bytes of WORD as its name; or the end of
 * the table.
 */
static const struct opt *find(const struct opts *o, const char *word,
			      size_t *ret_len)
{
	size_t len = strcspn(word, "=");
	const struct opt *p;

	for (p = o->table; p->name; p++)
		if (strlen(p->name) == len && memcmp(p->name, word, len) == 0)
			break;
	*ret_len = len;
	return p;
}

bool opts_is_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

bool opts_want_help(const struct opts *o)
{
	const struct opt *p;
	size_t len;

	for (char **next = o->next; *next && strcmp(*next, "--") != 0; next++) {
		if ((*next)[0] != '-' || (*next)[1] == '\0')
			continue;
		if (opts_is_help(*next))
			return true;
		p = find(o, *next, &len);
		if (!p->name)
			return false;
		if (p->kind != OPT_FLAG && !(*next)[len] && !*++next)
			return false;
	}
	return false;
}

int opts_too_many(const struct opts *o)
{
	return o->usage(o->tool, o->value, "an argument too many");
}

static int unknown(const struct opts *o, const char *word, size_t len)
{
	const char *nearest = NULL;
	unsigned least = NEAR_SLIPS, slips;
	char name[32];

	if (len < sizeof(name)) {
		memcpy(name, word, len);
		name[len] = '\0';
		for (const struct opt *p = o->table; p->name; p++) {
			slips = near_slips(name, p->name);
			if (slips < least) {
				least = slips;
				nearest = p->name;
			}
		}
	}
	if (nearest)
		(void)o->usage(o->tool, NULL,
			       "no option %.*s: did you mean %s?", (int)len,
			       word, nearest);
	else
		(void)o->usage(o->tool, NULL, "no option %.*s", (int)len, word);
	return OPT_BAD;
}

static int bad(const struct opts *o, const char *name, const char *why)
{
	(void)o->usage(o->tool, name, "%s", why);
	return OPT_BAD;
}

int opts_next(struct opts *o)
{
	const struct opt *p;
	const char *word, *equals;
	size_t len;

	if (!o->only_arguments && *o->next && strcmp(*o->next, "--") == 0) {
		o->only_arguments = true;
		o->next++;
	}
	word = *o->next;
	if (!word)
		return OPT_END;
	o->next++;
	if (o->only_arguments || word[0] != '-' || word[1] == '\0') {
		o->value = word;
		return OPT_ARGUMENT;
	}

	p = find(o, word, &len);
	if (!p->name)
		return unknown(o, word, len < 256 ? len : 256);
	equals = word[len] ? word + len : NULL;
	if (p->kind != OPT_MANY) {
		if (o->seen & 1u << (p - o->table))
			return bad(o, p->name, "given twice");
		o->seen |= 1u << (p - o->table);
	}
	o->name = p->name;
	o->value = NULL;
	if (p->kind == OPT_FLAG)
		return equals ? bad(o, p->name, "takes no value") : p->id;
	if (equals) {
		o->value = equals + 1;
		return p->id;
	}
	/* A forgotten value must not swallow the next option. */
	if (!*o->next || strncmp(*o->next, "--", 2) == 0)
		return bad(o, p->name,
			   "needs a value (one that begins with -- after =)");
	o->value = *o->next++;
	return p->id;
}
