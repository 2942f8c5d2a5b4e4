#include "init/spec/signal.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* Not pointers: each would be a relocation. */
static const char names[][7] = {
	[SIGHUP] = "HUP",	[SIGINT] = "INT",	[SIGQUIT] = "QUIT",
	[SIGILL] = "ILL",	[SIGTRAP] = "TRAP",	[SIGABRT] = "ABRT",
	[SIGBUS] = "BUS",	[SIGFPE] = "FPE",	[SIGKILL] = "KILL",
	[SIGUSR1] = "USR1",	[SIGSEGV] = "SEGV",	[SIGUSR2] = "USR2",
	[SIGPIPE] = "PIPE",	[SIGALRM] = "ALRM",	[SIGTERM] = "TERM",
	[SIGSTKFLT] = "STKFLT", [SIGCHLD] = "CHLD",	[SIGCONT] = "CONT",
	[SIGSTOP] = "STOP",	[SIGTSTP] = "TSTP",	[SIGTTIN] = "TTIN",
	[SIGTTOU] = "TTOU",	[SIGURG] = "URG",	[SIGXCPU] = "XCPU",
	[SIGXFSZ] = "XFSZ",	[SIGVTALRM] = "VTALRM", [SIGPROF] = "PROF",
	[SIGWINCH] = "WINCH",	[SIGIO] = "IO",		[SIGPWR] = "PWR",
	[SIGSYS] = "SYS",
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };

static const struct {
	char name[5];
	unsigned char signal;
} others[] = {
	{ "CLD", SIGCHLD },
	{ "IOT", SIGABRT },
	{ "POLL", SIGIO },
};

/* A decimal number of at most MAX, or -1. */
static int read_number(const char *s, int max)
{
	int n = 0;

	if (*s == '\0')
		return -1;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -1;
		n = n * 10 + (*s - '0');
		if (n > max)
			return -1;
	}
	return n;
}

/* What follows RTMIN or RTMAX, which is FROM: SIGN and a number, or nothing. */
static int real_time(const char *s, int from, char sign)
{
	int n = 0;

	if (*s) {
		if (*s != sign)
			return 0;
		n = read_number(s + 1, SIGNAL_RTMAX - SIGNAL_RTMIN);
		if (n < 0)
			return 0;
	}
	return sign == '+' ? from + n : from - n;
}

int signal_number(const char *text)
{
	int n = read_number(text, SIGNAL_MAX);

	if (n >= 0)
		return n;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	if (strncasecmp(text, "RTMIN", 5) == 0)
		return real_time(text + 5, SIGNAL_RTMIN, '+');
	if (strncasecmp(text, "RTMAX", 5) == 0)
		return real_time(text + 5, SIGNAL_RTMAX, '-');
	for (n = 1; n < NAMES; n++)
		if (strcasecmp(text, names[n]) == 0)
			return n;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcasecmp(text, others[i].name) == 0)
			return others[i].signal;
	return 0;
}

const char *signal_name(int signal)
{
	return signal > 0 && signal < NAMES ? names[signal] : NULL;
}
