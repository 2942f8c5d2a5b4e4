#include "init/random.h"

#include <errno.h>
#include <stdint.h>
#include <sys/random.h>

int random_hex(char *ret, size_t digits)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t bytes[RANDOM_DIGITS_MAX / 2];
	const size_t count = digits / 2;

	if (getrandom(bytes, count, GRND_NONBLOCK) != (ssize_t)count)
		return -EAGAIN;
	for (size_t i = 0; i < count; i++) {
		ret[2 * i] = hex[bytes[i] >> 4];
		ret[2 * i + 1] = hex[bytes[i] & 15];
	}
	ret[2 * count] = '\0';
	return 0;
}
