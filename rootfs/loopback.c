#include "rootfs/loopback.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LO_INDEX = 1, /* in each network namespace */
	NET_BITS = 8,
	HALF_BITS = 31, /* 127.0.0.0 and 127.0.0.1; no program adds this one */
};

/* The kernel's struct rtattr, followed by an address or an index. */
struct attribute {
	struct rtattr head;
	uint32_t value;
};

static int set_up(int fd)
{
	struct ifreq req = { .ifr_name = "lo" };

	if (ioctl(fd, SIOCGIFFLAGS, &req) < 0)
		return -errno;
	req.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &req) < 0 ? -errno : 0;
}

/* Removes the address and adds it again, with its routes. */
static int set_mask(int fd, unsigned bits)
{
	const struct sockaddr_in mask = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(~(uint32_t)0 << (32 - bits)),
	};
	struct ifreq req = { .ifr_name = "lo" };

	memcpy(&req.ifr_netmask, &mask, sizeof(mask));
	return ioctl(fd, SIOCSIFNETMASK, &req) < 0 ? -errno : 0;
}

/* As `ip route add local 127.0.0.0/8 dev lo src 127.0.0.1` does. */
static int add_route(void)
{
	const struct {
		struct nlmsghdr head;
		struct rtmsg route;
		struct attribute to, device, source;
	} request = {
		.head = { .nlmsg_len = sizeof(request),
			  .nlmsg_type = RTM_NEWROUTE,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK |
					 NLM_F_CREATE | NLM_F_EXCL },
		/*
		 * Not RTPROT_KERNEL: the kernel removes such a route with its
		 * address.
		 */
		.route = { .rtm_family = AF_INET,
			   .rtm_dst_len = NET_BITS,
			   .rtm_table = RT_TABLE_LOCAL,
			   .rtm_protocol = RTPROT_STATIC,
			   .rtm_scope = RT_SCOPE_HOST,
			   .rtm_type = RTN_LOCAL },
		.to = { { sizeof(request.to), RTA_DST }, htonl(0x7f000000) },
		.device = { { sizeof(request.device), RTA_OIF }, LO_INDEX },
		.source = { { sizeof(request.source), RTA_PREFSRC },
			    htonl(INADDR_LOOPBACK) },
	};
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
	} answer = { 0 };
	int fd, r = 0;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	/* The kernel has answered by the time send returns. */
	if (send(fd, &request, sizeof(request), 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), MSG_DONTWAIT) < 0)
		r = -errno;
	else
		r = answer.error.error;
	close(fd);
	return r == -EEXIST ? 0 : r;
}

int loopback_up(void)
{
	int fd, r;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = set_up(fd);
	if (r == 0)
		r = set_mask(fd, HALF_BITS);
	if (r == 0) {
		r = add_route();
		if (r < 0) /* the kernel's own, rather than half of ours */
			(void)set_mask(fd, NET_BITS);
	}
	close(fd);
	return r;
}
