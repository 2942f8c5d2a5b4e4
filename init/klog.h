#ifndef INIT_KLOG_H
#define INIT_KLOG_H

#include <stdbool.h>
#include <sys/types.h>

struct text;

/* What became of the image's ramdisks. */
enum klog_initramfs {
	KLOG_INITRAMFS_FINE, /* or the kernel's log cannot be read */
	KLOG_INITRAMFS_CUT,  /* it did not fit into the memory */
	KLOG_INITRAMFS_BAD,  /* another complaint; some live with theirs */
};

/*
 * Whether the kernel could unpack its initramfs, by its own log; what it said
 * ("Initramfs unpacking failed: ...") goes to WHY, with what helps.
 */
enum klog_initramfs klog_initramfs(struct text *why);

/*
 * Whether the kernel killed the process PID for lack of memory: true also if it
 * killed somebody by its counter below PROC_FD, /proc/vmstat's oom_kill, and its
 * log names nobody.
 */
bool klog_was_oom(int proc_fd, pid_t pid);

/* The number at NAME in TEXT, lines of "name value" as /proc/vmstat's, or 0. */
unsigned long klog_counter(const char *text, const char *name);

#endif
