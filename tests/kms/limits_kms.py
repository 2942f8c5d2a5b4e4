"""What is refused before anything is sent, an NSM that fails, and a server that knows no Recipient: moto."""

import base64
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .fake_kms import ACCOUNT, REGION
from .fakes_kms import moto
from .lib import (ACCESS, ANY_PRIMES, DEADLINE_S, MUSL, NO_NSM, NSM, PATIENT, PLAIN_ENV, REFUSED, SECRET, TOP, USAGE, FakeKms, Skip, check, copy_both,
                  run, same, test, wait_for, world)
from .nsm import Fault

ALIAS = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/orders"


@test(seconds=2)
def a_key_is_named_by_its_full_arn():
    """No alias, no bare id, no other region's, nothing that is not an ARN: the parent's own key could be behind it."""
    with world() as w:
        for key in (ALIAS, "alias/orders", w.key.arn.rpartition("/")[2], "x", "", w.key.arn + "\n", w.key.arn.replace("kms", "s3"),
                    w.key.arn.replace(":key/", ":key/../"), w.key.arn.replace(ACCOUNT, "1"), "arn:aws:kms:" + "x" * 3000):
            w.decrypt(key=key).is_(USAGE, "ARN", out=b"")
        w.decrypt(key=w.key.arn.replace(REGION, "us-east-1")).is_(USAGE, "region", out=b"")
        w.run("decrypt", w.secret_file).is_(USAGE, "--key", out=b"")
        same((w.kms.seen, w.kms.connections), ([], []), "requests, connections")


@test
def any_key_is_for_those_who_say_so():
    """Then an alias will do, and none at all."""
    with world() as w:
        w.key.aliases = ("alias/orders",)
        for words in (("--key", ALIAS), ()):
            w.run("decrypt", "--any-key", *words, "--context", "app=orders", w.secret_file).is_(0, out=SECRET)


@test(seconds=3)
def bounds_of_requests_are_checked_here():
    """KMS's own, of ciphertexts, random bytes, specs and contexts; regions and credentials that would break a header."""
    with world() as w:
        def of(data: bytes) -> str:
            (w.path / "input").write_bytes(data)
            return str(w.path / "input")

        key = ("--key", w.key.arn)
        for data in (b"", bytes(6145)):
            w.run("decrypt", *key, of(data)).is_(REFUSED, "ciphertext", out=b"")
        for words in (("generate-random", "--bytes", 0), ("generate-random", "--bytes", 1025),
                      ("generate-random", "--bytes", "x"), ("generate-data-key-pair", *key, "--json"),
                      ("decrypt", *key, "--context", "novalue", w.secret_file), ("decrypt", *key, "--context", "=x", w.secret_file),
                      ("decrypt", *key, "--context", "a=1", "--context", "a=2", w.secret_file),
                      ("decrypt", *key, "--context", "a=" + "x" * 9000, w.secret_file), ("decrypt", *key, "--timeout", "0", w.secret_file),
                      ("decrypt", *key, "--attempts", "0", w.secret_file), ("decrypt", *key, "--attempts", "99", w.secret_file)):
            check(w.run(*words).code == USAGE, w.run(*words).story)
        for region in ("", "eu-west-1/", "eu-west-1\nX: y", "EU-WEST-1", "mars-1", "x" * 100):
            w.decrypt(region=region).is_(USAGE, out=b"")
        for text in ("AWS_ACCESS_KEY_ID=A\n", "AWS_ACCESS_KEY_ID=A,B\nAWS_SECRET_ACCESS_KEY=x\n", "{}", "", "\0",
                     f"AWS_ACCESS_KEY_ID={ACCESS[0]}\nAWS_SECRET_ACCESS_KEY={ACCESS[1]}\nAWS_SESSION_TOKEN=a b\x01c\n",
                     "AWS_ACCESS_KEY_ID=A\nAWS_SECRET_ACCESS_KEY=" + "x" * 9000 + "\n"):
            w.credentials.write_text(text)
            done = w.decrypt()
            check(done.code not in (0,) and done.err.startswith("kms: ") and not done.out, done.story)
        same(w.kms.seen, [], "requests")


@test
def ciphertexts_come_as_bytes_or_base64():
    """In a file, from stdin or as an argument; bytes that begin like base64, as moto's do, stay what they are."""
    with world() as w:
        key = ("decrypt", "--key", w.key.arn, "--context", "app=orders")
        text = base64.b64encode(w.blob)
        for data in (w.blob, text, text + b"\n", b'"' + text + b'"\n'):
            w.run(*key, stdin=data).is_(0, out=SECRET)
        w.run(*key, f"base64:{text.decode()}").is_(0, out=SECRET)
        like = b"01b8aff9-7c18-41e1-90af-49eb9ca6c45a" + w.blob
        w.run(*key, stdin=like).is_(REFUSED, "InvalidCiphertextException")
        same(base64.b64decode(w.kms.seen[-1].body["CiphertextBlob"]), like, "what was sent")


@test(seconds=2)
def an_nsm_that_fails_is_told():
    """None there; it refuses, fails, cuts its answer, answers something else: nothing is sent, and each is named."""
    with world() as w:
        for fault, words in ((Fault(refusal="InternalError"), "InternalError"), (Fault(errno=110), "timed out"), (Fault(cut=10), ""),
                             (Fault(answer=b"\xa0"), ""), (Fault(answer=b""), ""), (Fault(change=lambda d: d[:100]), "")):
            w.nsm.faults["Attestation"] = fault
            done = w.decrypt().is_(NSM, *filter(None, [words]), out=b"")
            check("ttest" in done.err or "document" in done.err or "NSM" in done.err, f"not named: {done.err}")
        w.nsm.faults.clear()
        w.decrypt(env={"KMS_NSM": "/nonexistent"}).is_(NO_NSM, out=b"")
        same(w.kms.seen, [], "requests")


@test(seconds=2)
def a_slow_nsm_is_waited_for():
    """A second, within the call's time."""
    with world() as w:
        w.nsm.faults["Attestation"] = Fault(delay_s=1, times=1)
        w.decrypt().is_(0, out=SECRET)


@test
def every_call_has_a_key_of_its_own():
    """The public keys of two documents differ, and a document is made for each call."""
    with world() as w:
        w.decrypt(env=ANY_PRIMES).is_(0, out=SECRET)
        w.decrypt(env=ANY_PRIMES).is_(0, out=SECRET)
        first, second = (s.document for s in w.kms.seen)
        check(first["public_key"] != second["public_key"], "one key for two calls")


@test
def documents_that_kms_does_not_accept_are_told():
    """As those of another root, which is what KMS makes of an emulator's."""
    with world() as w:
        w.nsm.faults["Attestation"] = Fault(change=lambda d: d[:-1] + bytes([d[-1] ^ 1]))
        w.fails("REFUSED", "ValidationException", "attestation document")


@test
def debug_output_has_no_secrets():
    """Neither in errors, nor in what --help or a wrong option says."""
    with world() as w:
        for done in (w.decrypt("--no-such-option"), run("--help"), w.decrypt("--attempts", 1, connect="tcp:127.0.0.1:1")):
            check(ACCESS[1] not in done.err + done.out.decode() and SECRET not in done.out, done.story)


@test
def nobody_else_reads_its_memory():
    """The program as shipped, as a user of no rights: while it waits, what is in /proc is root's, so that neither gdb nor a core has it."""
    if os.geteuid():
        raise Skip("not root")
    if not MUSL.exists():
        raise Skip(f"no {MUSL.relative_to(TOP)}")
    with world() as w, tempfile.TemporaryDirectory() as name:
        w.kms.always = "silent-before-answer"
        for path in (w.path, w.kms.path, w.nsm.path.parent, Path(name)):
            path.chmod(0o755)
        for path in (w.nsm.path, w.credentials):
            path.chmod(0o666)
        program = Path(name) / "kms"  # the tree may be closed to others
        shutil.copy(MUSL, program)
        p = subprocess.Popen(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", program, "decrypt", *PATIENT, "--connect", w.address,
                              "--ca", w.kms.ca, "--credentials", w.credentials, "--key", w.key.arn, w.secret_file],
                             env={**PLAIN_ENV, **w.env}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            wait_for(lambda: w.kms.seen or p.poll() is not None, "a request")
            check(p.poll() is None, "it has ended")
            same(os.stat(f"/proc/{p.pid}/mem").st_uid, 0, "the owner of /proc/PID/mem")
            same(os.stat(f"/proc/{p.pid}").st_uid, 65534, "its user")
            words = Path(f"/proc/{p.pid}/cmdline").read_bytes() + Path(f"/proc/{p.pid}/environ").read_bytes()
            check(ACCESS[1].encode() not in words, "the secret access key is among its arguments")
        finally:
            p.kill()
            p.communicate()


# --- moto ---

@contextmanager
def in_tls(kms: FakeKms, to: tuple[str, int]) -> Iterator[int]:
    """A port that speaks TLS with KMS's certificate and leads to TO, in the clear."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(conn,), daemon=True).start()

    def one(conn: socket.socket) -> None:
        with suppress(OSError, ssl.SSLError), conn, kms._context.wrap_socket(conn, server_side=True) as tls:
            with socket.create_connection(to, DEADLINE_S) as out:
                copy_both(tls, out)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


@test(seconds=4)
def moto_is_refused():
    """A real server that ignores Recipient: its Plaintext is not used, and the reason is named."""
    with world() as w, moto() as (url, c):
        host, port = url.removeprefix("http://").split(":")
        key = c.create_key()["KeyMetadata"]["Arn"]
        w.secret_file.write_bytes(c.encrypt(KeyId=key, Plaintext=SECRET, EncryptionContext={"app": "orders"})["CiphertextBlob"])
        with in_tls(w.kms, (host, int(port))) as front:
            for words in (("decrypt", "--key", key, "--context", "app=orders", w.secret_file), ("generate-data-key", "--key", key),
                          ("generate-random", "--bytes", 16)):
                w.run(*words, "--json", connect=f"tcp:127.0.0.1:{front}").fails("PLAINTEXT")

