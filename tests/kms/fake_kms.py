"""
A KMS that keeps to what AWS's is known to do, and does each thing wrong that it is asked to: TLS with chains of pki.py, signatures
recomputed by botocore and no older than five minutes, attestation documents verified by our `nsm verify` and by verifier.py, key
policies of policy.py, answers in any form of cms.py.

    with FakeKms(nsm_root=nsm.root.read_bytes()) as kms:
        key = kms.new_key()
        blob = kms.encrypt(key, b"secret", {"app": "orders"})
        kms.faults.append("plaintext-instead")   # of the next answer; FAULTS has the names

What AWS does not document is a choice of ours, marked "ours:". As a program it keeps its keys in a directory:

    fake_kms.py new DIR                  a key; prints its ARN
    fake_kms.py policy DIR FILE          sets the key's policy
    fake_kms.py encrypt DIR NAME=VALUE...   stdin to stdout, a CiphertextBlob in base64
    fake_kms.py serve DIR NSM-ROOT ADDRESS  serves at 127.0.0.1:PORT or at the UNIX socket of that path; DIR/ca.pem is its root,
                                         another one at each start; a policy counts from the next request on
"""

import base64
import binascii
import contextlib
import hmac
import json
import os
import re
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from email.utils import formatdate
from hashlib import sha256
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (Encoding, NoEncryption, PrivateFormat, PublicFormat,
                                                          load_der_private_key, load_der_public_key)

import wheels
from kms import cms, pki, policy, verifier
from suite import TOP

wheels.use("boto3")
from botocore.auth import SigV4Auth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.credentials import Credentials as BotoCredentials  # noqa: E402

REGION, ACCOUNT = "eu-west-1", "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/enclave"
SKEW_S = 300
HEAD_MAX, BODY_MAX = 65536, 1 << 20
NSM = TOP / "build" / os.uname().machine / "nsm"
# Where the secret is in an answer without Recipient.
SECRET_OF = {"Decrypt": "Plaintext", "GenerateDataKey": "Plaintext", "GenerateDataKeyPair": "PrivateKeyPlaintext",
             "GenerateRandom": "Plaintext", "DeriveSharedSecret": "SharedSecret"}
CURVES = {"ECC_NIST_P256": ec.SECP256R1, "ECC_NIST_P384": ec.SECP384R1, "ECC_NIST_P521": ec.SECP521R1,
          "ECC_SECG_P256K1": ec.SECP256K1}
ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}]}


class Error(Exception):
    """An answer of KMS that is none of success."""

    def __init__(self, code: str, message: str | None = None, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status


@dataclass
class Credential:
    secret: str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    token: str | None = None
    principal: str = ROLE
    expired: bool = False


@dataclass
class Key:
    arn: str
    spec: str = "SYMMETRIC_DEFAULT"
    usage: str = "ENCRYPT_DECRYPT"
    material: bytes = b""           # of AES, or PKCS#8
    policy: dict = field(default_factory=lambda: ALLOW_ALL)
    aliases: tuple[str, ...] = ()
    state: str = "Enabled"

    @property
    def material_id(self) -> str:
        return sha256(b"id" + self.material).hexdigest()

    @property
    def private(self) -> object:
        return load_der_private_key(self.material, None)

    @property
    def public_der(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass
class Seen:
    """A request as it came, and what became of it."""

    at: float
    target: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)  # of the headers, as written
    raw: bytes = b""
    body: dict = field(default_factory=dict)
    status: int = 0
    code: str = ""
    document: dict | None = None
    fault: str = ""
    connection: int = 0
    principal: str = ""
    request_id: str = ""


@dataclass
class Answer:
    status: int
    members: dict
    headers: dict[str, str]
    seen: Seen
    secret: bytes = b""
    body: bytes | None = None       # instead of the members

    def bytes(self) -> bytes:
        body = json.dumps(self.members, separators=(",", ":")).encode() if self.body is None else self.body
        headers = {**self.headers, "Content-Length": str(len(body))}
        return http(self.status, headers, body)


def http(status: int, headers: dict[str, str] | list[tuple[str, str]], body: bytes) -> bytes:
    words = {200: "OK", 400: "Bad Request", 403: "Forbidden", 429: "Too Many Requests", 500: "Internal Server Error",
             502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}
    pairs = headers.items() if isinstance(headers, dict) else headers
    head = "".join(f"{k}: {v}\r\n" for k, v in pairs)
    return f"HTTP/1.1 {status} {words.get(status, 'Status')}\r\n{head}\r\n".encode("latin-1") + body


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def date_of(text: str) -> float:
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()


def amz_date(t: float) -> str:
    return datetime.fromtimestamp(t, timezone.utc).strftime("%Y%m%dT%H%M%SZ")


# --- faults ------------------------------------------------------------------

def _other_key(kms: "FakeKms", a: Answer) -> None:
    a.members["KeyId"] = a.members["KeyId"][:-12] + "0" * 12


def _plaintext_instead(kms: "FakeKms", a: Answer) -> None:
    del a.members["CiphertextForRecipient"]
    a.members[SECRET_OF[a.seen.target]] = b64(a.secret)


def _plaintext_too(kms: "FakeKms", a: Answer) -> None:
    a.members[SECRET_OF[a.seen.target]] = b64(a.secret)


def _for_other_key(kms: "FakeKms", a: Answer) -> None:
    spki = pki.key("rsa2048", "another recipient").public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    a.members["CiphertextForRecipient"] = b64(cms.sealed(a.secret, spki, kms.form))


def _substituted(kms: "FakeKms", a: Answer) -> None:
    """For the right key, but not KMS's: what whoever sees a document can make."""
    a.members["CiphertextForRecipient"] = b64(cms.sealed(b"chosen by the parent", kms.recipient_of(a.seen), kms.form))


def _nothing(kms: "FakeKms", a: Answer) -> None:
    a.members["CiphertextForRecipient"] = b64(cms.sealed(b"", kms.recipient_of(a.seen), kms.form))


def _changed_cms(change: Callable[[bytes], bytes]) -> Callable[["FakeKms", Answer], None]:
    def edit(kms: "FakeKms", a: Answer) -> None:
        a.members["CiphertextForRecipient"] = b64(change(base64.b64decode(a.members["CiphertextForRecipient"])))
    return edit


def _set(**members: object) -> Callable[["FakeKms", Answer], None]:
    return lambda kms, a: a.members.update(members)


def _without(name: str) -> Callable[["FakeKms", Answer], None]:
    return lambda kms, a: a.members.pop(name) and None


def _body(make: Callable[[bytes], bytes], **headers: str) -> Callable[["FakeKms", Answer], None]:
    """MAKE changes the JSON's bytes."""
    def edit(kms: "FakeKms", a: Answer) -> None:
        a.body = make(json.dumps(a.members).encode())
        a.headers.update(headers)
    return edit


def _padded(size: int) -> Callable[[bytes], bytes]:
    """JSON of SIZE bytes, by a member that nobody knows."""
    return lambda b: b[:-1] + b',"Unknown":"' + b"x" * (size - len(b) - 13) + b'"}'


def _nested(b: bytes) -> bytes:
    return b[:-1] + b',"Unknown":' + b'{"a":' * 40 + b"1" + b"}" * 40 + b"}"


# These change an answer before it is bytes.
ANSWER_FAULTS: dict[str, Callable[["FakeKms", Answer], None]] = {
    "plaintext-instead": _plaintext_instead,
    "plaintext-too": _plaintext_too,
    "plaintext-null": lambda kms, a: a.members.update({SECRET_OF[a.seen.target]: None}),
    "plaintext-empty": lambda kms, a: a.members.update({SECRET_OF[a.seen.target]: ""}),
    "other-key-id": _other_key,
    "no-key-id": _without("KeyId"),
    "key-id-null": _set(KeyId=None),
    "key-id-number": _set(KeyId=7),
    "no-ciphertext-for-recipient": _without("CiphertextForRecipient"),
    "ciphertext-for-recipient-null": _set(CiphertextForRecipient=None),
    "ciphertext-for-recipient-empty": _set(CiphertextForRecipient=""),
    "not-base64": _set(CiphertextForRecipient="!!!!"),
    "base64-unpadded": lambda kms, a: a.members.update(
        CiphertextForRecipient=a.members["CiphertextForRecipient"].rstrip("=")[:-1]),
    "cms-too-long": _set(CiphertextForRecipient=b64(bytes(6145))),
    "cms-for-other-key": _for_other_key,
    "cms-substituted": _substituted,
    "cms-of-nothing": _nothing,
    "cms-cut": _changed_cms(lambda c: c[:-9]),
    "cms-trailing": _changed_cms(lambda c: c + b"\0"),
    "cms-damaged": _changed_cms(lambda c: c[:200] + bytes([c[200] ^ 1]) + c[201:]),
    "cms-garbage": _changed_cms(lambda c: os.urandom(len(c))),
    "other-algorithm": _set(EncryptionAlgorithm="RSAES_OAEP_SHA_1"),
    "unknown-members": _set(Unknown={"a": [1, None, True, "x", {"b": 1.5}]}),
    "escaped": _body(lambda b: b.replace(b"/", b"\\/").replace(b"KeyId", b"\\u004beyId")),
    "duplicate-member": _body(lambda b: b[:-1] + b',"KeyId":"arn:aws:kms:eu-west-1:111122223333:key/x"}'),
    "duplicate-ciphertext": _body(lambda b: b[:-1] + b',"CiphertextForRecipient":"AAAA"}'),
    "nested": _body(_nested),
    "cut-json": _body(lambda b: b[:-5]),
    "trailing-json": _body(lambda b: b + b"{}"),
    "array": _body(lambda b: b"[" + b + b"]"),
    "empty-body": _body(lambda b: b""),
    "no-json": _body(lambda b: b"OK"),
    "bad-utf8": _body(lambda b: b[:-1] + b',"Unknown":"\xff\xfe"}'),
    "nul-in-json": _body(lambda b: b[:-1] + b',"Unknown":"\0"}'),
    "html": _body(lambda b: b"<html><body>It works!</body></html>", **{"Content-Type": "text/html"}),
    "record-16k": _body(_padded(16384)),
    "body-60k": _body(_padded(60000)),
    "body-too-large": _body(_padded(70000)),
    "no-request-id": lambda kms, a: a.headers.pop("x-amzn-RequestId") and None,
}


def _headers(raw: bytes) -> tuple[bytes, bytes]:
    head, _, body = raw.partition(b"\r\n\r\n")
    return head + b"\r\n", body


def _with(line: bytes) -> Callable[[bytes], bytes]:
    def edit(raw: bytes) -> bytes:
        head, body = _headers(raw)
        return head + line + b"\r\n\r\n" + body
    return edit


def _length(change: Callable[[int], object]) -> Callable[[bytes], bytes]:
    return lambda raw: re.sub(rb"Content-Length: (\d+)", lambda m: b"Content-Length: " + str(change(int(m[1]))).encode(), raw)


def _without_length(raw: bytes) -> bytes:
    return re.sub(rb"Content-Length: \d+\r\n", b"", raw)


def _chunked(raw: bytes, size: int = 100, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    head, body = _headers(_without_length(raw))
    parts = [body[i:i + size] for i in range(0, len(body), size)]
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"%x%s\r\n%s\r\n" % (len(p), extension, p) for p in parts) + b"0\r\n" + trailer + b"\r\n"


# These change the bytes of an answer.
BYTES_FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "chunked": _chunked,
    "chunked-bytewise": lambda raw: _chunked(raw, 1),
    "chunked-extension": lambda raw: _chunked(raw, 64, b";name=value", b"X-Trailer: x\r\n"),
    "chunked-cut": lambda raw: _chunked(raw)[:-7],
    "chunked-bad-size": lambda raw: _chunked(raw).replace(b"\r\n64\r\n", b"\r\nzz\r\n", 1),
    "chunked-huge-size": lambda raw: _chunked(raw).replace(b"\r\n64\r\n", b"\r\nffffffffffffffff\r\n", 1),
    "chunked-too-huge-size": lambda raw: _chunked(raw).replace(b"\r\n64\r\n", b"\r\n1ffffffffffffffff\r\n", 1),
    "chunked-and-length": lambda raw: _chunked(raw).replace(b"Transfer-Encoding", b"Content-Length: 10\r\nTransfer-Encoding", 1),
    "truncated": lambda raw: raw[:-20],
    "length-too-long": _length(lambda n: n + 10),
    "length-too-short": _length(lambda n: n - 10),
    "length-zero": _length(lambda n: 0),
    "length-negative": _length(lambda n: -n),
    "length-huge": _length(lambda n: 1 << 70),
    "length-twice": lambda raw: _with(b"Content-Length: 7")(raw),
    "length-no-number": _length(lambda n: "0x10"),
    "no-length": _without_length,            # ends with the connection
    "pipelined": lambda raw: raw + raw,
    "informational-first": lambda raw: b"HTTP/1.1 100 Continue\r\n\r\n" + raw,
    "header-lines-101": lambda raw: _with(b"\r\n".join(b"X-%d: x" % n for n in range(101)))(raw),
    "header-16k": lambda raw: _with(b"X-Long: " + b"x" * 16384)(raw),
    "header-folded": _with(b"X-Folded: a\r\n b"),
    "header-without-colon": _with(b"nonsense"),
    "header-nul": _with(b"X-Nul: a\0b"),
    "header-only": lambda raw: _headers(raw)[0],
    "http-1.0": lambda raw: raw.replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "http-2": lambda raw: raw.replace(b"HTTP/1.1", b"HTTP/2", 1),
    "no-http": lambda raw: b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "lf-only": lambda raw: raw.replace(b"\r\n", b"\n"),
    "upgrade": lambda raw: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n" + raw,
    "redirect": lambda raw: http(301, {"Location": "http://127.0.0.1/", "Content-Length": "0"}, b""),
    "empty": lambda raw: b"",
}
# These are of the connection, before a request is read.
CONNECTION_FAULTS = ("closed-at-once", "reset-at-once", "silent", "eof-in-handshake", "garbage-in-handshake", "plain-http",
                     "closed-after-handshake", "silent-after-handshake")
# These are of how an answer is sent.
SENDING_FAULTS = ("bytewise", "eof-before-answer", "reset-before-answer", "silent-before-answer", "silent-in-answer",
                  "without-close-notify", "kept-open", "endless-headers", "endless-body", "endless-100", "endless-chunks")
FAULTS = sorted({*ANSWER_FAULTS, *BYTES_FAULTS, *CONNECTION_FAULTS, *SENDING_FAULTS})

# What `error` faults look like: "error CODE [STATUS] [FORM]".
ERROR_FORMS: dict[str, Callable[[str, str], bytes]] = {
    "plain": lambda code, text: json.dumps({"__type": code, "message": text}).encode(),
    "Message": lambda code, text: json.dumps({"__type": code, "Message": text}).encode(),
    "no-message": lambda code, text: json.dumps({"__type": code}).encode(),
    "prefix": lambda code, text: json.dumps({"__type": f"com.amazonaws.kms#{code}", "message": text}).encode(),
    "url": lambda code, text: json.dumps({"__type": f"{code}:http://internal.amazon.com/coral/", "message": text}).encode(),
    "code-member": lambda code, text: json.dumps({"code": code, "message": text}).encode(),
    "empty": lambda code, text: b"",
    "html": lambda code, text: b"<html>502</html>",
    "control": lambda code, text: json.dumps({"__type": code, "message": f"\x1b[31m{text}\r\nforged: line"}).encode(),
    "long": lambda code, text: json.dumps({"__type": code, "message": text * 1000}).encode(),
}
MESSAGES = {
    "ThrottlingException": "Rate exceeded", "ExpiredTokenException": "The security token included in the request is expired",
    "UnrecognizedClientException": "The security token included in the request is invalid.",
    "KMSInternalException": "internal", "AccessDeniedException": "not authorized",
}


# --- the operations ------------------------------------------------------------

class Operations:
    """What KMS does with its keys; the caller is authenticated, and a policy is asked for each key."""

    keys: dict[str, Key]

    def find(self, key_id: object) -> Key:
        if not isinstance(key_id, str) or not 1 <= len(key_id) <= 2048:
            raise Error("ValidationException", "KeyId has no such length")
        for key in self.keys.values():
            names = {key.arn, key.arn.rpartition("/")[2], *key.aliases,
                     *(f"arn:aws:kms:{REGION}:{ACCOUNT}:{a}" for a in key.aliases)}
            if key_id in names:
                return key
        raise Error("NotFoundException", f"Key '{key_id}' does not exist")

    def authorize(self, seen: Seen, key: Key) -> None:
        pcrs = seen.document["pcrs"] if seen.document else None
        context = policy.context_of(pcrs, self.context(seen), seen.principal)
        if not policy.allows(key.policy, seen.target, seen.principal, context):
            raise Error("AccessDeniedException", f"User: {seen.principal} is not authorized to perform: kms:{seen.target} on "
                        f"resource: {key.arn} because no resource-based policy allows the kms:{seen.target} action")
        if key.state == "Disabled":
            raise Error("DisabledException", f"{key.arn} is disabled.")
        if key.state != "Enabled":
            raise Error("KMSInvalidStateException", f"{key.arn} is pending deletion.")

    @staticmethod
    def context(seen: Seen) -> dict[str, str]:
        got = seen.body.get("EncryptionContext") or {}
        if not isinstance(got, dict) or not all(isinstance(v, str) for v in got.values()):
            raise Error("SerializationException", "EncryptionContext")
        return got

    @staticmethod
    def blob(seen: Seen, name: str, most: int) -> bytes:
        value = seen.body.get(name)
        try:
            data = base64.b64decode(value, validate=True)
        except (TypeError, ValueError, binascii.Error):
            raise Error("SerializationException", f"{name} is no base64") from None
        if not 1 <= len(data) <= most:
            raise Error("ValidationException", f"1 validation error detected: Value at '{name}' failed to satisfy constraint")
        return data

    def sized(self, seen: Seen, required: bool = False) -> int:
        n, spec = seen.body.get("NumberOfBytes"), seen.body.get("KeySpec")
        if spec is not None and n is None and not required:
            if spec not in ("AES_256", "AES_128"):
                raise Error("ValidationException", f"KeySpec {spec}")
            return int(spec[4:]) // 8
        if not isinstance(n, int) or not 1 <= n <= 1024 or spec is not None:
            raise Error("ValidationException", "Please specify either number of bytes or key spec.")
        return n

    # --- ciphertexts ---

    @staticmethod
    def _bound(arn: str, context: dict[str, str]) -> bytes:
        return json.dumps([arn, sorted(context.items())]).encode()

    def encrypt(self, key: Key, plaintext: bytes, context: dict[str, str] | None = None) -> bytes:
        """A CiphertextBlob: AES-GCM, bound to the key's ARN and to the encryption context."""
        arn, nonce = key.arn.encode(), os.urandom(12)
        sealed = AESGCM(key.material).encrypt(nonce, plaintext, self._bound(key.arn, context or {}))
        return b"\x01\x02\x02\x00" + struct.pack(">H", len(arn)) + arn + nonce + sealed

    def _open(self, seen: Seen, blob: bytes) -> tuple[Key, Callable[[], bytes]]:
        """The key, and what decrypts, once it is known that one may."""
        wanted = self.find(seen.body["KeyId"]) if seen.body.get("KeyId") is not None else None
        algorithm = seen.body.get("EncryptionAlgorithm") or "SYMMETRIC_DEFAULT"
        if algorithm != "SYMMETRIC_DEFAULT":
            if not wanted or not wanted.spec.startswith("RSA"):
                raise Error("InvalidKeyUsageException" if wanted else "ValidationException", "KeyId")
            oaep = padding.OAEP(padding.MGF1(h := SHA256() if algorithm.endswith("256") else SHA1()), h, None)
            return wanted, lambda: wanted.private.decrypt(blob, oaep)
        size = int.from_bytes(blob[4:6], "big")
        key = self.keys.get(blob[6:6 + size].decode(errors="replace"))
        if blob[:4] != b"\x01\x02\x02\x00" or not key:
            raise Error("InvalidCiphertextException")
        if wanted and wanted is not key:
            raise Error("IncorrectKeyException", "The key ID in the request does not identify a CMK that can perform this operation.")
        rest = blob[6 + size:]
        return key, lambda: AESGCM(key.material).decrypt(rest[:12], rest[12:], self._bound(key.arn, self.context(seen)))

    # --- each returns the members of the answer, and the secret ---

    def decrypt(self, seen: Seen) -> tuple[dict, bytes]:
        key, opened = self._open(seen, self.blob(seen, "CiphertextBlob", 6144))
        self.authorize(seen, key)
        try:
            secret = opened()
        except (InvalidTag, ValueError):
            raise Error("InvalidCiphertextException") from None
        out = {"KeyId": key.arn, "EncryptionAlgorithm": seen.body.get("EncryptionAlgorithm") or "SYMMETRIC_DEFAULT"}
        if key.spec == "SYMMETRIC_DEFAULT":
            out["KeyMaterialId"] = key.material_id
        return out, secret

    def _symmetric(self, seen: Seen) -> Key:
        key = self.find(seen.body.get("KeyId"))
        if key.spec != "SYMMETRIC_DEFAULT":
            raise Error("InvalidKeyUsageException", f"{key.arn} key usage is {key.usage} which is not valid for {seen.target}.")
        self.authorize(seen, key)
        return key

    def generate_data_key(self, seen: Seen) -> tuple[dict, bytes]:
        n, key = self.sized(seen), self._symmetric(seen)
        secret = os.urandom(n)
        return {"CiphertextBlob": b64(self.encrypt(key, secret, self.context(seen))), "KeyId": key.arn,
                "KeyMaterialId": key.material_id}, secret

    def generate_data_key_pair(self, seen: Seen) -> tuple[dict, bytes]:
        spec, key = seen.body.get("KeyPairSpec"), self._symmetric(seen)
        if isinstance(spec, str) and re.fullmatch(r"RSA_(2048|3072|4096)", spec):
            pair = pki.key(f"rsa{spec[4:]}", "data key pair")  # one for all: it takes seconds
        elif spec in CURVES:
            pair = ec.generate_private_key(CURVES[spec]())
        elif spec == "ECC_NIST_EDWARDS25519":
            pair = ed25519.Ed25519PrivateKey.generate()
        else:
            raise Error("ValidationException", f"KeyPairSpec {spec}")
        secret = pair.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        public = pair.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return {"PrivateKeyCiphertextBlob": b64(self.encrypt(key, secret, self.context(seen))), "PublicKey": b64(public),
                "KeyId": key.arn, "KeyPairSpec": spec, "KeyMaterialId": key.material_id}, secret

    def generate_random(self, seen: Seen) -> tuple[dict, bytes]:
        return {}, os.urandom(self.sized(seen, required=True))

    def derive_shared_secret(self, seen: Seen) -> tuple[dict, bytes]:
        key = self.find(seen.body.get("KeyId"))
        if key.usage != "KEY_AGREEMENT" or seen.body.get("KeyAgreementAlgorithm") != "ECDH":
            raise Error("InvalidKeyUsageException", f"{key.arn} key usage is {key.usage} which is not valid for DeriveSharedSecret.")
        self.authorize(seen, key)
        try:
            public = load_der_public_key(self.blob(seen, "PublicKey", 8192))
            secret = key.private.exchange(ec.ECDH(), public)
        except (ValueError, TypeError):
            raise Error("ValidationException", "PublicKey") from None
        return {"KeyId": key.arn, "KeyAgreementAlgorithm": "ECDH", "KeyOrigin": "AWS_KMS"}, secret

    def without_plaintext(self, seen: Seen) -> tuple[dict, None]:
        make = self.generate_data_key if seen.target == "GenerateDataKeyWithoutPlaintext" else self.generate_data_key_pair
        return make(seen)[0], None

    def encrypt_request(self, seen: Seen) -> tuple[dict, None]:
        key, plaintext = self._symmetric(seen), self.blob(seen, "Plaintext", 4096)
        return {"CiphertextBlob": b64(self.encrypt(key, plaintext, self.context(seen))), "KeyId": key.arn,
                "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}, None

    def re_encrypt(self, seen: Seen) -> tuple[dict, None]:
        """Of symmetric keys."""
        def half(name: str, target: str) -> Seen:
            given = {"KeyId": seen.body.get(f"{name}KeyId"), "EncryptionContext": seen.body.get(f"{name}EncryptionContext")}
            return replace(seen, target=target, body=given)

        source, destination = half("Source", "ReEncryptFrom"), half("Destination", "ReEncryptTo")
        key, opened = self._open(source, self.blob(seen, "CiphertextBlob", 6144))
        self.authorize(source, key)
        other = self._symmetric(destination)
        try:
            blob = self.encrypt(other, opened(), self.context(destination))
        except InvalidTag:
            raise Error("InvalidCiphertextException") from None
        return {"CiphertextBlob": b64(blob), "SourceKeyId": key.arn, "KeyId": other.arn,
                "SourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT", "DestinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT"}, None

    def describe_key(self, seen: Seen) -> tuple[dict, None]:
        key = self.find(seen.body.get("KeyId"))
        self.authorize(seen, key)
        return {"KeyMetadata": {
            "AWSAccountId": ACCOUNT, "KeyId": key.arn.rpartition("/")[2], "Arn": key.arn, "CreationDate": 1.7e9,
            "Enabled": key.state == "Enabled", "Description": "", "KeyUsage": key.usage, "KeyState": key.state, "Origin": "AWS_KMS",
            "KeyManager": "CUSTOMER", "CustomerMasterKeySpec": key.spec, "KeySpec": key.spec, "MultiRegion": False}}, None

    def enable_key(self, seen: Seen) -> tuple[dict, None]:
        self.authorize(seen, self.find(seen.body.get("KeyId")))
        return {}, None

    def get_public_key(self, seen: Seen) -> tuple[dict, None]:
        key = self.find(seen.body.get("KeyId"))
        if key.spec == "SYMMETRIC_DEFAULT":
            raise Error("UnsupportedOperationException", f"{key.arn} key spec is SYMMETRIC_DEFAULT")
        self.authorize(seen, key)
        return {"KeyId": key.arn, "PublicKey": b64(key.public_der), "KeySpec": key.spec, "KeyUsage": key.usage}, None

    TARGETS = {
        "Decrypt": decrypt, "GenerateDataKey": generate_data_key, "GenerateDataKeyPair": generate_data_key_pair,
        "GenerateRandom": generate_random, "DeriveSharedSecret": derive_shared_secret, "Encrypt": encrypt_request,
        "GenerateDataKeyWithoutPlaintext": without_plaintext, "GenerateDataKeyPairWithoutPlaintext": without_plaintext,
        "ReEncrypt": re_encrypt, "DescribeKey": describe_key, "GetPublicKey": get_public_key, "EnableKey": enable_key}


# --- the server -------------------------------------------------------------------

class FakeKms(Operations):
    def __init__(self, nsm_root: bytes = b"", *, region: str = REGION, host: str = "", now: Callable[[], float] = time.time,
                 chain: str = "rsa", roots: int = 0, leaf: dict | None = None, tls: str = "", ignores_recipient: bool = False,
                 form: str = "A", client: Callable[[ssl.SSLContext], None] = lambda context: None) -> None:
        """
        NSM_ROOT: DER or PEM of the root of documents. CHAIN: of pki.py; LEAF changes its leaf; ROOTS is for Pki. TLS: "" is 1.2
        and 1.3; 1.1, 1.2, 1.3; anonymous; static-rsa; cbc; p384 and x25519, which are curves; no-alpn; h2.
        """
        self.region, self.now = region, now
        self.host = host or f"kms.{region}.amazonaws.com"
        self.form, self.ignores_recipient = form, ignores_recipient
        self.nsm_root = nsm_root
        self.keys: dict[str, Key] = {}
        self.credentials: dict[str, Credential] = {"AKIDEXAMPLE": Credential()}
        self.faults: list[str] = []         # one for each answer (or connection), from the first on
        self.always = ""
        self.delay_s = 0.002                # between bytes, of bytewise
        self.seen: list[Seen] = []
        self.connections: list[list[float]] = []  # begin, and end
        self.disagreements: list[str] = []  # between the two verifiers
        self.complaints: list[str] = []     # about requests that are not as HTTP has them
        self.on_answer: Callable[[Seen], None] = lambda seen: None
        self.names: list[str | None] = []   # that connections have asked for, by SNI
        self._lock = threading.Lock()
        self._gone = threading.Event()
        self._tmp = tempfile.TemporaryDirectory(prefix="kms-")
        self.path = Path(self._tmp.name)
        self.pki = pki.Pki(self.host, now(), roots)
        self.ca = self.path / "ca.pem"
        self.ca.write_bytes(self.pki.bundle)
        self._root_der = self.path / "nsm-root.der"
        self._root_der.write_bytes(self._root())
        self._listeners: list[socket.socket] = []
        self.tls(chain, tls, leaf)

    # --- for tests ---

    def new_key(self, spec: str = "SYMMETRIC_DEFAULT", usage: str = "ENCRYPT_DECRYPT", **members: object) -> Key:
        arn = f"arn:aws:kms:{self.region}:{ACCOUNT}:key/{uuid.uuid4()}"
        if spec.startswith("RSA"):
            material = pki.key(f"rsa{spec[4:]}", "KMS").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        elif spec in CURVES:
            material = ec.generate_private_key(CURVES[spec]()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        else:
            material = os.urandom(32)
        self.keys[arn] = Key(arn, spec, usage, material, **members)
        policy.check(self.keys[arn].policy)
        return self.keys[arn]

    def rsa_encrypt(self, key: Key, plaintext: bytes, algorithm: str = "RSAES_OAEP_SHA_256") -> bytes:
        h = SHA256() if algorithm.endswith("256") else SHA1()
        return key.private.public_key().encrypt(plaintext, padding.OAEP(padding.MGF1(h), h, None))

    @property
    def port(self) -> int:
        return self._listeners[0].getsockname()[1]

    def tls(self, chain: str, how: str = "", leaf: dict | None = None) -> None:
        """From now on connections get this chain."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0" if how != "anonymous" else "aNULL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        versions = {"1.0": "TLSv1", "1.1": "TLSv1_1", "1.2": "TLSv1_2", "1.3": "TLSv1_3"}
        if how in versions:
            context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, versions[how])
        elif how in ("anonymous", "static-rsa", "cbc"):
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if how in ("static-rsa", "cbc"):
            context.set_ciphers("AES128-GCM-SHA256:@SECLEVEL=0" if how == "static-rsa" else "ECDHE+AES+SHA1:!AESGCM:@SECLEVEL=0")
        if how in ("p384", "x25519"):
            context.set_ecdh_curve({"p384": "secp384r1", "x25519": "X25519"}[how])
        if how == "h2":
            context.set_alpn_protocols(["h2"])
        elif how != "no-alpn":
            context.set_alpn_protocols(["h2", "http/1.1"])
        certs, key = self.pki.chain(chain, leaf)
        names = self.path / "cert.pem", self.path / "key.pem"
        for name, data in zip(names, (certs, key), strict=True):
            name.write_bytes(data)
        context.load_cert_chain(*names)
        context.sni_callback = self._named
        self._context = context

    def _named(self, conn: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        self.names.append(name)

    @staticmethod
    def recipient_of(seen: Seen) -> bytes:
        assert seen.document
        return seen.document["public_key"]

    def targets(self) -> list[str]:
        return [s.target for s in self.seen]

    # --- listening ---

    def listen(self, address: str = "127.0.0.1:0") -> None:
        """HOST:PORT, or a path. The first one is port's."""
        if "/" in address:
            s = socket.socket(socket.AF_UNIX)
            s.bind(address)
            s.listen(128)
        else:
            host, _, port = address.rpartition(":")
            s = socket.create_server((host, int(port)), backlog=128)
        self._listeners.append(s)
        threading.Thread(target=self._accept, args=(s,), daemon=True).start()

    def __enter__(self) -> "FakeKms":
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._gone.set()
        for s in self._listeners:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
        self._tmp.cleanup()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connection, args=(conn,), daemon=True).start()

    def _take_fault(self, kinds: Callable[[str], bool]) -> str:
        with self._lock:
            if self.faults and kinds(self.faults[0]):
                return self.faults.pop(0)
        return self.always if self.always and kinds(self.always) else ""

    # --- a connection ---

    def _connection(self, conn: socket.socket) -> None:
        times = [time.monotonic(), 0.0]
        with self._lock:
            self.connections.append(times)
            number = len(self.connections)
        conn.settimeout(300)
        try:
            with contextlib.suppress(OSError, ssl.SSLError, EOFError):
                self._serve(conn, number)
        finally:
            times[1] = time.monotonic()
            with contextlib.suppress(OSError):
                conn.close()

    def _serve(self, conn: socket.socket, number: int) -> None:
        fault = self._take_fault(lambda f: f in CONNECTION_FAULTS)
        if fault and not fault.endswith("after-handshake"):
            self._before_tls(conn, fault)
            return
        tls = self._context.wrap_socket(conn, server_side=True, do_handshake_on_connect=True)
        try:
            if fault == "silent-after-handshake":
                self._wait(tls)
            if fault:
                return
            while self._exchange(tls, number):
                pass
        finally:
            with contextlib.suppress(OSError):
                tls.close()

    def _wait(self, conn: socket.socket) -> None:
        """Until the peer goes, or the end."""
        conn.settimeout(1)
        while not self._gone.is_set():
            try:
                if not conn.recv(4096):
                    return
            except TimeoutError:
                pass

    def _before_tls(self, conn: socket.socket, fault: str) -> None:
        if fault == "silent":
            self._wait(conn)
        elif fault == "reset-at-once":
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif fault == "eof-in-handshake":
            conn.recv(4096)
        elif fault == "garbage-in-handshake":
            conn.recv(4096)
            conn.sendall(bytes(range(256)) * 4)
        elif fault == "plain-http":
            conn.recv(4096)
            conn.sendall(http(400, {"Content-Length": "0"}, b""))

    def _exchange(self, tls: ssl.SSLSocket, number: int) -> bool:
        """One request and its answer. Whether another may follow."""
        head = self._read_head(tls)
        if not head:
            return False
        seen = Seen(self.now(), connection=number, request_id=str(uuid.uuid4()))
        self._parse(seen, *head, tls)
        seen.fault = self._take_fault(lambda f: f not in CONNECTION_FAULTS)
        with self._lock:
            self.seen.append(seen)
        answer = self._judge(seen)
        seen.status = answer.status
        self.on_answer(seen)
        if not self._send(tls, answer, seen.fault):
            return False
        return seen.headers.get("connection", "").lower() != "close"

    @staticmethod
    def _read_head(tls: ssl.SSLSocket) -> tuple[bytes, bytes] | None:
        data = b""
        while b"\r\n\r\n" not in data:
            more = tls.recv(16384)
            if not more or len(data) > HEAD_MAX:
                return None
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        return head, rest

    def _parse(self, seen: Seen, head: bytes, rest: bytes, tls: ssl.SSLSocket) -> None:
        line, *lines = head.decode("latin-1").split("\r\n")
        if line != "POST / HTTP/1.1":
            self.complaints.append(f"request line {line!r}")
        for text in lines:
            name, colon, value = text.partition(":")
            if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or name.lower() in seen.headers or \
                    re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
                self.complaints.append(f"header {text!r}")
            seen.names.append(name)
            seen.headers[name.lower()] = value.strip()
        size = seen.headers.get("content-length", "")
        if not re.fullmatch(r"[0-9]+", size) or int(size) > BODY_MAX or "transfer-encoding" in seen.headers:
            self.complaints.append(f"Content-Length {size!r}")
            raise EOFError
        while len(rest) < int(size):
            more = tls.recv(65536)
            if not more:
                raise EOFError
            rest += more
        if len(rest) > int(size):
            self.complaints.append("bytes after the body")
        seen.raw = rest[:int(size)]
        seen.target = seen.headers.get("x-amz-target", "").removeprefix("TrentService.")

    # --- what it thinks of a request ---

    def _judge(self, seen: Seen) -> Answer:
        headers = {"x-amzn-RequestId": seen.request_id, "Cache-Control": "no-cache, no-store, must-revalidate, private",
                   "Expires": "0", "Pragma": "no-cache", "Date": formatdate(self.now(), usegmt=True),
                   "Content-Type": "application/x-amz-json-1.1"}
        try:
            if seen.fault.startswith("error "):
                return self._error(seen, headers)
            members, secret = self._answer(seen)
            if seen.body.get("DryRun") is True:
                raise Error("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.", 412)
        except Error as e:
            seen.code = e.code
            return Answer(e.status, {"__type": e.code} | ({} if e.message is None else {"message": e.message}), headers, seen)
        answer = Answer(200, members, headers, seen, secret or b"")
        if seen.fault in ANSWER_FAULTS:
            ANSWER_FAULTS[seen.fault](self, answer)
        return answer

    @staticmethod
    def _error(seen: Seen, headers: dict[str, str]) -> Answer:
        _, code, *more = seen.fault.split(" ")
        status = next((int(w) for w in more if w.isdigit()), 400)
        form = next((w for w in more if w in ERROR_FORMS), "plain")
        seen.code = code
        return Answer(status, {}, headers, seen, body=ERROR_FORMS[form](code, MESSAGES.get(code, f"the message of {code}")))

    def _answer(self, seen: Seen) -> tuple[dict, bytes | None]:
        seen.principal = self.authenticate(seen)
        try:
            seen.body = json.loads(seen.raw)
        except ValueError:
            raise Error("SerializationException") from None
        known = self.TARGETS.get(seen.target)
        if not known or not seen.headers["x-amz-target"].startswith("TrentService."):
            raise Error("UnknownOperationException")
        if seen.headers.get("content-type") != "application/x-amz-json-1.1":
            raise Error("UnknownOperationException")
        recipient = None if self.ignores_recipient else seen.body.get("Recipient")
        if recipient is not None:
            seen.document = self.verified(seen, recipient)
        members, secret = known(self, seen)
        if secret is None:
            return members, None
        if recipient is None:
            return members | {SECRET_OF[seen.target]: b64(secret)}, secret
        sealed = cms.sealed(secret, seen.document["public_key"], self.form)
        return members | {"CiphertextForRecipient": b64(sealed)}, secret

    def authenticate(self, seen: Seen) -> str:
        """The principal, if botocore makes the same signature of what came."""
        words = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8})/([^/,]+)/([^/,]+)/aws4_request, "
                             r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})", seen.headers.get("authorization", ""))
        if "authorization" not in seen.headers:
            raise Error("MissingAuthenticationTokenException", "Missing Authentication Token")
        if not words:
            raise Error("IncompleteSignatureException", "Authorization header has no such form")
        name, day, region, service, signed, signature = words.groups()
        date = seen.headers.get("x-amz-date", "")
        names = signed.split(";")
        must = {"host", "x-amz-date", "x-amz-target"} | {h for h in seen.headers if h.startswith("x-amz-")}
        if not must <= set(names) or names != sorted(names) or not re.fullmatch(r"\d{8}T\d{6}Z", date) or date[:8] != day:
            raise Error("IncompleteSignatureException", f"Date or SignedHeaders: {date} {signed}")
        if (region, service) != (self.region, "kms"):
            raise Error("InvalidSignatureException", f"Credential should be scoped to a valid region, not '{region}'.")
        known = self.credentials.get(name)
        if not known or known.token != seen.headers.get("x-amz-security-token"):
            raise Error("UnrecognizedClientException", MESSAGES["UnrecognizedClientException"])
        self._in_time(date)
        if seen.headers.get("host") != self.host:
            raise Error("InvalidSignatureException", f"Host {seen.headers.get('host')}")  # ours: a host of another name
        expected, canonical = self.signature(seen, name, known, names, date)
        if not hmac.compare_digest(expected, signature):
            raise Error("InvalidSignatureException", "The request signature we calculated does not match the signature you provided. "
                        "Check your AWS Secret Access Key and signing method. Consult the service documentation for details.\n\n"
                        f"The Canonical String for this request should have been\n'{canonical}'\n")
        if known.expired:
            raise Error("ExpiredTokenException", MESSAGES["ExpiredTokenException"])
        return known.principal

    def _in_time(self, date: str) -> None:
        now, at = self.now(), date_of(date)
        if at < now - SKEW_S:
            raise Error("InvalidSignatureException", f"Signature expired: {date} is now earlier than {amz_date(now - SKEW_S)} "
                        f"({amz_date(now)} - 5 min.)")
        if at > now + SKEW_S:
            raise Error("InvalidSignatureException", f"Signature not yet current: {date} is still later than "
                        f"{amz_date(now + SKEW_S)} ({amz_date(now)} + 5 min.)")

    def signature(self, seen: Seen, name: str, known: Credential, names: list[str], date: str) -> tuple[str, str]:
        """It, and the canonical request."""
        request = AWSRequest("POST", f"https://{self.host}/", data=seen.raw,
                             headers={n: seen.headers[n] for n in names if n in seen.headers})
        request.context["timestamp"] = date
        digest = seen.headers.get("x-amz-content-sha256")
        if digest is not None and digest != sha256(seen.raw).hexdigest():
            raise Error("InvalidSignatureException", "x-amz-content-sha256 is of other bytes")
        auth = SigV4Auth(BotoCredentials(name, known.secret, known.token), "kms", self.region)
        canonical = auth.canonical_request(request)
        if canonical.split("\n")[-2] != ";".join(names):
            raise Error("IncompleteSignatureException", f"SignedHeaders {names}")
        return auth.signature(auth.string_to_sign(request, canonical), request), canonical

    # --- documents ---

    def verified(self, seen: Seen, recipient: object) -> dict:
        if not isinstance(recipient, dict) or recipient.get("KeyEncryptionAlgorithm") != "RSAES_OAEP_SHA_256":
            raise Error("ValidationException", "KeyEncryptionAlgorithm")
        document = self.blob(Seen(0, body=recipient), "AttestationDocument", 262144)
        ours, other, fields = self._ours(document), None, None
        try:
            fields = verifier.verify(document, self._root(), self.now())
        except verifier.Untrue as e:
            other = str(e)
        if (ours is None) != (other is None):
            self.disagreements.append(f"nsm verify: {ours}; verifier.py: {other}; {document.hex()}")
            raise Error("KMSInternalException", "the verifiers do not agree", 500)
        if fields is None:
            raise Error("ValidationException", f"The attestation document is not accepted: {ours}")  # ours: AWS does not say
        try:
            good = isinstance(load_der_public_key(fields["public_key"]), rsa.RSAPublicKey)
        except (TypeError, ValueError):
            good = False
        if not good:
            raise Error("ValidationException", "public_key of the attestation document is no RSA key")  # ours
        return fields

    def _root(self) -> bytes:
        if self.nsm_root.startswith(b"-----"):
            return x509.load_pem_x509_certificate(self.nsm_root).public_bytes(Encoding.DER)
        return self.nsm_root

    def _ours(self, document: bytes) -> str | None:
        """What nsm verify has against it."""
        p = subprocess.run([NSM, "verify", "-", "--any-image", "--any-age", "--allow-debug", "--json", "--root", self._root_der, "--time",
                            str(int(self.now()))], input=document, capture_output=True, check=False)
        if p.returncode not in (0, 1):
            raise RuntimeError(f"nsm verify: code {p.returncode}: {p.stderr.decode()}")
        said = json.loads(p.stdout)
        return None if said["verified"] else f"{said['object']}: {said['error']}"

    # --- the answer's way back ---

    def _send(self, tls: ssl.SSLSocket, answer: Answer, fault: str) -> bool:
        """Whether the connection is of further use."""
        raw = answer.bytes()
        if fault in BYTES_FAULTS:
            raw = BYTES_FAULTS[fault](raw)
            if raw:
                tls.sendall(raw)
            return fault in ("chunked", "chunked-bytewise", "chunked-extension", "http-1.0")
        if fault == "bytewise":
            tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(raw)):
                tls.sendall(raw[i:i + 1])
                time.sleep(self.delay_s)
            return True
        if fault in SENDING_FAULTS:
            self._send_badly(tls, raw, fault)
            return False
        tls.sendall(raw)
        return True

    def _send_badly(self, tls: ssl.SSLSocket, raw: bytes, fault: str) -> None:
        if fault in ("eof-before-answer", "reset-before-answer"):
            if fault.startswith("reset"):
                tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif fault == "silent-before-answer":
            self._wait(tls)
        elif fault == "silent-in-answer":
            tls.sendall(raw[:len(raw) // 2])
            self._wait(tls)
        elif fault == "without-close-notify":
            tls.sendall(raw)
        elif fault == "kept-open":
            tls.sendall(raw)
            self._wait(tls)
        elif fault == "endless-headers":
            tls.sendall(b"HTTP/1.1 200 OK\r\n")
            while not self._gone.is_set():
                tls.sendall(b"X-More: x\r\n")
        elif fault == "endless-100":
            while not self._gone.is_set():
                tls.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif fault == "endless-chunks":
            tls.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while not self._gone.is_set():
                tls.sendall(b"1;x=" + b"y" * 1000 + b"\r\n \r\n")
        elif fault == "endless-body":
            tls.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while not self._gone.is_set():
                tls.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")


# --- as a program --------------------------------------------------------------------

class Store:
    """Keys and a root in a directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> dict[str, Key]:
        listed = json.loads((self.path / "keys.json").read_text())
        return {k["arn"]: Key(k["arn"], k["spec"], k["usage"], base64.b64decode(k["material"]), policy.check(k["policy"]))
                for k in listed}

    def save(self, keys: dict[str, Key]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "keys.json").write_text(json.dumps([
            {"arn": k.arn, "spec": k.spec, "usage": k.usage, "material": b64(k.material), "policy": k.policy}
            for k in keys.values()], indent=1))


def _new(path: Path) -> None:
    kms = FakeKms()
    key = kms.new_key()
    Store(path).save(kms.keys)
    print(key.arn)


def _policy(path: Path, file: str) -> None:
    store = Store(path)
    keys = store.load()
    for key in keys.values():
        key.policy = policy.check(json.loads(Path(file).read_text()))
    store.save(keys)


def _encrypt(path: Path, *context: str) -> None:
    kms, key = FakeKms(), next(iter(Store(path).load().values()))
    print(b64(kms.encrypt(key, sys.stdin.buffer.read(), dict(c.split("=", 1) for c in context))))


def _serve(path: Path, root: str, address: str) -> None:
    class Stored(FakeKms):
        def _answer(self, seen: Seen) -> tuple[dict, bytes | None]:
            self.keys = Store(path).load()
            return super()._answer(seen)

    kms = Stored(Path(root).read_bytes())
    shutil.copy(kms.ca, path / "ca.pem")

    def report(seen: Seen) -> None:
        pcr0 = seen.document["pcrs"].get(0, b"").hex() if seen.document else "none"
        print(f"fake-kms: {seen.target}: {seen.status} {seen.code or 'OK'}; PCR0 {pcr0}", flush=True)

    kms.on_answer = report
    kms.listen(address)
    print(f"fake-kms: {kms.host} at {address}", flush=True)
    threading.Event().wait()


def main(command: str, path: str, *words: str) -> None:
    {"new": _new, "policy": _policy, "encrypt": _encrypt, "serve": _serve}[command](Path(path), *words)


if __name__ == "__main__":
    main(*sys.argv[1:])
