#ifndef INIT_MEMBER_H
#define INIT_MEMBER_H

#include <stdint.h>
#include <sys/types.h>

struct member;
struct service_action;

/*
 * One service's process and descriptors: what init/service.h decides is done here, and
 * what the process does is told to it. struct member is supervise.h's.
 */

/* Does what A says, forks included. */
void member_act(struct member *m, const struct service_action *a);

/* Does what is due at NOW_MS. */
void member_due(struct member *m, int64_t now_ms);

/* Hands SIG on. */
void member_signal(struct member *m, int sig);

/* Stops it for good; stops it and starts it again, whatever its restart says. */
void member_halt(struct member *m);
void member_again(struct member *m);

/* Has the loop read its socket for messages. */
void member_watch_socket(struct member *m);

/*
 * The process group of the service, or of what its last process has left; 0 if there
 * is none, or its number may be another one's.
 */
pid_t member_group(const struct member *m);

#endif
