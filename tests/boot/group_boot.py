"""Control groups of services, and what user 0 without a capability can do to the kernel, by init's functions: 6.12 and AWS's 4.14."""

from dataclasses import replace

from .aws_boot import aws_ramdisks
from .lib import Boot, Tree, boot, built, check, image, same, shared, test

ROUNDS = 5  # of tests/apps/group.c
READ_ONLY = "Read-only file system"
DENIED = "Operation not permitted"
MISSING = "No such file or directory"


MODES = ("limits", "kill", "protect", "open", "confined", "confined")
CONFINED = "capability-bounding-set = none\nno-new-privileges = yes\n"
# The last two modes are of services, whom the configuration confines: one behind the other, and behind the application's modes.
SERVICES = f"""
end = all
[confined]
command = /bin/group -/run/tried confined +/run/confined
{CONFINED}
[opened]
command = /bin/group -/run/confined confined +/run/opened
{CONFINED}
protect-kernel = no
"""


def run(old: bool) -> Boot:
    files = Tree()
    files.file("bin/group", built("apps/group", "aarch64" if old else "x86_64"), 0o755)
    words = ("/bin/group", *MODES[:4], "+/run/tried", "-/run/opened")
    if old:
        b = boot(aws_ramdisks(files, *words, config=SERVICES.encode()), append="panic=-1", cpus=2)
    else:
        b = boot(image(*words, files=files, config=SERVICES), cpus=2)
    b.expect_end("/bin/group", "exited with code 0")
    return b


@shared
def on_6_12() -> Boot:
    return run(old=False)


@shared
def on_4_14() -> Boot:
    return run(old=True)


def part(b: Boot, mode: str, number: int = 0) -> Boot:
    """B with what was said in that mode alone, or in the next of its name."""
    lines = b.result.console
    begins = [n for n, (_, line) in enumerate(lines) if line.startswith("@mode=")] + [len(lines)]
    same([lines[n][1] for n in begins[:-1]], [f"@mode={m}" for m in MODES], "the modes")
    at = MODES.index(mode) + number
    return Boot(replace(b.result, console=lines[begins[at]:begins[at + 1]]))


def expect_limits(b: Boot) -> None:
    """The fifth process is refused, and memory beyond the limit ends who wants it."""
    b.expect(empty__before="1", enter="done", empty__within="0", memory="Killed", renew="done",
             pids="4 Resource temporarily unavailable")


def expect_kill(b: Boot) -> None:
    """Each round empties the group at once, though members ignore signals, are stopped, and fork into new sessions."""
    for key, value in (("after", "empty"), ("renew", "done")):
        same(b.all(key), [value] * ROUNDS, key)
    kills = b.all("kill")  # a wait that should not be there slows each; a busy machine one or two
    same([kill.split()[0] for kill in kills], ["many"] * ROUNDS, "how many are killed")
    check(kills.count("many quick") > ROUNDS // 2, f"how long it takes: {kills}")
    b.expect(spared="0", again="0")


def expect_protection(b: Boot) -> None:
    """The kernel's files are read-only and stay so; /tmp and its own files are as before."""
    b.expect(tmp="done", score="done", core_pattern=READ_ONLY, sysrq=READ_ONLY, irq=READ_ONLY, sys=READ_ONLY,
             pid1=READ_ONLY, pid1__limit=DENIED, user=DENIED)


def expect_none(b: Boot) -> None:
    """Without it each of them works, but for the limits of PID 1, which the boot has taken away."""
    b.expect(tmp="done", core_pattern="done", sysrq="done", irq="done", sys="done", pid1="done", user="done",
             user__proc="done", user__core_pattern="done", user__sysfs="done", user__cgroup="done", pid1__limit=DENIED)


@test()
def limits_of_version_2_hold():
    """Files of the kernel's have the limits, of controllers that only the group has that needs them."""
    b = part(on_6_12(), "limits")
    b.expect(version="2", v2__memory=str(8 << 20), v2__pids="5", v2__cpu="50", v1__pids=MISSING,
             cgroup="0::/tasks.service")
    expect_limits(b)


@test(8)
def limits_of_version_1_hold():
    """The same on AWS's 4.14, in the hierarchies that are needed."""
    b = part(on_4_14(), "limits")
    b.expect(version="1", v1__memory=str(8 << 20), v1__pids="5", v1__cpu="512", v2__pids=MISSING)
    expect_limits(b)


@test()
def a_group_is_killed_whatever_its_processes_do():
    """By cgroup.kill, and by passes where one is spared; with two processors."""
    expect_kill(part(on_6_12(), "kill"))


@test(8)
def a_group_is_killed_on_4_14():
    """By the freezer and passes over what pids lists."""
    expect_kill(part(on_4_14(), "kill"))


@test()
def root_without_capabilities_cannot_change_the_kernel():
    """core_pattern, sysrq, interrupts, /sys, control groups, user namespaces, limits of PID 1."""
    b = part(on_6_12(), "protect")
    b.expect(protect="done", cwd="/dev/shm 1")
    expect_protection(b)


@test(8)
def root_without_capabilities_cannot_change_4_14():
    """The same, with a dozen hierarchies of control groups."""
    b = part(on_4_14(), "protect")
    b.expect(protect="done", cwd="/dev/shm 1")
    expect_protection(b)


@test()
def root_without_protection_can():
    """What protects is what was tried; nsdelegate alone keeps PID 1 from groups of a namespace."""
    b = part(on_6_12(), "open")
    expect_none(b)
    b.expect(user__pid1=MISSING)


@test(8)
def root_without_protection_can_on_4_14():
    """In version 1 a user namespace is enough to take PID 1 into a group."""
    b = part(on_4_14(), "open")
    expect_none(b)
    b.expect(user__pid1="done")


@test()
def a_confined_root_is_protected():
    """The configuration's keys alone, on 6.12; protect-kernel = no opens all that a capability does not guard."""
    expect_protection(part(on_6_12(), "confined"))
    expect_none(part(on_6_12(), "confined", 1))


@test(8)
def a_confined_root_is_protected_on_4_14():
    """The same on AWS's."""
    expect_protection(part(on_4_14(), "confined"))
