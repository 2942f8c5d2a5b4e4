"""
KMS for an enclave over real vsock. The documents are the emulated NSM's, signed by this machine's root; the fake KMS of tests/kms
verifies them as AWS's does, and asks a policy that mkeif has printed. The parent runs `relay forward`.
"""

import base64
import json
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sdks
from enclave import Eif
from kms import demo
from kms.fake_kms import REGION, ROLE, FakeKms, Key
from kms.imds import Imds
from kms.lib import ACCESS

from .lib import DEADLINE_S, Boot, Tree, boot, built, check, image, same, test

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



# --- beside the local API ------------------------------------------------------

API_CONF = demo.INIT_CONF.replace("command = /usr/bin/python3 -u /srv/decrypts.py\n", "").replace("user = app\n", "")


def api_image(kms: FakeKms, key: Key, files: Tree, command: str) -> Eif:
    """The application is COMMAND, a line of busybox's shell."""
    files.file("bin/busybox", Path("/bin/busybox").read_bytes(), 0o755)
    for name in ("sh", "date"):
        files.link(f"bin/{name}", "busybox")
    files.file("usr/bin/enclave-api", built("api"), 0o755)
    files.file("etc/kms-ca.pem", kms.ca.read_bytes())
    files.file("etc/enclave-api.conf", demo.API_CONF.format(arn=key.arn))
    files.file("etc/passwd", "root:x:0:0:root:/:/bin/sh\napi:x:900:900::/:/bin/false\n")
    files.file("etc/group", "root:x:0:\napi:x:900:\n")
    return image("/bin/sh", "-c", command, files=files, config=API_CONF, env=(*demo.ENVIRONMENT, "AWS_REGION=eu-west-1"))


@test(seconds=8)
def a_clock_that_is_off_by_years_does_not_matter():
    """Neither to kms nor to the API: they take the NSM's time. KMS would refuse a signature by the enclave's own clock."""
    files = Tree()
    files.file("bin/program", sdks.go_program().read_bytes(), 0o755)
    files.file("bin/kms", built("kms"), 0o755)
    with demo.kms_for_emulator() as kms:
        key = kms.new_key()
        blob = kms.encrypt(key, SECRET, {"app": "orders"})
        files.file("secret", blob)
        job = {"op": "Decrypt", "input": {"KeyId": key.arn, "CiphertextBlob": base64.b64encode(blob).decode()}}
        files.file("job", json.dumps(job) + "\n")
        tool = " ".join(f"'{w}'" for w in (*TOOL, "--key", key.arn, "/secret")).replace("/kms-ca.pem", "/etc/kms-ca.pem")
        b = booted(kms, api_image(kms, key, files, f"date -s 2020-01-01; {tool} && exec /bin/program </job"), memory=1024)
        check(" 2020" in b.result.text, "the clock was not set")
        same(b.result.text.count(base64.b64encode(SECRET).decode()), 2, "secrets on the console")
        b.expect_end("/bin/sh", "exited with code 0")
        same(len(kms.seen), 2, "requests")


# --- by kmstool's names ---------------------------------------------------------------

def kmstool_image(kms: FakeKms, name: str, *words: str) -> Eif:
    files = Tree()
    files.file(f"bin/{name}", built("kms"), 0o755)
    files.file("kms-ca.pem", kms.ca.read_bytes())
    return image(f"/bin/{name}", "--ca" if name == "kmstool_enclave" else "decrypt", *words, files=files)


@test(seconds=5)
def kmstool_enclave_cli_decrypts_in_an_enclave():
    """As AWS's is called, with the parent's proxy at port 8000 of vsock."""
    with demo.kms_for_emulator() as kms:
        blob = base64.b64encode(kms.encrypt(kms.new_key(), SECRET, {})).decode()
        b = booted(kms, kmstool_image(kms, "kmstool_enclave_cli", "--region", REGION, "--proxy-port", "8000", "--aws-access-key-id", ACCESS[0],
                                      "--aws-secret-access-key", ACCESS[1], "--ca", "/kms-ca.pem", "--ciphertext", blob))
        check(f"PLAINTEXT: {base64.b64encode(SECRET).decode()}" in b.result.text, "no plaintext on the console")
        b.expect_end("/bin/kmstool_enclave_cli", "exited with code 0")


@test(seconds=6)
def kmstool_enclave_serves_its_parent():
    """Port 3000 of vsock: the frames of kmstool_instance, two decrypts and one that fails, each with one answer."""
    with demo.kms_for_emulator() as kms, parent(kms) as folder:
        blob = base64.b64encode(kms.encrypt(kms.new_key(), SECRET, {"app": "orders"})).decode()
        frames = [{"Operation": "SetClient", "AwsAccessKeyId": ACCESS[0], "AwsSecretAccessKey": ACCESS[1], "AwsRegion": REGION},
                  *({"Operation": "Decrypt", "Ciphertext": blob, "EncryptionContext": {"app": "orders"}},) * 2,
                  {"Operation": "Decrypt", "Ciphertext": blob}]
        answers: list[dict] = []

        def instance() -> None:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(DEADLINE_S)
                s.connect(f"{folder}/3000.listen")
                for f in frames:
                    s.sendall(json.dumps(f).encode() + b"\0")
                    text = b""
                    while not text.endswith(b"\0"):
                        more = s.recv(4096)
                        check(more, "the connection ended")
                        text += more
                    answers.append(json.loads(text[:-1]))

        def on_line(_: float, line: str) -> None:
            if "Awaiting connections" in line:
                threading.Thread(target=instance, daemon=True).start()

        eif = kmstool_image(kms, "kmstool_enclave", "/kms-ca.pem")
        boot(eif, folder=folder, role=ROLE, ports=(3000,), on_line=on_line, until="InvalidCiphertextException")
        ok = {"Status": "Ok", "Message": base64.b64encode(SECRET).decode()}
        same(answers[:3], [{"Status": "Ok"}, ok, ok], "the answers")
        same([s.code for s in kms.seen], ["", "", "InvalidCiphertextException"], "KMS's answers")
