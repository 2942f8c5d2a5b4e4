#ifndef NSM_API_BASE_NOTIFY_H
#define NSM_API_BASE_NOTIFY_H

#include <stdbool.h>

/*
 * sd_notify(3): sends TEXT to the socket that is called NAME, as NOTIFY_SOCKET has it: a path, or '@' and an abstract name. Never
 * waits. Returns 0 or -errno; -EINVAL: it is neither.
 */
int notify_send(const char *name, const char *text);

#endif
