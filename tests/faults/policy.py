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
    "clone": ("EAGAIN", "ENOMEM"), "fork": ("EAGAIN", "ENOMEM"), "vfork": ("EAGAIN", "ENOMEM"),
    "close": ("EIO", "EINTR"), "close_range": ("ENOSYS", "EINVAL"),
    "dup2": ("EBUSY", "EMFILE"), "dup3": ("EBUSY", "EMFILE"),
    "execve": ("EACCES", "ENOENT", "ENOMEM", "E2BIG", "ETXTBSY"),
    "fcntl": ("EINVAL", "EMFILE"),
    "fstat": ("EIO", "ENOMEM"), "fstatfs": ("EIO", "ENOSYS"), "statfs": ("EIO", "ENOSYS"),
    "getdents64": ("EIO", "ENOENT"), "lseek": ("EIO",),
    "ioctl": ("EPERM", "ENOTTY", "ENODEV"),
    "mkdir": ("EROFS", "ENOSPC", "EACCES"), "mkdirat": ("EROFS", "ENOSPC", "EACCES"),
    "mmap": ("ENOMEM",), "mprotect": ("ENOMEM", "EACCES"), "munmap": ("EINVAL",),
    "mount": ("EPERM", "ENODEV", "EINVAL", "EBUSY", "ENOMEM"),
    "open": ("ENOENT", "EACCES", "EMFILE", "EIO"), "openat": ("ENOENT", "EACCES", "EMFILE", "EIO"),
    "openat2": ("ENOENT", "EACCES", "EMFILE", "EIO", "ENOSYS"),
    "pipe2": ("EMFILE", "ENFILE"),
    "prlimit64": ("EPERM", "EINVAL"), "prctl": ("EPERM", "EINVAL"), "capset": ("EPERM",),
    "setpriority": ("EACCES", "EPERM"), "seccomp": ("EINVAL", "EACCES", "ENOSYS"),
    "pread64": ("EIO", "EINTR"), "read": ("EIO", "EINTR"), "readlink": FILE, "readlinkat": FILE,
    "rmdir": ("EBUSY", "EROFS"), "unlinkat": ("EBUSY", "EROFS"), "unlink": ("EBUSY", "EROFS"),
    "rt_sigaction": ("EINVAL",),
    "setgid": ("EPERM", "EAGAIN"), "setgroups": ("EPERM", "ENOMEM"), "setuid": ("EPERM", "EAGAIN"),
    "sethostname": ("EPERM",), "setsid": ("EPERM",), "socket": ("EAFNOSUPPORT", "EMFILE", "EACCES"),
    "symlink": ("EROFS", "ENOSPC", "EEXIST"), "symlinkat": ("EROFS", "ENOSPC"),
    "umount2": ("EBUSY", "EINVAL"),
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
    step: str  # patterns, which have to match all of it ...
    call: str  # "WHO NAME"
    args: str  # ... and this one a part of it
    errors: str
    outcomes: tuple[str, ...]  # as in outcome.py; "no": it is not tried
    says: str  # what a line of it has to say; empty: for a stop, the error
    why: str

    def fits(self, step: str, who: str, name: str, args: str, error: str) -> bool:
        return bool(re.fullmatch(self.step, step) and re.fullmatch(self.call, f"{who} {name}")
                    and re.search(self.args, args) and (not self.errors or re.fullmatch(self.errors, error)))


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
    # --- everywhere ---
    rule(ALL, ALL + " close", "", "", "quiet", "", "what it was open for is done"),
    rule(ALL, ALL + " munmap", "", "", "quiet", "", "it costs memory alone"),
    rule(ALL, ALL + " (p?read|pread64)", "", "EINTR", "quiet", "", "read again"),
    rule(ALL, ALL + " wait4", "", "EINTR", "quiet", "", "waited again"),
    rule(ALL, "init fcntl", r" 1$", "", "no", "", "F_GETFD fails of no open descriptor"),
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
    rule("spec", "init (lstat|openat2?)", "enclave-init.conf", "ENOENT", "no", "", "there is none"),
    rule("spec", "init lstat", "enclave-init.conf", "", "quiet|stop", "/enclave-init.conf: ", "reading it tells"),
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
    rule("mounts", "init stat", "/dev/ptmx", "", "quiet", "", "it is of another kernel than 4.14"),
    rule("mounts", "init (open|fcntl)", "/dev/console", "", "quiet", "", "the old descriptors do"),
    rule("mounts", "init dup2", "", "EBUSY", "quiet", "", "tried again"),
    rule("mounts", "init dup2", "", "", "warn", "/dev/console: ", "the old descriptors do"),
    rule("mounts", "init access", "cgroup", "ENOENT", "quiet", "", "no control groups"),
    rule("mounts", "init access", "cgroup", "", "warn", "/sys/fs/cgroup: ", "optional"),
    rule("mounts", "init mount", "^cgroup", "", "quiet|warn", "/sys/fs/cgroup: ", "version 1 then, or none"),
    rule("mounts", "init (mkdir|rmdir|umount2)", "cgroup", "", "quiet", "", "one controller less"),
    rule("mounts", "init openat", "/proc/cgroups", "ENOENT", "quiet", "", "no control groups"),
    rule("mounts", ALL, "cgroup", "", "warn", "/sys/fs/cgroup: ", "optional"),
    rule("mounts", "init (socket|ioctl)", "", "", "warn", "mounts: lo: ", "optional"),
    rule("mounts", "init sethostname", "", "", "warn", "mounts: hostname: ", "optional"),
    rule("mounts", "init lstat", "/etc/hosts", "ENOENT", "quiet", "", "there is none"),
    rule("mounts", "init mkdir", "/etc$", "", "quiet|warn", "mounts: /etc/hosts: ", "optional"),
    rule("mounts", ALL, "/etc/hosts", "", "warn", "mounts: /etc/hosts: ", "optional"),
    rule("mounts", "init (stat|readlink)", "/etc/resolv.conf", "ENOENT", "quiet", "", "there is none"),
    rule("mounts", "init stat", "/etc/resolv.conf", "", "quiet", "", "somebody else's"),
    rule("mounts", ALL, "/etc/resolv.conf", "", "warn", "mounts: /etc/resolv.conf: ", "optional"),
    rule("mounts", "init prlimit64", "", "", "quiet|warn", "RLIMIT_NOFILE", "the jail has that warning always"),
    # --- spawn ---
    rule("spawn", "init stat", "/root$", "", "quiet", "", "then HOME is /"),
    rule("spawn", "init (stat|access)", "/sbin/act$", "", "quiet", "", "another folder of PATH has it"),
    rule("spawn", "init (stat|access)", "/bin/act$", "", "stop",
         "spawn: (/bin/)?act: (not found|not an executable file|I/O error)", "there is nothing to run"),
    rule("spawn", "init (open|read)", "/bin/act", "", "quiet", "", "its kind is for messages, unless it is a script"),
    rule("spawn", "init openat", "^/etc/(passwd|group)$", "ENOENT", "stop", "there is no|not in", "no such user"),
    rule("spawn", "init chdir", "^/$", "", "quiet", "", "PID 1 stays in the application's folder"),
    rule("spawn", "init read", r"^\d+$", "", "stop|late", "ended before exec", "whether it runs is not known, it is killed"),
    rule("spawn", "child1 write", "", "", "stop", "ended before exec", "PID 1 would not know that it runs"),
    rule("spawn", "child1 (ioctl|fstat|fchown|close_range|rt_sigaction)", "", "", "quiet", "",
         "what there is by itself will do"),
    # --- heartbeat ---
    rule("heartbeat", "init fork", "", "", "untold", "heartbeat: fork: ", "the application runs already"),
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
    "heartbeat": rule(ALL, ALL, "", "", "warn", "heartbeat: ", "the application runs already"),
    "supervise": rule(ALL, ALL, "", "", "warn", "", "it goes on"),
}
