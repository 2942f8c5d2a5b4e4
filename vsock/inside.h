#ifndef VSOCK_INSIDE_H
#define VSOCK_INSIDE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * What PID 1 and `relay inside`, which it starts, have agreed on. Pure, and all here.
 *
 * PID 1 executes `relay inside --version=VERSION` with an empty environment and these
 * descriptors. The plan is a sealed memfd with lines `KEY = VALUE`, each of which has the
 * number that it has in the configuration; the lines between are empty. relay reads it by
 * pread from 0 on, as it may be started again. It binds whatever it has to, sends one
 * struct inside_report, and keeps the socket open. None of these descriptors blocks: what the log
 * does not take is lost.
 *
 * relay leads a session and a process group, which its workers do not leave: PID 1 kills all of it
 * when the first process ends.
 *
 * At the end, when the services have ended, PID 1 sends SIGTERM to the first process, and shuts
 * its direction of the socket down: relay goes on until its connections have ended, or no byte of
 * them has moved for a while, and exits. After INSIDE_END_MS all of it is killed.
 */

/* Where relay is: in the boot ramdisk, else in the image. */
#define INSIDE_RAMDISK_PATH "/relay"
#define INSIDE_IMAGE_PATH "/usr/bin/enclave-relay"

enum {
	INSIDE_PLAN_FD = 0,
	INSIDE_LOG_FD = 1,    /* and 2 */
	INSIDE_REPORT_FD = 3, /* SOCK_SEQPACKET */
	INSIDE_USER = 65530,  /* user and group that it takes */
	INSIDE_DEADLINE_MS = 10000,
	INSIDE_END_MS = 1000,
	INSIDE_OBJECT_MAX = 128,
	INSIDE_REASON_MAX = 128,
	INSIDE_NAMES_MAX = 256, /* distinct names of egress-names */
	INSIDE_NAME_MAX = 253,	/* bytes of one of them */
	INSIDE_NAMES_A_BYTE = 250,
};

enum inside_news {
	INSIDE_READY = 1, /* all is bound; the other members are 0 */
	INSIDE_FAULT = 2, /* relay exits after it */
};

/*
 * The one message. PID 1 prints `line LINE: OBJECT: REASON`, and behind it the text of ERROR;
 * it leaves out what is 0 or empty. Both strings end at a NUL or at their array's end; what
 * is no printable character of ASCII in them is replaced.
 */
struct inside_report {
	uint32_t news;
	uint32_t line;			/* of the configuration, or 0 */
	int32_t error;			/* of errno, or 0 */
	char object[INSIDE_OBJECT_MAX]; /* the key or the address */
	char reason[INSIDE_REASON_MAX]; /* words */
};

/*
 * egress-names has words NAME:PORT[,PORT]... A name is what is before the last colon,
 * without a dot at its end; case does not count. The names of all lines are numbered from 0 in
 * the order in which each comes first, and /etc/hosts has for each its address.
 */
static inline size_t inside_name_len(const char *word, size_t len)
{
	const char *colon = memrchr(word, ':', len);
	size_t n = colon ? (size_t)(colon - word) : len;

	return n > 1 && word[n - 1] == '.' ? n - 1 : n;
}

/* 127.90.X.Y of name N, less than INSIDE_NAMES_MAX, in the order of the host. */
static inline uint32_t inside_name_address(unsigned n)
{
	return 127U << 24 | 90U << 16 | n / INSIDE_NAMES_A_BYTE << 8 |
	       (n % INSIDE_NAMES_A_BYTE + 1);
}

#endif
