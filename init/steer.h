#ifndef INIT_STEER_H
#define INIT_STEER_H

/*
 * The clock after the hypervisor's, by /dev/ptp0: set once before anything of the
 * image runs, and from then on only made to run a little faster or slower. Where
 * there is no such device nothing is done or said.
 */

/*
 * Sets the clock, unless it is right to 10 ms. Returns the device for steer_start,
 * or -1 where there is none that can be followed.
 */
int steer_step(void);

/*
 * Starts a child that follows FD, which it takes over; negative: none. It holds
 * the clock against the timestamp of the NSM, NSM_FD, first. It ends by TERM.
 */
void steer_start(int fd, int nsm_fd);

#endif
