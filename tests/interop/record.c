/*
 * record.c for tests that are not in C: a record a line on stdin, and its line of JSON on
 * stdout. Its words are, with strings in hexadecimal and "-" for an empty one:
 *
 *   CAP STATUS CODE SIGNAL NAME ERROR STEP SERVICE READY OOM UPTIME RESTARTS BOOT SAYS_REPORT REPORT HAS_LOG
 *   LOG LOST
 *   [COUNT {NAME STATE RESTARTS PID TEXT}...]
 */
#include "vsock/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "record: %s\n", what);
	exit(2);
}

static const char *word(void)
{
	const char *w = strtok(NULL, " \n");

	return w ? w : "0";
}

static int64_t number(void)
{
	return strtoll(word(), NULL, 10);
}

static void string(char *to, size_t cap)
{
	const char *w = word();
	size_t n = strlen(w) / 2;

	memset(to, 0, cap);
	if (strcmp(w, "-") == 0)
		return;
	if (n > cap)
		die("a string that is too long");
	for (size_t i = 0; i < n; i++)
		if (sscanf(w + 2 * i, "%2hhx", (unsigned char *)to + i) != 1)
			die("no hexadecimal");
}

#define STRING(s) string((s), sizeof(s))

static void job(char *line)
{
	struct record_service s[RECORD_SERVICES_MAX];
	struct record r = { 0 };
	size_t cap = strtoul(strtok(line, " "), NULL, 10), count, n;
	const char *more;
	char *out = malloc(cap + !cap);

	if (!out)
		die("no memory");
	r.status = (enum record_status)number();
	r.code = (int32_t)number();
	r.signal = (int32_t)number();
	STRING(r.name);
	STRING(r.error);
	r.step = (uint32_t)number();
	STRING(r.service);
	r.ready = number() != 0;
	r.oom = number() != 0;
	r.uptime_ms = (uint64_t)number();
	r.restarts = (uint32_t)number();
	STRING(r.boot);
	r.says_report = number() != 0;
	r.report = number() != 0;
	r.has_log = number() != 0;
	r.log_bytes = (uint64_t)number();
	r.lost_bytes = (uint64_t)number();
	more = strtok(NULL, " \n");
	if (!more) {
		n = record_write(&r, out, cap);
	} else {
		count = strtoul(more, NULL, 10);
		if (count > RECORD_SERVICES_MAX)
			die("too many services");
		for (size_t i = 0; i < count; i++) {
			STRING(s[i].name);
			STRING(s[i].state);
			s[i].restarts = (uint32_t)number();
			s[i].pid = (int32_t)number();
			STRING(s[i].text);
		}
		n = record_write_full(&r, s, count, out, cap);
	}
	(void)fwrite(out, 1, n, stdout);
	free(out);
}

int main(void)
{
	static char line[1 << 16];

	while (fgets(line, sizeof(line), stdin))
		job(line);
	return 0;
}
