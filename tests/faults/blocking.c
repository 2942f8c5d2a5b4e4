#include "tests/faults/blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/faults/callers.h"

enum {
	NAME_CAP = 256,
	PASS_RIGHTS = 83, /* SO_PASSRIGHTS, since 6.16 */
};

/* --- the process --- */

/* Reads LEN bytes at ADDRESS, or less where the memory ends. Returns how many. */
static size_t fetch(pid_t pid, uint64_t address, void *data, size_t len)
{
	struct iovec to = { data, len };
	struct iovec from = { (void *)(uintptr_t)address, len };
	ssize_t n = -1;

	for (; address && from.iov_len > 0 && n < 0; from.iov_len /= 2)
		n = process_vm_readv(pid, &to, 1, &from, 1, 0);
	return n < 0 ? 0 : (size_t)n;
}

static void fetch_string(pid_t pid, uint64_t address, char *text)
{
	size_t n = fetch(pid, address, text, NAME_CAP - 1);

	text[n] = '\0';
}

/* Open files, by how they can block. */
enum kind {
	CLOSED,
	KERNFS, /* proc, sysfs, control groups: the kernel's own tables */
	PIPE,
	SOCKET,
	ANON,	/* pidfd, signalfd */
	MEMORY, /* memfd */
	NULL_DEVICE,
	TERMINAL,
	CONSOLE, /* 5:1, which TIOCCONS redirects */
	IMAGE,	 /* any other file */
};

static bool is_kernfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 &&
	       (fs.f_type == PROC_SUPER_MAGIC || fs.f_type == SYSFS_MAGIC ||
		fs.f_type == CGROUP_SUPER_MAGIC ||
		fs.f_type == CGROUP2_SUPER_MAGIC);
}

static enum kind kind_of_file(const char *path)
{
	const int fd = open(path, O_PATH | O_CLOEXEC);
	enum kind kind = IMAGE;
	struct stat st;

	if (fd < 0)
		return IMAGE;
	if (is_kernfs(fd))
		kind = KERNFS;
	else if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode))
		kind = st.st_rdev == makedev(1, 3) ? NULL_DEVICE :
		       st.st_rdev == makedev(5, 1) ? CONSOLE :
		       major(st.st_rdev) == 4 || (major(st.st_rdev) >= 136 &&
						  major(st.st_rdev) <= 143) ?
						     TERMINAL :
						     IMAGE;
	close(fd);
	return kind;
}

static enum kind kind_of(pid_t pid, int fd)
{
	static const struct {
		const char *begin;
		enum kind kind;
	} links[] = {
		{ "pipe:", PIPE },
		{ "socket:", SOCKET },
		{ "anon_inode:", ANON },
		{ "/memfd:", MEMORY },
	};
	char path[64], target[NAME_CAP];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return CLOSED;
	target[n] = '\0';
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (strncmp(target, links[i].begin, strlen(links[i].begin)) ==
		    0)
			return links[i].kind;
	return kind_of_file(path);
}

static bool is_nonblocking(pid_t pid, int fd)
{
	char path[64], line[128];
	unsigned int flags = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", pid, fd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "flags: %o", &flags) == 1)
			break;
	if (f)
		(void)fclose(f);
	return flags & O_NONBLOCK;
}

/* Whether FD is the descriptor that the seams got by WORD of the environment. */
static bool is_seam(int fd, const char *word)
{
	const char *number = getenv(word);

	return number && atoi(number) == fd;
}

/* --- what is found --- */

static char found[512];

static const char *say(const char *what, const char *more)
{
	(void)snprintf(found, sizeof(found), "%s%s", what, more);
	return found;
}

static const char *kind_name(enum kind kind)
{
	static const char *const names[] = {
		[CLOSED] = "nothing",
		[KERNFS] = "a file of the kernel's",
		[PIPE] = "a pipe",
		[SOCKET] = "a socket",
		[ANON] = "an anonymous file",
		[MEMORY] = "memory",
		[NULL_DEVICE] = "/dev/null",
		[TERMINAL] = "a terminal",
		[CONSOLE] = "/dev/console, which TIOCCONS may lead elsewhere",
		[IMAGE] = "a file of the image",
	};

	return names[kind];
}

/* --- sockets --- */

/* A copy of the process' descriptor, or -1. */
static int borrow(pid_t pid, int fd)
{
	int process = (int)syscall(SYS_pidfd_open, pid, 0), copy = -1;

	if (process >= 0) {
		copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
		close(process);
	}
	return copy;
}

/*
 * Whether other processes can send messages with descriptors to the socket. Taking
 * such a message without room for its descriptors closes them, and the last close of
 * a file can take as long as its sender likes: SO_LINGER, a file system's flush.
 */
static bool takes_descriptors(int fd)
{
	struct sockaddr_un at = { .sun_family = AF_UNSPEC };
	socklen_t len = sizeof(at), size = sizeof(int);
	int on = 1;

	return getsockname(fd, (struct sockaddr *)&at, &len) == 0 &&
	       at.sun_family == AF_UNIX && len > sizeof(at.sun_family) &&
	       (getsockopt(fd, SOL_SOCKET, PASS_RIGHTS, &on, &size) < 0 || on);
}

/* Whether the next message has descriptors: the control data then finds no room. */
static bool brings_descriptors(int fd)
{
	char control[CMSG_SPACE(sizeof(struct ucred))];
	struct msghdr m = { .msg_control = control };
	socklen_t size = sizeof(int);
	int credentials = 0;

	(void)getsockopt(fd, SOL_SOCKET, SO_PASSCRED, &credentials, &size);
	m.msg_controllen = credentials ? sizeof(control) : 0;
	return recvmsg(fd, &m, MSG_PEEK | MSG_DONTWAIT) >= 0 &&
	       m.msg_flags & MSG_CTRUNC;
}

/* The socket at whose next message PID 1 has looked by its last call of recv. */
static int peeked = -1;

/* Why it could block to take the next message of a socket, or to close it. */
static const char *drop(pid_t pid, int fd, bool is_close)
{
	int copy = borrow(pid, fd);
	bool takes, brings;

	if (copy < 0)
		return NULL;
	takes = takes_descriptors(copy);
	brings = takes && !is_close && brings_descriptors(copy);
	close(copy);
	return !takes	    ? NULL :
	       is_close	    ? "others may have sent descriptors to it" :
	       peeked != fd ? "others may have sent descriptors with it" :
	       brings	    ? "it brings descriptors of others" :
			      NULL;
}

/* --- the rules --- */

static const char *if_it_waits(uint64_t options)
{
	return options & WNOHANG ? NULL : "without WNOHANG";
}

static const char *wait4_rule(const struct blocking_call *c)
{
	return if_it_waits(c->args[2]);
}

static const char *waitid_rule(const struct blocking_call *c)
{
	return if_it_waits(c->args[3]);
}

/* Why this wait is not the loop's, or NULL. */
static const char *loop(const struct blocking_call *c)
{
	static uint64_t site;
	uint64_t here = callers_site(c->pid, c->sp, "ppoll", "poll");

	if (here == 0)
		return "from an unknown place";
	if (site == 0)
		site = here;
	return here == site ? NULL : "it is another wait than the loop's";
}

static const char *poll_rule(const struct blocking_call *c)
{
	return (int)c->args[2] == 0 ? NULL : loop(c);
}

static const char *ppoll_rule(const struct blocking_call *c)
{
	struct timespec t = { .tv_sec = 1 };

	if (c->args[2])
		(void)fetch(c->pid, c->args[2], &t, sizeof(t));
	return t.tv_sec == 0 && t.tv_nsec == 0 ? NULL : loop(c);
}

/* PID 1 has just undone a TIOCCONS of another process. */
static bool console_is_taken;

/* Reads and writes depend on the file. */
static const char *transfer(const struct blocking_call *c, bool nonblocking)
{
	const int fd = (int)c->args[0];
	const enum kind kind = kind_of(c->pid, fd);

	switch (kind) {
	case CLOSED:
	case KERNFS:
	case MEMORY:
	case NULL_DEVICE:
		return NULL;
	case PIPE:
	case SOCKET:
	case ANON:
	case TERMINAL:
		if (nonblocking || is_nonblocking(c->pid, fd))
			return NULL;
		return say(kind_name(kind), " that blocks");
	case CONSOLE:
		if (console_is_taken && is_nonblocking(c->pid, fd))
			return NULL;
		break;
	case IMAGE:
		break;
	}
	return say(kind_name(kind), "");
}

static const char *transfer_rule(const struct blocking_call *c)
{
	return transfer(c, false);
}

static const char *receive(const struct blocking_call *c, uint64_t flags)
{
	const int fd = (int)c->args[0];
	const char *why = flags & MSG_PEEK ? NULL : drop(c->pid, fd, false);

	peeked = flags & MSG_PEEK ? fd : -1;
	return why ? why : transfer(c, flags & MSG_DONTWAIT);
}

static const char *read_rule(const struct blocking_call *c)
{
	return receive(c, 0);
}

static const char *recvfrom_rule(const struct blocking_call *c)
{
	return receive(c, c->args[3]);
}

static const char *recvmsg_rule(const struct blocking_call *c)
{
	struct msghdr m = { 0 };

	/* Room for more than credentials is room for descriptors. */
	(void)fetch(c->pid, c->args[1], &m, sizeof(m));
	if (m.msg_controllen > CMSG_SPACE(sizeof(struct ucred)))
		return "it has room for descriptors of others";
	return receive(c, c->args[2]);
}

static const char *sendto_rule(const struct blocking_call *c)
{
	return transfer(c, c->args[3] & MSG_DONTWAIT);
}

static const char *sendmsg_rule(const struct blocking_call *c)
{
	return transfer(c, c->args[2] & MSG_DONTWAIT);
}

/* A line that a seam records stands for the call that it replaces. */
static const char *record(const struct blocking_call *c)
{
	static const char exchange[] = "nsm ";
	struct iovec parts[2];
	char text[NAME_CAP] = "";

	if (c->number == SYS_write)
		fetch_string(c->pid, c->args[1], text);
	else if (fetch(c->pid, c->args[1], parts, sizeof(parts)) ==
		 sizeof(parts))
		fetch_string(c->pid,
			     (uint64_t)(uintptr_t)parts[parts[0].iov_len == 0]
				     .iov_base,
			     text);
	text[strcspn(text, "\n")] = '\0';
	if (strncmp(text, exchange, strlen(exchange)) == 0 &&
	    strcmp(text, "nsm open") != 0)
		return say("an exchange: ", text);
	return strncmp(text, "module ", 7) == 0 ? say("it loads a ", text) :
						  NULL;
}

static const char *write_rule(const struct blocking_call *c)
{
	if (is_seam((int)c->args[0], "RECORD"))
		return record(c);
	return transfer(c, false);
}

static const char *close_fd(pid_t pid, int fd)
{
	const enum kind kind = kind_of(pid, fd);

	if (kind == SOCKET)
		return drop(pid, fd, true);
	return kind == IMAGE || kind == TERMINAL || kind == CONSOLE ?
		       say(kind_name(kind), "") :
		       NULL;
}

static const char *close_rule(const struct blocking_call *c)
{
	return close_fd(c->pid, (int)c->args[0]);
}

/* The new number's file is closed. */
static const char *dup_rule(const struct blocking_call *c)
{
	return close_fd(c->pid, (int)c->args[1]);
}

/* Calls that ask about an open file or change it. */
static const char *descriptor_rule(const struct blocking_call *c)
{
	const enum kind kind = kind_of(c->pid, (int)c->args[0]);

	return kind == IMAGE ? say(kind_name(kind), "") : NULL;
}

static const char *fcntl_rule(const struct blocking_call *c)
{
	switch ((int)c->args[1]) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
	case F_GETFD:
	case F_SETFD:
	case F_GETFL:
	case F_SETFL:
		return NULL;
	default:
		return "a lock or lease";
	}
}

static const char *ioctl_rule(const struct blocking_call *c)
{
	switch (c->args[1]) {
	case TIOCOUTQ:
	case FIONREAD:
	case TCXONC:
	case TIOCGWINSZ:
		return descriptor_rule(c);
	case TIOCCONS:
		console_is_taken = true;
		return NULL;
	default:
		return "a request that no rule allows";
	}
}

/* Files of proc that wait for a process' memory, or are links out of proc. */
static bool is_dangerous(const char *path)
{
	static const char *const names[] = { "cmdline", "environ",  "maps",
					     "smaps",	"mem",	    "numa_maps",
					     "cwd",	"root",	    "exe",
					     "fd",	"map_files" };
	char copy[NAME_CAP], *save = NULL;
	const char *part;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	for (part = strtok_r(copy, "/", &save); part;
	     part = strtok_r(NULL, "/", &save)) {
		if (strcmp(part, "..") == 0)
			return true;
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strcmp(part, names[i]) == 0)
				return true;
	}
	return false;
}

/*
 * Only paths below a descriptor of proc, sysfs or a control group cannot block: an
 * image's users cannot put a file there.
 */
static const char *path_at(const struct blocking_call *c, uint64_t dir,
			   uint64_t address)
{
	char path[NAME_CAP];

	fetch_string(c->pid, address, path);
	if (path[0] == '/' || (int)dir == AT_FDCWD)
		return say("a path of the image: ", path);
	if (path[0] == '\0') { /* AT_EMPTY_PATH */
		struct blocking_call by_fd = *c;

		by_fd.args[0] = dir;
		return descriptor_rule(&by_fd);
	}
	if (kind_of(c->pid, (int)dir) != KERNFS)
		return say("a path below a folder of the image: ", path);
	return is_dangerous(path) ? say("it may lead elsewhere: ", path) : NULL;
}

static const char *at_rule(const struct blocking_call *c)
{
	return path_at(c, c->args[0], c->args[1]);
}

#ifdef __x86_64__
/* Calls of a path without a descriptor. */
static const char *path_rule(const struct blocking_call *c)
{
	return path_at(c, (uint64_t)AT_FDCWD, c->args[0]);
}
#endif

/* An abstract name is no path. */
static const char *bind_rule(const struct blocking_call *c)
{
	struct sockaddr_un to = { .sun_family = AF_UNSPEC };

	(void)fetch(c->pid, c->args[1], &to,
		    c->args[2] < sizeof(to) ? c->args[2] : sizeof(to));
	if (to.sun_family == AF_UNIX && to.sun_path[0] == '\0')
		return NULL;
	return to.sun_family == AF_UNIX ?
		       say("a path of the image: ", to.sun_path) :
		       "not AF_UNIX";
}

static const char *socket_rule(const struct blocking_call *c)
{
	/* For another the kernel may run the image's modprobe(8), and wait. */
	return c->args[0] == AF_UNIX ? NULL : "a family that may be a module";
}

static const char *clone_flags(uint64_t flags)
{
	return flags & CLONE_VFORK ? "it waits for the child's exec" : NULL;
}

static const char *clone_rule(const struct blocking_call *c)
{
	return clone_flags(c->args[0]);
}

static const char *clone3_rule(const struct blocking_call *c)
{
	uint64_t flags = CLONE_VFORK;

	(void)fetch(c->pid, c->args[0], &flags, sizeof(flags));
	return clone_flags(flags);
}

static const char *mmap_rule(const struct blocking_call *c)
{
	return c->args[3] & MAP_ANONYMOUS ||
			       kind_of(c->pid, (int)c->args[4]) == MEMORY ?
		       NULL :
		       "a file, which is read when it is touched";
}

static const char *syslog_rule(const struct blocking_call *c)
{
	enum { READ_ALL = 3 }; /* reads the lines that there are */

	return (int)c->args[0] == READ_ALL ? NULL : "it waits for lines";
}

static const struct {
	int number;
	/* NULL: the call cannot block. */
	const char *(*reason)(const struct blocking_call *);
} rules[] = {
	/* Of the process itself. */
	{ SYS_brk, NULL },
	{ SYS_capget, NULL },
	{ SYS_capset, NULL },
	{ SYS_clock_gettime, NULL },
	{ SYS_exit_group, NULL },
	{ SYS_getpgid, NULL },
	{ SYS_getpid, NULL },
	{ SYS_getppid, NULL },
	{ SYS_getsid, NULL },
	{ SYS_gettid, NULL },
	{ SYS_getuid, NULL },
	{ SYS_madvise, NULL },
	{ SYS_mmap, mmap_rule },
	{ SYS_mprotect, NULL },
	{ SYS_mremap, NULL },
	{ SYS_munmap, NULL },
	{ SYS_prctl, NULL },
	{ SYS_prlimit64, NULL },
	{ SYS_restart_syscall, NULL }, /* of a call that was allowed */
	{ SYS_rt_sigaction, NULL },
	{ SYS_rt_sigprocmask, NULL },
	{ SYS_rt_sigreturn, NULL },
	{ SYS_sched_setscheduler, NULL },
	{ SYS_setpriority, NULL },
	{ SYS_syslog, syslog_rule },
	{ SYS_umask, NULL },

	/* Of processes. */
	{ SYS_clone, clone_rule },
	{ SYS_clone3, clone3_rule },
	{ SYS_kill, NULL },
	{ SYS_pidfd_open, NULL },
	{ SYS_pidfd_send_signal, NULL },
	{ SYS_reboot, NULL },
	{ SYS_tgkill, NULL },
	{ SYS_tkill, NULL },
	{ SYS_wait4, wait4_rule },
	{ SYS_waitid, waitid_rule },

	/* Of descriptors. */
	{ SYS_bind, bind_rule },
	{ SYS_close, close_rule },
	{ SYS_dup, NULL },
	{ SYS_dup3, dup_rule },
	{ SYS_fcntl, fcntl_rule },
	{ SYS_fstat, descriptor_rule },
	{ SYS_fstatfs, descriptor_rule },
	{ SYS_getdents64, transfer_rule },
	{ SYS_getsockname, NULL },
	{ SYS_getsockopt, NULL },
	{ SYS_ioctl, ioctl_rule },
	{ SYS_lseek, descriptor_rule },
	{ SYS_memfd_create, NULL },
	{ SYS_pipe2, NULL },
	{ SYS_ppoll, ppoll_rule },
	{ SYS_pread64, transfer_rule },
	{ SYS_pwrite64, transfer_rule },
	{ SYS_read, read_rule },
	{ SYS_readv, read_rule },
	{ SYS_recvfrom, recvfrom_rule },
	{ SYS_recvmsg, recvmsg_rule },
	{ SYS_sendmsg, sendmsg_rule },
	{ SYS_sendto, sendto_rule },
	{ SYS_setsockopt, NULL },
	{ SYS_shutdown, NULL },
	{ SYS_signalfd4, NULL },
	{ SYS_socket, socket_rule },
	{ SYS_socketpair, socket_rule },
	{ SYS_write, write_rule },
	{ SYS_writev, write_rule },

	/* Of paths; others, as chdir, are not allowed. */
	{ SYS_faccessat, at_rule },
	{ SYS_fchmodat, at_rule },
	{ SYS_fchownat, at_rule },
	{ SYS_mkdirat, at_rule },
	{ SYS_newfstatat, at_rule },
	{ SYS_openat, at_rule },
	{ SYS_openat2, at_rule },
	{ SYS_readlinkat, at_rule },
	{ SYS_statx, at_rule },
	{ SYS_unlinkat, at_rule },

#ifdef __x86_64__
	{ SYS_access, path_rule },
	{ SYS_arch_prctl, NULL },
	{ SYS_chmod, path_rule },
	{ SYS_dup2, dup_rule },
	{ SYS_fork, NULL },
	{ SYS_lstat, path_rule },
	{ SYS_mkdir, path_rule },
	{ SYS_open, path_rule },
	{ SYS_poll, poll_rule },
	{ SYS_readlink, path_rule },
	{ SYS_rmdir, path_rule },
	{ SYS_stat, path_rule },
	{ SYS_unlink, path_rule },
#endif
};

const char *blocking_reason(const struct blocking_call *call)
{
	console_is_taken &= call->number == SYS_write;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if ((uint64_t)rules[i].number == call->number)
			return rules[i].reason ? rules[i].reason(call) : NULL;
	return "no rule allows it";
}
