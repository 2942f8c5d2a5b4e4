"""Faults in namespaces: each call of PID 1 and of the application's process before exec, one at a time."""

import errno
import os
import re
import signal
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from outcome import INJECT, STEPS, Outcome, Seen, judge, other
from policy import CANNOT_FAIL, ERRNOS, MUSL, OTHERWISE, RULES, Rule

ns = other("ns")
DEADLINE_S = 180.0
BY_FD = {"close", "fchdir", "fchmod", "fchown", "fcntl", "fstat", "fstatfs", "ftruncate", "getdents64", "ioctl", "lseek",
         "pread64", "pwrite64", "read", "readv", "write", "writev"}

# --- what is booted ---


# Has acct(2) fail, which no application calls.
FILTER = b"".join(struct.pack("<HBBI", *c) for c in (
    (0x20, 0, 0, 0), (0x15, 0, 1, 163 if ns.MACHINE == "x86_64" else 89), (6, 0, 0, 0x50001), (6, 0, 0, 0x7fff0000)))


def full_image(boot: ns.Tree, image: ns.Tree) -> None:
    """What the image must have for all that init does to be done."""
    image.file("rootfs/etc/filter", FILTER)
    image.file("rootfs/etc/vars", b"THREE=3\n# none\n")
    image.file("rootfs/etc/hosts", b"127.0.0.1 localhost\n")
    image.file("rootfs/etc/passwd", b"root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n")
    image.file("rootfs/etc/group", b"root:x:0:\napp:x:1000:\nextra:x:2000:app\nmore:x:2001:\n")
    image.link("rootfs/etc/resolv.conf", "../run/resolv/conf")
    for path in ("rootfs/run", "rootfs/tmp", "rootfs/tmp/dir", "rootfs/srv"):
        image.dir(path)
    image.file("rootfs/tmp/dir/file", b"carried\n")
    image.link("rootfs/tmp/dir/link", "file")
    image.file("rootfs/srv/measured", b"measured\n")


SCENES: dict[str, dict] = {
    "plain": {"cmd": ("/bin/act", "privileges", "say", "ran"), "children": ("app",)},
    "full": {
        "cmd": ("act", "privileges", "say", "ran"), "children": ("aid", "finder", "app"), "env": ("PATH=/sbin:/bin", "ONE=1", "not a variable"),
        "options": ("-n",), "modules": {"a.ko": b"a", "nsm.ko": b"nsm"}, "load_order": ["a.ko", "nsm.ko"],
        "boot_files": {"nsm": b"tool"}, "change": full_image,
        "config": """
user = app
group = extra
supplementary-groups = more
umask = 027
nice = 3
oom-score-adjust = 300
limit-core = 0
limit-nofile = 200:300
capability-bounding-set = CAP_NET_BIND_SERVICE CAP_CHOWN
ambient-capabilities = CAP_NET_BIND_SERVICE
securebits = noroot noroot-locked
no-new-privileges = yes
seccomp = /etc/filter
workdir = /srv
stop-signal = SIGINT
environment = TWO=2
environment-file = /etc/vars
restart = on-failure
after = aid
hostname = full
add-host = db:10.0.0.1
dns = 10.0.0.2
dns-search = example.org
dns-option = ndots:2
tmp-size = 8m
tmpfs = /scratch/deep:size=1m
sysctl = net.ipv4.ip_default_ttl=65 -net.ipv4.tcp_syncookies=0
read-only = yes
nsm-owner = 1
nsm-group = 1000
nsm-mode = 0660
pcr-extend = 16 data name value
pcr-extend = 17 file measured /srv/measured
pcr-lock = 16 17

[aid]
command = /bin/act privileges notify READY=1 sleep 600000
ready = notify
restart = always
user = app
no-new-privileges = yes
capability-bounding-set = none
limit-core = 0
"""},
}


SCENES["again"] = {"cmd": ("/bin/act", "fail", "/run/tries:1:1", "say", "ran"), "children": ("app",),
                   "config": "restart = on-failure\nrestart-delay = 1ms\n"}


def scenes() -> list[str]:
    """Those whose calls fail, as far as they can be had here: users but root are root's to give."""
    return ["plain", *(["full"] if ns.IS_ROOT else [])]


@dataclass(frozen=True)
class Call:
    """A system call of the boot without a fault."""
    scene: str
    who: str
    name: str
    number: int  # the so manieth of its name and process
    step: str
    args: str
    result: int
    role: str  # what the process is to become

    @property
    def place(self) -> str:
        return f"{self.scene}/{self.who}/{self.name}/{self.number}"


@dataclass(frozen=True)
class Fault:
    call: Call
    error: str  # "EIO"

    @property
    def name(self) -> str:
        return f"{self.call.place}/{self.error}"

    @property
    def row(self) -> str:
        c = self.call
        return f"{c.step:9} {c.role:6} {c.name:14} {c.number:3} {c.args[:40]}"


# --- running ---

def start(scene: str, *options: str, below: tuple[str, ...] = (), mutant: str = "") -> ns.Jail:
    made = dict(SCENES[scene])
    cmd = made.pop("cmd")
    del made["children"]
    # Leaks cannot be looked for in a process that is traced.
    return ns.Jail(*cmd, words=("nomodules", "init_debug"), below=below or (str(INJECT), *options),
                   init="test/mutant" if mutant else "test/init", MUTANT=mutant, ASAN_OPTIONS="detect_leaks=0", **made)


def see(j: ns.Jail, deadline: float) -> Seen:
    """Waits for the end."""
    try:
        j.wait(lambda: j.code is not None, "the end", deadline)
        j.end()
        ended = "restart" if j.record_lines()[-1:] == ["reboot"] and j.code == -signal.SIGHUP \
            else f"PID 1 is gone: {j.code}"
    except ns.Failure:
        ended = f"no end within {deadline:.0f} s"
    # init_debug's own lines, which have times, are for the list of calls alone.
    log = [line[at:] for line in j.text.splitlines()
           if (at := line.find("init: ")) >= 0 and not re.search(r" \([0-9.]+ ms\)$", line)]
    return Seen(tuple(log), "@say=ran" in j.text, tuple(j.parent.received), ended, tuple(j.facts("privileges")))


def traced(scene: str, *options: str, mutant: str = "", deadline: float = DEADLINE_S) -> tuple[Seen, list[str], str]:
    """What is left of it, and the lines of the injector."""
    with tempfile.TemporaryDirectory(prefix="faults") as scratch:
        path = Path(scratch) / "list"
        with start(scene, "-l", str(path), *options, mutant=mutant) as j:
            seen = see(j, deadline)
            return seen, path.read_text().splitlines() if path.exists() else [], j.story()


class Objects:
    """What descriptors stand for: a call that is given one is shown with the path behind it."""

    def __init__(self) -> None:
        self.paths: dict[tuple[str, int], str] = {}
        self.last = ""

    def name(self, who: str, call: str, args: list[str], result: int) -> str:
        text = " ".join(args)
        if call in ("open", "openat", "openat2") and result >= 0:
            self.last = self.paths[who, result] = args[-1]
        elif call == "mmap":
            return self.last
        elif call in BY_FD and (path := self.paths.get((who, int(args[0])))):
            if call == "close":
                del self.paths[who, int(args[0])]
            return f"{path} {' '.join(args[1:])}".rstrip()
        return text


def with_steps(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """
    The injector's lines, in words, each with the step that PID 1 is in. With init_debug each step says that it is
    done.
    """
    names = [*STEPS, "end"]
    step = 0
    for line in lines:
        words = line.removeprefix("hit ").split("\t" if line.startswith("blocks\t") else " ")
        yield names[step], words
        if words[:2] == ["init", "write"] and words[5].startswith(f"init:_{names[step]}:_done_"):
            step += 1


def blocking(lines: list[str]) -> dict[str, str]:
    """
    Calls of PID 1 that could block it after code of the image has run: step, name and reason; and what it was called
    with and from where.
    """
    found = {}
    for step, words in with_steps(lines):
        if words[0] == "blocks":
            name, _, args = words[1].partition(" ")
            found[f"{step}: {name}: {words[2]}"] = f"{name} {args} by {words[3]}"
    return found


@cache
def clean(scene: str) -> tuple[Seen, tuple[Call, ...]]:
    """The boot without a fault, and its calls up to the fork of the heartbeat's process."""
    seen, lines, story = traced(scene)
    outcome = judge(seen, seen)
    assert outcome.kind == "quiet" and seen.ran, f"the boot without a fault: {outcome.why}\n{story}"
    roles, forks = SCENES[scene]["children"], 0
    calls, objects = [], Objects()
    for step, words in with_steps(lines):
        if step == "supervise":
            break
        if words[0] == "blocks":
            continue
        who, name, number, result, *args = words
        child = int(who[5:]) - 1 if who.startswith("child") else -1
        if child >= len(roles):
            continue
        shown = objects.name(who, name, args, int(result))
        # What is done for a child does not say so itself.
        if who == "init" and step == "spawn":
            if name in ("pipe2", "fork", "clone") and forks < len(roles):
                shown = f"{shown} for {roles[forks]}".lstrip()
            elif name == "read" and forks and shown == " ".join(args):
                shown = f"{shown} of {roles[forks - 1]}"
            forks += name in ("fork", "clone")
        calls.append(Call(scene, who, name, int(number), step, shown, int(result),
                          "init" if child < 0 else roles[child]))
    assert step == "supervise", f"it came to step {step} alone\n{story}"
    return seen, tuple(calls)


def rule_of(call: Call, error: str) -> Rule:
    for r in RULES:
        if r.fits(call.scene, call.step, call.role, call.name, call.args, error):
            return r
    return OTHERWISE[call.step]


def faults(scene: str) -> Iterator[Fault]:
    for call in clean(scene)[1]:
        if call.name in CANNOT_FAIL or rule_of(call, "").outcomes == ("no",):
            continue
        for error in ERRNOS.get(call.name, ("EPERM", "EIO")):
            # What fails so by itself is what the boot without a fault has.
            if call.result != -getattr(errno, error) and rule_of(call, error).outcomes != ("no",):
                yield Fault(call, error)


def run(fault: Fault, mutant: str = "", deadline: float = DEADLINE_S) -> Outcome:
    call = fault.call
    seen, lines, story = traced(
        call.scene, "-f", f"{call.who}:{call.name}:{call.number}:{getattr(errno, fault.error)}",
        mutant=mutant, deadline=deadline)
    outcome = judge(seen, clean(call.scene)[0], silent=call.name == "write")
    outcome.story, outcome.blocking = story, blocking(lines)
    hits = [line for line in lines if line.startswith("hit ")]
    rule = rule_of(call, fault.error)
    if outcome.kind == "finding":
        return outcome
    if len(hits) != 1:
        outcome.why = f"it came to {len(hits)} such calls"
    elif outcome.kind not in rule.outcomes:
        outcome.why = f"{outcome.kind}, not {' or '.join(rule.outcomes)}: {rule.why}"
    elif outcome.kind in ("stop", "late") and f", {call.step}" not in outcome.said[-1]:
        outcome.why = "it stopped in another step"
    elif outcome.kind != "quiet" and rule.says and not any(re.search(rule.says, s) for s in outcome.log):
        outcome.why = f"no line says '{rule.says}'"
    elif outcome.kind == "stop" and not rule.says and not any(
            MUSL.get(fault.error, os.strerror(getattr(errno, fault.error))) in s for s in outcome.said):
        outcome.why = "the errno is not named"
    if outcome.why:
        outcome.kind = "finding"
    return outcome
