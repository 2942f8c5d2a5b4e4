"""Ends of connections for the tests of relay's forwards: servers and clients of all kinds of addresses."""

import contextlib
import itertools
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from ports import free_port  # noqa: F401

from .lib import DEADLINE_S, Enclave, wait_for

_numbers = itertools.count()


class Server:
    """Listens at a TCP port of 127.0.0.1 or a socket PATH, and calls SERVE for each connection, which is closed after that."""

    def __init__(self, serve: Callable[[socket.socket], None], path: Path | None = None) -> None:
        self.serve, self.count = serve, 0
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(str(path))
            path.chmod(0o777)
        else:
            self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.listen(256)
        self.port = 0 if path else self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            self.count += 1
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn: socket.socket) -> None:
        with contextlib.suppress(OSError), conn:
            self.serve(conn)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read(s: socket.socket, n: int) -> bytes:
    """N bytes, or fewer before the end."""
    s.settimeout(DEADLINE_S)
    data = b""
    while len(data) < n and (more := s.recv(n - len(data))):
        data += more
    return data


def read_all(s: socket.socket) -> bytes:
    s.settimeout(DEADLINE_S)
    data = b""
    while more := s.recv(1 << 16):
        data += more
    return data


def answer_at_the_end(s: socket.socket) -> None:
    """All that came, behind the word that it was all: the answer of a server that waits for the end of the question."""
    s.sendall(b"all: " + read_all(s))


def echo(s: socket.socket) -> None:
    while data := s.recv(1 << 16):
        s.sendall(data)


def say_hello(s: socket.socket) -> None:
    s.sendall(b"hello\n")


def dial(address: str, vsock: Path | None = None, cid: int = 16) -> socket.socket:
    """Connects as a client of a LISTEN address does: tcp:, unix:, dir: (as an enclave), vsock: of the seam at VSOCK."""
    kind, _, rest = address.partition(":")
    if kind == "tcp":
        host, _, port = rest.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)), timeout=DEADLINE_S)
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(DEADLINE_S)
    if kind == "unix":
        s.connect(rest)
    elif kind == "dir":
        path, _, port = rest.rpartition(":")
        s.connect(f"{path}/{port}.sock")
    elif kind == "mux":
        path, _, port = rest.rpartition(":")
        s.connect(f"{path}_{port}")
    else:
        assert vsock
        s.bind(f"{vsock}/{cid}-{os.getpid()}-{next(_numbers)}")
        s.connect(f"{vsock}/{rest}")
    return s


def dial_when_there(address: str, vsock: Path | None = None) -> socket.socket:
    found: list[socket.socket] = []

    def try_it() -> bool:
        with contextlib.suppress(OSError):
            found.append(dial(address, vsock))
        return bool(found)
    wait_for(try_it, f"a listener at {address}")
    return found[0]


def ask(s: socket.socket, data: bytes) -> bytes:
    """Sends DATA and the end, and reads all of the answer."""
    with s:
        sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)), daemon=True)
        sender.start()
        answer = read_all(s)
        sender.join(DEADLINE_S)
    return answer


def is_reset(s: socket.socket) -> bool:
    """Whether the connection was refused: it ends, by a reset where its kind knows one, and without a byte."""
    with s:
        s.settimeout(DEADLINE_S)
        try:
            return s.recv(1) == b""
        except ConnectionResetError:
            return True


def is_refused(address: str, vsock: Path | None = None, cid: int = 16) -> bool:
    """The same of a new connection. With TCP its reset may be there before connect() has returned, and then it fails."""
    try:
        s = dial(address, vsock, cid)
    except ConnectionResetError:
        return True
    return is_reset(s)


def reset(s: socket.socket) -> None:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def at(e: Enclave, port: int) -> str:
    """The address of PORT of an enclave."""
    return f"mux:{e.mux}:{port}" if e.kind == "mux" else f"dir:{e.path}:{port}" if e.kind == "dir" else f"vsock:{e.cid}:{port}"
