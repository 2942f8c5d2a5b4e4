/*
 * Sends each argument, hexadecimal, to /dev/nsm as a request, and shows the answer
 * as "@reply=HEX": what the device does, with none of our code between.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct {
		uint64_t req, req_len, resp, resp_len;
	} raw;
	static uint8_t req[4096], resp[12288];
	int fd = open("/dev/nsm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return 1;
	for (int i = 1; i < argc; i++) {
		size_t len = strlen(argv[i]) / 2;
		unsigned byte;

		for (size_t n = 0; n < len && n < sizeof(req); n++) {
			if (sscanf(argv[i] + 2 * n, "%2x", &byte) != 1)
				return 2;
			req[n] = (uint8_t)byte;
		}
		raw.req = (uintptr_t)req;
		raw.req_len = len;
		raw.resp = (uintptr_t)resp;
		raw.resp_len = sizeof(resp);
		if (syscall(SYS_ioctl, fd,
			    _IOC(_IOC_READ | _IOC_WRITE, 0x0A, 0, 32),
			    &raw) < 0) {
			printf("@reply=%s\n", strerror(errno));
			continue;
		}
		printf("@reply=");
		for (size_t n = 0; n < raw.resp_len; n++)
			printf("%02x", resp[n]);
		printf("\n");
	}
	return 0;
}
