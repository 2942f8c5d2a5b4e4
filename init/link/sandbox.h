#ifndef INIT_LINK_SANDBOX_H
#define INIT_LINK_SANDBOX_H

/*
 * From here on the calling process, which has no_new_privs, makes no system calls but those
 * that the helper of the link needs once it has opened what it listens at. Any other
 * kills it, and so does a socket that is not of vsock. Returns 0, or -errno: -EINVAL
 * from a kernel that has no filters.
 */
int sandbox_enter(void);

#endif
