"""What mkeif build makes of an image: as others unpack it, from all forms the same, everywhere the same."""

import json
import os
import re
import shutil
import stat
import tarfile
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

from images.containers import CMD, GROUP, PASSWD, SHELL, static_layer
from images.oci import TIME, Layer, single

from .lib import (ASAN, DONE, MKEIF, REFUSED, Eif, Entry, Failure, Skip, build, built, check, copied, cpio_read, enclave,
                 folder, kernels, layout, make, preloading, ramdisk, run, same, test, text, tool)

IS_ROOT = os.geteuid() == 0


# --- file systems, however they are read -------------------------------------

@dataclass(frozen=True)
class File:
    mode: int  # with the type
    uid: int
    gid: int
    content: bytes  # of a file, or where a link leads
    rdev: tuple[int, int]
    names: tuple[str, ...]  # all that it has
    mtime: int


FOLDER = File(stat.S_IFDIR | 0o755, 0, 0, b"", (0, 0), (), 0)


def is_node(mode: int) -> bool:
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def of_cpio(entries: list[Entry]) -> dict[str, File]:
    """Names of a number are one file, whose content may be with any of them."""
    groups: dict[int, list[Entry]] = defaultdict(list)
    for e in entries:
        groups[e.ino].append(e)
    found = {}
    for group in groups.values():
        names = tuple(sorted(e.name for e in group))
        content = b"".join(e.data for e in group)
        check(sum(bool(e.data) for e in group) <= 1, f"{names}: content twice")
        for e in group:
            if not stat.S_ISDIR(e.mode):
                same(e.nlink, len(names), f"links of {e.name}")
            found[e.name] = File(e.mode, e.uid, e.gid, content, e.rdev, names if len(names) > 1 else (), e.mtime)
    return found


def on_disk(root: Path) -> dict[str, File]:
    """All below ROOT, and itself as "."."""
    inodes: dict[int, list[str]] = defaultdict(list)
    stats: dict[str, os.stat_result] = {}
    base = os.fsencode(root)

    def look(below: bytes) -> None:
        path = os.path.join(base, below) if below else base
        st = os.lstat(path)
        name = os.fsdecode(below) or "."
        stats[name] = st
        if stat.S_ISDIR(st.st_mode):
            for child in sorted(os.listdir(path)):
                look(os.path.join(below, child))
        else:
            inodes[st.st_ino].append(name)
    look(b"")

    def content(name: str, st: os.stat_result) -> bytes:
        path = os.path.join(base, os.fsencode(name))
        if stat.S_ISLNK(st.st_mode):
            return os.readlink(path)
        return Path(os.fsdecode(path)).read_bytes() if stat.S_ISREG(st.st_mode) else b""

    return {name: File(st.st_mode, st.st_uid, st.st_gid, content(name, st),
                       (os.major(st.st_rdev), os.minor(st.st_rdev)) if is_node(st.st_mode) else (0, 0),
                       tuple(sorted(inodes[st.st_ino])) if len(inodes[st.st_ino]) > 1 else (),
                       int(st.st_mtime // 1)) for name, st in stats.items()}


def rootfs(eif: Eif) -> dict[str, File]:
    """The image's files in ramdisk 1, the root as "."."""
    def name(path: str) -> str:
        return path.removeprefix("rootfs").removeprefix("/") or "."

    all_of_it = of_cpio(cpio_read(eif.ramdisks[1]))
    return {name(path): replace(f, names=tuple(name(n) for n in f.names)) for path, f in all_of_it.items()
            if path.split("/")[0] == "rootfs"}


def unpacked(image: Path, to: Path, tag: str = "latest") -> Path:
    """What umoci makes of it: all of it as root, else without owners and devices."""
    tool("umoci", "unpack", *([] if IS_ROOT else ["--rootless"]), "--image", f"{image}:{tag}", to)
    return to / "rootfs"


def expect_files(got: dict[str, File], wanted: dict[str, File], added: set[str], times: bool = False) -> None:
    """The same files; ADDED are folders of ours."""
    same(set(got) - set(wanted), added, "files of ours alone")
    same(set(wanted) - set(got), set(), "files that we lack")
    for name in added:
        same(replace(got[name], mtime=0), FOLDER, name)
    for name, theirs in wanted.items():
        ours = got[name]
        if not IS_ROOT and is_node(ours.mode):
            continue
        if not IS_ROOT:
            ours = replace(ours, uid=theirs.uid, gid=theirs.gid)
        if not times:
            ours = replace(ours, mtime=theirs.mtime)
        if stat.S_ISLNK(ours.mode):
            ours = replace(ours, mode=theirs.mode, mtime=theirs.mtime)
        if ours != theirs:  # before their contents are put into words
            raise Failure(f"{name}:\n  ours   {ours}\n  theirs {theirs}")


ADDED = {  # what the images lack: mount points, and the working directory
    "shell": {"dev", "proc", "sys", "var", "srv/work dir"},
    "go": {"dev", "proc", "sys", "var", "run", "tmp"},
    "python": {"proc", "sys", "run"},
    "nopasswd": {"dev", "proc", "sys", "var", "run", "tmp"},
    "tmplink": {"dev", "proc", "sys"},
    "cmdonly": {"dev", "proc", "sys", "var", "run", "tmp", "made", "made/for", "made/for/it"},
}


def expect_as_umoci(name: str) -> None:
    with folder() as path:
        eif = make(path / "x.eif", "--image", layout(name))
        theirs = on_disk(unpacked(layout(name), path / "bundle"))
        expect_files(rootfs(eif), theirs, ADDED[name])
        same({f.mtime for f in rootfs(eif).values()}, {0}, "times")


# --- as others unpack it -----------------------------------------------------

@test(seconds=2)
def layers_give_what_umoci_unpacks() -> None:
    """Type, mode, owner, content, device and names of each file of an image with all that layers can hold."""
    expect_as_umoci("shell")


@test(seconds=8)
def images_of_others_give_what_umoci_unpacks() -> None:
    """Debian's Python, a program in Go with its libraries."""
    expect_as_umoci("python")
    expect_as_umoci("go")


@test(seconds=8)
def odd_images_give_what_umoci_unpacks() -> None:
    """Without /etc, with /tmp as a link, without a working directory."""
    for name in ("nopasswd", "tmplink", "cmdonly"):
        expect_as_umoci(name)


@test(seconds=5)
def many_files_are_all_there() -> None:
    """5,000, each with its content."""
    with folder() as path:
        files = rootfs(make(path / "x.eif", "--image", layout("many")))
        same(len([n for n in files if n.startswith("files/")]), 50 + 5000, "files")
        for folder_number in range(50):
            for n in range(100):
                name = f"files/{folder_number:03}/{n:02}"
                same(files[name].content, f"{folder_number} {n}\n".encode(), name)


@test(seconds=2)
def cpio_unpacks_the_ramdisk_to_the_same() -> None:
    """GNU cpio makes of ramdisk 1 what umoci makes of the layers, hard links and devices included."""
    if not IS_ROOT:
        raise Skip("cpio makes owners and devices as root alone")
    with folder() as path:
        eif = make(path / "x.eif", "--image", layout("shell"))
        (path / "ramdisk").write_bytes(eif.ramdisks[1])
        (path / "out").mkdir()
        with open(path / "ramdisk", "rb") as ramdisk_file:
            tool("sh", "-c", "exec cpio --quiet -idm <../ramdisk", cwd=path / "out")
        same(sorted(p.name for p in (path / "out").iterdir()), ["cmd", "enclave-init.conf", "env", "rootfs"],
             "ramdisk 1")
        theirs = on_disk(unpacked(layout("shell"), path / "bundle"))
        expect_files(on_disk(path / "out/rootfs"), theirs, ADDED["shell"])


@test
def others_list_the_same_names() -> None:
    """GNU cpio, bsdtar and the project's own reader, of both ramdisks."""
    with folder() as path:
        for name in ("shell", "deep"):
            eif = make(path / "x.eif", "--image", layout(name))
            for number, data in enumerate(eif.ramdisks):
                (path / "ramdisk").write_bytes(data)
                ours = [os.fsencode(e.name) for e in cpio_read(data)]
                listed = tool("sh", "-c", "exec cpio --quiet -it <ramdisk", cwd=path).splitlines()
                same(listed, ours, f"cpio's names of {name}, ramdisk {number}")
                listed = tool("bsdtar", "-tf", path / "ramdisk", env={**os.environ, "LC_ALL": "C.UTF-8"}).splitlines()
                plain = [re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), n) for n in listed]
                same(plain, ours, f"bsdtar's names of {name}, ramdisk {number}")
                same(len(data) % 512, 0, "what is over 512 bytes")


@test(seconds=2)
def times_are_kept_when_asked() -> None:
    """Whole seconds, as umoci sets them."""
    with folder() as path:
        eif = make(path / "x.eif", "--image", layout("shell"), "--keep-times")
        theirs = on_disk(unpacked(layout("shell"), path / "bundle"))
        ours = rootfs(eif)
        same(ours["data/time"].mtime, TIME - 1, "a time with a fraction")
        files = {n: f for n, f in ours.items() if stat.S_ISREG(f.mode)}
        for name, f in files.items():
            same(f.mtime, theirs[name].mtime, f"the time of {name}")
        check(len(files) > 20, "few files")


@test
def times_that_a_ramdisk_cannot_have_matter_where_they_are_kept() -> None:
    """Before 1970 and after 2106, in a layer and in a folder: as any other, but with --keep-times refused."""
    def tree(path: Path) -> None:
        (path / "bin").mkdir(parents=True)
        (path / "bin/tell").write_bytes(built("apps/tell").read_bytes())
        (path / "bin/tell").chmod(0o755)

    for when in (-1, 1 << 32):
        with folder() as path:
            layer = static_layer()
            layer.file("old", "x", mtime=when)
            single(path / "layout", [layer], CMD)
            tree(path / "root")
            os.utime(path / "root/bin", (0, when))
            for source, name, options in (("layout", "old", ()), ("root", "bin", ("--cmd", "/bin/tell"))):
                same(rootfs(make(path / "x.eif", "--image", path / source, *options))[name].mtime, 0, "the time")
                (path / "x.eif").unlink()
                build(path / "x.eif", "--image", path / source, *options, "--keep-times").is_(
                    REFUSED, f": rootfs/{name}: changed at {when}: ")
                check(not (path / "x.eif").exists(), "an image")


# --- the other files of the ramdisks -----------------------------------------

@test
def ramdisks_are_in_order() -> None:
    """Parents first, names sorted as bytes within a folder, inodes from 1, no device, rootfs before
    cmd and env, content with the last of a file's names, as cpio has it."""
    with folder() as path:
        eif = make(path / "x.eif", "--image", layout("shell"))
        for data in eif.ramdisks:
            entries = cpio_read(data)
            seen: dict[str, list[bytes]] = defaultdict(list)
            for e in entries:
                parent, _, last = e.name.rpartition("/")
                check(not parent or parent in {x.name for x in entries[:entries.index(e)]}, f"{e.name} before {parent}")
                seen[parent].append(os.fsencode(last))
                same((e.dev, e.mtime), ((0, 0), 0), f"device and time of {e.name}")
            for parent, names in seen.items():
                check(parent == "" or names == sorted(names), f"{parent}: not sorted: {names}")
            last = {e.ino: e for e in entries}
            same([e.name for e in entries if e.data and last[e.ino] is not e], [], "content before a file's last name")
            numbers = list(dict.fromkeys(e.ino for e in entries))
            same(numbers, list(range(1, len(numbers) + 1)), "inode numbers")
        tops = [e.name for e in cpio_read(eif.ramdisks[1]) if "/" not in e.name]
        same((tops[0], sorted(tops[1:])), ("rootfs", ["cmd", "enclave-init.conf", "env"]), "ramdisk 1")


@test
def the_boot_ramdisk_is_nitro_clis() -> None:
    """dev, init, nsm.ko, and what else is asked for."""
    with folder() as path:
        (path / "extra").write_text("more\n")
        run("build", "--output", path / "x.eif", "--image", layout("nopasswd"), "--kernel", kernels() / "bzImage",
            "--module", kernels() / "nsm.ko", "--boot-file", f"nsm={built('nsm')}",
            "--boot-file", f"lib/extra={path / 'extra'}:0640").is_(DONE)
        eif = Eif.load(path / "x.eif")
        files = of_cpio(cpio_read(eif.ramdisks[0]))
        same({n: oct(f.mode) for n, f in files.items()},
             {"dev": "0o40755", "init": "0o100755", "nsm.ko": "0o100755", "nsm": "0o100755", "lib": "0o40755",
              "lib/extra": "0o100640"}, "ramdisk 0")
        same(files["init"].content, built("init", "x86_64").read_bytes(), "init")
        same(files["nsm.ko"].content, (kernels() / "nsm.ko").read_bytes(), "nsm.ko")
        same(eif.kernel, (kernels() / "bzImage").read_bytes(), "the kernel")
        same(eif.cmdline, enclave.CMDLINES["x86_64"], "the command line")


@test
def the_configuration_reaches_init() -> None:
    """Entrypoint and Cmd joined, Env as it stands, User, WorkingDir and StopSignal; what is not said is not there."""
    with folder() as path:
        eif = make(path / "x.eif", "--image", layout("shell"))
        config = SHELL
        same(text(eif, "cmd"), "".join(a + "\n" for a in config["Entrypoint"] + config["Cmd"]), "cmd")
        same(text(eif, "env"), "".join(a + "\n" for a in config["Env"]), "env")
        same(text(eif, "enclave-init.conf"), "workdir = /srv/work dir\nuser = app\nstop-signal = SIGQUIT\n", "conf")
        eif = make(path / "x.eif", "--image", layout("many"))
        same(text(eif, "cmd"), "/tell\n", "cmd")
        check("enclave-init.conf" not in ramdisk(eif), "a configuration without need")


@test
def newlines_reach_init() -> None:
    """By the configuration, quoted: then there is no /cmd, and the variable is not in /env."""
    with folder() as path:
        eif = make(path / "x.eif", "--image", layout("multiline"))
        check("cmd" not in ramdisk(eif), "a cmd")
        same(text(eif, "env"), "PLAIN=one line\n", "env")
        conf = text(eif, "enclave-init.conf").splitlines()
        for line in (r'command = "/tell" "an argument\nof two lines" "back\\slash \"quoted\"\x09tab\x0d" "--until" "10"',
                     r'environment = "KEY=-----BEGIN-----\nAAAA\n-----END-----\n"', "stop-signal = 10"):
            check(line in conf, f"{line} is not in {conf}")
        same(len(conf), 3, "lines")


@test
def options_replace_what_the_image_says() -> None:
    """As docker run does: another entrypoint drops the Cmd, a variable takes the place of its namesake."""
    with folder() as path:
        x = path / "x.eif"
        eif = make(x, "--image", layout("shell"), "--cmd", "one", "--cmd", "two", "--env", "GREETING=hello", "--env", "NEW=1",
                   "--user", "1234", "--workdir", "/data", "--stop-signal", "RTMIN+3")
        same(text(eif, "cmd"), "/bin/sh\n/usr/bin/tell\none\ntwo\n", "cmd")
        wanted = [v if not v.startswith("GREETING") else "GREETING=hello" for v in SHELL["Env"]] + ["NEW=1"]
        same(text(eif, "env"), "".join(f"{v}\n" for v in wanted), "env")
        same(text(eif, "enclave-init.conf"), "workdir = /data\nuser = 1234\nstop-signal = RTMIN+3\n", "conf")
        eif = make(x, "--image", layout("shell"), "--entrypoint", "/bin/busybox", "--entrypoint", "true")
        same(text(eif, "cmd"), "/bin/busybox\ntrue\n", "cmd")
        (path / "more").write_text("# more\nuser = 7:8\n")
        eif = make(x, "--image", layout("shell"), "--config", path / "more")
        same(text(eif, "enclave-init.conf"), "workdir = /srv/work dir\nstop-signal = SIGQUIT\n# more\nuser = 7:8\n", "conf")


@test
def an_index_gives_the_architecture_asked_for() -> None:
    """This machine's by default; of several tags the one that is named."""
    with folder() as path:
        eif = make(path / "x.eif", "--image", layout("multiarch"))
        same(ramdisk(eif)["rootfs/arch"].data, b"amd64\n", "the image")
        for tag in ("one", "two"):
            eif = make(path / "x.eif", "--image", layout("tags"), "--tag", tag)
            same(text(eif, "cmd"), f"/tell\n{tag}\n", "cmd")
            check(f"rootfs/{tag}" in ramdisk(eif), f"no {tag}")


@test
def capabilities_are_dropped_by_choice() -> None:
    """A file with some is refused, and named; with the option it is there, and it is said."""
    with folder() as path:
        x = path / "x.eif"
        build(x, "--image", layout("capabilities")).is_(1, "server: ", "--drop-capabilities")
        check(not x.exists(), "an output")
        done = build(x, "--image", layout("capabilities"), "--drop-capabilities").is_(DONE, "capabilit")
        same(rootfs(Eif.load(x))["server"].mode, 0o100755, "server")
        check("server" in done.err or "1 file" in done.err, f"what was dropped? {done.err}")


# --- from all forms the same -------------------------------------------------

def archive(image: Path, to: Path) -> Path:
    with tarfile.open(to, "w") as tar:
        for path in sorted(image.rglob("*")):
            tar.add(path, path.relative_to(image).as_posix(), recursive=False)
    return to


def skopeo(source: str, dest: str) -> None:
    tool("skopeo", "--insecure-policy", "copy", "--quiet", source, dest)


@test(seconds=6)
def all_forms_give_the_same_image() -> None:
    """A layout as folder and archive, by skopeo too, docker-archive, layers by zstd and plain: the same PCRs."""
    with folder() as path:
        shell = layout("shell")
        wanted = make(path / "x.eif", "--image", shell)
        archive(shell, path / "layout.tar")
        skopeo(f"oci:{shell}:latest", f"oci-archive:{path}/skopeo.tar:latest")
        skopeo(f"oci:{shell}:latest", f"docker-archive:{path}/docker.tar:shell:latest")
        skopeo(f"oci:{shell}:latest", f"oci:{path}/skopeo:latest")
        tool("gzip", "-k", path / "docker.tar")
        for form in (f"oci:{shell}:latest", f"oci:{shell}", path / "layout.tar", path / "skopeo.tar",
                     f"oci-archive:{path}/skopeo.tar:latest", path / "docker.tar", f"docker-archive:{path}/docker.tar",
                     path / "skopeo", layout("shell_zstd"), layout("shell_plain")):
            eif = make(path / "y.eif", "--image", form)
            same(eif.measurements(), wanted.measurements(), f"measurements of {form}")


def plain_folder(path: Path) -> Path:
    """A root file system with tell and a user, 0755 whatever the umask is."""
    for name in ("bin", "etc"):
        (path / name).mkdir(parents=True)
        (path / name).chmod(0o755)
    path.chmod(0o755)
    for name, data, mode in (("bin/tell", built("apps/tell").read_bytes(), 0o755), ("etc/passwd", PASSWD.encode(), 0o644),
                             ("etc/group", GROUP.encode(), 0o644)):
        (path / name).write_bytes(data)
        (path / name).chmod(mode)
    return path


@test
def a_folder_of_any_mode_is_the_same_image() -> None:
    """mktemp's 0700, too, which would keep a user out: / of the image is 0755, and it is told."""
    with folder() as path:
        root = plain_folder(path / "root")
        options = ("--image", root, "--cmd", "/bin/tell", "--user", "app")
        wanted = make(path / "x.eif", *options)
        check("itself" not in build(path / "x.eif", *options).err, "a note without need")
        for mode in (0o700, 0o2755, 0o1777):
            root.chmod(mode)
            build(path / "y.eif", *options).is_(DONE, f"the folder itself, / of the image, is 0755, not {mode:04o}")
            same(Eif.load(path / "y.eif").measurements(), wanted.measurements(), f"measurements with {mode:o}")


MOVER = r"""
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int closedir(DIR *dir)
{
	static int count;
	int (*real)(DIR *) = dlsym(RTLD_NEXT, "closedir");

	if (++count == atoi(getenv("MOVE_AT")) && rename(getenv("MOVE_FROM"), getenv("MOVE_TO")) < 0)
		abort();
	return real(dir);
}
"""


@test(seconds=2)
def a_folder_that_changes_while_it_is_read_is_refused() -> None:
    """A file moves from one folder of it to another, whenever: it is in the image, or the image is refused."""
    with folder() as path:
        (path / "mover.c").write_text(MOVER)
        tool("gcc", "-shared", "-fPIC", "-o", path / "mover.so", path / "mover.c")
        codes = []
        for from_, to in (("a", "z"), ("z", "a")):
            for at in range(1, 6):
                root = plain_folder(path / f"{from_}{at}")
                for name in ("a", "z"):
                    (root / name).mkdir()
                (root / from_ / "keep").write_text("kept\n")
                env = preloading(path / "mover.so", MOVE_AT=at, MOVE_FROM=f"{root}/{from_}/keep",
                                 MOVE_TO=f"{root}/{to}/keep")
                done = build(path / "x.eif", "--image", root, "--cmd", "/bin/tell", env=env)
                codes.append(done.code)
                if done.code == DONE:
                    check({"rootfs/a/keep", "rootfs/z/keep"} & set(ramdisk(Eif.load(path / "x.eif"))), f"lost: {done.story}")
                else:
                    done.is_(REFUSED, ": changed while it was read")
        check(REFUSED in codes and DONE in codes, f"codes {codes}")


@test
def what_is_set_user_id_for_somebody_is_not_for_root() -> None:
    """A folder's files become root's, and so the bits go, as with chown(2), which is told; root's own, and those of
    folders, stay. --owner keep leaves all of it as it is."""
    if not IS_ROOT:
        raise Skip("files of others are made as root alone")
    with folder() as path:
        root = plain_folder(path / "root")
        (root / "bin/g").mkdir()
        files = (("user", 1000, 0, 0o4755, 0o755), ("group", 0, 50, 0o2755, 0o755), ("both", 7, 8, 0o6711, 0o711),
                 ("half", 0, 8, 0o6711, 0o4711), ("roots", 0, 0, 0o6755, 0o6755), ("plain", 7, 8, 0o1640, 0o1640))
        for name, uid, gid, mode, _ in files:
            (root / "bin" / name).write_text(name)
            os.chown(root / "bin" / name, uid, gid)
            (root / "bin" / name).chmod(mode)
        os.chown(root / "bin/g", 7, 8)
        (root / "bin/g").chmod(0o2775)
        done = build(path / "x.eif", "--image", root, "--cmd", "/bin/tell", program=ASAN).is_(
            DONE, "bin/user: set-user-ID of 1000:0 is cleared", "bin/group: set-group-ID of 0:50 is cleared")
        check("roots" not in done.err and "plain" not in done.err, done.story)
        got = rootfs(Eif.load(path / "x.eif"))
        for name, _, _, _, mode in files:
            same((got[f"bin/{name}"].mode & 0o7777, got[f"bin/{name}"].uid, got[f"bin/{name}"].gid), (mode, 0, 0), name)
        same(got["bin/g"].mode & 0o7777, 0o2775, "a folder")

        done = build(path / "x.eif", "--image", root, "--cmd", "/bin/tell", "--owner", "keep", program=ASAN).is_(DONE)
        check("cleared" not in done.err, done.story)
        got = rootfs(Eif.load(path / "x.eif"))
        for name, uid, gid, mode, _ in (*files, ("g", 7, 8, 0o2775, 0)):
            same((got[f"bin/{name}"].mode & 0o7777, got[f"bin/{name}"].uid, got[f"bin/{name}"].gid), (mode, uid, gid), name)
        same(got["etc/passwd"].uid, 0, "root's")
        build(path / "x.eif", "--image", root, "--owner", "me").is_(2, "--owner: me: neither root nor keep")
        for owner in ("keep", "root"):
            build(path / "y.eif", "--image", layout("nopasswd"), "--owner", owner).is_(2, "--owner is for a folder's files")
            run("build", "--ramdisk", "x", "--owner", owner, "--output", path / "y.eif").is_(2, "without options of the image")


@test
def a_user_who_cannot_run_the_program_is_told() -> None:
    """Folders on the way, the working directory, the program, its interpreter and loader: for that user, by owner,
    group and groups, and of a script to read. Root, and a capability, pass all modes."""
    def image(**modes: tuple[int, int, int]) -> None:
        """Each name of MODES has that mode and owner, in an image of scripts, programs and folders."""
        shutil.rmtree(path / "image", ignore_errors=True)
        layer = Layer()
        layer.file("etc/passwd", PASSWD + "other:x:7:8::/:/bin/sh\n")
        layer.file("etc/group", GROUP)

        def of(name: str, mode: int) -> dict:
            mode, uid, gid = modes.get(name.replace("/", "_"), (mode, 0, 0))
            return {"mode": mode, "uid": uid, "gid": gid}
        for name in ("opt", "opt/in", "work"):
            layer.dir(name, **of(name, 0o755))
        for name in ("bin/sh", "opt/in/tell"):
            layer.file(name, built("apps/tell"), **of(name, 0o755))
        layer.file("opt/in/script", "#!/bin/sh\n", **of("opt/in/script", 0o755))
        layer.link("go", "opt/in")
        single(path / "image", [layer], {"Cmd": ["/go/script"], "WorkingDir": "/work", "User": "app",
                                                "Env": ["PATH=/opt:/opt/in"]})

    good = (
        {}, {"opt_in_script": (0o705, 0, 0)}, {"opt_in_script": (0o750, 0, 50)}, {"opt_in_script": (0o570, 0, 44)},
        {"opt_in_script": (0o500, 1000, 0)}, {"work": (0o711, 0, 0)}, {"opt": (0o001, 0, 0)}, {"bin_sh": (0o111, 0, 0)},
    )
    bad = (
        ({"opt": (0o700, 0, 0)}, "/go/script: user app may not enter /opt, which is 0700 of 0:0"),
        ({"opt_in": (0o705, 0, 50)}, "may not enter /opt/in, which is 0705 of 0:50"),
        ({"opt_in": (0o077, 1000, 0)}, "may not enter /opt/in"),
        ({"work": (0o700, 0, 0)}, "working directory: /work: user app may not enter /work, which is 0700"),
        ({"opt_in_script": (0o744, 0, 0)}, "/go/script: user app may not execute /opt/in/script, which is 0744"),
        ({"opt_in_script": (0o711, 0, 0)}, "/go/script: user app may not read /opt/in/script, which is 0711"),
        ({"bin_sh": (0o750, 0, 0)}, "/go/script: user app may not execute /bin/sh, which is 0750"),
    )
    with folder() as path:
        for modes in good:
            image(**modes)
            build(path / "x.eif", "--image", path / "image", program=ASAN).is_(DONE)
        for modes, err in bad:
            image(**modes)
            build(path / "x.eif", "--image", path / "image", program=ASAN).is_(REFUSED, err)
            build(path / "x.eif", "--image", path / "image", "--user", "root").is_(DONE)
        # What execvp(3) passes over in PATH, and a program that is never read.
        image(opt_in_tell=(0o711, 0, 0))
        build(path / "x.eif", "--image", path / "image", "--cmd", "tell").is_(DONE)
        image(opt_in_tell=(0o710, 0, 0))
        build(path / "x.eif", "--image", path / "image", "--cmd", "tell").is_(
            REFUSED, "tell: user app may not execute /opt/in/tell")
        image(opt_in=(0o700, 0, 0))
        build(path / "x.eif", "--image", path / "image", "--cmd", "tell").is_(REFUSED, "tell: user app may not enter /opt/in")
        build(path / "x.eif", "--image", path / "image", "--cmd", "none").is_(REFUSED, "none: not in the image, in PATH")
        # Of services, with groups and capabilities of their own.
        image(opt_in=(0o750, 7, 44))
        (path / "conf").write_text("user = root\n[b]\ncommand = /opt/in/tell\nuser = other\n[c]\ncommand = /opt/in/tell\n"
                                   "user = 99\nsupplementary-groups = video\n[d]\ncommand = /opt/in/tell\nuser = 99\n"
                                   "ambient-capabilities = dac_override\n")
        build(path / "x.eif", "--image", path / "image", "--config", path / "conf", program=ASAN).is_(DONE)
        (path / "conf").write_text("user = root\n[b]\ncommand = /opt/in/tell\nuser = 99\n")
        build(path / "x.eif", "--image", path / "image", "--config", path / "conf").is_(
            REFUSED, "service b: /opt/in/tell: user 99 may not enter /opt/in")


@test
def a_folder_gives_its_files_as_roots() -> None:
    """As the same image in layers does, whoever owns it and whatever the umask was."""
    with folder() as path:
        root = path / "root"
        layer = Layer()
        for name in ("bin", "etc", "tmp", "etc/deep"):
            mode = 0o1777 if name == "tmp" else 0o755
            (root / name).mkdir(parents=True)
            (root / name).chmod(mode)
            layer.dir(name, mode)
        root.chmod(0o755)
        for name, data, mode in (("bin/tell", built("apps/tell").read_bytes(), 0o755), ("etc/passwd", PASSWD.encode(), 0o644),
                                 ("etc/group", GROUP.encode(), 0o644), ("etc/deep/empty", b"", 0o600)):
            (root / name).write_bytes(data)
            (root / name).chmod(mode)
            layer.file(name, data, mode)
        (root / "bin/sh").symlink_to("/bin/tell")
        layer.link("bin/sh", "/bin/tell")
        (root / "bin/same").hardlink_to(root / "bin/tell")
        layer.hard("bin/same", "bin/tell", 0o755)
        os.mkfifo(root / "etc/fifo")
        (root / "etc/fifo").chmod(0o620)
        layer.add("etc/fifo", tarfile.FIFOTYPE, 0o620)
        if IS_ROOT:
            for name in ("bin/tell", "etc/passwd", "etc"):
                os.chown(root / name, 1000, 50)
        single(path / "layout", [layer], {"Entrypoint": ["/bin/sh"], "Cmd": ["a b"], "Env": ["X=1"], "User": "app"})
        wanted = make(path / "x.eif", "--image", path / "layout")
        got = make(path / "y.eif", "--image", root, "--entrypoint", "/bin/sh", "--cmd", "a b", "--env", "X=1", "--user", "app")
        same(rootfs(got), rootfs(wanted), "the files")
        same(got.measurements(), wanted.measurements(), "measurements")


# --- everywhere the same -----------------------------------------------------

def elsewhere(path: Path, umask: str = "022", before: tuple = (), env: dict[str, str] | None = None,
              program: Path = MKEIF, name: str = "shell", options: tuple[str, ...] = ()) -> bytes:
    """The bytes of an image that is built in another folder, in its own way."""
    path.mkdir()
    copied(name, path / "a copy")
    for p in path.rglob("*"):
        os.utime(p, (1, 1))
    for what in ("bzImage", "nsm.ko"):
        (path / what).write_bytes((kernels() / what).read_bytes())
    (path / "init").write_bytes(built("init", "x86_64").read_bytes())
    (path / "out").mkdir()
    for p in (path.parent, path, path / "out"):
        p.chmod(0o777)
    run("-c", f'umask {umask}; cd "$1/out"; shift; exec "$@"', "sh", path, *before, program, "build", "--arch", "x86_64",
        "--image", "../a copy", "--kernel", "../bzImage", "--module", "../nsm.ko", "--init", "../init",
        "--output", "other name", *options, program=Path("/bin/sh"), env=env).is_(DONE)
    same([p.name for p in (path / "out").iterdir()], ["other name"], "what is there")
    return (path / "out/other name").read_bytes()


@test(seconds=5)
def the_same_image_is_the_same_file_everywhere() -> None:
    """Byte for byte: from two folders, by umask, locale, time zone and user, by the build with sanitizers."""
    user = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups") if IS_ROOT else ("unshare", "-r")
    with folder() as path:
        build(path / "x.eif", "--image", layout("shell")).is_(DONE)
        wanted = (path / "x.eif").read_bytes()
        for n, how in enumerate((
                {}, {"umask": "077"}, {"env": {"LC_ALL": "C", "TZ": "Asia/Kathmandu"}},
                {"env": {"LC_ALL": "C.UTF-8", "TZ": "America/St_Johns", "HOME": "/nowhere", "USER": "else"}},
                {"before": user, "umask": "027"}, {"program": ASAN})):
            check(elsewhere(path / str(n), **how) == wanted, f"other bytes with {how}")


@test
def all_times_are_the_one_asked_for() -> None:
    """--mtime is the time of all files, SOURCE_DATE_EPOCH is BuildTime; 1970 without them; else only what is a time differs."""
    with folder() as path:
        plain = make(path / "x.eif", "--image", layout("shell"))
        dated = make(path / "y.eif", "--image", layout("shell"), "--mtime", "1700000001", env={"SOURCE_DATE_EPOCH": "1700000001"})
        same({e.mtime for r in dated.ramdisks for e in cpio_read(r)}, {1700000001}, "times")
        same(json.loads(dated.metadata)["BuildMetadata"]["BuildTime"], "2023-11-14T22:13:21+00:00", "BuildTime")
        check(json.loads(plain.metadata)["BuildMetadata"]["BuildTime"].startswith("1970-01-01T00:00:00"), "BuildTime")
        same([{n: replace(f, mtime=0) for n, f in of_cpio(cpio_read(r)).items()} for r in dated.ramdisks],
             [of_cpio(cpio_read(r)) for r in plain.ramdisks], "the files")


@test(seconds=2)
def compressed_ramdisks_hold_the_same() -> None:
    """gzip, which others read, with the version of zlib said; the same bytes each time."""
    with folder() as path:
        plain = make(path / "x.eif", "--image", layout("shell"))
        done = build(path / "y.eif", "--image", layout("shell"), "--compress", "gzip").is_(DONE, "zlib 1.")
        packed = Eif.load(path / "y.eif")
        (path / "ramdisk.gz").write_bytes(packed.ramdisks[1])
        check(tool("gzip", "-dc", path / "ramdisk.gz") == plain.ramdisks[1], "ramdisk 1")
        check(sum(map(len, packed.ramdisks)) < sum(map(len, plain.ramdisks)), "not smaller")
        build(path / "z.eif", "--image", layout("shell"), "--compress", "gzip").is_(DONE)
        check((path / "y.eif").read_bytes() == (path / "z.eif").read_bytes(), "two builds differ")
        same(done.json["Measurements"]["PCR0"], packed.measurements()["PCR0"], "PCR0")


@test
def what_is_printed_are_the_measurements() -> None:
    """As nitro-cli prints them, by the project's own reader of the file."""
    with folder() as path:
        done = build(path / "x.eif", "--image", layout("nopasswd")).is_(DONE, *())
        same(done.json, enclave.measurements_json(Eif.load(path / "x.eif")), "measurements")
