"""
Guests with Debian's programs for tests of real vsock. The one of own_parent() is enclave and parent at once: its CID is 3, and
what binds or dials CID 3 stays within its kernel, by the loopback transport, so that half-closes, credit and resets are those
of Linux and nothing reaches this machine. A connection that is accepted there comes from CID 1. Two guests of one backend,
with a CID each, are siblings() of link_boot.py.

What runs there are the modules of inside/, one after the other in one boot. Each of their functions with @case is a test of its
name: cases().
"""

import io
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType

import suite
from images.debian import less, root

from .inside.streams import CASES
from .lib import Boot, Tree, boot, built, check, image, same, shared

INSIDE = Path(__file__).resolve().parent / "inside"
PROGRAMS = ("python3-minimal", "libpython3-stdlib", "busybox-static", "socat", "ncat", "strace")
NAMES = ("sh", "cat", "grep", "head", "kill", "ls", "sed", "sleep", "sort", "tail", "tr", "wc")  # by which busybox is called
# What a guest runs, of what the packages have; libc itself looks for libgcc_s when a thread ends.
RUN = ("usr/bin/python3*", "bin/busybox", "usr/bin/curl", "usr/bin/ncat", "usr/bin/socat", "usr/bin/strace", "lib/*/libgcc_s.so.1")
# What no test reads.
DROPPED = ("usr/share", "usr/lib/x86_64-linux-gnu/gconv", "usr/lib/python3.11/pydoc_data", "usr/lib/python3.11/lib2to3", "var", "etc",
           "boot", "home", "media", "mnt", "opt", "srv", "usr/sbin", "sbin",
           *(f"usr/lib/python3.11/{name}" for name in ("asyncio", "multiprocessing", "test", "wsgiref", "xml", "lib-dynload/_crypt*")))
# Python's modules are compiled here, where it does not take seconds of a guest, and in the place of their sources.
COMPILED = "--extract-hook=cd \"$1\" && /usr/bin/python3 -I -m compileall -q -b --invalidation-mode unchecked-hash -s . usr/lib/python3.* && " \
    "find usr/lib/python3.* -name '*.py' -delete"
KEYS = "heartbeat = off\n"
EGRESS = KEYS + """\
add-host = out.test:127.9.9.9 other.test:127.9.9.9 inner.test:10.1.1.1
egress = 127.0.0.1:3128
egress-target = vsock:17002
egress-allow = out.test:1024-65535 byname.test:8080 inner.test
egress-names = byname.test:8080
"""


@cache
def programs(*packages: str) -> Tree:
    """A file system of Debian's PACKAGES, just unpacked."""
    tree = Tree()
    recipe = ["--mode=auto", "--variant=extract", "--format=tar", "--include=" + ",".join(packages)]
    if "libpython3-stdlib" in packages:
        recipe += [COMPILED]
    with tarfile.open(less(root("debian-guest", recipe), RUN, DROPPED)) as tar:
        for m in tar:
            name = m.name.removeprefix("./").strip("/")
            if m.isdir():
                tree.dir(name, m.mode)
            elif m.issym():
                tree.link(name, m.linkname)
            elif m.isfile() or m.islnk():
                tree.file(name, tar.extractfile(m).read(), m.mode)
    for name in NAMES:
        tree.link(f"bin/{name}", "busybox")
    return tree


@cache
def compiled() -> dict[str, bytes]:
    """The modules of inside/ as a guest's Python takes them; their tracebacks name the files here."""
    with tempfile.TemporaryDirectory() as tmp:
        folder = shutil.copytree(INSIDE, Path(tmp, "inside"), ignore=shutil.ignore_patterns("__pycache__"))
        suite.tool("/usr/bin/python3", "-I", "-m", "compileall", "-q", "-b", "--invalidation-mode", "unchecked-hash",
                   "-s", tmp, "-p", INSIDE.parent, folder)
        return {path.name: path.read_bytes() for path in folder.glob("*.pyc")}


def guest_files(*packages: str, **files: bytes) -> Tree:
    """The root of a guest: Debian's PACKAGES beside the usual ones, relay as /bin/relay, all of inside/, and FILES below /bin."""
    tree = Tree()
    tree.entries.update(programs(*PROGRAMS, *packages).entries)
    tree.file("bin/relay", built("relay"), 0o755)
    tree.file("usr/bin/enclave-relay", built("relay"), 0o755)
    tree.file("etc/resolv.conf", "nameserver 127.0.0.1\n")  # without one some programs do not start
    for name, code in compiled().items():
        tree.file(f"inside/{name}", code)
    for name, data in files.items():
        tree.file(f"bin/{name}", data, 0o755)
    return tree


def own_parent(module: str, *args: str, files: Tree | None = None, config: str = KEYS, env: tuple[str, ...] = (), memory: int = 1024,
               **machine: object) -> Boot:
    """A boot of the guest with CID 3, in which python3 runs the MODULE of inside/ with ARGS to its end."""
    eif = image("/usr/bin/python3", "-S", "-E", "-B", "-u", "-m", f"inside.{module}", *args, files=files or guest_files(), config=config,
                env=env)
    b = boot(eif, cid=3, memory=memory, **machine)
    check("end" in b.facts, f"inside/{module}.py did not come to its end")
    return b


@shared
def all_ran() -> Boot:
    """The boot in which all cases have run; most of what it costs is Python's start."""
    return own_parent("all", config=EGRESS)


_registered: list[str] = []


def cases(name: str, module: ModuleType) -> None:
    """Registers each @case of MODULE, one of inside/, as a test of the module NAME."""
    mine = {n: f for n, f in CASES.items() if f.__module__ == module.__name__}
    for case, function in mine.items():
        # One goes first and boots, the others last: before that they would only wait for it.
        suite.test(0 if _registered else 40)(_as_test(name, case, function.__doc__))
        _registered.append(case)


def _as_test(module: str, name: str, doc: str) -> Callable[[], None]:
    def run() -> None:
        same(dict(f.split(" ", 1) for f in all_ran().all("case")).get(name, "did not run"), "good", name)

    run.__name__, run.__module__, run.__doc__ = name, module, doc
    return run
