"""relay egress: the parent's proxy, which looks names up and refuses what is not of the internet."""

import contextlib
import json
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .ends import dial, reset
from .lib import ASAN, SHIPPED, Relay, check, folder, run, same, test, wait_for
from .nets import hosts, own_address, resolv_conf, with_network
from .proxies import BIG, Origin, ask, connected, egress, free_port, listener, read_all, read_exact, read_until, socks, tunnel


@contextmanager
def exit_at(*options: str, program: Path = ASAN) -> Iterator[tuple[int, Relay]]:
    port = free_port()
    r = Relay("egress", f"tcp:127.0.0.1:{port}", *options, program=program)
    try:
        yield port, r.wait_err(": ready\n")
    finally:
        r.process.terminate()
        r.end().is_(0)


def frame(port: int, host: str, number: int) -> tuple[socket.socket, object]:
    s = connected(port)
    text = json.dumps({"host": host, "port": number}).encode()
    s.sendall(len(text).to_bytes(2, "little") + text)
    return s, json.loads(read_exact(s, int.from_bytes(read_exact(s, 2), "little")))


@test
def what_is_not_of_the_internet_is_refused() -> None:
    """By address, and by a name that has such addresses alone; by each protocol; with the reason."""
    hosts = {"127.0.0.1": "loopback", "169.254.169.254": "link-local", "10.0.0.1": "private", "[fd00:ec2::254]": "private",
             "[::1]": "loopback", "[::ffff:127.0.0.1]": "loopback", "[64:ff9b::7f00:1]": "loopback", "[2002:a9fe:a9fe::]": "link-local",
             "224.0.0.1": "multicast", "0.0.0.0": "this network", "[::]": "reserved", "localhost": "loopback"}
    with Origin() as origin, exit_at() as (port, r):
        for host, words in hosts.items():
            answer = ask(port, f"CONNECT {host}:{origin.port} HTTP/1.1\r\n\r\n".encode()).decode()
            check(answer.startswith("HTTP/1.1 403 ") and f"is not dialled: {words}" in answer, f"{host}: {answer}")
            answer = ask(port, f"GET http://{host}:{origin.port}/ HTTP/1.1\r\n\r\n".encode()).decode()
            check(answer.startswith("HTTP/1.1 403 ") and words in answer, f"{host}: {answer}")
            raw = host.strip("[]").encode()
            s, reply = socks(port, b"\x03" + bytes([len(raw)]) + raw + origin.port.to_bytes(2, "big"))
            same(reply[1], 2, f"{host}: SOCKS5's reply")
            s.close()
            s, answer = frame(port, host.strip("[]"), origin.port)
            same(answer["Err"]["os_code"], 13, f"{host}: the answer to a frame")
            s.close()
        same(origin.requests, [], "what arrived")
        check("is not dialled: loopback" in r.err, r.err)


@test(seconds=5)
@with_network
def an_enclave_does_not_keep_others_from_names() -> None:
    """One that asks for as many names as it can, of a server that does not answer."""
    asked: set[bytes] = set()

    def serve(s: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                q, who = s.recvfrom(512)
                asked.add(q[12:18])
                if not q[12:].startswith(b"\1n"):
                    s.sendto(q[:2] + b"\x81\x83" + q[4:], who)

    with folder() as d, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, contextlib.ExitStack() as all_of_it:
        server.bind(("127.0.0.1", 53))
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        resolv_conf("nameserver 127.0.0.1\noptions timeout:30\n", d / "resolv.conf")
        r = Relay("egress", "vsock:17002", vsock=d).wait_err(": ready\n")
        hostile = [all_of_it.enter_context(dial("vsock:17002", d, 16)) for _ in range(60)]
        for i, s in enumerate(hostile):
            s.sendall(f"CONNECT n.{i:03}.test:443 HTTP/1.1\r\n\r\n".encode())
        wait_for(lambda: len(select.select(hostile, [], [], 0)[0]) >= 60 - 32, "refusals of what is more than its share")
        wait_for(lambda: len(asked) >= 32, "names of the first")
        with dial("vsock:17002", d, 17) as s:
            s.sendall(b"CONNECT other.test:443 HTTP/1.1\r\n\r\n")
            check(b"there is no such name" in (answer := read_all(s)), f"the other enclave's answer: {answer!r}")
        r.process.terminate()
        r.end().is_(0)


@test
def an_answer_that_is_reset_is_no_whole_one() -> None:
    """A body without a length ends with its connection, so that a client takes an end for its end."""
    def serve(conn: socket.socket) -> None:
        read_until(conn, b"\r\n\r\n")
        conn.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
        check(conn.recv(1) == b"x", "the client's word that it has read that")
        reset(conn)

    with listener(serve) as server, exit_at("--allow", "127.0.0.0/8") as (port, _), connected(port) as s:
        s.sendall(f"POST http://127.0.0.1:{server}/ HTTP/1.1\r\nContent-Length: 1\r\n\r\n".encode())
        check(read_exact(s, 48).endswith(b"\r\n\r\nhalf of it"), "the beginning")
        s.sendall(b"x")
        try:
            end = s.recv(1)
        except ConnectionResetError:
            end = None
        same(end, None, "what comes of a reset")


@test
def what_is_allowed_is_dialled() -> None:
    """--allow opens a network, for addresses and for what names have; all four ways, as shipped and with sanitizers."""
    with Origin() as origin:
        for program in (ASAN, SHIPPED):
            with exit_at("--allow", "127.0.0.0/8", program=program) as (port, _):
                for host in ("127.0.0.1", "localhost", "LOCALHOST.", "[::ffff:127.0.0.1]"):
                    with tunnel(port, f"{host}:{origin.port}") as s:
                        s.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                        check(read_all(s).endswith(BIG), host)
                    check(ask(port, f"GET http://{host}:{origin.port}/big HTTP/1.1\r\n\r\n".encode()).endswith(BIG), host)
                    s, answer = frame(port, host.strip("[]"), origin.port)
                    same(answer, "Ok", host)
                    s.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    check(read_all(s).endswith(BIG), host)
                    s.close()
                s, reply = socks(port, b"\x01\x7f\0\0\x01" + origin.port.to_bytes(2, "big"))
                with s:
                    same(reply[:2], b"\x05\0", "SOCKS5's reply")
                    s.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    check(read_all(s).endswith(BIG), "SOCKS5")


@test
def own_rules_are_a_second_fence() -> None:
    """--only: names with ports, and nothing else."""
    with Origin() as origin, exit_at("--allow", "127.0.0.1", "--only", f"localhost:{origin.port}",
                                     "--only", "*.test") as (port, _):
        tunnel(port, f"localhost:{origin.port}").close()
        for target in (f"127.0.0.1:{origin.port}", f"localhost:{origin.port + 1}", "a.b.test:443", "a.test:80"):
            answer = ask(port, f"CONNECT {target} HTTP/1.1\r\n\r\n".encode()).decode()
            check(answer.startswith(f"HTTP/1.1 403 {target}: no only= allows it"), answer)


@test
def failures_have_a_status() -> None:
    """A name that there is not, a port at which nothing listens."""
    with exit_at("--allow", "127.0.0.1") as (port, _):
        nothing = free_port()
        answer = ask(port, f"CONNECT 127.0.0.1:{nothing} HTTP/1.1\r\n\r\n".encode()).decode()
        check(answer.startswith(f"HTTP/1.1 502 127.0.0.1:{nothing}: Connection refused"), answer)
        s, reply = socks(port, b"\x01\x7f\0\0\x01" + nothing.to_bytes(2, "big"))
        same(reply[1], 5, "SOCKS5's reply")
        s.close()
        s, answer = frame(port, "127.0.0.1", nothing)
        same(answer, {"Err": {"os_code": 111, "message": f"127.0.0.1:{nothing}: Connection refused"}}, "the frame")
        s.close()
        answer = ask(port, b"CONNECT there-is-none.invalid:443 HTTP/1.1\r\n\r\n").decode()
        check(answer.startswith(("HTTP/1.1 502 there-is-none.invalid:443: ", "HTTP/1.1 504 ")), answer)


@test
def hostile_enclaves_get_nothing() -> None:
    """Frames, heads and greetings that are none."""
    with exit_at() as (port, _):
        for text in (b"\x19\0{\"host\":\"a\",\"port\":99999}", b"\xff\xff{" + b"x" * 5000, b"\x02\0{}", b"\x05\0{", b"\x04\x01\0\x50",
                     b"\x16\x03\x01\0", b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\0", b"GE"):
            with connected(port) as s:
                s.sendall(text)
                s.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionResetError):
                    check(b"200" not in read_all(s), text)


@test
def both_ends_fit_together() -> None:
    """The enclave's egress over the parent's, by each protocol, and a refusal of the parent's comes as a number."""
    with Origin() as origin, exit_at("--allow", "127.0.0.1", program=SHIPPED) as (target, _):
        for via in ("connect", "socks5", "enclaver"):
            with egress("egress-allow = **:1-65535 127.0.0.0/8:1-65535", via=via, target=target, program=SHIPPED) as (port, _):
                check(ask(port, f"GET http://localhost:{origin.port}/big HTTP/1.1\r\n\r\n".encode()).endswith(BIG), via)
                with tunnel(port, f"127.0.0.1:{origin.port}") as s:
                    s.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    check(read_all(s).endswith(BIG), via)
                answer = ask(port, b"CONNECT 127.9.9.9:80 HTTP/1.1\r\n\r\n").decode()
                check("the parent's proxy refuses it (" in answer, answer)


@test
def a_directory_stands_for_vsock() -> None:
    """The parent listens where the emulator's enclaves knock."""
    with Origin() as origin, folder() as path:
        r = Relay("egress", f"dir:{path}:17002", "--allow", "127.0.0.1").wait_err(": ready\n")
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(f"{path}/17002.sock")
            s.sendall(f"CONNECT localhost:{origin.port} HTTP/1.1\r\n\r\n".encode())
            same(read_exact(s, 12), b"HTTP/1.1 200", "the answer")
        r.process.terminate()
        r.end().is_(0)


@test
def the_command_line_is_checked() -> None:
    """What is no address, network or rule is named."""
    for words, err in ((("egress",), "where are enclaves to ask?"), (("egress", "nowhere"), "nowhere: it must begin with"),
                       (("egress", "17002", "17003"), "17003"), (("egress", "17002", "--allow", "a.test"), "a.test: it must be an address"),
                       (("egress", "17002", "--allow", "10.0.0.0/8:80"), "it must be an address"),
                       (("egress", "17002", "--allow", "10.0.0.1/8"), "10.0.0.1/8: its address has bits"),
                       (("egress", "17002", "--only", "*a"), "*a: a wildcard"), (("egress", "17002", "--only", "a b"), "a b: one word"),
                       (("egress", "17002", "--workers", "0"), "0: no number")):
        run(*words).is_(2, err)


@test
@with_network
def only_checked_addresses_of_a_name_are_dialled() -> None:
    """Those that are special are passed over, the next one is taken if one does not answer, and this machine's own are none."""
    own_address("11.1.1.1", 1)
    with folder() as path, socket.create_server(("11.1.1.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as inner:
        port = server.getsockname()[1]
        hosts("127.0.0.1 localhost\n127.0.0.1 inner.test\n10.9.9.9 inner.test\n127.0.0.1 many.test\n10.9.9.9 many.test\n11.1.1.2 many.test\n"
              "11.1.1.1 many.test\n11.1.1.1 own.test\n", path / "hosts")
        for binary in (ASAN, SHIPPED):
            with exit_at("--allow", "11.1.1.0/24", program=binary) as (at, _):
                with tunnel(at, f"many.test:{port}") as s:
                    conn, _ = server.accept()
                    with conn:
                        conn.sendall(b"hello")
                        same(read_exact(s, 5), b"hello", "what it says")
                answer = ask(at, f"CONNECT inner.test:{inner.getsockname()[1]} HTTP/1.1\r\n\r\n".encode()).decode()
                check(answer.startswith("HTTP/1.1 403 ") and "is not dialled" in answer, answer)
        for binary in (ASAN, SHIPPED):
            with exit_at(program=binary) as (at, _):
                for host in ("own.test", "11.1.1.1"):
                    answer = ask(at, f"CONNECT {host}:{port} HTTP/1.1\r\n\r\n".encode()).decode()
                    check(answer.startswith(f"HTTP/1.1 403 {host}:{port}: it is an address of this machine"), answer)
        inner.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            inner.accept()
            check(False, "it has connected to what is inside")


@test
def a_file_asks_for_exits() -> None:
    """Lines `exit` of relay run, with options of their own each; what is none is named with its line."""
    ports = free_port(), free_port()
    with Origin() as origin, folder() as path:
        (path / "good").write_text(f"exit = tcp:127.0.0.1:{ports[0]} allow=127.0.0.0/8 only=localhost:{origin.port} only=*.test\n"
                                   f"exit = tcp:127.0.0.1:{ports[1]}\n")
        r = Relay("run", path / "good").wait_err(": ready\n")
        tunnel(ports[0], f"localhost:{origin.port}").close()
        for port, words in ((ports[0], "no only= allows it"), (ports[1], "is not dialled: loopback")):
            answer = ask(port, f"CONNECT 127.0.0.1:{origin.port} HTTP/1.1\r\n\r\n".encode()).decode()
            check(answer.startswith("HTTP/1.1 403 ") and words in answer, answer)
        r.process.terminate()
        r.end().is_(0)
        for line, words in ((f"exit = tcp:127.0.0.1:{ports[0]} allow=a.test", "allow=a.test: it must be an address"),
                            (f"exit = tcp:127.0.0.1:{ports[0]} only=*a", "only=*a: a wildcard"),
                            (f"exit = tcp:127.0.0.1:{ports[0]} open=1.2.3.4", "open=1.2.3.4: the options are")):
            (path / "bad").write_text(f"# a comment\n{line}\n")
            err = run("run", path / "bad").is_(2).err
            check("line 2" in err and words in err, err)
