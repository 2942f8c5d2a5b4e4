#ifndef NSM_API_HTTP_LISTENER_H
#define NSM_API_HTTP_LISTENER_H

#include "nsm/api/base/loop.h"
#include "nsm/api/spec/conf.h"

/* Where clients arrive: the UNIX socket, and addresses on loopback. */

enum { LISTENER_MAX = 1 + SPEC_LISTENS_MAX + SPEC_COMPATS_MAX };

/*
 * Binds all that SPEC asks for and takes connections from then on. The UNIX socket gets its name when it has its mode and group; one
 * that a killed process has left is replaced, one at which somebody listens is -EADDRINUSE, and what is no socket -EEXIST. Returns 0, or -errno with *RETERR.
 */
int listener_open(struct loop *loop, const struct spec *spec,
		  struct spec_fault *reterr);

/* In a child after fork: closes them, and leaves the socket's name alone. */
void listener_forget(void);

/* No further connections; the UNIX socket's name is removed. */
void listener_close(void);

#endif
