"""A network for an enclave: relay inside with tap, against gvproxy and what behaves like it, well and badly."""

import array
import contextlib
import fcntl
import json
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

from gvproxy import gvproxy

from .lib import check, in_time, same, test, wait_for
from .nets import Inside, Port, in_a_network, inside, wait_port, with_network

PORT, NAME = 1024, b"tap0"
MAC, GATEWAY_MAC = bytes.fromhex("5a94efe40cee"), bytes.fromhex("5a94efe40cdd")
IP, GATEWAY, HOST = (bytes([192, 168, 127, n]) for n in (2, 1, 254))
ARP, IPV4, IPV6 = 0x806, 0x800, 0x86dd
TCP, UDP = 6, 17
SYN, RST, ACK = 2, 4, 16
PLAN = f"tap = vsock:{PORT}\ntap-accept = 8080 5000/udp\n"


# --- the device ----------------------------------------------------------------------

def device(request: int) -> bytes:
    """What an ioctl says of the device, behind its name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        data = array.array("b", struct.pack("40s", NAME))
        fcntl.ioctl(s, request, data, True)
        return data.tobytes()[16:]


def index() -> int:
    return struct.unpack("i", device(0x8933)[:4])[0]


def routes() -> list[list[str]]:
    return [line.split() for line in Path("/proc/thread-self/net/route").read_text().splitlines() if line.startswith("tap0")]


# --- frames ----------------------------------------------------------------------------

def ether(data: bytes, kind: int = IPV4, to: bytes = MAC, of: bytes = GATEWAY_MAC) -> bytes:
    return to + of + kind.to_bytes(2, "big") + data


def checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    n = sum(struct.unpack(f">{len(data) // 2}H", data))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return ~n & 0xffff


def ipv4(protocol: int, data: bytes, of: bytes = GATEWAY, to: bytes = IP) -> bytes:
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(data), 1, 0, 64, protocol, 0) + of + to
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + data


def udp(of_port: int, to_port: int, text: bytes, of: bytes = GATEWAY) -> bytes:
    return ether(ipv4(UDP, struct.pack(">4H", of_port, to_port, 8 + len(text), 0) + text, of))


def tcp(of_port: int, to_port: int, flags: int) -> bytes:
    head = struct.pack(">HHIIBBHHH", of_port, to_port, 1, 1, 0x50, flags, 1000, 0, 0)
    total = checksum(GATEWAY + IP + struct.pack(">HH", TCP, len(head)) + head)
    return ether(ipv4(TCP, head[:16] + total.to_bytes(2, "big") + head[18:]))


def arp(op: int, of_mac: bytes, of: bytes, to_mac: bytes, to: bytes) -> bytes:
    return struct.pack(">HHBBH", 1, IPV4, 6, 4, op) + of_mac + of + to_mac + to


def kind_of(frame: bytes) -> int:
    return int.from_bytes(frame[12:14], "big")


class Proxy:
    """
    What gvproxy does: a handshake, frames, answers of ARP. HEAD is how a length is written; QUIET: it does not answer
    the first so many connections.
    """

    def __init__(self, relay: Inside, head: str = "<H", hello: bool = True, quiet: int = 0) -> None:
        self.head, self.hello, self.quiet = head, hello, quiet
        self.conn: socket.socket | None = None
        self.reads = threading.Event()
        self.reads.set()
        self.count, self.early = 0, 0
        self.pauses: list[float] = []
        self.frames: list[bytes] = []
        self.port = Port(relay, PORT, self.serve)

    def _full(self, conn: socket.socket, n: int) -> bytes:
        data = b""
        while len(data) < n:
            more = conn.recv(n - len(data))
            if not more:
                raise OSError("the end")
            data += more
        return data

    def _greet(self, conn: socket.socket) -> None:
        text = b""
        while not text.endswith(b"\r\n\r\n"):
            text += self._full(conn, 1)
        check(text.startswith(b"POST /connect HTTP/1.1\r\nHost: "), f"the handshake: {text!r}")
        began = time.monotonic()
        first = conn.recv(1, socket.MSG_PEEK)
        check(first, "the end")
        self.pauses.append(time.monotonic() - began)

    def serve(self, conn: socket.socket) -> None:
        self.count += 1
        quiet = self.count <= self.quiet
        if self.hello:
            self._greet(conn)
        frames: list[bytes] = []
        self.conn, self.frames = conn, frames  # its own: those of the connection before may still be read
        while self.reads.wait(300):
            size = struct.calcsize(self.head)
            frame = self._full(conn, struct.unpack(self.head, self._full(conn, size))[0])
            if not quiet and kind_of(frame) == ARP and frame[38:42] in (GATEWAY, HOST):
                self.send(ether(arp(2, GATEWAY_MAC, frame[38:42], MAC, IP), ARP))
            frames.append(frame)

    def send(self, *frames: bytes) -> None:
        self.conn.sendall(b"".join(struct.pack(self.head, len(f)) + f for f in frames))

    def ready(self) -> "Proxy":
        wait_for(lambda: self.conn and any(kind_of(f) == ARP for f in self.frames), "the first frame")
        return self

    def got(self, what: Callable[[bytes], bool]) -> bool:
        return any(what(f) for f in list(self.frames))

    def hears(self, what: Callable[[bytes], bool], name: str) -> None:
        wait_for(lambda: self.got(what), name)

    def drop(self) -> None:
        """Ends the connection."""
        conn, self.conn, self.frames = self.conn, None, []
        with contextlib.suppress(OSError):
            conn.shutdown(socket.SHUT_RDWR)


def received() -> int:
    """Frames that have entered by the device."""
    return int(next(line for line in Path("/proc/thread-self/net/dev").read_text().splitlines() if "tap0" in line).split()[2])


@contextmanager
def network(plan: str = PLAN, env: dict[str, str] | None = None, **how: object) -> Iterator[tuple[Inside, Proxy]]:
    """One that stands: relay ends a connection on which the gateway's answer has not come within a second, and what was sent is lost."""
    with inside(plan, **(env or {})) as relay:
        proxy = Proxy(relay, **how)
        try:
            proxy.ready()
            wait_for(lambda: received() > 0, "the gateway's answer, which enters")
            yield relay, proxy
        finally:
            proxy.port.close()


def says(s: socket.socket, text: bytes, proxy: Proxy, port: int = 53) -> None:
    """TEXT to the gateway, until it is heard there: the kernel waits for the answer of ARP for three seconds, and loses it then."""
    def is_heard() -> bool:
        with contextlib.suppress(OSError):
            s.sendto(text, ("192.168.127.1", port))
        return proxy.got(lambda f: f.endswith(text))
    wait_for(is_heard, f"{text!r} at the gateway")


def answers(proxy: Proxy, frame: bytes, port: int, flags: int) -> bool:
    """After FRAME there is one from PORT with FLAGS; what has been sent later is answered later."""
    proxy.send(frame, tcp(40000, 8080, SYN))
    proxy.hears(lambda f: kind_of(f) == IPV4 and f[23] == TCP and f[34:36] == (8080).to_bytes(2, "big"), "an answer of port 8080")
    return proxy.got(lambda f: kind_of(f) == IPV4 and f[23] == TCP and f[34:36] == port.to_bytes(2, "big") and f[47] & flags == flags)


# --- what is set up ----------------------------------------------------------------------

@test
@with_network
def the_device_is_as_the_keys_say() -> None:
    """Address, mask, MAC, MTU, a route for everything, up, and no IPv6."""
    plan = (f"tap = vsock:{PORT}\ntap-address = 10.1.2.3/20\ntap-gateway = 10.1.0.1\ntap-mac = 02:00:00:00:00:07\ntap-mtu = 1400\n")
    with inside(plan):
        same(device(0x8915)[4:8], bytes([10, 1, 2, 3]), "address")
        same(device(0x891b)[4:8], bytes([255, 255, 240, 0]), "mask")
        same(device(0x8927)[2:8], bytes([2, 0, 0, 0, 0, 7]), "MAC")
        same(struct.unpack("i", device(0x8921)[:4])[0], 1400, "MTU")
        check(device(0x8913)[0] & 1, "it is not up")
        same(sorted((r[1], r[2], r[7]) for r in routes()),
             [("00000000", "0100010A", "00000000"), ("0000010A", "00000000", "00F0FFFF")], "routes")
        same([line for line in Path("/proc/thread-self/net/if_inet6").read_text().splitlines() if "tap0" in line], [], "IPv6")


@test
@with_network
def a_device_that_cannot_be_made_is_named() -> None:
    """With the line of the configuration, and what is wrong."""
    with open("/dev/net/tun", "r+b", buffering=0) as other:
        fcntl.ioctl(other, 0x400454ca, struct.pack("16sH22x", NAME, 2 | 0x1000))
        relay = Inside("\n\n" + PLAN)
        relay.report.settimeout(300)
        news, line, error = struct.unpack_from("IIi", report := relay.report.recv(4096))
        same((news, line, error), (2, 3, 16), "a fault, in line 3, EBUSY")
        same(report[12:].split(b"\0")[0], b"tap0", "the object")
        relay.process.wait(300)


# --- the connection ----------------------------------------------------------------------

@test
@with_network
def the_first_frame_comes_after_a_pause() -> None:
    """It asks for the gateway."""
    with network() as (_, proxy):
        # It is seen to be shorter than it was by whoever is late.
        while max(proxy.pauses) < 0.04:
            check(proxy.count < 30, f"pauses: {proxy.pauses}")
            proxy.drop()
            proxy.ready()
        same(proxy.frames[0], ether(arp(1, MAC, IP, bytes(6), GATEWAY), ARP, b"\xff" * 6, MAC), "the first frame")


@test(seconds=7)
@with_network
def without_an_answer_the_next_pause_is_longer() -> None:
    """gvproxy that has lost the first frame never finds the next one."""
    def is_longer() -> bool:
        """It is seen to be shorter than it was by whoever is late; and who answers late, is called once more."""
        with network(quiet=4) as (relay, proxy):
            wait_for(lambda: len(proxy.pauses) >= 5, "the fifth connection")
            check("the gateway does not answer" in relay.words(), relay.words())
            return proxy.pauses[4] > 0.2 and proxy.count == 5
    in_time(is_longer, "the fifth connection has a longer pause, and is the last")


@test
@with_network
def frames_go_both_ways() -> None:
    """What programs send arrives, and they get the answer."""
    with network() as (_, proxy):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(300)
            says(s, b"question", proxy)
            port = s.getsockname()[1]
            proxy.send(udp(53, port, b"answer"))
            same(s.recv(100), b"answer", "the answer")


@test(seconds=2)
@with_network
def a_parent_that_does_not_read_costs_frames_and_not_their_bounds() -> None:
    """What is written in pieces arrives in order and whole; what there is no room for is lost."""
    with network(env={"RELAY_SNDBUF": "20000"}) as (_, proxy), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        # What waits for ARP's answer is sent beside what comes after it, in any order.
        says(s, b"end of ARP", proxy, 9)
        s.connect(("192.168.127.1", 9))
        count = proxy.count
        for turn in range(4):
            proxy.reads.clear()
            for i in range(1500):
                s.send(struct.pack(">II", turn, i) + bytes([i & 255]) * (1 + 7 * i % 1400))
            proxy.reads.set()
            s.send(b"end of %d" % turn)
            wait_for(lambda turn=turn: s.send(b"end of %d" % turn) and proxy.got(lambda f: f.endswith(b"end of %d" % turn)), "the end")
        texts = [f[42:] for f in proxy.frames if kind_of(f) == IPV4 and f[23] == UDP and not f[42:].startswith(b"end")]
        places = [struct.unpack(">II", t[:8]) for t in texts]
        check(len(places) > 400, f"{len(places)} datagrams")
        late = [f"{at} after {before}" for before, at in pairwise(places) if at <= before]
        check(not late, f"{len(places)} datagrams, out of order: {late[:5]}, of {len(late)}")
        check(all(t[8:] == bytes([i & 255]) * (1 + 7 * i % 1400) for t, (_, i) in zip(texts, places, strict=True)), "bytes are others")
        same(proxy.count, count, "connections")


@test
@with_network
def qemus_framing_has_no_handshake() -> None:
    """And lengths of 32 bits; nothing is sent but what programs send."""
    with inside(PLAN + "tap-framing = qemu\n") as relay:
        proxy = Proxy(relay, head=">I", hello=False)
        wait_for(lambda: proxy.conn, "the connection")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(300)
            says(s, b"question", proxy)
            proxy.send(udp(53, s.getsockname()[1], b"answer"))
            same(s.recv(100), b"answer", "the answer")
        proxy.port.close()


@test(seconds=2)
@with_network
def the_device_stays_while_the_connection_goes() -> None:
    """Sockets live on; what is sent meanwhile is dropped, and does not come later."""
    with network() as (relay, proxy):
        before = index()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(300)
            says(s, b"first", proxy)
            s.connect(("192.168.127.1", 53))
            port = s.getsockname()[1]
            proxy.port.close(socket.SHUT_WR)
            wait_for(lambda: "closed the connection; the network waits" in relay.words(), "a line of the log")
            for _ in range(100):
                with contextlib.suppress(OSError):  # ARP's answer is too old
                    s.send(b"lost")
            again = Proxy(relay).ready()
            says(s, b"second", again)
            again.send(udp(53, port, b"answer"))
            same(s.recv(100), b"answer", "the answer")
            check(not again.got(lambda f: f.endswith(b"lost")), "what was sent meanwhile has come")
            same(relay.words().count("closed the connection; the network waits for it"), 1, f"lines of the log: {relay.words()}")
            again.port.close()
        same(index(), before, "the device")


@test(seconds=2)
@with_network
def a_frame_that_cannot_be_ends_the_connection() -> None:
    """One of no bytes, of less than Ethernet has, and of more than the MTU; the next connection is as good as the first."""
    with network() as (relay, proxy):
        for bad in (b"\0\0", b"\x0d\0" + bytes(13), (1500 + 14 + 5).to_bytes(2, "little") + bytes(1519), b"\xff" * 70000):
            used: list[socket.socket] = []

            def is_sent(bad: bytes = bad, used: list[socket.socket] = used) -> bool:
                """Where the answer of ARP is late, relay may just have ended this connection itself."""
                used[:] = [proxy.conn]
                with contextlib.suppress(OSError):
                    used[0].sendall(bad)
                    return True
                return False
            wait_for(is_sent, "a connection")
            wait_for(lambda used=used: proxy.conn is not used[0], f"the connection after {bad[:2].hex()}")
        longest = udp(7, 5000, bytes(1500 - 28))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(1)
            s.bind(("192.168.127.2", 5000))

            def arrives() -> bool:
                with contextlib.suppress(OSError):
                    proxy.send(longest)
                    return len(s.recv(2000)) == 1472
                return False
            wait_for(arrives, "the longest that may be")
        check("a frame has a length that cannot be" in relay.words(), relay.words())


@test(seconds=2)
@with_network
def a_killed_network_comes_back_with_the_same_device() -> None:
    """The process starts again; the device was never gone."""
    with network() as (relay, proxy):
        before, first = index(), relay.children()["tap"]
        subprocess.run(["kill", "-KILL", str(first)], check=True)
        wait_for(lambda: len(proxy.pauses) > 1, "another connection")
        same(index(), before, "the device")


@test(seconds=2)
@with_network
def an_idle_network_costs_nothing() -> None:
    """No wakeup while nothing is sent; few while there is no parent."""
    def switches(pid: int) -> int:
        text = Path(f"/proc/{pid}/status").read_text()
        return int(text.partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    def count(pid: int) -> int:
        before = switches(pid)
        time.sleep(1)
        return switches(pid) - before
    with network() as (relay, proxy):
        pid = relay.children()["tap"]
        # The kernel's own packets, about groups, come in the first seconds.
        wait_for(lambda: count(pid) == 0, "a second without a wakeup")
        proxy.port.close()
        wait_for(lambda: count(pid) <= 3, "a second with few attempts")


@test(seconds=2)
@with_network
def a_device_that_is_removed_ends_the_network() -> None:
    """It is logged, the connection ends, and nothing goes round and round."""
    with network() as (relay, proxy):
        stat, count = Path(f"/proc/{relay.children()['tap']}/stat"), proxy.count

        def ticks() -> int:
            return sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13]))

        def is_quiet() -> bool:
            before = ticks()
            time.sleep(1)
            return ticks() == before
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as s:
            s.bind((0, 0))
            s.send(struct.pack("=IHHII", 32, 17, 5, 1, 0) + struct.pack("=BxHiII", 0, 0, index(), 0, 0))  # RTM_DELLINK
            s.recv(1000)
        wait_for(lambda: "tap0: it was removed" in relay.words(), "a line of the log")
        wait_for(is_quiet, "a second without processor time")
        same(proxy.count, count, "connections")


# --- the filter ----------------------------------------------------------------------------

@test
@with_network
def connections_come_to_accepted_ports_alone() -> None:
    """Another port does not even refuse."""
    with network() as (_, proxy), socket.create_server(("0.0.0.0", 8080)), socket.create_server(("0.0.0.0", 22)):
        check(not answers(proxy, tcp(40001, 22, SYN), 22, 0), "port 22 has answered")
        check(answers(proxy, tcp(40002, 8080, SYN), 8080, SYN | ACK), "port 8080 has not")


@test
@with_network
def datagrams_come_to_accepted_ports_and_as_answers() -> None:
    """Others are not there for programs."""
    with network() as (_, proxy), contextlib.ExitStack() as stack:
        open_, closed = (stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(2))
        open_.bind(("0.0.0.0", 5000))
        closed.bind(("0.0.0.0", 5001))
        open_.settimeout(300)
        closed.settimeout(300)
        proxy.send(udp(9, 5001, b"unasked"), udp(9, 5000, b"hello"))
        same(open_.recv(100), b"hello", "at the accepted port")
        says(closed, b"asked", proxy, 9)
        proxy.send(udp(9, 5001, b"of another", HOST), udp(9, 5001, b"answer"))
        same(closed.recv(100), b"answer", "what comes first at the other port")


@test
@with_network
def what_is_not_for_the_enclave_does_not_enter() -> None:
    """IPv6, other addresses, other machines, odd senders."""
    good = tcp(40001, 8080, SYN)
    bad = [ether(bytes(60), IPV6), good[:5] + b"\0" + good[6:], ether(ipv4(TCP, good[34:], to=HOST)),
           ether(ipv4(TCP, good[34:], of=bytes([127, 0, 0, 1]))), ether(arp(2, MAC, IP, MAC, IP), ARP)]

    with network() as (_, proxy), socket.create_server(("0.0.0.0", 8080)):
        before = received()
        proxy.send(*bad * 100, good)
        proxy.hears(lambda f: kind_of(f) == IPV4 and f[47] & SYN, "the answer to what is good")
        # And answers of the kernel's own questions for the gateway, of which it asks one a second at most.
        check(received() - before < 50, f"{received() - before} frames have entered")


@test
@with_network
def nothing_leaves_but_the_own_address() -> None:
    """A program with a raw socket sends as somebody else: it does not arrive."""
    with network() as (_, proxy), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind(("tap0", 0))
        s.send(ether(ipv4(UDP, struct.pack(">4H", 1, 2, 12, 0) + b"from", HOST, GATEWAY), IPV4, GATEWAY_MAC, MAC))
        s.send(ether(ipv4(UDP, struct.pack(">4H", 1, 2, 11, 0) + b"mac", IP, GATEWAY), IPV4, GATEWAY_MAC, GATEWAY_MAC))
        s.send(ether(bytes(46) + b"six", IPV6, GATEWAY_MAC, MAC))
        s.send(ether(ipv4(UDP, struct.pack(">4H", 1, 2, 12, 0) + b"good", IP, GATEWAY), IPV4, GATEWAY_MAC, MAC))
        proxy.hears(lambda f: f.endswith(b"good"), "what is good")
        check(not proxy.got(lambda f: f.endswith((b"from", b"mac", b"six"))), "something else has left")


# --- gvproxy -------------------------------------------------------------------------------

class Gvproxy:
    """The real one, in a network of its own, where a server of HTTP is."""

    def __init__(self, relay: Inside, program: Path, files: Path, option: str) -> None:
        self.dir, self.program, self.files, self.option = relay.dir, program, files, option
        self.stop, self.has_started = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=lambda: in_a_network(self.run), daemon=True)
        self.pids: list[int] = []
        self.outside: list[bytes] = []
        self.asks: list[int] = []
        self.thread.start()
        check(self.has_started.wait(300), "gvproxy has not started")

    def run(self) -> None:
        for name in f"3.{PORT}", "api":
            (self.dir / name).unlink(missing_ok=True)
        web = subprocess.Popen(["python3", "-m", "http.server", "-d", self.files, "8000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        proxy = subprocess.Popen([self.program, self.option, f"unix://{self.dir}/3.{PORT}", "-listen", f"unix://{self.dir}/api", "-ssh-port", "-1"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_port(8000)
            wait_for(lambda: (self.dir / f"3.{PORT}").exists(), "gvproxy's socket")
            (self.dir / f"3.{PORT}").chmod(0o777)
            self.has_started.set()
            while not self.stop.wait(0.01):
                while self.asks:
                    self.outside.append(self.ask(self.asks.pop()))
        finally:
            for p in proxy, web:
                p.kill()  # gvproxy's -listen-qemu does not end at SIGTERM
                p.wait()

    def ask(self, port: int) -> bytes:
        """What a connection to PORT of the parent brings, that gvproxy passes on; b"" if it is none."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as s:
            s.settimeout(1)
            return s.recv(100)
        return b""

    def expose(self, port: int) -> None:
        body = json.dumps({"local": f":{port}", "remote": f"192.168.127.2:{port}"}).encode()
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.dir / "api"))
            s.sendall(b"POST /services/forwarder/expose HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            check(b" 200 " in s.recv(1000), "gvproxy exposes nothing")

    def from_outside(self, port: int) -> bytes:
        n = len(self.outside)
        self.asks.append(port)
        wait_for(lambda: len(self.outside) > n, "an answer from outside")
        return self.outside[n]

    def close(self) -> None:
        self.stop.set()
        self.thread.join(300)


def again(attempt: Callable[[], bytes]) -> bytes:
    """What ATTEMPT returns once there is a connection: until then nothing is sent, and the kernel gives up."""
    seen: list[bytes] = []

    def is_done() -> bool:
        with contextlib.suppress(OSError):
            seen.append(attempt())
        return bool(seen)
    wait_for(is_done, "the network")
    return seen[0]


def fetch(path: str) -> bytes:
    with socket.create_connection(("192.168.127.254", 8000), 10) as s:
        s.settimeout(300)
        s.sendall(f"GET /{path} HTTP/1.0\r\n\r\n".encode())
        data = b""
        while more := s.recv(1 << 16):
            data += more
        return data.partition(b"\r\n\r\n")[2]


def ask_gateway() -> bytes:
    name = b"\x07gateway\x0acontainers\x08internal\0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.sendto(b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1", ("192.168.127.1", 53))
        return s.recv(512)


def serve_hello(s: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            conn, _ = s.accept()
            with conn:
                conn.sendall(b"hello")


def check_gvproxy(program: Path, plan: str, option: str) -> None:
    data = os.urandom(8 << 20)
    with inside(plan) as relay, socket.create_server(("0.0.0.0", 8080)) as accepted, socket.create_server(("0.0.0.0", 8081)) as other:
        for s in accepted, other:
            threading.Thread(target=serve_hello, args=(s,), daemon=True).start()
        files = relay.dir / "files"
        files.mkdir()
        (files / "data").write_bytes(data)
        for _ in range(2):
            proxy = Gvproxy(relay, program, files, option)
            try:
                check(again(partial(fetch, "data")) == data, "the bytes are others")
                check(again(ask_gateway).endswith(GATEWAY), "the address of the gateway")
                for port in 8080, 8081:
                    proxy.expose(port)
                wait_for(lambda proxy=proxy: proxy.from_outside(8080) == b"hello", "the accepted port")
                same(proxy.from_outside(8081), b"", "another port")
            finally:
                proxy.close()


@test(seconds=60)
def gvproxy_carries_an_enclaves_network() -> None:
    """8 MiB come whole, names are answered, an accepted port is reached and another is not; gvproxy may be restarted."""
    in_a_network(partial(check_gvproxy, gvproxy(), PLAN, "-listen"))  # built outside: its modules come from a registry


@test(seconds=10)
def gvproxy_speaks_qemus_framing_as_well() -> None:
    """The same with -listen-qemu."""
    in_a_network(partial(check_gvproxy, gvproxy(), PLAN + "tap-framing = qemu\n", "-listen-qemu"))
