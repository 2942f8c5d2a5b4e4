"""
KMS for an enclave over real vsock. The documents are the emulated NSM's, signed by this machine's root; the fake KMS of tests/kms
verifies them as AWS's does, and asks a policy that mkeif has printed. The parent runs `relay forward`.

What one image on one machine can show is shown by one boot, all_asked(): a script has the programs ask one after the other. The
first is kms as shipped, and so is the local API; the others are the same objects with given primes (tests/kms/primes.c), since an
emulator takes two seconds to find those of a key.
"""

import base64
import json
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha384
from pathlib import Path

import sdks
from enclave import Eif
from kms import demo
from kms.fake_kms import REGION, ROLE, FakeKms, Key
from kms.imds import Imds
from kms.lib import ACCESS

from .lib import DEADLINE_S, Boot, Failure, Tree, boot, built, check, image, same, shared, test

SECRET, OTHER_SECRET = b"attack at dawn", b"attack at dusk"
CA = "/etc/kms-ca.pem"
NEAR = "KMS_NEAR_PRIMES=yes"
TOOL = ("decrypt", "--base64", "--context", "app=orders", "--ca", CA, "--credentials", "imds vsock:3:8002")


def text_of(secret: bytes) -> str:
    """As the tool prints it."""
    return base64.b64encode(secret).decode()


def policy_of(eif: Eif, key: Key) -> dict:
    with tempfile.NamedTemporaryFile(suffix=".eif") as f:
        Path(f.name).write_bytes(eif.pack())
        return demo.policy_of(Path(f.name), key)


def of_another_role(policy: dict) -> dict:
    """POLICY, for instances with another role; that its credentials are of the same one does not help."""
    def pcr3(role: str) -> str:
        return sha384(bytes(48) + role.encode()).hexdigest()

    text = json.dumps(policy)
    check(pcr3(ROLE) in text, f"no PCR3 of {ROLE} in {text}")
    return json.loads(text.replace(pcr3(ROLE), pcr3(f"{ROLE}-2")))


@contextmanager
def parent(kms: FakeKms, imds: Imds | None = None) -> Iterator[Path]:
    with demo.parent(kms, imds or Imds()) as folder:
        yield folder


# --- one boot of all that ask ----------------------------------------------------

API_CONF = demo.INIT_CONF.replace("command = /usr/bin/python3 -u /srv/decrypts.py\n", "").replace("user = app\n", "")


@dataclass
class Asked:
    """What came of the boot besides its console."""
    eif: Eif
    keys: dict[str, Key]
    seen: list[tuple[str, str, str]]  # what KMS answered: the operation, the error, PCR0 of the document
    faults: list[str]  # of requests
    answers: list[dict]  # kmstool_enclave's


def quoted(*words: str) -> str:
    return " ".join(f"'{w}'" for w in words)


def script(keys: dict[str, Key], blob: str, job: str) -> str:
    """The commands of busybox's shell; each ends with a line of its name and its code."""
    def tool(key: str, *more: str, program: str = "/near/kms") -> str:
        return quoted(program, *TOOL, "--key", keys[key].arn, *more, f"/secret.{key}")

    cli = quoted("/near/kmstool_enclave_cli", "decrypt", "--region", REGION, "--proxy-port", "8000", "--aws-access-key-id", ACCESS[0],
                 "--aws-secret-access-key", ACCESS[1], "--ca", CA, "--ciphertext", blob)
    absent = tool("good", "--attempts", "2", "--timeout", "20", "--region", REGION).replace("vsock:3:8002", "vsock:3:8009")
    commands = {"good": tool("good", program="/bin/kms"), "image": tool("image"), "role": tool("role"), "absent": absent, "cli": cli,
                "clock": f"date -s 2020-01-01 && {tool('good')} && /bin/program {quoted(job)}"}
    return "now=$(date +%s)\n" + "".join(f"{command}; echo @code={name} $?\n" for name, command in commands.items()) + \
        f"date -s @$now\nexec /near/kmstool_enclave --ca {CA}\n"


def asking(kms: FakeKms, keys: dict[str, Key], blobs: dict[str, bytes], env: tuple[str, ...] = ()) -> Eif:
    """The image with the local API, the programs, and a script as the application."""
    files = Tree()
    files.file("bin/busybox", Path("/bin/busybox").read_bytes(), 0o755)
    for name in ("sh", "date"):
        files.link(f"bin/{name}", "busybox")
    files.file("bin/program", sdks.go_program().read_bytes(), 0o755)
    files.file("bin/kms", built("kms"), 0o755)
    files.file("near/kms", built("test/kms-near"), 0o755)
    for name in ("kmstool_enclave", "kmstool_enclave_cli"):
        files.link(f"near/{name}", "kms")
    files.file("usr/bin/enclave-api", built("api"), 0o755)
    files.file(CA.strip("/"), kms.ca.read_bytes())
    files.file("etc/enclave-api.conf", demo.API_CONF.format(arn=keys["good"].arn))
    files.file("etc/passwd", "root:x:0:0:root:/:/bin/sh\napi:x:900:900::/:/bin/false\n")
    files.file("etc/group", "root:x:0:\napi:x:900:\n")
    for name, blob in blobs.items():
        files.file(f"secret.{name}", blob)
    job = {"op": "Decrypt", "input": {"KeyId": keys["good"].arn, "CiphertextBlob": text_of(blobs["good"])}}
    files.file("script", script(keys, text_of(kms.encrypt(keys["open"], SECRET, {})), json.dumps(job)))
    return image("/bin/sh", "/script", files=files, config=API_CONF, env=(*demo.ENVIRONMENT, "AWS_REGION=eu-west-1", NEAR, *env))


def serve_instance(folder: Path, frames: list[dict], answers: list[dict]) -> None:
    """kmstool_instance's side of port 3000: one answer for each frame."""
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


@shared
def all_asked() -> Boot:
    """The image that `good` is for, and what `image`, which is for another image, `role` and `open`, which is for all, let it have."""
    with demo.kms_for_emulator() as kms:
        keys = {name: kms.new_key() for name in ("good", "image", "role", "open")}
        blobs = {name: kms.encrypt(key, SECRET if name == "good" else OTHER_SECRET, {"app": "orders"}) for name, key in keys.items()}
        eif, other = asking(kms, keys, blobs), asking(kms, keys, blobs, env=("X=1",))
        keys["good"].policy = policy_of(eif, keys["good"])
        keys["image"].policy = policy_of(other, keys["image"])
        keys["role"].policy = of_another_role(policy_of(eif, keys["role"]))
        blob = text_of(kms.encrypt(keys["open"], SECRET, {"app": "orders"}))
        frames = [{"Operation": "SetClient", "AwsAccessKeyId": ACCESS[0], "AwsSecretAccessKey": ACCESS[1], "AwsRegion": REGION},
                  *({"Operation": "Decrypt", "Ciphertext": blob, "EncryptionContext": {"app": "orders"}},) * 2,
                  {"Operation": "Decrypt", "Ciphertext": blob}]
        answers: list[dict] = []

        def on_line(_: float, line: str) -> None:
            if "Awaiting connections" in line:
                threading.Thread(target=serve_instance, args=(folder, frames, answers), daemon=True).start()

        with parent(kms) as folder:
            b = boot(eif, folder=folder, role=ROLE, memory=1024, ports=(3000,), on_line=on_line, until="InvalidCiphertextException")
        seen = [(s.target, s.code, s.document["pcrs"][0].hex() if s.document else "") for s in kms.seen]
        b.asked = Asked(eif, keys, seen, kms.disagreements + kms.complaints, answers)
        return b


def said(b: Boot, name: str, code: int) -> str:
    """What was printed until the command NAME of the script ended, after the one before it, with this CODE."""
    lines: list[str] = []
    for _, line in b.result.console:
        if not line.startswith("@code="):
            lines.append(line)
            continue
        if line.startswith(f"@code={name} "):
            same(line, f"@code={name} {code}", "its name and code")
            return "\n".join(lines)
        lines = []
    raise Failure(f"{name} has not ended")


@test(seconds=25)
def the_tool_decrypts_in_an_enclave():
    """Document of the NSM, credentials and KMS over vsock by way of the parent: the policy names PCR0 of this very image."""
    b = all_asked()
    check(text_of(SECRET) in said(b, "good", 0), "no secret on the console")
    same(b.asked.seen[0], ("Decrypt", "", b.asked.eif.measurements()["PCR0"]), "what KMS answered")
    same(b.asked.faults, [], "disagreements, complaints")


@test
def another_image_is_refused_with_the_reason():
    """The policy is for an image with one byte more in its environment: AccessDenied, with the own PCR0 and the key, and no secret."""
    b = all_asked()
    text = said(b, "image", 1)
    for words in ("AccessDeniedException", f"PCR0: {b.asked.eif.measurements()['PCR0']}", b.asked.keys["image"].arn):
        check(words in text, f"no {words} on the console")
    check(text_of(OTHER_SECRET) not in b.result.text, "the secret is on the console")


@test
def another_role_is_refused():
    """The policy is for the same image on an instance whose role is another one: PCR3 differs."""
    b = all_asked()
    check("AccessDeniedException" in said(b, "role", 1), "no AccessDeniedException on the console")
    check(text_of(OTHER_SECRET) not in b.result.text, "the secret is on the console")


@test
def an_absent_parent_is_told():
    """Nobody forwards that port: kms says what to look at."""
    check("vsock:3:8009: no answer" in said(all_asked(), "absent", 6), "nothing of the port on the console")


@test
def kmstool_enclave_cli_decrypts_in_an_enclave():
    """As AWS's is called, with the parent's proxy at port 8000 of vsock."""
    check(f"PLAINTEXT: {text_of(SECRET)}" in said(all_asked(), "cli", 0), "no plaintext on the console")


@test
def a_clock_that_is_off_by_years_does_not_matter():
    """Neither to kms nor to the API: they take the NSM's time. KMS would refuse a signature by the enclave's own clock."""
    text = said(all_asked(), "clock", 0)
    check(" 2020" in text, "the clock was not set")
    same(text.count(text_of(SECRET)), 2, "secrets on the console")


@test
def kmstool_enclave_serves_its_parent():
    """Port 3000 of vsock: the frames of kmstool_instance, two decrypts and one that fails, each with one answer."""
    asked = all_asked().asked
    ok = {"Status": "Ok", "Message": text_of(SECRET)}
    same(asked.answers[:3], [{"Status": "Ok"}, ok, ok], "the answers")
    same([code for _, code, _ in asked.seen[-3:]], ["", "", "InvalidCiphertextException"], "KMS's answers")


@test
def kms_is_asked_once_for_each():
    """By all programs of the boot above: what was refused was refused by KMS, and nothing was tried again."""
    denied = "AccessDeniedException"
    same([code for _, code, _ in all_asked().asked.seen], ["", denied, denied, "", "", "", "", "", "InvalidCiphertextException"],
         "KMS's answers")


# --- another machine ---------------------------------------------------------------

@test(seconds=5)
def a_document_that_nobody_signed_is_refused():
    """QEMU's own: KMS does not take it, and says so."""
    with demo.kms_for_emulator() as kms:
        key, files = kms.new_key(), Tree()
        files.file("bin/kms", built("test/kms-near"), 0o755)
        files.file(CA.strip("/"), kms.ca.read_bytes())
        files.file("secret", kms.encrypt(key, SECRET, {"app": "orders"}))
        with parent(kms) as folder:
            b = boot(image("/bin/kms", *TOOL, "--key", key.arn, "/secret", files=files, env=(NEAR,)), folder=folder, role=ROLE, documents="unsigned")
        check("ValidationException" in b.result.text and "attestation document" in b.result.text, "no reason on the console")
        b.expect_end("/bin/kms", "exited with code 1")
