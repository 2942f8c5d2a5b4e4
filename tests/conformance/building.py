"""From a scene, a machine and an init to an image."""

import gzip
import io
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from stat import S_IFDIR

import enclave
import golang
import suite
from enclave import Eif, Entry, Tree
from images.debian import PYTHON_RECIPE, cached, less, root
from images.stubs import elf
from machine import aws_image

from . import machines
from .data import DataError, Scene
from .machines import Kernel

BUSYBOX = Path("/bin/busybox")
# The names by which busybox is called in every image.
TOOLS = ("cat", "chmod", "cut", "dd", "df", "echo", "env", "expr", "false", "grep", "head", "hostname", "id", "ifconfig", "ip", "kill",
         "ln", "ls", "mkdir", "mount", "nc", "ping", "printf", "ps", "readlink", "rm", "route", "sed", "sh", "sleep", "sort", "stat", "stty", "su",
         "sync", "tail", "test", "touch", "tr", "true", "tty", "umount", "uname", "wc", "wget", "xargs")
PROGRAMS = ("probe", "act", "hostile")  # of tests/apps, in every image


@cache
def _aws_sample() -> Tree:
    """The image that AWS's own sample runs, for arm64."""
    tree = Tree()
    for e in enclave.cpio_read(Eif.load(aws_image()).ramdisks[1]):
        if e.name.startswith("rootfs/"):
            tree.add(e.name.removeprefix("rootfs/"), e.mode, e.data, e.uid, e.gid, e.rdev)
    return tree


@cache
def _busybox(arch: str) -> Tree:
    """busybox as /bin/busybox: Debian's, or that of AWS's own image with its libraries."""
    tree = Tree()
    if arch == "x86_64":
        tree.file("bin/busybox", BUSYBOX.read_bytes(), 0o755)
        return tree
    for name, e in _aws_sample().entries.items():
        if name == "bin/[":  # there, all names but this one are links
            tree.file("bin/busybox", e.data, 0o755)
        elif name.startswith(("lib/ld-", "lib/libc.", "lib/libm.", "lib/libresolv.")):
            tree.add(name, e.mode, e.data)
    return tree


@cache
def _go(name: str, arch: str) -> bytes:
    """The program of NAME, a module below this folder that needs no other."""
    module = Path(__file__).resolve().parent / name
    texts = [path.read_text() for path in sorted(module.iterdir())]
    return (cached(f"conformance-{name}", lambda path: golang.build(module, ".", path / "program", arch), "program", [arch, *texts]) /
            "program").read_bytes()


def _debian(name: str, recipe: list[str], programs: tuple[str, ...]) -> tarfile.TarFile:
    if not shutil.which("mmdebstrap"):
        raise suite.Skip("no mmdebstrap, for Debian's packages")
    return tarfile.open(less(root(name, recipe), programs, IDLE))


def _arch(name: str, kernel: Kernel) -> str:
    """An architecture by its name; "own" is the kernel's, "other" is not."""
    return {"own": kernel.arch, "other": {"x86_64": "aarch64", "aarch64": "x86_64"}[kernel.arch]}.get(name, name)


# What the programs of scenes do without: documentation, languages, and of Python's library what its scene does not import.
_PYTHON = "usr/lib/python3*"
IDLE = (*(f"usr/share/{name}" for name in ("doc", "man", "locale", "i18n", "lintian", "bash-completion")), "usr/lib/*-linux-gnu/perl*", "var/lib",
        *(f"{_PYTHON}/{name}" for name in ("asyncio", "curses", "dbm", "distutils", "email", "ensurepip", "html", "http", "idlelib", "json", "logging",
                                           "sqlite3", "test", "urllib", "wsgiref", "xml", "xmlrpc", "zoneinfo")),
        *(f"{_PYTHON}/*{name}.*py*" for name in ("_pydecimal", "_pyio", "difflib", "doctest", "mailbox", "pickletools", "pydoc", "turtle")),
        *(f"{_PYTHON}/lib-dynload/{name}.*" for name in ("_asyncio", "_bz2", "_crypt", "_ctypes", "_curses*", "_dbm", "_decimal", "_elementtree", "_hashlib",
                                                         "_lzma", "_sqlite3", "_ssl", "_uuid", "audioop", "nis", "pyexpat", "readline")),
        *(f"{_PYTHON}/encodings/*{name}*" for name in ("cp[0-9]", "iso8859_", "mac_")))


@cache
def _debian_tree(names: tuple[str, ...], programs: tuple[str, ...]) -> Tree:
    """
    Files of Debian's packages NAMES, and of those that they depend on, for x86-64; "python3" comes compiled. Of programs and
    libraries it has PROGRAMS and what these need.
    """
    recipe = PYTHON_RECIPE if names == ("python3",) else ["--mode=auto", "--variant=extract", "--format=tar", f"--include={','.join(names)}"]
    name = "debian-python" if names == ("python3",) else f"conformance-{'-'.join(names)}"
    tree = Tree()
    with _debian(name, recipe, programs) as tar:
        for member in tar:
            path = member.name.removeprefix("./").strip("/")
            if not path:
                continue
            owner = {"uid": member.uid, "gid": member.gid}
            if member.issym():
                tree.link(path, member.linkname)
            elif member.isdir():
                tree.dir(path, member.mode, **owner)
            elif member.isfile() or member.islnk():
                tree.file(path, tar.extractfile(member).read(), member.mode, **owner)
    return tree


def _put(tree: Tree, path: str, what: object, kernel: Kernel) -> None:
    """
    A file of a scene: its text; or a table of "text", "link", "dir", "fifo", "program" (of tests/apps, or busybox), "go" (a
    module below this folder), "zeros" (so many bytes), "elf" (a header for that architecture, for the "own" or an "other" one,
    with "interpreter"), "links" (a folder of so many), with "mode", "uid", "gid".
    """
    if isinstance(what, str):
        tree.file(path, what)
        return
    if not isinstance(what, dict):
        raise DataError(f"{path}: neither text nor a table")
    keys = dict(what)
    owner = {"uid": keys.pop("uid", 0), "gid": keys.pop("gid", 0)}
    mode = keys.pop("mode", None)
    interpreter = keys.pop("interpreter", "")
    if len(keys) != 1:
        raise DataError(f"{path}: one of text, link, dir, fifo, program, zeros, elf, links")
    (kind, value), = keys.items()
    makers: dict[str, Callable[[], None]] = {
        "text": lambda: tree.file(path, value, 0o644 if mode is None else mode, **owner),
        "link": lambda: tree.link(path, value),
        "dir": lambda: tree.dir(path, 0o755 if mode is None else mode, **owner),
        "fifo": lambda: tree.add(path, 0o010000 | (0o644 if mode is None else mode), **owner),
        "program": lambda: tree.file(path, program(value, kernel.arch), 0o755 if mode is None else mode, **owner),
        "go": lambda: tree.file(path, _go(value, kernel.arch), 0o755 if mode is None else mode, **owner),
        "zeros": lambda: tree.file(path, bytes(value), 0o644 if mode is None else mode, **owner),
        "elf": lambda: tree.file(path, elf(_arch(value, kernel), interpreter), 0o755 if mode is None else mode, **owner),
        "links": lambda: [tree.link(f"{path}/{i:05d}", "x") for i in range(value)],
    }
    if kind not in makers:
        raise DataError(f"{path}: no such kind of file: {kind}")
    makers[kind]()


def program(name: str, arch: str) -> bytes:
    if name == "busybox":
        return _busybox(arch).entries["bin/busybox"].data
    return suite.built(f"apps/{name}", arch).read_bytes()


def _root(scene: Scene, kernel: Kernel) -> Tree:
    tree = Tree()
    if scene.sample:
        tree.entries |= _aws_sample().entries
    if scene.trees:
        tree.entries |= _debian_tree(scene.trees, scene.programs).entries
    for name in PROGRAMS:
        tree.file(f"bin/{name}", program(name, kernel.arch), 0o755)
    for name, e in _busybox(kernel.arch).entries.items():
        tree.add(name, e.mode, e.data)
    for name in TOOLS:
        if f"bin/{name}" not in tree.entries:
            tree.link(f"bin/{name}", "busybox")
    for path, what in scene.files.items():
        _put(tree, path, what, kernel)
    return tree


def _modules(scene: Scene, kernel: Kernel) -> dict[str, bytes]:
    """
    Those of the kernel, or the scene's: a name with "kernel" for the kernel's own file, "kernel NAME" for that of another
    machine's kernel, or the file's text.
    """
    if scene.modules is None:
        return kernel.modules
    found = {}
    for name, text in scene.modules.items():
        word, _, other = text.partition(" ")
        of = machines.kernel(other) if other else kernel
        found[name] = of.modules.get(name, b"") if word == "kernel" else text.encode()
    return found


def _lines(plain: tuple[str, ...], many: tuple[str, ...]) -> bytes:
    """/cmd or /env of these lines, and of those that MANY stands for, data.py."""
    more = ((form.partition(" ")[2], range(int(form.partition(" ")[0]))) for form in many)
    return enclave.lines((*plain, *(text.format(n) for text, numbers in more for n in numbers)))


def _archive(tree: Tree, scene: Scene) -> bytes:
    if not scene.dotted:
        return tree.cpio()
    found = sorted(tree.entries.items())
    return enclave.cpio_write([Entry(".", S_IFDIR | 0o755), *(replace(e, name=f"./{name}") for name, e in found)])


def build(scene: Scene, kernel: Kernel, init: bytes, mutant: tuple[str, ...] = ()) -> Eif:
    """The image of SCENE around INIT; MUTANT's lines are for the init with mistakes, mutant.c."""
    boot = enclave.boot_ramdisk(init, _modules(scene, kernel), kernel.order)
    for path, what in scene.boot_files.items():
        _put(boot, path, what, kernel)
    if mutant:
        boot.file("mutant", enclave.lines(mutant))
    cmd = None if scene.no_cmd else _lines(scene.cmd, scene.cmd_many) if scene.cmd_raw is None else scene.cmd_raw.encode()
    env = None if scene.no_env else _lines(scene.env, scene.env_many) if scene.env_raw is None else scene.env_raw.encode()
    app = enclave.app_ramdisk(_root(scene, kernel), cmd, env, scene.mount_points)
    if not scene.rootfs:
        app.entries = {n: e for n, e in app.entries.items() if not n.startswith("rootfs")}
    if scene.one_ramdisk:
        boot.entries.update(app.entries)
        ramdisks = [_archive(boot, scene)]
    else:
        ramdisks = [_archive(boot, scene), _archive(app, scene)]
    if scene.gzip:
        ramdisks = [gzip.compress(r, 1, mtime=0) for r in ramdisks]
    if scene.cut:
        ramdisks[-1] = ramdisks[-1][:-scene.cut]
    return replace(Eif(kernel.image, kernel.cmdline, ramdisks), arch=kernel.arch)
