"""A network and names for an enclave: gvproxy and relay dns at the parent, over the emulator's vsock."""

import contextlib
import hashlib
import json
import random
import socket
import subprocess
import tempfile
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import suite
from gvproxy import gvproxy

from . import parent
from .aws_boot import aws_ramdisks
from .guest import guest_files
from .lib import DEADLINE_S, Boot, Tree, boot, built, check, image, running, same, shared, test
from .publish_boot import eventually, fetch, free_port
from .run_boot import laptop

DATA = random.Random(53).randbytes(3_000_000)
KEYS = "tap = vsock:1024\ntap-accept = 80\ndns-forward = vsock:5353\ndns-allow = **.example\n"
# What it finds is on its pages; the last one comes when all others are there.
SCRIPT = """
busybox httpd -p 80 -h /www
busybox httpd -p 81 -h /www
until busybox wget -q -O /tmp/data http://192.168.127.254:PORT/data; do sleep 0.1; done
busybox sha256sum /tmp/data >/www/sum
until busybox nslookup a.example 127.0.0.1 >/www/name; do sleep 0.1; done
busybox nslookup elsewhere.test 127.0.0.1 >/www/other 2>&1
cat /etc/resolv.conf >/www/resolv
busybox ip addr >/www/ip
echo end >/www/new
mv /www/new /www/end
exec sleep 1000000
"""


class Names:
    """A name server for *.example."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                q, who = self.socket.recvfrom(1500)
                self.seen.append(q)
                is_a = q[q.index(b"\0", 12) + 1:][:2] == b"\0\1"
                record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x35" if is_a else b""
                question = q[12:q.index(b"\0", 12) + 5]
                self.socket.sendto(q[:2] + b"\x81\x80\0\1\0" + bytes([is_a, 0, 0, 0, 0]) + question + record, who)


@contextmanager
def dns(folder: Path, names: Names) -> Iterator[None]:
    """The parent's relay dns."""
    at = folder / "5353.sock"
    with running(suite.built("relay", "x86_64"), "dns", f"unix:{at}", "--server", f"127.0.0.1:{names.port}", at=(at,)):
        yield


@contextmanager
def network(program: Path, folder: Path) -> Iterator[None]:
    """gvproxy as the parent's, with its own interface at FOLDER/api."""
    at = (folder / "1024.sock", folder / "api")
    words = (word for path in at for word in ("-listen", f"unix://{path}"))
    with running(program, *words, "-ssh-port", "-1", at=at, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        yield


def expose(folder: Path, port: int) -> int:
    """A port of this machine that gvproxy leads to PORT of the enclave."""
    here = free_port()
    body = json.dumps({"local": f"127.0.0.1:{here}", "remote": f"192.168.127.2:{port}"}).encode()
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(folder / "api"))
        s.sendall(b"POST /services/forwarder/expose HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        with s.makefile("rb") as answer:
            check(b" 200 " in answer.readline(), "gvproxy exposes nothing")
    return here


def check_pages(folder: Path, names: Names) -> None:
    url = f"http://127.0.0.1:{expose(folder, 80)}"
    same(eventually(f"{url}/end"), b"end\n", "the last page")
    page = {name: fetch(f"{url}/{name}").decode() for name in ("sum", "name", "other", "resolv", "ip")}
    same(page["sum"].split()[0], hashlib.sha256(DATA).hexdigest(), "what the enclave has fetched")
    same(hashlib.sha256(fetch(f"{url}/data")).hexdigest(), hashlib.sha256(DATA[::-1]).hexdigest(), "what the enclave has served")
    check("192.0.2.53" in page["name"], page["name"])
    check("NXDOMAIN" in page["other"], page["other"])
    check(not any(b"elsewhere" in q for q in names.seen), "the parent has heard of a name that is not allowed")
    same(page["resolv"], "nameserver 127.0.0.1\n", "resolv.conf")
    check("192.168.127.2/24" in page["ip"] and "fe80:" not in page["ip"], page["ip"])
    with socket.create_connection(("127.0.0.1", expose(folder, 81)), DEADLINE_S) as s:
        s.settimeout(2)
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            same(s.recv(100), b"", "what a port says that is not accepted")


@test(60)
def an_enclave_has_a_network_and_names():
    """It fetches 3 MB by gvproxy and serves as many, at the accepted port alone; names are asked for at relay dns."""
    program = gvproxy()
    with tempfile.TemporaryDirectory() as tmp, laptop() as l:
        Path(tmp, "data").write_bytes(DATA)
        web = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=tmp))
        threading.Thread(target=web.serve_forever, daemon=True).start()
        names, files = Names(), guest_files()
        files.file("www/data", DATA[::-1])
        files.file("run.sh", SCRIPT.replace("PORT", str(web.server_port)).encode(), 0o755)
        eif = image("/bin/sh", "/run.sh", files=files, config=KEYS, boot_files={"relay": (built("relay"), 0o755)})
        path = Path(tmp, "net.eif")
        path.write_bytes(eif.pack())
        l.said("run", path, "--detach", "--timeout", DEADLINE_S)
        folder = Path(l.listed()["net"]["Directory"])
        with dns(folder, names), network(program, folder):
            check_pages(folder, names)
        web.shutdown()


@contextmanager
def serving(data: bytes) -> Iterator[int]:
    """A port of this machine that sends DATA to whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    conn, _ = server.accept()
                    with conn, contextlib.suppress(OSError):
                        conn.sendall(data)
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


MEGABYTE, LARGE = DATA[:1 << 20], DATA[-2 << 20:]


@shared
def on_4_14() -> Boot:
    """AWS's kernel for arm64: a name and MEGABYTE over gvproxy, then a name and LARGE over a forward there and one at the parent."""
    program, names = gvproxy(), Names()
    app = Tree()
    for name in ("net", "sequence"):
        app.file(f"bin/{name}", built(f"apps/{name}", "aarch64"), 0o755)
    with parent.folder() as folder, serving(MEGABYTE) as by_network, serving(LARGE) as by_forward:
        at = folder / "7000.sock"
        eif = aws_ramdisks(app, "/bin/sequence", "/bin/net", "a.example", "192.168.127.254", str(by_network), ";",
                           "/bin/net", "a.example", "127.0.0.1", "7000",
                           config=(KEYS + "forward = tcp:127.0.0.1:7000 vsock:7000\n").encode(),
                           boot_files={"relay": built("relay", "aarch64")})
        with (dns(folder, names), network(program, folder),
              running(suite.built("relay", "x86_64"), "forward", f"unix:{at}", f"tcp:127.0.0.1:{by_forward}", at=(at,))):
            b = boot(eif, folder=folder, append="panic=-1")
    b.expect_end("/bin/sequence", "exited with code 0")
    return b


@test(30)
def an_enclave_has_a_network_on_4_14() -> None:
    """On AWS's 4.14 kernel for arm64, too: a name, and 1 MB over gvproxy."""
    b = on_4_14()
    same((b.all("code")[0], b.all("address")[0]), ("0", "192.0.2.53"), "the name")
    same((b.all("bytes")[0], b.all("adler")[0]), (str(len(MEGABYTE)), str(zlib.adler32(MEGABYTE))), "what arrived")
    same(b.all("exit")[0], "0", "its code")
