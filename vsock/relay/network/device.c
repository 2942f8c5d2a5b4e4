#include "vsock/relay/network/device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const char tun_path[] = "/dev/net/tun";
static const char ipv6_path[] = "/proc/sys/net/ipv6/conf/" DEVICE_NAME
				"/disable_ipv6";

static struct ifreq request(void)
{
	struct ifreq r = { 0 };

	memcpy(r.ifr_name, DEVICE_NAME, sizeof(DEVICE_NAME));
	return r;
}

static struct sockaddr_in address(const uint8_t ip[4])
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	memcpy(&a.sin_addr, ip, 4);
	return a;
}

static int set_address(int s, const struct plan_tap *p)
{
	struct ifreq r = request();
	struct sockaddr_in a = address(p->ip);

	memcpy(&r.ifr_addr, &a, sizeof(a));
	return ioctl(s, SIOCSIFADDR, &r);
}

static int set_mac(int s, const struct plan_tap *p)
{
	struct ifreq r = request();

	r.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(r.ifr_hwaddr.sa_data, p->mac, sizeof(p->mac));
	return ioctl(s, SIOCSIFHWADDR, &r);
}

static int set_mtu(int s, const struct plan_tap *p)
{
	struct ifreq r = request();

	r.ifr_mtu = (int)p->mtu;
	return ioctl(s, SIOCSIFMTU, &r);
}

static int set_mask(int s, const struct plan_tap *p)
{
	uint32_t mask = htonl(p->prefix ? UINT32_MAX << (32 - p->prefix) : 0);
	struct ifreq r = request();
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = mask };

	memcpy(&r.ifr_netmask, &a, sizeof(a));
	return ioctl(s, SIOCSIFNETMASK, &r);
}

static int set_up(int s)
{
	struct ifreq r = request();

	if (ioctl(s, SIOCGIFFLAGS, &r) < 0)
		return -1;
	r.ifr_flags = (short)(r.ifr_flags | IFF_UP | IFF_RUNNING);
	return ioctl(s, SIOCSIFFLAGS, &r);
}

static int set_route(int s, const struct plan_tap *p)
{
	static const uint8_t any[4];
	struct sockaddr_in to = address(any), gateway = address(p->gateway);
	struct rtentry r = { .rt_flags = RTF_UP | RTF_GATEWAY };
	char name[] = DEVICE_NAME;

	memcpy(&r.rt_dst, &to, sizeof(to));
	memcpy(&r.rt_genmask, &to, sizeof(to));
	memcpy(&r.rt_gateway, &gateway, sizeof(gateway));
	r.rt_dev = name;
	return ioctl(s, SIOCADDRT, &r);
}

/* A kernel without IPv6 has nothing to turn off. */
static int set_no_ipv6(void)
{
	int fd = open(ipv6_path, O_WRONLY | O_CLOEXEC), r = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (write(fd, "1", 1) != 1)
		r = -1;
	(void)close(fd);
	return r;
}

/* Before the device is up, so that it says nothing by IPv6 nor of another address. */
static int set_all(int s, const struct plan_tap *p, const char **reterr)
{
	*reterr = ipv6_path;
	if (set_no_ipv6() < 0)
		return -errno;
	*reterr = "tap-mac";
	if (set_mac(s, p) < 0)
		return -errno;
	*reterr = "tap-mtu";
	if (set_mtu(s, p) < 0)
		return -errno;
	*reterr = "tap-address";
	if (set_address(s, p) < 0 || set_mask(s, p) < 0)
		return -errno;
	*reterr = DEVICE_NAME;
	if (set_up(s) < 0)
		return -errno;
	*reterr = "tap-gateway";
	return set_route(s, p) < 0 ? -errno : 0;
}

int device_open(const struct plan_tap *p, const char **reterr)
{
	struct ifreq create = request();
	int fd, s, r;

	*reterr = tun_path;
	fd = open(tun_path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	create.ifr_flags = IFF_TAP | IFF_NO_PI;
	if (ioctl(fd, TUNSETIFF, &create) < 0) {
		r = -errno;
		*reterr = DEVICE_NAME;
		(void)close(fd);
		return r;
	}
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	r = s < 0 ? -errno : set_all(s, p, reterr);
	if (s >= 0)
		(void)close(s);
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}
