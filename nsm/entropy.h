#ifndef NSM_ENTROPY_H
#define NSM_ENTROPY_H

/* How much is fetched: 2,048 bits, eight times what readies any kernel. */
enum { ENTROPY_BYTES = 256 };

/*
 * Seeds the kernel's random generator with ENTROPY_BYTES of the NSM FD, fully
 * credited. Returns 0 or a negative number for wire_error_text, with the name of
 * the device that failed to *RETERR_DEVICE. No copy of the bytes is left.
 */
int entropy_seed(int fd, const char **reterr_device);

#endif
