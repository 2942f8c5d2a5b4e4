"""The enclave's way out: the proxy port, rules, names with addresses, and what the parent's proxy may answer."""

import contextlib
import hashlib
import ipaddress
import itertools
import os
import random
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .lib import SHIPPED, Skip, check, children, in_time, same, test, wait_for
from .proxies import (BIG, FAULT, Inside, Origin, ask, ask_half, connected, egress, free_port, listener, parent, read_all,
                      read_exact, read_until, socks, tunnel)

VIAS = ("connect", "socks5", "enclaver")


# --- all three on one port ------------------------------------------------------

@test
def one_port_speaks_all_three() -> None:
    """CONNECT, http:// and SOCKS5 by name, over each of the parent's protocols; as shipped and with sanitizers."""
    with Origin() as origin:
        for program in ({}, {"program": SHIPPED}):
            for via in VIAS:
                with parent(via) as (target, p), \
                        egress(f"egress-allow = origin.test:{origin.port}", via=via, target=target, **program) as (port, _):
                    with tunnel(port, f"Origin.TEST.:{origin.port}") as s:
                        s.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                        check(b"GET /a 0" in read_all(s), f"{via}: CONNECT")
                    answer = ask(port, f"GET http://origin.test:{origin.port}/b HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                    check(b"GET /b 0" in answer and b"Connection: close" in answer, f"{via}: {answer!r}")
                    s, reply = socks(port, b"\x03\x0borigin.test" + origin.port.to_bytes(2, "big"))
                    with s:
                        same(reply, b"\x05\0\0\x01" + bytes(6), "the reply")
                        s.sendall(b"GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                        check(b"GET /c 0" in read_all(s), f"{via}: SOCKS5")
                    same(p.asked, [("origin.test", origin.port)] * 3, f"{via}: what the parent was asked")


@test
def what_no_rule_allows_is_refused() -> None:
    """With a line that names host, port and rule; the parent hears nothing of it."""
    with parent() as (target, p), \
            egress("egress-allow = good.test **.deep.test:80 1.2.3.4 10.0.0.0/8:8080",
                   "egress-deny = bad.deep.test 10.1.0.0/16", target=target) as (port, inside):
        for host, words in (("evil.test:443", "evil.test:443: no egress-allow allows it"),
                            ("good.test:80", "good.test:80: no egress-allow allows it"),
                            ("bad.deep.test:80", "bad.deep.test:80: egress-deny bad.deep.test denies it"),
                            ("deep.test:80", "deep.test:80: no egress-allow allows it"),
                            ("1.2.3.5:443", "1.2.3.5:443: no egress-allow allows it"),
                            ("10.1.2.3:8080", "10.1.2.3:8080: egress-deny 10.1.0.0/16 denies it"),
                            ("[::ffff:10.1.2.3]:8080", "10.1.2.3:8080: egress-deny 10.1.0.0/16 denies it"),
                            ("[::1]:443", "[::1]:443: no egress-allow allows it")):
            answer = ask(port, f"CONNECT {host} HTTP/1.1\r\n\r\n".encode())
            check(answer.startswith(b"HTTP/1.1 403 " + words.encode() + b"\r\n") and answer.endswith(words.encode() + b"\n"),
                  f"{host}: {answer!r}")
            inside.wait_err(f"egress: {words}")
        s, reply = socks(port, b"\x03\x09evil.test\x01\xbb")
        same((reply[1], read_all(s)), (2, b""), "SOCKS5's reply")
        s.close()
        same(p.asked, [], "what the parent was asked")


@test
def odd_spellings_are_refused() -> None:
    """What curl, C libraries or the parent could take for another host than the rules do."""
    hosts = ("127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "user@good.test", "good.test@evil.test",
             "good%2etest", "good.test%00", "g\u00f6od.test", "good\u3002test", "good..test", ".good.test", "a" * 64 + ".test",
             "good.test:443", "[good.test]", "[::1", "*.test", "good_test\\", "good.test\t", "")
    with parent() as (target, p), egress("egress-allow = **:1-65535 0.0.0.0/0:1-65535", target=target) as (port, _):
        for host in hosts:
            for text in (f"CONNECT {host}:443 HTTP/1.1\r\n\r\n", f"GET http://{host}/ HTTP/1.1\r\n\r\n"):
                if host == "good.test:443" and text.startswith("GET"):
                    continue
                answer = ask(port, text.encode())
                check(answer.startswith(b"HTTP/1.1 400 "), f"{text!r}: {answer!r}")
            s, reply = socks(port, b"\x03" + bytes([len(host.encode())]) + host.encode() + b"\x01\xbb")
            check(reply[1] == 8, f"{host!r}: {reply!r}")
            s.close()
        for text in (b"CONNECT good.test:443\r\nX: y HTTP/1.1\r\n\r\n", b"CONNECT good.test:443 HTTP/1.1\nX: y\n\n",
                     b"CONNECT good.test\0:443 HTTP/1.1\r\n\r\n", b"CONNECT good.test:0 HTTP/1.1\r\n\r\n",
                     b"CONNECT good.test:99999 HTTP/1.1\r\n\r\n", b"CONNECT good.test HTTP/1.1\r\n\r\n",
                     b"GET https://good.test/ HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: good.test\r\n\r\n"):
            answer = ask(port, text)
            check(answer.startswith(b"HTTP/1.1 400 "), f"{text!r}: {answer!r}")
        same(p.asked, [], "what the parent was asked")


@test
def what_is_no_proxy_request_is_refused() -> None:
    """SOCKS4, BIND, UDP, methods with passwords, TLS, heads that are too long or have too much."""
    with parent() as (target, p), egress("egress-allow = **", target=target) as (port, _):
        same(ask(port, b"\x04\x01\x01\xbb\x01\x02\x03\x04\0"), b"\0\x5b" + bytes(6), "SOCKS4")
        same(ask(port, b"\x05\x01\x02"), b"\x05\xff", "a password")
        for command in (2, 3):
            with connected(port) as s:
                s.sendall(b"\x05\x01\0" + bytes((5, command)) + b"\0\x03\x01a\x01\xbb")
                same(read_all(s)[:4], b"\x05\0\x05\x07", f"command {command}")
        same(ask(port, b"\x16\x03\x01\x02\0\x01"), b"", "TLS")
        check(ask(port, b"GET http://a.test/ HTTP/1.1\r\nX: " + b"y" * 16384).startswith(b"HTTP/1.1 431 "), "a long head")
        check(ask(port, b"GET http://a.test/ HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n").startswith(b"HTTP/1.1 431 "), "101")
        same(p.asked, [], "what the parent was asked")


@test
def bytes_behind_the_head_are_passed_on() -> None:
    """What a client sends with its request, and what a server says first, whatever the pieces."""
    def serve(conn: socket.socket) -> None:
        conn.sendall(b"hello ")
        conn.sendall(read_exact(conn, 5))
        conn.sendall(read_all(conn))

    for via in VIAS:
        with listener(serve) as server, parent(via) as (target, _), \
                egress(f"egress-allow = a.test:{server}", via=via, target=target) as (port, _):
            same(ask_half(port, f"CONNECT a.test:{server} HTTP/1.0\r\n\r\nearly+more".encode()),
                 b"HTTP/1.1 200 Connection established\r\n\r\nhello early+more", "CONNECT")
            text = b"\x05\x02\0\x02\x05\x01\0\x03\x06a.test" + server.to_bytes(2, "big") + b"early+more"
            same(ask_half(port, text), b"\x05\0\x05\0\0\x01" + bytes(6) + b"hello early+more", "SOCKS5 at once")
            same(ask_half(port, text, 1), b"\x05\0\x05\0\0\x01" + bytes(6) + b"hello early+more", "byte by byte")


@test
def big_things_arrive_whole() -> None:
    """4 MiB each way at once through a tunnel, by each of the parent's protocols."""
    data = hashlib.sha256(b"y").digest() * (1 << 17)

    def serve(conn: socket.socket) -> None:
        t = threading.Thread(target=conn.sendall, args=(data,), daemon=True)
        t.start()
        digest = hashlib.sha256(read_all(conn)).digest()
        t.join()
        conn.sendall(digest)

    with listener(serve) as server:
        for via in VIAS:
            with parent(via) as (target, _), egress(f"egress-allow = a.test:{server}", via=via, target=target,
                                                    program=SHIPPED) as (port, _), tunnel(port, f"a.test:{server}") as s:
                t = threading.Thread(target=lambda s=s: (s.sendall(data), s.shutdown(socket.SHUT_WR)), daemon=True)
                t.start()
                check(read_all(s) == data + hashlib.sha256(data).digest(), f"{via}: other bytes")
                t.join()


# --- http:// URLs ---------------------------------------------------------------

@test
def requests_are_rewritten_for_their_server() -> None:
    """The origin's form, Host by the authority, nothing that is between client and proxy; bodies with a length or in chunks."""
    with Origin() as origin, parent() as (target, _), \
            egress(f"egress-allow = origin.test:{origin.port}", target=target) as (port, _):
        url = f"http://origin.test:{origin.port}"
        check(b"PUT /p?q 5 " in ask(port, (f"PUT {url}/p?q HTTP/1.1\r\nHost: evil.test\r\nProxy-Authorization: secret\r\n"
                                          "Proxy-Connection: keep-alive\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-Own: 2\r\n"
                                          "Content-Length: 5\r\n\r\nhello").encode()), "the answer")
        line, headers, body = origin.requests.pop()
        same((line, body), ("PUT /p?q", b"hello"), "the request")
        same(headers, {"Host": f"origin.test:{origin.port}", "X-Own": "2", "Content-Length": "5", "Connection": "close"}, "headers")
        check(b"POST / 8 " in ask(port, (f"POST {url} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                                        "3\r\nabc\r\n5;x=y\r\ndefgh\r\n0\r\n\r\n").encode()), "chunks")
        same(origin.requests.pop()[2], b"abcdefgh", "the body")
        check(b"OPTIONS * 0" in ask(port, f"OPTIONS {url} HTTP/1.1\r\n\r\n".encode()), "OPTIONS")
        answer = ask(port, f"GET {url}/big HTTP/1.0\r\n\r\n".encode())
        check(answer.endswith(b"\r\n\r\n" + BIG), "a big answer")


@test
def a_second_request_never_reaches_the_first_server() -> None:
    """However it is framed: the next one may be for somebody else."""
    with Origin() as origin, parent() as (target, _), \
            egress("egress-allow = *.test:1-65535", target=target) as (port, _):
        url = f"http://a.test:{origin.port}"
        second = b"GET http://secret.test/ HTTP/1.1\r\nCookie: secret\r\n\r\n"
        for first in (f"GET {url}/1 HTTP/1.1\r\n\r\n", f"POST {url}/2 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
                      f"POST {url}/3 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"):
            answer = ask(port, first.encode() + second)
            check(answer.startswith(b"HTTP/1.1 200 ") and answer.count(b"HTTP/1.1") == 1, answer)
            with connected(port) as s:
                s.sendall(first.encode())
                s.sendall(second)
                same(read_all(s).count(b"HTTP/1.1"), 1, "answers")
        same({line for line, *_ in origin.requests}, {"GET /1", "POST /2", "POST /3"}, "what arrived")
        check("secret" not in str(origin.requests), "the second one arrived")


@test
def requests_that_can_be_read_in_two_ways_are_refused() -> None:
    """Two lengths, folded lines, line ends that some do not take for such: the shapes of request smuggling."""
    with parent() as (target, p), egress("egress-allow = *.test:80", target=target) as (port, _):
        for headers in ("Content-Length: 1\r\nContent-Length: 1", "Content-Length: 1\r\nTransfer-Encoding: chunked",
                        "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                        "Content-Length: 1\r\nConnection: content-length", "Content-Length: +1", "Content-Length : 1",
                        "X: y\r\n folded", "X: a\rb", "X: a\nY: b", "Host: a\r\nHost: b"):
            answer = ask(port, f"POST http://a.test/ HTTP/1.1\r\n{headers}\r\n\r\n".encode())
            check(answer.startswith(b"HTTP/1.1 400 "), f"{headers!r}: {answer!r}")
        same(p.asked, [], "what the parent was asked")


@test
def answers_of_servers_are_hostile() -> None:
    """Interim heads, heads in pieces, none, and too long ones."""
    answers: list[bytes] = []

    def serve(conn: socket.socket) -> None:
        read_until(conn, b"\r\n\r\n")
        answer = answers[-1]
        if answer.startswith(b"slow "):
            for i in range(5, len(answer)):
                conn.sendall(answer[i:i + 1])
        else:
            conn.sendall(answer)

    with listener(serve) as server, parent() as (target, _), \
            egress(f"egress-allow = a.test:{server}", target=target) as (port, _):
        def said(answer: bytes) -> bytes:
            answers.append(answer)
            return ask(port, f"GET http://a.test:{server}/ HTTP/1.1\r\n\r\n".encode())

        good = b"HTTP/1.1 200 OK\r\nKeep-Alive: 5\r\nConnection: keep-alive\r\n\r\nbody"
        whole = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody"
        same(said(good), whole, "one that would keep the connection")
        same(said(b"slow " + good), whole, "one byte after the other")
        interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        same(said(interim + good), interim + whole, "interim heads")
        same(said(b"slow " + interim + good), interim + whole, "slow interim heads")
        for bad in (b"", b"HTTP/1.1 200 OK\r\n", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\nA: b\n\n", b"SSH-2.0-x\r\n",
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nraw",
                    b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20000 + b"\r\n\r\n", b"HTTP/1.1 200 OK\r\nA\r\n\r\n"):
            check(said(bad).startswith(b"HTTP/1.1 502 "), bad[:80])


@test
def an_answer_before_the_request_arrives() -> None:
    """Of a server that is too busy to read: it comes with the parent's own answer, and the end right behind it."""
    said = [b""]

    def serve(conn: socket.socket) -> None:
        read_until(conn, b"\r\n\r\n")
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + said[0])
        conn.shutdown(socket.SHUT_WR)
        read_all(conn)

    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"
    closing = busy.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    wait = b"HTTP/1.1 102 Wait\r\n\r\n"
    with listener(serve) as target, egress("egress-allow = a.test:80", target=target) as (port, _):
        for said[0], answer in ((busy, closing), (wait + busy, wait + closing)) * 20:
            same(ask(port, b"GET http://a.test/ HTTP/1.1\r\n\r\n"), answer, "what arrives")


@test
def a_client_that_waits_for_100_gets_it() -> None:
    """Expect: 100-continue passes, and the interim answer comes back before the body is sent."""
    def serve(conn: socket.socket) -> None:
        head = read_until(conn, b"\r\n\r\n")
        check(b"Expect: 100-continue" in head and not head.partition(b"\r\n\r\n")[2], head)
        conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + read_exact(conn, 5))

    with listener(serve) as server, parent() as (target, _), \
            egress(f"egress-allow = a.test:{server}", target=target) as (port, _), connected(port) as s:
        s.sendall(f"PUT http://a.test:{server}/ HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n".encode())
        same(read_exact(s, 25), b"HTTP/1.1 100 Continue\r\n\r\n", "the interim answer")
        s.sendall(b"hello")
        check(read_all(s).endswith(b"\r\n\r\nhello"), "the answer")


# --- the parent -----------------------------------------------------------------

@test
def refusals_of_the_parent_have_a_status() -> None:
    """502 or 504, never what the parent says; the application's words do not come from there."""
    cases = {"connect": ((b"HTTP/1.1 403 <script>\r\nX: y\r\n\r\nevil", 502, "(403)"), (b"HTTP/1.1 504 x\r\n\r\n", 504, "(504)"),
                         (b"HTTP/1.1 407 x\r\n\r\n", 502, "(407)"), (b"nonsense\r\n\r\n", 502, "no answer"),
                         (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20000, 502, "no answer"), (b"", 502, "closed")),
             "socks5": ((b"\x05\x02\0\x01" + bytes(6), 502, "(2)"), (b"\x05\x06\0\x01" + bytes(6), 504, "(6)"),
                        (b"\x05\x00\0\x09" + bytes(6), 502, "no answer"), (b"HTTP/1.1", 502, "no answer"), (b"", 502, "closed")),
             "enclaver": ((b'\x2a\0{"Err":{"os_code":111,"message":"refused"}}', 502, "(111)"),
                          (b'\x24\0{"Err":{"os_code":110,"message":"x"}}', 504, "(110)"),
                          (b'\x04\0"No"', 502, "(5)"), (b"\xff\xff", 502, "no answer"), (b"", 502, "closed"))}
    for via, refusals in cases.items():
        with parent(via) as (target, p), egress("egress-allow = a.test", via=via, target=target) as (port, _):
            for refusal, status, words in refusals:
                p.refusal = refusal
                answer = ask(port, b"CONNECT a.test:443 HTTP/1.1\r\n\r\n").decode()
                check(answer.startswith(f"HTTP/1.1 {status} a.test:443: the parent's proxy ") and words in answer and
                      "evil" not in answer and "script" not in answer, f"{via} {refusal!r}: {answer}")
    with egress("egress-allow = a.test", target=free_port()) as (port, inside):
        answer = ask(port, b"CONNECT a.test:443 HTTP/1.1\r\n\r\n")
        check(answer.startswith(b"HTTP/1.1 502 a.test:443: the parent's proxy cannot be reached: Connection refused"), answer)
        s, reply = socks(port, b"\x03\x06a.test\x01\xbb")
        same(reply[1], 5, "SOCKS5's reply")
        s.close()
        inside.wait_err("cannot be reached")


@test
def refusals_do_not_flood_the_log() -> None:
    """A program that asks for names that are denied writes ten lines a minute and worker."""
    with parent() as (target, _), egress(target=target) as (port, inside):
        for i in range(40):
            ask(port, f"CONNECT a{i}.test:443 HTTP/1.1\r\n\r\n".encode())
        # Workers have each ten lines a minute.
        count = inside.err.count("no egress-allow")
        check(10 <= count <= 10 * 4 and count < 40 or os.cpu_count() >= 4, f"{count} lines")


# --- names with addresses -------------------------------------------------------

@test
def names_have_addresses_of_their_own() -> None:
    """The N-th distinct name listens at 127.90.0.N+1, and is dialled by its name."""
    with Origin() as origin, parent() as (target, p):
        p.dials = lambda host, port: ("127.0.0.1", origin.port)
        ports = (free_port(), free_port())
        with Inside(f"egress-target = tcp:127.0.0.1:{target}", f"egress-allow = *.test:{ports[0]},{ports[1]}",
                    f"egress-names = a.test:{ports[0]} B.test.:{ports[0]},{ports[1]}", f"egress-names = A.TEST:{ports[1]}"):
            for address, port, name in (("127.90.0.1", ports[0], "a.test"), ("127.90.0.2", ports[0], "b.test"),
                                        ("127.90.0.2", ports[1], "b.test"), ("127.90.0.1", ports[1], "a.test")):
                with connected(port, address) as s:
                    s.sendall(b"GET /x HTTP/1.0\r\n\r\n")
                    check(b"GET /x" in read_all(s), name)
                same(p.asked.pop(), (name, port), "what the parent was asked")
            p.refusal = b"HTTP/1.1 403 no\r\n\r\n"
            try:
                with connected(ports[0], "127.90.0.1") as s:  # which may fail by it already
                    data = s.recv(1)
            except ConnectionResetError:
                data = None
            same(data, None, "what comes of a refusal is a reset")


@test
def plans_that_cannot_work_are_faults() -> None:
    """With the line of the configuration and the word that is meant."""
    base = ("egress = 127.0.0.1:1",)
    for lines, line, words in ((("egress = 127.0.0.1:1", "egress-allow = good.test *bad.test"), 2, "*bad.test"),
                               (("egress = 127.0.0.1:1", "egress-deny = 1.2.3.4/8"), 2, "1.2.3.4/8"),
                               (("egress-names = a.test:443",), 1, "no egress-allow allows it"),
                               (("egress-names = a.test:443", "egress-allow = a.test", "egress-deny = *.test"), 1, "egress-deny"),
                               ((*base, "egress-via = telepathy"), 2, "connect, enclaver or socks5")):
        i = Inside(*lines, wait=False)
        news, at, _, reason = i.report()
        same((news, at), (FAULT, line), reason)
        check(words in reason, reason)
        i.end().is_(5)
        i.parent.close()


# --- limits ---------------------------------------------------------------------

@test(10)
def silent_clients_are_sent_away() -> None:
    """A head has 10 seconds; others are served meanwhile."""
    with Origin() as origin, parent() as (target, _), \
            egress(f"egress-allow = a.test:{origin.port}", target=target) as (port, _):
        begin = time.monotonic()
        with connected(port) as silent, connected(port) as slow:
            slow.sendall(b"GET http://a.test/")
            for _ in range(5):
                check(b"GET /x" in ask(port, f"GET http://a.test:{origin.port}/x HTTP/1.1\r\n\r\n".encode()), "another client")
            check(read_all(slow).startswith(b"HTTP/1.1 408 "), "no 408")
            same(read_all(silent), b"", "what a silent client gets")
        check(time.monotonic() - begin >= 9, "they were not given 10 s")


@test
def many_clients_at_once() -> None:
    """200 tunnels, requests and SOCKS5 connections side by side, each with its own bytes."""
    with Origin() as origin, parent() as (target, _), \
            egress(f"egress-allow = *.test:{origin.port}", target=target) as (port, _):
        failed: list[str] = []

        def one(i: int) -> None:
            path = f"/{i}"
            try:
                if i % 3 == 0:
                    with tunnel(port, f"a.test:{origin.port}") as s:
                        s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                        answer = read_all(s)
                elif i % 3 == 1:
                    answer = ask(port, f"GET http://a{i}.test:{origin.port}{path} HTTP/1.1\r\n\r\n".encode())
                else:
                    s, _ = socks(port, b"\x03\x06b.test" + origin.port.to_bytes(2, "big"))
                    with s:
                        s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                        answer = read_all(s)
                if f"GET {path} 0 ".encode() not in answer:
                    failed.append(f"{i}: {answer!r}")
            except OSError as e:
                failed.append(f"{i}: {e}")
        threads = [threading.Thread(target=one, args=(i,)) for i in range(200)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        same(failed, [], "clients that failed")


@test
def hosts_are_what_others_read_in_them() -> None:
    """3,000 spellings against Python's ipaddress and the C library's inet_aton: the same address, or none."""
    random_ = random.Random(16)
    pieces = ("0", "1", "7", "08", "010", "0x", "0x7f", "127", "169", "254", "255", "256", "65535", "4294967295", ".", ".", ".",
              "..", ":", "::", "::ffff:", "a", "fe80", "ffff", "[", "]", "%", "@", "-", "_", "localhost", "test", "*", " ", "\0")
    with Server() as hears, egress("egress-allow = **:1-65535 0.0.0.0/0:1-65535 [::]/0:1-65535", via="enclaver",
                                   target=hears.port, program=SHIPPED) as (port, _):
        hosts = ["".join(random_.choices(pieces, k=random_.randint(1, 8))) for _ in range(3000)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda host: compare(port, hears, host), hosts))


class Server:
    """A parent that refuses all, and keeps what it was asked for."""

    def __enter__(self) -> "Server":
        self.numbers = itertools.count(1)
        self.stack = contextlib.ExitStack()
        self.port, self.parent = self.stack.enter_context(parent("enclaver"))
        self.parent.refusal = b'\x04\0"No"'
        self.parent.asked = self  # as a list
        self.asked: dict[int, str] = {}
        return self

    def append(self, asked: tuple[str, int]) -> None:
        host, port = asked
        self.asked[port] = host

    def __exit__(self, *_: object) -> None:
        self.stack.close()


def compare(port: int, hears: Server, host: str) -> None:
    """By the port of each question it is known which one the parent was asked."""
    number = next(hears.numbers)
    raw = host.encode()
    s, reply = socks(port, b"\x03" + bytes([len(raw)]) + raw + number.to_bytes(2, "big"))
    s.close()
    got = hears.asked.get(number)
    same(got is not None, reply[1] != 8, f"{host!r}: whether it is a host")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]") if host[:1] + host[-1:] == "[]" and ":" in host
                                       else host)
    except ValueError:
        address = None
    if address is not None and not getattr(address, "scope_id", None):
        check(got is not None, f"{host!r} is no host")
        same(ipaddress.ip_address(got), getattr(address, "ipv4_mapped", None) or address, f"{host!r}: the address")
        return
    with contextlib.suppress(OSError, ValueError):
        socket.inet_aton(host)
        check(got is None, f"{host!r} is {socket.inet_ntoa(socket.inet_aton(host))} for C libraries, and {got} here")
    if got is not None:
        same(got, host.lower().removesuffix("."), f"{host!r}: the name")
        check(re.fullmatch(r"[a-z0-9_.-]+", got), f"{host!r}: {got}")


@test
def nothing_is_left_of_what_has_ended() -> None:
    """Descriptors of the workers after 600 connections that ended in each way, and their memory after as many again."""
    need_root()
    with Origin() as origin, parent() as (target, p), \
            egress(f"egress-allow = *.test:{origin.port}", target=target, program=SHIPPED) as (port, inside):
        texts = (f"GET http://a.test:{origin.port}/ HTTP/1.1\r\n\r\n", f"GET http://a.test:{origin.port}/ HTTP/1.1\r\nX: ",
                 "CONNECT evil.test:443 HTTP/1.1\r\n\r\n", "nonsense\r\n\r\n", "\x05\x01\x02", "\x04", "",
                 f"POST http://a.test:{origin.port}/ HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf",
                 f"CONNECT a.test:{origin.port} HTTP/1.1\r\n\r\n", f"CONNECT a.test:{origin.port} HTTP/1.1\r\n\r\nGET / HTTP/1.0\r\n\r\n")

        def one(i: int) -> None:
            with contextlib.suppress(OSError), connected(port) as s:
                s.sendall(texts[i % len(texts)].encode())
                if i % 3 == 0:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                elif i % 3 == 1:
                    s.shutdown(socket.SHUT_WR)
                    read_all(s)

        def open_files() -> list[int]:
            return [len(os.listdir(f"/proc/{pid}/fd")) for pid in workers]

        def resident() -> int:
            return sum(int(line.split()[1]) for pid in workers for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                       if line.startswith("VmRSS"))
        workers = children(inside.process.pid)
        check(workers, "no worker")
        sizes = []
        for _ in range(2):
            with ThreadPoolExecutor(16) as pool:
                list(pool.map(one, range(600)))
            # Nine each; a worker that is still starting has fewer.
            wait_for(lambda: max(open_files()) < 16, "descriptors to be closed")
            sizes.append(resident())
        check(sizes[1] < sizes[0] + 400, f"{sizes} KiB")


@test
def waiting_costs_nothing() -> None:
    """In each state in which a connection may stay, no worker turns."""
    def silent(conn: socket.socket) -> None:
        read_until(conn, b"never")

    def big(conn: socket.socket) -> None:
        read_until(conn, b"\r\n\r\n")
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(8 << 20))
        read_until(conn, b"never")

    def brief(conn: socket.socket) -> None:
        read_until(conn, b"\r\n\r\n")
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(200_000))

    def ended(conn: socket.socket) -> None:
        conn.shutdown(socket.SHUT_WR)
        read_until(conn, b"never")

    need_root()
    with listener(silent) as quiet, listener(big) as fast, listener(brief) as short, listener(ended) as half, \
            parent() as (target, _), contextlib.ExitStack() as stack, \
            egress("egress-allow = *.test:1-65535", target=target, program=SHIPPED) as (port, inside), \
            egress("egress-allow = *.test:1-65535", target=quiet, program=SHIPPED) as (stuck, other):
        def send(text: str, ends: bool = False, to: int = port) -> socket.socket:
            s = stack.enter_context(connected(to))
            s.sendall(text.encode())
            if ends:
                s.shutdown(socket.SHUT_WR)
            return s
        for server in (quiet, fast, short, half):
            for ends in (False, True):
                send(f"GET http://a.test:{server}/ HTTP/1.1\r\n\r\n", ends)
                send(f"POST http://a.test:{server}/ HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf", ends)
                send(f"CONNECT a.test:{server} HTTP/1.1\r\n\r\n\r\n\r\n", ends)
        for ends in (False, True):
            send("CONNECT a.test:443 HTTP/1.1\r\n\r\n", ends, stuck)
            send("GET http://a.te", False, stuck)
        time.sleep(0.5)  # so that they come to their states; less only tests less
        pids = [pid for i in (inside, other) for pid in children(i.process.pid)]

        def is_quiet() -> bool:
            begin = [ticks(pid) for pid in pids]
            time.sleep(1.0)
            return max(ticks(pid) - b for pid, b in zip(pids, begin, strict=True)) <= 20
        in_time(is_quiet, "a second of which no worker uses a fifth")


def need_root() -> None:
    if os.geteuid() != 0:
        raise Skip("what processes of relay do can be looked at by root alone")


def ticks(pid: int) -> int:
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))


@test
def exchanges_are_whole_however_they_are_cut() -> None:
    """300 requests with bodies of both kinds and answers with interim heads, in pieces of any size from both sides."""
    random_ = random.Random(7)
    plans: dict[bytes, tuple[bytes, bytes]] = {}
    heard: dict[bytes, bytes] = {}

    def pieces(conn: socket.socket, data: bytes, seed: int) -> None:
        own = random.Random(seed)
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data:
            size = own.choice((1, 2, 3, 7, 100, 5000, 40000))
            conn.sendall(data[:size])
            data = data[size:]

    def serve(conn: socket.socket) -> None:
        data = read_until(conn, b"\r\n\r\n")
        name = data.split()[1]
        answer, end = plans[name]
        while not data.endswith(end):
            more = conn.recv(65536)
            if not more:
                break
            data += more
        heard[name] = data.partition(b"\r\n\r\n")[2]
        pieces(conn, answer, len(answer))

    with listener(serve) as server, parent() as (target, _), \
            egress(f"egress-allow = a.test:{server}", target=target) as (port, _):
        def one(i: int, framing: str, sent: bytes, answer: bytes, wanted: bytes) -> None:
            head = f"POST http://a.test:{server}/{i} HTTP/1.1\r\n{framing}\r\n\r\n".encode()
            with connected(port) as s:
                pieces(s, head + sent, i)
                got = read_all(s)
            same(heard.get(f"/{i}".encode()), sent, f"{i}: what the server heard of {framing}")
            check(got == wanted, f"{i}: {len(got)} bytes of an answer, not {len(wanted)}")

        jobs = []
        for i in range(300):
            body = random_.randbytes(random_.choice((0, 1, 10, 3000, 20000, 100_000)))
            if i % 2:
                sent, at = b"", 0
                while at < len(body):
                    size = random_.choice((1, 9, 300, 20000))
                    piece = body[at:at + size]
                    sent += b"%x\r\n%s\r\n" % (len(piece), piece)
                    at += size
                sent += b"0\r\n\r\n"
                framing = "Transfer-Encoding: chunked"
            else:
                sent, framing = body, f"Content-Length: {len(body)}"
            interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * random_.choice((0, 0, 1, 3))
            reply = random_.randbytes(random_.choice((0, 1, 5000, 200_000)))
            answer = interim + b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n" + reply
            plans[f"/{i}".encode()] = answer, sent[-64:] if sent else b""
            jobs.append((i, framing, sent, answer, interim + b"HTTP/1.1 200 OK\r\nX: y\r\nConnection: close\r\n\r\n" + reply))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda job: one(*job), jobs))
