#ifndef NSM_API_ROUTES_READY_ROUTE_H
#define NSM_API_ROUTES_READY_ROUTE_H

#include "nsm/api/http/web.h"

/*
 * POST /v1/ready {socket}: sends READY=1 to SOCKET, the caller's own NOTIFY_SOCKET, for programs whose language has no sockets of
 * datagrams. PID 1's sockets have names that nobody can guess, so that naming one shows that the caller was given it; one that is not
 * below notify-dir is refused.
 */
extern const struct web_route ready_route[];

#endif
