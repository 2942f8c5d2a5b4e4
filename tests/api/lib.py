"""What the tests of the local API share: the program beside an NSM, and requests to it, byte by byte where it matters."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from kms.lib import DEADLINE_S, PLAIN_ENV, children, folder, sleeps, sockets, wait_for  # noqa: F401
from kms.nsm import Fault, Nsm  # noqa: F401
from ports import free_port  # noqa: F401
from suite import TOP, Skip, check, same, soon, test  # noqa: F401

from .enclave import patient

ASAN = TOP / "build/host/api"                            # ASan and UBSan, and the NSM of device.c
MUSL = TOP / "build" / os.uname().machine / "test/api"   # the shipped objects with their filters, and that NSM
SHIPPED = TOP / "build" / os.uname().machine / "api"
JSON = "application/json"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes = field(repr=False, default=b"")

    @property
    def json(self) -> dict:
        same(self.headers.get("content-type"), JSON, f"Content-Type of {self}")
        return json.loads(self.body)

    def is_(self, status: int, code: str = "", *words: str) -> "Answer":
        check(self.status == status, f"not {status}: {self}")
        same(self.headers["content-length"], str(len(self.body)), f"Content-Length of {self}")
        if code:
            error = self.json["error"]
            same(error["code"], code, f"the code of {self}")
            for w in words:
                check(w in error["message"], f"no {w!r}: {self}")
        return self


def read_answer(s: socket.socket, is_head: bool = False) -> Answer:
    """One answer, to its last byte."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        more = s.recv(65536)
        check(more, f"the connection ended within a head: {raw!r}")
        raw += more
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    match = re.fullmatch(r"HTTP/1\.1 (\d{3}) [A-Za-z ]+", first)
    check(match, f"no status: {first!r}")
    headers = {}
    for line in lines:
        name, _, value = line.partition(": ")
        check(name.lower() not in headers, f"{name} twice: {head!r}")
        headers[name.lower()] = value
    if match[1] == "100":
        return Answer(100, headers, b"", raw)
    wanted = 0 if is_head else int(headers["content-length"])
    while len(body) < wanted:
        more = s.recv(65536)
        check(more, f"the connection ended within a body: {len(body)} of {wanted}")
        body += more
    return Answer(int(match[1]), headers, body[:wanted], raw)


def head_of(method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1"]
    given = {"Host": "localhost", **({"Content-Length": str(len(body))} if body is not None else {}), **(headers or {})}
    lines += [f"{k}: {v}" for k, v in given.items() if v is not None]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


class Api:
    def __init__(self, path: Path, nsm: Nsm | None, program: Path, lines: tuple[str, ...], env: dict[str, str]) -> None:
        if not program.exists():
            raise Skip(f"no {program.relative_to(TOP)}")
        self.path, self.nsm = path, nsm
        self.socket = path / "api.sock"
        self.conf = path / "api.conf"
        text = "\n".join((f"socket = {self.socket}", f"notify-dir = {path}", *lines, *patient(lines))) + "\n"
        self.conf.write_text(text.replace("{path}", str(path)))
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(path / "notify"))
        self.notify.settimeout(DEADLINE_S)
        self.log = path / "log"
        env = {**PLAIN_ENV, "NOTIFY_SOCKET": str(path / "notify"), **({"KMS_NSM": str(nsm.path)} if nsm else {}), **env}
        self.process = subprocess.Popen([program, self.conf], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=self.log.open("wb"), env=env)

    def wait(self) -> "Api":
        """Until it says that it is ready, or dies."""
        self.notify.settimeout(0.2)
        end = time.monotonic() + DEADLINE_S
        while True:
            with suppress(TimeoutError):
                same(self.notify.recv(4096), b"READY=1", "what it says")
                return self
            check(self.process.poll() is None, f"it has ended: {self.story}")
            check(time.monotonic() < end, f"it is not ready: {self.story}")

    @property
    def story(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def connect(self, port: int | None = None) -> socket.socket:
        if port:
            return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(self.socket))  # without a timeout, which would make a full queue an error
        s.settimeout(DEADLINE_S)
        return s

    def send(self, data: bytes, port: int | None = None, is_head: bool = False) -> Answer:
        with self.connect(port) as s:
            with suppress(BrokenPipeError, ConnectionResetError):  # an answer may come before the end of a request
                s.sendall(data)
            return read_answer(s, is_head)

    def ask(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None,
            port: int | None = None) -> Answer:
        """BODY: bytes, or what is made JSON."""
        given = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            given.setdefault("Content-Type", JSON)
        return self.send(head_of(method, path, given, body), port, method == "HEAD")

    def end(self, code: int = 0) -> None:
        self.process.send_signal(signal.SIGTERM)
        same(self.process.wait(DEADLINE_S), code, f"its code at SIGTERM ({self.story})")
        check(not self.socket.exists(), "its socket is left")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.notify.close()
        check("Sanitizer" not in self.story and "runtime error" not in self.story, self.story)


@contextmanager
def api(*lines: str, program: Path = ASAN, wait: bool = True, env: dict[str, str] | None = None, **nsm: object) -> Iterator[Api]:
    """LINES of the configuration, with {path} for its directory; NSM: arguments of Nsm."""
    with folder() as path, Nsm(**nsm) as device:
        path.chmod(0o755)
        a = Api(path, device, program, lines, env or {})
        try:
            yield a.wait() if wait else a
            if a.process.poll() is None:
                a.end()
        finally:
            a.close()


def as_user(uid: int, gid: int, groups: list[int], what: Callable[[], object]) -> object:
    """Has WHAT done in a child with that user, and returns what it returns: JSON."""
    if os.geteuid() != 0:
        raise Skip("only root can be another user")
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
            os.write(w, json.dumps(what()).encode())
        except BaseException as e:
            os.write(w, json.dumps({"failed": repr(e)}).encode())
        finally:
            os._exit(0)
    os.close(w)
    with os.fdopen(r, "rb") as f:
        out = json.loads(f.read())
    os.waitpid(pid, 0)
    check(not (isinstance(out, dict) and "failed" in out), f"as user {uid}: {out}")
    return out
