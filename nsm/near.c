#include "nsm/near.h"

#include <string.h>

enum { KEY_MAX = 31 };

unsigned near_slips(const char *word, const char *name)
{
	unsigned row[NEAR_NAME_MAX + 1], above, left, best;
	size_t n = strlen(name);

	if (n > NEAR_NAME_MAX)
		return NEAR_SLIPS;
	for (size_t i = 0; i <= n; i++)
		row[i] = (unsigned)i;
	for (; *word; word++) {
		above = row[0]++;
		for (size_t i = 1; i <= n; i++) {
			left = row[i - 1] + 1;
			best = above + (*word != name[i - 1]);
			above = row[i];
			if (left < best)
				best = left;
			if (above + 1 < best)
				best = above + 1;
			row[i] = best;
		}
	}
	return row[n];
}

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

size_t near_key(const char *word, const char *name)
{
	size_t row[KEY_MAX + 1], len = strnlen(name, KEY_MAX), diagonal, above,
				 i;

	for (i = 0; i <= len; i++)
		row[i] = i;
	for (size_t n = 1; *word && n <= KEY_MAX; word++, n++) {
		diagonal = row[0];
		row[0] = 2 * n;
		for (i = 1; i <= len; i++) {
			above = row[i];
			row[i] = lower(*word) == name[i - 1] ?
					 diagonal :
					 min(above + 2, row[i - 1] + 1);
			diagonal = above;
		}
	}
	return row[len];
}
