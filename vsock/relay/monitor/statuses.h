#ifndef VSOCK_RELAY_MONITOR_STATUSES_H
#define VSOCK_RELAY_MONITOR_STATUSES_H

#include <stdbool.h>
#include <stddef.h>

#include "vsock/relay/monitor/channel.h"
#include "vsock/relay/monitor/lines.h"
#include "vsock/relay/monitor/status.h"

/* The status port of an enclave: one status after the other. */
struct statuses {
	struct channel channel;
	struct lines lines;
	size_t at, len; /* of what BYTES holds and was not looked at yet */
	char bytes[4096];
	char text[STATUS_LINE_MAX];
};

enum statuses_result {
	STATUSES_NONE, /* none is there now */
	STATUSES_ONE,
	STATUSES_BAD, /* a line was none */
};

void statuses_open(struct statuses *s, const struct target *address,
		   uint32_t port);

/* Connects if it is time, and reads the next status, as status_read does. */
enum statuses_result statuses_next(struct statuses *s, struct status *ret,
				   cJSON **ret_json, const char **reterr);

/* True if bytes have been read of which statuses_next has more to say: no sleep ends by them. */
bool statuses_has_more(const struct statuses *s);

#endif
