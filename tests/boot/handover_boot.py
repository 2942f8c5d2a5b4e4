"""hand-over = yes: inits of others as process 1, each booting to its service; and init --heartbeat, run by one of them."""

from dataclasses import replace
from pathlib import Path

from .lib import VERSION, Boot, Tree, boot, built, check, image, same, shared, test
from .pack_boot import packed
from .squash_boot import handed_over_on_4_14

CONFIG = "hand-over = yes\n"


def expect_taken_over(b: Boot, program: str) -> None:
    """The parent knows, and nothing of ours was said after it."""
    b.expect_heartbeat()
    same([line for line in b.log if "mounts: " not in line],
         [f"init: spawn: {program}: process 1 from here on, by enclave-init {VERSION}"], "init's lines")


# --- busybox -----------------------------------------------------------------------

INITTAB = """\
::sysinit:/etc/rc sysinit
::wait:/etc/rc wait
::once:/etc/rc once
::shutdown:/etc/rc shutdown
"""

# Facts of process 1, an orphan for it to reap, and an orderly end.
RC = """\
#!/bin/sh
case $1 in
sysinit)
	echo "@pid1=$(cat /proc/1/comm) $(ls /proc/1/fd | tr '\\n' ' ')"
	echo "@ignored=$(sed -n 's/^SigIgn:.//p' /proc/1/status)"
	echo "@caps=$(sed -n 's/^CapEff:.//p' /proc/1/status)"
	echo "@tmp=$(stat -f -c %T /tmp)" ;;
once)
	[ ! -x /etc/more ] || /etc/more
	(sleep 1 & echo $! >/tmp/orphan)
	orphan=$(cat /tmp/orphan)
	echo "@parent=$(sed -n 's/^PPid:.//p' /proc/$orphan/status)"
	while [ -e /proc/$orphan ]; do sleep 1; done
	reboot ;;
*)
	echo "@$1=yes" ;;
esac
"""
TOOLS = ("sh", "cat", "echo", "ls", "mv", "reboot", "rm", "sed", "sleep", "stat", "tr")


def busybox(more: str = "") -> Tree:
    files = Tree()
    files.file("bin/busybox", Path("/bin/busybox").read_bytes(), 0o755)
    for tool in TOOLS:
        files.link(f"bin/{tool}", "busybox")
    files.link("sbin/init", "../bin/busybox")
    files.file("etc/inittab", INITTAB)
    files.file("etc/rc", RC, 0o755)
    if more:
        files.file("etc/more", more, 0o755)
    return files


@test()
def busybox_boots_to_its_service():
    """Its inittab is run through, an orphan reaped, and the machine restarted as it does that."""
    b = by_hand()
    # Not what its script has our program say and send.
    began = next(n for n, (_, line) in enumerate(b.result.console) if line.startswith("init: heartbeat: PORT "))
    first = next(e for e in b.result.parent if e["event"] == "received")
    expect_taken_over(Boot(replace(b.result, console=b.result.console[:began], parent=[first])), "/sbin/init")
    b.expect(wait="yes", parent="1", shutdown="yes", ignored="0" * 16, caps="000001ffffffffff", tmp="tmpfs")
    check(b.fact("pid1") == "init 0 1 2 ", f"process 1 and its descriptors: {b.fact('pid1')}")


@test()
def an_init_boots_on_aws_kernel():
    """4.14, arm64: process 1 is the program, and it restarts the machine."""
    b = handed_over_on_4_14()
    expect_taken_over(b, "/bin/act")
    same(b.all("read")[1:], ["act"], "the name of process 1")


@test()
def an_init_that_ends_panics_the_kernel():
    """Which ends the enclave as well, as the page says."""
    b = boot(image("/bin/act", "reap", "exit", "3", config=CONFIG), panics=True)
    expect_taken_over(b, "/bin/act")


@shared
def missing() -> Boot:
    """An init that is not there, which would have no vsock."""
    return boot(image("/sbin/init", config=CONFIG + "vsock = none\n"))


@test()
def an_init_that_is_missing_is_a_stop():
    """Step 8 for the parent, and the restart is ours."""
    b = missing()
    b.expect_stop(8, "init: spawn: /sbin/init: not found")
    b.expect_end("boot", "stopped in step 8, spawn")


# --- init --heartbeat ----------------------------------------------------------------

BEATS = """\
#!/bin/sh
for port in 0 x 2147483648; do
	/sbin/enclave-init --heartbeat $port; echo "@bad=$?"
done
/sbin/enclave-init --heartbeat 7; echo "@refused=$?"
/sbin/enclave-init --heartbeat; echo "@sent=$?"
/sbin/enclave-init; echo "@mistake=$?"
"""


@shared
def by_hand() -> Boot:
    """A script of an init that is not ours runs ours."""
    files = busybox(BEATS)
    files.file("sbin/enclave-init", built("init"), 0o755)
    return boot(image("/sbin/init", files=files, config=CONFIG))


@test(25)
def a_heartbeat_is_sent_by_hand():
    """By a script of an init that is not ours: 0 once the parent has answered, 1 with the reason, 2 for what is no port."""
    b = by_hand()
    same(b.result.received, ["b7"] * 2, "the parent received, of PID 1 and by hand")
    same(b.all("bad"), ["2"] * 3, "codes for what is no port")
    same(b.result.text.count("init: heartbeat: PORT is a number from 1 to 2147483647"), 3, "lines")
    b.expect(refused="1", sent="0")
    b.expect_said("init: heartbeat: CID 3 port 7: no connection: ")


# --- Debian's inits ------------------------------------------------------------------

def booted(name: str, program: str) -> Boot:
    """It boots to its service, which has the user that it says, and restarts the machine."""
    b = boot(packed(name)[0], memory=1024)
    expect_taken_over(b, program)
    b.expect(uid="1000")
    return b


@test(30)
def systemd_boots_to_its_service():
    """Debian's: file systems that it finds mounted, its own groups, units, and systemd-shutdown."""
    b = booted("systemd", "/lib/systemd/systemd")
    b.expect(pid1="systemd")


@test(20)
def s6_boots_to_its_service():
    """s6-svscan, found by PATH, with the image's variables; its finish script is process 1 at last."""
    b = booted("s6", "s6-svscan")
    b.expect(pid1="s6-svscan", env="[of the image]", finish="1")


@test(20)
def runit_boots_to_its_service():
    """Its three stages."""
    b = booted("runit", "/sbin/runit")
    b.expect(pid1="runit")
    same(b.all("stage"), ["1", "2", "3"], "stages")
