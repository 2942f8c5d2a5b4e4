"""What the tests of relay share: an enclave that is a Python object, and running the program against it."""

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from suite import TOP, Skip, check, children, same, soon, test  # noqa: F401

SHIPPED = TOP / "build" / os.uname().machine / "relay"
ASAN = TOP / "build/host/relay"
VERSION = (TOP / "VERSION").read_text().strip()
DONE, REFUSED, USAGE, FILE, LOST, FATAL = 0, 1, 2, 5, 124, 125
STATUS, LOG, CONTROL, REPORT = 17000, 17001, 17003, 9001
DEADLINE_S = 300.0
# What would be the machine's vsock for ASAN is a directory of each test's, or nothing (sock.c).
ENV = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # LeakSanitizer fails now and then on a busy machine


def wait_for(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        check(time.monotonic() < end, f"waited for {what} in vain")
        time.sleep(0.005)


def in_time(attempt: Callable[[], object], what: str) -> None:
    """WHAT is so in one of ten tries: a busy machine may be too late for a deadline of the product, or see it too late."""
    check(any(attempt() for _ in range(10)), f"not once: {what}")


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="relay-") as name:
        yield Path(name)


# --- the enclave --------------------------------------------------------------

class Log:
    """The log of an enclave: SIZE newest bytes are kept, and lines that are written wake those that follow it."""

    def __init__(self, size: int = 1 << 20, boot: str = "") -> None:
        self.size, self.data, self.first, self.boot = size, b"", 0, boot
        self.ended = False
        self.changed = threading.Condition()

    def total(self) -> int:
        return self.first + len(self.data)

    def write(self, text: str | bytes) -> None:
        with self.changed:
            self.data += text.encode() if isinstance(text, str) else text
            lost = max(0, len(self.data) - self.size)
            self.data, self.first = self.data[lost:], self.first + lost
            self.changed.notify_all()

    def end(self) -> None:
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def note(self, at: int, lost: int) -> bytes:
        boot = f", boot {self.boot}" if self.boot else ""
        return b"init: log: from byte %d of %d, %d lost%b\n" % (at, self.total(), lost, boot.encode())

    def serve(self, conn: socket.socket, most: int | None = None) -> None:
        """To the end of the log, or MOST bytes of it; then the connection is cut."""
        at, sent, began = self.first, 0, False
        while True:
            with self.changed:
                if not began:
                    out, began = self.note(at, at), True
                elif at < self.first:
                    # What was overtaken begins at a new line, which may be one that the text does not have.
                    out, at = b"\n" + self.note(self.first, self.first - at), self.first
                else:
                    if at == self.total() and not self.ended:
                        self.changed.wait(0.05)
                    out = self.data[at - self.first:][:1 << 15]
                    if most is not None:
                        out = out[:most - sent]
                    at, sent = at + len(out), sent + len(out)
                    if not out and self.ended:
                        out = b"init: log: end at byte %d\n" % self.total()
                        conn.sendall(out)
                        return
            conn.sendall(out)
            if most is not None and sent >= most:
                return


class Enclave:
    """
    Listens as an enclave does, at the sockets of a directory ("dir") or behind the socket of a
    virtual machine monitor ("mux"), or as a CID does for the program ASAN ("cid"). PORTS has what
    is done with a connection to a port, which is closed after that.
    """

    def __init__(self, path: Path, kind: str = "dir", cid: int = 16) -> None:
        self.path, self.kind, self.cid = path, kind, cid
        self.mux = path / "v.sock"
        self.target = {"dir": f"dir:{path}", "mux": f"mux:{self.mux}", "cid": str(cid)}[kind]
        self.ports: dict[int, Callable[[socket.socket], None]] = {}
        self.listeners: dict[Path, socket.socket] = {}
        self.connections: list[socket.socket] = []
        self.by_port: dict[int, list[socket.socket]] = {}
        self.asked: list[bytes] = []
        self.boot = ""  # its id, in all that it says; without one it is of a version before there were ids
        self.log = Log()
        self.statuses: list[bytes] = []
        self.hub = threading.Condition()
        self.commands: list[str] = []
        self.answers: dict[str, str] = {}
        self.is_over = False
        self.numbers = itertools.count()
        self.is_gone = False
        self.served: Counter[int] = Counter()  # connections to a port that were served to their end
        self.told: dict[int, int] = {}  # statuses that each connection there is has been sent
        if kind == "mux":
            self._listen(self.mux, self._connect)

    def _listen(self, path: Path, serve: Callable[[socket.socket], None]) -> None:
        s = socket.socket(socket.AF_UNIX)
        s.bind(str(path))
        s.listen(64)
        self.listeners[path] = s

        def accept() -> None:
            while True:
                try:
                    conn, _ = s.accept()
                except OSError:
                    return
                with self.hub:
                    self.connections.append(conn)
                    if self.is_gone:
                        conn.close()
                        return
                threading.Thread(target=self._serve, args=(conn, serve), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()

    def _serve(self, conn: socket.socket, serve: Callable[[socket.socket], None]) -> None:
        with contextlib.suppress(OSError), conn:
            serve(conn)
            conn.shutdown(socket.SHUT_RDWR)

    def _connect(self, conn: socket.socket) -> None:
        line = b""
        while not line.endswith(b"\n") and (byte := conn.recv(1)):
            line += byte
        self.asked.append(line)
        port = int(line.split()[1])
        if port in self.ports:
            conn.sendall(b"OK 1073741824\n")
            self._serve_port(conn, port)

    def _serve_port(self, conn: socket.socket, port: int) -> None:
        with self.hub:
            self.by_port.setdefault(port, []).append(conn)
        try:
            if serve := self.ports.get(port):
                serve(conn)
        finally:
            with self.hub:
                self.served[port] += 1

    def on(self, port: int, serve: Callable[[socket.socket], None]) -> None:
        is_new = port not in self.ports
        self.ports[port] = serve
        if self.kind != "mux" and is_new:
            name = f"{port}.listen" if self.kind == "dir" else f"{self.cid}.{port}"
            self._listen(self.path / name, lambda conn: self._serve_port(conn, port))

    def off(self, port: int) -> None:
        """Nothing listens at PORT any more; its connections stay. Of the kinds that have a socket for each port."""
        s = self.listeners.pop(path := self.path / (f"{port}.listen" if self.kind == "dir" else f"{self.cid}.{port}"))
        path.unlink()
        s.shutdown(socket.SHUT_RDWR)  # who waits in accept() would take one more, whatever is closed
        s.close()
        del self.ports[port]

    def says(self, port: int, what: bytes, stays: bool = False) -> None:
        """WHAT, to whoever connects; if it STAYS, nothing after that, until the peer closes."""
        def serve(conn: socket.socket) -> None:
            conn.sendall(what)
            if stays:
                conn.recv(1)
        self.on(port, serve)

    # --- as docs/link.md has it

    def with_log(self, size: int = 1 << 20) -> "Enclave":
        self.log = Log(size, self.boot)
        self.on(LOG, self.log.serve)
        return self

    def with_status(self, **first: object) -> "Enclave":
        self.status(**(first or {"status": "running", "ready": True}))

        def serve(conn: socket.socket) -> None:
            me, seen = next(self.numbers), 0
            try:
                while True:
                    with self.hub:
                        # Another enclave may be about to say its first.
                        if seen == 0 or seen > len(self.statuses):
                            seen = max(len(self.statuses) - 1, 0)
                        self.told[me] = seen
                        self.hub.notify_all()
                        if seen == len(self.statuses):
                            if self.is_over:
                                return
                            self.hub.wait(0.05)
                        new, seen = self.statuses[seen:], len(self.statuses)
                    conn.sendall(b"".join(new))
            finally:
                with self.hub:
                    del self.told[me]
                    self.hub.notify_all()
        self.on(STATUS, serve)
        return self

    def is_told(self) -> bool:
        """Whether somebody has been sent the last status that there is."""
        with self.hub:
            return len(self.statuses) in self.told.values()

    def status(self, **members: object) -> None:
        """A change, told to all who are connected."""
        with self.hub:
            self.statuses.append(line(**self.own(members)))
            self.hub.notify_all()

    def own(self, members: dict) -> dict:
        return {**members, "boot": self.boot} if self.boot else members

    def born(self, boot: str) -> "Enclave":
        """Another enclave is at the same place, with log and status; the one before leaves without a word."""
        self.boot = boot
        with self.hub:
            self.statuses.clear()
        self.with_log().with_status()
        self.cut()
        return self

    def raw_status(self, text: bytes) -> None:
        with self.hub:
            self.statuses.append(text + b"\n")
            self.hub.notify_all()

    def with_control(self, **answers: str) -> "Enclave":
        self.answers = answers

        def serve(conn: socket.socket) -> None:
            conn.settimeout(DEADLINE_S)
            text = b""
            while not text.endswith(b"\n"):
                more = conn.recv(64)
                if not more:
                    return
                text += more
            self.commands.append(text.decode().rstrip("\n"))
            conn.sendall(self.answers.get(self.commands[-1], "no: not allowed").encode() + b"\n")
        self.on(CONTROL, serve)
        return self

    def end(self, **members: object) -> None:
        """The last status; then log and status end. It has been sent to all who are connected."""
        self.status(**members)
        self._finish()

    def _finish(self) -> None:
        self.log.end()
        with self.hub:
            self.is_over = True
            self._wait_told()

    def _wait_told(self) -> None:
        self.hub.wait_for(lambda: all(n == len(self.statuses) for n in self.told.values()), DEADLINE_S)

    def end_with_report(self, words: bytes = b"", lost: int = 0, **members: object) -> bool:
        """
        The same, and a report between the last status and the end of status and log: as long as these are connected it is waited
        for. Whether the parent has closed, which proves that it arrived.
        """
        self.status(**members)
        with self.hub:
            self._wait_told()
        with self.send_report(words, lost, **members) as s:
            self._finish()
            return s.recv(1) == b""

    def report_path(self, port: int = REPORT) -> Path:
        return Path({"dir": f"{self.path}/{port}.sock", "mux": f"{self.mux}_{port}",
                     "cid": f"{self.path}/{port}"}[self.kind])

    def send_report(self, words: bytes = b"", lost: int = 0, raw: bytes | None = None, **members: object) -> socket.socket:
        """A connection on which a report has been sent; the parent closes it when the report has arrived."""
        s = socket.socket(socket.AF_UNIX)
        try:
            if self.kind == "cid":
                s.bind(f"{self.path}/{self.cid}-{next(self.numbers)}")
            s.connect(str(self.report_path()))
            s.settimeout(DEADLINE_S)
            s.sendall(raw if raw is not None else line(**self.own(members), log_bytes=len(words), lost_bytes=lost) + words)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            s.close()
            raise
        return s

    def report(self, *what: object, **members: object) -> bool:
        """Sends a report. Whether the parent has closed, which proves that it arrived."""
        wait_for(self.report_path().exists, "a parent that takes reports")
        with self.send_report(*what, **members) as s:
            return s.recv(1) == b""

    def dial_log(self, most: int | None = None) -> None:
        """Connects to the parent and brings the log, as with log = connect."""
        wait_for(self.report_path(LOG).exists, "a parent that takes the log")
        with socket.socket(socket.AF_UNIX) as s, contextlib.suppress(OSError):
            if self.kind == "cid":
                s.bind(f"{self.path}/{self.cid}-{next(self.numbers)}")
            s.connect(str(self.report_path(LOG)))
            self.log.serve(s, most)

    def cut(self, port: int | None = None) -> None:
        """Ends all connections, or those to PORT."""
        with self.hub:
            for conn in self.connections if port is None else self.by_port[port]:
                with contextlib.suppress(OSError):
                    conn.shutdown(socket.SHUT_RDWR)

    def go(self) -> None:
        """Is no more."""
        self.log.end()
        with self.hub:
            self.is_over = self.is_gone = True
        for path, s in self.listeners.items():
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
        self.listeners.clear()
        self.cut()


def line(**members: object) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode() + b"\n"


EXITED = {"status": "exited", "code": 3, "service": "main", "oom": False, "uptime_ms": 8123, "restarts": 0}


@contextmanager
def enclave(kind: str = "dir") -> Iterator[Enclave]:
    with folder() as path:
        e = Enclave(path, kind)
        try:
            yield e
        finally:
            e.go()


# --- the program ----------------------------------------------------------------

# What relay says of an enclave that has not answered after 5 s: the test's threads may have had no processor so long.
LATE = re.compile(r"^relay: \w+: \S+: nothing answers yet at ports? [^\n]*\n", re.MULTILINE)


def patience(words: tuple[object, ...], vsock: Path | None) -> list[str]:
    """
    How long a command waits for the enclave of a test, where the test itself does not say it: the usual 5 and 10 s are a
    user's patience, and less than a busy machine may need.
    """
    if len(words) < 2 or not (vsock or os.path.exists(str(words[1]).removeprefix("dir:").removeprefix("mux:"))):
        return []
    options = {"status": ["--wait"], "stop": ["--wait"], "log": ["--wait", "--lost"], "watch": ["--lost"]}.get(str(words[0]), [])
    return [word for option in options if option not in words for word in (option, "5m")]


class Done:
    def __init__(self, words: str, code: int, out: bytes, err: str) -> None:
        self.words, self.code, self.out, self.err = words, code, out, err

    @property
    def lines(self) -> list[str]:
        return self.out.decode().splitlines()

    @property
    def objects(self) -> list[dict]:
        return [json.loads(text) for text in self.lines]

    def is_(self, code: int, err: str | None = None, out: bytes | None = None) -> "Done":
        """ERR is in stderr; "" is nothing."""
        story = f"relay {self.words}\n  code {self.code}\n  stdout {self.out[:600]!r}\n  stderr {self.err[-3000:]}"
        check(self.code == code, f"code {self.code}, not {code}: {story}")
        if err is not None:
            check(err in self.err if err else not LATE.sub("", self.err), f"stderr without {err!r}: {story}")
        check("Sanitizer" not in self.err and "runtime error" not in self.err, story)
        if out is not None:
            check(self.out == out, f"stdout is not {out[:600]!r}: {story}")
        return self


class Relay:
    """The program while it runs."""

    def __init__(self, *words: object, program: Path = ASAN, vsock: Path | None = None, **how: object) -> None:
        words = (*words, *patience(words, vsock))
        self.words = " ".join(map(str, words))
        self.tmp = tempfile.TemporaryDirectory(prefix="relay-out-")
        self.out_path, self.err_path = Path(self.tmp.name) / "out", Path(self.tmp.name) / "err"
        how.setdefault("stdout", self.out_path.open("wb"))
        self.out_path.touch()
        self.err_path.touch()
        with how.pop("err", None) or self.err_path.open("wb") as err:
            self.process = subprocess.Popen([program, *map(str, words)], stdin=subprocess.DEVNULL, stderr=err,
                                            env={**ENV, **({"RELAY_VSOCK": str(vsock)} if vsock else {})}, **how)

    @property
    def out(self) -> bytes:
        return self.out_path.read_bytes()

    @property
    def err(self) -> str:
        return self.err_path.read_text(errors="replace")

    def wait_out(self, text: str | bytes) -> "Relay":
        data = text.encode() if isinstance(text, str) else text
        wait_for(lambda: data in self.out or self.process.poll() is not None, f"{data!r} of relay {self.words}")
        check(data in self.out, f"no {data!r} in {self.out!r} {self.err}")
        return self

    def wait_err(self, text: str) -> "Relay":
        wait_for(lambda: text in self.err or self.process.poll() is not None, f"{text!r} of relay {self.words}")
        check(text in self.err, f"no {text!r} in {self.err!r} {self.out!r}")
        return self

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It does not run meanwhile: what is sent to it is all there when it goes on."""
        self.process.send_signal(signal.SIGSTOP)
        state = Path(f"/proc/{self.process.pid}/stat")
        wait_for(lambda: state.read_text().rpartition(") ")[2][0] == "T", "the stop")
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def end(self) -> Done:
        try:
            code = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        done = Done(self.words, code, self.out, self.err)
        self.tmp.cleanup()
        return done

    def kill(self) -> Done:
        self.process.kill()
        return self.end()


def run(*words: object, program: Path = ASAN, **how: object) -> Done:
    return Relay(*words, program=program, **how).end()
