"""
Networks of a test's own, and relay inside in one of them as init starts it: who is its parent are sockets of AF_UNIX (sock.c).
"""

import array
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .lib import ASAN, DEADLINE_S, ENV, VERSION, Skip, check, same, wait_for

CLONE_NEWNS, CLONE_NEWNET, MS_PRIVATE_ALL, MS_BIND = 0x20000, 0x40000000, 1 << 18 | 1 << 14, 1 << 12
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, IFF_UP = 0x8913, 0x8914, 0x8916, 1
READY = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def call(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = array.array("b", struct.pack("16sH14x", b"lo", 0))
        fcntl.ioctl(s, SIOCGIFFLAGS, request, True)
        name, flags = struct.unpack("16sH14x", request.tobytes())
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", name, flags | IFF_UP))


def in_a_network(run: Callable[[], None]) -> None:
    """Runs RUN in a thread with a network and a view of the files of its own, which its processes inherit."""
    failures: list[BaseException] = []

    def enter() -> None:
        try:
            call(LIBC.unshare(CLONE_NEWNET | CLONE_NEWNS), "unshare")
            call(LIBC.mount(b"none", b"/", None, MS_PRIVATE_ALL, None), "mount")
            loopback_up()
            run()
        except BaseException as e:  # noqa: BLE001
            failures.append(e)
    if os.geteuid() != 0:
        raise Skip("a network of its own is root's to make")
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def with_network(function: Callable[[], None]) -> Callable[[], None]:
    """Of a test: it runs in_a_network."""
    def wrapped() -> None:
        in_a_network(function)
    wrapped.__name__, wrapped.__doc__, wrapped.__module__ = function.__name__, function.__doc__, function.__module__
    return wrapped


def resolv_conf(text: str, path: Path) -> None:
    """What /etc/resolv.conf is in this network; PATH can be written to again."""
    path.write_text(text)
    path.chmod(0o644)
    call(LIBC.mount(str(path).encode(), os.path.realpath("/etc/resolv.conf").encode(), None, MS_BIND, None), "mount")


def hosts(text: str, path: Path) -> None:
    """What /etc/hosts is in this network."""
    path.write_text(text)
    path.chmod(0o644)
    call(LIBC.mount(str(path).encode(), b"/etc/hosts", None, MS_BIND, None), "mount")


def own_address(address: str, alias: int) -> None:
    """This network's machine has ADDRESS as well."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCSIFADDR, struct.pack("16sHH4s8x", f"lo:{alias}".encode(), socket.AF_INET, 0, socket.inet_aton(address)))


class Inside:
    """relay inside with PLAN; its parent's ports are sockets in DIR."""

    def __init__(self, plan: str, program: Path = ASAN, **env: str) -> None:
        self.tmp = tempfile.TemporaryDirectory(prefix="relay-inside-")
        self.dir = Path(self.tmp.name)
        self.dir.chmod(0o755)  # for the user that it becomes
        (self.dir / "plan").write_text(plan)
        self.log = self.dir / "log"
        self.report, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, (self.dir / "plan").open("rb") as text, self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [program, "inside", f"--version={VERSION}"], stdin=text, stdout=log, stderr=log, pass_fds=(3,),
                preexec_fn=lambda: os.dup2(theirs.fileno(), 3), env={**ENV, "RELAY_VSOCK": str(self.dir), **env})

    def wait(self) -> "Inside":
        self.report.settimeout(DEADLINE_S)
        news = self.report.recv(4096)
        check(news, f"no report: {self.words()}")
        same(struct.unpack_from("I", news)[0], READY, f"the report {news[12:].split(bytes(1))[0]!r}")
        return self

    def words(self) -> str:
        return self.log.read_text(errors="replace")

    def children(self) -> dict[str, int]:
        """Its processes, by name."""
        found = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                head, _, rest = stat.read_text().rpartition(")")
                if int(rest.split()[1]) == self.process.pid:
                    found[head.partition("(")[2]] = int(stat.parent.name)
        return found

    def end(self) -> None:
        self.process.terminate()
        code = self.process.wait(DEADLINE_S)
        words = self.words()
        self.report.close()
        self.tmp.cleanup()
        check(code == 0 and "Sanitizer" not in words and "runtime error" not in words, f"relay inside: {code} {words}")


@contextmanager
def inside(plan: str, **env: str) -> Iterator[Inside]:
    relay = Inside(plan, **env)
    try:
        yield relay.wait()
    finally:
        relay.end()


class Port:
    """A port of the parent: SERVE gets each connection, in a thread of its own."""

    def __init__(self, relay: Inside, port: int, serve: Callable[[socket.socket], None]) -> None:
        self.path, self.serve = relay.dir / f"3.{port}", serve
        self.connections: list[socket.socket] = []
        self.lock, self.is_closed = threading.Lock(), False
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(self.path))
        self.path.chmod(0o777)
        self.socket.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                conn, _ = self.socket.accept()
                with self.lock:
                    self.connections.append(conn)
                    if self.is_closed:
                        conn.close()
                        return
                threading.Thread(target=self._run, args=(conn,), daemon=True).start()

    def _run(self, conn: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self.serve(conn)
            conn.shutdown(socket.SHUT_RDWR)
        conn.close()

    def close(self, how: int = socket.SHUT_RDWR) -> None:
        """
        It is gone, and so are its connections. With SHUT_WR these are read to their end: what is not read makes a reset of
        theirs.
        """
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.path.unlink(missing_ok=True)
        with self.lock:
            self.is_closed = True
            for conn in self.connections:
                with contextlib.suppress(OSError):
                    conn.shutdown(how)


def copy(a: socket.socket, b: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := a.recv(32768):
            b.sendall(data)
    with contextlib.suppress(OSError):
        b.shutdown(socket.SHUT_WR)


def pass_on(to: Callable[[], socket.socket]) -> Callable[[socket.socket], None]:
    """What socat does at the parent: each connection is copied to one that TO makes."""
    def serve(conn: socket.socket) -> None:
        with to() as other:
            thread = threading.Thread(target=copy, args=(other, conn), daemon=True)
            thread.start()
            copy(conn, other)
            thread.join(DEADLINE_S)
    return serve


def wait_port(port: int) -> None:
    """Until something listens on PORT of this network's loopback."""
    def is_there() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False
    wait_for(is_there, f"port {port}")
