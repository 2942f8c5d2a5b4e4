#include "rootfs/number.h"

#include <stddef.h>
#include <string.h>

char *number_put(char *to, uint64_t n)
{
	char digits[NUMBER_SIZE], *p = digits + sizeof(digits);
	size_t len;

	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	len = (size_t)(digits + sizeof(digits) - p);
	memcpy(to, p, len);
	to[len] = '\0';
	return to + len;
}
