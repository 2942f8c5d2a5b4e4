#ifndef VSOCK_RELAY_FLOW_SANDBOX_H
#define VSOCK_RELAY_FLOW_SANDBOX_H

/*
 * Which system calls a process that passes connections on may make. A seam: with sanitizers, which make others,
 * nothing is set.
 */

/* What it needs beyond dialling, accepting, reading and writing. */
enum sandbox_needs {
	SANDBOX_CHILDREN = 1, /* forks, waits, kills, removes sockets */
	SANDBOX_DATAGRAMS = 2,
	SANDBOX_FILES = 4, /* opens files, for reading */
};

/*
 * From here on another call kills the process; so do a socket that no address means and
 * memory that is code. It needs no_new_privs. A second filter can only take more
 * away. Returns 0 or -errno: -EINVAL from a kernel that has no filters.
 */
int sandbox_enter(unsigned needs);

#endif
