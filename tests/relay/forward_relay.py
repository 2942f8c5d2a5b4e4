"""Forwards at work: limits, workers, privileges, and what goes through them."""

import contextlib
import errno
import os
import random
import resource
import signal
import socket
import struct
import threading
import time
from pathlib import Path

from .ends import Server, answer_at_the_end, ask, dial, echo, free_port, is_refused, read, reset, say_hello
from .lib import ASAN, DEADLINE_S, DONE, SHIPPED, Relay, Skip, check, children, folder, in_time, same, test, wait_for
from .plan_relay import READY, Inside, relay

BYTES = random.Random(7).randbytes(4 << 20)


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def ticks(pid: int) -> int:
    """Processor time of PID, in hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def is_alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return not status(pid)["State"].startswith("Z")
    return False


def exchange(s: socket.socket, text: bytes) -> bytes:
    s.settimeout(DEADLINE_S)
    s.sendall(text)
    return read(s, len(text))


# --- ports -------------------------------------------------------------------

@test
def a_port_that_a_test_has_named_is_its_own() -> None:
    """Before relay listens there, while it does, and after that: no other test gets it, and nothing answers there."""
    def is_taken() -> bool:
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                return True
            return False

    port = free_port()
    check(is_taken(), "another test could have it")
    with Server(say_hello) as s, relay("forward", f"tcp:127.0.0.1:{port}", f"tcp:127.0.0.1:{s.port}"):
        same(ask(dial(f"tcp:127.0.0.1:{port}"), b""), b"hello\n", "what is behind it")
    check(is_taken(), "another test could have it now")
    with socket.socket() as s:
        same(s.connect_ex(("127.0.0.1", port)), errno.ECONNREFUSED, "an answer there")


# --- limits ------------------------------------------------------------------

@test
def one_connection_too_many_waits_until_another_has_ended() -> None:
    """The limit is that of all workers together, and is logged once."""
    for words in (("--workers=1",), ("--workers=3",)):
        with folder() as path, Server(echo) as s:
            listen = f"unix:{path}/listen"
            with relay("forward", listen, f"tcp:127.0.0.1:{s.port}", "--max=3", *words) as r:
                taken = [dial(listen) for _ in range(3)]
                for conn in taken:
                    same(exchange(conn, b"taken"), b"taken", "the echo")
                waiting = dial(listen)
                waiting.sendall(b"waiting")
                r.wait_err("all its connections are taken; others wait\n")
                same(s.count, 3, "connections of the target")
                for conn in taken[:2]:
                    conn.close()
                same(read(waiting, 7), b"waiting", "the echo")
                same(exchange(taken[2], b"still"), b"still", "the echo")
                same(r.err.count("others wait"), 1, "lines of the log")
                waiting.close()
                taken[2].close()


@test
def without_descriptors_connections_wait() -> None:
    """Nothing spins, one line is logged, and those that wait are served later."""
    with folder() as path, Server(echo) as s:
        listen = f"unix:{path}/listen"
        with relay("forward", listen, f"tcp:127.0.0.1:{s.port}", "--workers=1", program=SHIPPED) as r:
            worker, = children(r.process.pid)
            used = max(int(fd) for fd in os.listdir(f"/proc/{worker}/fd")) + 1
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 6, used + 6))
            conns = [dial(listen) for _ in range(8)]
            for conn in conns:
                conn.sendall(b"word")
            r.wait_err("others wait\n")
            before = ticks(worker)
            served = 0

            def are_served() -> bool:
                """Each of those that wait gets its turn when others end, of which some may be refused."""
                nonlocal served
                for conn in list(conns):
                    conn.settimeout(0.1)
                    with contextlib.suppress(TimeoutError, ConnectionError):
                        served += conn.recv(4) == b"word"
                        conn.close()
                        conns.remove(conn)
                return not conns or served >= 6
            wait_for(are_served, "those that waited")
            check(ticks(worker) - before < 50, "it spins")
            same(ask(dial(listen), b"after that"), b"after that", "the echo")
            check(r.err.count("others wait") == 1, r.err)


@test
def a_target_that_refuses_is_a_reset() -> None:
    """Logged once a minute, however many there are; no connection stays."""
    port, closed = free_port(), free_port()
    with relay("forward", f"tcp:127.0.0.1:{port}", f"tcp:127.0.0.1:{closed}", "--max=2", "--workers=1") as r:
        for _ in range(20):
            check(is_refused(f"tcp:127.0.0.1:{port}"), "it was taken")
        same(r.err.count("Connection refused; refused so far: 1\n"), 1, "lines of the log")
        same(r.err.count("refused so far"), 1, "lines of the log")


def lingering() -> tuple[socket.socket, socket.socket]:
    """A connection that its last holder closes in an hour, as its peer does not read; and that peer."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(1)
        mine = socket.create_connection(s.getsockname())
        peer, _ = s.accept()
    mine.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
    mine.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            mine.send(bytes(1 << 16))
    return mine, peer


@test
def descriptors_that_linger_keep_nobody_waiting() -> None:
    """They come along with bytes: to a target that takes them, and to one that does not. What others ask is answered."""
    for program in (ASAN, SHIPPED):
        with folder() as path, Server(echo) as s:
            (path / "plan").write_text(f"forward-workers = 1\nforward = unix:{path}/echo tcp:127.0.0.1:{s.port}\n"
                                       f"forward = unix:{path}/refused unix:{path}/none\n")
            with relay("run", path / "plan", program=program) as r, contextlib.ExitStack() as peers:
                worker, = children(r.process.pid)
                for name in ("echo", "refused"):
                    sent, peer = lingering()
                    peers.enter_context(peer)
                    os.kill(worker, signal.SIGSTOP)
                    conn = peers.enter_context(dial(f"unix:{path}/{name}"))
                    socket.send_fds(conn, [b"x"], [sent.fileno()])
                    sent.close()
                    os.kill(worker, signal.SIGCONT)
                    same(ask(dial(f"unix:{path}/echo"), BYTES), BYTES, f"the echo, after {name}")


# --- bytes -------------------------------------------------------------------

@test
def eight_connections_at_once_lose_nothing() -> None:
    """4 MiB each way on each, over workers that share them, as shipped and with sanitizers."""
    for program in (SHIPPED, ASAN):
        with folder() as path, Server(echo) as s:
            with relay("forward", f"unix:{path}/listen", f"tcp:127.0.0.1:{s.port}", program=program):
                got: list[bytes] = []
                threads = [threading.Thread(target=lambda: got.append(ask(dial(f"unix:{path}/listen"), BYTES))) for _ in range(8)]
                for t in threads:
                    t.start()
                for t in threads:
                    t.join()
                check(got == [BYTES] * 8, "other bytes")


@test
def peers_that_do_not_read_keep_nobody_waiting() -> None:
    """Both ends of some connections flood, and read nothing; the pool is a small one."""
    port = free_port()
    stuck = threading.Event()

    def flood(s: socket.socket) -> None:
        s.settimeout(0.2)
        with contextlib.suppress(OSError):
            while True:
                s.send(bytes(1 << 20))
        stuck.wait(DEADLINE_S)

    with folder() as path, Server(flood, path / "flood"), Server(echo) as s:
        plan = path / "plan"
        plan.write_text(f"forward = tcp:127.0.0.1:{port} unix:{path}/flood\nforward = unix:{path}/echo tcp:127.0.0.1:{s.port}\n"
                        "forward-memory = 1M\nforward-workers = 1\n")
        with relay("run", plan, program=SHIPPED) as r:
            conns = [dial(f"tcp:127.0.0.1:{port}") for _ in range(20)]
            threads = [threading.Thread(target=flood, args=(conn,)) for conn in conns]
            for t in threads:
                t.start()
            same(ask(dial(f"unix:{path}/echo"), BYTES), BYTES, "the echo")
            worker, = children(r.process.pid)
            kib = int(status(worker)["RssAnon"].split()[0])
            check(kib <= 1024 + 300, f"{kib} KiB, of which the pool may have 1 MiB")
            stuck.set()
            for conn in conns:
                reset(conn)
            for t in threads:
                t.join()


@test
def a_reset_goes_through() -> None:
    """From either side, as a reset."""
    port = free_port()
    with Server(lambda s: (s.recv(1), reset(s))) as s, relay("forward", f"tcp:127.0.0.1:{port}", f"tcp:127.0.0.1:{s.port}"):
        conn = dial(f"tcp:127.0.0.1:{port}")
        conn.sendall(b"x")
        try:
            check(conn.recv(1) is None, "no reset but an end")
        except ConnectionResetError:
            pass


@test
def a_target_that_asks_for_it_hears_who_has_connected() -> None:
    """The PROXY header, version 2, of TCP over IPv4 and IPv6; of other sockets it has no addresses."""
    start = b"\r\n\r\n\0\r\nQUIT\n!"
    with folder() as path, Server(answer_at_the_end) as s:
        target = f"tcp:127.0.0.1:{s.port}"
        for listen, family, code in (("tcp:127.0.0.1", socket.AF_INET, 0x11), ("tcp:[::1]", socket.AF_INET6, 0x21)):
            port = free_port()
            with relay("forward", f"{listen}:{port}", target, "--proxy=v2"):
                conn = dial(f"{listen}:{port}")
                ends = [conn.getsockname(), conn.getpeername()]
                ips = b"".join(socket.inet_pton(family, ip) for ip, *_ in ends)
                wanted = start + bytes([code]) + struct.pack("!H", len(ips) + 4) + ips + struct.pack("!HH", ends[0][1], ends[1][1])
                same(ask(conn, b"question"), b"all: " + wanted + b"question", "what the target got")
        with relay("forward", f"unix:{path}/listen", target, "--proxy=v2"):
            same(ask(dial(f"unix:{path}/listen"), b"question"), b"all: " + start + b"\0\0\0" + b"question", "what the target got")


@test
def counters_are_said_when_asked_for() -> None:
    """Of each listener, over all workers."""
    with folder() as path, Server(answer_at_the_end) as s:
        (path / "plan").write_text(f"forward = unix:{path}/good tcp:127.0.0.1:{s.port}\nforward = unix:{path}/bad unix:{path}/none\n"
                                   "forward-workers = 3\n")
        with relay("run", path / "plan") as r:
            for _ in range(4):
                ask(dial(f"unix:{path}/good"), b"12345")
                check(is_refused(f"unix:{path}/bad"), "it was taken")
            conn = dial(f"unix:{path}/good")
            conn.sendall(b"6")

            def counted() -> bool:
                r.process.send_signal(signal.SIGUSR1)
                return (f"unix:{path}/good: 1 connections, 5 in all, 0 refused, 21 bytes in, 40 out\n" in r.err
                        and f"unix:{path}/bad: 0 connections, 4 in all, 4 refused, 0 bytes in, 0 out\n" in r.err)
            wait_for(counted, "the counters")
            conn.close()


# --- processes ---------------------------------------------------------------

@test
def a_worker_that_is_killed_takes_its_connections_alone() -> None:
    """It starts again; the connections of the other go on, and its own no longer count."""
    with folder() as path, Server(echo) as s:
        listen = f"unix:{path}/listen"
        with relay("forward", listen, f"tcp:127.0.0.1:{s.port}", "--workers=2", "--max=8", program=SHIPPED) as r:
            workers = children(r.process.pid)
            same(len(workers), 2, "workers")
            conns = [dial(listen) for _ in range(8)]
            for conn in conns:
                same(exchange(conn, b"there"), b"there", "the echo")
            # Which of them are whose: a connection is two descriptors.
            fds = {pid: len(os.listdir(f"/proc/{pid}/fd")) for pid in workers}
            victim = max(workers, key=lambda pid: fds[pid])
            os.kill(victim, signal.SIGKILL)
            r.wait_err("a worker: killed by signal 9; its connections are lost, and it starts again in 100 ms\n")
            lost = 0
            for conn in conns:
                try:
                    got = exchange(conn, b"still")
                except OSError:
                    got = b""
                check(got in (b"still", b""), f"the echo: {got!r}")
                if not got:
                    lost += 1
                    conn.close()
            check(lost > 0, "whose were they?")
            wait_for(lambda: len(children(r.process.pid)) == 2, "a new worker")
            more = [dial(listen) for _ in range(lost)]
            for conn in more:
                same(exchange(conn, b"new"), b"new", "the echo")


@test
def a_worker_that_keeps_dying_starts_ever_later() -> None:
    """100 ms at first, then twice as long each time."""
    with folder() as path, Server(say_hello) as s:
        with relay("forward", f"unix:{path}/listen", f"tcp:127.0.0.1:{s.port}", "--workers=1", program=SHIPPED) as r:
            deaths = 0

            def kill_again() -> bool:
                nonlocal deaths
                # In this order: a child is then none whose death has been logged, and its number nobody else's.
                if r.err.count("starts again") == deaths:
                    for worker in children(r.process.pid):
                        os.kill(worker, signal.SIGKILL)
                        deaths += 1
                return "starts again in 400 ms\n" in r.err
            # One that has run for 10 s, on a busy machine, begins with 100 ms anew.
            wait_for(kill_again, "a third delay")
            check(r.err.index("in 100 ms") < r.err.index("in 200 ms") < r.err.index("in 400 ms"), r.err)
            same(ask(dial(f"unix:{path}/listen"), b""), b"hello\n", "the one after that")


@test
def workers_end_with_the_first_process() -> None:
    """Whatever kills it; what it has left over is replaced by the next."""
    with folder() as path, Server(say_hello) as s:
        words = ("forward", f"unix:{path}/listen", f"tcp:127.0.0.1:{s.port}")
        r = Relay(*words, program=SHIPPED)
        r.wait_err(": ready\n")
        workers = children(r.process.pid)
        check(bool(workers), "no worker")
        r.kill()
        wait_for(lambda: not any(map(is_alive, workers)), "the workers' end")
        check((path / "listen").exists(), "who removed it?")
        with relay(*words, program=SHIPPED):
            same(ask(dial(f"unix:{path}/listen"), b""), b"hello\n", "the new one")
        check(not (path / "listen").exists(), "left over")
        (path / "listen").write_text("a file")
        Relay(*words, program=SHIPPED).end().is_(5, "File exists")
        same((path / "listen").read_text(), "a file", "the file")


@test
def workers_may_do_little() -> None:
    """No new privileges, a filter in the first process and a second one in each worker, no core of theirs."""
    with folder() as path, relay("forward", f"unix:{path}/listen", f"unix:{path}/none", program=SHIPPED) as r:
        for pid, filters in [(r.process.pid, "1"), *((pid, "2") for pid in children(r.process.pid))]:
            now = status(pid)
            same((now["NoNewPrivs"], now["Seccomp"], now.get("Seccomp_filters", filters)), ("1", "2", filters), f"of {pid}")


@test
def idle_it_neither_wakes_nor_fills_memory() -> None:
    """Also with connections that are open and idle; 2000 of them take some 100 bytes each."""
    with folder() as path, Server(echo) as s:
        listen = f"unix:{path}/listen"
        with relay("forward", listen, f"tcp:127.0.0.1:{s.port}", "--workers=1", program=SHIPPED) as r:
            pids = [r.process.pid, *children(r.process.pid)]

            def anonymous() -> int:
                return sum(int(status(pid)["RssAnon"].split()[0]) for pid in pids)

            def together() -> int:
                return sum(int(Path(f"/proc/{pid}/smaps_rollup").read_text().split("\nPss:")[1].split()[0]) for pid in pids)

            def wakeups() -> list[str]:
                return [status(pid)["voluntary_ctxt_switches"] for pid in pids]
            # 264, and what the kernel maps around the pages of the program that are used: by where they are.
            check(together() <= 320, f"{together()} KiB at the beginning")
            conns = [dial(listen) for _ in range(400)]
            for conn in conns:
                same(exchange(conn, b"x"), b"x", "the echo")

            def is_quiet() -> bool:
                before = wakeups()
                time.sleep(0.5)
                return wakeups() == before
            in_time(is_quiet, "half a second without a wakeup")  # the last answer may still be on its way to sleep
            check(anonymous() <= 400, f"{anonymous()} KiB with 400 connections")
            for conn in conns:
                conn.close()


@test
def the_enclaves_end_has_no_privileges() -> None:
    """Its own user, no groups, no capabilities, now or by an exec; and still a new worker starts."""
    if os.getuid() != 0:
        raise Skip("only root has privileges to give away")
    with folder() as path, Server(say_hello) as s:
        port = free_port()
        r = Inside(path, f"forward = tcp:127.0.0.1:{port} tcp:127.0.0.1:{s.port}\nforward = unix:{path}/listen tcp:127.0.0.1:{s.port}\n"
                   "forward-workers = 2\n", program=SHIPPED)
        same(r.report()[0], READY, "the report")
        same(oct((path / "listen").stat().st_mode & 0o777), "0o666", "who may connect to a socket of the enclave")
        same(ask(dial(f"unix:{path}/listen"), b""), b"hello\n", "what goes through the socket")
        pids = [r.process.pid, *children(r.process.pid)]
        same(len(pids), 3, "processes")
        for pid in pids:
            now = status(pid)
            same((now["Uid"].split(), now["Gid"].split(), now["Groups"]), (["65530"] * 4, ["65530"] * 4, ""), f"who {pid} is")
            same({now[f"Cap{which}"] for which in ("Inh", "Prm", "Eff", "Bnd", "Amb")}, {"0" * 16}, "capabilities")
            same((now["NoNewPrivs"], now["Seccomp"]), ("1", "2"), "the filter")
            same(os.stat(f"/proc/{pid}/mem").st_uid, 0, "who may read its memory")
        os.kill(pids[1], signal.SIGKILL)
        wait_for(lambda: len(now := children(r.process.pid)) == 2 and pids[1] not in now, "a new worker")
        for _ in range(8):
            same(ask(dial(f"tcp:127.0.0.1:{port}"), b""), b"hello\n", "what goes through")
        code, err = r.end()
        same((code, "killed by signal 9" in err), (DONE, True), err)
