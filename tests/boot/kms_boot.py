"""
KMS for an enclave over real vsock. The documents are the emulated NSM's, signed by this machine's root; the fake KMS of tests/kms
verifies them as AWS's does, and asks a policy that mkeif has printed. The parent runs `relay forward`.
"""

import base64
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from enclave import Eif
from kms import demo
from kms.fake_kms import REGION, ROLE, FakeKms, Key
from kms.imds import Imds

from .lib import Boot, Tree, boot, built, check, image, same, test

SECRET = b"attack at dawn"
TOOL = ("/bin/kms", "decrypt", "--base64", "--context", "app=orders", "--ca", "/kms-ca.pem", "--credentials", "imds vsock:3:8002")


def tool_image(kms: FakeKms, key: Key, *more: str, env: tuple[str, ...] = ()) -> Eif:
    files = Tree()
    files.file("bin/kms", built("kms"), 0o755)
    files.file("kms-ca.pem", kms.ca.read_bytes())
    files.file("secret", kms.encrypt(key, SECRET, {"app": "orders"}))
    return image(*TOOL, "--key", key.arn, *more, "/secret", files=files, env=env)


def policy_of(eif: Eif, key: Key) -> dict:
    with tempfile.NamedTemporaryFile(suffix=".eif") as f:
        Path(f.name).write_bytes(eif.pack())
        return demo.policy_of(Path(f.name), key)


@contextmanager
def parent(kms: FakeKms, imds: Imds | None = None) -> Iterator[Path]:
    with demo.parent(kms, imds or Imds()) as folder:
        yield folder


def booted(kms: FakeKms, eif: Eif, imds: Imds | None = None, **machine: object) -> Boot:
    with parent(kms, imds) as folder:
        return boot(eif, folder=folder, **{"role": ROLE, **machine})


@test(seconds=5)
def the_tool_decrypts_in_an_enclave():
    """Document of the NSM, credentials and KMS over vsock by way of the parent: the policy names PCR0 of this very image."""
    with demo.kms_for_emulator() as kms:
        key = kms.new_key()
        eif = tool_image(kms, key)
        key.policy = policy_of(eif, key)
        b = booted(kms, eif)
        check(base64.b64encode(SECRET).decode() in b.result.text, "no secret on the console")
        b.expect_end("/bin/kms", "exited with code 0")
        seen, = kms.seen
        same(seen.document["pcrs"][0].hex(), eif.measurements()["PCR0"], "PCR0 of the document")
        same((kms.disagreements, kms.complaints), ([], []), "disagreements, complaints")


@test(seconds=5)
def another_image_is_refused_with_the_reason():
    """One byte more in its environment: AccessDenied, with its own PCR0 and the key, and no secret."""
    with demo.kms_for_emulator() as kms:
        key = kms.new_key()
        key.policy = policy_of(tool_image(kms, key), key)
        other = tool_image(kms, key, env=("X=1",))
        b = booted(kms, other)
        for words in ("AccessDeniedException", f"PCR0: {other.measurements()['PCR0']}", key.arn):
            check(words in b.result.text, f"no {words} on the console")
        check(base64.b64encode(SECRET).decode() not in b.result.text, "the secret is on the console")
        b.expect_end("/bin/kms", "exited with code 1")


@test(seconds=5)
def another_role_is_refused():
    """The same image on an instance whose role is another one: PCR3 differs."""
    with demo.kms_for_emulator() as kms:
        key = kms.new_key()
        eif = tool_image(kms, key)
        key.policy = policy_of(eif, key)
        b = booted(kms, eif, role=f"{ROLE}-2")
        check("AccessDeniedException" in b.result.text, "no AccessDeniedException on the console")
        b.expect_end("/bin/kms", "exited with code 1")


@test(seconds=5)
def a_document_that_nobody_signed_is_refused():
    """QEMU's own: KMS does not take it, and says so."""
    with demo.kms_for_emulator() as kms:
        key = kms.new_key()
        b = booted(kms, tool_image(kms, key), documents="unsigned")
        check("ValidationException" in b.result.text and "attestation document" in b.result.text, "no reason on the console")
        b.expect_end("/bin/kms", "exited with code 1")


@test(seconds=5)
def an_absent_parent_is_told():
    """Nobody forwards: kms says what to look at, and the enclave ends."""
    with demo.kms_for_emulator() as kms:
        key = kms.new_key()
        b = boot(tool_image(kms, key, "--attempts", "2", "--timeout", "20", "--region", REGION))
        check("vsock:3:8002: no answer" in b.result.text, "nothing of the port on the console")
        b.expect_end("/bin/kms", "exited with code 6")

