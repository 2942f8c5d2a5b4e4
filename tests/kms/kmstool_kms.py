"""
AWS's kmstool by our program: options, standard output and exit codes of kmstool_enclave_cli, the bytes on kmstool_enclave's port, and
that neither has the faults of the originals. What is expected here was compared with AWS's own programs, built from source.
"""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .fake_kms import Credential
from .lib import ACCESS, ASAN, CONTEXT, DEADLINE_S, MUSL, PLAIN_ENV, REGION, SECRET, Done, OneWorker, Skip, World, check, run, same, test
from .lib import children, sleeps, wait_for, world

TOKEN = "IQoJb3JpZ2luX2Vj//////////8BEAIaDDU0OTg1MDk0NzAzMiIMQ=="
ID = "ASIAIOSFODNN7EXAMPLE"
FLAGS = ("--aws-access-key-id", ID, "--aws-secret-access-key", ACCESS[1], "--aws-session-token", TOKEN)
SLASHES = b"\xff\xff\xff\xfe" * 9


class Tools:
    """A world whose KMS is at vsock 3:8000, and the tools by their names."""

    def __init__(self, w: World, program: Path) -> None:
        if not program.exists():
            raise Skip(f"no {program}")
        self.w = w
        w.kms.credentials[ID] = Credential(token=TOKEN)
        for name in ("kmstool_enclave_cli", "kmstool_enclave"):
            (w.path / name).symlink_to(program)
        self.env = {**w.env, "RELAY_VSOCK": str(w.path)}
        self.program = program

    def blob(self, plaintext: bytes, context: dict[str, str] | None = None) -> str:
        return base64.b64encode(self.w.kms.encrypt(self.w.key, plaintext, context or {})).decode()

    def cli(self, command: str, *words: object, flags: tuple[str, ...] = FLAGS, region: str = REGION, env: dict[str, str] | None = None,
            **how: object) -> Done:
        return self.bare(command, *flags, "--region", region, "--ca", self.w.kms.ca, *words, env=env, **how)

    def bare(self, *words: object, env: dict[str, str] | None = None, **how: object) -> Done:
        # The shipped objects have vsock itself, which no test may open.
        connect = () if self.program == ASAN or len(words) < 2 else ("--connect", self.w.address)
        return run(*words, *connect, program=self.w.path / "kmstool_enclave_cli", env={**self.env, **(env or {})}, **how)


@contextmanager
def tools(program: Path = ASAN, **how: object) -> Iterator[Tools]:
    with world(**how) as w, OneWorker(w.kms.port, w.path / "3.8000"):
        yield Tools(w, program)


def lines(**values: bytes) -> bytes:
    return b"".join(k.encode() + b": " + base64.b64encode(v) + b"\n" for k, v in values.items())


def parsed(out: bytes) -> dict[str, bytes]:
    """Lines, each a label and one colon."""
    check(out.endswith(b"\n"), f"no line end: {out!r}")
    return {k.decode(): base64.b64decode(v.strip(), validate=True) for k, v in (line.split(b":") for line in out.splitlines())}


# --- kmstool_enclave_cli ----------------------------------------------------------

@test(seconds=6)
def decrypt_prints_the_plaintext_to_the_byte():
    """Every length of padding, the longest plaintext, and that of the shipped objects."""
    with tools() as t:
        for n in (1, 2, 3, 47, 4096):
            plaintext = os.urandom(n)
            t.cli("decrypt", "--ciphertext", t.blob(plaintext)).is_(0, out=lines(PLAINTEXT=plaintext))
    with tools(MUSL) as t:
        t.cli("decrypt", "--ciphertext", t.blob(b"hello")).is_(0, out=b"PLAINTEXT: aGVsbG8=\n")


@test()
def short_options_are_aws_s():
    """Each letter, for each command."""
    with tools() as t:
        t.bare("decrypt", "-k", ID, "-s", ACCESS[1], "-t", TOKEN, "-r", REGION, "-x", "8000", "-c", t.blob(b"x"), "-K", t.w.key.arn,
               "-a", "SYMMETRIC_DEFAULT", "--ca", t.w.kms.ca).is_(0, out=b"PLAINTEXT: eA==\n")
        d = t.cli("genkey", "-K", t.w.key.arn, "-p", "AES-128").is_(0)
        same(len(parsed(d.out)["PLAINTEXT"]), 16, "bytes of the key")
        same(len(parsed(t.cli("genrandom", "-l", "7").is_(0).out)["PLAINTEXT"]), 7, "random bytes")


@test(seconds=4)
def genkey_prints_the_encrypted_key_first():
    """CIPHERTEXT, then PLAINTEXT, which is what KMS decrypts the first to."""
    with tools() as t:
        for spec, size in (("AES-256", 32), ("AES-128", 16), ("AES_256", 32)):
            d = t.cli("genkey", "--key-id", t.w.key.arn, "--key-spec", spec).is_(0)
            same([line.split(b": ")[0] for line in d.out.splitlines()], [b"CIPHERTEXT", b"PLAINTEXT"], "the order")
            key = parsed(d.out)
            same(len(key["PLAINTEXT"]), size, f"bytes of {spec}")
            t.cli("decrypt", "--ciphertext", base64.b64encode(key["CIPHERTEXT"]).decode()).is_(0, out=lines(PLAINTEXT=key["PLAINTEXT"]))


@test(seconds=4)
def further_commands_print_in_the_same_way():
    """genkeypair and derivesecret, which AWS's tool lacks."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key
    with tools() as t:
        pair = parsed(t.cli("genkeypair", "--key-id", t.w.key.arn, "--key-spec", "ECC_NIST_P256", "--encryption-context", "a=b").is_(0).out)
        same(list(pair), ["CIPHERTEXT", "PLAINTEXT", "PUBLICKEY"], "the labels")
        spki = load_der_private_key(pair["PLAINTEXT"], None).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        same(spki, pair["PUBLICKEY"], "the public key")
        ecdh, peer = t.w.kms.new_key("ECC_NIST_P256", "KEY_AGREEMENT"), ec.generate_private_key(ec.SECP256R1())
        public = peer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        d = t.cli("derivesecret", "--key-id", ecdh.arn, "--public-key", base64.b64encode(public).decode())
        d.is_(0, out=lines(PLAINTEXT=peer.exchange(ec.ECDH(), ecdh.private.public_key())))


@test(seconds=3)
def an_encryption_context_can_be_given():
    """Of decrypt and genkey; a value may have a '='."""
    with tools() as t:
        context = {"app": "orders", "of": "a=b"}
        pairs = ("--encryption-context", "app=orders", "--encryption-context", "of=a=b")
        t.cli("decrypt", "--ciphertext", t.blob(b"x", context), *pairs).is_(0, out=b"PLAINTEXT: eA==\n")
        t.cli("decrypt", "--ciphertext", t.blob(b"x", context)).is_(255, "InvalidCiphertextException", out=b"")
        key = parsed(t.cli("genkey", "--key-id", t.w.key.arn, "--key-spec", "AES-256", *pairs).is_(0).out)
        same(t.w.kms.seen[-1].body["EncryptionContext"], context, "what KMS got")
        again = base64.b64encode(key["CIPHERTEXT"]).decode()
        t.cli("decrypt", "--ciphertext", again, *pairs).is_(0, out=lines(PLAINTEXT=key["PLAINTEXT"]))
        t.cli("decrypt", "--ciphertext", again, "--encryption-context", "app").is_(1, "--encryption-context must be NAME=VALUE", out=b"")


@test(seconds=2)
def the_form_without_a_command_prints_base64_alone():
    """As AWS's tool had it until 2023; today's refuses the options."""
    with tools() as t:
        d = t.bare("--region", REGION, "--proxy-port", "8000", *FLAGS, "--ciphertext", t.blob(SECRET), "--ca", t.w.kms.ca)
        d.is_(0, out=base64.b64encode(SECRET))


# The options, and what AWS's says of them on stderr, with exit code 1.
MISUSES = [
    ((), "usage:"), (("--help",), "usage:"), (("frobnicate",), "usage:"), (("decrypt", "--help"), "usage:"), (("genkey", "-h"), "usage:"),
    (("decrypt",), "--aws-access-key-id must be set"),
    (("decrypt", "-s", "x", "-t", "y"), "--aws-access-key-id must be set"),
    (("genrandom", "-k", "x", "-t", "y"), "--aws-secret-access-key must be set"),
    (("decrypt", *FLAGS), "--ciphertext must be set"),
    (("genkey", *FLAGS, "--key-spec", "AES-256"), "--key-id must be set"),
    (("genkey", *FLAGS, "--key-id", "alias/x"), "--key-spec must be set"),
    (("genkey", *FLAGS, "--key-id", "alias/x", "--key-spec", "AES-512"), "Unknown key spec: AES-512"),
    (("genrandom", *FLAGS), "--length must be set"),
    (("genrandom", *FLAGS, "--length", "0"), "--length must be greater than 0"),
    (("genrandom", *FLAGS, "--length", "1025"), "--length must be smaller or equal to 1024"),
    (("genrandom", *FLAGS, "--length", "-1"), "--length must be"),
    (("genrandom", *FLAGS, "--length", "7x"), "--length must be a number"),
    (("decrypt", *FLAGS, "--foo", "x"), "Unknown option: --foo"),
    (("decrypt", *FLAGS, "-l", "7"), "Unknown option: --length"),
    (("decrypt", "-k", ID, f"--aws-secret-acces-key={ACCESS[1]}"), "Unknown option: --aws-secret-acces-key\n"),
    (("decrypt", "-k", ID, f"-S{ACCESS[1]}"), "Unknown option: -S\n"),
    (("decrypt", "-k", ID, ACCESS[1]), "A word that belongs to no option"),
    (("decrypt", *FLAGS, "word"), "A word that belongs to no option"),
    (("genrandom", *FLAGS, "--lenght", "7"), "Unknown option: --lenght"),
    (("decrypt", *FLAGS, "--ciphertext"), "--ciphertext needs a value"),
    (("decrypt", *FLAGS, "--ciphertext", "AAAA", "--proxy-port", "80000000000"), "--proxy-port must be a number"),
    (("decrypt", *FLAGS, "--ciphertext", "AAAA", "--credentials", "environment"), "exclude each other"),
]


@test()
def a_misuse_is_exit_code_one_and_no_output():
    """Each with its reason, as AWS's has them; nothing is sent."""
    with tools() as t:
        for words, says in MISUSES:
            p = subprocess.run([t.w.path / "kmstool_enclave_cli", *words], env={**PLAIN_ENV, **t.env}, capture_output=True, check=False,
                               timeout=DEADLINE_S)
            same((p.returncode, p.stdout), (1, b""), f"code and output of {words}")
            check(says in p.stderr.decode(), f"{words}: {p.stderr.decode()}")
            check(ACCESS[1] not in p.stderr.decode(), f"{words}: the secret is told: {p.stderr.decode()}")
        same(t.w.kms.seen, [], "requests")


@test()
def options_of_another_command_are_passed_over():
    """By genkey and genrandom, as AWS's do; decrypt refuses them."""
    with tools() as t:
        t.cli("genkey", "--key-id", t.w.key.arn, "--key-spec", "AES-256", "-c", "AAAA", "--length", "7").is_(0)
        t.cli("genrandom", "--length", "7", "--key-id", t.w.key.arn).is_(0)


@test(seconds=8)
def a_failure_is_exit_code_255_with_the_reason_on_stderr():
    """KMS's code and text, its request id; refused before the call; no proxy; another's certificate; no NSM."""
    with tools() as t:
        blob = t.blob(b"x")
        t.cli("decrypt", "--ciphertext", "QUFBQQ==").is_(255, "Could not decrypt ciphertext", "InvalidCiphertextException", "request id", out=b"")
        t.cli("decrypt", "--ciphertext", "!").is_(255, "--ciphertext is not a base64 string", out=b"")
        t.cli("decrypt", "--ciphertext", "").is_(255, out=b"")
        t.cli("decrypt", "--ciphertext", "A" * 8196).is_(255, "--ciphertext is too long", out=b"")
        t.cli("decrypt", "--ciphertext", blob, "--key-id", t.w.kms.new_key().arn).is_(255, "IncorrectKeyException", out=b"")
        t.cli("decrypt", "--ciphertext", blob, region="mars-1").is_(255, "mars-1", out=b"")
        t.cli("genkey", "--key-id", t.w.key.arn, "--key-spec", "AES-256", flags=("-k", ID, "-s", "wrong", "-t", TOKEN)).is_(
            255, "Could not generate data key", "InvalidSignatureException", out=b"")
        t.cli("genrandom", "--length", "7", "--proxy-port", "8009").is_(255, "Could not generate random bytes", "vsock-proxy", out=b"")
        t.cli("decrypt", "--ciphertext", blob, env={"KMS_NSM": ""}).is_(255, "no NSM", out=b"")


@test(seconds=2)
def an_access_that_is_denied_names_the_measurements():
    """So that callers can tell what the policy must say."""
    with tools() as t:
        t.w.key.policy = {"Version": "2012-10-17", "Statement": []}
        t.cli("decrypt", "--ciphertext", t.blob(b"x")).is_(255, "AccessDeniedException", "PCR0", out=b"")


@test(seconds=5)
def credentials_come_from_elsewhere_if_no_flag_has_them():
    """The environment, --credentials; and no token is needed."""
    with tools() as t:
        words = ("decrypt", "--ciphertext", t.blob(b"x"))
        env = {"AWS_ACCESS_KEY_ID": ID, "AWS_SECRET_ACCESS_KEY": ACCESS[1], "AWS_SESSION_TOKEN": TOKEN}
        t.cli(*words, flags=(), env=env).is_(0, out=b"PLAINTEXT: eA==\n")
        t.cli(*words, "--credentials", t.w.credentials, flags=()).is_(0, out=b"PLAINTEXT: eA==\n")
        t.cli(*words, "--credentials", t.w.path / "none", flags=()).is_(255, "No such file", out=b"")
        # Temporary ones are AWS's only ones; long-lived ones have no token.
        t.cli(*words, flags=("-k", ACCESS[0], "-s", ACCESS[1])).is_(0, out=b"PLAINTEXT: eA==\n")


@test()
def a_secret_flag_is_wiped_from_the_command_line():
    """While the call waits for its answer, another process reads /proc/PID/cmdline, and finds region and ciphertext alone."""
    with tools() as t, OneWorker(t.w.kms.port, t.w.path / "3.8001") as way:
        way.socket.close()  # it takes connections no more
        held = socket.socket(socket.AF_UNIX)
        (t.w.path / "3.8001").unlink()
        held.bind(str(t.w.path / "3.8001"))
        held.listen(1)
        held.settimeout(DEADLINE_S)
        p = subprocess.Popen([t.w.path / "kmstool_enclave_cli", "decrypt", *FLAGS, "-r", REGION, "-x", "8001", "-c", t.blob(b"x")],
                             env={**PLAIN_ENV, **t.env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            conn, _ = held.accept()
            words = Path(f"/proc/{p.pid}/cmdline").read_bytes()
            for secret in (ID, ACCESS[1], TOKEN):
                check(secret.encode() not in words, f"{secret} is in {words!r}")
            check(REGION.encode() in words, f"nothing is left: {words!r}")
            conn.close()
        finally:
            p.kill()
            p.wait()
            held.close()


@test()
def output_that_cannot_be_written_is_a_failure():
    """A plaintext that did not arrive is no success."""
    with tools() as t, open("/dev/full", "wb") as full:
        p = subprocess.run([t.w.path / "kmstool_enclave_cli", "decrypt", *FLAGS, "-r", REGION, "--ca", t.w.kms.ca, "-c", t.blob(b"x")],
                           env={**PLAIN_ENV, **t.env}, stdout=full, stderr=subprocess.PIPE, check=False, timeout=DEADLINE_S)
        same(p.returncode, 255, "the exit code")
        check(b"stdout: No space left" in p.stderr, p.stderr.decode())


@test()
def kms_has_the_tools_as_commands_too():
    """kms kmstool-cli, kms kmstool-server."""
    with tools() as t:
        d = run("kmstool-cli", "decrypt", *FLAGS, "--region", REGION, "--ca", t.w.kms.ca, "--ciphertext", t.blob(b"x"), env=t.env)
        d.is_(0, out=b"PLAINTEXT: eA==\n")
        same(run("kmstool-server", "--help", env=t.env).code, 0, "the exit code of kmstool-server --help")
        same(run("kmstool-server", "--foo", env=t.env).code, 1, "the exit code of a misuse")


# --- how programs call it -------------------------------------------------------------

@test(seconds=4)
def callers_read_what_we_print_in_their_ways():
    """In Python and shell: the second part at a colon; what is behind a label; lines by their labels; jq and cut."""
    with tools() as t:
        out = t.cli("decrypt", "--ciphertext", t.blob(SECRET)).is_(0).out.decode()
        same(base64.b64decode(out.split(":")[1].strip()), SECRET, "split at the colon")
        same(base64.b64decode(out.split(":")[1]), SECRET, "the same with its blanks")
        same(base64.b64decode(out.strip().split("PLAINTEXT:", 1)[1].strip()), SECRET, "behind the label")
        same(base64.b64decode(out.removeprefix("PLAINTEXT: ").strip(), validate=True), SECRET, "label with its blank")
        out = t.cli("genkey", "--key-id", t.w.key.arn, "--key-spec", "AES-256").is_(0).out.decode()
        same(re.findall(r"^(CIPHERTEXT|PLAINTEXT): ([A-Za-z0-9+/]+=*)$", out, re.M)[1][0], "PLAINTEXT", "by lines")
        cipher, plain = (line.split(":", 1)[1].strip() for line in out.strip().split("\n"))
        sh = subprocess.run(["sh", "-c", "awk '/^PLAINTEXT: /{print $2}' | base64 -d | od -An -tx1 | tr -d ' \\n'"], input=out.encode(),
                            capture_output=True, check=True)
        same(bytes.fromhex(sh.stdout.decode()), base64.b64decode(plain), "by awk and base64")
        t.cli("decrypt", "--ciphertext", cipher).is_(0, out=f"PLAINTEXT: {plain}\n".encode())


# --- kmstool_enclave --------------------------------------------------------------------

OK = b'{ "Status": "Ok" }\0'


def said(message: str) -> bytes:
    return b'{ "Status": "Error", "Message": "' + message.encode() + b'" }\0'


def plain(data: bytes) -> bytes:
    return b'{ "Status": "Ok", "Message": "' + base64.b64encode(data).replace(b"/", rb"\/") + b'" }\0'


def frame(members: object) -> bytes:
    """As json-c of kmstool_instance writes it."""
    if isinstance(members, bytes):
        return members + b"\0"
    text = json.dumps(members, separators=(", ", ": "), ensure_ascii=False).replace("/", r"\/").replace("{", "{ ").replace("}", " }")
    return text.encode() + b"\0"


SET = {"Operation": "SetClient", "AwsAccessKeyId": ID, "AwsSecretAccessKey": ACCESS[1], "AwsSessionToken": TOKEN}


class Peer:
    """A connection to the server, as kmstool_instance's."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(str(path))
        self.left = b""

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *frames: object) -> None:
        for f in frames:
            self.socket.sendall(frame(f))

    def answer(self) -> bytes:
        """The next frame with its NUL; b"": the end."""
        while b"\0" not in self.left:
            data = self.socket.recv(65536)
            if not data:
                same(self.left, b"", "half a frame at the end")
                return b""
            self.left += data
        text, _, self.left = self.left.partition(b"\0")
        return text + b"\0"

    def ask(self, f: object) -> bytes:
        self.send(f)
        return self.answer()


class Server:
    def __init__(self, t: Tools, *words: str, region: str | None = REGION, env: dict[str, str] | None = None,
                 **how: object) -> None:
        self.t, self.path, self.log = t, t.w.path / "3000", t.w.path / "server.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [t.w.path / "kmstool_enclave", "--ca", t.w.kms.ca, *(("--region", region) if region else ()), *words],
                env={**PLAIN_ENV, **t.env, **(env or {})}, stderr=log, stdout=log, **how)
        wait_for(lambda: self.path.exists() or self.process.poll() is not None, "the server")

    def peer(self) -> Peer:
        return Peer(self.path)

    @property
    def text(self) -> str:
        return self.log.read_text()

    def stop(self) -> None:
        same(self.process.poll(), None, "the server's end")
        self.process.kill()
        self.process.wait()
        self.path.unlink()
        check("Sanitizer" not in self.text and "runtime error" not in self.text, self.text)


@contextmanager
def server(*words: str, **how: object) -> Iterator[Server]:
    with tools() as t:
        s = Server(t, *words, **how)
        try:
            yield s
            s.stop()
        finally:
            with suppress(ProcessLookupError):
                s.process.kill()
            s.process.wait()


@test(seconds=3)
def a_session_of_kmstool_instance_is_answered_to_the_byte():
    """The frames that AWS's kmstool_instance sends, and what AWS's kmstool_enclave answers."""
    with server(region=None) as s, s.peer() as p:
        blob = s.t.blob(SLASHES, CONTEXT)
        p.send({**SET, "AwsRegion": REGION}, {"Operation": "Decrypt", "Ciphertext": blob, "EncryptionContext": CONTEXT})
        same((p.answer(), p.answer()), (OK, plain(SLASHES)), "the answers")


@test(seconds=4)
def every_fault_of_a_frame_has_aws_s_words():
    """As AWS's server answers them."""
    with server() as s, s.peer() as p:
        for f, words in [
                ({"Operation": "Decrypt", "Ciphertext": "AAAA"}, "Client not initialized"), (b"{", "Error reading JSON object"),
                (b"", "Error reading JSON object"), (b"null", "Error reading JSON object"), (b"[]", "JSON is wrong type"),
                ({}, "JSON structure incomplete"), ({"Operation": 3}, "Operation is wrong type"),
                ({"Operation": "Encrypt"}, "Operation not recognized"), ({"Operation": "SetClient"}, "Could not read credentials"),
                ({**SET, "AwsAccessKeyId": 1}, "Could not read credentials"), ({**SET, "AwsSessionToken": 1}, "Could not read credentials"),
                ({**SET, "AwsRegion": REGION}, "Could not set region correctly, check configuration.")]:
            same(p.ask(f), said(words), f"the answer to {f!r}")
        same(p.ask(SET), OK, "SetClient")
        for f, words in [
                ({"Operation": "Decrypt"}, "Message does not contain a Ciphertext"),
                ({"Operation": "Decrypt", "Ciphertext": 1}, "Ciphertext not a base64 string"),
                ({"Operation": "Decrypt", "Ciphertext": "!"}, "Ciphertext not a base64 string"),
                ({"Operation": "Decrypt", "Ciphertext": "QUFBQQ=="}, "Could not decrypt ciphertext"),
                ({"Operation": "Decrypt", "Ciphertext": s.t.blob(b"x", CONTEXT)}, "Could not decrypt ciphertext")]:
            same(p.ask(f), said(words), f"the answer to {f!r}")
        check("InvalidCiphertextException" in s.text, s.text)


@test(seconds=2)
def region_and_endpoint_come_from_the_environment_too():
    """REGION and ENDPOINT; a region of the client then is an error."""
    with server(region=None, env={"REGION": REGION, "ENDPOINT": f"kms.{REGION}.amazonaws.com"}) as s, s.peer() as p:
        same(p.ask({**SET, "AwsRegion": REGION}), said("Could not set region correctly, check configuration."), "a region")
        same(p.ask(SET), OK, "SetClient")
        same(p.ask({"Operation": "Decrypt", "Ciphertext": s.t.blob(b"x")}), plain(b"x"), "Decrypt")
    with server(region=None) as s, s.peer() as p:
        same(p.ask({**SET, "AwsRegion": "mars-1"}), said("Could not create new client"), "a region that there is not")


@test(seconds=2)
def frames_may_come_byte_by_byte_and_together():
    """The stream has no other bounds than the NULs."""
    with server() as s, s.peer() as p:
        for c in frame(SET):
            p.socket.sendall(bytes([c]))
        p.socket.sendall(frame({}) + frame({"Operation": "Decrypt", "Ciphertext": s.t.blob(b"x")}) + b"{")
        same([p.answer() for _ in range(3)], [OK, said("JSON structure incomplete"), plain(b"x")], "the answers")


@test(seconds=4)
def sessions_do_not_wait_for_each_other_or_share_credentials():
    """One that sends half a frame, one that works, one without credentials."""
    with server() as s, s.peer() as silent, s.peer() as other:
        silent.socket.sendall(b"{")
        same(other.ask(SET), OK, "SetClient of one")
        with s.peer() as third:
            same(third.ask({"Operation": "Decrypt", "Ciphertext": s.t.blob(b"x")}), said("Client not initialized"), "Decrypt of another")
        same(other.ask({"Operation": "Decrypt", "Ciphertext": s.t.blob(b"x")}), plain(b"x"), "Decrypt")


@test(seconds=2)
def a_failed_set_client_leaves_the_one_before():
    """AWS's uses a client that it has freed."""
    with server() as s, s.peer() as p:
        same(p.ask(SET), OK, "SetClient")
        same(p.ask({**SET, "AwsRegion": REGION}), said("Could not set region correctly, check configuration."), "a second one")
        same(p.ask({"Operation": "Decrypt", "Ciphertext": s.t.blob(b"x")}), plain(b"x"), "Decrypt")


@test(seconds=3)
def a_session_more_than_sixteen_waits_for_one_to_end():
    """The kernel keeps its connection; nobody is turned away; also if whoever starts the server ignores what becomes of children."""
    for ignored in (False, True):
        one_session_more(preexec_fn=(lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)) if ignored else None)


def one_session_more(**how: object) -> None:
    with server(**how) as s:
        silent = [s.peer() for _ in range(16)]
        with s.peer() as p:
            p.send({})
            p.socket.settimeout(0.3)
            try:
                check(False, f"it is served: {p.answer()!r}")
            except TimeoutError:
                pass
            p.socket.settimeout(DEADLINE_S)
            silent.pop().socket.close()
            same(p.answer(), said("JSON structure incomplete"), "the answer")
        for other in silent:
            other.socket.close()


@test()
def sessions_end_with_the_server():
    """However it ends: nobody is left with credentials."""
    with tools() as t:
        s = Server(t)
        with s.peer() as p:
            same(p.ask(SET), OK, "SetClient")
            s.stop()
            same(p.socket.recv(1), b"", "what comes after it")


@test()
def a_port_that_is_taken_is_told():
    """Exit code 1, with the port."""
    with server() as s:
        d = run("--port", "3000", program=s.t.w.path / "kmstool_enclave", env=s.t.env)
        d.is_(1, "Could not listen on vsock port 3000", "in use")


@test(seconds=2)
def ports_of_vsock_have_32_bits():
    """AWS's tools refuse those above 65535."""
    with tools() as t, OneWorker(t.w.kms.port, t.w.path / "3.4000000000"):
        t.cli("decrypt", "--ciphertext", t.blob(b"x"), "--proxy-port", "4000000000").is_(0, out=b"PLAINTEXT: eA==\n")


# --- the faults of the originals, none of which is ours -------------------------------------

@test(seconds=3)
def one_frame_has_one_answer():
    """AWS's sends {"Status": "Error"} after each plaintext, which the next command's answer is taken for."""
    with server() as s, s.peer() as p:
        same(p.ask(SET), OK, "SetClient")
        for plaintext in (b"one", b"two", b"three"):
            same(p.ask({"Operation": "Decrypt", "Ciphertext": s.t.blob(plaintext)}), plain(plaintext), "Decrypt")
        same(p.ask({"Operation": "x"}), said("Operation not recognized"), "the next")
        same(p.left, b"", "what else came")


@test(seconds=3)
def nothing_secret_is_logged():
    """AWS's server prints each frame."""
    with server() as s, s.peer() as p:
        p.ask(SET)
        p.ask({"Operation": "Decrypt", "Ciphertext": s.t.blob(SECRET)})
        p.ask({"Operation": "Decrypt", "Ciphertext": "QUFBQQ=="})
        p.ask({**SET, "AwsSecretAccessKey": "a\nb"})
        for secret in (ACCESS[1], TOKEN, SECRET.decode().strip(), base64.b64encode(SECRET).decode(), ID):
            check(secret not in s.text, f"{secret} is in the log: {s.text}")


@test(seconds=3)
def a_proxy_that_is_down_is_an_error_and_no_crash():
    """AWS's tools use a client that could not be made."""
    with server("--proxy-port", "8009") as s, s.peer() as p:
        same(p.ask(SET), OK, "SetClient")
        same(p.ask({"Operation": "Decrypt", "Ciphertext": s.t.blob(b"x")}), said("Could not decrypt ciphertext"), "Decrypt")
        check("vsock-proxy" in s.text, s.text)


@test(seconds=8)
def an_answer_that_stops_half_way_is_an_error_and_no_hang():
    """AWS's waits for it for ever."""
    with tools() as t:
        t.w.kms.faults.extend(["truncated"] * 4)
        t.cli("decrypt", "--ciphertext", t.blob(b"x")).is_(255, "Could not decrypt ciphertext", out=b"")


@test(seconds=2)
def another_key_s_answer_is_refused_if_the_arn_is_known():
    """AWS's never compares them."""
    with tools() as t:
        t.w.kms.faults.append("other-key-id")
        t.cli("decrypt", "--ciphertext", t.blob(b"x"), "--key-id", t.w.key.arn).is_(255, "Could not decrypt ciphertext", out=b"")


@test(seconds=2)
def a_plaintext_in_the_clear_is_refused():
    """A peer that ignores the recipient is not KMS, or not asked rightly."""
    with tools() as t:
        t.w.kms.faults.append("plaintext-instead")
        t.cli("decrypt", "--ciphertext", t.blob(b"x")).is_(255, "Could not decrypt ciphertext", out=b"")


@test(seconds=4)
def the_server_connects_anew_for_each_call():
    """AWS's has one connection from SetClient on, and fails for ever once KMS has closed it."""
    with server() as s, s.peer() as p:
        same(p.ask(SET), OK, "SetClient")
        same(s.t.w.kms.seen, [], "requests before the first Decrypt")
        for plaintext in (b"one", b"two"):
            same(p.ask({"Operation": "Decrypt", "Ciphertext": s.t.blob(plaintext)}), plain(plaintext), "Decrypt")
        same(len({r.connection for r in s.t.w.kms.seen}), 2, "connections")


@test(seconds=2)
def the_longest_ciphertext_of_kms_fits_into_a_frame():
    """AWS's frames have 8191 bytes, of which it takes 8192."""
    with server() as s, s.peer() as p:
        same(p.ask(SET), OK, "SetClient")
        blob = base64.b64encode(b"\xff" * 6144).decode()
        same(p.ask({"Operation": "Decrypt", "Ciphertext": blob, "EncryptionContext": CONTEXT}), said("Could not decrypt ciphertext"), "Decrypt")
        same(s.t.w.kms.seen[-1].code, "InvalidCiphertextException", "KMS's answer")
    with server() as s, s.peer() as p:
        p.socket.sendall(b"x" * 32769)
        same((p.answer(), p.answer()), (said("Message size too large."), b""), "what is too long")


@test(seconds=3)
def a_client_that_goes_does_not_end_the_server():
    """AWS's dies of SIGPIPE when kmstool_instance has closed before the second frame."""
    with server() as s:
        for _ in range(3):
            with s.peer() as p:
                p.send(SET, {"Operation": "Decrypt", "Ciphertext": s.t.blob(b"x")})
        with s.peer() as p:
            same(p.ask(SET), OK, "SetClient")


@test(seconds=4)
def no_descriptor_is_left_behind():
    """AWS's leaks the NSM's on an error. Five clients, each with a call that fails, have no more than the first one."""
    with server() as s, s.peer() as p:
        counts = []
        for _ in range(5):
            same(p.ask(SET), OK, "SetClient")
            same(p.ask({"Operation": "Decrypt", "Ciphertext": "QUFBQQ=="}), said("Could not decrypt ciphertext"), "Decrypt")
            child, = children(s.process.pid)
            wait_for(lambda: sleeps(child), "the call to be over")  # noqa: B023
            counts.append(len(os.listdir(f"/proc/{child}/fd")))
        same(counts, counts[:1] * 5, "open descriptors")


@test()
def the_kernels_pool_is_left_to_init():
    """AWS's tools write 1024 bytes to /dev/random and credit them in a second step."""
    check(b"/dev/random" not in MUSL.read_bytes(), "the program knows /dev/random")


def in_memory(pid: int, needle: bytes) -> list[str]:
    """The mappings of the process in which NEEDLE is."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            begin, end = (int(x, 16) for x in line.split()[0].split("-"))
            if "rw" not in line or end - begin > 64 << 20:
                continue
            with suppress(OSError):
                mem.seek(begin)
                if needle in mem.read(end - begin):
                    found.append(line)
    return found


@test(seconds=4)
def plaintexts_are_wiped_once_they_are_sent():
    """AWS's leaves keys and plaintexts in freed memory. What is sought is the process that has the session."""
    secret = b"to be wiped " + base64.b32encode(os.urandom(20))
    with server() as s, s.peer() as p:
        same(p.ask(SET), OK, "SetClient")
        session, = children(s.process.pid)
        check(in_memory(session, ACCESS[1].encode()), "the secret key, which is still needed, is not found")
        same(p.ask({"Operation": "Decrypt", "Ciphertext": s.t.blob(secret)}), plain(secret), "Decrypt")
        for needle in (secret, base64.b64encode(secret), base64.b64encode(secret).replace(b"/", rb"\/")):
            # What is sent may be here before it is wiped there.
            wait_for(lambda: not in_memory(session, needle), f"{needle!r} to be wiped")  # noqa: B023
