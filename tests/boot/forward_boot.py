"""A forward of a booted enclave, on the oldest kernel that there is."""

import random
import socket
import threading
import zlib

import suite

from . import parent
from .aws_boot import aws_ramdisks
from .lib import Tree, boot, built, running, test
from .network_boot import Names, dns

DATA = random.Random(414).randbytes(2 << 20)
KEYS = "dns-forward = vsock:5353\ndns-allow = **.example\nforward = tcp:127.0.0.1:7000 vsock:7000\n"


@test(30)
def an_enclave_reaches_a_server_on_4_14() -> None:
    """AWS's kernel for arm64: over a forward there and one at the parent, 2 MB arrive whole, and their end."""
    names, app = Names(), Tree()
    app.file("bin/net", built("apps/net", "aarch64"), 0o755)
    with parent.folder() as folder, socket.create_server(("127.0.0.1", 0)) as server:
        def serve() -> None:
            conn, _ = server.accept()
            with conn:
                conn.sendall(DATA)
        threading.Thread(target=serve, daemon=True).start()
        eif = aws_ramdisks(app, "/bin/net", "a.example", "127.0.0.1", "7000", config=KEYS.encode(),
                           boot_files={"relay": built("relay", "aarch64")})
        relay = suite.built("relay", "x86_64")
        at = folder / "7000.sock"
        with dns(folder, names), running(relay, "forward", f"unix:{at}", f"tcp:127.0.0.1:{server.getsockname()[1]}", at=(at,)):
            b = boot(eif, folder=folder, append="panic=-1")
    b.expect(code="0", address="192.0.2.53", bytes=str(len(DATA)), adler=str(zlib.adler32(DATA)))
    b.expect_end("/bin/net", "exited with code 0")
