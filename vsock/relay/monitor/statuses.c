#include "vsock/relay/monitor/statuses.h"

#include <string.h>

enum { FILLS_MAX = 16 }; /* in one call: a line need not have an end */

void statuses_open(struct statuses *s, const struct target *address,
		   uint32_t port)
{
	channel_open(&s->channel, address, port);
	lines_open(&s->lines, s->text, sizeof(s->text));
	s->at = s->len = 0;
}

/* Reads more bytes; a line does not go on in another connection. */
static bool fill(struct statuses *s)
{
	int n;

	if (channel_connect(&s->channel))
		lines_open(&s->lines, s->text, sizeof(s->text));
	n = channel_read(&s->channel, s->bytes, sizeof(s->bytes));
	if (n <= 0)
		return false;
	s->at = 0;
	s->len = (size_t)n;
	return true;
}

bool statuses_has_more(const struct statuses *s)
{
	return s->at < s->len;
}

enum statuses_result statuses_next(struct statuses *s, struct status *ret,
				   cJSON **ret_json, const char **reterr)
{
	struct lines_piece p = { 0 };
	bool is_piece = false;
	int fills = 0;

	while (!is_piece || !p.is_first) {
		if (s->at == s->len && (fills++ == FILLS_MAX || !fill(s)))
			return STATUSES_NONE;
		s->at += lines_take(&s->lines, s->bytes + s->at, s->len - s->at,
				    &is_piece, &p);
	}
	*reterr = p.is_last ? status_read(p.text, p.len, ret, ret_json) :
			      "it is too long";
	return *reterr ? STATUSES_BAD : STATUSES_ONE;
}
