#ifndef INIT_KLOG_H
#define INIT_KLOG_H

#include <stdbool.h>
#include <sys/types.h>

struct text;

/* What became of the image's ramdisks. */
enum klog_initramfs {
	KLOG_INITRAMFS_FINE, /* or the kernel's log cannot be read */
	KLOG_INITRAMFS_CUT,  /* a part of them is missing */
	KLOG_INITRAMFS_BAD,  /* another complaint; some live with theirs */
};

/*
 * Whether the kernel could unpack its initramfs, by its own log; what it said
 * ("Initramfs unpacking failed: ...") goes to WHY, with what helps.
 */
enum klog_initramfs klog_initramfs(struct text *why);

/*
 * How many processes the kernel has killed for lack of memory since it was booted, by
 * oom_kill of vmstat below PROC_FD; 0 if that cannot be read.
 */
unsigned long klog_oom_kills(int proc_fd);

/*
 * Whether the kernel's log says that it killed the process PID for lack of memory; true
 * also if it names nobody, for whom klog_oom_kills has gone up. It reads up to 256 KiB.
 */
bool klog_was_oom(pid_t pid);

/* The number at NAME in TEXT, lines of "name value" as /proc/vmstat's, or 0. */
unsigned long klog_counter(const char *text, const char *name);

#endif
