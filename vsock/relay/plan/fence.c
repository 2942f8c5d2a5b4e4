#include "vsock/relay/plan/fence.h"

#include <stdbool.h>
#include <string.h>

void fence_open(struct fence *f)
{
	rules_open(&f->open, RULES_ANY_PORT);
	rules_open(&f->only, RULES_PORT);
}

static const char *add_network(struct rules *r, const char *text, size_t len)
{
	size_t had = r->count, bad_len;
	const char *bad, *why = rules_add(r, text, len, &bad, &bad_len);

	for (size_t i = had; !why && i < r->count; i++)
		if ((r->at[i].kind != RULE_V4 && r->at[i].kind != RULE_V6) ||
		    r->at[i].ports_len > 0)
			why = "it must be an address, or a network such as 10.0.0.0/16 or [fd00::]/8";
	return why;
}

static const char *add_option(struct fence *f, const char *text, size_t len)
{
	static const char allow[] = "allow=", only[] = "only=";
	const char *bad;
	size_t bad_len;

	if (len > strlen(allow) && memcmp(text, allow, strlen(allow)) == 0)
		return add_network(&f->open, text + strlen(allow),
				   len - strlen(allow));
	if (len > strlen(only) && memcmp(text, only, strlen(only)) == 0)
		return rules_add(&f->only, text + strlen(only),
				 len - strlen(only), &bad, &bad_len);
	return "the options are allow=NETWORK and only=NAME[:PORT]";
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

const char *fence_add(struct fence *f, const char *text, size_t len,
		      const char **reterr, size_t *reterr_len)
{
	const char *end = text + len, *why = NULL;

	while (!why) {
		while (text < end && is_blank(*text))
			text++;
		if (text == end)
			return NULL;
		*reterr = text;
		while (text < end && !is_blank(*text))
			text++;
		*reterr_len = (size_t)(text - *reterr);
		why = add_option(f, *reterr, *reterr_len);
	}
	return why;
}
