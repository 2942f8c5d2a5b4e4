/*
 * An application that tells how much it was given: the number of its arguments, the length
 * of the longest one, the last short one, and how many of its variables are N...=value.
 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SHORT_MAX = 100 };

int main(int argc, char **argv)
{
	size_t longest = 0, variables = 0, len;
	const char *last = "";

	for (int i = 1; i < argc; i++) {
		len = strlen(argv[i]);
		if (len > longest)
			longest = len;
		if (len <= SHORT_MAX)
			last = argv[i];
	}
	for (char **e = environ; *e; e++)
		if (**e == 'N' && strcmp(strchrnul(*e, '='), "=value") == 0)
			variables++;
	printf("@arguments=%d\n@longest=%zu\n@last=%s\n@variables=%zu\n",
	       argc - 1, longest, last, variables);
	return 0;
}
