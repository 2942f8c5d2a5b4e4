"""
Certificates for a server that says it is KMS: chains in the shapes that AWS's have, below five roots of our own in the place of
Amazon's, and each chain that a client has to refuse.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from images.debian import cached

DAY = 86400


_making = threading.Lock()


def key(kind: str, name: str) -> object:
    """NAME's, made once. KIND: rsaN with N bits, p256, p384."""
    with _making:
        return _key(kind, name)


@cache
def _key(kind: str, name: str) -> object:
    """Those of RSA stay in the project's cache: the five roots and their like take ten seconds."""
    if not kind.startswith("rsa"):
        return ec.generate_private_key({"p256": ec.SECP256R1, "p384": ec.SECP384R1}[kind]())

    def make(path: Path) -> None:
        (path / "key.pem").write_bytes(
            rsa.generate_private_key(65537, int(kind[3:])).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path = cached(f"key-{kind}", make, "key.pem", name) / "key.pem"
    # It was checked when it was made, and to check a large one takes half a second in each process. From 39 on
    # python3-cryptography has a parameter for it.
    backend = default_backend()
    backend._rsa_skip_check_key = True
    try:
        return load_pem_private_key(path.read_bytes(), None)
    finally:
        backend._rsa_skip_check_key = False


def _name(cn: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "US"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests"),
                      x509.NameAttribute(NameOID.COMMON_NAME, cn)])


@dataclass(frozen=True)
class Cert:
    """What a certificate has. DAYS: its validity, from and to, relative to now."""

    name: str
    kind: str
    days: tuple[float, float] = (-30, 300)
    ca: bool = True
    path_len: int | None = None
    digest: str = "SHA256"
    hosts: tuple[str, ...] = ()
    usage: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
    signs: bool = True  # keyCertSign, for an authority


def key_of(cert: Cert) -> object:
    """Servers share theirs, of whatever name they are."""
    return key(cert.kind, "server" if cert.hosts else cert.name)


@cache
def root(cert: Cert, day: int) -> bytes:
    """PEM. Of all certificates these alone take long to sign, and no test needs two of one."""
    return made(cert, cert, day * DAY).public_bytes(Encoding.PEM)


def made(cert: Cert, issuer: Cert, now: float) -> x509.Certificate:
    at = datetime.fromtimestamp(now, timezone.utc).replace(tzinfo=None, microsecond=0)
    own, signer = key_of(cert), key_of(issuer)
    builder = x509.CertificateBuilder(
        _name(issuer.name), _name(cert.name), own.public_key(), x509.random_serial_number(),
        at + timedelta(days=cert.days[0]), at + timedelta(days=cert.days[1]))
    usage = {n: False for n in ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
                                "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")}
    if cert.ca:
        usage |= {"digital_signature": True, "key_cert_sign": cert.signs, "crl_sign": True}
    else:
        usage |= {"digital_signature": True, "key_encipherment": cert.kind.startswith("rsa")}
    for extension, critical in (
            (x509.BasicConstraints(cert.ca, cert.path_len if cert.ca else None), True), (x509.KeyUsage(**usage), True),
            (x509.SubjectKeyIdentifier.from_public_key(own.public_key()), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)):
        builder = builder.add_extension(extension, critical)
    if cert.hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(h) for h in cert.hosts]), False)
    if not cert.ca and cert.usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(cert.usage)), False)
    return builder.sign(signer, getattr(hashes, cert.digest)())


# Amazon's five, by their keys; the last one has signed the first, and one that nobody trusts any more has signed the last.
ROOTS = tuple(Cert(f"Test Root {n}", kind, (-3650, 3650)) for n, kind in
              ((1, "rsa2048"), (2, "rsa4096"), (3, "p256"), (4, "p384"))) + (
    Cert("Test Services Root - G2", "rsa2048", (-3650, 3650)),)
CLASS_2 = Cert("Test Class 2", "rsa2048", (-3650, 3650))
FOREIGN = Cert("Foreign Root", "rsa2048", (-3650, 3650))
PATH_OF_ROOT = {1: ROOTS[0], 2: ROOTS[1], 3: ROOTS[2], 4: ROOTS[3], 5: ROOTS[4]}


@dataclass
class Shape:
    """A chain: the leaf's and the intermediate's changes, the root, and what is sent besides (cross-signed roots)."""

    root: int = 1
    kind: str = "rsa2048"
    leaf: dict = field(default_factory=dict)
    middle: dict = field(default_factory=dict)
    sent: Callable[[list], list] = list       # of leaf, intermediate
    cross: bool = False
    foreign: bool = False


GOOD = {
    "rsa": Shape(),
    "rsa4096": Shape(root=2),
    "ecdsa": Shape(root=3, kind="p256"),
    "ecdsa384": Shape(root=4, kind="p384"),
    "mixed": Shape(root=1, leaf={"kind": "p256"}),            # an ECDSA leaf below RSA
    "five": Shape(cross=True),                                # as ACM sends it: leaf, intermediate, root 1 by G2, G2 by Class 2
    "wildcard": Shape(leaf={"hosts": ("*.eu-west-1.amazonaws.com",)}),
    "other-order": Shape(cross=True, sent=lambda c: [c[0], *reversed(c[1:])]),
}
BAD = {
    "expired": Shape(leaf={"days": (-60, -0.01)}),
    "not-yet": Shape(leaf={"days": (0.02, 300)}),
    "expired-intermediate": Shape(middle={"days": (-60, -0.01)}),
    "wrong-name": Shape(leaf={"hosts": ("kms.eu-west-2.amazonaws.com",)}),
    "name-in-cn-only": Shape(leaf={"hosts": ("localhost",), "name": "kms.eu-west-1.amazonaws.com"}),
    "wildcard-too-wide": Shape(leaf={"hosts": ("*.amazonaws.com",)}),
    "wrong-root": Shape(foreign=True),
    "self-signed": Shape(sent=lambda c: c),                    # made in Pki.chain
    "no-intermediate": Shape(sent=lambda c: c[:1]),
    "md5": Shape(leaf={"digest": "MD5"}),
    "sha1": Shape(leaf={"digest": "SHA1"}),
    "sha1-intermediate": Shape(middle={"digest": "SHA1"}),
    "rsa1024": Shape(leaf={"kind": "rsa1024"}),
    "client-usage": Shape(leaf={"usage": (ExtendedKeyUsageOID.CLIENT_AUTH,)}),
    "intermediate-is-no-ca": Shape(middle={"ca": False}),
    "intermediate-may-not-sign": Shape(middle={"signs": False}),
}


class Pki:
    def __init__(self, host: str, now: float, roots: int = 0) -> None:
        """ROOTS: the number of the only one that is trusted; 0: all five."""
        self.host, self.now = host, now
        self.trusted = [PATH_OF_ROOT[roots]] if roots else list(ROOTS)

    @property
    def bundle(self) -> bytes:
        """The roots, PEM, for --ca."""
        return b"".join(root(r, int(self.now // DAY)) for r in self.trusted)

    def chain(self, name: str, leaf: dict | None = None) -> tuple[bytes, bytes]:
        """Certificates and key of the shape NAME, PEM. LEAF: more changes to the leaf's. In one minute they are the same."""
        return _pems(name, self.host, int(self.now // 60), tuple((leaf or {}).items()))


@cache
def _pems(name: str, host: str, minute: int, leaf: tuple[tuple[str, object], ...]) -> tuple[bytes, bytes]:
    shape, now = {**GOOD, **BAD}[name], minute * 60
    root = FOREIGN if shape.foreign else PATH_OF_ROOT[shape.root]
    middle = Cert(**{"name": f"Test RSA M0{shape.root}", "kind": shape.kind, "days": (-1000, 1000), "path_len": 0,
                     **shape.middle})
    end = Cert(**{"name": host, "kind": shape.kind, "ca": False, "hosts": (host, f"dualstack.{host}"),
                  **shape.leaf, **dict(leaf)})
    certs = [made(end, end if name == "self-signed" else middle, now)]
    if name != "self-signed":
        certs.append(made(middle, root, now))
    if shape.cross:
        certs += [made(root, ROOTS[4], now), made(ROOTS[4], CLASS_2, now)]
    pem = b"".join(c.public_bytes(Encoding.PEM) for c in shape.sent(certs))
    return pem, key_of(end).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
