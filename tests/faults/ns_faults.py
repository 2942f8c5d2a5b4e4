"""Faults in namespaces."""

import errno
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from suite import Failure, check, same, test

from . import space
from .outcome import in_parallel, spread

# A boot with what attacks it takes fifteen times the processor of another: it floods, stops and kills for as long as it runs.
SAMPLE = {"plain": 30, "link": 25, "relay": 20, "full": 30, "again": 15, "hostile": 6}


def without_lines(calls: list[str]) -> list[str]:
    """A line of the log is written again later where somebody else writes to the terminal at that moment."""
    return [name for name in calls if name != "write"]


@test(2)
def injector_counts_what_strace_sees() -> None:
    """PID 1's calls before it forks for the first time: the same list as Debian's strace has."""
    ours = without_lines([c.name for c in space.clean("plain")[1] if c.who == "init"])
    ours = ours[:ours.index("clone3")]
    with tempfile.TemporaryDirectory(prefix="faults") as scratch:
        strace = (shutil.which("strace") or "strace", "-ff", "-qq", "-o", f"{scratch}/of")
        with space.start("plain", below=strace) as j:
            space.see(j, space.DEADLINE_S)
        theirs: list[str] = []
        for path in Path(scratch).iterdir():
            calls = re.findall(r"^(\w+)\((.*)", path.read_text(), re.M)
            for i, (name, rest) in enumerate(calls):
                if name == "execve" and rest.startswith('"/init"'):
                    theirs = [n for n, rest in calls[i + 1:] if not rest.startswith("PR_SET_NAME")]
    same(without_lines(theirs)[:len(ours)], ours, "what strace saw")


@test
def injector_reports_its_own_faults() -> None:
    """No jail, an unknown option, a fault that cannot be read: 125, as a jail's own fault."""
    for args in ((), ("-x",), ("-f", "init:open:1"), ("-f", "init:open:x:5", "true")):
        same(subprocess.run([space.INJECT, *args], stderr=subprocess.DEVNULL).returncode, 125, f"inject {args}")


def found(scene: str, call: str, args: str, error: str) -> space.Fault:
    """The fault of the call that is the first of that step, role and name, with ARGS at its end."""
    return next(f for f in space.faults(scene)
                if f.error == error and f"{f.call.step} {f.call.role} {f.call.name}".endswith(call) and f.call.args.endswith(args))


# What `ip -o addr show lo` has: the netmask, and whether it is up.
SHOW_LO = """
import fcntl, socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    asked = [fcntl.ioctl(s, what, b"lo".ljust(40, bytes(1))) for what in (0x891b, 0x8913)]  # SIOCGIFNETMASK, SIOCGIFFLAGS
print(socket.inet_ntoa(asked[0][20:24]), asked[1][16] & 1)
"""


def loopback(*options: str) -> str:
    """lo of a machine whose application runs, booted with OPTIONS of the injector."""
    with space.ns.Jail("/bin/act", "sleep", "600000", below=(str(space.INJECT), *options), init="test/mutant", MUTANT="",
                       ASAN_OPTIONS="detect_leaks=0") as j:
        j.wait(lambda: j.parent.received, "a heartbeat")
        pid = j.process.pid
        while Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink():
            pid, = space.ns.children(pid)[:1]
        return subprocess.run(["nsenter", "-t", str(pid), "-U", "--preserve-credentials", "-n", sys.executable, "-c", SHOW_LO],
                              stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


@test(2)
def loopback_that_cannot_be_made_wide_is_as_the_kernel_has_it() -> None:
    """Without the route of 127.0.0.0/8 the address keeps its netmask, or nothing beside 127.0.0.1 could be reached."""
    same(loopback(), "255.255.255.254 1", "lo without a fault")
    for name, error in (("init sendto", "ENOBUFS"), ("init recvfrom", "EAGAIN")):
        call = found("plain", name, "", error).call
        same(loopback("-f", f"{call.by}:{call.name}:{call.number}:{getattr(errno, error)}"), "255.0.0.0 1", f"lo, {name}: {error}")


def must_not_block(found: dict[str, str]) -> None:
    check(not found, "PID 1 could be blocked:\n" + "\n".join(f"{call}: {by}" for call, by in found.items()))


def report(faults: list[space.Fault], outcomes: list) -> None:
    bad = [(f, o) for f, o in zip(faults, outcomes) if o.kind == "finding"]
    must_not_block({call: by for o in outcomes for call, by in o.blocking.items()})
    if bad:
        failure = Failure("\n".join(f"{f.name} ({f.call.args}): {o.why}" for f, o in bad))
        failure.add_note("\n".join(f"--- {f.name}\n{o.story}" for f, o in bad))
        raise failure


@test(5)
def calls_that_fail_have_the_outcome_of_the_boot_table() -> None:
    """A sample of what `make faults` tries: goes on, warns or stops as DESIGN and the rows of mounts say."""
    for scene in space.scenes():
        faults = spread([*space.faults(scene)], SAMPLE[scene])
        check(len(faults) == SAMPLE[scene], f"{len(faults)} faults")
        report(faults, in_parallel(space.run, faults))


@test(3)
def what_went_wrong_once_does_not_again() -> None:
    """
    Silent losses of what the image has in /tmp, an application that ran though nobody knew, stops without a word,
    a /proc that was only a folder, services that began while a stop was told, a heartbeat that waited for a word.
    """
    wanted = [("plain", "main write", "", "EIO"), ("plain", "open", "/run", "EMFILE"), ("plain", "open", "/tmp", "EIO"),
              ("plain", "fstat", "/tmp", "EIO"), ("full", "newfstatat", "file", "EIO"),
              ("full", "main prctl", "24 5", "EINVAL"), ("full", "openat", "/etc/group", "EIO"),
              ("plain", "signalfd4", "", "EMFILE"), ("full", "console init mount", " /proc", "EPERM"),
              ("full", "spawn init openat", "/etc/filter", "EIO"), ("plain", "heartbeat init sendto", "", "ENOBUFS")]
    faults = [found(*w) for w in wanted if w[0] in space.scenes()]
    report(faults, in_parallel(space.run, faults))


@test
def nothing_can_block_pid_1_once_the_image_runs() -> None:
    """PID 1's calls from the first exec of a child to the restart: none that can block, but for its loop's one."""
    for scene in space.scenes():
        must_not_block(space.clean(scene)[2])


@test
def an_init_that_can_be_blocked_is_found() -> None:
    """Mutants whose calls do not block here, and could."""
    tries = {"nap": "nanosleep: no rule allows it", "gulp": "read: a pipe that blocks",
             "peek": "a path of the image: /etc/hosts", "linger": "it is another wait than the loop's",
             "doze": "end: nanosleep: no rule allows it"}
    for mutant, call in tries.items():
        found = space.blocking(space.traced("again", mutant=mutant)[1])
        check(any(call in f for f in found), f"{mutant}: {found}, not '{call}'")


@test(5)
def mistakes_of_an_init_are_found() -> None:
    """Each mutant with a fault that an init without mistakes stands: a finding, and the one that it should be."""
    lo, hosts = ("plain", "socket", "", "EMFILE"), ("plain", "open", "/etc/hosts", "EACCES")
    stop = ("plain", "clone3", "for main", "EAGAIN")
    tries = [("blind", lo, "quiet, not warn"), ("silent", hosts, "quiet, not warn"),
             ("silent", stop, "without a reason"), ("early", ("plain", "pipe2", "for main", "EMFILE"), r"told \((183, 8|8, 183)\)"), ("panic", stop, "PID 1 is gone"),
             ("hang", stop, "no end"), ("rude", stop, "told nothing")]
    if "full" in space.scenes():
        tries.append(("lax", ("full", "chmod", "/dev/nsm", "EPERM"), "quiet, not stop"))
        # Each is seen by what runs, too.
        for call, args in (("main prctl", "24 1"), ("aid prctl", "24 5"), ("main prctl", "38 1"), ("aid prctl", "38 1"), ("main setgroups", ""),
                           ("main setgid", "")):
            # The jail's own filter has set no-new-privileges already: of that one the rule alone tells.
            tries.append(("bold", ("full", call, args, "EPERM"), "not stop" if args == "38 1" else "other privileges"))
        tries.append(("bold", ("full", "main capset", "", "EPERM"), "quiet, not stop|other privileges"))
    # The one that hangs is not waited for as long as others may take on a busy machine.
    outcomes = in_parallel(lambda t: space.run(found(*t[1]), mutant=t[0], **({"deadline": 5} if t[0] == "hang" else {})), tries)
    for (mutant, fault, why), o in zip(tries, outcomes):
        check(o.kind == "finding" and re.search(why, o.why), f"{mutant}, {fault}: {o.kind}, {o.why}, not '{why}'")
