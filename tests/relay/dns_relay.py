"""Names for an enclave: relay inside with dns-forward, relay dns at the parent, against real servers and hostile ones."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from suite import Failure

from .ends import dial, is_reset, read
from .lib import ASAN, SHIPPED, USAGE, Relay, check, folder, in_time, run, same, soon, test, wait_for
from .nets import Inside, Port, in_a_network, inside, pass_on, resolv_conf, wait_port, with_network

PORT, SERVER = 5353, 15353
PLAN = f"dns-forward = vsock:{PORT}\ndns-allow = example **.example\n"
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
A, TXT, AXFR, IN, CHAOS = 1, 16, 252, 1, 3
QR, TC, RD = 0x8000, 0x200, 0x100
ADDRESS = bytes([192, 0, 2, 1])
NEVER_S = 1.0  # what is soon


# --- messages ----------------------------------------------------------------------

def wire(name: str) -> bytes:
    return b"".join(bytes([len(p)]) + p.encode() for p in name.split(".") if p) + b"\0"


def query(name: str, number: int = 0x1234, kind: int = A, size: int | None = None, klass: int = IN) -> bytes:
    opt = b"" if size is None else b"\0" + struct.pack(">HHIH", 41, size, 0, 0)
    return struct.pack(">6H", number, RD, 1, 0, 0, len(opt) > 0) + wire(name) + struct.pack(">HH", kind, klass) + opt


def question_end(m: bytes) -> int:
    at = 12
    while m[at]:
        at += m[at] + 1
    return at + 5


def name_of(m: bytes) -> str:
    at, parts = 12, []
    while m[at]:
        parts.append(m[at + 1:at + 1 + m[at]].decode())
        at += m[at] + 1
    return ".".join(parts)


def record(kind: int, data: bytes, owner: bytes = b"\xc0\x0c") -> bytes:
    return owner + struct.pack(">HHIH", kind, IN, 60, len(data)) + data


def answer(q: bytes, *records: bytes, flags: int = 0, opt: bool = False) -> bytes:
    more = b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0) if opt else b""
    return q[:2] + struct.pack(">5H", QR | RD | flags, 1, len(records), 0, opt) + q[12:question_end(q)] + b"".join(records) + more


def rcode(m: bytes) -> int:
    return m[3] & 15


def counts(m: bytes) -> tuple[int, ...]:
    return struct.unpack(">4H", m[4:12])


# --- over sockets --------------------------------------------------------------------

def full(s: socket.socket, n: int) -> bytes:
    data = read(s, n)
    if len(data) < n:
        raise EOFError
    return data


def receive(s: socket.socket) -> bytes:
    return full(s, int.from_bytes(full(s, 2), "big"))


def framed(m: bytes) -> bytes:
    return len(m).to_bytes(2, "big") + m


def messages(s: socket.socket) -> Iterator[bytes]:
    with contextlib.suppress(EOFError, OSError):
        while True:
            yield receive(s)


def udp(port: int = 53) -> socket.socket:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(("127.0.0.1", port))
    s.settimeout(300)
    return s


def tcp(port: int = 53) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 300)


def ask_once(m: bytes) -> bytes:
    with udp() as s:
        s.send(m)
        return s.recv(65535)


def ask_tcp_once(m: bytes) -> bytes:
    with tcp() as s:
        s.sendall(framed(m))
        return receive(s)


def again(attempt: Callable[[], bytes]) -> bytes:
    """What ATTEMPT brings but for failures of the server, after which resolvers ask again: one that a busy machine keeps for 4 s is one."""
    got = b""

    def is_answered() -> bool:
        nonlocal got
        got = attempt()
        return rcode(got) != SERVFAIL
    wait_for(is_answered, "an answer that is no failure of the server")
    return got


def ask(m: bytes) -> bytes:
    return again(lambda: ask_once(m))


def ask_tcp(m: bytes) -> bytes:
    return again(lambda: ask_tcp_once(m))


# --- parents -------------------------------------------------------------------------

def good(q: bytes) -> bytes:
    return answer(q, record(A, ADDRESS), opt=True)


class Parent:
    """What enclaves ask, and what they get: what REPLY makes of it, one message or several; b"" is none."""

    def __init__(self, relay: Inside, reply: Callable[[bytes], bytes] = good) -> None:
        self.seen: list[bytes] = []
        self.reply = reply
        self.port = Port(relay, PORT, self.serve)

    def serve(self, conn: socket.socket) -> None:
        for q in messages(conn):
            self.seen.append(q)
            r = self.reply(q)
            if r:
                conn.sendall(framed(r))

    def names(self) -> list[str]:
        """Those that were asked for, of which some may have been asked for again."""
        return sorted({name_of(q) for q in list(self.seen)})

    def close(self) -> None:
        self.port.close()


@contextmanager
def enclave(reply: Callable[[bytes], bytes] = good, plan: str = PLAN, env: dict[str, str] | None = None) -> Iterator[tuple[Inside, Parent]]:
    with inside(plan, **(env or {})) as relay:
        parent = Parent(relay, reply)
        try:
            yield relay, parent
        finally:
            with contextlib.suppress(OSError):
                parent.close()


@contextmanager
def dnsmasq(port: int = SERVER) -> Iterator[None]:
    """A real server: it cuts what does not fit, and answers one query of a connection after the other."""
    texts = ",".join(c * 200 for c in "abcdefgh")
    server = subprocess.Popen(
        ["dnsmasq", "-k", "-C", "/dev/null", "-p", str(port), "--no-resolv", "--no-hosts", "-u", "root", "--bind-interfaces",
         "--listen-address=127.0.0.1", "--local=/example/", "--host-record=a.example,192.0.2.1,2001:db8::1", "--host-record=b.example,192.0.2.7",
         "--cname=www.example,b.example", f"--txt-record=big.example,{texts}", "--log-facility=-"],
        stderr=subprocess.DEVNULL)
    try:
        wait_port(port)
        yield
    finally:
        server.terminate()
        server.wait()


def says(*words: str, wanted: Callable[[str], bool]) -> None:
    """What a program says; a resolver is told of a failure where a server is late, and asked again by whoever wants to know."""
    out = ""

    def is_wanted() -> bool:
        nonlocal out
        out = subprocess.run(words, capture_output=True, text=True, timeout=300).stdout
        return wanted(out)
    try:
        wait_for(is_wanted, " ".join(words))
    except Failure as e:
        e.add_note(out)
        raise


def kdig(*words: str, wanted: Callable[[str], bool]) -> None:
    says("kdig", "@127.0.0.1", *words, wanted=wanted)


# --- with real programs ----------------------------------------------------------------

def check_real_clients() -> None:
    kdig("www.example", "A", wanted=lambda out: "NOERROR" in out and "192.0.2.7" in out)
    kdig("+tcp", "a.Example", "AAAA", wanted=lambda out: "NOERROR" in out and "2001:db8::1" in out)
    kdig("+dnssec", "nothing.example", wanted=lambda out: "NXDOMAIN" in out)
    kdig("+noedns", "big.example", "TXT", wanted=lambda out: "h" * 200 in out and "(TCP)" in out)
    kdig("+tcp", "+keepopen", *["a.example"] * 50, wanted=lambda out: out.count("192.0.2.1\n") == 50)
    says("getent", "ahosts", "www.example", wanted=lambda out: out.startswith("192.0.2.7"))
    out = subprocess.run(["getent", "ahosts", "elsewhere.test"], capture_output=True, text=True, timeout=300)
    same((out.returncode, out.stdout), (2, ""), "a name that is not allowed")


@test(seconds=3)
@with_network
def real_clients_ask_a_real_server_behind_a_plain_forwarder() -> None:
    """kdig and getaddrinfo, over relay and what copies bytes like socat, get what dnsmasq says."""
    with folder() as d, dnsmasq(), inside(PLAN) as relay:
        resolv_conf("nameserver 127.0.0.1\n", d / "resolv.conf")
        Port(relay, PORT, pass_on(lambda: socket.create_connection(("127.0.0.1", SERVER))))
        check_real_clients()


@contextmanager
def both_ends(relay: Inside, *options: str) -> Iterator[Relay]:
    """relay dns as the parent of RELAY."""
    path = relay.dir / f"3.{PORT}"
    parent = Relay("dns", f"unix:{path}", *options)
    parent.wait_err(": ready\n")
    path.chmod(0o777)
    try:
        yield parent
    finally:
        parent.process.terminate()
        parent.end().is_(0, "ready")


@test(seconds=3)
@with_network
def real_clients_ask_a_real_server_behind_relay_dns() -> None:
    """The same with relay dns at the parent, whose first server is not there."""
    with folder() as d, dnsmasq(), inside(PLAN) as relay:
        resolv_conf("nameserver 127.0.0.1\n", d / "resolv.conf")
        with both_ends(relay, "--server", "127.0.0.1:9", "--server", f"127.0.0.1:{SERVER}"):
            check_real_clients()


# --- the enclave's end -------------------------------------------------------------------

@test
@with_network
def an_answer_has_the_number_of_its_query() -> None:
    """Each client gets its own number back, and the parent sees another one."""
    with enclave() as (_, parent):
        for ask_it in ask, ask_tcp:
            m = ask_it(query("wWw.exAmple", 0xbeef, size=1232))
            same(m, good(query("wWw.exAmple", 0xbeef)), "the answer")
        same(parent.names(), ["wWw.exAmple"], "names")
        check(len({q[:2] for q in parent.seen}) > 1, "numbers repeat")


@test
@with_network
def names_that_no_rule_allows_do_not_exist() -> None:
    """The parent does not hear of them; who speaks EDNS learns why."""
    with enclave() as (_, parent):
        for name in "example.com", "xample", "example.evil", "a\\.example".replace("\\.", "~"), "":
            same(rcode(ask(query(name))), NXDOMAIN, name)
            same(rcode(ask_tcp(query(name))), NXDOMAIN, name)
        check(ask(query("no.test", size=512)).endswith(b"\0\x0f\0\2\0\x12"), "no reason: prohibited")
        same(rcode(ask(query("a.b.EXAMPLE"))), NOERROR, "a name that is allowed")
        same(parent.names(), ["a.b.EXAMPLE"], "names at the parent")


@test
@with_network
def without_dns_allow_the_names_of_egress_are_asked_for() -> None:
    """Those of egress-allow at whatever port, but for those that egress-deny takes away at all ports."""
    plan = (f"dns-forward = vsock:{PORT}\negress = 127.0.0.1:3128\negress-allow = **.example:8443 one.test\n"
            "egress-deny = no.example some.example:25\n")
    with enclave(plan=plan) as (_, parent):
        for name, wanted in (("a.example", NOERROR), ("one.test", NOERROR), ("some.example", NOERROR),
                             ("no.example", NXDOMAIN), ("example", NXDOMAIN), ("two.test", NXDOMAIN)):
            same(rcode(ask(query(name))), wanted, name)
        same(parent.names(), ["a.example", "one.test", "some.example"], "names at the parent")


@test
@with_network
def what_is_denied_is_denied_in_any_characters() -> None:
    """A name that no program would connect to is one of its domain all the same, and ** alone allows it."""
    plan = (f"dns-forward = vsock:{PORT}\negress = 127.0.0.1:3128\negress-allow = ** *.some.test\n"
            "egress-deny = *.evil.test **.deep.test\n")
    with enclave(plan=plan) as (_, parent):
        for name, wanted in (("-a.evil.test", NXDOMAIN), ("a~b.evil.test", NXDOMAIN), ("*.EVIL.test", NXDOMAIN),
                             ("~.b.deep.test", NXDOMAIN), ("a-.deep.test", NXDOMAIN), ("~.good.test", NOERROR),
                             ("-a.good.test", NOERROR), ("~.b.evil.test", NOERROR)):
            same(rcode(ask(query(name))), wanted, name)
        q = query("a.evil.test")
        same(rcode(ask(q.replace(wire("a.evil.test"), b"\3a.b" + wire("evil.test")))), NXDOMAIN, "a dot in a label")
        same(parent.names(), ["-a.good.test", "~.b.evil.test", "~.good.test"], "names at the parent")
    with enclave(plan=plan.replace("** *", "*")) as (_, parent):
        same(rcode(ask(query("-a.some.test"))), NXDOMAIN, "what only ** allows")
        same(len(parent.seen), 0, "queries at the parent")


@test
@with_network
def what_is_no_plain_query_is_answered_with_an_error() -> None:
    """Updates, transfers, other classes and what is cut short do not reach the parent."""
    with enclave() as (_, parent):
        q = query("a.example")
        for m, wanted in ((q[:2] + b"\x29" + q[3:], NOTIMP), (q[:-1], FORMERR), (q + b"\0", FORMERR),
                          (q[:12] + b"\xc0\x0c" + q[-4:], FORMERR), (query("example", kind=AXFR), REFUSED),
                          (query("version.example", kind=TXT, klass=CHAOS), REFUSED), (q + bytes(2000), FORMERR)):
            same(rcode(ask(m)), wanted, m.hex())
        with udp() as s:
            s.send(q[:2] + b"\x81" + q[3:])  # an answer
            s.send(q[:11])
            s.send(query("b.example", 0x7777))
            same(s.recv(512)[:2], b"\x77\x77", "what comes first")  # a failure, if the parent is late
        same(parent.names(), ["b.example"], "names at the parent")


@test
@with_network
def an_answer_is_cut_to_the_size_that_the_query_names() -> None:
    """512 bytes without EDNS, and as many as it says with it; TC is set, the question and OPT stay."""
    records = [record(A, bytes([192, 0, 2, i])) for i in range(100)]
    with enclave(lambda q: answer(q, *records, opt=True)):
        whole = ask_tcp(query("many.example"))
        same((counts(whole), len(whole)), ((1, 100, 0, 1), 12 + 18 + 100 * 16 + 11), "by TCP")
        for size, most in ((None, 512), (100, 512), (512, 512), (1000, 1000), (len(whole) - 1, len(whole) - 1)):
            m = ask(query("many.example", size=size))
            check(most - 16 < len(m) <= most, f"{len(m)} bytes for {size}")
            check(m[2] & TC >> 8 and counts(m)[0] == 1 and counts(m)[3] == 1, f"for {size}: {m[:12].hex()}")
            same(counts(m)[1], (len(m) - 12 - 18 - 11) // 16, "records")
        same(ask(query("many.example", size=len(whole))), whole, "what fits")


@test
@with_network
def answers_come_in_any_order() -> None:
    """Queries that follow one another on a connection do not wait for each other."""
    with inside(PLAN) as relay:
        ends: list[tuple[socket.socket, bytes]] = []

        def serve(conn: socket.socket) -> None:
            for q in messages(conn):
                ends.append((conn, q))
        Port(relay, PORT, serve)

        def is_another_order() -> bool:
            """What has no answer after 4.5 s fails, in the order in which it was asked."""
            ends.clear()
            with tcp() as s:
                s.sendall(b"".join(framed(query(f"n{i}.example", i)) for i in range(40)))
                wait_for(lambda: len(ends) >= 40, "all queries")
                for conn, q in reversed(ends):
                    with contextlib.suppress(OSError):
                        conn.sendall(framed(good(q)))
                got = [receive(s) for _ in range(40)]
            same(sorted(int.from_bytes(m[:2], "big") for m in got), list(range(40)), "numbers")
            check(all(name_of(m) == f"n{int.from_bytes(m[:2], 'big')}.example" for m in got), "names are mixed up")
            return got[0][:2] != b"\0\0" and all(rcode(m) == NOERROR for m in got)
        in_time(is_another_order, "the first one does not come first")


@test
@with_network
def what_does_not_match_is_dropped() -> None:
    """Another number, another name, another case, no answer at all: the right one comes after them."""
    def lies(q: bytes) -> list[bytes]:
        m = good(q)
        other = good(query("b.example", int.from_bytes(q[:2], "big")))
        swapped = m.replace(b"aA", b"Aa")
        return [bytes([m[0] ^ 1]) + m[1:], m[:1] + bytes([m[1] ^ 1]) + m[2:], other, swapped, q, m]
    with inside(PLAN) as relay:
        def serve(conn: socket.socket) -> None:
            for q in messages(conn):
                conn.sendall(b"".join(framed(m) for m in lies(q)))
        Port(relay, PORT, serve)
        for ask_it in ask, ask_tcp:
            same(ask_it(query("aA.example")), good(query("aA.example")), "the answer")


@test
@with_network
def what_cannot_be_read_is_a_failure_of_the_server() -> None:
    """Loops of pointers, records that are cut short, names that do not end."""
    def bad(q: bytes) -> bytes:
        loop = (len(q[:question_end(q)]) | 0xc000).to_bytes(2, "big")
        return {"loop.example": answer(q, record(A, ADDRESS, loop)),
                "cname.example": answer(q, record(5, b"\1a\xc0\xff")),
                "short.example": answer(q, record(A, ADDRESS))[:-1],
                "count.example": answer(q, record(A, ADDRESS))[:7] + b"\2" + answer(q, record(A, ADDRESS))[8:],
                }.get(name_of(q), good(q))
    with enclave(bad):
        for name in "loop", "cname", "short", "count":
            same(rcode(ask_once(query(f"{name}.example"))), SERVFAIL, name)
        same(rcode(ask(query("good.example"))), NOERROR, "after that")


@test
@with_network
def a_stream_that_cannot_be_read_is_begun_again() -> None:
    """A length of 0: the connection is closed, and the question asked once more."""
    bad: list[bool] = []

    def reply_with(conn: socket.socket) -> None:
        for q in messages(conn):
            if bad:
                bad.pop()
                conn.sendall(bytes(1000))
                conn.recv(1)
                return
            conn.sendall(framed(good(q)))
    with inside(PLAN) as relay:
        Port(relay, PORT, reply_with)

        def is_answered() -> bool:
            bad[:] = [True]
            return rcode(ask_once(query("a.example"))) == NOERROR and not bad
        in_time(is_answered, "the question has an answer")


@test(seconds=3)
@with_network
def without_a_parent_the_answer_is_a_failure_at_once() -> None:
    """No resolver waits for a parent that is not there, or has gone; when it comes back it is asked."""
    with enclave() as (relay, parent):
        same(rcode(ask(query("a.example"))), NOERROR, "with a parent")
        parent.close()

        def take() -> float:
            began = time.monotonic()
            same(rcode(ask_once(query("a.example"))), SERVFAIL, "without a parent")
            return time.monotonic() - began
        soon(take, NEVER_S, "the answer without a parent")
        back = Parent(relay)
        same(rcode(ask(query("a.example"))), NOERROR, "the parent that is back")
        back.close()


@test
@with_network
def a_parent_that_dies_leaves_nobody_waiting() -> None:
    """Questions that are under way are asked on another connection, and fail if there is none."""
    with inside(PLAN) as relay:
        def take() -> float:
            silent = Parent(relay, lambda q: b"" if name_of(q) == "a.example" else good(q))
            same(rcode(ask(query("there.example"))), NOERROR, "another one")  # for a while after a failure nobody tries
            silent.seen.clear()
            with udp() as s:
                for i in range(20):
                    s.send(query("a.example", i))
                wait_for(lambda: len(silent.seen) >= 20, "the questions")
                began = time.monotonic()
                silent.close()
                same([rcode(s.recv(512)) for _ in range(20)], [SERVFAIL] * 20, "codes")
            return time.monotonic() - began
        soon(take, NEVER_S, "the failure of what a parent has not answered")


@test
@with_network
def a_parent_that_closes_between_is_asked_again() -> None:
    """A server that ends connections after each answer, or before it, costs no question."""
    turns = [0]

    def serve(conn: socket.socket) -> None:
        q = receive(conn)
        turns[0] += 1
        if turns[0] % 2:
            conn.sendall(framed(good(q)))
    with inside(PLAN) as relay:
        Port(relay, PORT, serve)
        in_time(lambda: all(rcode(ask_once(query(f"n{i}.example", i))) == NOERROR for i in range(20)), "each question has an answer")


@test(seconds=6)
@with_network
def a_silent_parent_is_a_failure_before_resolvers_give_up() -> None:
    """After 4.5 s, and others' answers do not wait for it."""
    with enclave(lambda q: b"" if name_of(q) == "silent.example" else good(q)):
        with udp() as s:
            began = time.monotonic()
            s.send(query("silent.example"))
            same(rcode(ask_once(query("a.example"))), NOERROR, "another one")
            same(rcode(s.recv(512)), SERVFAIL, "the silent one")
            check(time.monotonic() - began > 4.4, "it came too early")
        same(rcode(ask(query("a.example"))), NOERROR, "after it")


@test(seconds=2)
@with_network
def more_questions_than_there_is_room_for_wait() -> None:
    """256 are under way; the others are asked when there is room, and none is lost."""
    gate = threading.Event()

    def reply(q: bytes) -> bytes:
        gate.wait(300)
        return good(q)
    # What the parent does not read fits into the connections by parts.
    with enclave(reply, env={"RELAY_SNDBUF": "4608"}) as (_, parent):
        clients = [tcp() for _ in range(10)]
        for i, s in enumerate(clients):
            s.sendall(b"".join(framed(query(f"n{j}.example", 100 * i + j)) for j in range(100)))
        wait_for(lambda: len(parent.seen) >= 4, "a question on each connection")
        gate.set()
        for i, s in enumerate(clients):
            got = {int.from_bytes(receive(s)[:2], "big") for _ in range(100)}
            same(got, set(range(100 * i, 100 * i + 100)), f"answers of client {i}")
            s.close()


@test
@with_network
def a_question_that_comes_twice_is_asked_once() -> None:
    """A client that sends it again while it is under way costs the parent nothing."""
    gate = threading.Event()

    def reply(q: bytes) -> bytes:
        if name_of(q) == "slow.example":
            gate.wait(300)
        return good(q)
    with enclave(reply) as (relay, parent):
        with udp() as s:
            # All ten are there before the first one is asked, which has 4.5 s.
            pid = relay.children()["dns"]
            os.kill(pid, signal.SIGSTOP)
            for _ in range(10):
                s.send(query("slow.example", 7))
            os.kill(pid, signal.SIGCONT)
            same(rcode(ask(query("a.example"))), NOERROR, "another one")
            gate.set()
            same(s.recv(512)[:2], b"\0\7", "the answer")
        same([name_of(q) for q in list(parent.seen)].count("slow.example"), 1, "questions")


@test
@with_network
def a_client_that_ends_gets_what_it_has_asked_for() -> None:
    """Half of a connection may end before the answers come; one that is hostile is closed."""
    with enclave():
        with tcp() as s:
            s.sendall(b"".join(framed(query("a.example", i)) for i in range(10)))
            s.shutdown(socket.SHUT_WR)
            same(sorted(int.from_bytes(m[:2], "big") for m in messages(s)), list(range(10)), "answers")
        for bad in b"\0\0", b"\xff\xff" + bytes(65535), framed(query("a.example")[:3] + b"\0" * 2), framed(bytes([0, 1, 0x80] + [0] * 20)):
            with tcp() as s, contextlib.suppress(OSError):
                s.sendall(bad)
                same(s.recv(1), b"", f"after {bad[:20]!r}")


@test(seconds=12)
@with_network
def an_idle_client_is_closed() -> None:
    """After 10 s without a question."""
    with enclave():
        with tcp() as s:
            began = time.monotonic()
            s.sendall(framed(query("a.example")))
            receive(s)
            same(s.recv(1), b"", "the end")
            check(time.monotonic() - began > 9, "it was closed early")


@test(seconds=3)
@with_network
def a_killed_server_of_names_is_started_again() -> None:
    """The sockets stay, so that nothing is refused meanwhile."""
    with enclave() as (relay, _):
        first = relay.children()["dns"]
        subprocess.run(["kill", "-KILL", str(first)], check=True)
        same(rcode(ask(query("a.example"))), NOERROR, "by the next process")
        wait_for(lambda: relay.children().get("dns", first) != first, "another process")


# --- the parent's end ----------------------------------------------------------------------

class Server:
    """A name server: what REPLY makes of a query by UDP, and REPLY_TCP of one by TCP."""

    def __init__(self, port: int, reply: Callable[[bytes], list[bytes]], reply_tcp: Callable[[bytes], bytes] = good) -> None:
        self.seen: list[tuple[int, int]] = []
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", port))
        self.tcp = socket.create_server(("127.0.0.1", port))
        self.reply, self.reply_tcp = reply, reply_tcp
        threading.Thread(target=self._udp, daemon=True).start()
        threading.Thread(target=self._tcp, daemon=True).start()

    def _udp(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                q, who = self.udp.recvfrom(65535)
                if not who:  # it was closed
                    return
                self.seen.append((who[1], int.from_bytes(q[:2], "big")))
                for m in self.reply(q):
                    self.udp.sendto(m, who)

    def _tcp(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                conn, _ = self.tcp.accept()
                with conn:
                    for q in messages(conn):
                        m = self.reply_tcp(q)
                        if not m:
                            break
                        conn.sendall(framed(m))

    def close(self) -> None:
        for s in self.udp, self.tcp:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()


@contextmanager
def parent_end(*options: str, program: Path = ASAN) -> Iterator[Callable[[], socket.socket]]:
    """relay dns; a call connects to it as an enclave does. SHIPPED has its filter of system calls."""
    with folder() as d:
        relay = Relay("dns", f"unix:{d}/s", *options, program=program)
        relay.wait_err(": ready\n")

        def connect() -> socket.socket:
            s = socket.socket(socket.AF_UNIX)
            s.connect(f"{d}/s")
            s.settimeout(300)
            return s
        try:
            yield connect
        finally:
            relay.process.terminate()
            relay.end().is_(0, "ready")


def through_once(connect: Callable[[], socket.socket], m: bytes) -> bytes:
    with connect() as s:
        s.sendall(framed(m))
        return receive(s)


def through(connect: Callable[[], socket.socket], m: bytes) -> bytes:
    return again(lambda: through_once(connect, m))


@test
@with_network
def each_question_has_another_port_and_number() -> None:
    """So that who does not see them cannot answer them."""
    server = Server(SERVER, lambda q: [good(q)])
    with parent_end("--server", f"127.0.0.1:{SERVER}") as connect:
        with connect() as s:
            def take() -> bytes:
                s.sendall(framed(query("a.example", 7)))
                return receive(s)
            for _ in range(50):
                same(again(take), good(query("a.example", 7)), "the answer")
    check(len({p for p, _ in server.seen}) > 25, f"ports: {server.seen}")
    check(len({n for _, n in server.seen}) > 40, f"numbers: {server.seen}")
    server.close()


@test(seconds=3)
@with_network
def an_enclave_does_not_keep_others_from_asking() -> None:
    """One that connects as often as it can, and asks for as much as it can of a server that does not answer."""
    server = Server(SERVER, lambda q: [] if name_of(q) == "slow.example" else [good(q)])
    with folder() as d, contextlib.ExitStack() as all_of_it:
        relay = Relay("dns", "vsock:17", "--server", f"127.0.0.1:{SERVER}", vsock=d)
        relay.wait_err(": ready\n")
        hostile = [all_of_it.enter_context(dial("vsock:17", d, 16)) for _ in range(20)]
        for s in hostile:
            with contextlib.suppress(OSError):
                s.sendall(b"".join(framed(query("slow.example", n)) for n in range(200)))
        wait_for(lambda: len(server.seen) >= 256, "questions of the first")

        def take() -> float:
            begin = time.monotonic()
            same(rcode(through(lambda: dial("vsock:17", d, 17), query("a.example"))), NOERROR, "the other enclave's answer")
            return time.monotonic() - begin
        soon(take, NEVER_S, "the other enclave's answer")
        check(all(is_reset(s) for s in hostile[16:]), "it has more connections than its share")
        for s in hostile[:16]:
            s.setblocking(False)
            try:
                check(s.recv(1), "one of its share was closed")
            except BlockingIOError:
                pass
        relay.process.terminate()
        relay.end().is_(0, "ready")
    server.close()


@test
@with_network
def a_server_that_lies_is_not_heard() -> None:
    """Answers with another number or question are passed over."""
    def reply(q: bytes) -> list[bytes]:
        m = good(q)
        return [m[:1] + bytes([m[1] ^ 1]) + m[2:], m.replace(b"aA", b"Aa"), q, b"", m]
    server = Server(SERVER, reply)
    with parent_end("--server", f"127.0.0.1:{SERVER}") as connect:
        same(through(connect, query("aA.example", 7)), good(query("aA.example", 7)), "the answer")
    server.close()


@test
@with_network
def an_answer_that_is_cut_is_fetched_by_tcp() -> None:
    """And is a failure if that cannot be."""
    whole = answer(query("a.example", 7), *[record(TXT, b"\xc8" + b"x" * 200)] * 200)
    has_tcp = True

    def by_tcp(q: bytes) -> bytes:
        return q[:2] + whole[2:] if has_tcp else b""
    server = Server(SERVER, lambda q: [answer(q, flags=TC)], by_tcp)
    for program in ASAN, SHIPPED:
        with parent_end("--server", f"127.0.0.1:{SERVER}", program=program) as connect:
            has_tcp = True
            same(through(connect, query("a.example", 7)), whole, "the answer")
            has_tcp = False
            same(rcode(through_once(connect, query("a.example", 7))), SERVFAIL, "without TCP")
    server.close()


@test(seconds=2)
@with_network
def another_server_is_asked_if_one_does_not_know() -> None:
    """One that refuses, one that says nothing; if none knows, that is the answer."""
    refuses = Server(SERVER, lambda q: [answer(q, flags=REFUSED)])
    knows = Server(SERVER + 1, lambda q: [good(q)])
    silent = Server(SERVER + 2, lambda q: [])
    servers = [("--server", f"127.0.0.1:{SERVER + i}") for i in range(3)]
    with parent_end(*servers[0], *servers[1]) as connect:
        same(rcode(through(connect, query("a.example"))), NOERROR, "after one that refuses")
    with parent_end(*servers[2], *servers[1]) as connect:
        same(rcode(through(connect, query("a.example"))), NOERROR, "after one that is silent")
    with parent_end(*servers[0]) as connect:
        same(rcode(through(connect, query("a.example"))), REFUSED, "of one that refuses")
    with parent_end("--server", "127.0.0.1:9", "--server", "127.0.0.1:10") as connect:
        same(rcode(through_once(connect, query("a.example"))), SERVFAIL, "where nobody listens")
    for s in refuses, knows, silent:
        s.close()


@test(seconds=3)
def servers_are_those_of_resolv_conf_as_it_is_now() -> None:
    """Without a server on the command line; a file that changes is read again."""
    for program in ASAN, SHIPPED:
        in_a_network(partial(check_resolv_conf, program))


def check_resolv_conf(program: Path) -> None:
    first, second = Server(53, lambda q: [good(q)]), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with folder() as d, parent_end(program=program) as connect, second:
        resolv_conf("# comment\nsearch x\nnameserver 127.0.0.9\nnameserver fe80::1%lo\nnameserver\t127.0.0.1 # here\n", d / "r")
        wait_for(lambda: rcode(through_once(connect, query("a.example"))) == NOERROR, "the second server")
        first.close()
        same(rcode(through_once(connect, query("a.example"))), SERVFAIL, "without it")
        second.bind(("127.0.0.77", 53))

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    q, who = second.recvfrom(512)
                    second.sendto(good(q), who)
        threading.Thread(target=serve, daemon=True).start()
        (d / "r").write_text("nameserver 127.0.0.77\n")
        wait_for(lambda: rcode(through_once(connect, query("a.example"))) == NOERROR, "the server of the new file")


@test
def a_server_that_is_none_is_wrong_usage() -> None:
    """The word is named, on the command line and in a file."""
    for bad in "foo", "1.2.3", "1.2.3.4:0", "1.2.3.4:65536", "[::1", "[1.2.3.4]", "::1:x", "[::1]x", "":
        run("dns", "vsock:53", "--server", bad).is_(USAGE, f"--server: {bad}: no address of a server")
    run("dns").is_(USAGE, "where are enclaves to ask?")
    run("dns", "vsock:53", *["--server=1.1.1.1"] * 4).is_(USAGE, "there are three already")
