"""What the tests of the KMS client share: the program, an NSM and a KMS beside it, and boto3 as another client."""

import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import wheels
from ports import free_port  # noqa: F401
from suite import TOP, Failure, Skip, check, children, same, soon, test  # noqa: F401

from .fake_kms import ACCOUNT, REGION, FakeKms, Key
from .nsm import Nsm

BUILD = TOP / "build" / os.uname().machine
SHIPPED = BUILD / "kms"
MUSL = BUILD / "test/kms"      # the shipped objects, with the NSM of device.c
ASAN = TOP / "build/host/kms"  # ASan and UBSan, and that NSM
DEADLINE_S = 300.0
PATIENT = ("--timeout", "280")  # of calls that no time has to end: a busy machine may take 30 s for one
SECRET = b"attack at dawn\n"
CONTEXT = {"app": "orders"}
DONE, REFUSED, USAGE, NO_NSM, NSM, FILE, UNREACHED, CREDENTIALS = range(8)  # exit codes: kms(1)
EXITS = dict.fromkeys(("REGION", "ENDPOINT", "ADDRESS", "KEY_ARN", "KEY_MISSING", "KEY_REGION", "REQUEST", "OPERATION"), USAGE) | \
    dict.fromkeys(("NO_CREDENTIALS", "CREDENTIALS", "CREDENTIALS_REFUSED"), CREDENTIALS) | \
    dict.fromkeys(("CONNECT", "CLOSED", "TIMEOUT", "TLS", "CERTIFICATE", "HTTP", "TOO_LONG", "THROTTLED", "UNAVAILABLE"), UNREACHED) | \
    {"NO_NSM": NO_NSM}
PLAIN_ENV = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "KMS_", "RELAY_"))}
ANY_PRIMES = {"KMS_NEAR_PRIMES": ""}  # keys as shipped; primes.c
ACCESS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


def wait_for(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE_S
    while not condition():
        check(time.monotonic() < end, f"waited for {what} in vain")
        time.sleep(0.005)


def sockets(pid: int) -> set[str]:
    """Those that the process has open."""
    found = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):  # it was closed meanwhile
            found.add(os.readlink(fd))
    return {x for x in found if x.startswith("socket:")}


def sleeps(pid: int) -> bool:
    """The process waits. What was sent to one that sleeps by poll or epoll alone, before it was looked at, it has read."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "S"


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kms-test-") as name:
        yield Path(name)


# --- the program -------------------------------------------------------------

@dataclass
class Done:
    command: str
    code: int
    out: bytes
    err: str
    seconds: float

    @property
    def story(self) -> str:
        return f"{self.command}\n  code {self.code}\n  stdout {self.out[:400]!r}\n  stderr {self.err[-3000:]}"

    @property
    def error(self) -> dict:
        """What --json has of an error."""
        try:
            return json.loads(self.out)["error"]
        except (ValueError, KeyError):
            check(False, f"no error in JSON: {self.story}")
            raise

    def fails(self, name: str, *words: str) -> "Done":
        """With --json: the error of that name, whole or without KMSC_E_, its exit code, and WORDS in what stderr has for people."""
        whole = name if "_E_" in name else f"KMSC_E_{name}"
        check(self.code != 0, f"no failure: {self.story}")
        same(self.error.get("code"), whole, f"the error ({self.story})")
        check(SECRET.decode().strip() not in self.err and b64encode(SECRET)[:12] not in self.out, f"the secret is told: {self.story}")
        return self.is_(EXITS.get(name, NSM if name.startswith("NSMC_E_DEV") else REFUSED), *words)

    def is_(self, code: int, *err: str, out: bytes | None = None) -> "Done":
        """Each of ERR is in stderr; without any, and with code 0, stderr is empty."""
        check(self.code == code, f"code {self.code}, not {code}: {self.story}")
        check("Sanitizer" not in self.err and "runtime error" not in self.err, self.story)
        if not err and code == 0:
            check(self.err == "", f"something on stderr: {self.story}")
        for words in err:
            check(words in self.err, f"stderr without {words!r}: {self.story}")
        if code:
            check(self.err.startswith(("kms: ", self.command.split()[0] + ": ")), f"nothing on stderr: {self.story}")
            check(all(c == "\n" or c.isprintable() for c in self.err), f"control characters on stderr: {self.story}")
        if out is not None:
            check(self.out == out, f"stdout is not {out[:400]!r}: {self.story}")
        return self


def run(*args: object, program: Path = ASAN, env: dict[str, str] | None = None, stdin: bytes = b"", **how: object) -> Done:
    if not program.exists():
        raise Skip(f"no {program.relative_to(TOP)}")
    began = time.monotonic()
    p = subprocess.run([program, *map(str, args)], input=stdin, capture_output=True, timeout=DEADLINE_S, check=False,
                       env={**PLAIN_ENV, "ASAN_OPTIONS": "detect_leaks=1", **(env or {})}, **how)
    words = " ".join([program.name, *(str(a)[:100] for a in args)])
    return Done(words, p.returncode, p.stdout, p.stderr.decode(errors="replace"), time.monotonic() - began)


# --- an NSM, a KMS and a key ----------------------------------------------------

class World:
    """An enclave's NSM, a KMS that trusts its root, and a key of that KMS with a secret."""

    def __init__(self, nsm: Nsm, kms: FakeKms, path: Path) -> None:
        self.nsm, self.kms, self.path = nsm, kms, path
        self.key = kms.new_key()
        self.blob = kms.encrypt(self.key, SECRET, CONTEXT)
        self.credentials = path / "credentials"
        self.credentials.write_text(f"AWS_ACCESS_KEY_ID={ACCESS[0]}\nAWS_SECRET_ACCESS_KEY={ACCESS[1]}\n")
        self.credentials.chmod(0o600)
        self.secret_file = path / "secret"
        self.secret_file.write_bytes(self.blob)

    @property
    def address(self) -> str:
        return f"tcp:127.0.0.1:{self.kms.port}"

    @property
    def env(self) -> dict[str, str]:
        return {"KMS_NSM": str(self.nsm.path), "KMS_NEAR_PRIMES": "yes"}

    def decrypt(self, *more: object, key: str | None = None, **how: object) -> Done:
        """`kms decrypt` of the secret."""
        return self.run("decrypt", "--key", self.key.arn if key is None else key, "--context", "app=orders", *more, self.secret_file, **how)

    def fails(self, name: str, *words: str, more: tuple = (), **how: object) -> Done:
        """`kms decrypt` of the secret with MORE options ends in that error."""
        return self.decrypt("--json", *more, **how).fails(name, *words)

    def run(self, command: str, *words: object, connect: str | None = None, ca: Path | None = None, region: str = REGION,
            env: dict[str, str] | None = None, **how: object) -> Done:
        patient = () if "--timeout" in words else PATIENT
        return run(command, "--region", region, "--connect", connect or self.address, "--ca", ca or self.kms.ca,
                   "--credentials", self.credentials, *patient, *words, env={**self.env, **(env or {})}, **how)


@contextmanager
def world(nsm: dict | None = None, **kms: object) -> Iterator[World]:
    """KMS: the arguments of FakeKms, NSM those of Nsm."""
    with folder() as path, Nsm(**{"now": kms["now"]} if "now" in kms else {}, **(nsm or {})) as device, \
            FakeKms(device.root.read_bytes(), **kms) as server:
        w = World(device, server, path)
        yield w
        same(server.disagreements, [], "what our verifier and python3-cryptography think of a document")
        same(server.complaints, [], "requests that HTTP does not know")


# --- boto3 -------------------------------------------------------------------------

@cache
def boto3() -> object:
    wheels.use("boto3")
    import boto3 as module
    return module


_redirected: dict[str, tuple[str, int]] = {}


def _redirect(host: str, to: tuple[str, int]) -> None:
    from urllib3.util import connection

    if not _redirected:
        connect = connection.create_connection
        connection.create_connection = lambda address, *args, **kwargs: connect(
            _redirected.get(address[0], address), *args, **kwargs)
    _redirected[host] = to


def boto3_client(endpoint: str, ca: Path | None = None, to: tuple[str, int] | None = None, region: str = REGION,
                 access: tuple[str, ...] = ACCESS, attempts: int = 1) -> object:
    """A client of ENDPOINT. TO: where its connections go instead of where names lead to, in this process from now on."""
    from botocore.config import Config

    if to:
        _redirect(endpoint.partition("//")[2], to)
    id_, secret, *token = access
    return boto3().Session().client(
        "kms", region_name=region, endpoint_url=endpoint, verify=str(ca) if ca else None, aws_access_key_id=id_,
        aws_secret_access_key=secret, aws_session_token=token[0] if token else None,
        config=Config(retries={"mode": "standard", "total_max_attempts": attempts}))


# --- between client and server -----------------------------------------------------

def copy_both(a: socket.socket, b: socket.socket, size: int = 8192) -> None:
    """Until one direction ends; then both, as AWS's vsock-proxy has it."""
    def one(from_: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while data := from_.recv(size):
                to.sendall(data)
        for s in (from_, to):
            with suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    other = threading.Thread(target=one, args=(b, a), daemon=True)
    other.start()
    one(a, b)
    other.join()


class Way:
    """A way to PORT of 127.0.0.1, from a port of its own or the UNIX socket PATH: one connection at a time, served by a thread."""

    def __init__(self, port: int, path: Path | None = None) -> None:
        self.to, self.served = port, 0
        if path:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(str(path))
            self.socket.listen(64)
        else:
            self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)

    @property
    def port(self) -> int:
        return self.socket.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def _serve(self) -> None:
        while True:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            self.served += 1
            with conn, suppress(OSError), socket.create_connection(("127.0.0.1", self.to)) as out:
                self.carry(conn, out)

    def carry(self, conn: socket.socket, out: socket.socket) -> None:
        copy_both(conn, out)


class Dripping(Way):
    """Carries SIZE bytes at a time in either direction."""

    def __init__(self, port: int, size: int = 1) -> None:
        super().__init__(port)
        self.size = size

    def carry(self, conn: socket.socket, out: socket.socket) -> None:
        for s in (conn, out):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        copy_both(conn, out, self.size)


class OneWorker(Way):
    """vsock-proxy -w 1: the next connection waits, accepted by the kernel alone, until the one before has ended."""
