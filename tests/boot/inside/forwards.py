"""relay forward over real vsock, both directions, alone and one behind the other."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .streams import (DEADLINE_S, MIB, NOISE, PARENT, PORTS, ROUTES, Thread, accept, case, check, children, connect, forward, is_over, listen,
                      receive, reset, rest, rss_kib, route, said, same, started, taken, wait_for)

MOST = 32768  # bytes of a write to vsock


def exchange(a: socket.socket, b: socket.socket, size: int, piece: int = 1 << 16) -> None:
    """SIZE bytes each way at once, then the end of both directions."""
    def send(s: socket.socket, data: memoryview) -> None:
        for at in range(0, len(data), piece):
            s.sendall(data[at:at + piece])
        s.shutdown(socket.SHUT_WR)

    there, back = NOISE[:size], NOISE[:size][::-1]
    senders = [Thread(send, a, memoryview(there)), Thread(send, b, memoryview(back))]
    readers = [Thread(rest, b), Thread(rest, a)]
    for thread in senders:
        thread.get()
    for thread, wanted, which in zip(readers, (there, back), ("to the server", "to the client"), strict=True):
        got = thread.get()
        check(got == wanted, f"{len(got)} bytes {which}, which are not those sent")


@case
def four_mib_go_both_ways_at_once():
    """Random bytes, whole in each direction, by one forward and by two."""
    for kind in ROUTES:
        with route(kind) as r:
            client, server = r.pair()
            exchange(client, server, 4 * MIB)


@case
def small_writes_arrive_whole():
    """Of 1 byte and of 100, both ways."""
    for kind in ROUTES:
        with route(kind) as r:
            exchange(*r.pair(), 1000, piece=1)
            exchange(*r.pair(), 50_000, piece=100)


@case
def an_answer_after_the_clients_end_arrives():
    """The client ends its direction first, as nc -N and HTTP/1.0 do; the server answers after it has read that end."""
    for kind in ROUTES:
        with route(kind) as r:
            client, server = r.pair()
            client.sendall(b"question")
            client.shutdown(socket.SHUT_WR)
            same(rest(server), b"question", f"{kind}: the question")
            server.sendall(NOISE[:MIB])
            time.sleep(1.0)  # longer than socat's half a second
            server.sendall(b"the end")
            server.close()
            same(rest(client), NOISE[:MIB] + b"the end", f"{kind}: the answer")


@case
def what_follows_the_servers_end_arrives():
    """The server ends its direction first, and reads on."""
    for kind in ROUTES:
        with route(kind) as r:
            client, server = r.pair()
            server.sendall(b"greeting")
            server.shutdown(socket.SHUT_WR)
            same(rest(client), b"greeting", f"{kind}: the greeting")
            client.sendall(NOISE[:MIB])
            client.close()
            same(rest(server), NOISE[:MIB], f"{kind}: what follows")


@case
def ends_without_a_byte_arrive():
    """A direction that ends before anything was sent, on each side, then the other one."""
    for kind in ROUTES:
        with route(kind) as r:
            for first in (0, 1):
                pair = r.pair()
                pair[first].shutdown(socket.SHUT_WR)
                same(rest(pair[1 - first]), b"", f"{kind}: bytes")
                pair[1 - first].sendall(b"still here")
                pair[1 - first].shutdown(socket.SHUT_WR)
                same(rest(pair[first]), b"still here", f"{kind}: what came then")


@case
def a_reset_ends_the_other_side():
    """Of the client and of the server, in the middle of a stream; TCP sees a reset where one forward brings it."""
    for kind in ROUTES:
        with route(kind) as r:
            for which in (0, 1):
                pair = r.pair()
                pair[0].sendall(b"x")
                same(receive(pair[1], 1), b"x", kind)
                pair[1 - which].sendall(NOISE[:MIB // 4])  # nobody will read it
                reset(pair[which])
                is_over(pair[1 - which])
            client, server = r.pair()
            client.sendall(b"x")
            same(receive(server, 1), b"x", f"{kind}: the next connection")


@case
def a_target_that_is_not_there_refuses():
    """A connection for which there is no target ends at once, without a byte; the next one, with a target, is served."""
    for kind in ROUTES:
        with route(kind) as r:
            r.listener.close()
            for _ in range(3):
                try:
                    with connect(r.entry) as s:
                        is_over(s)
                except ConnectionError:
                    pass
            r.listener = listen(r.target if not r.target.startswith("vsock") else "vsock:" + r.target.split(":")[2])
            client, server = r.pair()
            exchange(client, server, 1000)


@case
def each_port_of_a_range_is_forwarded():
    """Eleven ports of vsock to one port of TCP, and not those beside them."""
    base, target = 30000, next(PORTS)
    with forward(f"vsock:{base}-{base + 10}", f"tcp:127.0.0.1:{target}"):
        server = listen(f"tcp:127.0.0.1:{target}")
        for n in range(11):
            client = connect(f"vsock:{PARENT}:{base + n}")
            exchange(client, accept(server), 5000 + n)
        for n in (-1, 11):
            try:
                connect(f"vsock:{PARENT}:{base + n}")
            except OSError:
                continue
            raise AssertionError(f"port {base + n} is forwarded, too")


@case
def no_write_to_vsock_is_larger_than_32_kib():
    """Of 1 MiB each way, by strace; a program that writes 64 KiB is found out by the same count."""
    trace = "/tmp/trace"
    calls = "write,writev,sendto,sendmsg,sendmmsg,splice,sendfile,tee,vmsplice,io_uring_enter,pwritev2"
    tracer = ("strace", "-f", "-qq", "-o", trace, "-e", f"trace={calls}")

    def largest() -> tuple[int, int]:
        with open(trace) as f:
            sizes = [int(line.rsplit(" = ", 1)[1].split()[0]) for line in f if " = " in line and "exited" not in line and
                     line.rsplit(" = ", 1)[1].split()[0].isdigit()]
        os.unlink(trace)
        return max(sizes, default=0), sum(sizes)

    for kind in ("in", "out"):
        with route(kind, under=tracer) as r:
            exchange(*r.pair(), MIB)
        most, total = largest()
        check(total >= 2 * MIB, f"{kind}: only {total} bytes were traced")
        check(most <= MOST, f"{kind}: a write of {most} bytes")
    port = next(PORTS)
    listener = listen(f"vsock:{port}")
    with open("/tmp/data", "wb") as f:
        f.write(bytes(65536))
    child = subprocess.Popen([*tracer, "socat", "-u", "-b", "65536", "OPEN:/tmp/data", f"VSOCK-CONNECT:{PARENT}:{port}"])
    same(len(rest(accept(listener))), 65536, "the control's bytes")
    same(child.wait(), 0, "the control's end")
    same(largest()[0], 65536, "the control's largest write")


@case
def the_connection_beyond_the_limit_waits():
    """Of --max 2 the third is not forwarded until one of the two has ended."""
    for kind in ("in", "out"):
        with route(kind, "--max", "2") as r:
            pairs = [r.pair() for _ in range(2)]
            third = r.connect()
            third.sendall(b"third")
            r.listener.settimeout(2.0)
            with suppress(TimeoutError):
                r.listener.accept()
                raise AssertionError(f"{kind}: a third connection is forwarded")
            for client, server in pairs:
                client.sendall(b"x")
                same(receive(server, 1), b"x", f"{kind}: one of the two")
            for s in pairs[0]:
                s.close()
            r.listener.settimeout(DEADLINE_S)
            same(receive(accept(r.listener), 5), b"third", f"{kind}: the third, later")


@contextmanager
def small_buffers() -> Iterator[None]:
    """TCP's: with those that are usual 6 MB are on their way to who does not read, and relay's part is the same."""
    paths = [f"/proc/sys/net/ipv4/tcp_{name}" for name in ("rmem", "wmem")]
    usual = []
    for path in paths:
        with open(path) as f:
            usual.append(f.read())
    try:
        for path in paths:
            with open(path, "w") as f:
                f.write("4096 65536 262144")
        yield
    finally:
        for path, text in zip(paths, usual, strict=True):
            with open(path, "w") as f:
                f.write(text)


@case
def a_reader_that_stops_costs_little_memory():
    """What is sent to who does not read stays with the sender; the memory of relay does not grow by it; it all arrives."""
    for kind in ROUTES:
        with small_buffers(), route(kind) as r:
            before = sum(rss_kib(p.pid) for p in r.processes)
            pairs = [r.pair() for _ in range(4)]
            takers = [Thread(taken, client, 64 * MIB) for client, _ in pairs]
            counts = [t.get() for t in takers]
            check(max(counts) < 8 * MIB, f"{kind}: {max(counts)} bytes are on their way to who does not read")
            grown = sum(rss_kib(p.pid) for p in r.processes) - before
            check(grown < 2048, f"{kind}: {grown} KiB more")
            for (client, server), count in zip(pairs, counts, strict=True):
                client.shutdown(socket.SHUT_WR)
                same(len(rest(server)), count, f"{kind}: bytes at the end")


@case
def two_peers_that_flood_each_other_get_on():
    """Both send without reading until nothing is taken; then both read, and all arrives."""
    for kind in ROUTES:
        with small_buffers(), route(kind) as r:
            client, server = r.pair()
            takers = [Thread(taken, s, 64 * MIB) for s in (client, server)]
            counts = [t.get() for t in takers]
            for s in (client, server):
                s.shutdown(socket.SHUT_WR)
            readers = [Thread(rest, s) for s in (server, client)]
            same([len(t.get()) for t in readers], counts, f"{kind}: bytes")


@case
def a_killed_worker_loses_its_connections_alone():
    """They end, nothing of them hangs, and the next connection is served; relay itself goes on."""
    for kind in ("in", "out"):
        with route(kind) as r:
            process = r.processes[0]
            workers = wait_for(lambda p=process: children(p.pid), "workers")
            pairs = [r.pair() for _ in range(8)]
            load = [Thread(rest, server) for _, server in pairs]
            for client, _ in pairs:
                client.sendall(NOISE[:MIB // 8])
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
            for thread in load:
                with suppress(OSError):
                    thread.get()
            for client, _ in pairs:
                is_over(client)
            client, server = r.pair()
            exchange(client, server, MIB)
            same(process.poll(), None, f"{kind}: relay's end")


@case
def the_stand_in_for_vsock_proxy_has_none_of_its_faults():
    """With -w 2 eight connections are served at once, an answer follows the question's end, and a target may come late."""
    vsock, tcp = next(PORTS), next(PORTS)
    with open("/tmp/vsock-proxy.yaml", "w") as f:
        f.write(f"allowlist:\n- {{address: 127.0.0.1, port: {tcp}}}\n")
    command = ("relay", "vsock-proxy", str(vsock), "127.0.0.1", str(tcp), "-w", "2", "--config", "/tmp/vsock-proxy.yaml")
    with open("/tmp/vsock-proxy.err", "wb") as err, \
            started(lambda p: said(p, "vsock-proxy: ready", "/tmp/vsock-proxy.err"), *command, stderr=err):
        is_over(connect(f"vsock:{PARENT}:{vsock}"))
        server = listen(f"tcp:127.0.0.1:{tcp}")
        pairs = []
        for n in range(8):
            client = connect(f"vsock:{PARENT}:{vsock}")
            pairs.append((client, accept(server)))
            client.sendall(b"question %d" % n)
            client.shutdown(socket.SHUT_WR)
        for n, (client, conn) in enumerate(pairs):
            same(rest(conn), b"question %d" % n, "the question")
            conn.sendall(NOISE[:MIB // 4])
            conn.close()
            same(rest(client), NOISE[:MIB // 4], "the answer")
