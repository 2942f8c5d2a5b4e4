"""
The parent of an emulated enclave for its link, by plain sockets, as socat would be: docs/link.md. What an enclave says
is read to its end in threads, beside the boot.
"""

import json
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from .lib import Boot, Eif, boot

STATUS, LOG, CONTROL, REPORT = 17000, 17001, 17003, 9001
LINKED = "log = listen\nstatus = full\nreport = on\ncontrol = stop\n"  # all of it, by the configuration
PAUSE_S = 0.02  # between two connections to a port where nobody listens yet


@dataclass
class Heard:
    """What a parent got: each connection's bytes."""
    log: bytes = b""
    status: bytes = b""
    answers: list[bytes] = field(default_factory=list)
    reports: list[bytes] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        return self.log.decode().splitlines()

    @property
    def statuses(self) -> list[dict]:
        return [json.loads(line) for line in self.status.splitlines()]

    @property
    def report(self) -> tuple[dict, list[str]]:
        """The last one: its record, and the lines of its last words."""
        line, words = self.reports[-1].split(b"\n", 1)
        return json.loads(line), words.decode().splitlines()


class Parent:
    """Of the enclave whose sockets are in FOLDER. TAKES_REPORTS: it listens for them, from the beginning."""

    def __init__(self, folder: Path, takes_reports: bool = True) -> None:
        self.folder, self.heard = folder, Heard()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        if takes_reports:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(folder / f"{REPORT}.sock"))
            self._listener.listen()
            self._listener.settimeout(PAUSE_S)
            self._start(self._take_reports)

    def follow(self, port: int, name: str) -> None:
        """Reads all that PORT says into that field of what was heard."""
        self._start(self._read, port, name)

    def command(self, text: bytes, after: bytes) -> None:
        """Gives a command, once the log has AFTER; again if the connection ends without an answer."""
        self._start(self._command, text, after)

    def _start(self, function, *args) -> None:
        thread = threading.Thread(target=function, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def end(self) -> Heard:
        """After the enclave's end, when each connection has ended."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        return self.heard

    def _connect(self, port: int) -> Iterator[socket.socket]:
        """One connection after the other, while the enclave runs."""
        while not self._over.is_set():
            with socket.socket(socket.AF_UNIX) as s:
                try:
                    s.connect(str(self.folder / f"{port}.listen"))
                    yield s
                except OSError:
                    pass
            time.sleep(PAUSE_S)

    def _read(self, port: int, name: str) -> None:
        for s in self._connect(port):
            with suppress(ConnectionResetError):
                while data := s.recv(1 << 16):
                    with self._changed:
                        setattr(self.heard, name, getattr(self.heard, name) + data)
                        self._changed.notify_all()
            if getattr(self.heard, name):
                return

    def _command(self, text: bytes, after: bytes) -> None:
        with self._changed:
            while after not in self.heard.log and not self._over.is_set():
                self._changed.wait(PAUSE_S)
        for s in self._connect(CONTROL):
            answer = b""
            with suppress(OSError):
                s.sendall(text)
                while data := s.recv(100):
                    answer += data
            if answer:
                self.heard.answers.append(answer)
                return

    def _take_reports(self) -> None:
        while True:
            try:
                conn, _ = self._listener.accept()
            except TimeoutError:
                if self._over.is_set():
                    return
                continue
            conn.settimeout(None)
            data = b""
            with conn, suppress(OSError):
                # By its length, since the emulator does not pass the end of one direction on.
                while not _is_whole(data) and (piece := conn.recv(1 << 16)):
                    data += piece
            if data:  # one that was overtaken by the end says nothing
                self.heard.reports.append(data)


def _is_whole(report: bytes) -> bool:
    line, newline, words = report.partition(b"\n")
    return bool(newline) and len(words) >= json.loads(line)["log_bytes"]


@contextmanager
def folder() -> Iterator[Path]:
    """For the sockets of a machine: its path is short."""
    path = Path(tempfile.mkdtemp(prefix="ei-", dir="/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


def listened(eif: Eif, stop: bytes = b"", **machine: object) -> Boot:
    """A boot whose parent reads the log and the status, takes the reports, and asks for the end when the log says STOP."""
    with folder() as f:
        p = Parent(f)
        p.follow(LOG, "log")
        p.follow(STATUS, "status")
        if stop:
            p.command(b"stop\n", stop)
        try:
            b = boot(eif, folder=f, **machine)
        finally:
            heard = p.end()
    b.heard = heard
    return b
