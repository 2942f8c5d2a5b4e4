#include "vsock/relay/base/options.h"

#include <stddef.h>

#include "vsock/relay/base/tool.h"
#include "vsock/relay/base/value.h"

int options_port(const struct opts *o, uint32_t *ret)
{
	if (target_port(o->value, ret))
		return 0;
	return tool_usage(o->tool, o->name, "%s: no port", o->value);
}

int options_time(const struct opts *o, int64_t *ret_ms)
{
	if (value_time(o->value, ret_ms))
		return 0;
	return tool_usage(o->tool, o->name,
			  "%s: no time: a number, and ms, s, m, h or d",
			  o->value);
}

int options_number(const struct opts *o, uint32_t most, uint32_t *ret)
{
	uint64_t n;

	if (!value_number(o->value, most, &n) || n == 0)
		return tool_usage(o->tool, o->name,
				  "%s: no number from 1 to %u", o->value, most);
	*ret = (uint32_t)n;
	return 0;
}

int options_target(const struct opts *o, struct target *ret)
{
	const char *why;

	if (ret->text)
		return opts_too_many(o);
	why = target_read(o->value, ret);
	return why ? tool_usage(o->tool, o->value, "%s", why) : 0;
}

int options_need_target(const struct opts *o, const struct target *a)
{
	if (a->text)
		return 0;
	return tool_usage(o->tool, NULL, "which enclave?");
}
