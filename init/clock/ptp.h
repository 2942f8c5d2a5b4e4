#ifndef INIT_CLOCK_PTP_H
#define INIT_CLOCK_PTP_H

#include <stdint.h>

struct clock_sample;

/*
 * Seam: the only code that touches /dev/ptp0, the hypervisor's clock, and the
 * only one that sets ours. Tests put another object in its place at link time.
 */

/* Opens the device: a descriptor, close-on-exec, or -errno. */
int ptp_open(void);

/* Reads the device's clock between two readings of ours: 0 or -errno. */
int ptp_read(int fd, struct clock_sample *ret);

/* Sets our clock ahead by OFFSET_NS, or back. To a microsecond. 0 or -errno. */
int ptp_step(int64_t offset_ns);

/* Has our clock run at FREQUENCY, in adjtimex's unit: 0 or -errno. */
int ptp_slew(int64_t frequency);

/* Lets SECONDS pass. */
void ptp_pause(unsigned seconds);

#endif
