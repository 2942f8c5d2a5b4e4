"""mkeif build --squashfs: as another program unpacks it, the same everywhere, and what else takes such an image."""

import os
import shutil
import struct
import tarfile
from pathlib import Path

from images import containers
from images.containers import CMD, static_layer
from images.oci import Layer, single

from .bad_pack import raw_image
from .build_pack import IS_ROOT, elsewhere, expect_files, on_disk, rootfs
from .lib import (ASAN, DONE, FILE, REFUSED, USAGE, Eif, boot_options, build, built, check, folder, kernels, layout,
                 make, ramdisk, run, same, test, text, tool)

NAME = "rootfs.squashfs"
CAPABILITY = "security.capability"


def unsquashed(eif: Eif, path: Path) -> Path:
    """What squashfs-tools, which did not make it, unpacks."""
    (path / NAME).write_bytes(ramdisk(eif)[NAME].data)
    tool("unsquashfs", "-quiet", "-no-progress", *([] if IS_ROOT else ["-no-exit-code", "-no-xattrs"]), "-d", path / "root",
         path / NAME)
    return path / "root"


def expect_same(name: str, *options: str, times: bool = True) -> None:
    """With and without --squashfs the files are the same."""
    with folder() as path:
        plain = make(path / "x.eif", "--image", layout(name), *options)
        squashed = make(path / "y.eif", "--image", layout(name), *options, "--squashfs")
        expect_files(on_disk(unsquashed(squashed, path)), rootfs(plain), set(), times=times)
        same([n for n in ramdisk(squashed)], [NAME] + [n for n in ramdisk(plain) if not n.startswith("rootfs")], "the ramdisk")
        for file in set(ramdisk(squashed)) - {NAME}:
            same(ramdisk(squashed)[file].data, ramdisk(plain)[file].data, file)
        same(squashed.measurements()["PCR1"], plain.measurements()["PCR1"], "PCR1")


@test
def a_squashfs_holds_what_a_ramdisk_does() -> None:
    """Owners, modes, set-id, devices, pipes, hard links, times, names of all sorts; what is in no squashfs is the same."""
    for name in ("shell", "nopasswd", "tmplink", "multiline", "cmdonly"):
        expect_same(name)
    expect_same("shell", "--keep-times")


@test(seconds=20)
def many_and_deep_paths_are_in_it() -> None:
    """5,000 files, and a path as long as can be."""
    expect_same("many")
    with folder() as path:
        eif = make(path / "x.eif", "--image", layout("deep"), "--squashfs")
        (path / NAME).write_bytes(ramdisk(eif)[NAME].data)
        plain = make(path / "y.eif", "--image", layout("deep"))
        listed = tool("unsquashfs", "-ls", "-d", "", path / NAME).decode().splitlines()
        same({n.lstrip("/") for n in listed if n.strip("/")}, set(rootfs(plain)) - {"."}, "names")


@test
def odd_files_are_in_it() -> None:
    """Large owners, long names at each edge of a header, links to files and to links, devices, an empty file."""
    layer = Layer()
    layer.file("tell", built("apps/tell").read_bytes(), 0o755)
    for n in (98, 99, 100, 101, 255):
        layer.file("n" * n, f"{n}\n", 0o640)
        layer.link("l" * n, "t" * n)
        layer.hard("h" * n, "n" * n, 0o640)
    layer.file("a\nb \\ \xe9", "odd")
    layer.add("owner", tarfile.REGTYPE, 0o600, uid=2097152, gid=4294967294)
    with folder() as path:
        single(path / "layout", [layer], {"Entrypoint": ["/tell"]})
        plain = make(path / "x.eif", "--image", path / "layout")
        squashed = make(path / "y.eif", "--image", path / "layout", "--squashfs=gzip")
        expect_files(on_disk(unsquashed(squashed, path)), rootfs(plain), set(), times=True)


@test
def capabilities_are_kept() -> None:
    """Of a file in a layer and in a folder; with --drop-capabilities they are not there."""
    with folder() as path:
        eif = make(path / "x.eif", "--image", layout("capabilities"), "--squashfs")
        (path / NAME).write_bytes(ramdisk(eif)[NAME].data)
        got = tool("rdsquashfs", "-x", "server", path / NAME).decode()
        check(f"{CAPABILITY}=" in got, f"xattrs: {got}")
        if IS_ROOT:
            same(os.getxattr(unsquashed(eif, path) / "server", CAPABILITY), containers.CAPABILITY, "its value")
            (path / "from/bin").mkdir(parents=True)
            (path / "from/bin/tell").write_bytes(built("apps/tell").read_bytes())
            (path / "from/bin/tell").chmod(0o755)
            value = struct.pack("<6I", 0x03000001, 1 << 10, 0, 0, 0, 1000)
            os.setxattr(path / "from/bin/tell", CAPABILITY, value)
            (path / "2").mkdir()
            build(path / "y.eif", "--image", path / "from", "--cmd", "/bin/tell", "--squashfs", program=ASAN).is_(
                DONE, "bin/tell: its file capabilities are for the root that is user 1000 outside; they become root's")
            same(os.getxattr(unsquashed(Eif.load(path / "y.eif"), path / "2") / "bin/tell", CAPABILITY),
                 struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0), "its value")
        eif = make(path / "x.eif", "--image", layout("capabilities"), "--squashfs", "--drop-capabilities")
        (path / NAME).write_bytes(ramdisk(eif)[NAME].data)
        same(tool("rdsquashfs", "-x", "server", path / NAME).decode().strip(), "", "xattrs")


@test
def capabilities_are_what_the_kernel_takes() -> None:
    """Versions 1 and 2 as they are, version 3 as 2, told where it is of another root; all else is refused: a program with
    it would not start, or without what it needs."""
    def of(value: bytes) -> None:
        shutil.rmtree(path / "image", ignore_errors=True)
        layer = static_layer()
        text = value.decode("utf-8", "surrogateescape")
        layer.file("server", built("apps/tell"), 0o755, pax_headers={"SCHILY.xattr.security.capability": text})
        single(path / "image", [layer], {"Cmd": ["/server"]})

    words = (1 << 10, 0, 0, 0)
    two = struct.pack("<5I", 0x02000001, *words)
    with folder() as path:
        for value, err in ((two, ""), (struct.pack("<6I", 0x03000001, *words, 0), ""),
                           (struct.pack("<6I", 0x03000001, *words, 100000), "the root that is user 100000 outside"),
                           (struct.pack("<3I", 0x01000001, 1 << 10, 0), "")):
            of(value)
            done = build(path / "x.eif", "--image", path / "image", "--squashfs", program=ASAN).is_(DONE, err)
            check(err or "capabilities" not in done.err, done.story)
            (path / NAME).write_bytes(ramdisk(Eif.load(path / "x.eif"))[NAME].data)
            got = tool("rdsquashfs", "-x", "server", path / NAME).decode().strip().split("=")[1]
            same(got.removeprefix("0x").lower(), (value if len(value) == 12 else two).hex(), f"what is kept of {value.hex()}")
        for value in (b"\xff" * 7, two[:-1], two + b"\0" * 4, struct.pack("<6I", 0x04000001, *words, 0),
                      struct.pack("<5I", 0x02000002, *words), b"\1", two * 2):
            of(value)
            build(path / "y.eif", "--image", path / "image", "--squashfs", program=ASAN).is_(
                REFUSED, "server: file capabilities that are none: ")


@test(seconds=10)
def a_squashfs_is_the_same_everywhere() -> None:
    """Byte for byte: by umask, time zone, locale, user, folder and number of processors, by the build with sanitizers."""
    user = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups") if IS_ROOT else ("unshare", "-r")
    with folder() as path:
        for compressor, name in (("zstd", "shell"), ("gzip", "blocks"), ("xz", "blocks")):
            squash = f"--squashfs={compressor}"
            wanted = make_bytes(path, name, squash)
            for n, how in enumerate(({"before": (*user, "taskset", processor(0)), "umask": "077",
                                      "env": {"LC_ALL": "C.UTF-8", "TZ": "Asia/Kathmandu"}},
                                     {"program": ASAN, "umask": "027"})):
                check(elsewhere(path / f"{compressor}{n}", name=name, options=(squash,), **how) == wanted,
                      f"{compressor}: other bytes with {how}")


def processor(number: int) -> str:
    """For taskset: the mask of one of those that may be used here, the first where there are fewer."""
    may = sorted(os.sched_getaffinity(0))
    return f"{1 << may[number if number < len(may) else 0]:x}"


def make_bytes(path: Path, name: str, *options: str) -> bytes:
    build(path / "x.eif", "--image", layout(name), *options).is_(DONE)
    return (path / "x.eif").read_bytes()


@test(seconds=15)
def a_large_squashfs_is_the_same_by_any_number_of_processors() -> None:
    """Many blocks, which are compressed side by side, some of them the same."""
    with folder() as path:
        (path / "root/bin").mkdir(parents=True)
        (path / "root/bin/tell").write_bytes(built("apps/tell").read_bytes())
        (path / "root/bin/tell").chmod(0o755)
        block = bytes(range(256)) * 2048
        for n in range(40):
            parts = (bytes([n * i % 251]) + block[:-i] for i in range(1, 8))
            (path / f"root/{n}").write_bytes(b"".join(parts) + bytes(n * 999))
        said = [b""] * 3
        for n, before in enumerate(((), ("taskset", processor(0)), ("taskset", processor(1)))):
            run("build", "--image", path / "root", "--cmd", "/bin/tell", *boot_options(), "--squashfs", "--output",
                path / "x.eif", before=before).is_(DONE)
            said[n] = (path / "x.eif").read_bytes()
        check(said[0] == said[1] == said[2], "other bytes")


@test
def a_squashfs_has_the_time_asked_for() -> None:
    """--mtime is that of each file, and of the squashfs itself."""
    with folder() as path:
        eif = make(path / "x.eif", "--image", layout("shell"), "--squashfs", "--mtime", "1700000001")
        same({f.mtime for f in on_disk(unsquashed(eif, path)).values()}, {1700000001}, "times")
        same(struct.unpack_from("<I", ramdisk(eif)[NAME].data, 8)[0], 1700000001, "the superblock's")
        same(ramdisk(eif)[NAME].mtime, 1700000001, "the file's")


@test
def the_images_own_configuration_is_at_the_top() -> None:
    """init reads it before there is a file of the squashfs."""
    own = "umask = 077\n[b]\ncommand = /tell\n"
    with folder() as path:
        layer = static_layer("etc")
        layer.file("etc/enclave-init.conf", own)
        single(path / "image", [layer], CMD)
        eif = make(path / "x.eif", "--image", path / "image", "--squashfs")
        same(text(eif, "enclave-init.conf"), own, "the configuration")


@test
def a_tool_that_is_not_there_is_named() -> None:
    """Code 5, and the package; one that fails is told too, and leaves no image."""
    with folder() as path:
        x = path / "x.eif"
        (path / "bin").mkdir()
        nowhere = {"PATH": str(path / "bin")}
        build(x, "--image", layout("shell"), "--squashfs", env=nowhere).is_(FILE, "tar2sqfs", "squashfs-tools-ng")
        for words, code, said in (("cat >/dev/null", FILE, "no whole squashfs"), ("exit 3", FILE, "code 3"),
                                  ("kill -9 $$", FILE, "killed by signal 9")):
            tar2sqfs = path / "bin/tar2sqfs"
            tar2sqfs.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exit\nPATH=/bin\n{words}\n')
            tar2sqfs.chmod(0o755)
            done = build(x, "--image", layout("shell"), "--squashfs", env=nowhere)
            same((done.code, said in done.err), (code, True), done.story)
            check(not x.exists(), "an output")


@test
def options_that_make_no_sense_are_refused() -> None:
    """Another compressor; ramdisks as they are; an init that would not mount it."""
    with folder() as path:
        x = path / "x.eif"
        build(x, "--image", layout("shell"), "--squashfs=lzop").is_(USAGE, "zstd, gzip, xz")
        run("build", "--ramdisk", x, "--kernel", x, "--squashfs", "--output", x).is_(USAGE, "--ramdisk")
        (path / "init").write_bytes(built("apps/tell").read_bytes())
        run("build", "--image", layout("nopasswd"), "--arch", "x86_64", "--kernel", kernels() / "bzImage",
            "--init", path / "init", "--squashfs", "--output", x).is_(REFUSED, "not enclave-init", "--squashfs")


@test
def other_commands_take_such_an_image() -> None:
    """describe, diff, extract and set-init, to which the squashfs is a file."""
    with folder() as path:
        x, y, z = (path / f"{n}.eif" for n in "xyz")
        make(x, "--image", layout("shell"), "--squashfs")
        make(y, "--image", layout("shell"), "--squashfs=gzip")
        check(NAME in run("describe", "--files", x).is_(DONE).text, "describe has no such file")
        check(NAME in (run("diff", x, y)).text, "diff has no such file")
        run("extract", x, "--output", path / "out").is_(DONE)
        run("set-init", x, "--init", built("init", "x86_64"), "--output", z).is_(DONE)
        same(ramdisk(Eif.load(z))[NAME], ramdisk(Eif.load(x))[NAME], NAME)


@test(seconds=30)
def a_file_of_5_gib_is_carried() -> None:
    """Nearly all of it holes, which nobody writes out: in a folder, and in layers by each of GNU tar's ways. Without it, refused."""
    with folder() as path:
        (path / "image").mkdir()
        shutil.copy(built("apps/tell"), path / "image/tell")
        with open(path / "image/large", "wb") as f:
            for at, data in ((3_000_000_001, b"middle"), ((5 << 30) - 3, b"end")):
                f.seek(at)
                f.write(data)
        sources = {"folder": path / "image"}
        for name, how in (("pax 1.0", ("--format=pax",)), ("pax 0.1", ("--format=pax", "--sparse-version=0.1")),
                          ("old", ("--format=gnu",))):
            tool("tar", *how, "--mtime=@0", "--owner=0", "--group=0", "--sparse", "-C", path / "image", "-cf", path / "layer.tar",
                 "tell", "large")
            raw_image(path / name, (path / "layer.tar").read_bytes(), packed="plain")
            sources[name] = path / name
        for name, source in sources.items():
            eif = make(path / "x.eif", "--image", source, "--squashfs", "--cmd", "/tell")
            large = unsquashed(eif, path) / "large"
            same(large.stat().st_size, 5 << 30, f"{name}: bytes")
            with open(large, "rb") as f:
                for at, data in ((3_000_000_000, b"\0middle\0"), (1 << 32, bytes(9)), ((5 << 30) - 4, b"\0end")):
                    f.seek(at)
                    same(f.read(len(data)), data, f"{name}: what is at {at}")
            shutil.rmtree(path / "root")
            build(path / "y.eif", "--image", source, "--cmd", "/tell").is_(REFUSED, "large: 5368709120 bytes", "--squashfs")
