#ifndef INIT_CONSOLE_H
#define INIT_CONSOLE_H

/*
 * Makes descriptors 0 to 2 open: each that the kernel left closed becomes
 * /dev/console, or /dev/null where there is none. Returns 0 or -errno.
 */
int console_open_stdio(void);

/*
 * Opens /dev/console again for 0 to 2 once the application's /dev is there: the
 * kernel's were opened on a node of the boot ramdisk, and have no name any more.
 * Returns 0, also where there is no console, or -errno.
 */
int console_reopen_stdio(void);

/*
 * A descriptor above 2 of /dev/console for the log: non-blocking, close-on-exec
 * and never the controlling terminal; a copy of descriptor 2 where the console
 * cannot be opened. Returns it or -errno.
 */
int console_open_log(void);

#endif
