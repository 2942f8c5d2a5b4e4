"""
A certificate authority as AWS's for the Nitro Enclaves, and attestation documents of it, good and
with any fault. Certificates and CBOR are written here, byte by byte, because libraries refuse to write
what is wrong; keys and signatures are python3-cryptography's.
"""

import hashlib
from calendar import timegm
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from time import gmtime, strftime, strptime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@cache
def seconds(text: str) -> int:
    """Of a time as 2026-01-01T12:00:00Z, since 1970."""
    return timegm(strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


NOW = seconds("2026-01-01T12:00:00Z")
HOUR, DAY = 3600, 86400
# The order of P-384's group (SEC 2, 2.5.1).
ORDER = int("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf"
            "581a0db248b0a77aecec196accc52973", 16)


# --- keys --------------------------------------------------------------------

class Key:
    """Of a name and a curve always the same one."""

    def __init__(self, name: str, curve: type[ec.EllipticCurve] = ec.SECP384R1) -> None:
        secret = int.from_bytes(hashlib.sha256(name.encode()).digest()[:30], "big")
        self.private = ec.derive_private_key(secret, curve())

    @cached_property
    def spki(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.DER,
                                                      PublicFormat.SubjectPublicKeyInfo)

    @cached_property
    def point(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.X962,
                                                      PublicFormat.UncompressedPoint)

    def sign(self, data: bytes, hash_: str = "SHA384") -> bytes:
        """DER."""
        return self.private.sign(data, ec.ECDSA(getattr(hashes, hash_)()))

    def sign_raw(self, data: bytes) -> bytes:
        r, s = decode_dss_signature(self.sign(data))
        return r.to_bytes(48, "big") + s.to_bytes(48, "big")


class RsaKey(Key):
    def __init__(self, bits: int = 2048) -> None:
        self.private = rsa.generate_private_key(65537, bits)

    def sign(self, data: bytes, hash_: str = "SHA384") -> bytes:
        return self.private.sign(data, padding.PKCS1v15(), getattr(hashes, hash_)())


@cache
def key(name: str) -> Key:
    return Key(name)


# --- DER ---------------------------------------------------------------------

def der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + body


def integer(n: int) -> bytes:
    return der(2, n.to_bytes(n.bit_length() // 8 + 1, "big"))


@cache
def oid(text: str) -> bytes:
    first, second, *rest = (int(n) for n in text.split("."))
    out = bytes([40 * first + second])
    for n in rest:
        septets = [n & 0x7f]
        while n := n >> 7:
            septets.insert(0, n & 0x7f | 0x80)
        out += bytes(septets)
    return der(6, out)


def when(t: int) -> bytes:
    """RFC 5280, 4.1.2.5: UTCTime to 2049, then GeneralizedTime."""
    if seconds("1950-01-01T00:00:00Z") <= t < seconds("2050-01-01T00:00:00Z"):
        return der(0x17, strftime("%y%m%d%H%M%SZ", gmtime(t)).encode())
    return der(0x18, strftime("%Y%m%d%H%M%SZ", gmtime(t)).encode())


RDN = {"CN": "2.5.4.3", "C": "2.5.4.6", "L": "2.5.4.7", "ST": "2.5.4.8", "O": "2.5.4.10",
       "OU": "2.5.4.11"}
Name = tuple[tuple[str, str], ...]


def name(n: Name) -> bytes:
    return der(0x30, *(der(0x31, der(0x30, oid(RDN[k]), der(0x13 if k == "C" else 0x0c, v.encode())))
                       for k, v in n))


def algorithm(words: str) -> bytes:
    """As "ecdsa SHA384": the AlgorithmIdentifier of a signature."""
    return {
        "ecdsa SHA1": der(0x30, oid("1.2.840.10045.4.1")),
        "ecdsa SHA256": der(0x30, oid("1.2.840.10045.4.3.2")),
        "ecdsa SHA384": der(0x30, oid("1.2.840.10045.4.3.3")),
        "ecdsa SHA512": der(0x30, oid("1.2.840.10045.4.3.4")),
        "rsa SHA384": der(0x30, oid("1.2.840.113549.1.1.12"), der(5)),
    }[words]


def extension(number: str, value: bytes, critical: bool = False) -> bytes:
    return der(0x30, oid(number), der(1, b"\xff") if critical else b"", der(4, value))


SIGNS, NON_REPUDIATION, ENCIPHERS, CERT_SIGN, CRL_SIGN = 0, 1, 2, 5, 6
AUTHORITY = (SIGNS, CERT_SIGN, CRL_SIGN)


def usage_bits(bits: tuple[int, ...]) -> bytes:
    """A named bit list: no zeros at its end."""
    if not bits:
        return der(3, b"\0")
    last = max(bits)
    n = sum(1 << 7 - b for b in bits)
    return der(3, bytes([7 - last % 8, n & 0xff]))


# --- certificates ------------------------------------------------------------

@dataclass(frozen=True)
class Cert:
    subject: Name
    key: Key
    not_before: int
    not_after: int
    issuer: Name = ()
    signer: Key | None = None
    serial: int = 0x0181d3dff86da7850000000062c599ae
    version: int = 3
    ca: bool | None = True             # None: no basicConstraints
    path_len: int | None = None
    ca_critical: bool = True
    usage: tuple[int, ...] | None = AUTHORITY
    usage_critical: bool = True
    key_ids: bool = False              # AKI and SKI
    crl: str = ""
    more: tuple[bytes, ...] = ()       # extensions
    signed: str = "ecdsa SHA384"       # what signs
    says: str = ""                     # what the outer algorithm says instead
    spki: bytes = b""                  # instead of the key's
    size: int = 0                      # to be padded to
    when_after: bytes = b""            # instead of not_after, encoded

    def extensions(self) -> list[bytes]:
        out = []
        if self.ca is not None:
            body = (der(1, b"\xff") if self.ca else b"") + (
                b"" if self.path_len is None else integer(self.path_len))
            out.append(extension("2.5.29.19", der(0x30, body), self.ca_critical))
        if self.key_ids:
            assert self.signer
            out += [extension("2.5.29.35", der(0x30, der(0x80, sha1(self.signer.spki)))),
                    extension("2.5.29.14", der(4, sha1(self.key.spki)))]
        if self.usage is not None:
            out.append(extension("2.5.29.15", usage_bits(self.usage), self.usage_critical))
        if self.crl:
            uri = der(0x86, self.crl.encode())
            out.append(extension("2.5.29.31", der(0x30, der(0x30, der(0xa0, der(0xa0, uri))))))
        return out + list(self.more)

    def tbs(self) -> bytes:
        extensions = self.extensions()
        return der(
            0x30, der(0xa0, integer(self.version - 1)) if self.version > 1 else b"",
            integer(self.serial), algorithm(self.signed), name(self.issuer),
            der(0x30, when(self.not_before), self.when_after or when(self.not_after)), name(self.subject),
            self.spki or self.key.spki,
            der(0xa3, der(0x30, *extensions)) if extensions and self.version == 3 else b"")

    def around(self, signature: bytes) -> bytes:
        """The certificate with that signature."""
        return der(0x30, self.tbs(), algorithm(self.says or self.signed), der(3, b"\0" + signature))

    def once(self) -> bytes:
        assert self.signer
        return self.around(self.signer.sign(self.tbs(), self.signed.split(" ")[1]))

    @property
    def der(self) -> bytes:
        """The same bytes for the same certificate, though ECDSA has random in it."""
        return encoded(self)

    def make(self) -> bytes:
        if not self.size:
            return self.once()
        # Half of the ECDSA signatures have 103 bytes, and hardly any has not one more or less: pad, and sign until it fits.
        for fill in range(max(self.size - len(self.once()) - 45, 0), self.size):
            pad = extension("1.3.6.1.4.1.55555.1", der(4, bytes(fill)))
            padded = replace(self, more=(*self.more, pad), size=0)
            for _ in range(100 if abs(self.size - len(padded.around(bytes(103)))) < 2 else 0):
                if len(out := padded.once()) == self.size:
                    return out
        raise AssertionError(f"no certificate of {self.size} bytes")


@cache
def encoded(cert: Cert) -> bytes:
    return cert.make()


def sha1(spki: bytes) -> bytes:
    """Of the key in an SPKI of P-384 or P-256 (RFC 5280, 4.2.1.2)."""
    return hashlib.sha1(spki[-97:]).digest()


REGION = "us-east-1.aws.nitro-enclaves"
INSTANCE = "i-07e25f3bada361dec"
MODULE_ID = f"{INSTANCE}-enc0181d3dff86da785"
ROOT = Cert((("C", "US"), ("O", "Amazon"), ("OU", "AWS"), ("CN", "aws.nitro-enclaves")),
            key("root"), seconds("2019-10-28T13:28:05Z"), seconds("2049-10-28T14:28:05Z"))
REGIONAL = Cert((("C", "US"), ("O", "Amazon"), ("OU", "AWS"), ("CN", f"b5047be985cdb597.{REGION}")),
                key("regional"), NOW - 7 * DAY, NOW + 13 * DAY, path_len=2, key_ids=True,
                crl="http://aws-nitro-enclaves-crl.s3.amazonaws.com/crl/"
                    "ab4960cc-7d63-42bd-9e9f-59338cb67f84.crl")
ZONAL = Cert((("CN", f"303c9a6d1e5745e8.zonal.{REGION}"), ("OU", "AWS"), ("O", "Amazon"),
              ("C", "US"), ("ST", "WA"), ("L", "Seattle")),
             key("zonal"), NOW - 2 * DAY, NOW + 4 * DAY, path_len=1, key_ids=True,
             crl="http://crl-us-east-1-aws-nitro-enclaves.s3.us-east-1.amazonaws.com/crl/"
                 "ccbe8c8d-7baa-4249-b1a9-c980e1d0fb7e.crl")
PLACE = (("C", "US"), ("ST", "Washington"), ("L", "Seattle"), ("O", "Amazon"), ("OU", "AWS"))
# With key identifiers since the middle of 2024.
INSTANCE_CA = Cert((*PLACE, ("CN", f"{INSTANCE}.{REGION}")), key("instance"), NOW - 5 * HOUR,
                   NOW + 19 * HOUR, path_len=0, usage=(CERT_SIGN,), key_ids=True)
LEAF = Cert((*PLACE, ("CN", f"{MODULE_ID}.us-east-1.aws"[:64])), key("leaf"), NOW - 3,
            NOW - 3 + 10803, ca=False, usage=(SIGNS, NON_REPUDIATION), usage_critical=False)
AS_AWS = (ROOT, REGIONAL, ZONAL, INSTANCE_CA, LEAF)


def authority(n: int, path_len: int | None = None) -> Cert:
    """One of many, below each other."""
    return Cert((("C", "US"), ("CN", f"authority {n}.{REGION}")), key(f"authority {n}"), NOW - DAY,
                NOW + DAY, path_len=path_len)


class Chain:
    """
    Certificates, each issued by the one before, unless it names a signer or an issuer itself. CHANGES:
    what is different in the certificate of that number, -1 is the leaf.
    """

    def __init__(self, certs: tuple[Cert, ...] = AS_AWS,
                 changes: dict[int, dict[str, object]] | None = None) -> None:
        changed = list(certs)
        for at, what in (changes or {}).items():
            changed[at] = replace(changed[at], **what)
        self.certs: list[Cert] = []
        for c in changed:
            before = self.certs[-1] if self.certs else c
            self.certs.append(replace(c, issuer=c.issuer or before.subject,
                                      signer=c.signer or before.key))
        # What is on another curve cannot sign as ES384; its chain is refused before that.
        own = self.certs[-1].key
        self.key = own if len(own.spki) == len(LEAF.key.spki) else LEAF.key

    @cached_property
    def ders(self) -> list[bytes]:
        return [c.der for c in self.certs]


@cache
def as_aws() -> Chain:
    return Chain()


# --- CBOR --------------------------------------------------------------------

def head(major: int, n: int, width: int = -1) -> bytes:
    """WIDTH: 0, 1, 2, 4 or 8 bytes of N behind the first byte; -1: the shortest."""
    if width < 0:
        width = next(w for w in (0, 1, 2, 4, 8) if n < (1 << 8 * w if w else 24))
    if width == 0:
        return bytes([major << 5 | n])
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26, 8: 27}[width]]) + n.to_bytes(width, "big")


NULL, UNDEFINED, TRUE, BREAK = b"\xf6", b"\xf7", b"\xf5", b"\xff"


def uint(n: int, width: int = -1) -> bytes:
    return head(0, n, width)


def negative(n: int) -> bytes:
    return head(1, -1 - n)


def octets(data: bytes, width: int = -1) -> bytes:
    return head(2, len(data), width) + data


def text(s: str, width: int = -1) -> bytes:
    return head(3, len(s.encode()), width) + s.encode()


def array(*items: bytes, count: int = -1, width: int = -1) -> bytes:
    return head(4, len(items) if count < 0 else count, width) + b"".join(items)


def pairs(items: list[tuple[bytes, bytes]], count: int = -1, width: int = -1) -> bytes:
    """A map, in that order, with keys that may come twice."""
    return head(5, len(items) if count < 0 else count, width) + b"".join(k + v for k, v in items)


# --- documents ---------------------------------------------------------------

def pcr_values(numbers: range = range(16), debug: bool = False) -> dict[int, bytes]:
    """As an NSM has them: PCR3, 5 to 15 zero; of debug mode all but PCR4."""
    zero = {3, *range(5, 16)} | ({0, 1, 2, 8} if debug else set())
    return {n: bytes(48) if n in zero else hashlib.sha384(b"PCR%d" % n).digest() for n in numbers}


def pcr_map(values: dict[int, bytes]) -> bytes:
    return pairs([(uint(n), octets(v)) for n, v in values.items()])


ORDER_OF_KEYS = ("module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle", "public_key",
                 "user_data", "nonce")


def fields(chain: Chain, **changes: bytes | None) -> dict[str, bytes]:
    """The payload's, encoded. CHANGES: of one; None: without it."""
    *bundle, leaf = chain.ders
    out: dict[str, bytes | None] = {
        "module_id": text(MODULE_ID), "digest": text("SHA384"), "timestamp": uint(NOW * 1000, 8),
        "pcrs": pcr_map(pcr_values()), "certificate": octets(leaf),
        "cabundle": array(*(octets(c) for c in bundle)), "public_key": NULL, "user_data": NULL,
        "nonce": NULL,
    }
    out.update(changes)
    return {k: v for k, v in out.items() if v is not None}


def open_pairs(items: list[tuple[bytes, bytes]]) -> bytes:
    """A map of indefinite length (RFC 8949, 3.2.2)."""
    return b"\xbf" + b"".join(k + v for k, v in items) + BREAK


def open_array(*items: bytes) -> bytes:
    return b"\x9f" + b"".join(items) + BREAK


# What an NSM signs: an open map since the middle of 2025, a definite one before.
FORMS = ("open", "definite")
FORM: ContextVar[str] = ContextVar("form", default="open")


def payload(f: dict[str, bytes], form: str = "") -> bytes:
    items = [(text(k), v) for k, v in f.items()]
    return open_pairs(items) if (form or FORM.get()) == "open" else pairs(items)


ES384 = pairs([(uint(1), negative(-35))])


def to_be_signed(protected: bytes, body: bytes) -> bytes:
    """RFC 8152, 4.4."""
    return array(text("Signature1"), octets(protected), octets(b""), octets(body))


Edit = Callable[[bytes], bytes]


def same(data: bytes) -> bytes:
    return data


@dataclass
class Document:
    """Encoded parts of a COSE_Sign1; what is set by hand is not what was signed."""

    body: bytes
    key: Key = field(default_factory=lambda: LEAF.key)
    protected: bytes = ES384           # as signed
    before: bytes = b""                # a tag
    unprotected: bytes = b"\xa0"
    after: bytes = b""
    signature: Edit = same             # of r and s
    # Encoded, in place of what was signed:
    sent_protected: bytes | None = None
    sent_payload: bytes | None = None
    sent_signature: bytes | None = None
    elements: Callable[[list[bytes]], bytes] = lambda e: array(*e)

    @cached_property
    def parts(self) -> list[bytes]:
        signed = self.signature(self.key.sign_raw(to_be_signed(self.protected, self.body)))
        return [
            octets(self.protected) if self.sent_protected is None else self.sent_protected,
            self.unprotected,
            octets(self.body) if self.sent_payload is None else self.sent_payload,
            octets(signed) if self.sent_signature is None else self.sent_signature,
        ]

    def bytes(self) -> bytes:
        return self.before + self.elements(self.parts) + self.after


def document(chain: Chain | None = None, form: str = "", **changes: bytes | None) -> bytes:
    """A good one by CHAIN, of FORM, but for CHANGES to its fields."""
    chain = chain or as_aws()
    return Document(payload(fields(chain, **changes), form), chain.key).bytes()


def nitrotpm_document(chain: Chain | None = None, **changes: bytes | None) -> bytes:
    """As an instance's NitroTPM has it: other PCRs, and another name."""
    values = {n: bytes(48) if n > 15 else hashlib.sha384(b"TPM PCR%d" % n).digest() for n in range(24)}
    changes.setdefault("nitrotpm_pcrs", pcr_map(values))
    return document(chain, pcrs=None, module_id=text(f"{INSTANCE}-tpm0000000000000000"), **changes)


def signed(body: bytes | None = None, chain: Chain | None = None, **cose: object) -> bytes:
    """A good one, but for COSE: what Document knows."""
    chain = chain or as_aws()
    cose.setdefault("key", chain.key)
    return Document(payload(fields(chain)) if body is None else body, **cose).bytes()


def all_open(chain: Chain | None = None) -> bytes:
    """All maps and arrays of it are of indefinite length, those that nobody knows too."""
    chain = chain or as_aws()
    *bundle, leaf = chain.ders
    body = payload(fields(chain, pcrs=open_pairs([(uint(n), octets(v)) for n, v in pcr_values().items()]),
                          cabundle=open_array(*(octets(c) for c in bundle)),
                          x=open_array(open_pairs([(text("a"), array(uint(1), open_array()))]), NULL)), "open")
    return Document(body, chain.key, protected=open_pairs([(uint(1), negative(-35))]), unprotected=open_pairs([]),
                    elements=lambda e: open_array(*e)).bytes()


def seeds() -> dict[str, bytes]:
    """Documents for tests/fuzz/doc, which is made anew by running this file."""
    alone = Chain((ROOT, LEAF))
    zero = octets(bytes(64))
    return {
        "aws": document(public_key=octets(LEAF.key.spki), nonce=octets(b"nonce"), user_data=octets(b"")),
        "tagged": signed(before=b"\xd2", chain=alone),
        "alone": document(alone, pcrs=pcr_map(pcr_values(range(0, 32, 15)))),
        "unknown": document(alone, pcrs=pcr_map(pcr_values(range(1))),
                            x=array(NULL, pairs([(text("a"), head(6, 1) + uint(5))]))),
        "qemu": Document(payload(fields(alone, certificate=zero, cabundle=array(zero)), "definite"),
                         protected=b"\xa1\x01\x20", sent_signature=zero).bytes(),
        "definite": document(alone, "definite", public_key=octets(b"")),
        "nitrotpm": nitrotpm_document(alone),
        "all-open": all_open(alone),
    }


if __name__ == "__main__":
    for seed, data in seeds().items():
        (Path(__file__).parents[1] / "fuzz/doc" / seed).write_bytes(data)
