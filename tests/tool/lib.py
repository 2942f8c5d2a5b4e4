"""What the tests of the tool share: running it, and an NSM that is a file (device.c)."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from suite import TOP, Skip, check, test  # noqa: F401

BUILD = TOP / "build" / os.uname().machine
SHIPPED = BUILD / "nsm"       # as it is, where there is no NSM
MUSL = BUILD / "test/nsm"     # the same objects with the NSM of device.c
ASAN = TOP / "build/host/nsm"  # ASan and UBSan, and that NSM
VERSION = (TOP / "VERSION").read_text().strip()
DONE, REFUSED, USAGE, NO_NSM, NSM, FILE = range(6)
DEADLINE_S = 300.0
PLAIN_ENV = {k: v for k, v in os.environ.items() if not k.startswith("NSM_")}
Z48 = bytes(48)


def equal(got: object, wanted: object, what: str) -> None:
    """same() for what is long."""
    check(got == wanted, f"{what}:\n  got    {got!r}\n  wanted {wanted!r}")


def wait_for(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        check(time.monotonic() < end, f"waited for {what} in vain")
        time.sleep(0.005)


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
        """One object, and one line."""
        equal(self.out.count(b"\n"), 1, f"lines of {self.command}")
        return json.loads(self.out)

    def is_(self, code: int, err: str | None = None, out: bytes | str | None = None) -> "Done":
        """ERR is a part of the one line on stderr; "" is none."""
        if isinstance(out, str):
            out = out.encode()
        story = f"{self.command}\n  code {self.code}\n  stdout {self.out[:400]!r}\n  stderr {self.err[-3000:]}"
        check(self.code == code, f"code {self.code}, not {code}: {story}")
        if err == "" or (err is None and code == 0):
            check(self.err == "", f"something on stderr: {story}")
        elif err is not None:
            check(err in self.err, f"stderr without {err!r}: {story}")
        if code:
            check(self.err.startswith("nsm: ") and self.err.count("\n") == 1,
                  f"not one line on stderr: {story}")
        if out is not None:
            check(self.out == out, f"stdout is not {out[:400]!r}: {story}")
        return self


# LeakSanitizer stops the program as a debugger does, and on a busy machine it fails at that now and then:
# only what can be run again is looked at for leaks.
LSAN_FAILED = "LeakSanitizer has encountered a fatal error"
CAN_RUN_AGAIN = (("show",), ("verify",), ("pcr", "predict"), ("pcr", "list"), ("pcr", "get"), ("describe",),
                 ("recipient", "open"))


def run(*args: object, stdin: bytes = b"", program: Path = ASAN, env: dict[str, str] | None = None,
        cwd: Path | None = None, **how: object) -> Done:
    words = [os.fsencode(str(a)) if not isinstance(a, bytes) else a for a in args]
    how.setdefault("stdout", subprocess.PIPE)
    if "stdin" not in how and "preexec_fn" not in how:
        how["input"] = stdin
    leaks = "input" in how and "--once" not in args and any(args[:len(c)] == c for c in CAN_RUN_AGAIN)
    asan = {"ASAN_OPTIONS": f"detect_leaks={int(leaks)}"}
    for _ in range(5):
        p = subprocess.run([program, *words], stderr=subprocess.PIPE, timeout=DEADLINE_S,
                           env={**PLAIN_ENV, **asan, **(env or {})}, cwd=cwd, check=False, **how)
        if not leaks or LSAN_FAILED not in p.stderr.decode(errors="replace"):
            break
    shown = " ".join(a.decode(errors="replace")[:80] for a in words)
    return Done(f"nsm {shown}", p.returncode, p.stdout or b"", p.stderr.decode(errors="replace"))


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="nsm-tool-") as name:
        yield Path(name)


def names(path: Path) -> set[str]:
    return {p.name for p in path.iterdir()}


class Device:
    """An NSM with PCRs 0 to 15 locked, in a folder of its own."""

    def __init__(self, path: Path, document: bytes = b"") -> None:
        self.path = path
        self.state, self.log = path / "state", path / "log"
        self.state.write_bytes(b"".join(bytes([n < 16]) + (bytes([n + 1]) * 48 if n < 3 else Z48)
                                        for n in range(32)))
        (path / "document").write_bytes(document)

    def run(self, *args: object, env: dict[str, str] | None = None, **how: object) -> Done:
        words = {"NSM_STATE": str(self.state), "NSM_LOG": str(self.log),
                 "NSM_DOCUMENT": str(self.path / "document"), **(env or {})}
        return run(*args, env=words, **how)

    def pcr(self, n: int) -> bytes:
        return self.state.read_bytes()[49 * n + 1:49 * n + 49]

    def locked(self, n: int) -> bool:
        return self.state.read_bytes()[49 * n] == 1

    def requests(self) -> list[bytes]:
        """Since the last time."""
        lines = self.log.read_text().split() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [bytes.fromhex(line) for line in lines]


@contextmanager
def device(document: bytes = b"") -> Iterator[Device]:
    with folder() as path:
        yield Device(path, document)


def without_memory(*words: object, known: str = "") -> set[str]:
    """
    What WORDS say on stderr where one allocation fails: code 5, never a refusal, but for KNOWN. One that fails
    in vain, since it is done in another way then, is fine.
    """
    said: set[str] = set()
    n = 1
    while n < 40000:
        done = run(*words, program=MUSL, env={"NSM_NO_MEMORY": str(n)})
        if done.code != DONE and not (known and known in done.err):
            said.add(done.is_(FILE, ": Out of memory\n", b"").err)
        # Of the thousands within one signature or decryption some will do.
        n += 1 if n < 50 else 1 + n // 8
    return said
