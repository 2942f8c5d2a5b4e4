"""recipient new and open: keys that openssl and cryptography read, messages that they made."""

import base64
import hashlib
import os
import resource
import signal
import subprocess
import threading
from functools import cache
from pathlib import Path

from ca import der, integer, oid
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, PublicFormat
from lib import (ASAN, DEADLINE_S, DONE, FILE, MUSL, REFUSED, SHIPPED, USAGE, check, device, equal, folder, names, run, test,
                 wait_for, without_memory)

SHA256 = der(0x30, oid("2.16.840.1.101.3.4.2.1"), der(5))
OAEP = der(0x30, oid("1.2.840.113549.1.1.7"),
           der(0x30, der(0xa0, SHA256), der(0xa1, der(0x30, oid("1.2.840.113549.1.1.8"), SHA256))))


@cache
def some_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def spki_of(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def cms(public: rsa.RSAPublicKey, plain: bytes, name: bytes | None = None) -> bytes:
    """As KMS has it, of definite lengths."""
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    secret, iv = os.urandom(32), os.urandom(16)
    wrapped = public.encrypt(secret, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    fill = 16 - len(plain) % 16
    e = Cipher(algorithms.AES(secret), modes.CBC(iv)).encryptor()
    content = e.update(plain + bytes([fill]) * fill) + e.finalize()
    info = der(0x30, integer(2), der(0x80, name or hashlib.sha256(spki).digest()), OAEP, der(4, wrapped))
    encrypted = der(0x30, oid("1.2.840.113549.1.7.1"),
                    der(0x30, oid("2.16.840.1.101.3.4.1.42"), der(4, iv)), der(0x80, content))
    return der(0x30, oid("1.2.840.113549.1.7.3"), der(0xa0, der(0x30, integer(2), der(0x31, info), encrypted)))


def key_file(path: Path, key: rsa.RSAPrivateKey, form: PrivateFormat = PrivateFormat.TraditionalOpenSSL,
             encoding: Encoding = Encoding.PEM) -> Path:
    path.write_bytes(key.private_bytes(encoding, form, NoEncryption()))
    return path


@test
def a_new_key_is_what_openssl_reads() -> None:
    """PEM of PKCS#1 in a file of mode 0600, the public key as DER or base64; messages for it open."""
    with device() as d:
        for program, bits, words in ((SHIPPED, 2048, ("--no-nsm",)), (ASAN, 2048, ()), (MUSL, 3072, ("--bits", 3072))):
            key, public = d.path / "key", d.path / "public"
            key.unlink(missing_ok=True)
            done = d.run("recipient", "new", "--out", key, *words, program=program, preexec_fn=lambda: os.umask(0))
            spki = base64.b64decode(done.is_(DONE, "").text.rstrip("\n"), validate=True)
            equal(done.text.count("\n"), 1, "lines")
            equal(key.stat().st_mode & 0o777, 0o600, "the key's mode")
            pem = key.read_bytes()
            check(pem.startswith(b"-----BEGIN RSA PRIVATE KEY-----\n") and max(map(len, pem.splitlines())) == 64, "PEM")
            subprocess.run(["openssl", "rsa", "-in", key, "-check", "-noout"], check=True, capture_output=True)
            private = serialization.load_pem_private_key(pem, None)
            equal(private.key_size, bits, "bits")
            equal(spki_of(private), spki, "the public key")
            d.run("recipient", "open", "--key", key, stdin=cms(private.public_key(), b"Hello"), program=program).is_(
                DONE, "", b"Hello")
            key.unlink()
            d.run("recipient", "new", "--public-out", public, "--out=key", *words, program=program, cwd=d.path).is_(
                DONE, "", b"")
            private = serialization.load_pem_private_key(key.read_bytes(), None)
            equal(public.read_bytes(), spki_of(private), "--public-out")
            key.unlink()
            got = d.run("recipient", "new", "--out", key, "--json", *words, program=program).is_(DONE, "").json
            equal(got, {"public_key": base64.b64encode(spki_of(serialization.load_pem_private_key(
                key.read_bytes(), None))).decode()}, "JSON")
        equal(names(d.path), {"state", "document", "log", "key", "public"}, "files")


@test
def the_nsm_seeds_the_key() -> None:
    """It is asked for random bytes, but not with --no-nsm; what it refuses makes no file."""
    with device() as d:
        d.run("recipient", "new", "--out", d.path / "a").is_(DONE)
        check(b"\x69GetRandom" in d.requests(), "no GetRandom")
        d.run("recipient", "new", "--out", d.path / "b", "--no-nsm").is_(DONE)
        equal(d.requests(), [], "requests with --no-nsm")
        d.run("recipient", "new", "--out", d.path / "c", "--public-out", d.path / "p",
              env={"NSM_REFUSAL": "InternalError"}).is_(4, "InternalError", b"")
        equal(names(d.path), {"state", "document", "log", "a", "b"}, "files")


@test
def a_key_is_not_overwritten() -> None:
    """Unless --force asks for it; not even one that came in the meantime, nor a dangling link."""
    with folder() as path:
        key = path / "key"
        key.write_bytes(b"precious")
        new = ("recipient", "new", "--no-nsm", "--out", key)
        run(*new).is_(FILE, "key: File exists", b"")
        equal((key.read_bytes(), names(path)), (b"precious", {"key"}), "the file")
        run(*new, "--force").is_(DONE)
        check(key.read_bytes().startswith(b"-----BEGIN"), "--force")
        equal(key.stat().st_mode & 0o777, 0o600, "its mode")
        key.unlink()
        key.symlink_to("nowhere")
        run(*new).is_(FILE, "key: it is a symbolic link to nothing")
        check(key.is_symlink(), "the link was replaced")
        key.unlink()
        (path / "other").symlink_to(".")
        for a, b in (("key", "key"), ("key", "./key"), ("key", "other/key"), (path / "key", "key")):
            run("recipient", "new", "--no-nsm", "--force", "--out", a, "--public-out", b, cwd=path).is_(
                USAGE, "--public-out: it is the same file as --out", b"")
        key.write_bytes(b"precious")
        (path / "hard").hardlink_to(key)
        run("recipient", "new", "--no-nsm", "--force", "--out", key, "--public-out", path / "hard").is_(USAGE, "the same file")
        equal(key.read_bytes(), b"precious", "the file")
        (path / "hard").unlink()
        (path / "other").unlink()
        key.unlink()
        # The public key's pipe holds it until the key's file is there.
        os.mkfifo(path / "pipe")

        def late() -> None:
            wait_for(lambda: any(n.startswith(".nsm.") for n in names(path)), "the key's temporary file")
            key.write_bytes(b"late")
            (path / "pipe").read_bytes()
        reader = threading.Thread(target=late, daemon=True)
        reader.start()
        run(*new, "--public-out", path / "pipe").is_(FILE, "key: File exists", b"")
        reader.join(DEADLINE_S)
        check(not reader.is_alive(), "nobody wrote to the pipe")
        equal((key.read_bytes(), names(path)), (b"late", {"key", "pipe"}), "the file")


@test
def no_key_without_its_public_key() -> None:
    """Where that cannot be written there is no key."""
    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))

    with folder() as path, open("/dev/full", "wb") as full:
        new = ("recipient", "new", "--no-nsm", "--out", path / "key")
        run(*new, stdout=full).is_(FILE, "stdout: No space")
        run(*new, "--public-out", path).is_(FILE, "Is a directory")
        run(*new, "--public-out", path / "no/p").is_(FILE, "no/p: No such file")
        run(*new, "--public-out", path / "p", preexec_fn=small, program=MUSL).is_(FILE, "key: File too large")
        equal(names(path) - {"p"}, set(), "files")
        # A key on stdout is fine where the public key has a file.
        done = run("recipient", "new", "--no-nsm", "--out", "-", "--public-out", path / "p").is_(DONE)
        equal(spki_of(serialization.load_pem_private_key(done.out, None)), (path / "p").read_bytes(), "the pair")
        # - is stdout, and the bytes are as they are, as with every --out.
        done = run(*new, "--public-out", "-").is_(DONE)
        equal(spki_of(serialization.load_pem_private_key((path / "key").read_bytes(), None)), done.out, "--public-out -")


@test
def messages_are_opened() -> None:
    """Binary, hex and base64, from a file or stdin; the plaintext as it is, also to a file of mode 0600."""
    key, plain = some_key(), bytes(range(256)) + b"\x1b[31m\n"
    message = cms(key.public_key(), plain)
    with folder() as path:
        pem = key_file(path / "key", key)
        for data in (message, message.hex().encode(), b"  " + base64.b64encode(message) + b"\n",
                     base64.encodebytes(message), message.hex().upper().encode()):
            for program in (SHIPPED, ASAN):
                run("recipient", "open", "--key", pem, stdin=data, program=program).is_(DONE, "", plain)
            equal(run("recipient", "open", "--key", pem, "--json", stdin=data).is_(DONE, "").json,
                  {"plaintext": base64.b64encode(plain).decode()}, "JSON")
            (path / "cms").write_bytes(data)
            run("recipient", "open", path / "cms", "--key", pem).is_(DONE, "", plain)
        run("recipient", "open", "-", "--key", pem, "--out", path / "plain", stdin=message).is_(DONE, "", b"")
        equal(((path / "plain").read_bytes(), (path / "plain").stat().st_mode & 0o777), (plain, 0o600), "--out")
        for form in (PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8):
            for encoding in (Encoding.PEM, Encoding.DER):
                file = key_file(path / "other", key, form, encoding)
                run("recipient", "open", path / "cms", "--key", file).is_(DONE, "", plain)
                run("recipient", "open", path / "cms", "--key", "-", stdin=file.read_bytes()).is_(DONE, "", plain)
        run("recipient", "open", "--key", "-", stdin=pem.read_bytes()).is_(USAGE, "stdin: it can be read once")


@test
def no_memory_is_no_refused_message() -> None:
    """Of the key's file, or the message: code 5."""
    with folder() as path:
        (path / "cms").write_bytes(cms(some_key().public_key(), b"x" * 100))
        said = without_memory("recipient", "open", "--key", key_file(path / "key", some_key()), path / "cms")
        check({s.split(": ")[2].rpartition("/")[2] for s in said} >= {"key", "cms"}, f"only {said}")


@test
def what_does_not_open_is_refused() -> None:
    """Code 1, a reason, no output: no message, another's, a broken one; no key."""
    key, other = some_key(), rsa.generate_private_key(65537, 2048)
    message = cms(key.public_key(), b"Hello, World" * 3)
    with folder() as path:
        pem = key_file(path / "key", key)
        out = path / "plain"
        opening = ("recipient", "open", "--key", pem, "--out", out)
        run(*opening, stdin=b"").is_(REFUSED, "nsm: recipient open: stdin: it is empty\n", b"")
        run(*opening, stdin=b"junk").is_(REFUSED, "nsm: recipient open: ", b"")
        run(*opening, stdin=b"MIA!").is_(REFUSED, "stdin: it begins like base64, but is not all of that", b"")
        run(*opening, stdin=b"308").is_(REFUSED, "stdin: it begins like hex, but is not all of that", b"")
        run(*opening, stdin=message + b"\0").is_(REFUSED, "nsm: recipient open: ContentInfo: there are bytes after the message's end\n", b"")
        run(*opening, stdin=bytes([0x30]) + bytes(70000)).is_(REFUSED, "not more than 64 KiB", b"")
        for n in range(0, len(message), 9):
            run(*opening, stdin=message[:n]).is_(REFUSED, "nsm: recipient open: ", b"")
        run(*opening, stdin=cms(other.public_key(), b"x")).is_(REFUSED, "nsm: recipient open: cms: it does not decrypt, and names another key than this one\n", b"")
        name = hashlib.sha256(spki_of(key)).digest()
        run(*opening, stdin=cms(other.public_key(), b"x", name)).is_(REFUSED, "the message does not decrypt", b"")
        bad = bytearray(message)
        bad[-17] ^= 0x40  # the last block's last byte, which is its padding
        run(*opening, stdin=bytes(bad)).is_(REFUSED, "the message does not decrypt", b"")
        check(not out.exists(), "there is an output")
        run(*opening, stdin=message[:1] + bytes(6144)).is_(REFUSED, "nsm: recipient open: cms: more than 6144 bytes\n", b"")
        run(*opening, stdin=message[:1] + bytes(6143)).is_(REFUSED, "contentType: ", b"")
        (path / "bad").write_bytes(b"")
        run("recipient", "open", "--key", path / "bad", stdin=message).is_(REFUSED, "bad: it is empty\n", b"")
        for form in (PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8):
            (path / "bad").write_bytes(key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"secret")))
            run("recipient", "open", "--key", path / "bad", stdin=message).is_(
                REFUSED, "bad: it is not an RSA key of 2048, 3072 or 4096 bits without a password\n", b"")
        for junk in (b"junk", pem.read_bytes()[:500], spki_of(key), bytes(20000)):
            (path / "bad").write_bytes(junk)
            run("recipient", "open", "--key", path / "bad", stdin=message).is_(
                REFUSED, "bad: it is not an RSA key of 2048, 3072 or 4096 bits", b"")
