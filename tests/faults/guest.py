"""
Faults in QEMU, where all of the boot is the real one, NSM and vsock too: /init is tests/apps/deny.c, from which on a
call fails for whoever makes it, and which becomes the init that is shipped.
"""

import errno
import os
from dataclasses import dataclass

from boot import lib as boot
from machine import Machine
from suite import Failure

from .outcome import Outcome, Seen, in_parallel, judge

QUIET = "reboot=t panic=-1 quiet"
TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Fault:
    call: str
    error: str
    outcome: str  # one of outcome.py's, or more with | between them
    says: str = ""  # a line that is there
    arg: int = 6  # which argument has to have ...
    value: int = 0  # ... which value; 6: whatever they are
    what: str = ""
    config: str = ""

    @property
    def name(self) -> str:
        return f"{self.call}{f'({self.what})' if self.what else ''}/{self.error}{', groups' if self.config else ''}"

    @property
    def row(self) -> str:
        return f"{self.call} {self.what}{', groups' if self.config else ''}"


# What has services restart, with control groups and a socket for messages.
GROUPS = """
restart = on-failure
restart-delay = 1ms
after = aid
[aid]
command = /bin/act notify READY=1 sleep 600000
user = 1000
ready = notify
ready-timeout = 3s
restart = always
memory-max = 32M
pids-max = 20
"""


TABLE = [
    # console: goes on. spec: stops.
    Fault("signalfd4", "EMFILE", "warn", "console: signalfd: "),
    Fault("statfs", "EIO", "quiet"),
    Fault("lstat", "EACCES", "stop", "spec: /enclave-init.conf: "),
    Fault("openat", "EIO", "stop", "spec: /cmd: I/O error"),
    Fault("openat", "EMFILE", "stop", "spec: /cmd: "),
    Fault("fstat", "ENOMEM", "stop", "spec: /cmd: Out of memory"),
    Fault("mmap", "ENOMEM", "stop", ": Out of memory"),
    Fault("read", "EIO", "stop", "spec: /cmd: I/O error"),
    Fault("munmap", "EINVAL", "quiet"),
    # modules, entropy
    Fault("finit_module", "EPERM", "stop", "modules: nsm.ko: Operation not permitted"),
    Fault("finit_module", "ENOSYS", "stop", "entropy: /dev/nsm: "),
    Fault("open", "EMFILE", "stop", "spec: /etc/enclave-init.conf: "),
    Fault("ioctl", "EIO", "stop", "entropy: /dev/nsm: ", 1, 0xc0200a00, "NSM"),
    Fault("ioctl", "EINVAL", "stop", "entropy: ", 1, 0x40085203, "RNDADDENTROPY"),
    # root
    Fault("mount", "EPERM", "stop", "entropy: /dev/nsm: "),  # which needs a /dev
    Fault("mount", "EINVAL", "stop", "root: /rootfs: Invalid argument", 3, 0x2000, "MS_MOVE"),
    Fault("mount", "ENOMEM", "stop", "root: /rootfs: Out of memory", 3, 0x5000, "MS_BIND"),
    Fault("chroot", "EPERM", "stop", "root: /rootfs: Operation not permitted"),
    Fault("chdir", "EACCES", "stop", "root: /rootfs: "),
    Fault("umount2", "EBUSY", "quiet"),
    Fault("unlinkat", "EROFS", "quiet"),
    Fault("getdents64", "EIO", "quiet|warn", ""),
    Fault("lseek", "EIO", "quiet|warn", ""),
    # mounts
    Fault("mount", "EPERM", "stop", "mounts: /proc: Operation not permitted", 3, 0xe, "proc, sysfs, mqueue"),
    Fault("mount", "ENODEV", "stop", "mounts: /proc: No such device", 3, 0xe, "proc, sysfs, mqueue"),
    Fault("mount", "ENOMEM", "warn", "mounts: /tmp: Out of memory", 3, 0x6, "tmpfs"),
    Fault("mkdir", "EROFS", "warn", "mounts: /dev/pts: "),
    Fault("symlink", "EROFS", "warn", "mounts: /dev: "),
    Fault("dup2", "EMFILE", "warn", "mounts: /dev/console: "),
    Fault("socket", "EAFNOSUPPORT", "warn", "mounts: lo: ", 0, 2, "AF_INET"),
    Fault("ioctl", "EPERM", "warn", "mounts: lo: ", 1, 0x8914, "SIOCSIFFLAGS"),
    Fault("ioctl", "EPERM", "warn", "mounts: lo: ", 1, 0x891c, "SIOCSIFNETMASK"),
    Fault("socket", "EAFNOSUPPORT", "warn", "mounts: lo: ", 0, 16, "AF_NETLINK"),
    Fault("sendto", "EPERM", "untold", "mounts: lo: "),  # and no word gets to the heartbeat's process or out of it
    Fault("sethostname", "EPERM", "warn", "mounts: hostname: "),
    Fault("prlimit64", "EPERM", "warn", "mounts: RLIMIT_NOFILE: "),
    # spawn
    Fault("stat", "EIO", "stop", "spawn: /bin/act: "),
    Fault("access", "EACCES", "stop", "spawn: /bin/act: "),
    Fault("pipe2", "EMFILE", "stop", "spawn: /bin/act: fork: "),
    Fault("clone3", "EAGAIN", "mute", "spawn: /bin/act: fork: Resource temporarily unavailable"),
    Fault("clone3", "ENOSYS", "quiet"),  # as before 5.3
    Fault("clone3", "EINVAL", "quiet"),  # as before 5.7
    Fault("socketpair", "EMFILE", "untold", "heartbeat: CID 3 port 9000: fork: "),
    Fault("sched_setscheduler", "EPERM", "quiet"),
    Fault("setsid", "EPERM", "stop", "spawn: /bin/act: setsid: "),
    Fault("ioctl", "EPERM", "quiet", "", 1, 0x540e, "TIOCSCTTY", config="terminal = yes\n"),
    Fault("close_range", "ENOSYS", "quiet"),
    Fault("rt_sigaction", "EINVAL", "quiet"),
    # heartbeat and the end
    Fault("socket", "EAFNOSUPPORT", "untold", "heartbeat: CID 3 port 9000: no connection: ", 0, 40, "AF_VSOCK"),
    Fault("socket", "EMFILE", "untold", "heartbeat: CID 3 port 9000: no connection: ", 0, 40, "AF_VSOCK"),
    Fault("connect", "EPERM", "untold", "heartbeat: CID 3 port 9000: no connection: "),
    Fault("kill", "EPERM", "quiet"),
    Fault("nanosleep", "EINTR", "quiet"),
    Fault("sync", "EIO", "quiet"),
    Fault("reboot", "EPERM", "warn", "end: reboot: Operation not permitted"),
    # services
    Fault("mkdir", "EROFS", "stop", "spawn: aid: /sys/fs/cgroup: Read-only file system", config=GROUPS),
    Fault("clone3", "EINVAL", "quiet", config=GROUPS),
    Fault("clone3", "ENOSYS", "quiet", config=GROUPS),
    Fault("kill", "EPERM", "quiet|warn", "supervise: aid: killed by SIGKILL", config=GROUPS),
    Fault("unlinkat", "EBUSY", "quiet", config=GROUPS),
    Fault("getrandom", "EAGAIN", "stop", "spawn: aid: NOTIFY_SOCKET: ", config=GROUPS),
    Fault("bind", "EACCES", "stop", "spawn: aid: NOTIFY_SOCKET: ", config=GROUPS),
    Fault("rename", "EROFS", "quiet", config=GROUPS),
    Fault("recvmsg", "EIO", "stop", "spawn: aid: not ready within 3 s", config=GROUPS),
    Fault("pipe2", "EMFILE", "stop", "spawn: aid: /bin/act: fork: ", config=GROUPS),
]


def faults() -> list[Fault]:
    return TABLE


def see(append: str, config: str = "") -> tuple[Seen, str]:
    """A boot, and what it showed."""
    tries = ("fail", "/run/tries:1:1") if config else ()
    image = boot.image("/bin/act", *tries, "say", "ran", config=config or None, boot_files={"init.real": (boot.built("init"), 0o755)},
                       init="apps/deny")
    machine = Machine(image, append=f"{QUIET} {append}", timeout=TIMEOUT_S)
    b = boot.Boot(machine.run())
    ended = "the kernel panicked" if b.result.panicked else \
        f"no end within {TIMEOUT_S:.0f} s" if b.result.ended == "deadline" else "restart"
    if b.all("deny"):
        ended = f"the wrapper: {b.all('deny')}"
    seen = Seen(tuple(b.log), "ran" in b.all("say"), tuple(int(r, 16) for r in b.result.received), ended)
    return seen, b.result.text


def run_all(chosen: list[Fault]) -> list[Outcome]:
    """As many machines at a time as there are processors."""
    clean = {}
    for config in {f.config for f in chosen}:
        clean[config], text = see("", config)
        if judge(clean[config], clean[config]).kind != "quiet" or not clean[config].ran:
            raise Failure(f"the boot without a fault: {clean[config]}\n{text}")

    def run(fault: Fault) -> Outcome:
        word = f"deny={fault.call}:{getattr(errno, fault.error)}"
        if fault.arg < 6:
            word += f":{fault.arg}:{fault.value:#x}"
        seen, story = see(word, fault.config)
        outcome = judge(seen, clean[fault.config])
        outcome.story = story
        if outcome.kind == "finding":
            return outcome
        if outcome.kind not in fault.outcome.split("|"):
            outcome.why = f"{outcome.kind}, not {fault.outcome}"
        elif outcome.kind != "quiet" and fault.says and not any(fault.says in line for line in seen.log):
            outcome.why = f"no line says '{fault.says}'"
        if outcome.why:
            outcome.kind = "finding"
        return outcome

    return in_parallel(run, chosen, min(2, os.cpu_count() or 1))
