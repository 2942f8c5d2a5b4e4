"""
Ports of this machine that lead to vsock ports of an emulated enclave, as `docker run --publish` has them: relay forward, one
for each. In the enclave a program listens there, or init's relay for one: forward = vsock:80 tcp:127.0.0.1:80.
"""

import ipaddress
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
RELAY = SCRIPTS.parent / "build" / os.uname().machine / "relay"
FORM = re.compile(r"(?:(\[[0-9A-Fa-f:.]+\]|[0-9.]+):)?([0-9]+)(?:-([0-9]+))?:([0-9]+)(?:-([0-9]+))?", re.ASCII)
TCP_MAX, VSOCK_MAX = 65535, 2**32 - 2
RANGE_MAX = 256  # relay's


class PublishError(Exception):
    """A port cannot be published."""


@dataclass(frozen=True)
class Published:
    """TCP ports of this machine from HOST on, and as many vsock ports of the enclave from GUEST on."""
    address: str
    host: int
    guest: int
    count: int

    def guests(self) -> range:
        return range(self.guest, self.guest + self.count)

    @staticmethod
    def _ports(first: int, count: int) -> str:
        return str(first) if count == 1 else f"{first}-{first + count - 1}"

    @property
    def listen(self) -> str:
        return f"tcp:{self.address}:{self._ports(self.host, self.count)}"

    def target(self, folder: Path) -> str:
        return f"dir:{folder}:{self._ports(self.guest, self.count)}"

    def __str__(self) -> str:
        return f"{self.address}:{self._ports(self.host, self.count)}:{self._ports(self.guest, self.count)}"


def read(text: str) -> Published:
    """[ADDRESS:]PORT[-LAST]:PORT[-LAST]; a ValueError says what is wrong with TEXT."""
    m = FORM.fullmatch(text)
    if not m:
        raise ValueError("it must be [ADDRESS:]PORT:PORT, the second one the enclave's vsock port")
    address = m[1] or "127.0.0.1"
    try:
        ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        raise ValueError(f"{address} is no address") from None
    host, guest = int(m[2]), int(m[4])
    last_host, last_guest = int(m[3] or host), int(m[5] or guest)
    if not 1 <= host <= last_host <= TCP_MAX or not 1 <= guest <= last_guest <= VSOCK_MAX:
        raise ValueError("there are no such ports")
    count = last_host - host + 1
    if count != last_guest - guest + 1:
        raise ValueError("the two ranges differ in length")
    if count > RANGE_MAX:
        raise ValueError(f"a range has {RANGE_MAX} ports at most")
    return Published(address, host, guest, count)


def ports(published: list[Published]) -> tuple[int, ...]:
    """The enclave's ports, each once."""
    return tuple(dict.fromkeys(port for p in published for port in p.guests()))


def _start(p: Published, folder: Path, take: Callable[[str], None]) -> subprocess.Popen:
    """relay forward when it takes connections; TAKE gets what it says later."""
    child = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", RELAY, "forward", "--workers=1", p.listen, p.target(folder)],
                             stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace")
    assert child.stderr
    for line in child.stderr:
        if line.endswith(": ready\n"):
            threading.Thread(target=lambda: [take(more.rstrip("\n")) for more in child.stderr], daemon=True).start()
            return child
        child.wait()
        raise PublishError(f"--publish {p}: {line.strip()}")
    raise PublishError(f"--publish {p}: relay ended with code {child.wait()}")


@contextmanager
def publish(published: list[Published], folder: Path, take: Callable[[str], None]) -> Iterator[None]:
    """While the block runs, PUBLISHED leads to the enclave whose sockets are in FOLDER."""
    children: list[subprocess.Popen] = []
    if published and not RELAY.exists():
        raise PublishError(f"{RELAY} is not there: make builds it")
    try:
        for p in published:
            children.append(_start(p, folder, take))
        yield
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait()
