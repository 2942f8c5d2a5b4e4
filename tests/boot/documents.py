"""Attestation documents of the emulated NSM, verified by python3-cryptography and openssl alone."""

import subprocess
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID

from .lib import check, same

KEYS = ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle", "public_key", "user_data", "nonce"]
AUTHORITY = {"digital_signature", "key_cert_sign", "crl_sign"}
BASIC, USAGE, SKI, AKI, CRL = (ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE,
                               ExtensionOID.SUBJECT_KEY_IDENTIFIER, ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
                               ExtensionOID.CRL_DISTRIBUTION_POINTS)


@dataclass
class Level:
    """What AWS's certificates have, root first: seconds, pathLen, usage, extensions in their order."""
    seconds: tuple[int, int]
    path_len: int | None
    usage: set[str]
    extensions: list[x509.ObjectIdentifier]


HOUR, DAY = 3600, 86400
LEVELS = [
    Level((30 * 365 * DAY, 31 * 365 * DAY), None, AUTHORITY, [BASIC, SKI, USAGE]),
    Level((20 * DAY, 21 * DAY), 2, AUTHORITY, [BASIC, AKI, SKI, USAGE, CRL]),
    Level((5 * DAY, 7 * DAY), 1, AUTHORITY, [BASIC, AKI, SKI, USAGE, CRL]),
    Level((DAY, DAY), 0, {"key_cert_sign"}, [BASIC, USAGE, SKI, AKI]),
    Level((10803, 10803), None, {"digital_signature", "content_commitment"}, [BASIC, USAGE]),
]


@dataclass
class Document:
    fields: dict
    form: str  # of the payload's map: "open" or "definite"
    certs: list[x509.Certificate]  # the root first, the leaf last

    @property
    def when(self) -> datetime:
        """In UTC, as the certificates have it."""
        return datetime.fromtimestamp(self.fields["timestamp"] / 1000, timezone.utc).replace(tzinfo=None)


def name_of(cert: x509.Certificate) -> str:
    return str(cert.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def verified(raw: bytes, root: Path) -> Document:
    """
    The document, after all checks: bytes as AWS writes them, the chain from the root in that file, by
    openssl, at the document's time, what each certificate may do, and the signature.
    """
    same(raw[:7].hex(), "8444a1013822a0", "the first bytes")
    protected, unprotected, payload, signature = cbor2.loads(raw)
    same(len(signature), 96, "bytes of the signature")
    same(raw, bytes.fromhex("8444a1013822a059") + len(payload).to_bytes(2, "big") + payload + b"\x58\x60" + signature,
         "the document")
    form = {0xbf: "open", 0xa9: "definite"}.get(payload[0], "none")
    fields = cbor2.loads(payload)
    same(list(fields), KEYS, "keys")
    again = b"".join(cbor2.dumps(k) + (b"\x1b" + v.to_bytes(8, "big") if k == "timestamp" else cbor2.dumps(v))
                     for k, v in fields.items())
    same(payload, b"\xbf" + again + b"\xff" if form == "open" else b"\xa9" + again, "the payload")

    ders = [*fields["cabundle"], fields["certificate"]]
    certs = [x509.load_der_x509_certificate(der) for der in ders]
    same(certs[0], x509.load_pem_x509_certificate(root.read_bytes()), "the root")
    d = Document(fields, form, certs)
    same(len(certs), len(LEVELS), "certificates")
    for at, (cert, der, level) in enumerate(zip(certs, ders, LEVELS)):
        expect_certificate(f"certificate {at}", d, cert, der, level)
    verify_chain(d, root)

    r, s = signature[:48], signature[48:]
    to_be_signed = cbor2.dumps(["Signature1", protected, b"", payload])
    leaf = certs[-1].public_key()
    assert isinstance(leaf, ec.EllipticCurvePublicKey)
    leaf.verify(encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big")), to_be_signed,
                ec.ECDSA(hashes.SHA384()))
    return d


def expect_certificate(what: str, d: Document, cert: x509.Certificate, der: bytes, level: Level) -> None:
    check(len(der) <= 1024, f"{what} has {len(der)} bytes")
    same(cert.version, x509.Version.v3, f"{what}: version")
    key = cert.public_key()
    check(isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp384r1", f"{what}: no P-384 key")
    least, most = level.seconds
    lifetime = (cert.not_valid_after - cert.not_valid_before).total_seconds()
    check(least <= lifetime <= most, f"{what}: a lifetime of {lifetime} s")
    check(cert.not_valid_before <= d.when <= cert.not_valid_after - timedelta(seconds=1), f"{what} is not valid")
    same([e.oid for e in cert.extensions], level.extensions, f"{what}: extensions")
    basic = cert.extensions.get_extension_for_oid(BASIC)
    is_leaf = cert is d.certs[-1]
    same((basic.critical, basic.value.ca, basic.value.path_length), (True, not is_leaf, level.path_len),
         f"{what}: basic constraints")
    usage = cert.extensions.get_extension_for_oid(USAGE)
    uses = {name for name in ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
                              "key_agreement", "key_cert_sign", "crl_sign") if getattr(usage.value, name)}
    same((usage.critical, uses), (not is_leaf, level.usage), f"{what}: key usage")


def verify_chain(d: Document, root: Path) -> None:
    with tempfile.TemporaryDirectory() as tmp:
        for name, certs in (("authorities", d.certs[1:-1]), ("leaf", d.certs[-1:])):
            Path(tmp, name).write_text("".join(pem(c) for c in certs))
        done = subprocess.run(["openssl", "verify", "-CAfile", root, "-untrusted", f"{tmp}/authorities",
                               "-attime", str(d.fields["timestamp"] // 1000), f"{tmp}/leaf"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    same(done.returncode, 0, f"openssl verify: {done.stdout}")


def pem(cert: x509.Certificate) -> str:
    return cert.public_bytes(Encoding.PEM).decode()
