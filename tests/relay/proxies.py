"""The egress of relay with both ends on this machine: the enclave's end, servers outside, proxies of the parent."""

import contextlib
import hashlib
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ports import free_port

from .lib import ASAN, DEADLINE_S, ENV, VERSION, Relay, Skip, check, same, wait_for

READY, FAULT = 1, 2
REPORT = struct.Struct("=IIi128s128s")


# --- the enclave's end ----------------------------------------------------------

class Inside(Relay):
    """`relay inside` as PID 1 starts it; says when all is bound, or why not."""

    def __init__(self, *lines: str, program: Path = ASAN, wait: bool = True) -> None:
        self.plan = tempfile.TemporaryFile()
        self.plan.write("".join(f"{line}\n" for line in lines).encode())
        self.plan.flush()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.parent = ours
        # A shell gives it the descriptors of vsock/inside.h.
        command = ["bash", "-c", f'exec "$0" "$@" <&{self.plan.fileno()} 3<&{theirs.fileno()}', str(program)]
        self.words = " ".join(lines)
        self.tmp = tempfile.TemporaryDirectory(prefix="relay-out-")
        self.out_path, self.err_path = Path(self.tmp.name) / "out", Path(self.tmp.name) / "err"
        with self.out_path.open("wb") as out, self.err_path.open("wb") as err:
            self.process = subprocess.Popen([*command, "inside", f"--version={VERSION}"], stdout=out, stderr=err, env=ENV,
                                            pass_fds=(self.plan.fileno(), theirs.fileno()))
        theirs.close()
        if wait:
            check(self.report()[0] == READY, f"it is not ready: {self.err}")

    def report(self) -> tuple[int, int, str, str]:
        """News, line, object, reason."""
        self.parent.settimeout(DEADLINE_S)
        news, line, error, name, reason = REPORT.unpack(self.parent.recv(REPORT.size).ljust(REPORT.size, b"\0"))
        words = reason.split(b"\0")[0].decode() or (os.strerror(error) if error else "")
        return news, line, name.split(b"\0")[0].decode(), words

    def __enter__(self) -> "Inside":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        done = self.end()
        self.parent.close()
        check("Sanitizer" not in done.err and "runtime error" not in done.err, done.err)


@contextmanager
def egress(*rules: str, via: str = "connect", target: int, program: Path = ASAN) -> Iterator[tuple[int, Inside]]:
    """The proxy port, with rules, over a parent's proxy at TARGET."""
    port = free_port()
    with Inside(f"egress = 127.0.0.1:{port}", f"egress-target = tcp:127.0.0.1:{target}", f"egress-via = {via}", *rules,
                program=program) as inside:
        yield port, inside


# --- servers outside ------------------------------------------------------------

BIG = hashlib.sha256(b"x").digest() * (1 << 15)  # 1 MiB


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Origin"

    def log_message(self, *_: object) -> None:
        pass

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def answer(self) -> None:
        body = self.body()
        self.server.requests.append((f"{self.command} {self.path}", dict(self.headers.items()), body))
        data = self.server.files.get(self.path.partition("?")[0].replace("/./", "/"))
        if data is None and self.server.missing:
            self.send_error(404)
            return
        text = data if data is not None else f"{self.command} {self.path} {len(body)} {hashlib.sha256(body).hexdigest()}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        if data is not None:
            self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/octet-stream")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_HEAD = do_OPTIONS = do_DELETE = answer


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        pass


class Origin(Server):
    """A web server of this machine. Requests are kept, FILES are answered, all else says what was asked."""

    def __init__(self, secure: bool = False) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.files: dict[str, bytes] = {"/big": BIG}
        self.missing = False  # what is no file is 404
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        if secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate())
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def __exit__(self, *args: object) -> None:
        self.shutdown()
        super().__exit__(*args)


@cache
def certificate() -> Path:
    """Key and certificate of origin.test, and of localhost."""
    path = Path(tempfile.mkdtemp(prefix="relay-cert-")) / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=origin.test",
                    "-addext", "subjectAltName=DNS:origin.test,DNS:localhost", "-keyout", path, "-out", f"{path}.crt"],
                   check=True, capture_output=True)
    with path.open("ab") as f:
        f.write(Path(f"{path}.crt").read_bytes())
    return path


@contextmanager
def listener(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port at which each connection is served so."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    conn, _ = s.accept()
                    threading.Thread(target=one, args=(conn,), daemon=True).start()

        def one(conn: socket.socket) -> None:
            with contextlib.suppress(OSError), conn:
                serve(conn)
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield s.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)


def read_until(conn: socket.socket, mark: bytes) -> bytes:
    data = b""
    while mark not in data and (more := conn.recv(65536)):
        data += more
    return data


def read_exact(conn: socket.socket, n: int) -> bytes:
    data = b""
    while len(data) < n and (more := conn.recv(n - len(data))):
        data += more
    return data


def read_all(conn: socket.socket) -> bytes:
    data = b""
    while more := conn.recv(65536):
        data += more
    return data


def splice(a: socket.socket, b: socket.socket) -> None:
    """Both ways, with each end passed on."""
    def copy(x: socket.socket, y: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := x.recv(65536):
                y.sendall(data)
        with contextlib.suppress(OSError):
            y.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=copy, args=(a, b), daemon=True)
    t.start()
    copy(b, a)
    t.join()


# --- clients --------------------------------------------------------------------

def connected(port: int, address: str = "127.0.0.1") -> socket.socket:
    s = socket.create_connection((address, port))
    s.settimeout(300)
    return s


def ask(port: int, text: bytes) -> bytes:
    """All that it answers to TEXT, until it closes."""
    with connected(port) as s:
        s.sendall(text)
        return read_all(s)


def tunnel(port: int, target: str) -> socket.socket:
    """A tunnel, of which the answer has been read."""
    s = connected(port)
    s.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        more = s.recv(1)
        check(more, f"no answer but {head!r}")
        head += more
    check(head.split()[1] == b"200", head)
    return s


def socks(port: int, request: bytes, methods: bytes = b"\x05\x01\0") -> tuple[socket.socket, bytes]:
    s = connected(port)
    s.sendall(methods)
    same(read_exact(s, 2), b"\x05\0", "the method")
    s.sendall(b"\x05\x01\0" + request)
    return s, read_exact(s, 10)


def ask_half(port: int, text: bytes, step: int = 1 << 20) -> bytes:
    """The same with an end of one direction behind TEXT."""
    with connected(port) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(0, len(text), step):
            s.sendall(text[i:i + step])
        s.shutdown(socket.SHUT_WR)
        return read_all(s)


# --- proxies of the parent ------------------------------------------------------

class Parent:
    """A proxy as a Python object: all names are this machine. FIRST is said before anything else of the answer."""

    def __init__(self, via: str = "connect") -> None:
        self.via = via
        self.asked: list[tuple[str, int]] = []
        self.refusal: bytes | None = None   # said instead of an answer
        self.dials: Callable[[str, int], tuple[str, int]] = lambda host, port: ("127.0.0.1", port)

    def serve(self, conn: socket.socket) -> None:
        host, port = getattr(self, f"read_{self.via}")(conn)
        self.asked.append((host, port))
        if self.refusal is not None:
            conn.sendall(self.refusal)
            return
        with socket.create_connection(self.dials(host, port)) as out:
            conn.sendall({"connect": b"HTTP/1.1 200 OK\r\nVia: test\r\n\r\n", "socks5": b"\x05\0\0\x01" + bytes(6),
                          "enclaver": b'\x04\0"Ok"'}[self.via])
            splice(conn, out)

    def read_connect(self, conn: socket.socket) -> tuple[str, int]:
        host, _, port = read_until(conn, b"\r\n\r\n").split()[1].decode().rpartition(":")
        return host, int(port)

    def read_socks5(self, conn: socket.socket) -> tuple[str, int]:
        check(read_exact(conn, 3) == b"\x05\x01\0", "methods")
        conn.sendall(b"\x05\0")
        kind = read_exact(conn, 4)
        if kind[3] == 3:
            host = read_exact(conn, read_exact(conn, 1)[0]).decode()
        else:
            family, size = (socket.AF_INET, 4) if kind[3] == 1 else (socket.AF_INET6, 16)
            host = socket.inet_ntop(family, read_exact(conn, size))
        return host, int.from_bytes(read_exact(conn, 2), "big")

    def read_enclaver(self, conn: socket.socket) -> tuple[str, int]:
        asked = json.loads(read_exact(conn, int.from_bytes(read_exact(conn, 2), "little")))
        return asked["host"], asked["port"]


@contextmanager
def parent(via: str = "connect") -> Iterator[tuple[int, Parent]]:
    p = Parent(via)
    with listener(p.serve) as port:
        yield port, p


@contextmanager
def program(*words: object, port: int, **how: object) -> Iterator[subprocess.Popen]:
    """A server of a package, once it listens at PORT."""
    if not shutil.which(str(words[0])):
        raise Skip(f"no {words[0]} on this machine")
    with tempfile.TemporaryFile() as out, \
            subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=out, stderr=out, **how) as process:
        try:
            wait_for(lambda: process.poll() is not None or is_open(port), f"{words[0]} at {port}")
            out.seek(0)
            check(process.poll() is None, f"{words[0]}: {out.read()!r}")
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def is_open(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0
