/*
 * The application of `make run`: says hello and what it finds around it, and
 * ends as the NSM's tool, which prints an attestation document, where an image
 * has brought that.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char tool[] = "/run/enclave/bin/nsm";

static void show_loopback(void)
{
	struct ifaddrs *all, *i;
	char text[INET6_ADDRSTRLEN];
	const void *addr;

	printf("  loopback:");
	if (getifaddrs(&all) != 0) {
		printf(" %s\n", strerror(errno));
		return;
	}
	for (i = all; i; i = i->ifa_next) {
		if (!i->ifa_addr || !(i->ifa_flags & IFF_UP))
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			addr = &((struct sockaddr_in *)i->ifa_addr)->sin_addr;
		else if (i->ifa_addr->sa_family == AF_INET6)
			addr = &((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr;
		else
			continue;
		printf(" %s", inet_ntop(i->ifa_addr->sa_family, addr, text,
					sizeof(text)));
	}
	printf("\n");
	freeifaddrs(all);
}

/* Returns only if the tool cannot be executed. */
static int attest(void)
{
	printf("  attestation document:\n");
	if (fflush(stdout) != 0)
		return 1;
	execl(tool, "nsm", "attest", (char *)NULL);
	printf("  %s: %s\n", tool, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	const char *hello = getenv("HELLO");
	char host[64] = "?";
	unsigned char byte;
	struct stat st;
	int i;

	printf("%s\n", hello ? hello : "Hello from inside the enclave!");
	printf("  command:");
	for (i = 0; i < argc; i++)
		printf(" %s", argv[i]);
	printf("\n  process: pid %d, session %d, user %d\n", (int)getpid(),
	       (int)getsid(0), (int)getuid());
	(void)gethostname(host, sizeof(host));
	printf("  hostname: %s\n", host);
	show_loopback();
	if (stat("/dev/nsm", &st) == 0)
		printf("  /dev/nsm: mode %03o\n", st.st_mode & 0777);
	else
		printf("  /dev/nsm: %s\n", strerror(errno));
	printf("  random numbers: %s\n",
	       getrandom(&byte, 1, GRND_NONBLOCK) == 1 ? "ready" :
							 strerror(errno));
	if (access(tool, X_OK) == 0)
		return attest();
	return fflush(stdout) == 0 ? 0 : 1;
}
