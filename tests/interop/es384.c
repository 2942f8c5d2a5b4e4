/*
 * es384.c for tests that are not in C: a job a line on stdin, in hexadecimal the
 * hash, r, s and the key's 97 bytes without anything between; an answer a line on
 * stdout: "good", "bad", or "no key".
 */
#include "nsm/es384.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "es384: %s\n", what);
	exit(2);
}

/* The LEN bytes at *TEXT, in memory of just their size: ASan sees one too far. */
static uint8_t *next_bytes(const char **text, size_t len)
{
	uint8_t *bytes = malloc(len);

	if (!bytes)
		die("no memory");
	for (size_t i = 0; i < len; i++, *text += 2)
		if (sscanf(*text, "%2hhx", &bytes[i]) != 1)
			die("no hexadecimal");
	return bytes;
}

static void job(const char *line)
{
	uint8_t *hash = next_bytes(&line, ES384_HASH);
	uint8_t *sig = next_bytes(&line, ES384_SIGNATURE);
	uint8_t *point = next_bytes(&line, ES384_POINT);
	bool key = es384_is_key(point), good = es384_verify(hash, sig, point);

	if (good && !key)
		die("a signature of no key is good");
	puts(good ? "good" : key ? "bad" : "no key");
	free(hash);
	free(sig);
	free(point);
}

int main(void)
{
	enum { JOB = 2 * (ES384_HASH + ES384_SIGNATURE + ES384_POINT) };
	static char line[JOB + 2];

	while (fgets(line, sizeof(line), stdin)) {
		if (strcspn(line, "\n") != JOB)
			die("a line of another length");
		job(line);
	}
	return 0;
}
