"""Requests of HTTP/1 to the local API: what is taken, what is refused, and each bound."""

import os
import random
import select
import signal
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, suppress

from suite import Failure

from .lib import (DEADLINE_S, Fault, MUSL, Api, Answer, api, as_user, check, free_port, head_of, read_answer, same, sleeps, soon, test, wait_for)

HEALTH = head_of("GET", "/v1/health")


def closes(s: socket.socket) -> bool:
    """The other end has closed, after its answer."""
    with suppress(ConnectionResetError):
        while s.recv(65536):
            pass
    return True


@test
def health_is_answered() -> None:
    """GET /v1/health answers 200, HEAD the same without a body, and the connection stays."""
    with api() as a, a.connect() as s:
        for _ in range(3):
            s.sendall(HEALTH)
            same(read_answer(s).is_(200).json, {"status": "ok"}, "health")
        s.sendall(head_of("HEAD", "/v1/health") + HEALTH)
        same(read_answer(s, is_head=True).headers["content-length"], "16", "Content-Length of HEAD")


@test
def requests_sent_ahead_are_answered_in_order() -> None:
    """Requests that are pipelined are answered one by one, in their order, also those that take a child."""
    with api() as a, a.connect() as s:
        paths = ["/v1/random?bytes=1", "/v1/nothing", "/v1/health", "/v1/random?bytes=3", "/v1/health"] * 40
        threading.Thread(target=s.sendall, args=(b"".join(head_of("GET", p) for p in paths),), daemon=True).start()
        for p in paths:
            got, rest = _read_one(s)
            del rest
            if "random" in p:
                same(len(got.json["random"]), 2 * int(p[-1]), f"the bytes of {p}")
            else:
                same(got.status, 404 if "nothing" in p else 200, f"the status of {p}")


def _read_one(s: socket.socket) -> tuple[Answer, None]:
    """One answer of several that may have come: exactly its bytes."""
    raw = b""
    while not raw.endswith(b"\r\n\r\n"):
        raw += s.recv(1)
    head = dict(line.lower().split(": ", 1) for line in raw.decode().strip().split("\r\n")[1:])
    body = b""
    while len(body) < int(head["content-length"]):
        body += s.recv(int(head["content-length"]) - len(body))
    return Answer(int(raw.split()[1]), head, body), None


@test
def http_1_0_is_answered_and_closed() -> None:
    """A client of HTTP/1.0 is answered, and its connection closed."""
    with api() as a, a.connect() as s:
        s.sendall(b"GET /v1/health HTTP/1.0\r\n\r\n")
        same(read_answer(s).is_(200).headers["connection"], "close", "Connection")
        check(closes(s), "closed")


REFUSED = {
    "no HTTP": (b"hello\r\n\r\n", 400),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /v1/health\r\n\r\n", 505),
    "HTTP/1.2": (b"GET /v1/health HTTP/1.2\r\nHost: x\r\n\r\n", 400),
    "no Host": (b"GET /v1/health HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET /v1/health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "a whole URL": (b"GET http://a/v1/health HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "CONNECT": (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a target of *": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a fragment": (b"GET /v1/health#a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a byte of UTF-8 in the target": ("GET /v1/hälth HTTP/1.1\r\nHost: a\r\n\r\n".encode(), 400),
    "a NUL in the target": (b"GET /v1/health\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a NUL in a header": (b"GET /v1/health HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
    "a control character": (b"GET /v1/health HTTP/1.1\r\nHost: a\r\nX: a\x01b\r\n\r\n", 400),
    "a bare CR": (b"GET /v1/health HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
    "a bare LF": (b"GET /v1/health HTTP/1.1\nHost: a\n\n", 400),
    "a folded header": (b"GET /v1/health HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
    "a blank before the colon": (b"GET /v1/health HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n", 400),
    "both lengths": (b"POST /v1/attestation HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "both, the other way": (b"POST /v1/attestation HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (b"POST /v1/attestation HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", 400),
    "a length with a sign": (b"POST /v1/attestation HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}", 400),
    "a length of 2^64": (b"POST /v1/attestation HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n{}", 400),
    "another coding": (b"POST /v1/attestation HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n{}", 400),
    "chunked twice": (b"POST /v1/attestation HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400),
    "a chunk's size that is none": (b"POST /v1/attestation HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
    "a chunk's size of 2^64": (b"POST /v1/attestation HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n", 400),
    "a chunk without its end": (b"POST /v1/attestation HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}xx\r\n", 400),
    "trailers": (b"POST /v1/attestation HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: a\r\n\r\n", 400),
    "two types": (head_of("POST", "/v1/attestation", {"Content-Type": "application/json", "content-type": "text/plain"}, b"{}"), 400),
    "another expectation": (head_of("POST", "/v1/attestation", {"Expect": "a miracle"}, b"{}"), 417),
    "another method": (head_of("DELETE", "/v1/health"), 405),
    "another method than the path's": (head_of("POST", "/v1/health", body=b"{}"), 405),
    "no such path": (head_of("GET", "/x"), 404),
    "a path that begins like one": (head_of("GET", "/v1/health/"), 404),
    "dots": (head_of("GET", "/v1/../v1/health"), 404),
    "another path's case": (head_of("GET", "/V1/health"), 404),
    "escapes in a path": (head_of("GET", "/v1/%68ealth"), 404),
}


@test
def what_is_no_request_is_refused() -> None:
    """Each is answered with its status and a reason, nothing of it is done, and the next client is served."""
    with api() as a:
        for what, (data, status) in REFUSED.items():
            got = a.send(data)
            check(got.status == status, f"{what}: not {status}: {got}")
            check(got.json["error"]["message"], f"{what}: {got}")
            if status == 405:
                check("GET" in got.headers["allow"] or "POST" in got.headers["allow"], f"{what}: {got}")
        same(a.nsm.count("Attestation"), 0, "documents made")
        a.ask("GET", "/v1/health").is_(200)


@test
def heads_are_bounded() -> None:
    """16 KiB and 100 lines are taken, one byte and one line more are 431, however long it goes on."""
    with api() as a:
        base = len(head_of("GET", "/v1/health", {"X": ""}))
        a.ask("GET", "/v1/health", headers={"X": "a" * (16384 - base)}).is_(200)
        a.ask("GET", "/v1/health", headers={"X": "a" * (16385 - base)}).is_(431, "head_too_large")
        a.ask("GET", "/v1/health", headers={f"X{n}": "a" for n in range(99)}).is_(200)
        a.ask("GET", "/v1/health", headers={f"X{n}": "a" for n in range(100)}).is_(431, "head_too_large")
        a.send(b"GET /" + b"a" * 1000000).is_(431)
        a.send(b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 100000).is_(431)


@test
def bodies_are_bounded() -> None:
    """64 KiB are taken, one byte more is 413: before it is sent, if its length is said; chunks with all that they add."""
    chunked = {"Transfer-Encoding": "chunked"}
    with api() as a:
        full = b'{"nonce":"YQ=="' + b" " * (65536 - 16) + b"}"
        same(len(full), 65536, "the body")
        a.ask("POST", "/v1/attestation", full, {"Content-Type": "application/json"}).is_(200)
        a.ask("POST", "/v1/attestation", full + b" ").is_(413, "body_too_large")
        a.send(head_of("POST", "/v1/attestation", {"Content-Length": "65537"})).is_(413)
        one = b"%x\r\n" % len(full) + full + b"\r\n"
        a.send(head_of("POST", "/v1/attestation", {**chunked, "Content-Type": "application/json"}) + one + b"0\r\n\r\n").is_(200)
        a.send(head_of("POST", "/v1/attestation", chunked) + one + b"1\r\n \r\n0\r\n\r\n").is_(413)
        a.send(head_of("POST", "/v1/attestation", chunked) + b"1;" + b"a" * 700000).is_(413)
        tiny = b"1\r\n \r\n" * 20000
        a.send(head_of("POST", "/v1/attestation", {**chunked, "Content-Type": "application/json"}) + tiny
               + b"2\r\n{}\r\n0\r\n\r\n").is_(200)


@test
def a_client_that_expects_is_told_to_go_on() -> None:
    """Expect: 100-continue is answered 100, and one that would be refused is refused at once."""
    with api() as a:
        for length, status in ((2, 100), (65537, 413)):
            with a.connect() as s:
                s.sendall(head_of("POST", "/v1/attestation", {"Expect": "100-continue", "Content-Length": str(length)}))
                same(read_answer(s).status, status, f"the answer to {length} bytes that are announced")
                if status == 100:
                    s.sendall(b"{}")
                    read_answer(s).is_(200)
        with a.connect() as s:
            s.sendall(head_of("POST", "/v1/pcrs/16/extend", {"Expect": "100-continue", "Content-Length": "2"}))
            read_answer(s).is_(403, "not_allowed")


@test
def a_request_that_comes_by_bytes_is_whole() -> None:
    """A request whose bytes come one by one is read as any other, chunks too."""
    with api() as a, a.connect() as s:
        body = b"4\r\n{\"no\r\nd;x=y\r\nnce\": \"YWJj\"}\r\n0\r\n\r\n"
        for byte in head_of("POST", "/v1/attestation", {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}) + body:
            s.sendall(bytes([byte]))
        check(len(read_answer(s).is_(200).body) > 4000, "a document")


@test(seconds=50)
def slow_ones_are_ended() -> None:
    """A head that is not whole after 10 s, a body after 30 s are 408; one that asks for nothing is closed; others are served meanwhile."""
    def late() -> float:
        """By how much the later of them was."""
        with api() as a, ExitStack() as stack:
            began = time.monotonic()
            head, body, silent, idle = (stack.enter_context(a.connect()) for _ in range(4))
            for s, data in ((idle, HEALTH), (head, b"GET /v1/health?"),
                            (body, head_of("POST", "/v1/attestation", {"Content-Length": "4"}) + b"{")):
                s.sendall(data)
            read_answer(idle).is_(200)
            with suppress(BrokenPipeError, ConnectionResetError):
                while not select.select([head], [], [], 1)[0]:  # a byte now and then is no excuse
                    head.sendall(b"a")
                    a.ask("GET", "/v1/health").is_(200)
            read_answer(head).is_(408, "too_slow")
            of_head = time.monotonic() - began
            check(closes(silent), "the silent one is closed")
            read_answer(body).is_(408, "too_slow")
            of_body = time.monotonic() - began
            check(of_head > 9.9 and of_body > 29.9, f"the head's time was {of_head:.1f} s, the body's {of_body:.1f} s")
            check(closes(idle), "the idle one is closed")
            return max(of_head - 10, of_body - 30)
    soon(late, 15, "a head of 10 s, a body of 30 s")


@test
def there_is_room_for_64() -> None:
    """Of one user 32 connections are served and the next one is 429; idle ones make room; ended ones, too."""
    with api() as a, ExitStack() as stack:
        held = [stack.enter_context(a.connect()) for _ in range(32)]
        for s in held:
            s.sendall(HEALTH)
            read_answer(s).is_(200)
        with a.connect() as s:
            got = read_answer(s).is_(429, "too_many_connections")
            same(got.headers["connection"], "close", "Connection")
        held.pop().close()
        wait_for(lambda: a.ask("GET", "/v1/health").status == 200, "room for another one")


@test
def sixty_five_connections_are_too_many() -> None:
    """Users with 32 each that wait for their answers: the 65th is 503; those that have not sent a request are closed for it."""
    ports = free_port(), free_port()
    with api(*(f"listen = 127.0.0.1:{p}" for p in ports)) as a, ExitStack() as stack:
        a.nsm.faults["GetRandom"] = Fault(hang=True, times=1)
        def asking(port: int | None) -> socket.socket:
            s = stack.enter_context(a.connect(port))
            s.sendall(head_of("GET", "/v1/random"))
            return s

        held = [stack.enter_context(a.connect())]
        held[0].sendall(b"GET")
        held += [asking(p) for n in range(32) for p in (None, ports[n % 2])][1:]
        wait_for(lambda: sleeps(a.process.pid), "all to be read")

        def try_as_other() -> int:
            out = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "curl", "-s", "-o", "/dev/null",
                                  "-w", "%{http_code}", "--unix-socket", a.socket, "http://x/v1/health"],
                                 capture_output=True, text=True, check=False).stdout
            return int(out or 0)
        a.socket.chmod(0o666)
        same(try_as_other(), 200, "the 65th, in the place of the one without a request")
        check(closes(held[0]), "which is closed")
        asking(None)
        wait_for(lambda: sleeps(a.process.pid), "the last one to be read")  # or the 65th would take its place
        wait_for(lambda: try_as_other() == 503, "all to wait, and the 65th to be 503")
        a.nsm.release()


@test
def a_request_that_has_come_is_not_cut_off() -> None:
    """Of 64 connections none makes room whose request has arrived, though it was not read yet."""
    ports = free_port(), free_port()
    for answered in (True, False):
        with api(*(f"listen = 127.0.0.1:{p}" for p in ports)) as a, ExitStack() as stack:
            a.socket.chmod(0o666)
            held = [stack.enter_context(a.connect(p)) for n in range(32) for p in (None, ports[n % 2])]
            if answered:
                for s in held:
                    s.sendall(HEALTH)
                    read_answer(s).is_(200)
            wait_for(lambda: len(os.listdir(f"/proc/{a.process.pid}/fd")) >= 64 and sleeps(a.process.pid), "all to be accepted")
            other = stack.enter_context(socket.socket(socket.AF_UNIX))
            os.kill(a.process.pid, signal.SIGSTOP)
            try:
                as_user(65534, 65534, [], lambda: other.connect(str(a.socket)))  # first, and so its turn comes first
                for s in held:
                    s.sendall(HEALTH)
            finally:
                os.kill(a.process.pid, signal.SIGCONT)
            for s in held:
                read_answer(s).is_(200)
            read_answer(other).is_(503, "too_many_connections")


@test(seconds=40)
def readers_that_do_not_read_are_ended() -> None:
    """Answers that nobody reads cost their own connection, which ends after 30 s; others are served."""
    with api() as a, a.connect() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        began = time.monotonic()
        with suppress(BrokenPipeError, ConnectionResetError):
            s.settimeout(1)
            with suppress(TimeoutError):
                for _ in range(200):
                    s.sendall(head_of("GET", "/v1/random?bytes=65536"))
        a.ask("GET", "/v1/health").is_(200)
        s.settimeout(DEADLINE_S)
        ended = select.poll()
        ended.register(s, 0)  # for the end of it alone, which is told without reading
        while not ended.poll(500):
            a.ask("GET", "/v1/health").is_(200)
            check(time.monotonic() - began < DEADLINE_S, "it does not end")
        check(time.monotonic() - began > 29.9, "it has ended too soon")
        check(closes(s), "closed")


@test
def half_a_request_is_no_request() -> None:
    """A client that goes away in a head, in a body or before its answer leaves nothing behind."""
    with api() as a:
        whole = head_of("POST", "/v1/attestation", {"Content-Type": "application/json"}, b'{"nonce":"YWJj"}')
        for cut in range(1, len(whole), 7):
            with a.connect() as s:
                s.sendall(whole[:cut])
        for _ in range(50):
            with a.connect() as s:
                s.sendall(whole)
        wait_for(lambda: a.ask("GET", "/v1/health").status == 200, "room")
        with a.connect() as s:  # one that only says that it sends no more is answered
            s.sendall(whole)
            s.shutdown(socket.SHUT_WR)
            read_answer(s).is_(200)
        wait_for(lambda: a.ask("GET", "/v1/health").status == 200, "others to be served")


@test
def descriptors_that_come_along_are_dropped() -> None:
    """Descriptors sent with bytes are not kept, and a socket among them that lingers holds nobody up."""
    with api() as a:
        wait_for(lambda: sleeps(a.process.pid), "the socket by which it said that it is ready to be closed")
        before = len(os.listdir(f"/proc/{a.process.pid}/fd"))
        for _ in range(20):
            with a.connect() as s, socket.socket(socket.AF_UNIX) as other:
                socket.send_fds(s, [HEALTH], [other.fileno()] * 50)
                read_answer(s).is_(200)
        wait_for(lambda: len(os.listdir(f"/proc/{a.process.pid}/fd")) <= before, "descriptors to be closed")


def _client(a: Api, seed: int, errors: list[str]) -> None:
    """Random bytes that look like requests, cut and mixed anywhere."""
    rng = random.Random(seed)
    parts = [HEALTH, *(data for data, _ in REFUSED.values()), head_of("GET", "/v1/random?bytes=9"), b"\r\n", b"\0", b"0\r\n\r\n",
             head_of("POST", "/v1/attestation", {"Content-Type": "application/json"}, b'{"nonce":"YWJj"}'), bytes(rng.randbytes(50))]
    for _ in range(120):
        data = b"".join(rng.choice(parts) for _ in range(rng.randrange(1, 5)))
        if rng.random() < 0.4:
            at = rng.randrange(len(data))
            data = data[:at] + rng.randbytes(rng.randrange(4)) + data[at + rng.randrange(3):]
        try:
            with a.connect() as s:
                s.settimeout(20)
                for n in range(0, len(data), size := rng.choice((1, 7, 100000))):
                    s.sendall(data[n:n + size])
                if rng.random() < 0.5:
                    s.shutdown(socket.SHUT_WR)
                    if not s.recv(100).startswith(b"HTTP/1.1 ") and data[:4] in (b"GET ", b"POST"):
                        pass
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass
        except OSError as e:
            errors.append(f"seed {seed}: {e!r}")


@test(seconds=30)
def random_clients_do_no_harm() -> None:
    """Twelve clients that send random, cut and mixed requests: the program stays, leaks nothing and serves those that ask as they should."""
    for program in ({}, {"program": MUSL}):
        with api(**program) as a:
            a.ask("GET", "/v1/random").is_(200)
            fds, errors = len(os.listdir(f"/proc/{a.process.pid}/fd")), []
            threads = [threading.Thread(target=_client, args=(a, n, errors)) for n in range(12)]
            for t in threads:
                t.start()
            while any(t.is_alive() for t in threads):  # 429 while 32 connections of those who went away are not closed yet
                wait_for(lambda: a.ask("GET", "/v1/health").status == 200, "others to be served")
                time.sleep(0.05)
            same(errors, [], "what clients could not do")
            check(a.process.poll() is None, a.story)
            wait_for(lambda: len(os.listdir(f"/proc/{a.process.pid}/fd")) <= fds, "descriptors to be closed")
            check(len(a.ask("POST", "/v1/attestation", {}).is_(200).body) > 4000, "a document")


@test
def it_ends_after_answers_that_are_under_way() -> None:
    """SIGTERM: what is under way is answered, its socket goes, the code is 0."""
    def is_answered() -> bool:
        before = len(why)
        with api() as a:
            a.nsm.faults["GetRandom"] = Fault(hang=True, times=1)
            with a.connect() as s:
                s.sendall(head_of("GET", "/v1/random"))
                wait_for(lambda: a.nsm.count("GetRandom"), "the call")
                a.process.terminate()
                wait_for(lambda: not a.socket.exists() and (a.process.poll() is not None or sleeps(a.process.pid)), "the end to begin")
                a.nsm.release()
                try:
                    same(read_answer(s).is_(200).headers["connection"], "close", "Connection")
                except (Failure, ConnectionResetError) as e:
                    why.append(str(e))
            same(a.process.wait(DEADLINE_S), 0, "its code")
            check(not a.socket.exists(), "its socket is left")
            return len(why) == before

    why: list[str] = []
    # It waits for answers for two seconds, in which a busy machine may not have one.
    check(any(is_answered() for _ in range(25)), f"never: {why[:3]}")
