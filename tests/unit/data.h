#ifndef TESTS_UNIT_DATA_H
#define TESTS_UNIT_DATA_H

/* Files of tests/data. The tests run at the top of the tree. */

#include "tests/unit/check.h"

struct data {
	uint8_t *bytes; /* exactly LEN, so that ASan sees who reads more */
	size_t len;
};

static inline struct data data_copy(const void *bytes, size_t len)
{
	struct data d = { .bytes = malloc(len ? len : 1), .len = len };

	REQUIRE(d.bytes);
	if (len > 0)
		memcpy(d.bytes, bytes, len);
	return d;
}

static inline struct data data_load(const char *name)
{
	char path[256];
	uint8_t buf[8192];
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "tests/data/%s", name);
	f = fopen(path, "re");
	REQUIRE(f);
	n = fread(buf, 1, sizeof(buf), f);
	REQUIRE(n < sizeof(buf) && !ferror(f));
	(void)fclose(f);
	return data_copy(buf, n);
}

#endif
