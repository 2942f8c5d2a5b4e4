/*
 * What the well-known bases of enclaves do as they start, for the conformance
 * suite: does what the arguments say, one after the other, tells of each as an
 * "@key=value" line, and exits with 1 at the first thing that fails, as they do.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* They need sys/socket.h. */
#include <linux/if_tun.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <linux/vm_sockets.h>

#include "tests/apps/verbs.h"

/* ok, or what errno says, which ends it all. */
static void verdict(const char *key, bool good)
{
	say("@%s=%s\n", key, good ? "ok" : strerror(errno));
	if (!good)
		_exit(1);
}

/* --- netlink ---------------------------------------------------------------- */

struct request {
	struct nlmsghdr head;
	union {
		struct ifaddrmsg address;
		struct ifinfomsg link;
	} body;
	char attributes[64];
};

static void add_address(struct request *q, unsigned short type, in_addr_t at)
{
	struct rtattr a = { .rta_len = RTA_LENGTH(sizeof(at)),
			    .rta_type = type };
	char *end = (char *)q + NLMSG_ALIGN(q->head.nlmsg_len);

	memcpy(end, &a, sizeof(a));
	memcpy(end + RTA_LENGTH(0), &at, sizeof(at));
	q->head.nlmsg_len =
		NLMSG_ALIGN(q->head.nlmsg_len) + RTA_LENGTH(sizeof(at));
}

/* Sends it, and takes what the kernel says of it for errno. */
static bool ask_kernel(struct request *q)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char rest[512];
	} answer = { 0 };
	bool good = fd >= 0 && send(fd, q, q->head.nlmsg_len, 0) >= 0 &&
		    recv(fd, &answer, sizeof(answer), 0) >= 0;

	if (good && answer.error.error != 0) {
		errno = -answer.error.error;
		good = false;
	}
	if (fd >= 0)
		close(fd);
	return good;
}

/* lo gets 127.0.0.1/8, and goes up, by two requests. */
static void do_lo_netlink(void)
{
	struct request address = {
		.head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifaddrmsg)),
			  .nlmsg_type = RTM_NEWADDR,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE |
					 NLM_F_EXCL | NLM_F_ACK },
		.body.address = { .ifa_family = AF_INET,
				  .ifa_prefixlen = 8,
				  .ifa_index = if_nametoindex("lo") },
	};
	struct request up = {
		.head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			  .nlmsg_type = RTM_NEWLINK,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.body.link = { .ifi_family = AF_UNSPEC,
			       .ifi_index = (int)if_nametoindex("lo"),
			       .ifi_flags = IFF_UP,
			       .ifi_change = IFF_UP },
	};

	add_address(&address, IFA_LOCAL, htonl(INADDR_LOOPBACK));
	add_address(&address, IFA_ADDRESS, htonl(INADDR_LOOPBACK));
	verdict("lo_address", ask_kernel(&address));
	verdict("lo_up", ask_kernel(&up));
}

/* A device for the frames of the enclave. */
static void do_tap(const char *name)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	verdict("tap", fd >= 0 && ioctl(fd, TUNSETIFF, &r) == 0);
}

/* --- entropy ---------------------------------------------------------------- */

struct nsm_message {
	uint64_t request, request_len, answer, answer_len;
};

/* What the NSM gives is written into the pool, and counted. */
static void do_seed(void)
{
	static const char get[] = "\x69GetRandom";
	char answer[0x3000];
	struct nsm_message m = { (uintptr_t)get, sizeof(get) - 1,
				 (uintptr_t)answer, sizeof(answer) };
	int nsm = open("/dev/nsm", O_RDWR | O_CLOEXEC);
	int pool = open("/dev/random", O_WRONLY | O_CLOEXEC), bits;

	verdict("nsm_open", nsm >= 0);
	verdict("nsm_random",
		ioctl(nsm, (int)_IOWR(0x0A, 0, struct nsm_message), &m) == 0 &&
			m.answer_len > 64);
	bits = (int)m.answer_len * 8;
	verdict("pool_written",
		write(pool, answer, m.answer_len) == (ssize_t)m.answer_len &&
			ioctl(pool, RNDADDTOENTCNT, &bits) == 0);
	close(pool);
	close(nsm);
}

/* A byte of what blocks until the pool is ready; SIGALRM ends us. */
static void do_random(const char *seconds)
{
	unsigned char byte;

	alarm((unsigned)atoi(seconds));
	verdict("random", getrandom(&byte, 1, 0) == 1);
	alarm(0);
}

/* --- the rest ---------------------------------------------------------------- */

static void do_files(const char *number)
{
	struct rlimit limit = { strtoul(number, NULL, 10),
				strtoul(number, NULL, 10) };

	verdict("files", setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static void do_cid(void)
{
	int fd = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
	unsigned cid = 0;

	verdict("cid", fd >= 0 && ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID,
					&cid) == 0);
	say("@cid_number=%u\n", cid);
}

static void do_listen_vsock(const char *port)
{
	struct sockaddr_vm at = { .svm_family = AF_VSOCK,
				  .svm_cid = VMADDR_CID_ANY,
				  .svm_port = (unsigned)atoi(port) };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	verdict("vsock_listens",
		fd >= 0 && bind(fd, (const void *)&at, sizeof(at)) == 0 &&
			listen(fd, 1) == 0);
}

static struct addrinfo *look_up(const char *what, char *key, size_t cap)
{
	const struct addrinfo hint = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *at = NULL;
	char name[128], port[8];
	int r;

	if (sscanf(what, "%127[^/]/%7s", name, port) != 2)
		_exit(99);
	(void)snprintf(key, cap, "%s", name);
	r = getaddrinfo(name, port, &hint, &at);
	if (r != 0) {
		say("@%s=%s\n", name, gai_strerror(r));
		_exit(1);
	}
	return at;
}

/* NAME/PORT: a child of ours says hello to each who comes. */
static void do_serve(const char *what)
{
	char key[128];
	struct addrinfo *at = look_up(what, key, sizeof(key));
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), c;

	if (fd < 0 || bind(fd, at->ai_addr, at->ai_addrlen) < 0 ||
	    listen(fd, 8) < 0) {
		say("@serve.%s=%s\n", key, strerror(errno));
		_exit(1);
	}
	say("@serve.%s=ok\n", key);
	freeaddrinfo(at);
	if (fork() != 0) {
		close(fd);
		return;
	}
	while ((c = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		(void)!write(c, "hello", 5);
		close(c);
	}
	_exit(1);
}

/* NAME/PORT: what it says, by the first of its addresses. */
static void do_dial(const char *what)
{
	char key[128], text[64] = "";
	struct addrinfo *at = look_up(what, key, sizeof(key));
	int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, at->ai_addr, at->ai_addrlen) < 0 ||
	    read(fd, text, sizeof(text) - 1) < 0)
		(void)snprintf(text, sizeof(text), "%s", strerror(errno));
	say("@dial.%s=%s\n", key, text);
	freeaddrinfo(at);
	close(fd);
}

static const struct verb actions[] = {
	{ "lo-netlink", .plain = do_lo_netlink },
	{ "tap", .with = do_tap },
	{ "seed", .plain = do_seed },
	{ "random", .with = do_random },
	{ "files", .with = do_files },
	{ "cid", .plain = do_cid },
	{ "listen-vsock", .with = do_listen_vsock },
	{ "serve", .with = do_serve },
	{ "dial", .with = do_dial },
};

int main(int argc, char **argv)
{
	return run_verbs(actions, sizeof(actions) / sizeof(actions[0]), argc,
			 argv);
}
