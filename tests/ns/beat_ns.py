"""init --heartbeat, by hand: the test build as a program of this machine, whose parent is the test."""

import os
import socket
import subprocess

from .lib import BUILD, DEADLINE_S, check, same, test

INIT = BUILD / "test/init"
WORDS = "init: heartbeat: CID 3 port {}: "


def beat(*words: str, answer: int = 0, echo: bytes | None = b"\xb7") -> tuple[int, str, str, bytes]:
    """Its code, what it said, whom it asked for, and what the parent got, who answers and echoes."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, subprocess.Popen([INIT, "--heartbeat", *words], env={"PARENT": str(there.fileno())}, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, pass_fds=[there.fileno()]) as process:
        there.close()
        here.settimeout(DEADLINE_S)
        asked, got = "", b""
        message, fds, _, _ = socket.recv_fds(here, 256, 1)
        if message:
            asked = " ".join(message.decode().split()[:2])
            with socket.socket(fileno=fds[0]) as s:
                s.settimeout(DEADLINE_S)
                s.send(answer.to_bytes(4, "little"))
                got = b"" if answer else s.recv(64)
                if got and echo:
                    s.send(echo)
        said, _ = process.communicate(timeout=DEADLINE_S)
    return process.returncode, said, asked, got


@test
def a_heartbeat_by_hand_is_one() -> None:
    """To the port that is said, or 9000; silent."""
    same(beat(), (0, "", "3 9000", b"\xb7"), "without a port")
    same(beat("7000"), (0, "", "3 7000", b"\xb7"), "with one")
    same(beat("2147483647")[0:3], (0, "", "3 2147483647"), "the largest")


@test
def one_that_fails_says_why() -> None:
    """Its code is 1."""
    same(beat(answer=97), (1, f"{WORDS.format(9000)}no connection: Address family not supported by protocol\n", "3 9000", b""),
         "a kernel without vsock")
    same(beat("7", echo=b"\xb6"), (1, f"{WORDS.format(7)}the parent answered with another byte\n", "3 7", b"\xb7"), "another byte")
    same(beat("7", echo=None), (1, f"{WORDS.format(7)}sent, but not answered: Connection reset by peer\n", "3 7", b"\xb7"),
         "no answer")


@test(10)
def a_parent_that_is_not_there_is_waited_for_ten_seconds() -> None:
    """As PID 1 does."""
    done = subprocess.run([INIT, "--heartbeat"], env={}, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    same((done.returncode, done.stderr), (1, f"{WORDS.format(9000)}no connection: Connection reset by peer\n"), "nobody listens")


@test
def what_is_no_port_is_said() -> None:
    """2, as for each wrong use; nobody is asked."""
    for words in (("0",), ("",), ("x",), ("-1",), ("9000 ",), ("0x10",), ("2147483648",), ("99999999999999999999",)):
        code, said, asked, _ = beat(*words)
        same((code, said, asked), (2, "init: heartbeat: PORT is a number from 1 to 2147483647\n", ""), f"{words}")
    code, said, asked, _ = beat("1", "2")
    same((code, asked), (2, ""), "a word too many")
    check("PID 1" in said, said)
