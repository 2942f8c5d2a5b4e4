"""What the namespace tests share: a jail with init as PID 1, its console, its parent, its record."""

import fcntl
import math
import os
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from enclave import MOUNT_POINTS, Tree, app_ramdisk, boot_ramdisk, lines
from suite import TOP, Failure, Skip, check, children, same, soon, test  # noqa: F401

MACHINE = os.uname().machine
BUILD = TOP / "build" / MACHINE
JAIL = TOP / "build/host/jail"
INJECT = TOP / "build/host/inject"
# Whether PID 1 is traced: then a test fails by each call that could block it (tests/README.md, Faults).
IS_TRACED = os.environ.get("TRACED") == "1"
VERSION = (TOP / "VERSION").read_text().strip()
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEADLINE_S = 180.0
LINK_PORTS = {9001, 17001}  # of the parent: its report, and log = connect
IS_ROOT = os.geteuid() == 0
# A user namespace has no devtmpfs, may not raise limits, and sets few sysctls.
OF_THE_JAIL = {"init: console: /dev: Operation not permitted",
               "init: mounts: /dev: Operation not permitted",
               "init: mounts: RLIMIT_NOFILE: Operation not permitted",
               "init: mounts: net/ipv4/ping_group_range: Invalid argument",
               *(f"init: mounts: fs/protected_{what}: Permission denied" for what in ("symlinks", "hardlinks", "fifos", "regular"))}
if not IS_ROOT:  # group 5 is not mapped
    OF_THE_JAIL.add("init: mounts: /dev/pts: Invalid argument")


def in_time(attempt: Callable[[], bool], what: str) -> None:
    """
    WHAT, where a process of the test has to come before a deadline of init's. A busy machine may keep it from its processor for
    longer, which a try says by false: then it is tried again, as often as soon() does.
    """
    soon(lambda: 0 if attempt() else math.inf, 1, what)


def app(name: str) -> bytes:
    return (BUILD / "apps" / name).read_bytes()


# --- parents: what becomes of an attempt to connect, and of a connection ------

class Parent:
    """Listens, and echoes what it should."""

    def __init__(self, refuse: int = 0, error: int = 104, echo: bytes | None = b"\xb7",
                 close: bool = True, hold: bool = False) -> None:
        self.refuse = refuse  # so many attempts fail, by ERROR; -1: all
        self.error = error
        self.echo = echo
        self.close = close
        self.hold = hold  # no attempt is answered before release()
        self.taken: set[int] = set()  # ports that others listen at
        self.serves: set[int] = set()  # LINK_PORTS whose connections Jail.incoming gets; the others refuse
        self.attempts: list[str] = []
        self.received: list[int] = []

    def answer(self) -> int | None:
        """What connect gives now: 0, an errno, or None for later."""
        if self.hold:
            return None
        if self.refuse:
            self.refuse -= self.refuse > 0
            return self.error
        return 0


# --- the jail ------------------------------------------------------------------

class Jail:
    """
    init, started with CMD in an image with /bin/act, /bin/probe and FILES. All that happens is
    seen by poll(), which each wait calls.
    """

    def __init__(self, *cmd: str, env: tuple[str, ...] | bytes | None = (), raw_cmd: bytes | None = None,
                 no_cmd: bool = False, files: Tree | None = None, rootfs: bool = True,
                 mount_points: tuple[str, ...] = MOUNT_POINTS, words: tuple[str, ...] = ("nomodules",),
                 modules: dict[str, bytes] | None = None, load_order: list[str] | None = None,
                 config: str | bytes | None = None, boot_files: dict[str, bytes] | None = None,
                 parent: Parent | None = None, options: tuple[str, ...] = (), console: bool = True,
                 drain: bool = True, init: str = "test/init", size: tuple[int, int] | None = None,
                 change: Callable[[Tree, Tree], None] | None = None,  # both ramdisks
                 below: tuple[str, ...] = (),  # what runs the jail
                 **seams: int | str) -> None:
        tree = Tree()
        for name in ("act", "probe"):
            tree.file(f"bin/{name}", app(name), 0o755)
        tree.entries.update(files.entries if files else {})
        boot = boot_ramdisk((BUILD / init).read_bytes(),
                            {"nsm.ko": b"nsm"} if modules is None else modules, load_order,
                            {n: (data, 0o644) for n, data in (boot_files or {}).items()})
        if raw_cmd is None and not no_cmd:
            raw_cmd = lines(cmd or ("/bin/probe",))
        image = app_ramdisk(tree, raw_cmd, lines(env) if isinstance(env, tuple) else env, mount_points,
                            config.encode() if isinstance(config, str) else config)
        if not rootfs:
            image.entries = {n: e for n, e in image.entries.items() if not n.startswith("rootfs")}

        if change:
            change(boot, image)

        self.parent = parent or Parent()
        self.drain = drain
        self.size = size  # of the console: lines, columns
        self.began = time.monotonic()
        self.raw = b""
        self.recorded = b""
        self.code: int | None = None
        self._held: list[tuple[str, int]] = []
        self._connections: list[socket.socket] = []
        self.ports: dict[int, socket.socket] = {}  # that it listens at
        self.incoming: list[tuple[int, socket.socket]] = []  # connections to Parent.serves
        self._start(boot.cpio() + image.cpio(), words, options, console, below, seams)

    def _start(self, ramdisk: bytes, words: tuple[str, ...], options: tuple[str, ...],
               console: bool, below: tuple[str, ...], seams: dict[str, int | str]) -> None:
        memory = os.memfd_create("ramdisk", 0)
        with os.fdopen(os.dup(memory), "wb") as f:
            f.write(ramdisk)
        self.console, tty = os.openpty()
        os.fchmod(tty, 0o666)
        if self.size:
            fcntl.ioctl(tty, termios.TIOCSWINSZ, struct.pack("4H", *self.size, 0, 0))
        self.tty_device = os.fstat(tty).st_rdev
        self.record, record = os.pipe()
        self.listener, sock = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.calls = Path(tempfile.mkstemp(prefix="calls")[1]) if IS_TRACED and not below else None
        if self.calls:
            below = (str(INJECT), "-l", str(self.calls))
            seams = {"ASAN_OPTIONS": "detect_leaks=0", **seams}
        command = [*below, str(JAIL), "-r", str(memory), *options]
        if console:
            command += ["-c", os.ttyname(tty)]
        environ = {"HOME": "/", "TERM": "linux", "PATH": "/kernel", "RECORD": str(record),
                   "PARENT": str(sock.fileno()), **{k: str(v) for k, v in seams.items()}}
        self.process = subprocess.Popen(
            [*command, "--", *words], stdin=subprocess.DEVNULL, stdout=tty,
            stderr=tty, env=environ, pass_fds=[memory, record, sock.fileno()])
        for fd in (memory, tty, record):
            os.close(fd)
        sock.close()
        for fd in (self.console, self.record, self.listener.fileno()):
            os.set_blocking(fd, False)

    # --- what happens ---

    def poll(self, timeout: float = 0.02) -> bool:
        """Takes what the console, the record and the parent's sockets have; whether there was anything."""
        fds = [fd for fd in (self.console if self.drain else -1, self.record) if fd >= 0]
        socks = [s for s in (self.listener, *self._connections) if s.fileno() >= 0]
        ready = select.select([*fds, *socks], [], [], timeout)[0]
        if self.console in ready:
            self._read_console()
        if self.record in ready:
            data = os.read(self.record, 65536)
            self.recorded += data
            if not data:
                os.close(self.record)
                self.record = -1
        if self.listener in ready:
            self._take_attempt()
        for s in list(self._connections):
            if s in ready:
                self._take_byte(s)
        if self.code is None:
            self.code = self.process.poll()
        return bool(ready)

    def _read_console(self) -> None:
        try:
            data = os.read(self.console, 65536)
        except BlockingIOError:
            return
        except OSError:  # EIO: the last of the other side is gone
            data = b""
        self.raw += data
        if not data:
            os.close(self.console)
            self.console = -1

    def _take_attempt(self) -> None:
        try:
            message, fds, _, _ = socket.recv_fds(self.listener, 256, 1)
        except OSError:
            message, fds = b"", []
        if not message:
            self.listener.close()
            return
        if message.startswith(b"listen "):
            port = int(message.split()[1])
            end = socket.socket(fileno=fds[0])
            self._answer(end, 98 if port in self.parent.taken else 0)
            if port in self.parent.taken:
                end.close()
            else:
                self.ports[port] = end
            return
        port = int(message.split()[1])
        if port in LINK_PORTS:
            end = socket.socket(fileno=fds[0])
            end.settimeout(DEADLINE_S)
            served = port in self.parent.serves
            self._answer(end, 0 if served else 104)
            if served:
                self.incoming.append((port, end))
            else:
                end.close()
            return
        self.parent.attempts.append(message.decode())
        self._held.append((message.decode(), fds[0]))
        self.release(self.parent.answer())

    def release(self, answer: int | None = 0) -> None:
        """Answers the attempts that wait."""
        if answer is None:
            return
        self.parent.hold = False
        for _, fd in self._held:
            s = socket.socket(fileno=fd)
            self._answer(s, answer)
            if answer:
                s.close()
            else:
                self._connections.append(s)
        self._held = []

    @staticmethod
    def _answer(s: socket.socket, error: int) -> None:
        with suppress(OSError):  # the process that asked may be gone
            s.send(error.to_bytes(4, "little"))

    def _take_byte(self, s: socket.socket) -> None:
        try:
            data = s.recv(64)
        except ConnectionResetError:  # a process that was killed had something to read
            data = b""
        self.parent.received += data
        if data and self.parent.echo:
            with suppress(OSError):  # who asked may be gone
                s.send(self.parent.echo)
        if not data or self.parent.close:
            s.close()
            self._connections.remove(s)

    def connect(self, port: int, cid: int = 3, first: bytes = b"") -> socket.socket:
        """A connection to what init listens at on PORT, of the parent or another CID, with FIRST sent already."""
        self.wait(lambda: port in self.ports, f"port {port} listens")
        ours, theirs = socket.socketpair()
        ours.sendall(first)
        socket.send_fds(self.ports[port], [cid.to_bytes(4, "little")], [theirs.fileno()])
        theirs.close()
        ours.settimeout(DEADLINE_S)
        return ours

    # --- waiting ---

    def wait(self, condition: Callable[[], object], what: str, timeout: float = DEADLINE_S) -> None:
        check(self._comes(condition, what, timeout), f"it has ended: {what}")

    def _comes(self, condition: Callable[[], object], what: str, timeout: float = DEADLINE_S) -> bool:
        """Whether CONDITION comes true, before init has ended and all that it has left is taken."""
        end = time.monotonic() + timeout
        while not condition():
            check(time.monotonic() < end, f"waited {timeout:.0f} s in vain: {what}")
            ended = self.code is not None
            if not self.poll() and ended:
                return bool(condition())
        return True

    def wait_said(self, text: str) -> None:
        self.wait(lambda: text in self.text, f"'{text}' on the console")

    def started(self) -> "Jail":
        """The application runs, and the heartbeat is through."""
        self.wait(lambda: self.parent.received, "a heartbeat")
        self.wait(lambda: len(self.children()) == 1, "the heartbeat's child is gone")
        return self.asleep()

    def asleep(self) -> "Jail":
        """PID 1 is through with what it has waited for last."""
        state = Path(f"/proc/{self.init}/stat")
        self.wait(lambda: IS_TRACED or state.read_text().rpartition(") ")[2][0] == "S", "PID 1 sleeps")
        return self

    def end(self, timeout: float = DEADLINE_S) -> "Jail":
        """PID 1 has restarted its machine; all it said is here."""
        self.wait(lambda: self.code is not None, "the end", timeout)
        self.drain = True
        while self.console >= 0 or self.record >= 0:
            self.poll()
            check(time.monotonic() < self.began + 2 * DEADLINE_S, "somebody keeps the console")
        check(self.code != 125, "the jail failed")
        return self

    def restarted(self, timeout: float = DEADLINE_S) -> "Jail":
        self.end(timeout)
        same(self.code, -signal.SIGHUP, "the end of PID 1")
        same(self.record_lines()[-1:], ["reboot"], "the last of the record")
        return self

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    # --- what was seen ---

    @property
    def text(self) -> str:
        return self.raw.decode(errors="replace").replace("\r\n", "\n")

    def record_lines(self) -> list[str]:
        return self.recorded.decode().splitlines()

    @property
    def whole(self) -> str:
        """The text up to the end of its last line: what a read has got of the next one may be half of it."""
        return self.text if self.console < 0 else self.text[:self.text.rfind("\n") + 1]

    def log(self) -> list[str]:
        """init's own lines, but for those that the jail is the cause of."""
        found = [line[at:] for line in self.whole.splitlines() if (at := line.find("init: ")) >= 0]
        return [line for line in found if line not in OF_THE_JAIL]

    def facts(self, key: str) -> list[str]:
        """The values of "@key=value" lines, by whatever was printed around them."""
        return re.findall(rf"^@{re.escape(key)}=(.*)$", self.whole, re.M)

    def fact(self, key: str) -> str:
        """Of a program that may not have come that far yet."""
        self._comes(lambda: self.facts(key), f"@{key}= on the console")
        values = self.facts(key)
        check(len(values) == 1, f"{len(values)} times @{key}= on the console")
        return values[0]

    def expect(self, **facts: str) -> None:
        for key, wanted in facts.items():
            same(self.fact(key.replace("__", ".")), wanted, key)

    def expect_log(self, *wanted: str) -> None:
        same(self.log(), list(wanted), "the log")

    def expect_said(self, *wanted: str) -> None:
        """What somebody does after init has written a line may be known before the line has come by the console."""
        for line in wanted:
            check(self._comes(lambda line=line: line in self.log(), line), f"not said: {line!r}, but {self.log()}")

    def expect_stop(self, step: int, name: str, fault: str) -> None:
        """The boot stopped in that step, said why, told the parent, and restarted."""
        self.restarted()
        self.expect_said(f"init: {name}: {fault}")
        same(self.log()[-1], f"init: end: boot: stopped in step {step}, {name}", "the last line")
        same(self.parent.received, [step], "the parent received")

    def expect_end(self, path: str, how: str) -> None:
        self.restarted()
        same(self.log()[-1:], [f"init: end: {path}: {how}"], "the last line")

    # --- from outside ---

    @property
    def init(self) -> int:
        """PID 1, by its number outside."""
        found = children(self.process.pid)
        if self.calls and found:
            found = children(found[0])
        check(len(found) == 1, "no PID 1")
        return found[0]

    def children(self) -> list[int]:
        return children(self.init)

    @property
    def app(self) -> int:
        found = self.children()
        check(len(found) == 1, f"{len(found)} children of PID 1")
        return found[0]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for fd in (self.console, self.record):
            if fd >= 0:
                os.close(fd)
        for s in (self.listener, *self._connections, *self.ports.values(), *(s for _, s in self.incoming)):
            s.close()
        for _, fd in self._held:
            os.close(fd)

    def __enter__(self) -> "Jail":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, Exception):
            error.add_note(self.story())
        self.close()
        if self.calls:
            lines = [line for line in self.calls.read_text(errors="replace").splitlines() if line.startswith("blocks\t")]
            self.calls.unlink()
            check(error is not None or not lines, "PID 1 could be blocked:\n" + "\n".join(lines))

    def story(self) -> str:
        return (f"--- after {self.seconds:.1f} s; ended: {self.code}; the parent received "
                f"{self.parent.received}, attempts {len(self.parent.attempts)}\n"
                f"{self.text}--- record\n{self.recorded.decode()}")


# --- /proc -----------------------------------------------------------------------

def status(pid: int, key: str) -> str:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return line.split(":", 1)[1].strip()
    raise Failure(f"no {key} in /proc/{pid}/status")


def name_of(pid: int) -> str:
    """Of the program; nothing of one that has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def strings(pid: int, name: str) -> list[str]:
    """The NUL-ended strings of /proc/PID/NAME."""
    return Path(f"/proc/{pid}/{name}").read_bytes().decode().split("\0")[:-1]


def oom_kills() -> int:
    text = Path("/proc/vmstat").read_text()
    return int(m[1]) if (m := re.search(r"^oom_kill (\d+)$", text, re.M)) else 0


def may_make_jails() -> str:
    """Why there can be no jail here, or nothing."""
    with Jail("/bin/act") as j:
        j.wait(lambda: j.code is not None, "the end of the first jail")
        if j.code != 125:
            return ""
        while j.console >= 0:
            j.poll()
        return j.text.strip()


def low_limits() -> None:
    """The tests hold many descriptors at a time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
