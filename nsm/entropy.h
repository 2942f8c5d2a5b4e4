#ifndef NSM_ENTROPY_H
#define NSM_ENTROPY_H

/* How much is fetched: 2,048 bits, eight times what makes any kernel ready. */
enum { ENTROPY_BYTES = 256 };

/*
 * Seeds the kernel's random generator with ENTROPY_BYTES of the NSM FD, fully
 * credited. Returns 0 or a negative number for wire_error_text, and then sets
 * *RETERR_DEVICE to the name of the device that failed. No copy of the bytes
 * remains.
 */
int entropy_seed(int fd, const char **reterr_device);

#endif
