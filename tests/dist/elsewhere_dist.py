"""mkeif of a release on machines that are not Debian: in a root with nothing else in it, and for arm64."""

import json
import os
import shutil
from pathlib import Path

from images import stubs
from images.containers import SHELL, shell_layers
from images.oci import PACKED, single
from machine import kernel_dir

from .lib import TOP, Skip, built, check, folder, run, same, test
from .release_dist import unpack

MACHINE = os.uname().machine
INSIDE = ("unshare", "--user", "--map-root-user", "chroot")
# What decides about bytes, or where something is found, and is not the test's.
ENV = {"SOURCE_DATE_EPOCH": "1700000000", "TMPDIR": "/images", "NITRO_CLI_BLOBS": None}


def kernel(name: str) -> Path:
    try:
        return kernel_dir("module") / name
    except RuntimeError as e:
        raise Skip(str(e)) from None


def empty_root(tmp: Path) -> Path:
    """
    A root with the release, an image by each compression, and what boots; no library, no /dev, no /proc, no /etc.
    """
    if MACHINE != "x86_64":
        raise Skip("the kernel is for x86-64")
    root = unpack(tmp, MACHINE).rename(tmp / "root")
    work = root / "images"
    work.mkdir()
    for name in ("bzImage", "nsm.ko"):
        shutil.copy(kernel(name), work)
    for packed in PACKED:
        single(work / packed, shell_layers(), SHELL, packed)
    return root


def arguments(work: Path, packed: str, name: str) -> list[object]:
    """The init is the one that mkeif finds beside it."""
    return ["build", "--quiet", "--arch", "x86_64", "--image", work / packed, "--kernel", work / "bzImage",
            "--module", work / "nsm.ko", "--output", work / name]


@test(seconds=10)
def mkeif_of_a_release_runs_in_an_empty_root():
    """It makes an image of each kind of layer, with the bytes and the PCRs of this machine's build/mkeif."""
    with folder() as tmp:
        root = empty_root(tmp)
        inside = (*INSIDE, root, "/bin/mkeif")
        for packed in PACKED:
            there = run(*inside, *arguments(Path("/images"), packed, "there.eif"), env=ENV)
            same((there.returncode, there.stderr), (0, ""), f"mkeif in an empty root, {packed}")
            here = run(TOP / "build/mkeif", *arguments(root / "images", packed, "here.eif"),
                       env={**ENV, "TMPDIR": str(root / "images")})
            same((here.returncode, here.stderr), (0, ""), f"build/mkeif, {packed}")
            same(there.stdout, here.stdout, f"the PCRs, {packed}")
            check((root / "images/there.eif").read_bytes() == (root / "images/here.eif").read_bytes(), f"{packed}: other bytes")
            said = run(*inside, "pcr", "/images/there.eif", "--json")
            same((said.returncode, said.stderr), (0, ""), "mkeif pcr")
            same(json.loads(said.stdout)["Measurements"], json.loads(there.stdout)["Measurements"], "what mkeif pcr prints")


@test(seconds=4)
def what_mkeif_runs_and_is_not_there_is_named():
    """skopeo, tar2sqfs and p11-kit are programs of the machine: without them mkeif says which one it wants."""
    with folder() as tmp:
        root = empty_root(tmp)
        work = root / "images"
        (work / "key").write_text("")
        given = arguments(work, "plain", "no.eif")
        for words, said in (([*given, "--squashfs"], "tar2sqfs, which --squashfs needs"),
                            ([*given[:4], "--image", "docker-daemon:x:latest", *given[6:]],
                             "skopeo is needed for it and is not installed"),
                            ([*given, "--sign-key", "pkcs11:token=x", "--sign-cert", work / "key"],
                             "p11-kit: no such program in PATH")):
            done = run(root / "bin/mkeif", *words, env={**ENV, "TMPDIR": str(work), "PATH": str(work)})
            same(done.returncode, 5, f"{said}: {done.stderr}")
            check(said in done.stderr, f"not {said}: {done.stderr}")
            check(not (work / "no.eif").exists(), "an output")


@test(seconds=30)
def mkeif_for_another_architecture_makes_the_same_bytes():
    """The one for arm64, by QEMU's emulation of programs."""
    emulator = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    if not emulator:
        raise Skip("no qemu-aarch64 (Debian's qemu-user)")
    # Nothing boots or runs them, and emulated, to unpack and to measure true ones takes seconds. What is larger than a block
    # of the hashes has threads.
    layers = shell_layers(stubs.elf(more=bytes(range(256)) * 1500))
    with folder() as work:
        (work / "bzImage").write_bytes(stubs.kernel())
        (work / "nsm.ko").write_bytes(stubs.module())
        for packed in PACKED:
            single(work / packed, layers, SHELL, packed)
            made = []
            for program in ((TOP / "build/mkeif",), (emulator, built("mkeif", "aarch64"))):
                done = run(*program, *arguments(work, packed, "x.eif"), "--init", built("init", "x86_64"),
                           env={**ENV, "TMPDIR": str(work)})
                same((done.returncode, done.stderr), (0, ""), f"{program[-1]}, {packed}")
                made.append((work / "x.eif").read_bytes())
            check(made[0] == made[1], f"{packed}: other bytes")
