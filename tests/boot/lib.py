"""What the boot tests share: images, boots, checks, and the list of tests."""

import pickle
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import enclave
import suite
from enclave import Eif, Tree
from machine import Machine, Result, emulator, kernel_dir, listens
from suite import TOP, Failure, Skip, check, lock, once, same, soon, test  # noqa: F401

VERSION = (TOP / "VERSION").read_text().strip()
# Messages of the kernel would tear lines of ours apart.
QUIET = "reboot=t panic=-1 quiet"
DEADLINE_S = 300.0  # of a boot that takes two seconds: on whatever machine it fails, it is not for its speed
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


_boots: list["Boot"] = []  # those of the test that runs


def built(name: str, arch: str = "x86_64") -> bytes:
    """The content of a file of build/ARCH."""
    return suite.built(name, arch).read_bytes()


# --- images ------------------------------------------------------------------

def kernel_file(kernel: str, name: str) -> bytes:
    return (kernel_dir(kernel) / name).read_bytes()


def image(*cmd: str, env: tuple[str, ...] | None = (), raw_cmd: bytes | None = None,
          raw_env: bytes | None = None, no_cmd: bool = False, files: Tree | None = None,
          boot_files: dict[str, bytes | tuple[bytes, int]] | None = None,
          config: str | None = None, kernel: str = "module",
          modules: dict[str, bytes] | None = None, load_order: list[str] | None = None,
          mount_points: tuple[str, ...] = enclave.MOUNT_POINTS, shim: bool = False, init: str = "init",
          rootfs: bool = True) -> Eif:
    """
    An image with /bin/probe, /bin/act and FILES, that runs CMD, or has RAW_CMD and RAW_ENV for
    /cmd and /env. env=None: no /env. SHIM stands before init. INIT is a file of build/ARCH. BOOT_FILES,
    some with a mode, lie beside /init. CONFIG is that of /enclave-init.conf.
    """
    tree = Tree()
    tree.file("bin/probe", built("apps/probe"), 0o755)
    tree.file("bin/act", built("apps/act"), 0o755)
    tree.entries.update(files.entries if files else {})
    if modules is None:
        modules = {} if kernel == "builtin" else {"nsm.ko": kernel_file(kernel, "nsm.ko")}
    boot = enclave.boot_ramdisk(built("apps/shim" if shim else init), modules, load_order)
    if shim:
        boot.file("init.real", built("init"), 0o755)
    for name, data in (boot_files or {}).items():
        boot.file(name, *(data if isinstance(data, tuple) else (data,)))
    if raw_cmd is None and not no_cmd:
        raw_cmd = enclave.lines(cmd or ("/bin/probe",))
    if raw_env is None and env is not None:
        raw_env = enclave.lines(env)
    app = enclave.app_ramdisk(tree, raw_cmd, raw_env, mount_points,
                              None if config is None else config.encode())
    if not rootfs:
        app.entries = {n: e for n, e in app.entries.items() if not n.startswith("rootfs")}
    return Eif(kernel_file(kernel, "bzImage"), enclave.CMDLINES["x86_64"],
               [boot.cpio(), app.cpio()])


# --- boots -------------------------------------------------------------------

class Boot:
    """What came of one boot: the console's facts ("@key=value") and init's own lines."""

    def __init__(self, result: Result) -> None:
        self.result = result
        self.facts: dict[str, list[str]] = {}
        self.log: list[str] = []
        for _, line in result.console:
            # A line may follow what somebody else left unfinished.
            if (at := line.find("init: ")) >= 0:
                self.log.append(line[at:])
            elif (at := line.find("@")) >= 0 and "=" in line:
                key, value = line[at + 1:].split("=", 1)
                self.facts.setdefault(key, []).append(value)

    def all(self, key: str) -> list[str]:
        return self.facts.get(key, [])

    def fact(self, key: str) -> str:
        values = self.all(key)
        check(len(values) == 1, f"{len(values)} times @{key}= on the console")
        return values[0]

    def expect(self, **facts: str) -> None:
        for key, wanted in facts.items():
            same(self.fact(key.replace("__", ".")), wanted, key)

    def said(self, text: str) -> bool:
        return any(text in line for line in self.log)

    def expect_said(self, *texts: str) -> None:
        for text in texts:
            check(self.said(text), f"init did not say '{text}', but: {' | '.join(self.log)}")

    def expect_end(self, path: str, how: str) -> None:
        """init's last line."""
        same(self.log[-1] if self.log else "", f"init: end: {path}: {how}", "the last line")

    def expect_stop(self, step: int, *texts: str) -> None:
        """The boot stopped, said why, and told the parent so by that step's number."""
        self.expect_said(*texts)
        same(self.result.received, [f"{step:02x}"], "the parent received")

    def expect_heartbeat(self) -> None:
        same(self.result.received, ["b7"], "the parent received")

    def mount(self, point: str) -> tuple[str, set[str], str]:
        """Type, options and the file system's own options of what is mounted at POINT last."""
        found = [m.split(" ") for m in self.all("mount") if m.split(" ")[0] == point]
        check(found, f"nothing is mounted at {point}")
        _, kind, options, own = found[-1]
        return kind, set(options.split(",")), own

    def path(self, path: str) -> str:
        found = [p.split(" ", 1)[1] for p in self.all("path") if p.split(" ", 1)[0] == path]
        check(found, f"nothing is said about {path}")
        return found[0]


def boot(eif: Eif, append: str = "", until: str = "", panics: bool = False, ends: bool = True,
         **machine) -> Boot:
    """Boots EIF; it has to end by itself (unless UNTIL or not ENDS), and without a panic."""
    machine.setdefault("timeout", DEADLINE_S)
    b = Boot(Machine(eif, append=f"{QUIET} {append}".strip(), **machine).run(until))
    return seen(b, panics, ends and not until)


def seen(b: Boot, panics: bool = False, ends: bool = True) -> Boot:
    """B, one of this test, which ended by itself, if ENDS, and without a panic, unless it PANICS."""
    _boots.append(b)
    if ends:
        check(b.result.ended != "deadline", f"it did not end within {b.result.seconds:.0f} s")
    check(b.result.panicked == panics, "the kernel panicked" if b.result.panicked else "no panic")
    if ends and not panics:
        check(b.log, "init said nothing")
    return b


def shared(make: Callable[[], Boot]) -> Callable[[], Boot]:
    """One boot that several tests look at, whichever worker runs them."""
    @cache
    def made() -> Boot:
        path = once(f"boots/{make.__module__}.{make.__name__}", lambda path: path.write_bytes(pickle.dumps(make())))
        return pickle.loads(path.read_bytes())

    def get() -> Boot:
        before = [*_boots]
        b = made()
        _boots[:] = [*before, b]
        return b
    return get


@contextmanager
def told() -> Iterator[None]:
    """A test; a failing one has the consoles of its boots as a note. What stops the emulator is no fault of it."""
    _boots.clear()
    try:
        yield
    except RuntimeError as e:
        failure = Failure(str(e))
        failure.add_note(console_text())
        raise failure from e
    except Exception as e:
        e.add_note(console_text())
        raise


@contextmanager
def running(*words: object, at: tuple[Path, ...] = (), **how: object) -> Iterator[subprocess.Popen]:
    """A program beside a boot, from when it takes connections AT these sockets on."""
    p = subprocess.Popen([*map(str, words)], stdin=subprocess.DEVNULL, **how)
    try:
        end = time.monotonic() + DEADLINE_S
        while not all(map(listens, at)):
            check(p.poll() is None and time.monotonic() < end, f"{words[0]} does not listen at {' '.join(map(str, at))}")
            time.sleep(0.02)
        yield p
    finally:
        p.terminate()
        p.wait()


def no_emulator() -> str:
    """Why nothing can be booted here, or nothing."""
    try:
        emulator("x86_64")
    except (RuntimeError, subprocess.CalledProcessError):
        return "scripts/emulator failed"
    with suppress(RuntimeError, subprocess.CalledProcessError):
        emulator("aarch64")  # before the clock runs
    return ""


def console_text() -> str:
    """What the boots of the test showed."""
    out = []
    for b in _boots:
        events = [f"{e['at']:8.3f} parent: {e}" for e in b.result.parent]
        lines = [f"{t:8.3f} {line}" for t, line in b.result.console]
        out += [f"--- {b.result.ended} after {b.result.seconds:.1f} s", *lines, *events, ""]
    return "\n".join(out)
