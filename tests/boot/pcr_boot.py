"""5 and 7: PCRs as configured, the mode of /dev/nsm, the nsm tool."""

import hashlib
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from .aws_boot import aws_image
from .console_boot import prepared, usual
from .lib import TOP, Boot, Tree, boot, built, check, enclave, image, same, shared, test
from .root_boot import LARGE, TOOL, beside_the_root, odd

CONTENT = bytes(range(256)) * 1000 + b"the end"
CONFIG = """# of the tests
pcr-extend = 16 data version 1.2 of today
pcr-extend = 17 file config /etc/app/config
pcr-extend = 16 file empty /etc/app/empty
pcr-lock = 16 18-19
nsm-owner = 1000
nsm-group = 50
nsm-mode = 0660
"""
ACTS = ("pcr", "16", "pcr", "17", "pcr", "18", "pcr", "19", "pcr", "20", "pcr", "31",
        "extend", "16", "extend", "17", "extend", "18", "pcr", "0",
        "open-as", "1000:1:/dev/nsm", "open-as", "1001:50:/dev/nsm", "open-as", "1002:1:/dev/nsm",
        "change", TOOL, "exec", TOOL)


def measure(name: bytes, content: bytes) -> bytes:
    """The formula of nsm/nsmc.h."""
    return hashlib.sha384(b"enclave-init measurement 1\0" + len(name).to_bytes(8, "big") + name
                          + len(content).to_bytes(8, "big") + content).digest()


def pcr(*extensions: bytes) -> str:
    value = bytes(48)
    for data in extensions:
        value = hashlib.sha384(value + data).digest()
    return value.hex()


def files() -> Tree:
    tree = Tree()
    tree.file("etc/app/config", CONTENT, 0o600)
    tree.file("etc/app/empty", "")
    tree.link("etc/app/link", "config")
    tree.link("srv", "etc/app")
    return tree


@shared
def configured() -> Boot:
    """All that can be asked for."""
    return boot(image("/bin/act", *ACTS, files=files(), config=CONFIG,
                      boot_files={"nsm": (built("apps/probe"), 0o600)}))


def expect_pcrs(b: Boot) -> None:
    """As predicted; what was locked is, and nothing else is."""
    b.expect(pcr16=pcr(measure(b"version", b"1.2 of today"), measure(b"empty", b"")),
             pcr17=pcr(measure(b"config", CONTENT)), pcr18=pcr(), pcr19=pcr(), pcr20=pcr(),
             pcr31=pcr(), lock16="yes", lock17="no", lock18="yes", lock19="yes", lock20="no",
             lock31="no", extend16="ReadOnlyIndex", extend17="ok", extend18="ReadOnlyIndex")
    b.expect_said("init: entropy: PCR17: extended, but not locked: no document attests it")
    same(len(b.log), 3, "lines of log")


def expect_device(b: Boot) -> None:
    same(b.path("/dev/nsm"), "020660 1000:50", "/dev/nsm")
    same(b.all("open"), ["1000 ok", "1001 ok", "1002 Permission denied"], "who opens it")


def expect_tool(b: Boot) -> None:
    """The probe of these tests, run as /nsm."""
    same(b.path(TOOL), "100555 0:0", "the tool")
    same(b.path("/run/enclave/bin"), "040755 0:0", "its folder")
    kind, options, _ = b.mount(TOOL)
    check(kind in ("tmpfs", "rootfs", "ramfs"), f"the file system: {kind}")
    check({"ro", "nosuid", "nodev"} <= options and "noexec" not in options, f"options: {options}")
    b.expect(write="Read-only file system", chmod="Read-only file system", unlink="Resource busy",
             done="yes")
    same(b.all("arg"), [f"[{TOOL}]"], "what ran")
    same(b.path("/init"), "No such file or directory", "/init")


@test()
def pcrs_are_as_predicted():
    """Data and files, in their order, by hashlib; locks hold; what is not locked is told."""
    expect_pcrs(configured())


@test()
def pcrs_of_the_image_stay():
    """PCR0 is the image's measurement with a configuration, too."""
    b = configured()
    b.expect(lock0="yes")
    same(b.fact("pcr0"), image("/bin/act", *ACTS, files=files(), config=CONFIG,
                               boot_files={"nsm": (built("apps/probe"), 0o600)})
         .measurements()["PCR0"], "PCR0")


@test()
def device_is_only_for_whom_it_should():
    """Owner, group and mode are on the node that users of the application find."""
    expect_device(configured())


@test()
def tool_is_at_its_place():
    """Root's, 0555 whatever it was, to be run, and not to be changed by root."""
    expect_tool(configured())


@test()
def without_configuration_nothing_is_done():
    """PCRs from 16 on zero and open, /dev/nsm for all, no tool."""
    b = usual()
    b.expect(pcr16=pcr(), lock16="no", pcr31=pcr(), lock31="no", extend16="ok")
    same(b.path("/dev/nsm"), "020666 0:0", "/dev/nsm")
    check(not any("/run/enclave" in p for p in b.all("path")), "/run/enclave is there")
    same(len(b.log), 2, "lines of log")


@test(8)
def pcrs_device_and_tool_on_4_14():
    """All of it on AWS's 4.14 kernel for arm64, with AWS's driver."""
    eif = aws_image()
    app, boot_files = files(), {e.name: e.data for e in enclave.cpio_read(eif.ramdisks[0])}
    app.file("bin/act", built("apps/act", "aarch64"), 0o755)
    ramdisks = [enclave.boot_ramdisk(built("init", "aarch64"), {"nsm.ko": boot_files["nsm.ko"]},
                                     files={"nsm": (built("apps/probe", "aarch64"), 0o644)}),
                enclave.app_ramdisk(app, enclave.lines(["/bin/act", *ACTS]), b"",
                                    config=CONFIG.encode())]
    b = boot(replace(eif, ramdisks=[r.cpio() for r in ramdisks]), append="panic=-1")
    check(b.fact("kernel").startswith("4.14."), b.fact("kernel"))
    expect_pcrs(b)
    expect_device(b)
    expect_tool(b)


@test()
def tool_costs_its_size_once():
    """It is not copied: files in memory grow by no more than it has."""
    grown = int(beside_the_root().fact("mem.Shmem").split()[0]) - int(usual().fact("mem.Shmem").split()[0])
    # The kernel counts in batches.
    check(abs((grown << 10) - LARGE) < 1 << 20, f"{grown} KiB more for {LARGE >> 10} KiB")


@test()
def tool_is_led_nowhere():
    """A link of the image, /run/enclave to /etc, is not followed; the boot goes on."""
    b = odd()
    b.expect_said(f"init: mounts: {TOOL}: Symbolic link loop")
    b.expect(read="the image's")
    same(b.path("/run/enclave"), "-> /etc", "the link")
    check(not any(m.split(" ")[0].endswith("/nsm") for m in b.all("mount")), "it is mounted")
    b.expect_heartbeat()


@test()
def a_file_that_cannot_be_measured_stops():
    """A link on the way: the parent is told of step 5, and nothing of the image runs."""
    for path, why in (("/srv/config", "a symbolic link, which is not followed"),
                      ("/etc/app/none", "No such file or directory")):
        b = boot(image("/bin/probe", files=files(), config=f"pcr-extend = 16 file conf {path}\n"))
        b.expect_stop(5, f"init: entropy: PCR16: conf: {path}: {why}")
        check(not b.facts, "something of the image ran")


@test()
def a_pcr_that_is_locked_already_stops():
    """It cannot be extended any more; to lock it once more is fine."""
    b = boot(image(shim=True, config="pcr-lock = 17\npcr-extend = 16 data n v\n"),
             append="shim_lock_pcr16")
    b.expect_stop(5, "init: entropy: PCR16: n: not extended: ReadOnlyIndex")
    check(not b.all("getrandom"), "something of the image ran")
    b = prepared()
    b.expect(lock16="yes", pcr16=pcr())


@test()
def a_fault_of_the_configuration_stops():
    """Step 3, with line and column."""
    b = boot(image(config="pcr-lock = 16\npcr-extent = 17 data n v\n"))
    b.expect_stop(3, "init: spec: /enclave-init.conf: line 2, column 1: no such key, the nearest "
                     "is pcr-extend")
    check(not b.facts, "something of the image ran")
