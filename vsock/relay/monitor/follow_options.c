#include "vsock/relay/monitor/follow_options.h"

#include "vsock/relay/base/options.h"
#include "vsock/relay/base/tool.h"

static int read_option(const struct opts *o, int id, struct follow_options *f)
{
	switch (id) {
	case OPT_ARGUMENT:
		return options_target(o, &f->address);
	case FOLLOW_LOG_PORT:
		return options_port(o, &f->log_port);
	case FOLLOW_STATUS_PORT:
		return options_port(o, &f->status_port);
	case FOLLOW_REPORT_PORT:
		return options_port(o, &f->report_port);
	case FOLLOW_FURTHER:
		f->is_until_current = false;
		return 0;
	case FOLLOW_WAIT:
		return options_time(o, &f->wait_ms);
	case FOLLOW_LOST:
		return options_time(o, &f->lost_ms);
	case FOLLOW_TAKE_LOG:
		f->is_log_taken = true;
		return 0;
	case FOLLOW_JSON:
		f->show.is_json = true;
		return 0;
	default:
		return TOOL_USAGE;
	}
}

int follow_options_run(struct opts *o, struct follow_options *f)
{
	int id, r = 0;

	while (r == 0 && (id = opts_next(o)) != OPT_END)
		r = read_option(o, id, f);
	if (r == 0)
		r = options_need_target(o, &f->address);
	if (r)
		return r;
	f->show.where = f->address.text;
	return follow_run(f);
}
