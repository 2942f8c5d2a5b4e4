"""AWS's own image, and the runner."""

import re
import subprocess
from dataclasses import replace

from images import eifs
from machine import nsm_root

from .lib import DEADLINE_S, TOP, Tree, boot, built, check, enclave, same, test
from .root_boot import expect_file_systems

# What the formula gives for the image as AWS built it.
AWS_PCR0 = ("bb284bdbdb58acc5378b549b0f8aa74663f306dd7f37fe612c2f255ed957d074"
            "7ebe5f4e1e521aba45703be7fbb44478")


def aws_image() -> enclave.Eif:
    return enclave.Eif.load(eifs.aws_image())


def aws_ramdisks(app: Tree, *cmd: str, config: bytes | None = None,
                 boot_files: dict[str, bytes] | None = None) -> enclave.Eif:
    """AWS's kernel and nsm.ko, our init with BOOT_FILES, and APP, which runs CMD, with that configuration."""
    eif = aws_image()
    module = next(e.data for e in enclave.cpio_read(eif.ramdisks[0]) if e.name == "nsm.ko")
    ramdisks = [enclave.boot_ramdisk(built("init", "aarch64"), {"nsm.ko": module} | (boot_files or {})),
                enclave.app_ramdisk(app, enclave.lines(cmd), b"", config=config)]
    return replace(eif, ramdisks=[r.cpio() for r in ramdisks])


@test(8)
def awss_image_boots_our_init():
    """AWS's arm64 image on AWS's 4.14 kernel and nsm.ko, with our init in place of AWS's."""
    eif = aws_image()
    same(eif.measurements()["PCR0"], AWS_PCR0, "PCR0")
    b = boot(eif.with_init(built("init", "aarch64")), append="panic=-1")
    # Not the HELLO of its /env, which its script does not print.
    check("Hello (from a nitro enclave!)" in b.result.text, "no hello")
    b.expect_end("/bin/hello.sh", "exited with code 0")
    b.expect_heartbeat()
    same(len(b.log), 2, "lines of log")


@test(8)
def file_systems_on_4_14():
    """On AWS's 4.14 kernel, too: file systems, v1 control groups, loopback, entropy."""
    app = Tree()
    app.file("bin/probe", built("apps/probe", "aarch64"), 0o755)
    b = boot(aws_ramdisks(app, "/bin/probe"), append="panic=-1")
    check(b.fact("kernel").startswith("4.14."), b.fact("kernel"))
    expect_file_systems(b)
    for name in ("memory", "cpu", "pids", "cpuset"):
        same(b.mount(f"/sys/fs/cgroup/{name}")[0], "cgroup", name)
    same([a for a in b.all("addr") if a.startswith("lo ")], ["lo up 127.0.0.1", "lo up ::1"], "lo")
    b.expect(getrandom="ready", hostname="localhost", tty="No such device or address", foreground="-1")
    b.expect_end("/bin/probe", "exited with code 0")


@test(6)
def run_enclave_shows_console_and_parent():
    """run-enclave boots an image, shows both sides, ends with the enclave, and has its document verified."""
    built("init"), built("hello"), built("nsm"), built("relay")
    done = subprocess.run([TOP / "scripts/run-enclave", "--hello", "--timeout", str(DEADLINE_S)], cwd=TOP, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    same(done.returncode, 0, f"the status ({done.stdout[-500:]})")
    for text in ('"PCR0": "', "Hello from the enclave side!", "parent: heartbeat after ",
                 "init: end: /bin/hello: exited with code 0", "the enclave ended after ",
                 "main: Hello from the enclave side!", "run-enclave: parent: running, ready",
                 "run-enclave: parent: exited with code 0 (main)", f"signed: nsm verify --root {nsm_root()}", "$ build/x86_64/nsm verify build/hello.doc"):
        check(text in done.stdout, f"no '{text}' in: {done.stdout[-1500:]}")
    check(re.search("^verified: +yes$", done.stdout, re.MULTILINE), done.stdout[-1500:])
