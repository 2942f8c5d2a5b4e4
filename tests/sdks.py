"""
AWS's SDKs as clients of KMS, for tests of any suite: the programs of tests/peers/sdk, each with the SDK that it pins. They get
what programs of users get, AWS_ENDPOINT_URL_KMS in the environment, and do one call for each line:

    with sdks.Client("go", port) as c:
        got = c.call("Decrypt", CiphertextBlob=blob)   # bytes in and out; raises Refused
"""

import base64
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import golang
import wheels
from suite import TOP, Skip, check, once

PEERS = TOP / "tests/peers/sdk"
# SDKS="rust java" SDK_RUST=PROGRAM SDK_JAVA=... tries others, which keep to the same lines.
NAMES = tuple(os.environ.get("SDKS", "boto3 go node").split())
BYTES = {"CiphertextBlob", "Message", "Plaintext", "PrivateKeyCiphertextBlob", "PrivateKeyPlaintext", "PublicKey", "SharedSecret",
         "Signature", "CiphertextForRecipient"}


@dataclass
class Refused(Exception):
    """What the SDK raises: the class that a program catches, and what it says."""

    cls: str
    code: str
    message: str
    status: int
    request_id: str
    attempts: int


def node_modules() -> Path:
    """The directory with main.js and node_modules, by npm of what package-lock.json lists, once."""
    if not shutil.which("npm"):
        subprocess.run(["bash", "-c", ". scripts/lib.sh; need_packages nodejs npm"], cwd=TOP, check=True)
    cache = wheels.CACHE.parent / "npm"
    cache.mkdir(parents=True, exist_ok=True)
    files = [(PEERS / "node" / name).read_bytes() for name in ("main.js", "package.json", "package-lock.json")]
    path = cache / hashlib.sha256(b"".join(files)).hexdigest()[:16]
    with (cache / "lock").open("a") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        if not path.exists():
            new = cache / "new"
            shutil.rmtree(new, ignore_errors=True)
            shutil.copytree(PEERS / "node", new, ignore=shutil.ignore_patterns("node_modules"))
            p = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=new, capture_output=True, text=True,
                               check=False)
            check(p.returncode == 0, f"npm ci: {p.stderr[-2000:]}")
            new.rename(path)
    return path


def go_program() -> Path:
    """The program in Go, static."""
    return once("kms-by-go", lambda path: golang.build(PEERS / "go", ".", path))


def command(name: str) -> tuple[list[str], dict[str, str]]:
    """How the program by the SDK NAME is started, and what its environment needs for that. SDK_NAME names a program instead."""
    if by_hand := os.environ.get(f"SDK_{name.upper()}"):
        return by_hand.split(), {}
    if name == "boto3":
        return [wheels.PYTHON, str(PEERS / "boto3_jobs.py")], {"PYTHONPATH": str(wheels.folder("boto3"))}
    if name == "go":
        return [str(go_program())], {}
    if name != "node":
        raise Skip(f"SDK_{name.upper()} names no program")
    return ["node", str(node_modules() / "main.js")], {}


def environment(port: int, region: str = "eu-west-1") -> dict[str, str]:
    """That of a program whose KMS is at PORT of this machine. What its credentials are does not matter; SDKs insist on some."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PYTHON"))}
    return {**plain, "AWS_ENDPOINT_URL_KMS": f"http://127.0.0.1:{port}", "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_EC2_METADATA_DISABLED": "true"}


def encryption_sdk(port: int, *words: object, stdin: bytes) -> bytes:
    """What tests/peers/sdk/envelope.py prints."""
    p = subprocess.run([wheels.PYTHON, str(PEERS / "envelope.py"), *map(str, words)], input=stdin, capture_output=True, check=False,
                       env=environment(port) | {"PYTHONPATH": str(wheels.folder("encryption-sdk"))})
    check(p.returncode == 0, f"envelope.py {words}: {p.stderr.decode()[-2000:]}")
    return p.stdout


def _text(name: str, value: object) -> object:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


class Client:
    """A program by the SDK NAME, whose KMS is at PORT of this machine."""

    def __init__(self, name: str, port: int, region: str = "eu-west-1", env: dict[str, str] | None = None) -> None:
        words, needs = command(name)
        self.name = name
        self._p = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env={**environment(port, region), **needs, **(env or {})})

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._p.stdin.close()
        self._p.stdout.close()
        self._p.stderr.close()
        try:
            self._p.wait(30)
        except subprocess.TimeoutExpired:
            self._p.kill()
            self._p.wait()

    def call(self, op: str, **given: object) -> dict[str, object]:
        """The answer's members; those that are bytes are decoded."""
        job = {"op": op, "input": {k: _text(k, v) for k, v in given.items()}}
        self._p.stdin.write(json.dumps(job) + "\n")
        self._p.stdin.flush()
        line = self._p.stdout.readline()
        check(line, f"{self.name} has ended: {self._p.stderr.read() if not line else ''}")
        answer = json.loads(line)
        if e := answer.get("error"):
            raise Refused(e["class"], e["code"], e["message"], e["status"], e["request_id"], e["attempts"])
        return {k: base64.b64decode(v) if k in BYTES and v is not None else v for k, v in answer["ok"].items()}
