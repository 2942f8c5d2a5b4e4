"""
Connections of all kinds, and forwards between them, in a guest that is its own parent. An address is as relay has it:
vsock:PORT and vsock:CID:PORT, tcp:ADDRESS:PORT, unix:PATH. Each wait has a deadline.
"""

import itertools
import os
import random
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

PARENT = 3
DEADLINE_S = 240.0
PATIENCE_S = 60.0  # for what need not come
CASES: dict[str, Callable[[], None]] = {}
MIB = 1 << 20
NOISE = random.Random(1).randbytes(4 * MIB)  # sixteen times what vsock lets be under way
PORTS = itertools.count(20000)


def case(function: Callable[[], None]) -> Callable[[], None]:
    """@case: a test of the function's name."""
    assert function.__doc__, f"{function.__name__} says no behaviour"
    CASES[function.__name__] = function
    return function


def run_cases(chosen: list[str]) -> None:
    """Each case, or those CHOSEN, and a fact of how it went."""
    for name, function in CASES.items():
        if chosen and name not in chosen:
            continue
        began = time.monotonic()
        try:
            function()
        except Exception as e:
            import traceback  # which nobody waits for otherwise

            traceback.print_exc(file=sys.stdout)
            print(f"@case={name} {type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}")
        else:
            print(f"@case={name} good")
        print(f"# {name}: {time.monotonic() - began:.1f} s")
    print("@end=yes")


def check(good: object, what: str) -> None:
    if not good:
        raise AssertionError(what)


def same(got: object, wanted: object, what: str) -> None:
    check(got == wanted, f"{what}: {str(got)[:200]}, not {str(wanted)[:200]}")


def wait_for(condition: Callable[[], object], what: str) -> object:
    end = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        check(time.monotonic() < end, f"waited for {what} in vain")
        time.sleep(0.005)
    return found


# --- sockets ------------------------------------------------------------------

def _parsed(address: str) -> tuple[int, object]:
    kind, _, rest = address.partition(":")
    if kind == "unix":
        return socket.AF_UNIX, rest
    host, _, port = rest.rpartition(":")
    if kind == "vsock":
        return socket.AF_VSOCK, (int(host) if host else socket.VMADDR_CID_ANY, int(port))
    return socket.AF_INET6 if host.startswith("[") else socket.AF_INET, (host.strip("[]"), int(port))


def connect(address: str) -> socket.socket:
    family, where = _parsed(address)
    s = socket.socket(family, socket.SOCK_STREAM)
    s.settimeout(DEADLINE_S)
    try:
        s.connect(where)
    except OSError:
        s.close()
        raise
    return s


def listen(address: str, backlog: int = 128) -> socket.socket:
    family, where = _parsed(address)
    s = socket.socket(family, socket.SOCK_STREAM)
    s.settimeout(DEADLINE_S)
    if family != socket.AF_UNIX:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(where)
    s.listen(backlog)
    return s


def accept(listener: socket.socket) -> socket.socket:
    s, _ = listener.accept()
    s.settimeout(DEADLINE_S)
    return s


def receive(s: socket.socket, size: int) -> bytes:
    """SIZE bytes, or fewer at the end."""
    data = bytearray()
    while len(data) < size and (piece := s.recv(min(size - len(data), 1 << 16))):
        data += piece
    return bytes(data)


def rest(s: socket.socket) -> bytes:
    """All up to the end of what the peer sends; what vsock says for an end after a shutdown counts as one."""
    data = bytearray()
    with suppress(OSError) if s.family == socket.AF_VSOCK else suppress():
        while piece := s.recv(1 << 16):
            data += piece
    return bytes(data)


def is_over(s: socket.socket) -> bool:
    """Waits for the end of what the peer sends: whether it was a reset."""
    try:
        while s.recv(1 << 16):
            pass
    except (ConnectionResetError, BrokenPipeError):
        return True
    except OSError as e:
        check(e.errno == 107, f"{e}")  # ENOTCONN
    return False


def reset(s: socket.socket) -> None:
    """Closes it by a reset; vsock has none for a program, but a close with unread data."""
    if s.family != socket.AF_VSOCK:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def taken(s: socket.socket, most: int) -> int:
    """How many bytes S takes, at most MOST, until it has taken none for two seconds."""
    s.setblocking(False)
    block, count = bytes(1 << 15), 0
    try:
        while count < most and select.select([], [s], [], 2.0)[1]:
            with suppress(BlockingIOError):
                count += s.send(block)
    finally:
        s.settimeout(DEADLINE_S)
    return count


class Thread(threading.Thread):
    """Whose result, or exception, is that of get()."""

    def __init__(self, function: Callable, *args: object) -> None:
        super().__init__(daemon=True)
        self._call, self._result, self._error = (function, args), None, None
        self.start()

    def run(self) -> None:
        function, args = self._call
        try:
            self._result = function(*args)
        except BaseException as e:
            self._error = e

    def get(self) -> object:
        self.join(DEADLINE_S)
        check(not self.is_alive(), f"{self._call[0].__name__} has not ended")
        if self._error:
            raise self._error
        return self._result


# --- forwards -----------------------------------------------------------------

def _socat(listen_at: str, target: str) -> list[str]:
    """The same by socat: FORWARD=socat, by which the tests themselves are tried."""
    def word(address: str, listens: bool) -> str:
        family, where = _parsed(address)
        if family == socket.AF_UNIX:
            return f"UNIX-{'LISTEN' if listens else 'CONNECT'}:{where}{',fork' * listens}"
        if family == socket.AF_VSOCK:
            return f"VSOCK-LISTEN:{where[1]},fork" if listens else f"VSOCK-CONNECT:{where[0]}:{where[1]}"
        return f"TCP-LISTEN:{where[1]},bind={where[0]},reuseaddr,fork,backlog=128" if listens else f"TCP:{where[0]}:{where[1]}"
    return ["socat", "-t", "60", word(listen_at, True), word(target, False)]


def is_there(process: subprocess.Popen, address: str) -> bool:
    """Whether something listens at ADDRESS; the connection that asks has ended, if there is no target for it."""
    check(process.poll() is None, f"{process.args} ended with {process.returncode}")
    try:
        s = connect(address)
    except OSError:
        return False
    with s, suppress(OSError):
        s.settimeout(PATIENCE_S)
        s.shutdown(socket.SHUT_WR)
        s.recv(1)
    return True


@contextmanager
def started(is_up: Callable[[subprocess.Popen], bool], *command: str, **how: object) -> Iterator[subprocess.Popen]:
    """A program, once it is up; it is killed at the end."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **how)
    try:
        wait_for(lambda: is_up(process), f"{command}")
        yield process
    finally:
        process.kill()
        process.wait()


def said(process: subprocess.Popen, text: str, path: str) -> bool:
    """Whether TEXT is in the file that has what PROCESS says."""
    with open(path) as f:
        words = f.read()
    check(process.poll() is None or text in words, f"{process.args} ended with {process.returncode}: {words}")
    return text in words


@contextmanager
def forward(listen_at: str, target: str, *options: str, under: tuple[str, ...] = ()) -> Iterator[subprocess.Popen]:
    """relay forward, once it listens. UNDER: a tracer."""
    if os.environ.get("FORWARD") == "socat":
        there = listen_at.replace("vsock:", f"vsock:{PARENT}:")
        with started(lambda p: is_there(p, there), *under, *_socat(listen_at, target)) as process:
            yield process
        return
    path = f"/tmp/relay{next(PORTS)}"
    with open(path, "wb") as err:
        command = (*under, "relay", "forward", listen_at, target, *options)
        with started(lambda p: said(p, "forward: ready", path), *command, stderr=err) as process:
            process.said = path
            yield process


class Route:
    """From ENTRY to TARGET over vsock and TCP: pairs of connected sockets."""

    def __init__(self, entry: str, target: str, processes: list[subprocess.Popen]) -> None:
        self.entry, self.target, self.processes = entry, target, processes
        self.listener = listen(target if not target.startswith("vsock") else "vsock:" + target.split(":")[2])

    def connect(self) -> socket.socket:
        return connect(self.entry)

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """A connection at both of its ends: the client's and the server's socket."""
        client = self.connect()
        return client, accept(self.listener)


ROUTES = ("in", "out", "chain")  # vsock to TCP, TCP to vsock, TCP to vsock to TCP


@contextmanager
def route(kind: str, *options: str, under: tuple[str, ...] = ()) -> Iterator[Route]:
    """By one forward, or two. Whoever listens at its end does so after what listens before it."""
    tcp, port, end = (next(PORTS) for _ in range(3))
    entry, middle, target = f"tcp:127.0.0.1:{tcp}", f"vsock:{PARENT}:{port}", f"tcp:127.0.0.1:{end}"
    if kind == "in":
        with forward(f"vsock:{port}", target, *options, under=under) as process:
            yield Route(middle, target, [process])
    elif kind == "out":
        with forward(entry, middle, *options, under=under) as process:
            yield Route(entry, middle, [process])
    else:
        with (forward(f"vsock:{port}", target, *options, under=under) as inner,
              forward(entry, middle, *options, under=under) as outer):
            yield Route(entry, target, [outer, inner])


def children(pid: int) -> list[int]:
    """The processes that PID has."""
    with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/task/{pid}/children") as f:
        return [int(word) for word in f.read().split()]
    return []


def rss_kib(pid: int) -> int:
    """The memory of a process and of those below it, what they share counted each time."""
    total = 0
    with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{pid}/status") as f:
        total = sum(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    return total + sum(map(rss_kib, children(pid)))
