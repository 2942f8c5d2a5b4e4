#include "vsock/relay/egress/refusals.h"

#include "vsock/relay/flow/notice.h"

void refusals_print(struct refusals *r, int64_t now_ms, const char *words)
{
	if (r->printed > 0 && now_ms - r->since_ms >= REFUSALS_MS)
		r->printed = 0;
	if (r->printed == 0)
		r->since_ms = now_ms;
	if (r->printed == REFUSALS_MAX) {
		r->omitted++;
		return;
	}
	r->printed++;
	if (r->omitted > 0)
		notice(r->object, "%s; %llu others before it", words,
		       (unsigned long long)r->omitted);
	else
		notice(r->object, "%s", words);
	r->omitted = 0;
}
