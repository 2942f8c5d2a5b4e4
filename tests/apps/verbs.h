/* What applications share that do as their arguments say: facts, "@key=value" lines, and verbs, one after the other. */
#ifndef APPS_VERBS_H
#define APPS_VERBS_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* In one write: lines of others do not come between. */
__attribute__((format(printf, 1, 2))) static inline void say(const char *format,
							     ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (n > 0)
		(void)!write(1, line, strlen(line));
}

_Noreturn static inline void fatal(const char *what)
{
	say("@failed=%s: %s\n", what, strerror(errno));
	_exit(99);
}

/* Takes memory until the kernel objects. */
static inline void take_memory(void)
{
	while (mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1,
		    0) != MAP_FAILED)
		;
}

/* One of both: with an argument, or without. */
struct verb {
	const char *name;
	void (*plain)(void);
	void (*with)(const char *argument);
};

/* Does what ARGV, argv[0] and ARGC - 1 words, says by the COUNT VERBS. The exit code. */
static inline int run_verbs(const struct verb *verbs, size_t count, int argc,
			    char **argv)
{
	size_t v;

	for (int i = 1; i < argc; i++) {
		for (v = 0; v < count && strcmp(verbs[v].name, argv[i]) != 0;
		     v++)
			;
		if (v == count || (verbs[v].with && i + 1 == argc)) {
			say("@failed=no verb '%s'\n", argv[i]);
			return 99;
		}
		if (verbs[v].with)
			verbs[v].with(argv[++i]);
		else
			verbs[v].plain();
	}
	return 0;
}

#endif
