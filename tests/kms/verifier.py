"""
An attestation document verified without our library: cbor2, and python3-cryptography for names, signatures and validity. It is
there to disagree with nsm/; what a reader has to refuse in the bytes is interop's matter.
"""

from datetime import datetime, timedelta, timezone
from functools import lru_cache

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import ExtensionOID

ES384 = -35
LEEWAY = timedelta(seconds=5)


class Untrue(Exception):
    """The document is not accepted; the words say why."""


def _require(good: object, why: str) -> None:
    if not good:
        raise Untrue(why)


@lru_cache(64)  # an NSM's chain is the same in all its documents, and its signatures take most of the time
def _signed_by(cert: x509.Certificate, issuer: x509.Certificate) -> None:
    key = issuer.public_key()
    _require(isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1), "a key of another kind")
    _require(cert.issuer == issuer.subject, "the names of the chain do not follow")
    _require(isinstance(cert.signature_hash_algorithm, hashes.SHA384), "a certificate is not signed by SHA-384")
    try:
        key.verify(cert.signature, cert.tbs_certificate_bytes, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        raise Untrue("the signature of a certificate is wrong") from None


@lru_cache(64)
def _read(der: bytes) -> tuple[x509.Certificate, x509.BasicConstraints, x509.KeyUsage]:
    """Threads may share the certificate, but for its extensions, which no two of them can read at a time."""
    cert = x509.load_der_x509_certificate(der)
    return (cert, cert.extensions.get_extension_for_oid(ExtensionOID.BASIC_CONSTRAINTS).value,
            cert.extensions.get_extension_for_oid(ExtensionOID.KEY_USAGE).value)


def _chain(ders: list[bytes], root: bytes, when: datetime) -> x509.Certificate:
    _require(ders[0] == root, "another root")
    read = [_read(der) for der in ders]
    certs = [cert for cert, _, _ in read]
    for at, (cert, basic, usage) in enumerate(read):
        _require(cert.not_valid_before - LEEWAY <= when <= cert.not_valid_after, f"certificate {at} is not valid at {when}")
        if cert is certs[-1]:
            _require(not basic.ca and usage.digital_signature, "the leaf may not sign documents")
        else:
            _require(basic.ca and usage.key_cert_sign, f"certificate {at} is no authority")
            below = len(certs) - 2 - at
            _require(basic.path_length is None or basic.path_length >= below, f"certificate {at} allows no such path")
        if at:
            _signed_by(cert, certs[at - 1])
    return certs[-1]


def verify(document: bytes, root: bytes, now: float) -> dict:
    """The payload. ROOT is DER, NOW seconds since 1970."""
    when = datetime.fromtimestamp(now, timezone.utc).replace(tzinfo=None)
    try:
        protected, _, payload, signature = cbor2.loads(document)
        fields = cbor2.loads(payload)
        _require(cbor2.loads(protected) == {1: ES384}, "it is not signed by ES384")
        _require(fields["digest"] == "SHA384" and len(signature) == 96, "another algorithm")
        leaf = _chain([*fields["cabundle"], fields["certificate"]], root, when)
    except (ValueError, KeyError, TypeError, x509.ExtensionNotFound, cbor2.CBORDecodeError) as e:
        raise Untrue(f"no attestation document: {e}") from None
    r, s = (int.from_bytes(half, "big") for half in (signature[:48], signature[48:]))
    key = leaf.public_key()
    _require(isinstance(key, ec.EllipticCurvePublicKey), "a leaf of another kind")
    try:
        key.verify(encode_dss_signature(r, s), cbor2.dumps(["Signature1", protected, b"", payload]), ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        raise Untrue("the signature of the document is wrong") from None
    _require(abs(fields["timestamp"] / 1000 - now) < 300, "the document is not of now")
    return fields
