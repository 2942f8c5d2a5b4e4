#ifndef INIT_PCR_H
#define INIT_PCR_H

struct config;
struct text;

/*
 * Does to the PCRs of the NSM_FD what C asks for: the extensions in their order,
 * then the locks, each checked by reading the PCR again. Files are those below
 * /rootfs; of no part of their paths a link is followed. Returns 0, or a negative
 * number with the PCR's name and what is wrong with it: the rest is not done then.
 */
int pcr_apply(const struct config *c, int nsm_fd, struct text *reterr_object,
	      struct text *reterr_reason);

#endif
