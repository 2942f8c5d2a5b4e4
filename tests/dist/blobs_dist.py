"""scripts/blobs: the folder for NITRO_CLI_BLOBS, from folders that are made up."""

import hashlib
import subprocess
from pathlib import Path

from images.stubs import elf, kernel, module

from .lib import ARCHES, TOP, check, folder, run, same, test

KERNEL = {"x86_64": "bzImage", "aarch64": "Image"}
LINUX = {"x86_64": "x86_64", "aarch64": "arm64"}
RELEASE = "4.14.256-209.484.amzn2"
CMDLINE = {"x86_64": "reboot=k panic=30 pci=off nomodules console=ttyS0 i8042.noaux i8042.nomux i8042.nopnp "
                     "i8042.dumbkbd random.trust_cpu=on\n",
           "aarch64": "reboot=k panic=30 pci=off nomodules console=ttyS0 random.trust_cpu=on root=/dev/ram0\n"}


def installed(at: Path, arch: str = "x86_64", **changed: bytes | None) -> Path:
    """nitro-cli's folder for ARCH; CHANGED files by name (a dot is __) have another content, or none."""
    files = {KERNEL[arch]: kernel(arch, RELEASE),
             f"{KERNEL[arch]}.config": f"#\n# made\n# Linux/{LINUX[arch]} {RELEASE} Kernel Configuration\n#\n".encode(),
             "nsm.ko": module(arch, RELEASE), "linuxkit": elf(arch, more=b"linuxkit"),
             "init": elf(arch, more=b"AWS's"), "cmdline": CMDLINE[arch].encode()}
    files.update({name.replace("__", "."): data for name, data in changed.items()})
    at.mkdir(parents=True)
    for name, data in files.items():
        if data is not None:
            (at / name).write_bytes(data)
    return at


def blobs(tmp: Path, *words: object, arch: str = "x86_64", init: bytes | None = None, source: Path | None = None,
          named: str | None = None, **how: object) -> subprocess.CompletedProcess:
    """Into TMP/out, with an init for ARCH."""
    (tmp / "ours").write_bytes(elf(arch, more=b"ours") if init is None else init)
    return run(TOP / "scripts/blobs", "--arch", arch, "--init", tmp / "ours",
               *(("--from", source) if source else ()), *words, tmp / "out", env={"NITRO_CLI_BLOBS": named}, **how)


def refused(tmp: Path, done: subprocess.CompletedProcess, *texts: str) -> None:
    """It said TEXTS, a line each, and left nothing behind."""
    same(done.returncode, 1, f"the status of: {done.stderr}")
    same(done.stderr.splitlines(), [f"blobs: {t}" for t in texts], "what it says")
    same(done.stdout, "", "stdout")
    left = sorted(p.name for p in tmp.iterdir() if p.name not in ("ours", "in"))
    same(left, [], "what is left")


@test
def a_complete_folder():
    """Both architectures: nitro-cli's six names, their content, modes whatever the umask, and hashes."""
    for arch in ARCHES:
        with folder() as tmp:
            source = installed(tmp / "in", arch)
            done = blobs(tmp, arch=arch, source=source, umask=0o077)
            same((done.returncode, done.stderr), (0, ""), "the run")
            name = KERNEL[arch]
            same({p.name: oct(p.stat().st_mode & 0o777) for p in (tmp / "out").iterdir()},
                 {"init": "0o755", "linuxkit": "0o755", "nsm.ko": "0o644", "cmdline": "0o644", name: "0o644",
                  f"{name}.config": "0o644"}, "the files")
            same(oct((tmp / "out").stat().st_mode & 0o777), "0o755", "the folder's mode")
            for same_name in ("linuxkit", "nsm.ko", name, f"{name}.config"):
                same((tmp / "out" / same_name).read_bytes(), (source / same_name).read_bytes(), same_name)
            same((tmp / "out/init").read_bytes(), elf(arch, more=b"ours"), "init")
            same((tmp / "out/cmdline").read_text(), CMDLINE[arch], "cmdline")
            same(done.stdout, "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p}\n"
                                      for p in sorted((tmp / "out").iterdir())), "the hashes")
            same(sorted(p.name for p in tmp.iterdir()), ["in", "ours", "out"], "what is there")


@test
def where_it_looks():
    """What is given, else NITRO_CLI_BLOBS; and the folder of the architecture, as nitro-cli's sources have it."""
    with folder() as tmp:
        a, b = installed(tmp / "in/a"), installed(tmp / "in/b", linuxkit=elf(more=b"b"))
        same(blobs(tmp, named=str(a)).returncode, 0, "the status")
        same((tmp / "out/linuxkit").read_bytes(), elf(more=b"linuxkit"), "linuxkit of NITRO_CLI_BLOBS")
        same(blobs(tmp, named=str(a), source=b).returncode, 0, "the status")
        same((tmp / "out/linuxkit").read_bytes(), elf(more=b"b"), "linuxkit of --from")
        installed(tmp / "in/c/aarch64", "aarch64"), installed(tmp / "in/c/x86_64")
        same(blobs(tmp, arch="aarch64", source=tmp / "in/c").returncode, 0, "the status")
        check((tmp / "out/Image").exists(), "no Image")
        check(not (tmp / "out/bzImage").exists(), "the former kernel is still there")


@test
def no_folder_is_told():
    """Where none is found it says how to name one."""
    hint = "name that of a nitro-cli by FROM=DIR or NITRO_CLI_BLOBS"
    with folder() as tmp:
        refused(tmp, blobs(tmp, source=tmp / "none"), f"no folder {tmp}/none: {hint}")
        refused(tmp, blobs(tmp, named=f"{tmp}/none"), f"no folder {tmp}/none (as NITRO_CLI_BLOBS says): {hint}")
        if not Path("/usr/share/nitro_enclaves/blobs").exists():
            refused(tmp, blobs(tmp), f"no folder /usr/share/nitro_enclaves/blobs: {hint}")


@test
def each_missing_file_is_named():
    """One, several and all of nitro-cli's files; its init and cmdline are not needed."""
    names = {"bzImage": "the kernel", "bzImage.config": "its configuration", "nsm.ko": "the NSM's driver",
             "linuxkit": "what packs the ramdisks"}
    for missing in [[n] for n in names] + [["nsm.ko", "linuxkit"], list(names)]:
        with folder() as tmp:
            source = installed(tmp / "in", **{n.replace(".", "__"): None for n in missing})
            refused(tmp, blobs(tmp, source=source), *(f"{source}: no {n} ({names[n]})" for n in missing))
    with folder() as tmp:
        done = blobs(tmp, source=installed(tmp / "in", init=None, cmdline=None))
        same((done.returncode, done.stderr), (0, ""), "without init and cmdline")
    with folder() as tmp:
        source = installed(tmp / "in", "aarch64")
        refused(tmp, blobs(tmp, source=source), f"{source}: no bzImage (the kernel)",
                f"{source}: no bzImage.config (its configuration)", f"{source}: the kernel is aarch64's: ARCH=aarch64")


@test
def architectures_agree():
    """Kernel, nsm.ko, linuxkit and init of another architecture, or of none, are refused by name."""
    arm, none = elf("aarch64"), "neither an x86-64 nor an arm64 ELF program"
    for change, said in (({"bzImage": kernel("aarch64")}, "bzImage: it is for aarch64, not x86_64"),
                         ({"nsm__ko": arm}, "nsm.ko: it is for aarch64, not x86_64"),
                         ({"linuxkit": arm}, "linuxkit: it is for aarch64, not x86_64"),
                         ({"bzImage": b"text"}, "bzImage: neither an x86-64 bzImage nor an arm64 Image"),
                         ({"bzImage": b""}, "bzImage: neither an x86-64 bzImage nor an arm64 Image"),
                         ({"nsm__ko": b"version https://git-lfs"}, f"nsm.ko: {none}")):
        with folder() as tmp:
            source = installed(tmp / "in", **change)
            refused(tmp, blobs(tmp, source=source), f"{source}/{said}")
    with folder() as tmp:
        source = installed(tmp / "in", nsm__ko=arm)
        refused(tmp, blobs(tmp, source=source, init=arm), f"{source}/nsm.ko: it is for aarch64, not x86_64",
                f"{tmp}/ours: it is for aarch64, not x86_64")
    with folder() as tmp:
        same(blobs(tmp, source=installed(tmp / "in", linuxkit=b"#!/bin/sh\n")).returncode, 0, "a script")


@test
def a_config_that_nitro_cli_cannot_read_is_refused():
    """nitro-cli panics where there is no third line; where it is another one it writes Unknown, and that is said."""
    for config in (b"", b"#\n#\n", b"#\n#", b"# Linux/x86_64 4.14\n"):
        with folder() as tmp:
            source = installed(tmp / "in", bzImage__config=config)
            refused(tmp, blobs(tmp, source=source),
                    f"{source}/bzImage.config: fewer than three lines, at which nitro-cli panics")
    for config in (b"#\n#\n#\n", b"\n\n\n", b"#\n#\n#"):
        with folder() as tmp:
            source = installed(tmp / "in", bzImage__config=config)
            done = blobs(tmp, source=source)
            same((done.returncode, done.stderr),
                 (0, f"blobs: warning: {source}/bzImage.config: the third line is not '# Linux/ARCH VERSION ...': nitro-cli "
                     "will write a KernelVersion that means nothing into the metadata\n"), "the run")


@test
def doubts_are_told():
    """Another release of nsm.ko than the kernel's, and another command line, are said and taken."""
    for arch in ARCHES:
        with folder() as tmp:
            source = installed(tmp / "in", arch, nsm__ko=module(arch, "6.6.79"), cmdline=b"quiet\n")
            done = blobs(tmp, arch=arch, source=source)
            same(done.returncode, 0, "the status")
            same(done.stderr, f"blobs: warning: nsm.ko was built for Linux 6.6.79, the kernel is {RELEASE}\n"
                 f"blobs: note: the command line is not that of {source}/cmdline, but: {CMDLINE[arch]}", "what it says")


@test
def only_a_folder_of_its_own_is_replaced():
    """A folder with anything else in it, a file, and the source itself stay as they are."""
    with folder() as tmp:
        source = installed(tmp / "in")
        (tmp / "out").mkdir()
        same(blobs(tmp, source=source).returncode, 0, "an empty folder")
        same(blobs(tmp, source=source).returncode, 0, "its own folder")
        (tmp / "out/precious").write_text("x")
        (tmp / "out/init").write_text("old")
        done = blobs(tmp, source=source)
        same((done.returncode, done.stderr), (1, f"blobs: {tmp}/out: not replaced: it holds precious\n"), "the run")
        same((tmp / "out/init").read_text(), "old", "init")
        (tmp / "file").write_text("x")
        done = run(TOP / "scripts/blobs", "--init", tmp / "ours", "--from", source, "--arch", "x86_64", tmp / "file")
        same((done.returncode, done.stderr), (1, f"blobs: {tmp}/file: not replaced: not a folder\n"), "the run")
        done = run(TOP / "scripts/blobs", "--init", tmp / "ours", "--arch", "x86_64", source,
                   env={"NITRO_CLI_BLOBS": str(source)})
        same((done.returncode, done.stderr), (1, f"blobs: {source}: source and destination are one folder\n"), "the run")
        same((source / "init").read_bytes(), elf(more=b"AWS's"), "the source's init")


@test
def nothing_is_left_half_made():
    """A disk that is full while it writes: no folder, no part of one, and a former one as it was."""
    with folder() as tmp:
        source = installed(tmp / "in", linuxkit=elf(more=bytes(1 << 20)))
        limit = ("prlimit", "--fsize=65536", "--")
        words = (TOP / "scripts/blobs", "--arch", "x86_64", "--init", tmp / "ours", "--from", source, tmp / "out")
        (tmp / "ours").write_bytes(elf(more=b"ours"))
        refused(tmp, run(*limit, *words), "[Errno 27] File too large")
        same(run(*words).returncode, 0, "without a limit")
        same(run(*limit, *words).returncode, 1, "with one")
        same(len(list((tmp / "out").iterdir())), 6, "files of the former folder")
        same((tmp / "out/linuxkit").stat().st_size, len(elf()) + (1 << 20), "the former linuxkit")
