#ifndef INIT_NEWS_H
#define INIT_NEWS_H

struct member;
struct service;
struct service_action;
struct supervise;
struct text;

/* The words for what service.h has to say, and whom they are said to. */

/* Logs A's news of M; what fails the boot is said to the caller of supervise. */
void news_tell(struct member *m, const struct service_action *a);

/* The boot cannot go on because of V, for the reason T, to which its status is added. */
void news_fail_boot(struct supervise *s, const struct service *v,
		    struct text *t);

#endif
