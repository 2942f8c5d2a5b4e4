"""
CiphertextForRecipient in every form that KMS has used or a reader has to take: CMS EnvelopedData (RFC 5652) with one
recipient, RSAES-OAEP with SHA-256, AES-256-CBC.
"""

import hashlib
import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import load_der_public_key

from interop.ca import der, integer, name, oid

OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
ENVELOPED, DATA, AES_256_CBC = "1.2.840.113549.1.7.3", "1.2.840.113549.1.7.1", "2.16.840.1.101.3.4.1.42"
SHA_256 = der(0x30, oid("2.16.840.1.101.3.4.2.1"), der(5))
ALGORITHM = der(0x30, oid("1.2.840.113549.1.1.7"), der(
    0x30, der(0xa0, SHA_256), der(0xa1, der(0x30, oid("1.2.840.113549.1.1.8"), SHA_256))))
END = bytes(2)


def indefinite(tag: int, *parts: bytes) -> bytes:
    return bytes([tag, 0x80]) + b"".join(parts) + END


def chunks(data: bytes, *sizes: int) -> bytes:
    """OCTET STRINGs of these sizes; the last one has the rest."""
    out = b""
    for size in sizes:
        out += der(4, data[:size])
        data = data[size:]
    return out + (der(4, data) if data else b"")


# What encloses the levels, and what holds the ciphertext: A to E as FORMS names them.
FORMS = {
    "A": (indefinite, lambda c: indefinite(0xa0, chunks(c))),         # KMS's first one
    "B": (indefinite, lambda c: indefinite(0xa0, chunks(c, 16, 24))),
    "C": (der, lambda c: der(0x80, c)),                               # DER
    "D": (der, lambda c: der(0xa0, chunks(c, len(c) - 16))),
    "E": (indefinite, lambda c: der(0x80, c)),                        # KMS's second one
    "localstack": (der, lambda c: der(0x80, c)),
}
KMS = ("A", "E")


def sealed(plaintext: bytes, spki: bytes, form: str = "A", cek: bytes | None = None, iv: bytes | None = None) -> bytes:
    """PLAINTEXT for the RSA key whose SubjectPublicKeyInfo is SPKI."""
    key = load_der_public_key(spki)
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("no RSA key")
    cek, iv = cek or os.urandom(32), iv or os.urandom(16)
    pad = 16 - len(plaintext) % 16
    encryptor = Cipher(algorithms.AES(cek), modes.CBC(iv)).encryptor()
    encrypted = encryptor.update(plaintext + bytes([pad]) * pad) + encryptor.finalize()
    level, content = FORMS[form]
    if form == "localstack":  # RFC 5652, 6.1 and 6.2.1: the versions follow from how the recipient is named
        version, recipient = 0, der(0x30, name((("CN", "recipient"),)), integer(1))
    else:
        version, recipient = 2, der(0x80, hashlib.sha256(spki).digest())
    info = der(0x31, der(0x30, integer(version), recipient, ALGORITHM, der(4, key.encrypt(cek, OAEP))))
    return level(0x30, oid(ENVELOPED), level(0xa0, level(
        0x30, integer(version), info, level(0x30, oid(DATA), der(0x30, oid(AES_256_CBC), der(4, iv)), content(encrypted)))))
