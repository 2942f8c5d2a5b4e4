#ifndef INIT_CLOCK_STEER_H
#define INIT_CLOCK_STEER_H

struct helper_job;

/*
 * The clock after the hypervisor's, by /dev/ptp0: set once before anything of the
 * image runs, and from then on only made to run a little faster or slower. Where
 * there is no such device nothing is done or said.
 */

/*
 * Sets the clock, unless it is right to 10 ms. Returns the device for steer_run, or
 * -1 where there is none that can be followed.
 */
int steer_step(void);

/*
 * HELPER_CLOCK: holds the clock against the timestamp of the NSM, JOB->nsm_fd, then
 * follows JOB->device_fd for good. It ends by TERM.
 */
int steer_run(const struct helper_job *job);

#endif
