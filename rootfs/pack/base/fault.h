#ifndef ROOTFS_PACK_BASE_FAULT_H
#define ROOTFS_PACK_BASE_FAULT_H

/*
 * Why something failed, in words for whoever runs mkeif. The words name the file,
 * the section or path in it, and the offset where there is one.
 */

enum fault_kind {
	FAULT_REFUSED, /* the input is not as it should be */
	FAULT_SYSTEM,  /* a file, or the system, failed */
	FAULT_USAGE,   /* what was asked for makes no sense */
};

struct fault {
	enum fault_kind kind;
	char text[2048];
};

/* Each sets *F, with what escape.h escapes as \xHH, the middle left out if it is too long, and
 * returns -1. */
int fault_refuse(struct fault *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
int fault_usage(struct fault *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same, with ": " and the words for ERROR, an errno, behind. */
int fault_system(struct fault *f, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A failure of the system that has no errno: a program that mkeif runs. */
int fault_failed(struct fault *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Puts words and ": " before those that *F has; returns -1. */
int fault_prefix(struct fault *f, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
