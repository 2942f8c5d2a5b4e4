/*
 * Stands as /init before the real one, and prepares the machine for it as bare
 * words of the kernel command line ask; then becomes /init.real, PID 1 still.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void dev(void)
{
	mkdir("/dev", 0755);
	(void)mount("dev", "/dev", "devtmpfs", 0, NULL);
}

static void load_nsm(void)
{
	int fd = open("/nsm.ko", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
		dprintf(1, "@shim=nsm.ko: %s\n", strerror(errno));
	close(fd);
}

static void lock_pcr(uint8_t index)
{
	uint8_t ask[] = "\xa1\x67LockPCR\xa1\x65index\x00";
	static uint8_t answer[12288];
	struct {
		uint64_t ask, ask_len, answer, answer_len;
	} call = { (uintptr_t)ask, sizeof(ask) - 1, (uintptr_t)answer,
		   sizeof(answer) };
	int fd;

	ask[sizeof(ask) - 2] = index;
	dev();
	load_nsm();
	fd = open("/dev/nsm", O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, (int)0xc0200a00, &call) < 0)
		dprintf(1, "@shim=lock: %s\n", strerror(errno));
	else
		dprintf(1, "@shim=lock: %.*s\n", (int)call.answer_len - 1,
			answer + 1);
	close(fd);
	(void)umount("/dev");
}

/* PCR0 is zero on a machine without measurements: locked, it is debug mode. */
static void lock_pcr0(void)
{
	lock_pcr(0);
}

static void lock_pcr16(void)
{
	lock_pcr(16);
}

static void filter(struct sock_filter *code, unsigned short len)
{
	struct sock_fprog program = { len, code };

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		dprintf(1, "@shim=seccomp: %s\n", strerror(errno));
}

#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)
#define REFUSE RETURN(SECCOMP_RET_ERRNO | EPERM)
#define ALLOW RETURN(SECCOMP_RET_ALLOW)

/* reboot(2) is refused from now on. */
static void no_reboot(void)
{
	struct sock_filter code[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_reboot, 0, 1),
		REFUSE,
		ALLOW,
	};

	filter(code, sizeof(code) / sizeof(code[0]));
}

/*
 * So is opening a file that is there only for writing, below a directory's
 * descriptor: PID 1 reaches sysrq-trigger so.
 */
static void no_sysrq(void)
{
	struct sock_filter code[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 6),
		LOAD(args[0]), /* AT_FDCWD is negative */
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x80000000, 4, 0),
		LOAD(args[2]),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, O_ACCMODE | O_CREAT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, O_WRONLY, 0, 1),
		REFUSE,
		ALLOW,
	};

	filter(code, sizeof(code) / sizeof(code[0]));
}

/* Whoever starts a session dies of it: a child that never comes to exec. */
static void kill_setsid(void)
{
	struct sock_filter code[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsid, 0, 1),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		ALLOW,
	};

	filter(code, sizeof(code) / sizeof(code[0]));
}

/* An NSM that fails: a device that knows no such request. */
static void broken_nsm(void)
{
	dev();
	load_nsm();
	if (unlink("/dev/nsm") < 0 ||
	    mknod("/dev/nsm", S_IFCHR | 0666, makedev(1, 3)) < 0)
		dprintf(1, "@shim=/dev/nsm: %s\n", strerror(errno));
}

/* No descriptors, and no /dev. */
static void bare(void)
{
	unlink("/dev/console");
	if (rmdir("/dev") < 0)
		dprintf(1, "@shim=rmdir /dev: %s\n", strerror(errno));
	close(0);
	close(1);
	close(2);
}

/* The kernel's generator with an NSM that nobody asks: is it ready? */
static void look_at_entropy(void)
{
	unsigned char byte;

	dev();
	load_nsm();
	dprintf(1, "@shim=getrandom: %s\n",
		getrandom(&byte, 1, GRND_NONBLOCK) == 1 ? "ready" :
		errno == EAGAIN				? "EAGAIN" :
							  strerror(errno));
	(void)umount("/dev");
}

static const struct {
	const char *word;
	void (*act)(void);
} words[] = {
	{ "shim_lock_pcr0", lock_pcr0 },
	{ "shim_lock_pcr16", lock_pcr16 },
	{ "shim_no_reboot", no_reboot },
	{ "shim_no_sysrq", no_sysrq },
	{ "shim_kill_setsid", kill_setsid },
	{ "shim_broken_nsm", broken_nsm },
	{ "shim_bare", bare },
	{ "shim_entropy", look_at_entropy },
};

int main(int argc, char **argv, char **envp)
{
	for (int i = 1; i < argc; i++)
		for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
			if (strcmp(argv[i], words[w].word) == 0)
				words[w].act();
	execve("/init.real", argv, envp);
	dprintf(1, "@shim=/init.real: %s\n", strerror(errno));
	return 1;
}
