"""run-enclave --publish: TCP ports of this machine that lead into an enclave, and what init's relay does with them there."""

import hashlib
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, suppress
from http.client import HTTPException
from pathlib import Path

from machine import emulator
from ports import free_port

from .guest import programs
from .lib import DEADLINE_S, TOP, Tree, built, check, image, same, test
from .run_boot import laptop

PAGE = random.Random(80).randbytes(1_500_000)
WEB = "forward = vsock:80 tcp:127.0.0.1:80\nforward-workers = 1\n"


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:  # noqa: S310
        return answer.read()


def eventually(url: str) -> bytes:
    """What is there once somebody listens in the enclave, which its heartbeat does not say."""
    end = time.monotonic() + DEADLINE_S
    while True:
        try:
            return fetch(url)
        except (OSError, HTTPException):
            check(time.monotonic() < end, f"waited for {url} in vain")
            time.sleep(0.1)


@test(12)
def a_published_port_leads_to_a_program():
    """A server of TCP in an image without any script: its pages come, many at a time and one after the other, and large."""
    files = Tree()
    files.entries.update(programs("busybox-static").entries)
    files.file("www/page", PAGE)
    files.file("www/small", b"hello\n")
    eif = image("/bin/busybox", "httpd", "-f", "-p", "127.0.0.1:80", "-h", "/www", files=files, config=WEB,
                boot_files={"relay": (built("relay"), 0o755)})
    port = free_port()
    with laptop() as l, tempfile.TemporaryDirectory() as tmp:
        path = Path(tmp, "web.eif")
        path.write_bytes(eif.pack())
        l.said("run", path, "--detach", "--publish", f"{port}:80", "--timeout", DEADLINE_S)
        same(l.listed()["web"]["Published"], [f"127.0.0.1:{port}:80"], "what describe-enclaves says")
        same(eventually(f"http://127.0.0.1:{port}/small"), b"hello\n", "the small page")
        for _ in range(30):
            same(fetch(f"http://127.0.0.1:{port}/small"), b"hello\n", "the small page")
        same(hashlib.sha256(fetch(f"http://127.0.0.1:{port}/page")).digest(), hashlib.sha256(PAGE).digest(), "the large page")
        many = subprocess.run(["sh", "-c", f"for n in 1 2 3 4 5 6 7 8; do curl -sS http://127.0.0.1:{port}/page | sha256sum & done; wait"],
                              stdout=subprocess.PIPE, text=True, timeout=DEADLINE_S, check=True).stdout.split()
        same(set(many) - {"-"}, {hashlib.sha256(PAGE).hexdigest()}, "eight at a time")
        second = l.call("run", path, "--detach", "--publish", f"{port}:80", code=1).stderr
        check(f"--publish 127.0.0.1:{port}:80: relay: forward: tcp:127.0.0.1:{port}: Address in use" in second, second)
        l.call("terminate-enclave", "web")
        with socket.socket() as s:
            check(s.connect_ex(("127.0.0.1", port)) != 0, "the port outlives the enclave")


@test(6)
def what_a_parent_sends_at_once_arrives():
    """The emulator's backend would reset it before the guest has accepted the connection."""
    eif = image("/usr/bin/socat", "VSOCK-LISTEN:80,fork", "EXEC:/bin/cat", files=programs("socat", "busybox-static"))
    with laptop() as l, tempfile.TemporaryDirectory() as tmp:
        path = Path(tmp, "echo.eif")
        path.write_bytes(eif.pack())
        l.said("run", path, "--detach", "--publish", f"{free_port()}:80", "--timeout", DEADLINE_S)
        folder = l.listed()["echo"]["Directory"]

        def echo(s: socket.socket, text: bytes) -> bytes:
            s.settimeout(DEADLINE_S)
            s.connect(f"{folder}/80.listen")
            s.sendall(text)
            return s.recv(len(text), socket.MSG_WAITALL)

        # The heartbeat comes before socat listens.
        end, is_there = time.monotonic() + DEADLINE_S, False
        with ExitStack() as open_:
            while not is_there and time.monotonic() < end:
                time.sleep(0.05)
                with suppress(OSError):
                    is_there = echo(open_.enter_context(socket.socket(socket.AF_UNIX)), b"yes") == b"yes"
            for n in range(50):
                same(echo(open_.enter_context(socket.socket(socket.AF_UNIX)), b"%3d" % n), b"%3d" % n, f"connection {n}")


@test()
def a_connection_is_held_until_the_guest_has_answered():
    """From the emulator's backend, its bytes and its end, whatever else the guest sends meanwhile."""
    with tempfile.TemporaryDirectory() as tmp:
        env = os.environ | {"LD_PRELOAD": emulator()["VSOCK_PRELOAD"], "VSOCK_DIR": tmp}
        p = subprocess.run([sys.executable, "-S", "-B", Path(__file__).with_name("backend.py")], text=True, env=env, check=False,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=DEADLINE_S)
    once = ["others are answered: []", "it is answered: []", "the answer is taken: [True]", "b'first'"]
    same((p.stdout.splitlines(), p.stderr), (2 * once, ""), "what the backend hears of a connection, and of one that is closed")


@test()
def what_cannot_be_published_is_misuse():
    """Of run-enclave, before anything is booted."""
    def said(word: str) -> str:
        p = subprocess.run([TOP / "scripts/run-enclave", "--publish", word, os.devnull], text=True, stderr=subprocess.PIPE, check=False)
        check(p.returncode == 2, f"code {p.returncode}: {p.stderr}")
        return p.stderr.splitlines()[-1].partition("'" + word + "': ")[2]

    form = "it must be [ADDRESS:]PORT:PORT, the second one the enclave's vsock port"
    for word, why in (("80", form), ("", form), ("a:80", form), ("80:80/tcp", form), ("localhost:80:80", form), ("::1:80:80", form),
                      ("٨٠:80", form), ("300.1.1.1:80:80", "300.1.1.1 is no address"), ("[::g]:80:80", form),
                      ("[1:2]:80:80", "[1:2] is no address"), ("0:80", "there are no such ports"), ("65536:80", "there are no such ports"),
                      ("80:0", "there are no such ports"), ("80:4294967295", "there are no such ports"), ("9-8:8-9", "there are no such ports"),
                      ("1-3:1-4", "the two ranges differ in length"), ("1-257:1-257", "a range has 256 ports at most")):
        same(said(word), why, word)
    check(not re.search("Traceback", said("x")), "a traceback")
