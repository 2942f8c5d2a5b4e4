"""
KMS's answers as openssl and python3-cryptography make them, opened by the library; its keys, used by
them.
"""

import hashlib
import random
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import (BestAvailableEncryption, Encoding,
                                                          NoEncryption, PrivateFormat, PublicFormat,
                                                          load_der_private_key, load_der_public_key)
from cryptography.x509.oid import NameOID

from images.debian import cached
from kms import pki

from . import lib

SIZES = (2048, 3072, 4096)
LENGTHS = (0, 1, 15, 16, 17, 31, 32, 33, 100, 255, 4096)
FEW_LENGTHS = (0, 31, 4096)  # with sanitizers to decrypt by a large key takes long, and what is decrypted does not depend on it
OTHER_KEY = ": it does not decrypt, and names another key than this one"
DECRYPT = ": the message does not decrypt"
NO_KEY = ": it is not an RSA key of 2048, 3072 or 4096 bits"
OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


def run(jobs: Iterable[str]) -> list[str]:
    """A line for each job of recipient.c."""
    program = lib.TOP / "build/host/interop/recipient"
    if not program.exists():
        raise lib.Skip(f"no {program.relative_to(lib.TOP)}")
    jobs = list(jobs)
    done = subprocess.run([program], input="".join(f"{j}\n" for j in jobs), text=True,
                          capture_output=True, timeout=300)
    lines = done.stdout.splitlines()
    lib.check(done.returncode == 0 and len(lines) == len(jobs),
              f"the recipient broke at '{jobs[min(len(lines), len(jobs) - 1)]}': {done.stderr}")
    return lines


def openssl(*words: object, data: bytes = b"") -> bytes:
    done = subprocess.run(["openssl", *map(str, words)], input=data, capture_output=True, timeout=300)
    lib.check(done.returncode == 0, f"openssl {words[0]}: {done.stderr.decode()}")
    return done.stdout + (done.stderr if words[0] == "rsa" else b"")


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def lengths(bits: int) -> tuple[int, ...]:
    return LENGTHS if bits == SIZES[0] else FEW_LENGTHS


def plaintext(n: int) -> bytes:
    return bytes((i * 7 + n) & 0xff for i in range(n))


# --- keys --------------------------------------------------------------------

@dataclass(frozen=True)
class Key:
    """One that the library made."""
    private: bytes
    spki: bytes

    @cached_property
    def public(self) -> rsa.RSAPublicKey:
        key = load_der_public_key(self.spki)
        assert isinstance(key, rsa.RSAPublicKey)
        return key

    @property
    def ski(self) -> bytes:
        return hashlib.sha256(self.spki).digest()

    def certificate(self, ski: bytes) -> bytes:
        """PEM, of that subjectKeyIdentifier; openssl encrypts for nothing less."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "recipient")])
        builder = x509.CertificateBuilder(
            name, name, self.public, 1, datetime(2020, 1, 1), datetime(2120, 1, 1))
        builder = builder.add_extension(x509.SubjectKeyIdentifier(ski), critical=False)
        cert = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        return cert.public_bytes(Encoding.PEM)


def library() -> dict[str, str]:
    """What the library's keys depend on: its sources and mbedTLS, by their hashes."""
    sources = [*(lib.TOP / "nsm").glob("*.[ch]"), lib.TOP / "scripts/deps", lib.TOP / "scripts/deps.lock",
               lib.TOP / "tests/interop/recipient.c"]
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(sources)}


@cache
def key_of(bits: int) -> Key:
    """
    The library's own, made once for all workers. Those that take seconds stay in the project's cache until a file of the
    library changes; tests/unit/recipient_test.c makes new ones of these sizes in each run.
    """
    def make(path: Path) -> None:
        path.mkdir(exist_ok=True)
        lib.same(run([f"new {bits} {path}/key {path}/spki"]), ["ok"], "making a key")

    if bits == SIZES[0]:
        path = lib.once(f"interop/{bits}", make)
    else:
        path = cached(f"key-of-nsmc-{bits}", make, "spki", library())
    return Key((path / "key").read_bytes(), (path / "spki").read_bytes())


def check_opened(key: Key, messages: dict[str, tuple[bytes, bytes]]) -> None:
    """Each of MESSAGES, a message and its plaintext by name."""
    with folder() as d:
        (d / "key").write_bytes(key.private)
        for i, (cms, _) in enumerate(messages.values()):
            (d / f"{i}").write_bytes(cms)
        lines = run(f"open {d}/key {d}/{i}" for i in range(len(messages)))
    for name, line in zip(messages, lines, strict=True):
        wanted = f"ok {messages[name][1].hex()}".strip()
        lib.check(line == wanted, f"{name}: {line[:80]}, not {wanted[:80]}")


def answers(key: bytes, messages: list[bytes]) -> list[str]:
    with folder() as d:
        (d / "key").write_bytes(key)
        for i, cms in enumerate(messages):
            (d / f"{i}").write_bytes(cms)
        return run(f"open {d}/key {d}/{i}" for i in range(len(messages)))


# --- messages made here ----------------------------------------------------------

def tlv(tag: int, *content: bytes) -> bytes:
    data = b"".join(content)
    n = len(data)
    size = (n.bit_length() + 7) // 8
    return bytes([tag, n] if n < 128 else [tag, 0x80 | size]) + (
        b"" if n < 128 else n.to_bytes(size, "big")) + data


def indefinite(tag: int, *content: bytes) -> bytes:
    return bytes([tag, 0x80]) + b"".join(content) + bytes(2)


def oid(*arcs: int) -> bytes:
    out = [arcs[0] * 40 + arcs[1]]
    for arc in arcs[2:]:
        groups = [arc & 0x7f]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7f)
        out += reversed(groups)
    return tlv(0x06, bytes(out))


PKCS = (1, 2, 840, 113549, 1)
NIST = (2, 16, 840, 1, 101, 3, 4)
SHA256 = tlv(0x30, oid(*NIST, 2, 1), tlv(0x05))
KEY_ALGORITHM = tlv(0x30, oid(*PKCS, 1, 7), tlv(
    0x30, tlv(0xa0, SHA256), tlv(0xa1, tlv(0x30, oid(*PKCS, 1, 8), SHA256))))
TWO = tlv(0x02, b"\x02")


def message(form: str, key: Key, plain: bytes, dice: random.Random, cek_size: int = 32,
            ski: bytes | None = None) -> bytes:
    """
    As KMS's: FORM "1" has indefinite lengths and the content in chunks, "2" in one piece, "der"
    no indefinite length, "chunks" none and chunks.
    """
    cek, iv = dice.randbytes(cek_size), dice.randbytes(16)
    pad = 16 - len(plain) % 16
    aes = Cipher(algorithms.AES(cek.ljust(32, b"\0")[:32]), modes.CBC(iv)).encryptor()
    content = aes.update(plain + bytes([pad]) * pad) + aes.finalize()
    chunks = []
    rest = content
    while rest:
        n = dice.choice((0, 1, 7, 16, 24, 1024, len(rest)))
        chunks.append(tlv(0x04, rest[:n]))
        rest = rest[n:]
    wrap = indefinite if form in ("1", "2") else tlv
    info = wrap(0x30, oid(*PKCS, 7, 1), tlv(0x30, oid(*NIST, 1, 42), tlv(0x04, iv)),
                wrap(0xa0, *chunks) if form in ("1", "chunks") else tlv(0x80, content))
    recipient = tlv(0x30, TWO, tlv(0x80, key.ski if ski is None else ski), KEY_ALGORITHM,
                    tlv(0x04, key.public.encrypt(cek, OAEP)))
    return wrap(0x30, oid(*PKCS, 7, 3), wrap(0xa0, wrap(0x30, TWO, tlv(0x31, recipient), info)))


FORMS = ("1", "2", "der", "chunks")


@lib.test(seconds=6)
def messages_of_all_forms_are_opened():
    """KMS's two forms, and two more, of python's OAEP and AES for keys of all sizes."""
    for bits in SIZES:
        dice = random.Random(bits)
        check_opened(key_of(bits), {
            f"{bits} bits, form {form}, {n} bytes":
                (message(form, key_of(bits), plaintext(n), dice), plaintext(n))
            for form in FORMS for n in lengths(bits)})


@lib.test(seconds=2)
def what_is_made_here_openssl_opens_too():
    """The messages of these tests are true CMS: openssl finds the same in them."""
    dice = random.Random(7)
    for bits in SIZES:
        key = key_of(bits)
        with folder() as d:
            (d / "key").write_bytes(key.private)
            for form in FORMS:
                for n in (0, 1, 16, 4096):
                    got = openssl("cms", "-decrypt", "-binary", "-inform", "DER", "-keyform", "DER",
                                  "-inkey", d / "key",
                                  data=message(form, key, plaintext(n), dice))
                    lib.same(got, plaintext(n), f"openssl, {bits} bits, form {form}")


@lib.test(seconds=4)
def every_prefix_is_cut():
    """A message that ends too early is called that, wherever it ends."""
    dice = random.Random(8)
    with folder() as d:
        key = key_of(2048)
        (d / "key").write_bytes(key.private)
        for form in FORMS:
            (d / form).write_bytes(message(form, key, plaintext(40), dice))
        lines = run(f"cut {d}/key {d}/{form}" for form in FORMS)
    lib.same(lines, ["ok"] * len(FORMS), "all prefixes")


@lib.test(seconds=2)
def keys_of_another_length_do_not_decrypt():
    """Python encrypts content keys of 0 to 190 bytes: all but 32 are the one error."""
    dice, key = random.Random(9), key_of(2048)
    sizes = (0, 1, 16, 24, 31, 33, 48, 64, 190)
    lines = answers(key.private, [message("1", key, b"secret", dice, size) for size in sizes])
    lib.same(lines, [DECRYPT] * len(sizes), "the answers")


@lib.test(seconds=4)
def other_keys_are_told_apart():
    """A message for another key says so by its name or its size, else does not decrypt."""
    dice, ours, larger = random.Random(10), key_of(2048), key_of(3072)
    stranger_key = rsa.generate_private_key(65537, 2048)
    spki = stranger_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    stranger = Key(b"", spki)
    lib.same(answers(ours.private, [
        message("1", stranger, b"secret", dice),
        message("1", stranger, b"secret", dice, ski=ours.ski),
        message("1", larger, b"secret", dice),
        message("1", larger, b"secret", dice, ski=ours.ski),
        message("1", ours, b"secret", dice, ski=stranger.ski),
        message("1", ours, b"secret", dice, ski=b""),
        message("1", ours, b"secret", dice, cek_size=16, ski=ours.ski[:31]),
    ]), [OTHER_KEY, DECRYPT, OTHER_KEY, OTHER_KEY, f"ok {b'secret'.hex()}",
         f"ok {b'secret'.hex()}", OTHER_KEY], "the answers")


# --- messages of openssl's -------------------------------------------------------

CBC = ("-aes-256-cbc",)
KMS = ("rsa_padding_mode:oaep", "rsa_oaep_md:sha256")


def encrypt(where: Path, key: Key, plain: bytes, *, ski: bytes | None = None,
            cipher: tuple[str, ...] = CBC, options: tuple[str, ...] = KMS, keyid: bool = True,
            stream: bool = False, twice: bool = False) -> bytes:
    cert = where / "cert"
    cert.write_bytes(key.certificate(key.ski if ski is None else ski))
    recipient = ["-recip", cert, *(w for o in options for w in ("-keyopt", o))]
    return openssl("cms", "-encrypt", "-binary", *cipher, "-outform", "DER",
                   "-stream" if stream else "-noindef", *(["-keyid"] if keyid else []),
                   *recipient, *(recipient if twice else []), data=plain)


@lib.test(seconds=15)
def messages_of_openssl_are_opened():
    """openssl cms -encrypt, streaming and not, for keys of all sizes, by any name."""
    for bits in SIZES:
        key, messages = key_of(bits), {}
        with folder() as d:
            for n in lengths(bits):
                for stream in (False, True):
                    cms = encrypt(d, key, plaintext(n), stream=stream)
                    lib.same(cms[1] == 0x80, stream, "an indefinite length")
                    messages[f"{bits} bits, {n} bytes, stream {stream}"] = cms, plaintext(n)
            by_sha1 = hashlib.sha1(key.spki).digest()
            messages["by SHA-1"] = encrypt(d, key, b"secret", ski=by_sha1), b"secret"
            mgf1 = (*KMS, "rsa_mgf1_md:sha256")
            # Version 0: the recipient is named by its certificate's issuer and serial number.
            for stream in (False, True):
                messages[f"by issuer, stream {stream}"] = encrypt(d, key, b"secret", keyid=False,
                                                                  stream=stream), b"secret"
            messages["MGF1 named"] = encrypt(d, key, b"secret", options=mgf1), b"secret"
        check_opened(key, messages)


@lib.test(seconds=2)
def what_kms_does_not_send_is_refused():
    """What openssl makes with other settings is refused, and the object named."""
    key = key_of(2048)
    cases = {
        "AES-128": ({"cipher": ("-aes-128-cbc",)},
                    "contentEncryptionAlgorithm: it is another algorithm than KMS's"),
        "AES-GCM": ({"cipher": ("-aes-256-gcm",)},
                    "contentType: it is not a CMS EnvelopedData as KMS writes it"),
        "PKCS#1 v1.5": ({"options": ()},
                        "keyEncryptionAlgorithm: it is another algorithm than KMS's"),
        "OAEP-SHA-1, the default": ({"options": ("rsa_padding_mode:oaep",)},
                                    "keyEncryptionAlgorithm (SHA-1): it is another algorithm than KMS's"),
        "OAEP-SHA-384": ({"options": ("rsa_padding_mode:oaep", "rsa_oaep_md:sha384")},
                         "keyEncryptionAlgorithm: it is another algorithm than KMS's"),
        "MGF1-SHA-1": ({"options": (*KMS, "rsa_mgf1_md:sha1")},
                       "keyEncryptionAlgorithm (SHA-1): it is another algorithm than KMS's"),
        "a label": ({"options": (*KMS, "rsa_oaep_label:616263")},
                    "keyEncryptionAlgorithm: it is another algorithm than KMS's"),
        "two": ({"twice": True}, "recipientInfos: the message has not just one recipient"),
    }
    with folder() as d:
        made = [encrypt(d, key, b"secret", **how) for how, _ in cases.values()]
    for (name, (_, wanted)), got in zip(cases.items(), answers(key.private, made), strict=True):
        lib.same(got, wanted, name)


# --- keys --------------------------------------------------------------------

@lib.test(seconds=3)
def keys_made_here_are_good_for_others():
    """openssl checks the private keys, and reads the public ones; so does python."""
    for bits in SIZES:
        key = key_of(bits)
        with folder() as d:
            (d / "key").write_bytes(key.private)
            (d / "spki").write_bytes(key.spki)
            said = openssl("rsa", "-check", "-noout", "-inform", "DER", "-in", d / "key").decode()
            lib.check("RSA key ok" in said, f"openssl rsa -check: {said}")
            moduli = [openssl("rsa", *how, "-inform", "DER", "-noout", "-modulus", "-in", d / name)
                      for how, name in (((), "key"), (("-pubin",), "spki"))]
            der = openssl("rsa", "-inform", "DER", "-outform", "DER", "-pubout", "-in", d / "key")
        lib.same(moduli[0], moduli[1], "the modulus")
        lib.check(re.fullmatch(rf"Modulus=[89A-F][0-9A-F]{{{bits // 4 - 1}}}\n", moduli[0].decode()),
                  f"a modulus of {bits} bits")
        lib.check(der.startswith(key.spki), "openssl writes the same public key")
        private = load_der_private_key(key.private, None)
        lib.same(private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo), key.spki, "python's public key")
        lib.same((key.public.key_size, key.public.public_numbers().e), (bits, 65537), "the numbers")
        lib.same(private.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
                 key.private, "python's PKCS#1")


@lib.test(seconds=4)
def keys_of_others_are_imported():
    """PKCS#1 and PKCS#8, DER and PEM, of python and of openssl, with 3 as exponent too."""
    with folder() as d:
        jobs, wanted = [], []
        for bits in SIZES:
            private = rsa.generate_private_key(3, bits) if bits == SIZES[0] else pki.key(f"rsa{bits}", "others")
            spki = private.public_key().public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            forms = [private.private_bytes(encoding, form, NoEncryption())
                     for encoding in (Encoding.DER, Encoding.PEM)
                     for form in (PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8)]
            forms.append(openssl("pkey", "-inform", "DER", data=forms[0]))
            forms.append(openssl("pkey", "-inform", "DER", "-traditional", data=forms[0]))
            forms.append(openssl("pkey", "-inform", "DER", "-text", data=forms[0]))
            for form in forms:
                n = len(jobs)
                (d / f"{n}").write_bytes(form)
                jobs.append(f"public {d}/{n} {d}/{n}.spki")
                wanted.append(spki)
        lib.same(run(jobs), ["ok"] * len(jobs), "importing")
        for n, spki in enumerate(wanted):
            lib.same((d / f"{n}.spki").read_bytes(), spki, f"the public key of {n}")


@lib.test(seconds=4)
def other_keys_are_not_imported():
    """Keys of other kinds and sizes, with a password, public ones, multi-prime ones."""
    good = rsa.generate_private_key(65537, 2048)
    kinds = [ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256R1()),
             ed25519.Ed25519PrivateKey.generate(), dsa.generate_private_key(2048),
             *(rsa.generate_private_key(65537, bits) for bits in (1024, 2040, 2056))]
    texts = [k.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())
             for k in kinds for encoding in (Encoding.DER, Encoding.PEM)]
    texts += [good.private_bytes(encoding, form, BestAvailableEncryption(b"password"))
              for encoding, form in ((Encoding.PEM, PrivateFormat.TraditionalOpenSSL),
                                     (Encoding.PEM, PrivateFormat.PKCS8),
                                     (Encoding.DER, PrivateFormat.PKCS8))]
    texts += [good.public_key().public_bytes(encoding, form)
              for encoding in (Encoding.DER, Encoding.PEM)
              for form in (PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1)]
    texts += [openssl("genrsa", "-primes", "3", "-traditional", "2048"), b"", b"\n", b"garbage"]
    with folder() as d:
        for i, text in enumerate(texts):
            (d / f"{i}").write_bytes(text)
        lines = run(f"public {d}/{i} {d}/spki" for i in range(len(texts)))
    for i, line in enumerate(lines):
        lib.same(line, NO_KEY, f"key {i}, {texts[i][:40]!r}")
