#ifndef INIT_INPUTS_H
#define INIT_INPUTS_H

struct boot;

/*
 * What the image says must run. Each returns 0, or -1 with the fault logged by
 * boot_fail.
 */

/*
 * Reads /cmd, /env and the configuration, and makes the vectors of /cmd and /env.
 */
int inputs_read(struct boot *b);

/*
 * Reads the configuration alone: that beside /cmd, else the one of the
 * application's file system.
 */
int inputs_read_config(struct boot *b);

#endif
