"""Debian's socat and ncat as the other end of relay's forwards, over real vsock."""

import subprocess
from contextlib import contextmanager
from collections.abc import Iterator

from .streams import DEADLINE_S, NOISE, PARENT, PORTS, case, check, forward, is_there, listen, accept, receive, same, started, wait_for

SOME = NOISE[:2 << 20]
LINES = "".join(f"{NOISE[n:n + 8].hex()}\n" for n in range(0, 40000, 8)).encode()
SORTED = b"".join(sorted(LINES.splitlines(keepends=True)))


def tool(*command: str, given: bytes = b"") -> bytes:
    """What a program prints that succeeds."""
    done = subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=DEADLINE_S, check=False)
    same(done.returncode, 0, f"the code of {command}: {done.stderr[-300:]!r}")
    return done.stdout


@contextmanager
def sorts() -> Iterator[int]:
    """A vsock port behind which socat sorts what comes before the end."""
    port = next(PORTS)
    with started(lambda p: is_there(p, f"vsock:{PARENT}:{port}"), "socat", "-t", "60", f"VSOCK-LISTEN:{port},fork", "EXEC:sort"):
        yield port


@case
def socat_and_ncat_are_the_parent():
    """What socat listens at, and ncat --vsock, is reached through a TCP port; ends pass, and all comes."""
    with sorts() as port:
        entry = next(PORTS)
        with forward(f"tcp:127.0.0.1:{entry}", f"vsock:{PARENT}:{port}"):
            same(tool("socat", "-t", "60", "-", f"TCP:127.0.0.1:{entry}", given=LINES), SORTED, "what socat answers")
    port, entry = next(PORTS), next(PORTS)
    with open("/tmp/data", "wb") as f:
        f.write(SOME)
    with open("/tmp/data", "rb") as f:
        parent = subprocess.Popen(["ncat", "--vsock", "--send-only", "-l", str(PARENT), str(port)], stdin=f)
    try:
        with forward(f"tcp:127.0.0.1:{entry}", f"vsock:{PARENT}:{port}"):
            def got() -> bytes:
                """Nothing before ncat listens: that connection ends, or is reset."""
                return subprocess.run(["socat", "-u", f"TCP:127.0.0.1:{entry}", "-"], stdout=subprocess.PIPE, check=False).stdout

            same(wait_for(got, "ncat to listen"), SOME, "what ncat sends")
    finally:
        parent.kill()
        parent.wait()


@case
def socat_and_ncat_are_the_clients():
    """They come by vsock to a TCP server of the enclave."""
    port, target = next(PORTS), next(PORTS)
    with (started(lambda p: is_there(p, f"tcp:127.0.0.1:{target}"), "socat", "-t", "60", f"TCP-LISTEN:{target},reuseaddr,fork", "EXEC:sort"),
          forward(f"vsock:{port}", f"tcp:127.0.0.1:{target}")):
        same(tool("socat", "-t", "60", "-", f"VSOCK-CONNECT:{PARENT}:{port}", given=LINES), SORTED, "socat's answer")
        same(tool("ncat", "--vsock", str(PARENT), str(port), given=LINES), SORTED, "ncat's answer")


@case
def the_client_of_one_relay_is_socat_of_another():
    """relay, socat and relay one behind the other, as where one end is not ours; many at once, and each gets its own."""
    port, entry, middle, target = (next(PORTS) for _ in range(4))
    with (forward(f"vsock:{port}", f"tcp:127.0.0.1:{target}"),
          started(lambda p: is_there(p, f"tcp:127.0.0.1:{middle}"), "socat", "-t", "60", f"TCP-LISTEN:{middle},reuseaddr,fork,backlog=64",
                  f"VSOCK-CONNECT:{PARENT}:{port}"),
          forward(f"tcp:127.0.0.1:{entry}", f"tcp:127.0.0.1:{middle}")):
        server = listen(f"tcp:127.0.0.1:{target}")
        clients = [subprocess.Popen(["socat", "-t", "60", "-", f"TCP:127.0.0.1:{entry}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                   for _ in range(10)]
        for n, client in enumerate(clients):
            client.stdin.write(b"%02d" % n)
            client.stdin.flush()
        for _ in clients:
            conn = accept(server)
            word = receive(conn, 2)
            conn.sendall(word + NOISE[:100_000])
            conn.close()
        for n, client in enumerate(clients):
            out, _ = client.communicate(timeout=DEADLINE_S)
            check(out == b"%02d" % n + NOISE[:100_000], f"client {n} got {out[:2]!r} and {len(out)} bytes")
