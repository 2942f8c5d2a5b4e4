#ifndef NSM_API_HTTP_CONNECTION_H
#define NSM_API_HTTP_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "nsm/api/base/loop.h"
#include "nsm/api/http/access.h"
#include "nsm/api/http/web.h"

/*
 * Connections: requests one after the other, as they come, also those that a client sends ahead; each is answered before the next one is
 * looked at. All is bounded: what one may send and keep, how long it may take, how many there are.
 */

enum {
	CONNECTION_MAX = 64,
	CONNECTION_USER_MAX =
		32, /* of one user; those on loopback count as one */
	CONNECTION_HEAD_MS = 10 * 1000, /* until a head is whole */
	CONNECTION_BODY_MS = 30 * 1000, /* from then until the body is */
	CONNECTION_IDLE_MS = 30 * 1000, /* without a request */
	CONNECTION_SEND_MS = 30 * 1000, /* for an answer */
};

struct connection_place {
	enum spec_dialect dialect;
	bool is_local; /* AF_UNIX: the peer's user is known */
	char origin[64];
};

/* Before the first one: where they wait, and what they can ask for; NULL ends TABLES. */
void connection_open(struct loop *loop, const struct web_route *const *tables);

/*
 * True: one that comes to PLACE may be taken. On loopback, where nobody knows whose they are, those beyond CONNECTION_USER_MAX wait with
 * the kernel until one of the others ends, or is idle and closed for it: SDKs open as many as a program has calls.
 */
bool connection_has_room(const struct connection_place *place);

/*
 * Takes the non-blocking FD, of a client that has come to PLACE. For a user with less than a quarter of all, one that has not sent its
 * request makes room, of a user with more. Where there is no room, it is answered 503 (or 429, where the user has
 * all that one user may have) and closed.
 */
void connection_take(int fd, const struct connection_place *place);

/* In a child, at once after fork: closes the descriptors of all, wipes what others than W have sent and get. W may be NULL. */
void connection_forget(const struct web *w);

/* Ends those that wait for a request; others end after their answer. True: none is left. */
bool connection_end(void);

#endif
