"""recipient new, attest and open: keys that openssl and cryptography read, messages that they made."""

import base64
import hashlib
import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import (BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat,
                                                          PublicFormat)
from interop.ca import der, integer, oid

from .device_tool import attestation
from .lib import (ASAN, DEADLINE_S, DONE, FILE, MUSL, NO_NSM, NSM, PLAIN_ENV, REFUSED, SHIPPED, TOP, USAGE, Skip, check,
                 device, equal, folder, names, run, test, wait_for, without_memory)

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


def private_of(path: Path) -> rsa.RSAPrivateKey:
    return serialization.load_pem_private_key(path.read_bytes(), None)


def refused(error: str, code: str, what: str) -> dict:
    """The object of a refusal."""
    return {"opened": False, "code": f"NSMC_E_{code}", "error": error, "object": what}


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
def attest_makes_a_key_and_its_document() -> None:
    """One request with the public key of the file, the user data and the nonce; the document as base64, JSON or bytes."""
    document = bytes(range(256)) * 18
    text = base64.b64encode(document).decode()
    with device(document) as d:
        key = d.path / "key"
        attest = ("recipient", "attest", "--out", key)
        for words, bits, user_data, nonce in (((), 2048, None, None), (("--nonce", "0x00ff"), 2048, None, b"\0\xff"),
                                              (("--bits", 3072, "--user-data", "text:hi", "--nonce="), 3072, b"hi", b"")):
            d.run(*attest, *words, preexec_fn=lambda: os.umask(0)).is_(DONE, "", text + "\n")
            private, requests = private_of(key), d.requests()
            equal((private.key_size, key.stat().st_mode & 0o777), (bits, 0o600), "the key")
            equal(requests[-1], attestation(user_data, nonce, spki_of(private)), "the request")
            check(b"\x69GetRandom" in requests[:-1], "the NSM did not seed the key")
            d.run("recipient", "open", "--key", key, stdin=cms(private.public_key(), b"Hello")).is_(DONE, "", b"Hello")
            key.unlink()
        equal(d.run(*attest, "--json", program=MUSL).is_(DONE, "").json, {"document": text}, "JSON")
        d.run(*attest).is_(FILE, "key: File exists", b"")
        before = key.read_bytes()
        d.run(*attest, "--force", "--document", d.path / "doc", preexec_fn=lambda: os.umask(0o027)).is_(DONE, "", b"")
        equal(((d.path / "doc").read_bytes(), (d.path / "doc").stat().st_mode & 0o777), (document, 0o640), "--document")
        check(key.read_bytes() != before, "--force made no new key")
        d.run(*attest, "--force", "--document", "-").is_(DONE, "", document)
        done = d.run("recipient", "attest", "--out=-", "--document", d.path / "doc").is_(DONE, "")
        check(done.text.startswith("-----BEGIN RSA PRIVATE KEY-----\n"), "the key on stdout")
        equal(names(d.path), {"state", "document", "log", "key", "doc"}, "files")


@test
def attest_leaves_no_key_without_its_document() -> None:
    """Where the NSM refuses, or the document cannot be written, there is no file."""
    with device(b"document") as d, open("/dev/full", "wb") as full:
        attest = ("recipient", "attest", "--out", d.path / "key")
        before = names(d.path)
        d.run(*attest, env={"NSM_REFUSAL": "InternalError"}).is_(NSM, "InternalError", b"")
        d.run(*attest, "--document", d.path / "doc", env={"NSM_DOCUMENT": "/dev/null"}).is_(NSM, "InternalError", b"")
        d.run(*attest, "--nonce", "00" * 1025).is_(USAGE, "--nonce: 1025 bytes: at most 1024", b"")
        run(*attest).is_(NO_NSM, "no NSM here", b"")
        run(*attest, program=SHIPPED).is_(NO_NSM if not Path("/dev/nsm").exists() else DONE)
        d.run(*attest, stdout=full).is_(FILE, "stdout: No space")
        d.run(*attest, "--document", d.path / "no/doc").is_(FILE, "no/doc: No such file", b"")
        equal(names(d.path) - {"log"}, before, "files")


@test
def a_key_replaces_nothing_of_any_kind() -> None:
    """A pipe, a terminal, a folder or a link to them by that name: code 5, nothing is written, the NSM makes no key."""
    with device(b"document") as d:
        master, slave = os.openpty()
        os.mkfifo(d.path / "pipe")
        (d.path / "dir").mkdir()
        for name, to in (("link", "pipe"), ("terminal", os.ttyname(slave)), ("loop", "loop")):
            (d.path / name).symlink_to(to)
        before = names(d.path)
        # Open before: whoever wrote would not have to wait.
        reader = os.open(d.path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        for command in ("new", "attest"):
            for name in ("pipe", "link", "terminal", "dir", "state", os.ttyname(slave)):
                d.run("recipient", command, "--out", name, cwd=d.path).is_(FILE, f"{name}: File exists", b"")
            d.run("recipient", command, "--out", "loop", cwd=d.path).is_(FILE, "loop: ", b"")
        equal(os.read(reader, 100), b"", "through the pipe")
        equal(select.select([master], [], [], 0)[0], [], "what came to the terminal")
        equal((names(d.path) - {"log"}, d.requests()), (before, []), "files, and what was asked of the NSM")
        for fd in (master, slave, reader):
            os.close(fd)


@contextmanager
def waiting(path: Path, *words: object, program: Path = SHIPPED, **how: object) -> Iterator[subprocess.Popen]:
    """recipient new with the key in PATH, which waits for a reader of its public key's pipe."""
    os.mkfifo(path / "pipe")
    (path / "pipe").chmod(0o666)
    p = subprocess.Popen([program, "recipient", "new", "--no-nsm", "--out", "key", "--public-out", "pipe", *words], cwd=path,
                         env=PLAIN_ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)
    try:
        wait_for(lambda: p.poll() is not None or any(n.startswith(".nsm.") for n in names(path)), "the key's temporary file")
        check(p.poll() is None, f"it ended: {p.returncode}")
        yield p
    finally:
        p.kill()
        p.wait(DEADLINE_S)


@test
def a_signal_leaves_no_file() -> None:
    """HUP, INT, QUIT and TERM remove what has no name yet, and end the tool as they would have; not where they are ignored."""
    for program in (SHIPPED, ASAN):
        for signo in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
            with folder() as path, waiting(path, program=program) as p:
                p.send_signal(signo)
                equal(p.wait(DEADLINE_S), -signo, f"how it ended by {signo.name}")
                equal((names(path), p.stderr.read()), ({"pipe"}, b""), f"files after {signo.name}")
    # As nohup starts it.
    with folder() as path, waiting(path, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as p:
        p.send_signal(signal.SIGHUP)
        spki = (path / "pipe").read_bytes()
        equal(p.wait(DEADLINE_S), DONE, "how it ended, with HUP ignored")
        equal((spki_of(private_of(path / "key")), names(path)), (spki, {"pipe", "key"}), "the key")


@test
def keys_go_to_no_core_dump() -> None:
    """The process may not dump its memory, and others of its user may not look into it."""
    with folder() as path:
        # Root may look into everything: somebody else's process then.
        program, how, user = path / "nsm", {}, os.getuid()
        shutil.copy(SHIPPED, program)
        if user == 0:
            user, how = 65534, {"user": 65534, "group": 65534, "extra_groups": []}
            path.chmod(0o777)
        with waiting(path, program=program, **how) as p:
            limits = Path(f"/proc/{p.pid}/limits").read_text()
            equal(re.search(r"^Max core file size +(\w+) +(\w+)", limits, re.M).groups(), ("0", "0"), "the limit")
            uids = re.search(r"^Uid:\s+(\d+)", Path(f"/proc/{p.pid}/status").read_text(), re.M)
            equal(int(uids[1]), user, "whom it runs as")
            check(os.stat(f"/proc/{p.pid}/environ").st_uid != user, "its user may look into its memory")


@test
def a_file_is_on_the_disk_before_it_has_its_name() -> None:
    """The content before the rename, the folder after it, of the public key and then of the key."""
    strace = shutil.which("strace")
    if not strace:
        raise Skip("strace is missing")
    with folder() as path:
        calls = "fsync,openat,open,rename,renameat,renameat2,link"
        p = subprocess.run([strace, "-f", "-o", path / "trace", "-e", f"trace={calls}", SHIPPED, "recipient", "new", "--no-nsm",
                            "--out", "key", "--public-out", "public"], cwd=path, capture_output=True, text=True, env=PLAIN_ENV,
                           check=False, timeout=DEADLINE_S)
        equal((p.returncode, p.stderr), (DONE, ""), "recipient new")
        # By flags: strace may not look into the memory of a process without core dumps, where the names are.
        files: dict[str, str] = {}
        done = []
        for line in (path / "trace").read_text().splitlines():
            if m := re.search(r"open(?:at)?\(.*(O_EXCL|O_DIRECTORY).* = (\d+)$", line):
                files[m[2]] = "file" if m[1] == "O_EXCL" else "folder"
            elif m := re.search(r"fsync\((\d+)\) += 0$", line):
                done.append(files[m[1]])
            elif re.search(r"(?:rename|link)\w*\(.* = 0$", line):
                done.append("rename")
        equal(done, ["file", "rename", "folder"] * 2, "what was done")


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
        b64, url = base64.b64encode(message), base64.urlsafe_b64encode(message)
        for data in (message, message.hex().encode(), b"0x" + message.hex().encode(), message.hex().upper().encode(),
                     b"  " + b64 + b"\n", base64.encodebytes(message), b64.rstrip(b"="), url, url.rstrip(b"="),
                     b'"' + b64 + b'"\n', b"'" + url + b"'",
                     json.dumps(base64.encodebytes(message).decode()).encode(), b'"' + b64.replace(b"/", b"\\/") + b'"',
                     b"-----BEGIN CMS-----\n" + base64.encodebytes(message) + b"-----END CMS-----\n"):
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
def once_uses_up_the_key() -> None:
    """Its file is gone when the message is decrypted, whether it opens or not; the file itself, not a link to it."""
    key = some_key()
    good = cms(key.public_key(), b"Hello")
    bad = bytearray(cms(key.public_key(), bytes(20)))
    bad[-17] ^= 0x40  # what the padding is XORed with
    with folder() as path:
        pem, out = path / "key", path / "plain"
        once = ("recipient", "open", "--once", "--key", "key", "--out", "plain")
        for program in (SHIPPED, ASAN):
            key_file(pem, key)
            run(*once, stdin=good, cwd=path, program=program).is_(DONE, "", b"")
            equal((out.read_bytes(), names(path)), (b"Hello", {"plain"}), "what there is")
            run(*once, stdin=good, cwd=path, program=program).is_(FILE, "key: No such file", b"")
            out.unlink()
        for message, err in ((bytes(bad), "does not decrypt"), (good[:-1], "ends too early"),
                             (good[:1] + bytes(6144), "more than 6144 bytes")):
            key_file(pem, key)
            run(*once, stdin=message, cwd=path).is_(REFUSED, err, b"")
            equal(names(path), set(), f"files after a message that {err}")
        key_file(path / "real", key)
        pem.symlink_to("real")
        run(*once, stdin=good, cwd=path).is_(DONE, "", b"")
        check(not (path / "real").exists(), "the key behind a link is there still")


@test
def once_keeps_a_key_that_was_not_tried() -> None:
    """Where there is no message, or no place for what is in it, or the key is no file of its own."""
    key = some_key()
    good = cms(key.public_key(), b"Hello")
    with folder() as path:
        pem = key_file(path / "key", key)
        once = ("recipient", "open", "--once", "--key", pem)
        run(*once, stdin=b"").is_(REFUSED, "stdin: it is empty", b"")
        run(*once, stdin=b"junk").is_(REFUSED, "it is text, but not a CiphertextForRecipient", b"")
        run(*once, path / "none").is_(FILE, "none: No such file", b"")
        for to, err in ((path, "Is a directory"), (path / "no/plain", "no/plain: No such file")):
            run(*once, "--out", to, stdin=good).is_(FILE, err, b"")
        equal((names(path), spki_of(private_of(pem))), ({"key"}, spki_of(key)), "the key")
        run("recipient", "open", "--once", "--key", "-", path / "cms", stdin=pem.read_bytes()).is_(
            USAGE, "--once: it needs the key in a file", b"")
        # A pipe, as bash's <( ) has it: what it is called must stay.
        (path / "cms").write_bytes(good)
        r, w = os.pipe()
        os.write(w, pem.read_bytes())
        os.close(w)
        run("recipient", "open", "--once", "--key", f"/dev/fd/{r}", path / "cms", pass_fds=(r,)).is_(FILE, f"/dev/fd/{r}: ", b"")
        os.close(r)
        os.mkfifo(path / "pipe")
        writer = threading.Thread(target=(path / "pipe").write_bytes, args=(pem.read_bytes(),), daemon=True)
        writer.start()
        run("recipient", "open", "--once", "--key", path / "pipe", path / "cms").is_(
            USAGE, "--once: it needs the key in a file", b"")
        writer.join(DEADLINE_S)
        check((path / "pipe").is_fifo(), "the pipe is gone")


@test
def of_many_at_once_one_opens() -> None:
    """Of several calls with --once and the same key one has the plaintext, all others fail."""
    key = some_key()
    with folder() as path:
        (path / "cms").write_bytes(cms(key.public_key(), b"Hello"))
        for _ in range(3):
            pem = key_file(path / "key", key)
            all_ = [subprocess.Popen([SHIPPED, "recipient", "open", "--once", "--key", pem, path / "cms"], stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL) for _ in range(6)]
            ends = [(p.communicate(timeout=DEADLINE_S)[0], p.returncode) for p in all_]
            equal(sorted(ends), [(b"", FILE)] * 5 + [(b"Hello", DONE)], "how they ended")


class Terminal:
    """The output of a call at a terminal."""

    def __init__(self, *words: object, stdin: bytes) -> None:
        master, slave = pty.openpty()
        # What a terminal was shown stays there: the call cannot be run again (see lib.run).
        self.done = run(*words, stdin=stdin, stdout=slave, env={"ASAN_OPTIONS": "detect_leaks=0"})
        os.close(slave)
        self.shown = b""
        while select.select([master], [], [], DEADLINE_S)[0]:
            try:
                data = os.read(master, 4096)
            except OSError:  # EIO: nobody has it open any more
                break
            self.shown += data
        os.close(master)


@test
def what_is_no_text_stays_off_the_terminal() -> None:
    """Unless --out - insists; text goes there, and JSON; with --once nothing does, since the key would be gone."""
    key = some_key()
    with folder() as path:
        pem = key_file(path / "key", key)
        opening = ("recipient", "open", "--key", pem)
        err = "nsm: recipient open: stdout: bytes that are no text do not go to a terminal: --out FILE, or - to insist"
        for plain in (b"\x1b[31mred", b"\0", b"a\rb", b"\xff", "\u202e".encode(), b"ok\x7f"):
            message = cms(key.public_key(), plain)
            t = Terminal(*opening, stdin=message)
            t.done.is_(USAGE, err)
            equal(t.shown, b"", f"what is shown of {plain!r}")
            t = Terminal(*opening, "--json", stdin=message)
            equal(json.loads(t.shown), {"plaintext": base64.b64encode(plain).decode()}, "JSON")
            run(*opening, stdin=message).is_(DONE, "", plain)
        t = Terminal(*opening, "--out", "-", stdin=cms(key.public_key(), b"\x1b[31mred"))
        t.done.is_(DONE, "")
        equal(t.shown, b"\x1b[31mred", "with --out -")
        text = "pass\twörd\n"
        t = Terminal(*opening, stdin=cms(key.public_key(), text.encode()))
        t.done.is_(DONE, "")
        equal(t.shown.replace(b"\r\n", b"\n").decode(), text, "text")
        t = Terminal(*opening, "--once", stdin=cms(key.public_key(), text.encode()))
        t.done.is_(USAGE, "--once: not to a terminal: --out FILE, or - to insist")
        equal((t.shown, names(path)), (b"", {"key"}), "with --once")
        t = Terminal(*opening, "--once", "--out=-", stdin=cms(key.public_key(), text.encode()))
        t.done.is_(DONE, "")
        equal((t.shown.replace(b"\r\n", b"\n").decode(), names(path)), (text, set()), "with --once and --out -")


@test
def a_refused_message_is_an_object_too() -> None:
    """With --json: what it is about, by a code that stays; the system's failures and misuse have none."""
    key, other = some_key(), rsa.generate_private_key(65537, 2048)
    good = cms(key.public_key(), b"Hello")
    bad = bytearray(cms(key.public_key(), bytes(20)))
    bad[-17] ^= 0x40  # what the padding is XORed with
    with folder() as path:
        opening = ("recipient", "open", "--json", "--key", key_file(path / "key", key))
        for data, what, code, error in (
                (bytes(bad), "cms", "DECRYPT", "the message does not decrypt"),
                (cms(other.public_key(), b"x"), "cms", "CMS_OTHER_KEY",
                 "it does not decrypt, and names another key than this one"),
                (good + b"\0", "ContentInfo", "CMS_TRAILING", "there are bytes after the message's end"),
                (good.replace(oid("1.2.840.113549.1.7.3"), oid("1.2.840.113549.1.7.2")), "contentType", "CMS_FORM",
                 "it is not a CMS EnvelopedData as KMS writes it")):
            done = run(*opening, stdin=data).is_(REFUSED, f"nsm: recipient open: {what}: {error}\n")
            equal(done.json, refused(error, code, what), f"of {what}")
        done = run(*opening, stdin=good[:1] + bytes(6144)).is_(REFUSED, "cms: more than 6144 bytes")
        equal(done.json, refused("it has more bytes than KMS's answers", "CMS_LENGTH", "cms"), "a long one")
        for junk in (b"", b"junk", b"MIA!", b"308", bytes(70000)):
            got = run(*opening, stdin=junk).is_(REFUSED).json
            equal((got["opened"], got["code"], got["object"], set(got)),
                  (False, "NSMC_E_CMS_FORM", "cms", {"opened", "code", "error", "object"}), f"of {junk[:9]!r}")
        for junk in (b"", b"junk", bytes(20000)):
            (path / "bad").write_bytes(junk)
            got = run("recipient", "open", "--json", "--key", path / "bad", stdin=good).is_(REFUSED, "bad: ").json
            equal(got, refused("it is not an RSA key of 2048, 3072 or 4096 bits", "KEY", "key"), f"the key {junk[:9]!r}")
        run("recipient", "open", "--json", "--key", path / "none", stdin=good).is_(FILE, "none: No such file", b"")
        run(*opening, path / "none").is_(FILE, "none: No such file", b"")
        run(*opening, "--out", "x", stdin=good).is_(USAGE, "--json and --out exclude", b"")
        page = (TOP / "nsm/nsm.1").read_text()
        for name in ("opened", "code", "error", "object", "plaintext", "document", "public_key"):
            check(re.search(rf"^\.It (?:Li \w+ , )*Li {name}\b", page, re.M), f"nsm.1 does not explain {name}")


@test
def no_memory_is_no_refused_message() -> None:
    """Of the key's file, or the message: code 5."""
    with folder() as path:
        (path / "cms").write_bytes(cms(some_key().public_key(), b"x" * 100))
        # mbedTLS's check of a key has one word for a bad key and for no memory.
        known = ": it is not an RSA key"
        said = without_memory("recipient", "open", "--key", key_file(path / "key", some_key()), path / "cms", known=known)
        check({s.split(": ")[2].rpartition("/")[2] for s in said} >= {"key", "cms"}, f"only {said}")
        for command in ("new", "attest"):
            with device(b"document") as d:
                # A key takes its time, and each is another one: some of the allocations will do.
                new = ("recipient", command, "--force", "--out", d.path / "key")
                for n in (*range(1, 20), 50, 200, 500):
                    done = d.run(*new, program=MUSL, env={"NSM_NO_MEMORY": str(n)})
                    # mbedTLS checks the key that it has made, and has no other word where that has no memory.
                    if "the key could not be made" in done.err:
                        done.is_(NSM, "the key could not be made\n", b"")
                    elif done.code != DONE and known not in done.err:
                        done.is_(FILE, "Out of memory\n", b"")
                    equal((d.path / "key").exists(), done.code == DONE, f"whether there is a key: {done}")
                    (d.path / "key").unlink(missing_ok=True)
                check(n == 500 and names(d.path) - {"log"} == {"state", "document"}, f"files: {names(d.path)}")


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
        run(*opening, stdin=b"junk").is_(
            REFUSED, "nsm: recipient open: stdin: it is text, but not a CiphertextForRecipient in hex or base64\n", b"")
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
