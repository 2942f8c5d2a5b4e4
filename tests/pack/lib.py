"""What the tests of mkeif share: running it, scratch folders, what boots an image, and the files of a ramdisk."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import enclave
from enclave import Eif, Entry, cpio_read  # noqa: F401
from images.containers import write_image
from images.stubs import kernel
from machine import emulator, kernel_dir
from suite import TOP, Failure, Skip, built, check, once, same, test, tool  # noqa: F401


ARCH = os.uname().machine
MKEIF = TOP / "build/mkeif"      # as it is installed
ASAN = TOP / "build/host/mkeif"  # ASan and UBSan
VERSION = (TOP / "VERSION").read_text().strip()
DONE, REFUSED, USAGE, FILE = 0, 1, 2, 5
DEADLINE_S = 600.0
# What would change what it does, and is not the test's.
NOT_OURS = ("SOURCE_DATE_EPOCH", "NITRO_CLI_BLOBS", "TMPDIR")
PLAIN_ENV = {k: v for k, v in os.environ.items() if k not in NOT_OURS}


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pack-") as name:
        yield Path(name)


def names(path: Path) -> set[str]:
    return {p.name for p in path.iterdir()}


# --- running it --------------------------------------------------------------

@dataclass
class Done:
    command: str
    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def json(self) -> dict:
        return json.loads(self.out)

    @property
    def story(self) -> str:
        return f"{self.command}\n  code {self.code}\n  stdout {self.out[:400]!r}\n  stderr {self.err[-3000:]}"

    def is_(self, code: int, *err: str) -> "Done":
        """ERR are parts of what is on stderr, where each line begins with the program's name."""
        check(self.code == code, f"code {self.code}, not {code}: {self.story}")
        for part in err:
            check(part in self.err, f"stderr without {part!r}: {self.story}")
        for line in self.err.splitlines():
            check(line.startswith(("mkeif: ", "Try mkeif ")), f"what is {line!r}? {self.story}")
        if code:
            check(self.err and not self.out, f"nothing on stderr, or something on stdout: {self.story}")
        return self


# LeakSanitizer stops the program as a debugger does, and on a busy machine it fails at that now and then. That is at the
# end: what a second try would find otherwise than the first one, AGAIN of run() has to put back.
LSAN_FAILED = "LeakSanitizer has encountered a fatal error"


def preloading(library: Path, **env: object) -> dict[str, str]:
    """The environment in which LIBRARY replaces functions of ASAN: MKEIF is static, and takes none."""
    return {"LD_PRELOAD": str(library), "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0",
            **{k: str(v) for k, v in env.items()}}


def run(*args: object, program: Path = MKEIF, env: dict[str, str] | None = None, before: tuple = (),
        again: Callable[[], object] = lambda: None, **how: object) -> Done:
    """mkeif with ARGS; ASAN, if ENV is that of preloading(). BEFORE: words of another program that runs it."""
    program = ASAN if env and "LD_PRELOAD" in env else program
    words = [os.fsencode(a) if isinstance(a, (str, Path)) else str(a).encode() for a in args]
    for _ in range(5):
        p = subprocess.run([*before, program, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=DEADLINE_S, env={**PLAIN_ENV, **(env or {})},
                           check=False, **how)
        if LSAN_FAILED.encode() not in p.stderr:
            break
        again()
    shown = " ".join(w.decode(errors="replace")[:120] for w in words)
    return Done(f"mkeif {shown}", p.returncode, p.stdout, p.stderr.decode(errors="replace"))


# --- what boots an image -----------------------------------------------------

def prepare() -> None:
    """
    The emulator's kernels and AWS's image, before the first test: what is said of building them would stand in the
    middle of a result. Where they cannot be had most tests can be made yet.
    """
    for arch in enclave.ARCHES:
        with suppress(RuntimeError):
            emulator(arch)


def kernels(name: str = "module") -> Path:
    """The folder of a kernel of the emulator: "module" with nsm.ko, "builtin", and others."""
    try:
        return kernel_dir(name)
    except RuntimeError as e:
        raise Skip(str(e)) from None


def boot_options(kernel: str = "module") -> list[object]:
    """What the emulator boots: kernel, module, and init, which only MKEIF finds by itself."""
    path = kernels(kernel)
    module = ["--module", path / "nsm.ko"] if (path / "nsm.ko").exists() else []
    return ["--arch", "x86_64", "--init", built("init", "x86_64"), "--kernel", path / "bzImage", *module]


def fake_kernel(path: Path, arch: str = "x86_64") -> Path:
    """What is not booted needs no other."""
    path.write_bytes(kernel(arch))
    return path


def build(output: Path, *options: object, kernel: str = "module", **how: object) -> Done:
    return run("build", "--output", output, *boot_options(kernel), *options, **how)


def make(output: Path, *options: object, **how: object) -> Eif:
    """An EIF of OPTIONS (--image SRC, and more), which has to be made."""
    build(output, *options, **how).is_(DONE)
    return Eif.load(output)


# --- what is in it -----------------------------------------------------------

def ramdisk(eif: Eif, number: int = 1) -> dict[str, Entry]:
    """The files of a ramdisk, by name; no name is there twice."""
    entries = cpio_read(eif.ramdisks[number])
    files = {e.name: e for e in entries}
    same(len(files), len(entries), f"names of ramdisk {number}")
    return files


def text(eif: Eif, name: str) -> str:
    """A file of ramdisk 1: cmd, env, enclave-init.conf."""
    return ramdisk(eif)[name].data.decode()


# --- images ------------------------------------------------------------------

def layout(name: str) -> Path:
    """The OCI layout of an image of images/containers.py, made once a run; nobody changes it."""
    return once(f"images/{name}", partial(write_image, name))


def copied(name: str, to: Path) -> Path:
    """A layout of one's own, to be changed."""
    shutil.copytree(layout(name), to)
    return to
