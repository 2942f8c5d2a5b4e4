"""
An enclave with the local API: an NSM, a KMS at the parent, keys, and `api` between them, for tests of what programs get.

    with enclave() as e:
        e.post("/v1/kms/decrypt", {"key": "orders", "ciphertext": b64(e.blob)})
"""

import base64
import http.client
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kms.fake_kms import FakeKms
from kms.nsm import Nsm
from ports import free_port
from suite import TOP, Skip, check, same

ASAN = TOP / "build/host/api"
MUSL = TOP / "build" / os.uname().machine / "test/api"  # the shipped objects, with their filters of system calls
DEADLINE_S = 300.0
SECRET = b"attack at dawn\n"
ACCESS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass
class Answer:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)

    def is_(self, status: int, *words: str) -> "Answer":
        check(self.status == status, f"status {self.status}, not {status}: {self.body[:600]!r}")
        for w in words:
            check(w in self.body.decode(errors="replace"), f"no {w!r} in {self.body[:1000]!r}")
        return self


def ask(port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        c.request(method, path, body or None, headers or {})
        r = c.getresponse()
        return Answer(r.status, {k.lower(): v for k, v in r.getheaders()}, r.read())
    finally:
        c.close()


@dataclass
class Enclave:
    nsm: Nsm
    kms: FakeKms
    path: Path
    port: int
    ports: dict[str, int]
    lines: list[str]
    credentials: Path
    program: Path = ASAN
    near_primes: bool = True
    _p: subprocess.Popen | None = field(default=None, repr=False)

    def start(self) -> None:
        if not self.program.exists():
            raise Skip(f"no {self.program.relative_to(TOP)}")
        config = self.path / "enclave-api.conf"
        config.write_text("".join(f"{line}\n" for line in self.lines))
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "KMS_"))}
        with (self.path / "log").open("ab") as log:
            self._p = subprocess.Popen([self.program, config], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env={**plain, "KMS_NSM": str(self.nsm.path), **({"KMS_NEAR_PRIMES": "yes"} if self.near_primes else {})})
        end = time.monotonic() + DEADLINE_S
        while not self._answers():
            check(self._p.poll() is None, f"api has ended: {self.log}")
            check(time.monotonic() < end, f"api does not answer: {self.log}")
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            return ask(self.port, "GET", "/v1/health").status == 200
        except OSError:
            return False

    def stop(self) -> None:
        if not self._p or self._p.poll():
            return  # what it ended with was said by who noticed
        self._p.terminate()
        try:
            code = self._p.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._p.kill()
            self._p.wait()
            raise
        check("Sanitizer" not in self.log and "runtime error" not in self.log, self.log)
        same(code, 0, f"the code of api's end: {self.log}")

    @property
    def log(self) -> str:
        return (self.path / "log").read_text(errors="replace")

    def set_credentials(self, key_id: str, secret: str, token: str | None = None) -> None:
        new = self.credentials.with_name("new")
        new.write_text(f"AWS_ACCESS_KEY_ID={key_id}\nAWS_SECRET_ACCESS_KEY={secret}\n"
                       + (f"AWS_SESSION_TOKEN={token}\n" if token else ""))
        new.chmod(0o600)
        new.rename(self.credentials)

    def post(self, path: str, body: object, dialect: str = "", **headers: str) -> Answer:
        """BODY is bytes, or JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        names = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return ask(self.ports[dialect] if dialect else self.port, "POST", path, data, names)

    def get(self, path: str, dialect: str = "", **headers: str) -> Answer:
        return ask(self.ports[dialect] if dialect else self.port, "GET", path, b"", {k.replace("_", "-"): v for k, v in headers.items()})

    def aws(self, operation: str, body: object, dialect: str = "", **headers: str) -> Answer:
        """As an SDK asks, without its signature."""
        names = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"TrentService.{operation}"}
        return self.post("/", body, dialect, **{**names, **headers})


def patient(lines: tuple[str, ...]) -> list[str]:
    """Times in which a busy machine does what is asked, but for those that LINES have."""
    return [f"{k} = 10m" for k in ("kms-timeout", "nsm-timeout") if not any(line.startswith(k) for line in lines)]


# KEYS: for each name of a key its spec, its usage, and what the configuration says behind its ARN.
ORDERS = {"orders": ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "")}


@contextmanager
def enclave(*more: str, keys: dict[str, tuple[str, str, str]] | None = None, compat: tuple[str, ...] = (),
            nsm: dict | None = None, prepare: Callable[[Enclave], None] = lambda e: None, program: Path = ASAN, near_primes: bool = True,
            **kms: object) -> Iterator[Enclave]:
    """
    An enclave that runs. PREPARE is called before it does. MORE: further lines of the configuration; "{orders}" in one is that key's ARN, "{path}" a directory.
    NEAR_PRIMES: all its recipient keys are one, which is made soon (kms/primes.c). Calls have the time that a busy machine may need, unless MORE says another.
    """
    with tempfile.TemporaryDirectory(prefix="api-") as name, Nsm(**(nsm or {})) as device, \
            FakeKms(device.root.read_bytes(), **kms) as server:
        path, port = Path(name), free_port()
        e = Enclave(device, server, path, port, {d: free_port() for d in compat}, [], path / "credentials", program, near_primes)
        e.key = {n: server.new_key(spec, usage) for n, (spec, usage, _) in (ORDERS if keys is None else keys).items()}
        e.set_credentials(*ACCESS)
        arns = {n: k.arn for n, k in e.key.items()}
        e.lines = [f"region = {server.region}", f"connect = tcp:127.0.0.1:{server.port}", f"ca = {server.ca}",
                   f"credentials = file {e.credentials}", f"listen = 127.0.0.1:{port}", f"socket = {path}/api.sock",
                   *(f"key = {n} {arns[n]} {rest}" for n, (_, _, rest) in (ORDERS if keys is None else keys).items()),
                   *(f"compat = {d} 127.0.0.1:{p}" for d, p in e.ports.items()), *(m.format(path=path, **arns) for m in more),
                   *patient(more)]
        try:
            prepare(e)
            e.start()
            yield e
        except BaseException as error:
            error.add_note(f"{e.log}\nKMS: {[(s.target, s.status, s.code) for s in server.seen]}")
            raise
        finally:
            e.stop()
        same(server.disagreements, [], "what our verifier and python3-cryptography think of a document")
        same(server.complaints, [], "requests that HTTP does not know")
