"""
Which errors a call is tried with, and what has to come of each: the boot table and the rows of rootfs/mounts.c as
rules. The first that fits counts, else the step's own line.
"""

import re
from dataclasses import dataclass

# The kernel does not let them fail, or musl cannot go on without them before main.
CANNOT_FAIL = {"arch_prctl", "set_tid_address", "getpid", "umask", "rt_sigprocmask", "getuid"}

FILE = ("ENOENT", "EACCES", "EIO")
ERRNOS: dict[str, tuple[str, ...]] = {
    "access": FILE, "faccessat": FILE, "stat": FILE, "lstat": FILE, "newfstatat": FILE, "statx": FILE,
    "chdir": ("ENOENT", "EACCES", "ENOMEM"), "chroot": ("EPERM", "ENOMEM"), "fchdir": ("EACCES",),
    "chmod": ("EPERM", "EROFS"), "fchmodat": ("EPERM", "EROFS"), "fchmod": ("EPERM",),
    "chown": ("EPERM",), "lchown": ("EPERM", "EROFS"), "fchownat": ("EPERM",), "fchown": ("EPERM",),
    "clone": ("EAGAIN", "ENOMEM"), "clone3": ("EAGAIN", "ENOMEM", "ENOSYS"), "fork": ("EAGAIN", "ENOMEM"), "vfork": ("EAGAIN", "ENOMEM"),
    "close": ("EIO", "EINTR"), "close_range": ("ENOSYS", "EINVAL"),
    "dup2": ("EBUSY", "EMFILE"), "dup3": ("EBUSY", "EMFILE"),
    "execve": ("EACCES", "ENOENT", "ENOMEM", "E2BIG", "ETXTBSY"),
    "execveat": ("EACCES", "ENOENT", "ENOMEM", "ENOSYS"), "memfd_create": ("EMFILE", "EINVAL", "ENOSYS"),
    "fcntl": ("EINVAL", "EMFILE"),
    "fstat": ("EIO", "ENOMEM"), "fstatfs": ("EIO", "ENOSYS"), "statfs": ("EIO", "ENOSYS"),
    "getdents64": ("EIO", "ENOENT"), "lseek": ("EIO",),
    "ioctl": ("EPERM", "ENOTTY", "ENODEV"),
    "mkdir": ("EROFS", "ENOSPC", "EACCES"), "mkdirat": ("EROFS", "ENOSPC", "EACCES"),
    "mmap": ("ENOMEM",), "mprotect": ("ENOMEM", "EACCES"), "munmap": ("EINVAL",),
    "mount": ("EPERM", "ENODEV", "EINVAL", "EBUSY", "ENOMEM"),
    "open": ("ENOENT", "EACCES", "EMFILE", "EIO"), "openat": ("ENOENT", "EACCES", "EMFILE", "EIO"),
    "openat2": ("ENOENT", "EACCES", "EMFILE", "EIO", "ENOSYS"),
    "pipe2": ("EMFILE", "ENFILE"), "socketpair": ("EMFILE", "ENFILE"),
    "bind": ("EADDRINUSE", "EACCES"), "signalfd4": ("EMFILE", "EINVAL"), "setsockopt": ("EPERM",),
    "poll": ("EINTR", "ENOMEM"), "ppoll": ("EINTR", "ENOMEM"), "recvmsg": ("EIO", "EINTR"), "getsid": ("ESRCH",), "capget": ("EPERM",),
    "prlimit64": ("EPERM", "EINVAL"), "prctl": ("EPERM", "EINVAL"), "capset": ("EPERM",),
    "setpriority": ("EACCES", "EPERM"), "seccomp": ("EINVAL", "EACCES", "ENOSYS"),
    "pread64": ("EIO", "EINTR"), "read": ("EIO", "EINTR"), "readlink": FILE, "readlinkat": FILE,
    "rmdir": ("EBUSY", "EROFS"), "unlinkat": ("EBUSY", "EROFS"), "unlink": ("EBUSY", "EROFS"),
    "getrandom": ("EAGAIN", "ENOSYS"), "rename": ("EROFS", "EACCES"), "rt_sigaction": ("EINVAL",),
    "setgid": ("EPERM", "EAGAIN"), "setgroups": ("EPERM", "ENOMEM"), "setuid": ("EPERM", "EAGAIN"),
    "setresgid": ("EPERM", "EINVAL"), "sysinfo": ("EPERM",),
    "sethostname": ("EPERM",), "setsid": ("EPERM",), "socket": ("EAFNOSUPPORT", "EMFILE", "EACCES"),
    "sendto": ("ENOBUFS", "EPERM"), "recvfrom": ("EAGAIN", "ENOBUFS"),
    "symlink": ("EROFS", "ENOSPC", "EEXIST"), "symlinkat": ("EROFS", "ENOSPC"),
    "umount2": ("EBUSY", "EINVAL"), "unshare": ("EPERM", "ENOMEM"), "getcwd": ("ENOENT", "ERANGE"),
    "utimensat": ("EPERM",),
    "wait4": ("EINTR",),
    "write": ("EIO", "ENOSPC", "EAGAIN", "EINTR"), "sendfile": ("EIO", "ENOSPC"),
}

# As musl words them, where glibc says it otherwise.
MUSL = {"EIO": "I/O error", "ENOMEM": "Out of memory", "EMFILE": "No file descriptors available",
        "ENFILE": "Too many open files in system", "EBUSY": "Resource busy",
        "E2BIG": "Argument list too long", "ENOSYS": "Function not implemented",
        "EAFNOSUPPORT": "Address family not supported by protocol"}


@dataclass(frozen=True)
class Rule:
    step: str  # patterns, which have to match all of it, "STEP" or "SCENE:STEP" ...
    call: str  # "ROLE NAME" or "ROLE NAME/NUMBER"
    args: str  # ... and this one a part of it
    errors: str
    outcomes: tuple[str, ...]  # as in outcome.py; "no": it is not tried
    says: str  # what a line of it has to say; empty: for a stop, the error
    why: str

    def is_of(self, scene: str, step: str, call: tuple[str, str, int]) -> bool:
        """CALL: role, name, number."""
        role, name, number = call
        return bool((re.fullmatch(self.step, step) or re.fullmatch(self.step, f"{scene}:{step}"))
                    and (re.fullmatch(self.call, f"{role} {name}") or re.fullmatch(self.call, f"{role} {name}/{number}")))

    def fits(self, args: str, error: str) -> bool:
        """Whether it is for a call that it is of, with ARGS, that fails by ERROR."""
        return bool(re.search(self.args, args) and (not self.errors or re.fullmatch(self.errors, error)))


def rule(step: str, call: str, args: str, errors: str, outcomes: str, says: str, why: str) -> Rule:
    return Rule(step, call, args, errors, tuple(outcomes.split("|")), says, why)


ALL = ".*"
INIT = "init "
MAKE = r"init (l?stat|newfstatat|mkdir|mkdirat|unlink)"  # a mount point
ROWS = r"(^|^\w+ )/(dev|proc|dev/pts|dev/shm|dev/mqueue|sys|run|tmp)$"

RULES = [
    # --- the tests' own ---
    rule(ALL, "init (writev|readlink)", r"^\d+$|/proc/self/fd/|^-?\d+ ?$", "", "no", "", "a call of the seams"),
    rule("entropy", "init fcntl", "", "", "no", "", "a call of the seams"),
    rule(ALL, "beat (socketpair|sendmsg|writev|recvfrom/2)", "", "", "no", "", "a call of the seams"),
    rule(ALL, "link .*", "", "KILL", "stop|warn|quiet", "spawn: link: |link: its process: killed by SIGKILL", "the next one goes on with it"),
    rule(ALL, "(link|last) (socketpair|sendmsg|recvmsg|writev)", "", "", "no", "", "a call of the seams"),
    rule(ALL, "link recvfrom/[123]|last recvfrom/1", "", "", "no", "", "a call of the seams"),
    # --- the link ---
    rule("link:spec", "init pipe2", "", "", "stop", "spec: log: ", "the log was asked for"),
    rule("link:spawn", "init getrandom/1", "", "", "quiet", "", "the boot has no id then"),
    rule("link:.*", "init write", r"^\d+ \w+:_", "", "quiet", "", "a line that the log lacks, which the next one says"),
    rule("link:.*", "init clone3", "", "ENOSYS", "quiet", "", "fork then"),
    rule("link:spawn", "init (socketpair|clone3|fork)", "for link", "", "stop", "spawn: link: ", "what was asked for is not there"),
    rule("link:.*", "init (socketpair|clone3|fork)", "for last", "", "warn", "report: fork: ", "it ends without a report"),
    rule("link:.*", "init (sendto|shutdown)", "", "", "quiet", "", "the state is told with the next change"),
    rule("link:.*", "init recvfrom", "", "", "quiet|warn", "its process was killed|report: not delivered: ",
         "it is there in the next turn; a report of what has ended is lost"),
    rule("link:spawn", "(main|aid) openat", "^self/fd/", "", "quiet", "", "PID 1's description of the pipe does"),
    rule("link:spawn", "(main|aid) dup2", "^(self/fd/|\\d)", "EMFILE", "stop", "log: ", "its output would be elsewhere"),
    rule("link:spawn", "aid stat", "/root$", "", "quiet", "", "then HOME is /"),
    rule("link:.*", "link (open|mkdirat|openat|fstat|fchown|fchmod|socket|bind|listen|chmod)",
         r"^(/|run|enclave|\.|/run/enclave/control|\d+)( |$)", "", "stop|quiet", "spawn: control-local: ", "it was asked for"),
    rule("link:.*", "link sendto/1", "", "", "stop", "spawn: link: ", "PID 1 does not hear that it listens"),
    rule("link:.*", "link poll", "", "EINTR", "quiet", "", "polled again"),
    rule("link:.*", "link poll/1", "", "", "quiet", "", "it keeps descriptors that it does not use"),
    rule("link:.*", "link poll", "", "", "warn|stop|quiet", "link: its process: exited with code 1|spawn: link: ", "it is started again"),
    rule("link:.*", "(link|last) fcntl", " 1$", "", "no", "", "F_GETFD fails of no open descriptor"),
    rule("link:.*", "last .*", "", "", "quiet|warn", "report: not delivered: ", "it is said"),
    rule("link:.*", "link .*", "", "", "quiet", "", "a reader comes again"),
    # --- relay ---
    rule("relay:(root|spawn)", "init memfd_create/1", "", "", "quiet", "", "again without the flag, as before 6.3"),
    rule("relay:root", "init (open|newfstatat)/1|init openat/2|init (sendfile|fcntl)", r"^(/|relay)$|^\d+ \d$|^\d+ 1\d$|^\d+ 1033$", "", "stop",
         "spawn: relay: ", "step 8 says what is wrong with it"),
    rule("relay:spawn", "init (memfd_create|fcntl)", r"^relay|^\d+ 1033$", "", "stop", "spawn: relay: ", "it was asked for"),
    rule("relay:.*", "init clone3", "", "ENOSYS", "quiet", "", "fork then"),
    rule("relay:spawn", "init (socketpair|clone3|fork)", "for relay$", "", "stop", "spawn: relay: ", "what was asked for is not there"),
    rule("relay:spawn", "init recvfrom", "", "", "quiet", "", "it is read in the next turn"),
    rule("relay:.*", "init (shutdown|kill)", "", "", "quiet", "", "it ends all the same"),
    rule("relay:spawn", "relay dup2", "", "EBUSY", "quiet", "", "once more"),
    rule("relay:spawn", "relay (dup2|execveat)", "", "", "stop", "spawn: relay: ", "it cannot be started"),
    rule("relay:.*", "relay .*", "", "", "quiet", "", "it goes on with what it could not set"),
    # --- everywhere ---
    rule(ALL, ALL + " clock_gettime", "^[01]$", "", "no", "", "the kernel's own clocks can always be read"),
    rule(ALL, "init read", r"^\d+$", "", "no", "", "neither a pipe nor a signalfd has an error, and no signal interrupts PID 1"),
    rule(ALL, ALL + " fcntl", r"^\d+ 1$|^\S+ 1$", "", "no", "", "F_GETFD fails of no open descriptor"),
    rule(ALL, "init fcntl", r"^\d+ 4$", "", "no", "", "O_NONBLOCK can be had of every pipe"),
    rule(ALL, ALL + " close", "", "", "quiet", "", "what it was open for is done"),
    rule(ALL, ALL + " munmap", "", "", "quiet", "", "it costs memory alone"),
    rule(ALL, ALL + " (p?read|pread64)", "", "EINTR", "quiet", "", "read again"),
    rule(ALL, ALL + " wait4", "", "EINTR", "quiet", "", "waited again"),
    rule(ALL, "init ppoll", "", "", "quiet", "", "it looks again"),
    rule(ALL, "init openat", "^vmstat$", "", "quiet", "", "then the kernel has killed nobody"),
    rule(ALL, "init (fstat|mmap|read)", "^vmstat", "", "quiet", "", "then the kernel has killed nobody"),
    # --- beside services that do harm: whose start it was depends ---
    rule("hostile:.*", "init (pipe2|socketpair|clone3|fork)", "", "", "quiet|warn|stop", "", "any service may fail to start"),
    rule("hostile:.*", "init (recvmsg|sendto|recvfrom|kill)", "", "", "quiet|warn", "", "it goes on"),
    rule("hostile:end", "init ioctl", " 0x540a$", "", "no", "", "a console that stays stopped takes no last line"),
    rule("hostile:.*", "courier .*", "", "", "quiet", "", "a message that is lost is the sender's"),
    # --- helpers, at any time ---
    rule(ALL, "init (socketpair|clone3|fork)", "for beat$", "EMFILE|ENFILE|EAGAIN|ENOMEM", "warn", "heartbeat: .*: fork: ", "it is tried again"),
    rule(ALL, "init clone3", "", "ENOSYS", "quiet", "", "fork, as before 5.3"),
    rule("supervise", "init (pipe2|clone3|fork)", "for (main|aid)$", "", "warn", "supervise: (aid: )?(/bin/)?act: fork: ", "it is tried again"),
    rule("spawn|supervise|end", "init (openat|read|getdents64)", r"^\.|^\d+/status", "", "quiet", "", "who is left is killed at the end"),
    # --- control groups ---
    rule("spawn", "init (mkdir|open)", "^/sys/fs/cgroup/.*service$", "", "quiet|warn", "spawn: /sys/fs/cgroup: ", "then it has none"),
    rule("spawn|supervise|end", "init (openat|fstat|mmap|lseek|getdents64|newfstatat|read|write|unlinkat)",
         r"^/sys/fs/cgroup/|cgroup\.|freezer\.|^\w+\.\w+( |$)", "", "quiet|warn", "", "who is left is killed at the end"),
    rule("spawn", "(main|aid) (openat|write)", "cgroup.procs", "", "stop", "control group: ", "what it takes would count nowhere"),
    rule(ALL, "init (socketpair|clone3|fork)", "for sync$", "", "quiet", "", "the kernel writes what it can at a restart"),
    rule("spawn|heartbeat|supervise|end", "init recvfrom", "", "", "no", "", "what a helper has written is there when it is dead"),
    rule(ALL, "beat recvfrom/1", "", "", "warn", "heartbeat: .*: its process was killed", "it is tried again"),
    rule(ALL, "beat fcntl", " 4$", "", "quiet", "", "a call of the seams: there is no connection then, and another attempt"),
    rule(ALL, "beat sendto/1", "", "", "untold", "heartbeat: .*: not sent: ", "the parent takes one connection"),
    rule(ALL, "beat (recvfrom/[3-9]|poll)", "", "EAGAIN|EINTR", "quiet", "", "it waits"),
    rule(ALL, "beat poll/1", "", "", "quiet", "", "it waits for the word"),
    rule(ALL, "beat (recvfrom/[3-9]|poll)", "", "", "quiet|warn", "heartbeat: .*: sent, but not answered: ", "the parent takes one connection"),
    rule(ALL, "beat sendto/2", "", "", "warn", "heartbeat: .*: its process was killed", "it is tried again"),
    rule(ALL, "(beat|sync) .*", "", "", "quiet", "", "it keeps what it cannot give up"),
    rule(ALL, "init fcntl", r" 2$", "", "quiet", "", "close-on-exec a second time, for kernels before 2.6.23"),
    rule(ALL, "init write", r"init:_", "", "quiet", "", "a line of the log that is lost"),
    # --- start ---
    rule("start", ALL, "", "", "quiet", "", "what PID 1 begins with is so already"),
    # --- console: goes on, and says so ---
    rule("console", "init mount", "", "EBUSY", "quiet", "", "it is there already"),
    rule("console", "init mount", "/dev$", "", "warn", "console: /dev: ", "the ramdisk's own /dev will do"),
    rule("console", "init mount", "/proc$", "", "warn", "console: /proc: ", "early /proc is of help alone"),
    rule("console", MAKE, "", "", "quiet|warn", "console: /(dev|proc): ", "the mount says what is wrong"),
    rule("console", ALL, "", "", "quiet", "", "another way to the console, or a log less"),
    # --- spec ---
    rule("spec", "init statfs", "", "", "quiet", "", "then the kernel's log is asked"),
    rule("spec", "init stat", "^/(rootfs|env)$", "", "quiet", "", "then the kernel's log is asked, or not"),
    rule("spec", "init (lstat|openat2?)", "enclave-init.conf", "ENOENT", "no", "", "there is none"),
    rule("spec", "init lstat", "enclave-init.conf", "", "quiet|stop", "/enclave-init.conf: ", "reading it tells"),
    rule("spec", "init open", "^/rootfs$", "ENOENT", "quiet", "", "step 6 says what is wrong with it"),
    rule("spec", "init openat", "env$", "ENOENT", "quiet", "", "no /env is as good as an empty one"),
    # --- modules ---
    rule("modules", ALL, "/proc/cmdline", "", "quiet", "", "without parameters"),
    rule("modules", "init access", "/dev/nsm", "", "quiet", "", "the driver is not built in"),
    rule("modules", "init openat", "modules_load_order", "ENOENT", "no", "", "there is none"),
    rule("modules", "init open", "ko$", "ENOENT", "quiet", "", "absent is fine"),
    # --- entropy ---
    rule("entropy", "init open", "/dev/null", "", "stop", "entropy: /dev/nsm: ", "no entropy, no start"),
    # --- root ---
    rule("root", "init (openat|lstat)", "^/nsm$", "ENOENT", "quiet", "", "no tool"),
    rule("root", ALL, "^/nsm$", "", "warn", "root: /nsm: ", "the tool is of help alone"),
    rule("root", "init umount2", "", "", "quiet", "", "what is mounted there is out of sight"),
    rule("root", "init (lstat|fstatfs|fstat|lseek|getdents64|newfstatat|unlinkat)", "", "", "quiet", "",
         "memory that is not freed"),
    rule("root", "init openat", "^(?!/)", "", "quiet", "", "memory that is not freed"),
    # --- mounts: what the configuration asks for stops, by its name ---
    rule("full:mounts", "init mount", "/tmp$", "EBUSY", "stop", "mounts: /tmp: ", "tmp-size was asked for"),
    rule("full:mounts", "init mount", "/tmp$", "", "stop", "mounts: /tmp: ", "tmp-size was asked for"),
    rule("full:mounts", MAKE, "/scratch", "", "quiet|stop", "mounts: /scratch/deep: ", "the mount says what is wrong"),
    rule("full:mounts", "init mount", "/scratch/deep$", "", "stop", "mounts: /scratch/deep: ", "it was asked for"),
    rule("full:mounts", "init (open|write|fstat|mmap|read)", "^/etc/(hosts|resolv.conf)", "", "stop|warn",
         "mounts: (hostname in )?/etc/(hosts|resolv.conf): ", "it was asked for"),
    rule("full:mounts", "init unlink", "^/etc/resolv.conf", "", "quiet|stop", "mounts: /etc/resolv.conf: ",
         "writing it says what is wrong"),
    rule("full:mounts", "init sethostname", "", "", "stop", "mounts: hostname full: ", "it was asked for"),
    rule("mounts", "init (lstat|lchown|chmod)", "/dev/(vsock|net/tun)$", "ENOENT", "quiet", "", "the kernel has none"),
    rule("mounts", "init (lstat|lchown|chmod)", "/dev/(vsock|net/tun)$", "", "warn", "mounts: /dev/", "it stays root's"),
    rule("mounts", "init open", "/proc/sys/(fs/protected_|net/ipv4/(ip_unpriv|ping_group)|net/unix/max_dgram)", "ENOENT", "quiet", "",
         "the kernel has no such setting"),
    rule("mounts", "init (open|write)", "/proc/sys/(fs/protected_|net/ipv4/(ip_unpriv|ping_group)|net/unix/max_dgram)", "",
         "warn", "mounts: (fs|net)/", "as the kernel has it"),
    rule("full:mounts", "init (open|write)", "/ip_default_ttl", "", "stop", "mounts: sysctl net/ipv4/ip_default_ttl: ",
         "it was asked for"),
    rule("full:mounts", "init (open|write)", "/tcp_syncookies", "", "warn", "mounts: net/ipv4/tcp_syncookies: ",
         "it may fail, by its -"),
    rule("full:mounts", "init mount", " /$", "", "stop", "mounts: read-only: ", "it was asked for"),
    rule("full:mounts", "init pread64", "", "", "quiet", "", "a newline more in /etc/hosts does no harm"),
    rule("full:mounts", "init openat", "^/etc/group", "ENOENT", "no", "", "app then has no groups"),
    rule("full:mounts", "init openat", "^/etc/passwd", "ENOENT", "stop", "spawn: aid: user app: there is no", "no such user"),
    rule("full:mounts", "init (openat|fstat|mmap|read)", "^/etc/(passwd|group)", "", "stop", "mounts: /etc/(passwd|group): ",
         "whose /dev/nsm is, is not known"),
    rule("mounts", "init newfstatat", "^self$", "", "quiet", "", "then /proc is opened anew"),
    # --- mounts: by row, then the rest, none of which stops ---
    rule("mounts", "init mount", ROWS, "EBUSY", "quiet", "", "it is there already"),
    rule("mounts", MAKE, ROWS, "", "quiet|warn", "", "the mount says what is wrong"),
    rule("mounts", "init mount", "/proc$", "", "warn", "mounts: /proc: ", "row: stop, but the jail has one there"),
    rule("mounts", "init mount", "/dev$", "", "warn", "mounts: /dev: ", "row: stop, but what it is for is there"),
    rule("mounts", "init access", "/dev/null$", "", "stop", "mounts: /dev: ", "row: stop, and what it is for is not there"),
    rule("mounts", "init mount", "/dev/mqueue$", "ENODEV", "quiet", "", "row: optional"),
    rule("mounts", "init rmdir", "/dev/mqueue$", "", "quiet", "", "row: optional"),
    rule("mounts", "init mkdir", "^/etc/", "", "quiet|warn", "mounts: /etc/resolv.conf: ", "optional"),
    rule("mounts", "init mkdirat", "^(run|enclave|bin)$", "", "quiet|warn", "/run/enclave/bin/nsm: ", "optional"),
    rule("mounts", "init (newfstatat|unlinkat)", "^[a-z]+$", "ENOENT", "quiet|warn", "mounts: /(run|tmp): ", "it is gone"),
    rule("mounts", "init open", "/(run|tmp)$", "ENOENT", "quiet|warn", "", "nothing was there"),
    rule("mounts", ALL, "/(run|tmp)$", "", "warn", "mounts: /(run|tmp): ", "what the image has there is not carried"),
    rule("mounts", "init (lstat|lchown|chmod)", "/dev/nsm", "", "stop", "mounts: /dev/nsm: ", "it was asked for"),
    rule("mounts", "init symlink", "", "EEXIST", "quiet", "", "it is there already"),
    rule("mounts", "init symlink", "/dev/", "", "warn", "mounts: /dev: ", "row: warn"),
    rule("mounts", "init symlink", "/etc/mtab", "", "warn", "mounts: /etc/mtab: ", "optional"),
    rule("mounts", "init stat", "/dev/ptmx", "", "quiet", "", "it is of another kernel than 4.14"),
    rule("mounts", "init (open|fcntl)", "/dev/console", "", "quiet", "", "the old descriptors do"),
    rule("mounts", "init dup2", "", "EBUSY", "quiet", "", "tried again"),
    rule("mounts", "init dup2", "", "", "warn", "/dev/console: ", "the old descriptors do"),
    rule("mounts", "init access", "cgroup", "ENOENT", "quiet", "", "no control groups"),
    rule("mounts", "init access", "cgroup", "", "warn", "/sys/fs/cgroup: ", "optional"),
    rule("mounts", "init mount", "^cgroup", "", "quiet|warn", "/sys/fs/cgroup: ", "version 1 then, or none"),
    rule("mounts", "init (mkdir|rmdir|umount2)", "cgroup", "", "quiet|warn", "", "one controller less, of which the jail has one"),
    rule("mounts", "init (openat|fstat|mmap|read)", "cgroup.controllers", "", "quiet", "", "version 1 then, or none"),
    rule("mounts", "init openat", "/proc/cgroups", "ENOENT", "quiet", "", "no control groups"),
    rule("mounts", ALL, "cgroup", "", "warn", "/sys/fs/cgroup: ", "optional"),
    rule("mounts", "init fch(own|mod)", "/dev/console$", "", "quiet", "", "it stays root's"),
    rule("mounts", "init ioctl", "0x541[34]$", "", "quiet", "", "a console that is none has no size"),
    rule("mounts", "init (socket|ioctl|sendto|recvfrom)", "", "", "warn", "mounts: lo: ", "optional"),
    rule("mounts", "init sethostname", "", "", "warn", "mounts: hostname: ", "optional"),
    rule("mounts", "init lstat", "/etc/hosts", "ENOENT", "quiet", "", "there is none"),
    rule("mounts", "init mkdir", "/etc$", "", "quiet|warn", "mounts: /etc/hosts: ", "optional"),
    rule("mounts", ALL, "/etc/hosts", "", "warn", "mounts: /etc/hosts: ", "optional"),
    rule("mounts", "init (stat|readlink)", "/etc/resolv.conf", "ENOENT", "quiet", "", "there is none"),
    rule("mounts", "init stat", "/etc/resolv.conf", "", "quiet", "", "somebody else's"),
    rule("mounts", ALL, "/etc/resolv.conf", "", "warn", "mounts: /etc/resolv.conf: ", "optional"),
    rule("mounts", "init prlimit64", "", "", "quiet|warn", "RLIMIT_NOFILE", "the jail has that warning always"),
    rule("mounts", "init setresgid", "", "EINVAL", "quiet", "", "a user namespace without that group"),
    rule("mounts", "init setresgid", "", "", "warn", "mounts: setresgid: ", "optional"),
    rule("mounts", "init (sysinfo|statfs)", "", "", "quiet", "", "then the kernel's sizes, or as if the root took none"),
    rule("mounts", "init setresgid", "", "EINVAL", "quiet", "", "a user namespace without that group"),
    rule("mounts", "init setresgid", "", "", "warn", "mounts: setresgid: ", "optional"),
    # --- spawn: before the first start ---
    rule("spawn", "init (fork|clone3|pipe2)", "", "", "stop", "spawn: (aid: )?(/bin/)?act: fork: ", "it does not run"),
    rule("spawn", "init openat", "^/etc/group$", "ENOENT", "no", "", "app then has no groups"),
    rule("spawn", "init (openat|fstat|mmap|read)", "^/etc/passwd$", "ENOENT", "stop", "there is no|not in", "no such user"),
    rule("spawn", "init (openat|fstat|mmap|read)", "^/etc/(passwd|group)", "", "stop", "spawn: /etc/(passwd|group): ", "no such user"),
    rule("spawn", "init (openat|fstat|mmap|read)", "^/etc/filter", "", "stop", "seccomp /etc/filter: ", "it was asked for"),
    rule("spawn", "init getrandom", "", "", "stop", "aid: NOTIFY_SOCKET: ", "nobody could say that it is ready"),
    rule("spawn", "init chdir", "^/$", "", "quiet", "", "PID 1 stays in that folder"),
    rule("spawn", "init (open|openat|fcntl|fstat|fchdir|mkdirat|(fch|ch)own|(fch|ch)mod|unlink|unlinkat|socket|bind|rename|renameat2)", "", "", "quiet", "",
         "then the socket has an abstract name"),
    rule("spawn", "init madvise", "", "", "quiet", "", "it costs memory alone"),
    rule("spawn", r"\w+ sched_setscheduler", "", "", "quiet", "", "it costs time alone"),
    rule("spawn", "init (recvmsg|wait4)", "", "", "quiet", "", "once more"),
    # --- spawn: a service's own process ---
    rule("spawn", "main stat", "/root$", "", "quiet", "", "then HOME is /"),
    rule("spawn", "main (stat|access)", "/sbin/act$", "", "quiet", "", "another folder of PATH has it"),
    rule("(full|hostile):spawn", "main (stat/[3-9]|access/2)", "/bin/act$", "", "quiet", "", "what root finds is run, by the user"),
    rule("spawn", "(main|aid) (stat|access)", "/bin/act$", "", "stop",
         "spawn: (aid: )?(/bin/)?act: (not found|not an executable file|I/O error)", "there is nothing to run"),
    rule("spawn", "(main|aid) (open|fcntl|read|pread64)", "/bin/act", "", "quiet", "", "its kind is for messages, unless it is a script"),
    rule("spawn", "(main|aid) (openat|fstat|mmap|read)", "^/proc/self/mountinfo", "", "stop", "protect-kernel: ", "the kernel would be open to it"),
    rule("spawn", "(main|aid) (mount|statfs|unshare|chroot|getcwd|chdir/2)", "", "", "stop", "protect-kernel: ", "the kernel would be open to it"),
    rule("spawn", "(main|aid) stat", r"^\.$", "", "stop", "protect-kernel: ", "the kernel would be open to it"),
    rule("spawn", "(main|aid) chdir", "^/srv$", "", "stop", "workdir /srv: ", "it must not run in another folder"),
    rule("spawn", "main (open|openat|newfstatat|fstat|read|mmap|fcntl)", "^(/|etc|vars)|^vars", "", "stop|quiet",
         "(environment-file /etc/vars|memory): ", "it was asked for"),
    rule("spawn", "(main|aid) mmap", "", "", "stop", "memory: ", "its arguments are nowhere"),
    rule("spawn", "(main|aid) setsid", "", "", "stop", "setsid: ", "its terminal's signals would be everybody's"),
    rule("spawn", "(main|aid) prctl", r"^2[34] ", "", "stop", "capability-bounding-set: ", "not without what was asked for"),
    rule("spawn", "(main|aid) prctl", r"^28 ", "", "stop", "securebits: ", "not without what was asked for"),
    rule("spawn", "(main|aid) prctl", r"^47 ", "", "stop", "ambient-capabilities: ", "not without what was asked for"),
    rule("spawn", "(main|aid) prctl", r"^38 ", "", "stop", "no-new-privileges: ", "not without what was asked for"),
    rule("spawn", "(main|aid) prctl", r"^22 ", "", "stop", "seccomp: ", "not without what was asked for"),
    rule("spawn", "(main|aid) prctl", r"^4 ", "", "stop", "PR_SET_DUMPABLE: ", "its user could look at what PID 1 knows"),
    rule("spawn", "(main|aid) cap[gs]et", "", "", "stop", "ambient-capabilities: ", "not without what was asked for"),
    rule("spawn", "(main|aid) set(groups|gid|uid)", "", "", "stop", "it cannot become user app: ",
         "it must not run as another user"),
    rule("spawn", "(main|aid) prlimit64", "", "", "stop", "limit-(core|nofile): ", "not without what was asked for"),
    rule("spawn", "(main|aid) setpriority", "", "", "stop", "nice: ", "not without what was asked for"),
    rule("spawn", "(main|aid) (openat|write|close)", "self/autogroup", "", "quiet", "", "a kernel without groups of sessions"),
    rule("spawn", "(main|aid) (openat|write)", "self/oom_score_adj", "", "stop", "oom-score-adjust: ",
         "not without what was asked for"),
    rule("spawn", "(main|aid) (open|fcntl|dup2|ioctl)", "/dev/console", "", "quiet", "", "PID 1's descriptors do"),
    rule("spawn", "(main|aid) dup2", "", "EBUSY", "quiet", "", "tried again"),
    rule("spawn", "(main|aid) fcntl", "/dev/null 2$", "", "quiet", "", "close-on-exec a second time, for kernels before 2.6.23"),
    rule("spawn", "(main|aid) (open|fcntl|fstat|dup2)", "/dev/null", "", "stop", "/dev/null: ", "it asked for /dev/null and gets nothing else"),
    rule("spawn", "(main|aid) write", "", "", "stop", "ended before exec", "PID 1 would not know that it runs"),
    rule("spawn", "(main|aid) (ioctl|fstat|fchown|fchmod|close_range|fcntl|poll|rt_sigaction|getsid)", "", "", "quiet", "",
         "what there is by itself will do"),
    # --- heartbeat and the end ---
    rule("spawn|supervise|end", "init kill", r"^-?\d+ ", "", "quiet|warn", "aid: killed by SIGKILL", "it is killed in the end"),
    rule("heartbeat", "init sendto", "", "", "quiet", "", "another process beats"),
]

OTHERWISE = {
    "start": rule(ALL, ALL, "", "", "quiet", "", "it goes on"),
    "console": rule(ALL, ALL, "", "", "warn|quiet", "", "it goes on"),
    "spec": rule(ALL, ALL, "", "", "stop", "", "what shall run is not known"),
    "modules": rule(ALL, ALL, "", "", "stop", "", "a module that is there has to be loaded"),
    "entropy": rule(ALL, ALL, "", "", "stop", "", "no entropy, no start"),
    "root": rule(ALL, ALL, "", "", "stop", "/rootfs: ", "there is nothing to run"),
    "mounts": rule(ALL, ALL, "", "", "warn", "", "optional things do not stop a boot"),
    "spawn": rule(ALL, ALL, "", "", "stop", "", "the application does not run as asked"),
    "heartbeat": rule(ALL, ALL, "", "", "quiet", "", "it goes on"),
    "supervise": rule(ALL, ALL, "", "", "quiet", "", "it goes on"),
    "end": rule(ALL, ALL, "", "", "quiet", "", "it goes on"),
}
