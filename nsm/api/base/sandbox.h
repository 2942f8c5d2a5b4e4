#ifndef NSM_API_BASE_SANDBOX_H
#define NSM_API_BASE_SANDBOX_H

/*
 * Which system calls a process may make. A seam: with sanitizers, which make others, nothing is set.
 */

/* Beyond reading, writing, memory and the clock. */
enum sandbox_needs {
	SANDBOX_SERVES =
		1, /* accepts, forks, waits, kills, removes its socket; and all below */
	SANDBOX_NSM = 2,       /* ioctl of the NSM's request */
	SANDBOX_CONNECTS = 4,  /* sockets of streams */
	SANDBOX_LOOKS_UP = 8,  /* names: datagrams, files for reading */
	SANDBOX_READS = 16,    /* files, for reading */
	SANDBOX_NOTIFIES = 32, /* datagrams to a socket of AF_UNIX */
};

/*
 * From here on another call kills the process; so does memory that is code. It needs no_new_privs. A second filter can only take
 * more away. Returns 0 or -errno: -EINVAL from a kernel that has no filters.
 */
int sandbox_enter(unsigned needs);

#endif
