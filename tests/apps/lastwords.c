/* Says more than a console buffers, and is gone at once. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	char text[16384];
	size_t len = 0, at = 0;
	ssize_t n;

	for (int i = 1; i <= 300; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"last words, line %03d of 300\n", i);
	while (at < len) {
		n = write(1, text + at, len - at);
		if (n < 0)
			return 1;
		at += (size_t)n;
	}
	return 3;
}
