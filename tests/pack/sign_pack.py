"""Signatures and predictions, judged by openssl, cbor2 and cryptography."""

import errno
import hashlib
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from images.eifs import put
from images.keys import key_pair

from .lib import ASAN, DEADLINE_S, DONE, FILE, MKEIF, REFUSED, USAGE, Eif, Failure, check, folder, names, run, same, test, tool

# Curve: its COSE algorithm, hash, and how long r and s are (RFC 9053, 2.1).
CURVES = {
    "prime256v1": (-7, hashes.SHA256(), 32),
    "secp384r1": (-35, hashes.SHA384(), 48),
    "secp521r1": (-36, hashes.SHA512(), 66),
}
FORMS = ("sec1", "pkcs8")
ARN, INSTANCE = "arn:aws:iam::123456789012:role/Webserver", "i-1234567890abcdef0"


def image(path: Path, **changes: object) -> Eif:
    eif = replace(Eif(b"kernel" * 999, "console=ttyS0", [b"boot" * 777, b"app" * 555]), **changes)
    path.write_bytes(eif.pack())
    return eif


def sign(source: Path, key: Path, cert: Path, output: Path, **how: object):
    return run("sign", source, "--sign-key", key, "--sign-cert", cert, "--output", output, **how)


def pcr(content: bytes) -> str:
    return hashlib.sha384(bytes(48) + content).hexdigest()


def verify(eif: Eif, curve: str, cert_path: Path) -> None:
    """The section is as AWS's writer makes it, and the signature in it is good."""
    alg, digest, half = CURVES[curve]
    section = cbor2.loads(eif.signature)
    same([[*s] for s in section], [["signing_certificate", "signature"]], "members and their order")
    pem, cose = (bytes(section[0][k]) for k in ("signing_certificate", "signature"))
    check(isinstance(section[0]["signature"], list), "the signature is no array of integers")
    same(pem, cert_path.read_bytes(), "the certificate")
    same(eif.signature, cbor2.dumps(section), "the section, encoded again")
    protected, unprotected, payload, signature = cbor2.loads(cose)
    same(cbor2.loads(protected), {1: alg}, "the algorithm")
    same(unprotected, {}, "what is not protected")
    pcr0 = bytes.fromhex(eif.measurements()["PCR0"])
    same(payload, cbor2.dumps({"register_index": 0, "register_value": [*pcr0]}), "the payload")
    same(cose[0], 0x84, "the first byte of COSE_Sign1, which has no tag")
    same(len(signature), 2 * half, "the signature's length")
    r, s = (int.from_bytes(v, "big") for v in (signature[:half], signature[half:]))
    public = x509.load_pem_x509_certificate(pem).public_key()
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    try:
        public.verify(encode_dss_signature(r, s), signed, ec.ECDSA(digest))
    except InvalidSignature:
        raise Failure("cryptography does not verify the signature") from None


@test(seconds=4)
def each_curve_and_form_of_key_signs() -> None:
    """The signature is good for another library, twice the same, and PCR8 is the certificate's."""
    with folder() as tmp:
        plain = image(tmp / "x.eif")
        for curve in CURVES:
            for form in FORMS:
                key, cert = key_pair(tmp, curve, form)
                pcrs = sign(tmp / "x.eif", key, cert, tmp / "y.eif").is_(DONE).json["Measurements"]
                signed = Eif.load(tmp / "y.eif")
                verify(signed, curve, cert)
                same(replace(signed, signature=b""), Eif.load(tmp / "x.eif"), "all but the signature")
                der = tool("openssl", "x509", "-in", cert, "-outform", "DER")
                wanted = {**plain.measurements(), "PCR8": pcr(hashlib.sha384(der).digest())}
                same(pcrs, {"HashAlgorithm": "Sha384 { ... }", **wanted}, "the measurements")
                sign(tmp / "x.eif", key, cert, tmp / "z.eif", program=ASAN).is_(DONE)
                same((tmp / "z.eif").read_bytes(), (tmp / "y.eif").read_bytes(), f"a second one on {curve}")


@test
def a_signature_is_replaced() -> None:
    """By another key, in another file or in the same one; the rest stays, the header's defaults too."""
    with folder() as tmp:
        image(tmp / "x.eif")
        raw = put((tmp / "x.eif").read_bytes(), 8, ">QQ", 12345678, 7)
        (tmp / "x.eif").write_bytes(raw)
        first, second = key_pair(tmp, "prime256v1"), key_pair(tmp, "secp521r1")
        sign(tmp / "x.eif", *first, tmp / "y.eif").is_(DONE)
        sign(tmp / "x.eif", *second, tmp / "z.eif").is_(DONE)
        verify(Eif.load(tmp / "y.eif"), "prime256v1", first[1])
        same((tmp / "x.eif").read_bytes(), raw, "the image that was read")
        same((tmp / "y.eif").read_bytes()[8:24], raw[8:24], "the default memory and processors")
        sign(tmp / "y.eif", *second, tmp / "y.eif").is_(DONE)
        same((tmp / "y.eif").read_bytes(), (tmp / "z.eif").read_bytes(), "signed anew")


@test
def what_cannot_be_signed_is_refused() -> None:
    """A damaged image, keys of other kinds, certificates of others; nothing is written, and files stay."""
    with folder() as tmp:
        image(tmp / "x.eif")
        raw = bytearray((tmp / "x.eif").read_bytes())
        raw[2000] ^= 1
        (tmp / "bad.eif").write_bytes(raw)
        (tmp / "old.eif").write_bytes(b"as it was")
        key, cert = key_pair(tmp)
        other, other_cert = key_pair(tmp, "prime256v1")
        tool("openssl", "genrsa", "-out", tmp / "rsa.pem", "2048")
        tool("openssl", "ecparam", "-name", "secp256k1", "-genkey", "-out", tmp / "k1.pem")
        tool("openssl", "genpkey", "-algorithm", "ed25519", "-out", tmp / "ed.pem")
        tool("openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", tmp / "secret.pem")
        tool("openssl", "ec", "-in", key, "-aes256", "-passout", "pass:x", "-out", tmp / "secret1.pem")
        (tmp / "both.pem").write_bytes(cert.read_bytes() + key.read_bytes())
        before = names(tmp)
        for source, k, c, code, words in (
                ("bad.eif", key, cert, REFUSED, ("bad.eif", "CRC", "offset 544")),
                ("none.eif", key, cert, FILE, ("none.eif: No such file",)),
                ("x.eif", tmp / "rsa.pem", cert, REFUSED, ("rsa.pem: RSA key", "P-256, P-384 and P-521")),
                ("x.eif", tmp / "k1.pem", cert, REFUSED, ("k1.pem: ", "P-256, P-384 and P-521")),
                ("x.eif", tmp / "ed.pem", cert, REFUSED, ("ed.pem: ", "P-256, P-384 and P-521")),
                ("x.eif", tmp / "secret.pem", cert, REFUSED, ("secret.pem: encrypted",)),
                ("x.eif", tmp / "secret1.pem", cert, REFUSED, ("secret1.pem: encrypted",)),
                ("x.eif", cert, cert, REFUSED, ("not a PEM private key",)),
                ("x.eif", tmp / "none", cert, FILE, ("none: No such file",)),
                ("x.eif", key, key, REFUSED, ("has a private key in it",)),
                ("x.eif", key, tmp / "both.pem", REFUSED, ("both.pem: has a private key in it",)),
                ("x.eif", key, tmp / "x.eif", REFUSED, ("x.eif: not a PEM certificate",)),
                ("x.eif", key, other_cert, REFUSED, ("of another key",)),
                ("x.eif", other, cert, REFUSED, ("of another key",))):
            for program in (MKEIF, ASAN):
                sign(tmp / source, k, c, tmp / "old.eif", program=program).is_(code, *words)
        sign(tmp / "x.eif", key, cert, tmp / "no/y.eif").is_(FILE, "no/y.eif")
        same((tmp / "old.eif").read_bytes(), b"as it was", "the output that was there")
        same(names(tmp), before, "the files")


def through_pipe(data: bytes, *args: object, **how: object):
    """mkeif with {} in ARGS for the descriptor of a pipe that holds DATA."""
    out = os.open("/dev/null", os.O_RDONLY)

    def fill() -> None:
        end, into = os.pipe()
        with open(into, "wb") as f:  # less than a pipe takes
            f.write(data)
        os.dup2(end, out)
        os.close(end)

    try:
        fill()
        return run(*(a.format(out) if isinstance(a, str) else a for a in args), pass_fds=(out,), again=fill, **how)
    finally:
        os.close(out)


@test
def keys_come_by_descriptor() -> None:
    """As <(...) gives them, and as fd:N; the certificate and what is predicted of it, too."""
    with folder() as tmp:
        image(tmp / "x.eif")
        key, cert = key_pair(tmp)
        sign(tmp / "x.eif", key, cert, tmp / "y.eif").is_(DONE)
        signed = (tmp / "y.eif").read_bytes()
        for program in (MKEIF, ASAN):
            for name in ("/dev/fd/{}", "fd:{}"):
                (tmp / "z.eif").unlink(missing_ok=True)
                done = through_pipe(key.read_bytes(), "sign", tmp / "x.eif", "--sign-key", name, "--sign-cert", cert,
                                    "--output", tmp / "z.eif", program=program).is_(DONE)
                same((done.err, (tmp / "z.eif").read_bytes()), ("", signed), f"the key by {name}")
                through_pipe(cert.read_bytes(), "sign", tmp / "x.eif", "--sign-key", key, "--sign-cert", name,
                             "--output", tmp / "z.eif", program=program).is_(DONE)
                same((tmp / "z.eif").read_bytes(), signed, f"the certificate by {name}")
                same(through_pipe(cert.read_bytes(), "pcr", "--cert", name, program=program).is_(DONE).text,
                     run("pcr", "--cert", cert).is_(DONE).text, f"PCR8 by {name}")
            (tmp / "z.eif").unlink()
            (tmp / "long").write_bytes(b"x" * 65537)
            for name, code, words in (
                    ("/dev/fd/{}", REFUSED, "empty, not a PEM private key"),
                    ("fd:{}", REFUSED, "empty, not a PEM private key"),
                    (tmp / "long", REFUSED, "longer than 65536 bytes"),
                    ("fd:", USAGE, "fd:: not fd: and a number"), ("fd:-1", USAGE, "fd:-1: not fd: and a number"),
                    ("fd:99999999999999999999", USAGE, "not fd: and a number"),
                    ("fd:987", USAGE, "fd:987: not open"), (tmp, FILE, f"{tmp}: Is a directory")):
                through_pipe(b"", "sign", tmp / "x.eif", "--sign-key", name, "--sign-cert", cert, "--output",
                             tmp / "z.eif", program=program).is_(code, words)
        check(not (tmp / "z.eif").exists(), "an output")


@test
def a_terminal_is_no_key() -> None:
    """Nobody knows there that mkeif waits for a key: refused at once."""
    with folder() as tmp:
        image(tmp / "x.eif")
        key, cert = key_pair(tmp)
        ours, theirs = os.openpty()
        terminal = f"fd:{theirs}"
        try:
            for words in (("--sign-key", terminal), ("--sign-key", key, "--sign-key-pass-file", terminal)):
                run("sign", tmp / "x.eif", *words, "--sign-cert", cert, "--output", tmp / "y.eif",
                    pass_fds=(theirs,)).is_(REFUSED, f"{terminal}: a terminal")
        finally:
            os.close(ours)
            os.close(theirs)


# What openssl calls them: PKCS #8 by PBES2 of several ciphers and by scrypt, and the form of before.
ENCRYPTED = {
    "pkcs8-aes256": ("pkcs8", "-topk8", "-v2", "aes-256-cbc"),
    "pkcs8-aes128-sha512": ("pkcs8", "-topk8", "-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512"),
    "pkcs8-3des": ("pkcs8", "-topk8", "-v2", "des3"),
    "pkcs8-scrypt": ("pkcs8", "-topk8", "-scrypt"),
    "traditional-aes256": ("ec", "-aes256"),
    "traditional-3des": ("ec", "-des3"),
}
# What OpenSSL 1 took for granted, and 3 has in its legacy provider only.
LEGACY = ("pkcs8", "-topk8", "-v1", "PBE-MD5-DES", "-provider", "legacy", "-provider", "default")


@test(seconds=12)
def encrypted_keys_sign() -> None:
    """By the first line of a file or pipe; without it, and with another one, refused, and nobody is asked."""
    with folder() as tmp:
        image(tmp / "x.eif")
        key, cert = key_pair(tmp, form="sec1")
        sign(tmp / "x.eif", key, cert, tmp / "y.eif").is_(DONE)
        signed = (tmp / "y.eif").read_bytes()
        (tmp / "pass").write_bytes("löng and spaced ".encode() + b"\nsecond line\n")
        (tmp / "crlf").write_bytes("löng and spaced ".encode() + b"\r\n")
        (tmp / "wrong").write_bytes(b"other\n")
        for name in ("pass", "crlf", "wrong"):
            (tmp / name).chmod(0o600)
        for name, words in ENCRYPTED.items():
            secret = tmp / f"{name}.pem"
            tool("openssl", *words, "-in", key, "-passout", f"file:{tmp / 'pass'}", "-out", secret)
            for program in (MKEIF, ASAN):
                (tmp / "z.eif").unlink(missing_ok=True)
                run("sign", tmp / "x.eif", "--sign-key", secret, "--sign-cert", cert, "--output", tmp / "z.eif",
                    program=program).is_(REFUSED, f"{name}.pem: encrypted: --sign-key-pass-file")
                run("sign", tmp / "x.eif", "--sign-key", secret, "--sign-cert", cert, "--output", tmp / "z.eif",
                    "--sign-key-pass-file", tmp / "wrong", program=program).is_(
                        REFUSED, f"{name}.pem: cannot be decrypted by the passphrase")
                check(not (tmp / "z.eif").exists(), "an output")
                for given in ("pass", "crlf") if program == MKEIF else ("pass",):
                    done = run("sign", tmp / "x.eif", "--sign-key", secret, "--sign-cert", cert, "--output",
                               tmp / "z.eif", "--sign-key-pass-file", tmp / given, program=program).is_(DONE)
                    same((done.err, (tmp / "z.eif").read_bytes()), ("", signed), f"{name} by {given}")
        tool("openssl", *LEGACY, "-in", key, "-passout", f"file:{tmp / 'pass'}", "-out", tmp / "old.pem")
        run("sign", tmp / "x.eif", "--sign-key", tmp / "old.pem", "--sign-cert", cert, "--output", tmp / "n.eif",
            "--sign-key-pass-file", tmp / "pass").is_(REFUSED, "encrypted in a way that libcrypto no longer knows")
        through_pipe((tmp / "pass").read_bytes(), "sign", tmp / "x.eif", "--sign-key", secret, "--sign-cert", cert,
                     "--output", tmp / "z.eif", "--sign-key-pass-file", "fd:{}").is_(DONE)
        for text, words in ((b"", "no passphrase in its first line"), (b"\nx", "no passphrase in its first line"),
                            (b"a\0b\n", "a NUL byte"), (b"x" * 1024, "a passphrase of more than 1023 bytes")):
            (tmp / "bad").write_bytes(text)
            run("sign", tmp / "x.eif", "--sign-key", secret, "--sign-cert", cert, "--output", tmp / "n.eif",
                "--sign-key-pass-file", tmp / "bad").is_(REFUSED, f"bad: {words}")
        run("sign", tmp / "x.eif", "--sign-key", key, "--sign-cert", cert, "--output", tmp / "z.eif",
            "--sign-key-pass-file", tmp / "pass").is_(DONE, "not encrypted", "pass was not needed")
        for words in (("build", "--image", tmp, "--output", tmp / "n.eif"),
                      ("set-init", tmp / "x.eif", "--output", tmp / "n.eif")):
            run(*words, "--sign-key-pass-file", tmp / "pass").is_(USAGE, "--sign-key-pass-file is for --sign-key")
        check(not (tmp / "n.eif").exists(), "an output")


def lines(text: str, before: str = "", after: str = "") -> str:
    return "".join(f"{before}{line}{after}\n" for line in text.splitlines())


# What editors, shells, key stores and programs make of a PEM file, key or certificate.
TEXTS = {
    "crlf": lambda t: lines(t, after="\r"),
    "no last newline": lambda t: t.rstrip("\n"),
    "spaces behind": lambda t: lines(t, after="   "),
    "blank lines before": lambda t: "\n\n" + t,
    "Bag Attributes": lambda t: "Bag Attributes\n    localKeyID: 54 69 6D 65 \n    friendlyName: eif\n"
                                "Key Attributes: <No Attributes>\n" + t,
    "one line": lambda t: re.sub(r"(?<=[A-Za-z0-9+/=])\n(?=[A-Za-z0-9+/])", "", t),
}


@test(seconds=5)
def keys_and_certificates_as_people_have_them_sign() -> None:
    """As editors leave them; with EC PARAMETERS, in explicit or compressed form, without the public part, of chains."""
    with folder() as tmp:
        image(tmp / "x.eif")
        key, cert = key_pair(tmp)
        sec1, _ = key_pair(tmp, form="sec1")  # has EC PARAMETERS before the key
        check("BEGIN EC PARAMETERS" in sec1.read_text(), "no EC PARAMETERS")
        for name, change in TEXTS.items():
            (tmp / "k.pem").write_text(change(key.read_text()))
            (tmp / "c.pem").write_text(change(cert.read_text()))
            (tmp / "k.pem").chmod(0o600)
            for program in (MKEIF, ASAN):
                same(sign(tmp / "x.eif", tmp / "k.pem", tmp / "c.pem", tmp / "y.eif", program=program).is_(DONE).err, "",
                     f"{name}: what is said")
            verify(Eif.load(tmp / "y.eif"), "secp384r1", tmp / "c.pem")
        for curve in CURVES:
            key, cert = key_pair(tmp, curve)
            sign(tmp / "x.eif", key, cert, tmp / "y.eif").is_(DONE)
            for name, words in (("explicit", ("-param_enc", "explicit")), ("compressed", ("-conv_form", "compressed")),
                                ("no public", ("-no_public",))):
                tool("openssl", "ec", "-in", key, *words, "-out", tmp / "k.pem")
                for program in (MKEIF, ASAN):
                    sign(tmp / "x.eif", tmp / "k.pem", cert, tmp / "z.eif", program=program).is_(DONE)
                    same((tmp / "z.eif").read_bytes(), (tmp / "y.eif").read_bytes(), f"{name} on {curve}")
        (tmp / "chain.pem").write_text(lines(cert.read_text()) + "the authority:\n" + cert.read_text())
        sign(tmp / "x.eif", key, tmp / "chain.pem", tmp / "z.eif").is_(DONE)
        verify(Eif.load(tmp / "z.eif"), "secp521r1", tmp / "chain.pem")


@test(seconds=4)
def other_forms_of_keys_and_certificates_are_named() -> None:
    """What is handed over instead of PEM: the words say what it is, and mostly how to make PEM of it."""
    with folder() as tmp:
        image(tmp / "x.eif")
        key, cert = key_pair(tmp)
        pem, cert_pem = key.read_bytes(), cert.read_bytes()
        tool("openssl", "pkcs12", "-export", "-inkey", key, "-in", cert, "-passout", "pass:x", "-out", tmp / "p12")
        tool("openssl", "req", "-new", "-key", key, "-subj", "/CN=x", "-out", tmp / "csr")
        p12 = (tmp / "p12").read_bytes()
        der = tool("openssl", "x509", "-in", cert, "-outform", "DER")
        bad = tmp / "bad"
        for data, words in (
                (tool("openssl", "ec", "-in", key, "-outform", "DER"), "DER, not a PEM private key (openssl pkey"),
                (tool("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", key, "-outform", "DER"), "DER, not a PEM"),
                (p12, "PKCS #12, not a PEM private key (openssl pkcs12"),
                (b"\xfe\xed\xfe\xed" + bytes(60), "a Java key store"),
                (pem.decode().encode("utf-16"), "UTF-16"), (pem.replace(b"\n", b"\\n"), "has \\n where lines should end"),
                (lines(pem.decode(), "  ").encode(), "is indented"), (b"", "empty"), (cert_pem, "not a PEM private key"),
                (tool("openssl", "pkey", "-in", key, "-pubout"), "a public key, not a PEM private key"),
                (pem.replace(b"PRIVATE", b"OPENSSH PRIVATE"), "OpenSSH's form, not a PEM private key (ssh-keygen"),
                (pem.replace(b"M", b"!"), "not a private key: damaged"), (pem[:len(pem) // 2], "not a "),
                (tool("openssl", "genpkey", "-algorithm", "x25519"), "X25519 key; images"),
                (tool("openssl", "genpkey", "-algorithm", "ed448"), "ED448 key; images"),
                (tool("openssl", "genpkey", "-algorithm", "RSA-PSS"), "RSA-PSS key; images"),
                (tool("openssl", "ecparam", "-name", "brainpoolP384r1", "-genkey", "-noout"), "EC key on brainpoolP384r1;"),
                (tool("openssl", "ecparam", "-name", "secp224r1", "-genkey", "-noout"), "EC key on secp224r1; images")):
            bad.write_bytes(data)
            for program in (MKEIF, ASAN):
                sign(tmp / "x.eif", bad, cert, tmp / "y.eif", program=program).is_(REFUSED, f"{bad}: ", words)
        for data, words in (
                (der, "DER, not a PEM certificate (openssl x509"), (p12, "PKCS #12, not a PEM certificate (openssl pkcs12"),
                (b"\xfe\xed\xfe\xed" + bytes(60), "a Java key store"), (cert_pem.decode().encode("utf-16"), "UTF-16"),
                (b"\xef\xbb\xbf" + cert_pem, "a byte order mark"), (b"", "empty"), (b"text", "does not begin with a PEM"),
                ((tmp / "csr").read_bytes(), "but with -----BEGIN CERTIFICATE REQUEST-----"),
                (cert_pem.replace(b" CERT", b" TRUSTED CERT"), "but with -----BEGIN TRUSTED CERTIFICATE-----"),
                (lines(cert_pem.decode(), "  ").encode(), "does not begin with a PEM certificate"),
                (cert_pem.replace(b"M", b"!"), "not a certificate: bad base64 decode"),
                (cert_pem[:len(cert_pem) // 2], "not a certificate"), (cert_pem + b"\0", "a NUL byte at offset"),
                (cert_pem.replace(b"-----\nMII", b"-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-CBC,0011223344556677\n\nMII"),
                 "not a certificate")):
            bad.write_bytes(data)
            for program in (MKEIF, ASAN):
                sign(tmp / "x.eif", key, bad, tmp / "y.eif", program=program).is_(REFUSED, f"{bad}: ", words)
                run("pcr", "--cert", bad, program=program).is_(REFUSED, f"{bad}: ", words)
        check(not (tmp / "y.eif").exists(), "an output")


@test
def a_key_that_others_may_read_is_told() -> None:
    """One note with the mode, and the image is signed; a pipe has no mode."""
    with folder() as tmp:
        image(tmp / "x.eif")
        key, cert = key_pair(tmp)
        for mode, words in ((0o600, ""), (0o400, ""), (0o640, "mode 0640"), (0o604, "mode 0604"), (0o666, "mode 0666"),
                            (0o622, "")):
            key.chmod(mode)
            done = sign(tmp / "x.eif", key, cert, tmp / "y.eif").is_(DONE, words)
            same(bool(done.err), bool(words), f"a word of mode {mode:o}")
            check(not words or f"{key}: a private key that others may read" in done.err, done.story)
        key.chmod(0o600)
        tool("openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", tmp / "secret.pem")
        (tmp / "pass").write_text("x\n")
        for mode, words in ((0o644, f"{tmp / 'pass'}: a passphrase or PIN that others may read (mode 0644)"), (0o600, "")):
            (tmp / "pass").chmod(mode)
            done = run("sign", tmp / "x.eif", "--sign-key", tmp / "secret.pem", "--sign-cert", cert, "--output",
                       tmp / "y.eif", "--sign-key-pass-file", tmp / "pass").is_(DONE, words)
            same(bool(done.err), bool(words), f"a word of mode {mode:o}")


@contextmanager
def writer(fifo: Path) -> Iterator[None]:
    """FIFO, open to be written: somebody has it open to read."""
    until = time.monotonic() + DEADLINE_S
    while True:
        try:
            fd = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
            break
        except OSError as e:
            if e.errno != errno.ENXIO or time.monotonic() > until:
                raise
        time.sleep(0.01)
    try:
        yield
    finally:
        os.close(fd)


@test
def no_core_dump_has_the_key() -> None:
    """While mkeif waits for a passphrase, the kernel already refuses to dump it: its files in /proc are root's."""
    with folder() as tmp:
        tmp.chmod(0o777)  # the output is opened first
        image(tmp / "x.eif")
        key, cert = key_pair(tmp)
        os.mkfifo(tmp / "pass", 0o644)
        other = ["setpriv", "--reuid=12345", "--clear-groups"] if os.geteuid() == 0 else []
        child = subprocess.Popen([*other, MKEIF, "sign", tmp / "x.eif", "--sign-key", key, "--sign-cert", cert,
                                  "--output", tmp / "y.eif", "--sign-key-pass-file", tmp / "pass"],
                                 stderr=subprocess.DEVNULL)
        try:
            with writer(tmp / "pass"):
                same(os.stat(f"/proc/{child.pid}/environ").st_uid, 0, "the owner of its files in /proc")
                limits = Path(f"/proc/{child.pid}/limits").read_text().splitlines()
                same([line.split()[4:6] for line in limits if line.startswith("Max core")], [["0", "0"]],
                     "the limit of a core's size")
        finally:
            child.kill()
            child.wait()


def certificate(key: Path, path: Path, start: datetime, end: datetime, name: x509.Name | None = None) -> Path:
    private = load_pem_private_key(key.read_bytes(), None)
    if name is None:  # one without attributes is one, too
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "late")])
    made = x509.CertificateBuilder(name, name, private.public_key(), 1, start, end).sign(private, hashes.SHA384())
    path.write_bytes(made.public_bytes(Encoding.PEM))
    return path


@test
def the_certificates_time_counts() -> None:
    """Expired or not yet valid: refused with both dates; pcr of an image that has one says so."""
    with folder() as tmp:
        image(tmp / "x.eif")
        key, _ = key_pair(tmp)
        now = datetime.now(timezone.utc).replace(tzinfo=None, microsecond=0)
        day = timedelta(days=1)
        for start, end, words in ((now - 2 * day, now - day, "expired"), (now + day, now + 2 * day, "not yet valid"),
                                  (datetime(1999, 1, 2), datetime(2051, 3, 4, 5, 6, 7), "")):
            cert = certificate(key, tmp / "cert.pem", start, end)
            done = sign(tmp / "x.eif", key, cert, tmp / "y.eif")
            span = f"from {start.isoformat()}Z to {end.isoformat()}Z"
            predicted = run("pcr", "--cert", cert).is_(DONE)
            if words:
                done.is_(REFUSED, f"cert.pem: {words}: {span}")
                predicted.is_(DONE, f"cert.pem: the certificate is valid {span}: it signs no image now")
            else:
                done.is_(DONE)
                same(predicted.err, "", "what is said of one that is valid")
            der = tool("openssl", "x509", "-in", cert, "-outform", "DER")
            same(predicted.text, f"PCR8 {pcr(hashlib.sha384(der).digest())}\n", "PCR8 all the same")
        check("valid" not in run("pcr", tmp / "y.eif").is_(DONE).err, "a word of its validity")
        # An image that was signed in time, and is now too old.
        signed = Eif.load(tmp / "y.eif")
        section = cbor2.loads(signed.signature)
        old = certificate(key, tmp / "cert.pem", now - 2 * day, now - day)
        section[0]["signing_certificate"] = [*old.read_bytes()]
        image(tmp / "old.eif", signature=cbor2.dumps(section))
        run("pcr", tmp / "old.eif").is_(DONE, f"valid from {(now - 2 * day).isoformat()}Z", "no enclave")


ODD = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")
# Attributes in sets, and what describe --json and describe say of them.
NAMES = (
    ([[("CN", "Grüße, 世界 🚀")], [("O", "a+b=c,d\\e")]],
     {"commonName": "Grüße, 世界 🚀", "organizationName": "a+b=c,d\\e"},
     "CN=Gr\\C3\\BC\\C3\\9Fe\\, \\E4\\B8\\96\\E7\\95\\8C \\F0\\9F\\9A\\80, O=a\\+b=c\\,d\\\\e"),
    ([[("CN", "a"), ("UID", "b")], [("odd", "c")]], {"commonName": "a", "userId": "b", str(ODD.dotted_string): "c"},
     "CN=a + UID=b, 1.3.6.1.4.1.99999.1="),
    ([], {}, ""),
    ([[("OU", f"unit {n}")] for n in range(40)] + [[("CN", "x")]], {"organizationalUnitName": "unit 39", "commonName": "x"},
     "OU=unit 0, OU=unit 1"),
    ([[("CN", "a\x1b[31m\u202eb\nc\0d")]], {"commonName": "a?[31m???b?c?d"}, "CN=a\\1B[31m\\E2\\80\\AEb\\0Ac\\00d"),
)
ATTRIBUTES = {"CN": x509.NameOID.COMMON_NAME, "O": x509.NameOID.ORGANIZATION_NAME, "UID": x509.NameOID.USER_ID,
              "OU": x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "odd": ODD}


@test(seconds=2)
def names_of_all_kinds_are_shown() -> None:
    """UTF-8, sets, unknown attributes, none, one forty times, and what must not reach a terminal."""
    with folder() as tmp:
        image(tmp / "x.eif")
        key, _ = key_pair(tmp)
        now = datetime.now(timezone.utc).replace(tzinfo=None, microsecond=0)
        for sets, wanted, shown in NAMES:
            name = x509.Name([x509.RelativeDistinguishedName([x509.NameAttribute(ATTRIBUTES[k], v) for k, v in one])
                              for one in sets])
            cert = certificate(key, tmp / "cert.pem", now - timedelta(days=1), now + timedelta(days=1), name)
            sign(tmp / "x.eif", key, cert, tmp / "y.eif").is_(DONE)
            for program in (MKEIF, ASAN):
                found = run("describe", tmp / "y.eif", "--json", program=program).is_(DONE).json["SigningCertificate"]
                same(found["IssuerName"], wanted, "the issuer")
                same(found["Algorithm"], "ecdsa-with-SHA384", "the algorithm")
                text = run("describe", tmp / "y.eif", program=program).is_(DONE).text
                check(f"  issuer        {shown}" in text, f"no {shown!r}: {text}")


@test
def pcr_says_where_a_signature_is_not_the_images() -> None:
    """One of another image is measured, and it is said; what is damaged, or cannot be read, is refused."""
    with folder() as tmp:
        image(tmp / "x.eif")
        key, cert = key_pair(tmp)
        sign(tmp / "x.eif", key, cert, tmp / "y.eif").is_(DONE)
        signature = Eif.load(tmp / "y.eif").signature
        other = image(tmp / "other.eif", cmdline="console=ttyS1", signature=signature)
        done = run("pcr", tmp / "other.eif", "--json").is_(DONE, "the signature is not of this image")
        same(done.json["Measurements"]["PCR8"], other.measurements()["PCR8"], "PCR8")
        same(run("pcr", tmp / "y.eif").is_(DONE).err, "", "what is said of a good one")
        raw = bytearray((tmp / "y.eif").read_bytes())
        raw[2000] ^= 1
        (tmp / "bad.eif").write_bytes(raw)
        run("pcr", tmp / "bad.eif").is_(REFUSED, "bad.eif", "CRC")
        for n in (0, 1, len(signature) // 2, len(signature) - 1):
            image(tmp / "cut.eif", signature=signature[:n] or b"\x80")
            for program in (MKEIF, ASAN):
                run("pcr", tmp / "cut.eif", program=program).is_(REFUSED, "cut.eif: signature", "at offset")


@test
def the_protected_header_counts() -> None:
    """Of signatures that are good as such: the algorithm must be the key's, and nothing else is protected."""
    with folder() as tmp:
        pcr0 = bytes.fromhex(image(tmp / "x.eif").measurements()["PCR0"])
        key, cert = key_pair(tmp, "prime256v1")
        private = load_pem_private_key(key.read_bytes(), None)
        payload = cbor2.dumps({"register_index": 0, "register_value": [*pcr0]})
        for protected, unprotected, code, words in (
                ({1: -7}, {}, DONE, ""), ({1: -7}, {4: b"key", -1: [1, {2: 3}]}, DONE, ""),
                ({1: -35}, {}, DONE, "not of this image"), ({1: 7}, {}, REFUSED, "COSE_Sign1 at offset"),
                ({2: -7}, {}, REFUSED, "COSE_Sign1 at offset"), ({}, {1: -7}, REFUSED, "COSE_Sign1 at offset"),
                ({1: -7, 2: [99]}, {}, REFUSED, "COSE_Sign1 at offset")):
            head = cbor2.dumps(protected)
            r, s = decode_dss_signature(private.sign(cbor2.dumps(["Signature1", head, b"", payload]),
                                                     ec.ECDSA(hashes.SHA256())))
            cose = cbor2.dumps([head, unprotected, payload, r.to_bytes(32, "big") + s.to_bytes(32, "big")])
            section = [{"signing_certificate": [*cert.read_bytes()], "signature": [*cose]}]
            image(tmp / "y.eif", signature=cbor2.dumps(section))
            done = run("pcr", tmp / "y.eif").is_(code, words)
            check(words or not done.err, done.story)


@test
def pcr_predicts() -> None:
    """What hashlib makes of image, role, instance and certificate, as lines, as JSON and as a policy."""
    with folder() as tmp:
        eif = image(tmp / "x.eif")
        key, cert = key_pair(tmp)
        pcrs = eif.measurements()
        more = {"PCR3": pcr(ARN.encode()), "PCR4": pcr(INSTANCE.encode())}
        der = tool("openssl", "x509", "-in", cert, "-outform", "DER")
        pcr8 = {"PCR8": pcr(hashlib.sha384(der).digest())}
        sign(tmp / "x.eif", key, cert, tmp / "y.eif").is_(DONE)
        sign(tmp / "x.eif", *key_pair(tmp, "prime256v1"), tmp / "other.eif").is_(DONE)
        ids = ("--role", ARN, "--instance", INSTANCE)
        for program in (MKEIF, ASAN):
            for args, wanted in (
                    ((tmp / "x.eif",), pcrs),
                    ((tmp / "x.eif", *ids), {**pcrs, **more}),
                    ((tmp / "y.eif",), {**pcrs, **pcr8}),
                    ((*ids, tmp / "y.eif"), {**pcrs, **more, **pcr8}),
                    ((tmp / "x.eif", "--cert", cert), {**pcrs, **pcr8}),
                    ((tmp / "other.eif", "--cert", cert), {**pcrs, **pcr8}),
                    (("--cert", cert), pcr8),
                    (("--instance", INSTANCE), {"PCR4": more["PCR4"]})):
                done = run("pcr", *args, program=program).is_(DONE)
                same(done.err, "", f"stderr of {done.command}")
                same(done.text, "".join(f"{k} {v}\n" for k, v in wanted.items()), done.command)
                same(run("pcr", *args, "--json", program=program).is_(DONE).json,
                     {"Measurements": {"HashAlgorithm": "Sha384 { ... }", **wanted}}, f"{done.command} --json")
                same(run("pcr", *args, "--policy", program=program).is_(DONE).json,
                     {"Condition": {"StringEqualsIgnoreCase": {
                         f"kms:RecipientAttestation:{k}": v for k, v in wanted.items()}}}, f"{done.command} --policy")


@test
def json_is_nitro_clis() -> None:
    """Byte for byte what serde_json's to_string_pretty makes of it."""
    with folder() as tmp:
        pcrs = image(tmp / "x.eif").measurements()
        lines = ['    "HashAlgorithm": "Sha384 { ... }"', *(f'    "{k}": "{v}"' for k, v in pcrs.items())]
        same(run("pcr", tmp / "x.eif", "--json").is_(DONE).text,
             "{\n  \"Measurements\": {\n" + ",\n".join(lines) + "\n  }\n}\n", "--json")


@test
def slips_are_told() -> None:
    """Names that look like none are measured, with a word; without a value there is nothing to measure."""
    odd = run("pcr", "--role", "arn:aws:iam::123456789012:instance-profile/x").is_(DONE, "not like a role's ARN")
    same(odd.text, f"PCR3 {pcr(b'arn:aws:iam::123456789012:instance-profile/x')}\n", "PCR3")
    run("pcr", "--instance", "i-123").is_(DONE, "not like an instance's ID")
    for words, err in ((("pcr",), "the image is missing"), (("pcr", "--role", ""), "an empty value"),
                       (("pcr", "a", "b"), "b: one argument too many"), (("pcr", "--json", "--policy", "a"), "two forms"),
                       (("sign",), "the image is missing"), (("sign", "a"), "--sign-key is missing"),
                       (("sign", "a", "--sign-key", "b"), "--sign-cert is missing"),
                       (("sign", "a", "--sign-key", "b", "--sign-cert", "c"), "--output is missing")):
        run(*words).is_(USAGE, err)
    with folder() as tmp:
        image(tmp / "x.eif")
        with open("/dev/full", "wb") as full:
            p = subprocess.run([MKEIF, "pcr", tmp / "x.eif"], stdout=full, stderr=subprocess.PIPE, check=False)
        same((p.returncode, p.stderr.decode()), (FILE, "mkeif: pcr: stdout: No space left on device\n"), "a full disk")
