"""Faults in namespaces: each call of PID 1, of its helpers and of services before their exec, one at a time."""

import errno
import os
import re
import signal
import socket
import struct
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import hostile
from ns import lib as ns

from .outcome import INJECT, STEPS, Outcome, Seen, judge
from .policy import CANNOT_FAIL, ERRNOS, MUSL, OTHERWISE, RULES, Rule

DEADLINE_S = 180.0
TRIES = 3
SERVICES = ("main", "aid")
LOG, REPORT = 17001, 9001
KILL = "KILL"  # no error: the process is killed behind the call
OURS = ("init", "beat", "sync", "courier", "link", "last", "relay")
# What is said of services that are there to do harm is not the same in each boot.
HOSTILE_LINE = re.compile(rf"init: \w+: ({'|'.join(hostile.SERVICES)}): ")
FORKS = {"clone", "clone3", "fork"}
FOR_A_CHILD = {"pipe2", "socketpair", *FORKS}
BY_FD = {"close", "dup2", "dup3", "fchdir", "fchmod", "fchown", "fcntl", "fstat", "fstatfs", "ftruncate", "getdents64", "ioctl", "lseek",
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
    "plain": {"cmd": ("/bin/act", "privileges", "say", "ran")},
    "full": {
        "cmd": ("act", "privileges", "say", "ran"), "env": ("PATH=/sbin:/bin", "ONE=1", "not a variable"),
        "options": ("-n", "-g"), "modules": {"a.ko": b"a", "nsm.ko": b"nsm"}, "load_order": ["a.ko", "nsm.ko"],
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


# One with a restart, and one with others beside it that do what they may: of both only what comes after the first exec.
SCENES["again"] = {"cmd": ("/bin/act", "sleep", "50", "fail", "/run/tries:1:1", "say", "ran"),
                   "options": ("-g",), "config": "restart = on-failure\nrestart-delay = 1ms\n"}


def hostile_image(boot: ns.Tree, image: ns.Tree) -> None:
    full_image(boot, image)
    hostile.add(image, ns.app("hostile"), ns.app("act"), "rootfs/")


SCENES["hostile"] = SCENES["full"] | {
    "change": hostile_image,
    "config": SCENES["full"]["config"].replace("after = aid\n", hostile.after({"aid": "", **hostile.SERVICES}))
    + hostile.after(hostile.SERVICES) + hostile.sections(hostile.SERVICES)}
# What is heard of the log is compared, too. The application's output is on the console, its errors in the log.
SCENES["link"] = {"cmd": ("/bin/act", "privileges", "put-error", "one", "await", "/run/w-1", "sleep", "100", "put-error", "two", "say", "ran"),
                  "options": ("-g",), "config": """
log = listen
status = full
control = stop SIGUSR1
control-local = yes
report = on
log-stdout = no

[aid]
command = /bin/act put three put-error four count /run/w sleep 600000
"""}
SCENES["relay"] = {"cmd": ("/bin/act", "sleep", "100", "say", "ran"), "boot_files": {"relay": ns.app("standin")},
                   "config": "forward = ready\nforward = end\n"}
AFTER_EXEC = ("again", "hostile")
RELAY_STEPS = ("root", "spawn", "supervise", "end")
LINK_STEPS = ("spec", "spawn", "heartbeat", "supervise", "end")


def scenes() -> list[str]:
    """Those whose calls fail, as far as they can be had here: users but root are root's to give."""
    return ["plain", "again", "link", "relay", *(["full", "hostile"] if ns.IS_ROOT else [])]


@dataclass(frozen=True)
class Call:
    """A system call of a boot."""
    scene: str
    who: str  # init, or a child of it: a service's or a helper's name, with #2 ... for the next of that name
    name: str
    number: int  # the so manieth of its name and process, and of PID 1's step
    step: str
    args: str
    result: int
    is_hit: bool  # it was made to fail

    @property
    def by(self) -> str:
        """The injector's WHO."""
        return f"init@{self.step}" if self.who == "init" else self.who

    @property
    def place(self) -> str:
        return f"{self.scene}/{self.by}/{self.name}/{self.number}"

    @property
    def role(self) -> str:
        return self.who.partition("#")[0]


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
        return f"{c.step:9} {c.who:6} {c.name:14} {c.number:3} {c.args[:40]}"


# --- running ---

def start(scene: str, *options: str, below: tuple[str, ...] = (), mutant: str = "") -> ns.Jail:
    made = dict(SCENES[scene])
    cmd = made.pop("cmd")
    parent = ns.Parent()
    parent.serves.add(REPORT)
    # Leaks cannot be looked for in a process that is traced.
    return ns.Jail(*cmd, parent=parent, below=below or (str(INJECT), *options), init="test/mutant", MUTANT=mutant,
                   ASAN_OPTIONS="detect_leaks=0", **made)


class Ear:
    """The parent's end of the link: takes the reports, and reads the log, again and again."""

    def __init__(self, jail: ns.Jail) -> None:
        self.jail = jail
        self.log: socket.socket | None = None
        self.streams: list[bytes] = []
        self.reports: list[list] = []  # socket and bytes

    def listen(self) -> None:
        listener = self.jail.ports.get(LOG)
        if listener and not self.log and self.is_cut():
            with suppress(OSError):  # it has just died
                self.log = self.jail.connect(LOG)
                self.log.setblocking(False)
                self.streams.append(b"")
        if self.log and (more := take(self.log)) is not None:
            self.streams[-1] += more
            if not more:
                self.log.close()
                self.log = None
        while self.jail.incoming:
            self.reports.append([self.jail.incoming.pop(0)[1], b""])
            self.reports[-1][0].setblocking(False)
        for r in self.reports:
            if r[0] and (more := take(r[0])) is not None:
                r[1] += more
                if not more:
                    r[0].close()
                    r[0] = None

    def is_cut(self) -> bool:
        return not any(b"\ninit: log: end at byte " in s for s in self.streams)

    def words(self) -> tuple[str, ...] | None:
        """The lines of services in the last report; None: there was none."""
        last = [data for _, data in self.reports if data.startswith(b'{"status":"exited"')]
        return tuple(sorted(of_services(last[-1].split(b"\n", 1)[1]))) if last else None

    def lines(self) -> tuple[str, ...]:
        """The lines of services that came, each as often as its place in the log says."""
        found: dict[int, bytes] = {}
        for stream in self.streams:
            at = 0
            for line in stream.splitlines(keepends=True):
                if m := re.match(rb"init: log: from byte (\d+) of ", line):
                    at = int(m[1])
                elif not line.startswith(b"init: log: end"):
                    found[at] = line
                    at += len(line)
        return tuple(sorted(line for text in found.values() for line in of_services(text)))


def of_services(text: bytes) -> list[str]:
    return [line.decode() for line in text.splitlines() if not line.startswith(b"init: ")]


def take(s: socket.socket) -> bytes | None:
    """What has come; empty at its end; None: nothing yet."""
    try:
        return s.recv(1 << 16)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def see(j: ns.Jail, deadline: float) -> Seen:
    """Waits for the end."""
    ear = Ear(j)
    try:
        j.wait(lambda: ear.listen() or j.code is not None, "the end", deadline)
        j.end()
        ended = "restart" if j.record_lines()[-1:] == ["reboot"] and j.code == -signal.SIGHUP \
            else f"PID 1 is gone: {j.code}"
    except ns.Failure:
        ended = f"no end within {deadline:.0f} s"
    log = [line[at:] for line in j.text.splitlines() if (at := line.find("init: ")) >= 0]
    ear.listen()
    return Seen(tuple(log), "@say=ran" in j.text, tuple(j.parent.received), ended, tuple(j.facts("privileges")), ear.lines(),
                ear.is_cut(), ear.words())


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
        self.last: dict[str, str] = {}

    def name(self, who: str, call: str, args: list[str], result: int) -> str:
        text = " ".join(args)
        if call in ("open", "openat", "openat2") and result >= 0:
            self.last[who] = self.paths[who, result] = args[-1]
        elif call == "mmap":
            return self.last.get(who, "")
        elif call in BY_FD and (path := self.paths.get((who, int(args[0])))):
            if call == "close":
                del self.paths[who, int(args[0])]
            return f"{path} {' '.join(args[1:])}".rstrip()
        return text


def blocking(lines: list[str]) -> dict[str, str]:
    """
    Calls of PID 1 that could block it after code of the image has run: step, name and reason; and what it was called
    with and from where.
    """
    found, step = {}, ""
    for line in lines:
        if line.startswith("step "):
            step = line[5:]
        elif line.startswith("blocks\t"):
            _, call, why, by = line.split("\t")
            name, _, args = call.partition(" ")
            found[f"{step}: {name}: {why}"] = f"{name} {args} by {by}"
    return found


def calls_of(scene: str, lines: list[str]) -> list[Call]:
    """The calls that the injector saw, in their order. A fork of PID 1, and what it opens for one, is shown with for whom."""
    calls, objects, step, names, forks = [], Objects(), "start", {}, 0
    for line in lines:
        words = line.removeprefix("hit ").split(" ")
        if words[0] == "step":
            step = words[1]
        elif words[0] == "is":
            names[int(words[1].removeprefix("child"))] = words[2].partition("#")[0]
        elif not line.startswith("blocks\t"):
            who, name, number, result, *args = words
            shown = objects.name(who, name, args, int(result))
            if who == "init" and name in FOR_A_CHILD:
                shown = f"for {forks + 1}"
                forks += name in FORKS and int(result) > 0
            calls.append(Call(scene, who, name, int(number), step, shown, int(result), line.startswith("hit ")))
    return [replace(c, args=f"for {names.get(int(c.args[4:]), '?')}") if c.who == "init" and c.name in FOR_A_CHILD else c
            for c in calls]


@cache
def clean(scene: str) -> tuple[Seen, tuple[Call, ...], dict[str, str]]:
    """The boot without a fault, its calls, and those that could block PID 1."""
    for _ in range(TRIES):
        seen, lines, story = traced(scene)
        # On a busy machine the parent may be too late for the log's end, or for the report: others are not to be like that.
        if scene != "link" or not seen.is_cut and seen.words:
            break
    outcome = judge(seen, seen)
    assert outcome.kind == "quiet" and seen.ran, f"the boot without a fault: {outcome.why}\n{story}"
    assert scene != "link" or not seen.is_cut and seen.words, f"its parent was too late for the log or the report\n{story}"
    calls = calls_of(scene, lines)
    assert calls and calls[-1].step == "end", f"it came to no end\n{story}"
    return seen, tuple(calls), blocking(lines)


@cache
def rules_of(scene: str, step: str, call: tuple[str, str, int]) -> tuple[Rule, ...]:
    """Those of a call, of which its arguments and the error choose one: of each call there are many errors."""
    return tuple(r for r in RULES if r.is_of(scene, step, call))


def rule_of(call: Call, error: str) -> Rule:
    # A start that fails stops the boot; later on the service is started again.
    again = call.step in ("supervise", "end") and call.role in SERVICES
    step = "spawn" if again else call.step
    rule = next((r for r in rules_of(call.scene, step, (call.role, call.name, call.number)) if r.fits(call.args, error)),
                OTHERWISE[step])
    if again:
        rule = replace(rule, outcomes=tuple("warn" if o == "stop" else o for o in rule.outcomes),
                       says=rule.says.replace("spawn: ", f"{call.step}: "))
    return rule


def unlike(calls: Iterable[Call]) -> tuple[Call, ...]:
    """Not more than two of those that differ by numbers alone: PID 1 looks at each process once more at each restart."""
    seen = Counter()
    kept = []
    for c in calls:
        kind = c.step, c.role, c.name, re.sub(r"\d+", "N", c.args)
        seen[kind] += 1
        if seen[kind] <= 2:
            kept.append(c)
    return tuple(kept)


def number_of(error: str) -> int:
    return 0 if error == KILL else getattr(errno, error)


def faults(scene: str) -> Iterator[Fault]:
    calls = clean(scene)[1]
    if scene == "link":  # the rest is that of the plain one
        calls = tuple(c for c in calls if c.step in LINK_STEPS)
    if scene == "relay":
        calls = tuple(c for c in calls if c.step in RELAY_STEPS)
    if scene in AFTER_EXEC:
        first = next(i for i, c in enumerate(calls) if c.name == "execve")
        calls = unlike(c for c in calls[first + 1:] if c.role in (*SERVICES, *OURS))
    for call in calls:
        if call.name in CANNOT_FAIL or rule_of(call, "").outcomes == ("no",):
            continue
        errors = ERRNOS.get(call.name, ("EPERM", "EIO"))
        if call.role == "link" and call.name != "exit_group":
            errors = (*errors, KILL)
        for error in errors if scene != "hostile" else errors[call.number % len(errors):][:1]:
            # What fails so by itself is what the boot without a fault has.
            if (error == KILL or call.result != -number_of(error)) and rule_of(call, error).outcomes != ("no",):
                yield Fault(call, error)


def step_of(rule: Rule, call: Call) -> str:
    """In which the boot stops."""
    return next((step for step in STEPS if rule.says.startswith(f"{step}: ")), call.step)


def run(fault: Fault, mutant: str = "", deadline: float = DEADLINE_S) -> Outcome:
    """
    What comes of it. How often PID 1 looks around in its loop is not the same in each boot: the call that was made to fail
    counts, whichever it was, and if there was none the boot is tried again.
    """
    call = fault.call
    for _ in range(TRIES):
        seen, lines, story = traced(
            call.scene, "-f", f"{call.by}:{call.name}:{call.number}:{number_of(fault.error)}",
            mutant=mutant, deadline=deadline)
        calls = calls_of(call.scene, lines)
        hits = [c for c in calls if c.is_hit]
        if hits:
            break
    outcome = judge(seen, clean(call.scene)[0], silent=call.name == "write", ignored=HOSTILE_LINE)
    outcome.story, outcome.blocking = story, blocking(lines)
    if outcome.kind == "finding":
        return outcome
    if not hits:
        outcome.kind = "missed"
        return outcome
    # For whom PID 1 would have forked nobody knows who sees the fork fail.
    rule = rule_of(call if hits[0].name in FOR_A_CHILD else hits[0], fault.error)
    if rule.outcomes == ("no",):
        outcome.kind = "missed"
        return outcome
    if outcome.kind == "stop" and hits[0].who == "init" and call.scene != "hostile" and any(
            c.name == "execve" and c.result == 0 for c in calls[calls.index(hits[0]):]):
        outcome.why = "it stopped, and started something all the same"
    elif outcome.kind not in rule.outcomes:
        outcome.why = f"{outcome.kind}, not {' or '.join(rule.outcomes)}: {rule.why}"
    elif outcome.kind in ("stop", "late") and f", {step_of(rule, hits[0])}" not in outcome.said[-1]:
        outcome.why = "it stopped in another step"
    elif outcome.kind != "quiet" and rule.says and not any(re.search(rule.says, s) for s in outcome.log):
        outcome.why = f"no line says '{rule.says}'"
    elif outcome.kind == "stop" and not rule.says and not any(
            MUSL.get(fault.error, os.strerror(number_of(fault.error))) in s for s in outcome.said):
        outcome.why = "the errno is not named"
    if outcome.why:
        outcome.kind = "finding"
    return outcome
