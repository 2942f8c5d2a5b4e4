"""Egress over real vsock: the enclave's end as PID 1 has started it, `relay egress` and other proxies of the parent."""

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .streams import (MIB, NOISE, PARENT, PORTS, Thread, accept, case, check, connect, listen, receive, rest, same, wait_for)

PROXY, TARGET, EXIT = 3128, 17002, 17012
PAGE = NOISE[:MIB]
OUTSIDE = "127.9.9.9"  # has the names out.test and other.test, by the configuration
PORT = 8080


def serve_web(listener: socket.socket) -> None:
    """What is outside: HTTP/1.1 that would keep its connections."""

    def one(s: socket.socket) -> None:
        with s, suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data and (more := s.recv(65536)):
                data += more
            path = data.split()[1] if data.split()[1:] else b""
            body = PAGE if path == b"/page" else data
            s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            rest(s)
    while True:
        threading.Thread(target=one, args=(accept(listener),), daemon=True).start()


def serve_parent(listener: socket.socket) -> None:
    """The parent's proxy: byname.test is dialled here, all else is for `relay egress`, byte by byte."""

    def one(s: socket.socket) -> None:
        with s, suppress(OSError):
            first = receive(s, len(b"CONNECT byname.test"))
            if first == b"CONNECT byname.test":
                while not first.endswith(b"\r\n\r\n"):
                    first += receive(s, 1)
                out = connect(f"tcp:{OUTSIDE}:{PORT}")
                s.sendall(b"HTTP/1.1 200 Yes\r\n\r\n")
            else:
                out = connect(f"vsock:{PARENT}:{EXIT}")
                out.sendall(first)
            with out:
                back = threading.Thread(target=copy, args=(out, s), daemon=True)
                back.start()
                copy(s, out)
                back.join()
    while True:
        threading.Thread(target=one, args=(accept(listener),), daemon=True).start()


def copy(a: socket.socket, b: socket.socket) -> None:
    with suppress(OSError):
        while data := a.recv(32768):
            b.sendall(data)
    with suppress(OSError):
        b.shutdown(socket.SHUT_WR)


def wget(url: str, *words: str, proxy: bool = True) -> subprocess.CompletedProcess:
    return subprocess.run(["/bin/busybox", "wget", "-q", "-O", "-", *words, "-Y", "on" if proxy else "off", url], capture_output=True, check=False)


def tunnel(target: str) -> tuple[socket.socket, bytes]:
    s = connect(f"tcp:127.0.0.1:{PROXY}")
    s.sendall(f"CONNECT {target} HTTP/1.1\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n") and (more := s.recv(1)):
        head += more
    return s, head


@case
def a_program_that_knows_proxies_gets_out():
    """By the variables that PID 1 has set; what the server sends is whole."""
    same(os.environ.get("http_proxy"), f"http://127.0.0.1:{PROXY}", "http_proxy")
    done = wget(f"http://out.test:{PORT}/page")
    check(done.stdout == PAGE, f"the page: {len(done.stdout)} bytes, {done.stderr}")


@case
def what_is_not_allowed_stays_inside():
    """Names, ports and addresses; the parent hears nothing of them, and an allowed name of an inner address stops there."""
    for url in (f"http://other.test:{PORT}/", "http://out.test:81/", f"http://{OUTSIDE}:{PORT}/"):
        done = wget(url)
        check(done.returncode != 0 and b"403" in done.stderr, f"{url}: {done.stderr}")
    s, head = tunnel("inner.test:443")
    with s:
        check(head.startswith(b"HTTP/1.1 502 ") and b"(403)" in head, head)


@case
def a_program_that_knows_no_proxy_gets_out():
    """By the address that its name has in /etc/hosts."""
    with open("/etc/hosts") as f:
        check("127.90.0.1" in f.read(), "no address in /etc/hosts")
    done = wget(f"http://byname.test:{PORT}/page", proxy=False)
    check(done.stdout == PAGE, f"the page: {len(done.stdout)} bytes, {done.stderr}")


@case
def tunnels_are_whole_both_ways():
    """Eight at once with 288 KiB each way, more than vsock lets be under way, and the end of one direction before the other's."""
    listener = listen(f"tcp:{OUTSIDE}:{PORT + 1}")
    data = PAGE[:9 << 15]

    def echo(s: socket.socket) -> None:
        with s:
            got = rest(s)
            s.sendall(got[::-1])

    def client() -> bool:
        s, head = tunnel(f"out.test:{PORT + 1}")
        with s:
            check(head.startswith(b"HTTP/1.1 200 "), head)
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            return rest(s) == data[::-1]
    clients = [Thread(client) for _ in range(8)]
    servers = [Thread(echo, accept(listener)) for _ in range(8)]
    check(all(t.get() for t in clients), "other bytes")
    for t in servers:
        t.get()


@case
def a_parent_that_is_gone_is_502():
    """And the next one is used as soon as it is there."""
    port = next(PORTS)
    s, head = tunnel(f"out.test:{port}")  # nothing listens there
    with s:
        check(head.startswith(b"HTTP/1.1 502 "), head)
    exit_.kill()
    exit_.wait()
    s, head = tunnel(f"out.test:{PORT}")
    with s:
        check(head.startswith(b"HTTP/1.1 502 "), head)
    start_exit()
    same(len(wget(f"http://out.test:{PORT}/page").stdout), len(PAGE), "the page")


def start_exit() -> None:
    global exit_
    exit_ = subprocess.Popen(["/bin/relay", "egress", str(EXIT), "--allow", OUTSIDE], stderr=subprocess.PIPE)
    line = wait_for(exit_.stderr.readline, "relay egress")
    check(b"ready" in line, line)
    threading.Thread(target=exit_.stderr.read, daemon=True).start()


@contextmanager
def around() -> Iterator[None]:
    """What is outside, the parent's proxy and `relay egress`, for all cases."""
    for serve, address in ((serve_web, f"tcp:{OUTSIDE}:{PORT}"), (serve_parent, f"vsock:{TARGET}")):
        listener = listen(address)
        listener.settimeout(None)  # it may be a while before somebody comes
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
    start_exit()
    try:
        yield
    finally:
        exit_.kill()
