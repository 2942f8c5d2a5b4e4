"""libkmsc against the fake KMS: calls as they should be, and all that a peer, a parent or KMS can do wrong."""

import base64
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

from suite import TRIES

from .fake_kms import BYTES_FAULTS, Credential, Seen
from .lib import (ACCESS, ANY_PRIMES, DEADLINE_S, PLAIN_ENV, REGION, SECRET, TOP, OneWorker, Skip, World, check, folder, same, test,
                  wait_for, world)
from .nsm import Fault
from .pki import BAD, GOOD

CALLER = TOP / "build/host/kms_caller"
WIPED = TOP / "build/host/kms_wiped"  # the same, which looks at memory that is freed


@dataclass
class Called:
    words: str
    code: int
    lines: dict[str, str]
    out: str
    err: str
    seconds: float

    @property
    def story(self) -> str:
        return f"{self.words}\n  code {self.code}\n  stdout {self.out[:400]}\n  stderr {self.err[-3000:]}"

    @property
    def plaintext(self) -> bytes:
        self.good()
        return bytes.fromhex(self.lines["plaintext"])

    def good(self) -> "Called":
        check(self.code == 0, f"it failed: {self.story}")
        return self

    def refused(self, name: str, *words: str) -> "Called":
        """With an error of that name, without any output, and with WORDS on stderr."""
        check(self.code == 1, f"code {self.code}: {self.story}")
        check("Sanitizer" not in self.err and "runtime error" not in self.err, self.story)
        same(self.value("code"), name, f"the error ({self.story})")
        same(self.out, "", f"stdout ({self.story})")
        for w in words:
            check(w in self.err, f"no {w!r}: {self.story}")
        check(all(c == "\n" or c.isprintable() for c in self.err), f"control characters: {self.story}")
        return self

    def value(self, name: str) -> str:
        return next((line.partition(" ")[2] for line in self.err.splitlines() if line.startswith(f"{name} ")), "")


def call(w: World, operation: str, *words: str, program: Path = CALLER, env: dict[str, str] | None = None,
         **members: object) -> Called:
    """MEMBERS of the world are there, unless they are None; so are underscores for hyphens."""
    if not program.exists():
        raise Skip(f"no {program.relative_to(TOP)}")
    base = {"connect": w.address, "ca": w.kms.ca, "id": ACCESS[0], "secret": ACCESS[1], "timeout": 280000}
    if operation != "GenerateRandom" and "body" not in members:
        base["key"] = w.key.arn
    if operation == "Decrypt":
        base["ciphertext"] = w.secret_file
        if "context" not in members:
            words = ("context=app=orders", *words)
    members = {k.replace("_", "-"): v for k, v in {**base, **members}.items() if v is not None}
    args = [operation, *(f"{k}={v}" for k, v in members.items()), *words]
    began = time.monotonic()
    p = subprocess.run([program, *args], capture_output=True, timeout=DEADLINE_S, check=False,
                       env={**PLAIN_ENV, **w.env, "ASAN_OPTIONS": "detect_leaks=1", "RELAY_VSOCK": str(w.path), **(env or {})})
    out = p.stdout.decode(errors="replace")
    lines = dict(line.partition(" ")[::2] for line in out.splitlines())
    return Called(" ".join(args), p.returncode, lines, out, p.stderr.decode(errors="replace"), time.monotonic() - began)


def decrypt(w: World, *words: str, **members: object) -> Called:
    return call(w, "Decrypt", *words, **members)


@contextmanager
def broken(*faults: str, **kms: object) -> Iterator[World]:
    with world(**kms) as w:
        w.kms.faults += faults
        yield w


def over_in_time(w: World, is_told: Callable[[Called], bool], **members: object) -> None:
    """A call of a second. A busy machine may use it up before the call gets to where it should wait."""
    for _ in range(TRIES):
        a = decrypt(w, timeout=1000, kept=1, **members).refused("KMSC_E_TIMEOUT")  # a key that is made in time
        if is_told(a):
            return
    check(False, a.story)


# --- calls -------------------------------------------------------------------

@test(seconds=3)
def five_operations_are_called_and_opened():
    """Each with all that it takes; what came back is what the KMS made, by another implementation."""
    with world() as w:
        a = decrypt(w)
        same((a.plaintext, a.lines["key"], a.lines["attempts"], a.lines["algorithm"]),
             (SECRET, w.key.arn, "1", "SYMMETRIC_DEFAULT"), "Decrypt")
        same(a.lines["request"], w.kms.seen[-1].request_id, "the request's id")
        a = call(w, "GenerateDataKey", "context=app=orders", "context=tenant=ü", spec="AES_256")
        w.secret_file.write_bytes(bytes.fromhex(a.good().lines["ciphertext"]))
        same(decrypt(w, "context=app=orders", "context=tenant=ü", context=None).plaintext, a.plaintext, "GenerateDataKey")
        same(len(a.plaintext), 32, "bytes of AES_256")
        same(len(call(w, "GenerateDataKey", spec="AES_128").plaintext), 16, "bytes of AES_128")
        same(len(call(w, "GenerateDataKey", bytes=1024).plaintext), 1024, "NumberOfBytes")
        for spec in ("RSA_4096", "ECC_NIST_P256", "ECC_NIST_EDWARDS25519"):
            a = call(w, "GenerateDataKeyPair", spec=spec)
            public = load_der_private_key(a.plaintext, None).public_key()
            same(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex(), a.lines["public-key"], spec)
            same(a.lines["spec"], spec, "KeyPairSpec")
        for n in (1, 256, 1024):
            same(len(call(w, "GenerateRandom", region=REGION, bytes=n).plaintext), n, "GenerateRandom")
        ecdh, peer = w.kms.new_key("ECC_NIST_P384", "KEY_AGREEMENT"), ec.generate_private_key(ec.SECP384R1())
        public = w.path / "public"
        public.write_bytes(peer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        a = call(w, "DeriveSharedSecret", key=ecdh.arn, public_key=public)
        same((a.plaintext, a.lines["agreement"], a.lines["origin"]),
             (peer.exchange(ec.ECDH(), ecdh.private.public_key()), "ECDH", "AWS_KMS"), "DeriveSharedSecret")


@test
def other_keys_and_algorithms_decrypt():
    """RSA keys with both paddings, grant tokens, a token of a session."""
    with world() as w:
        w.kms.credentials["ASIAEXAMPLE"] = Credential(token="FQoDYXdzEXAMPLETOKEN==")
        key = w.kms.new_key("RSA_2048")
        for algorithm in ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"):
            w.secret_file.write_bytes(w.kms.rsa_encrypt(key, SECRET, algorithm))
            a = decrypt(w, "grant=one", "grant=two", key=key.arn, algorithm=algorithm, context=None, id="ASIAEXAMPLE",
                        token="FQoDYXdzEXAMPLETOKEN==")
            same((a.plaintext, a.lines["algorithm"]), (SECRET, algorithm), algorithm)
        same(w.kms.seen[-1].body["GrantTokens"], ["one", "two"], "GrantTokens")


@test
def each_call_has_a_key_a_document_and_a_connection_of_its_own():
    """No public key comes twice, a connection is closed after its answer, and there is one for each call."""
    with world() as w:
        decrypt(w, repeat=3, env=ANY_PRIMES).good()
        keys = {s.document["public_key"] for s in w.kms.seen if s.document}
        same((len(keys), len(w.kms.connections), len(w.kms.seen)), (3, 3, 3), "keys, connections, requests")
        same({s.headers["connection"] for s in w.kms.seen}, {"close"}, "Connection")
        same(w.kms.names, [w.kms.host] * 3, "names that were asked for")


@test
def a_kept_key_opens_the_answers_of_many_calls():
    """As the service has it: documents by a callback, one key."""
    with world() as w:
        a = decrypt(w, kept=1, repeat=3)
        same((a.plaintext, a.err.count("attested")), (SECRET, 3), "calls of the callback")
        same(len({s.document["public_key"] for s in w.kms.seen if s.document}), 1, "keys")


@test
def the_nsms_time_is_the_only_one():
    """The KMS, its certificates and the NSM live in 2031: the machine's clock, which is years behind, is not asked."""
    later = time.time() + 4 * 365 * 86400
    with world(now=lambda: later + time.time() % 1) as w:
        same(decrypt(w).plaintext, SECRET, "the secret")
    with world() as w:
        w.nsm.clock_off_s = 400 * 86400
        decrypt(w).refused("KMSC_E_CERTIFICATE", "expired at", "and the NSM's time is")
        w.nsm.clock_off_s = -400 * 86400
        decrypt(w).refused("KMSC_E_CERTIFICATE", "is not valid before")


@test
def forwarded_operations_are_signed_and_their_answers_passed_on():
    """Encrypt, DescribeKey and their errors, as they are; the key of an answer is compared if one is named."""
    with world() as w:
        body = w.path / "body"

        def forward(operation: str, members: dict, **more: object) -> Called:
            body.write_text(json.dumps(members))
            return call(w, operation, body=body, region=REGION, **more)

        a = forward("Encrypt", {"KeyId": w.key.arn, "Plaintext": "aGVsbG8="}, key=w.key.arn).good()
        status, _, text = a.out.partition("\n")
        same((status, json.loads(text)["KeyId"]), ("status 200", w.key.arn), "Encrypt")
        a = forward("DescribeKey", {"KeyId": w.key.arn}, key=w.key.arn).good()
        same(json.loads(a.out.partition("\n")[2])["KeyMetadata"]["Arn"], w.key.arn, "DescribeKey")
        a = forward("DescribeKey", {"KeyId": "alias/none"}).good()
        same(a.out.partition("\n")[0], "status 400", "an error of KMS's")
        check(f"\ncode NotFoundException\nrequest {w.kms.seen[-1].request_id}\n" in a.out, a.story)
        w.kms.faults.append("empty-body")  # which EnableKey has
        same(forward("EnableKey", {"KeyId": w.key.arn}, key=w.key.arn).good().out.strip(), "status 200", "an answer of nothing")
        w.kms.faults.append("empty-body")
        forward("Encrypt", {"KeyId": w.key.arn, "Plaintext": "aGVsbG8="}, key=w.key.arn).refused("KMSC_E_ANSWER")
        other = w.kms.new_key()
        forward("Encrypt", {"KeyId": other.arn, "Plaintext": "aGVsbG8="}, key=w.key.arn).refused("KMSC_E_ANSWER_KEY", other.arn)
        for operation in ("Decrypt", "decrypt", "GENERATERANDOM", "GenerateRandom", "Encrypt\r\nX: y", "", "x" * 65, "Encrypt.Decrypt"):
            forward(operation, {}, key=None, ciphertext=None).refused("KMSC_E_OPERATION")
        w.kms.faults += ["error ThrottlingException 400"]
        a = forward("DescribeKey", {"KeyId": w.key.arn}).good()
        check("ThrottlingException" in a.out and len(w.kms.faults) == 0, a.story)
        w.kms.credentials["AKIDOLD"] = Credential(expired=True)
        a = forward("DescribeKey", {"KeyId": w.key.arn}, id="AKIDOLD", refreshed=ACCESS[0]).good()
        same(a.out.partition("\n")[0], "status 200", f"with others ({a.story})")
        same(decrypt(w, id="AKIDOLD", refreshed=ACCESS[0], attempts=1).plaintext, SECRET, "others are no attempt that counts")
        before = len(w.kms.connections)
        w.kms.faults += ["eof-before-answer"]
        forward("Encrypt", {"KeyId": w.key.arn, "Plaintext": "aGVsbG8="}).refused("KMSC_E_CLOSED")
        same(len(w.kms.connections) - before, 1, "requests that may have been done are not repeated: connections")


# --- what must not be believed ------------------------------------------------

@test(seconds=3)
def an_answer_in_the_clear_is_refused_by_name():
    """Plaintext, PrivateKeyPlaintext and SharedSecret, beside what is encrypted or instead of it; null and empty are none."""
    with world() as w:
        ecdh, peer = w.kms.new_key("ECC_NIST_P256", "KEY_AGREEMENT"), ec.generate_private_key(ec.SECP256R1())
        public = w.path / "public"
        public.write_bytes(peer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        calls = {"Decrypt": ("Plaintext", {}), "GenerateDataKey": ("Plaintext", {"spec": "AES_256"}),
                 "GenerateDataKeyPair": ("PrivateKeyPlaintext", {"spec": "ECC_NIST_P256"}),
                 "GenerateRandom": ("Plaintext", {"bytes": 32, "region": REGION}),
                 "DeriveSharedSecret": ("SharedSecret", {"key": ecdh.arn, "public_key": public})}
        for operation, (name, members) in calls.items():
            for fault in ("plaintext-instead", "plaintext-too"):
                w.kms.faults.append(fault)
                call(w, operation, **members).refused("KMSC_E_PLAINTEXT", f"its {name} was not encrypted for this enclave")
            for fault in ("plaintext-null", "plaintext-empty"):
                w.kms.faults.append(fault)
                call(w, operation, **members).good()
        same(w.kms.faults, [], "faults that were not taken")
    with world(ignores_recipient=True) as w:
        decrypt(w).refused("KMSC_E_PLAINTEXT", "a test server that ignores Recipient, or an attack?")


@test
def an_answer_of_another_key_is_refused():
    """Another KeyId than the request's full ARN, or none; without the ARN nothing is sent, unless any key will do."""
    with broken("other-key-id", "no-key-id", "key-id-null") as w:
        decrypt(w).refused("KMSC_E_ANSWER_KEY", "its KeyId is arn:aws:kms:")
        decrypt(w).refused("KMSC_E_ANSWER", "KeyId is missing")
        decrypt(w).refused("KMSC_E_ANSWER", "KeyId is missing")
        sent = len(w.kms.seen)
        decrypt(w, key=None).refused("KMSC_E_KEY_MISSING")
        decrypt(w, key=w.key.arn.rpartition("/")[2]).refused("KMSC_E_KEY_ARN")
        decrypt(w, key="alias/mine", any_key=1, region=REGION).refused("KMSC_E_NOT_FOUND", "NotFoundException")
        decrypt(w, region="eu-west-2").refused("KMSC_E_KEY_REGION", "the key is in eu-west-1, the region is eu-west-2")
        same(len(w.kms.seen), sent + 1, "requests")
        same(decrypt(w, key=None, any_key=1, region=REGION).plaintext, SECRET, "with any key")
        w.kms.faults.append("other-key-id")
        decrypt(w, key=w.key.arn, any_key=1).refused("KMSC_E_ANSWER_KEY")


ANSWERS = {
    "no-ciphertext-for-recipient": "KMSC_E_NO_RECIPIENT", "ciphertext-for-recipient-null": "KMSC_E_NO_RECIPIENT",
    "ciphertext-for-recipient-empty": "KMSC_E_NO_RECIPIENT", "key-id-number": "KMSC_E_ANSWER", "not-base64": "KMSC_E_ANSWER",
    "base64-unpadded": "KMSC_E_ANSWER", "cms-too-long": "KMSC_E_ANSWER", "cms-for-other-key": "NSMC_E_CMS_OTHER_KEY",
    "cms-cut": "NSMC_E_CMS_CUT", "cms-trailing": "NSMC_E_CMS_TRAILING", "cms-garbage": "NSMC_E_CMS_", "cms-damaged": "NSMC_E_",
    "duplicate-member": "KMSC_E_ANSWER", "duplicate-ciphertext": "KMSC_E_ANSWER", "nested": "KMSC_E_ANSWER",
    "cut-json": "KMSC_E_ANSWER", "trailing-json": "KMSC_E_ANSWER", "array": "KMSC_E_ANSWER", "empty-body": "KMSC_E_ANSWER",
    "no-json": "KMSC_E_ANSWER", "bad-utf8": "KMSC_E_ANSWER", "nul-in-json": "KMSC_E_ANSWER", "html": "KMSC_E_ANSWER",
    "body-too-large": "KMSC_E_TOO_LONG",
    "unknown-members": "", "escaped": "", "record-16k": "", "body-60k": "", "no-request-id": "",
}


@test(seconds=4)
def answers_that_are_malformed_are_refused_and_others_opened():
    """Each fault of the JSON and of the message in it; what KMS may do otherwise is no fault."""
    with world() as w:
        for fault, name in ANSWERS.items():
            w.kms.faults.append(fault)
            a = decrypt(w, attempts=1)
            if name:
                check(a.value("code").startswith(name), f"{fault}: not {name}: {a.story}")
                a.refused(a.value("code"))
            else:
                same(a.plaintext, SECRET, fault)


HTTP = {
    "chunked": "", "chunked-bytewise": "", "chunked-extension": "", "no-length": "", "pipelined": "", "informational-first": "",
    "length-too-short": "KMSC_E_ANSWER", "length-zero": "KMSC_E_ANSWER", "redirect": "KMSC_E_REFUSED",
    "truncated": "KMSC_E_CLOSED", "length-too-long": "KMSC_E_CLOSED", "chunked-cut": "KMSC_E_CLOSED", "empty": "KMSC_E_CLOSED",
    "header-only": "KMSC_E_CLOSED", "header-lines-101": "KMSC_E_TOO_LONG", "header-16k": "KMSC_E_TOO_LONG",
    "length-huge": "", "chunked-huge-size": "", "http-1.0": "",
}


@test(seconds=4)
def answers_that_are_not_http_are_refused():
    """Each fault of the bytes: none is taken for an answer, and those that end too early are asked for again."""
    with world() as w:
        for fault in sorted(BYTES_FAULTS):
            w.kms.faults.append(fault)
            a = decrypt(w, attempts=1)
            name = HTTP.get(fault, "KMSC_E_HTTP")
            if a.code == 0:
                check(name == "", f"{fault}: taken: {a.story}")
                same(a.plaintext, SECRET, fault)
            else:
                a.refused(a.value("code"))
                check(name in ("", a.value("code")), f"{fault}: not {name}: {a.story}")
        for fault in ("truncated", "chunked-cut", "empty"):
            w.kms.faults.append(fault)
            same((decrypt(w).plaintext, w.kms.faults), (SECRET, []), f"once more after {fault}")


# --- TLS ----------------------------------------------------------------------

BAD_WORDS = {
    "expired": "expired at", "not-yet": "is not valid before", "expired-intermediate": "expired at",
    "wrong-name": "the certificate is for kms.eu-west-2.amazonaws.com, not for kms.eu-west-1.amazonaws.com",
    "name-in-cn-only": "not for kms.eu-west-1.amazonaws.com", "wildcard-too-wide": "the certificate is for *.amazonaws.com, not for",
    "wrong-root": "no trusted root signed", "self-signed": "no trusted root signed", "no-intermediate": "no trusted root signed",
    "client-usage": "is not one for TLS servers",
}


@test(seconds=4)
def certificates_decide_who_is_the_endpoint():
    """Every shape of a good chain is taken; every bad one is refused before anything is sent, by the certificate's name."""
    for shape in GOOD:
        with world(chain=shape) as w:
            same(decrypt(w).plaintext, SECRET, shape)
    for shape in BAD:
        with world() as w:
            try:
                w.kms.tls(shape)
            except OSError:
                continue  # this machine's OpenSSL makes no such server
            a = decrypt(w, attempts=1)
            check(a.value("code") in ("KMSC_E_CERTIFICATE", "KMSC_E_TLS"), f"{shape}: {a.story}")
            a.refused(a.value("code"), BAD_WORDS.get(shape, ""))
            same(w.kms.seen, [], f"requests in spite of {shape}")


@test
def built_in_roots_are_amazons_alone():
    """Without --ca the fake's chain is refused; nor does any certificate of the machine's count."""
    with world() as w:
        decrypt(w, ca=None).refused("KMSC_E_CERTIFICATE", "no trusted root signed the certificate of", "Test Root 1")
        for content in (b"", b"nonsense", w.kms.ca.read_bytes().replace(b"BEGIN", b"BEG1N")):
            bad = w.path / "bad.pem"
            bad.write_bytes(content)
            a = decrypt(w, ca=bad)
            check(a.code == 3 and "certificates of authorities" in a.err, a.story)


@test(seconds=2)
def versions_and_suites_are_those_of_kms():
    """TLS 1.2 with ECDHE and GCM on either curve; nothing older, nothing without forward secrecy or a certificate."""
    for how, good in {"1.2": True, "1.1": False, "1.0": False, "1.3": False, "anonymous": False, "static-rsa": False, "cbc": False,
                      "p384": True, "no-alpn": True, "h2": True}.items():
        with world(tls=how) as w:
            a = decrypt(w, attempts=1)
            if good:
                same(a.plaintext, SECRET, how)
            else:
                a.refused(a.value("code"))
                check(a.value("code") in ("KMSC_E_TLS", "KMSC_E_CLOSED"), f"{how}: {a.story}")
                same(w.kms.seen, [], f"requests in spite of {how}")


# --- the way there --------------------------------------------------------------

@test(seconds=3)
def connections_that_fail_are_made_again():
    """Each fault before an answer, once: the call succeeds; always: it ends with the reason."""
    for fault in ("closed-at-once", "reset-at-once", "eof-in-handshake", "closed-after-handshake", "eof-before-answer",
                  "reset-before-answer"):
        with broken(fault) as w:
            a = decrypt(w)
            same((a.plaintext, a.lines["attempts"]), (SECRET, "2"), fault)
            w.kms.always = fault
            a = decrypt(w, attempts=2)
            # A reset may come before connect has ended.
            if fault == "reset-at-once" and a.value("code") == "KMSC_E_CONNECT":
                a.refused("KMSC_E_CONNECT", "Connection reset by peer", "2 attempts")
            else:
                a.refused("KMSC_E_CLOSED", "the peer closed ", "2 attempts")
    with broken("garbage-in-handshake", "plain-http") as w:
        decrypt(w).refused("KMSC_E_TLS", "not TLS")
        decrypt(w).refused("KMSC_E_TLS", "not TLS")


@test(seconds=3)
def every_wait_has_the_calls_deadline():
    """A peer that is silent at any point, slow, or never ends: the call is over in its time."""
    for fault in ("silent", "silent-after-handshake", "silent-before-answer", "silent-in-answer"):
        with world() as w:
            w.kms.always = fault
            over_in_time(w, lambda a: a.value("attempts") == "1")
    for fault in ("endless-headers", "endless-body"):
        with broken(fault) as w:
            a = decrypt(w)
            check(a.value("code") in ("KMSC_E_TOO_LONG", "KMSC_E_HTTP", "KMSC_E_TIMEOUT"), f"{fault}: {a.story}")
    for fault in ("bytewise", "without-close-notify", "kept-open"):
        with broken(fault) as w:
            same(decrypt(w).plaintext, SECRET, fault)


@test
def the_words_say_what_to_look_at():
    """Nothing listens; vsock-proxy does not answer; its only worker is taken; no kernel with vsock."""
    with world() as w:
        decrypt(w, connect="tcp:127.0.0.1:1").refused("KMSC_E_CONNECT", "tcp:127.0.0.1:1: nothing listens there", "4 attempts")
        decrypt(w, connect=f"unix:{w.path}/none", attempts=1).refused("KMSC_E_CONNECT", "none: nothing listens there")
        decrypt(w, connect=None).refused(
            "KMSC_E_CONNECT", "vsock:3:8000: no answer from vsock-proxy: is it running, are its workers taken?")
        decrypt(w, connect="tcp:no.such.name.invalid:443", attempts=1).refused(
            "KMSC_E_CONNECT", "tcp:no.such.name.invalid:443: ")
        with OneWorker(w.kms.port, w.path / "3.8000") as proxy:
            same(decrypt(w, connect=None).plaintext, SECRET, "by vsock-proxy")
            with socket.socket(socket.AF_UNIX) as slow:
                slow.connect(str(w.path / "3.8000"))
                wait_for(lambda: proxy.served == 2, "the worker to be taken")
                over_in_time(w, lambda a: "are its workers taken?" in a.err, connect=None)
            same(decrypt(w, connect=None).plaintext, SECRET, "once the worker is free")


# --- what KMS says -----------------------------------------------------------------

@test
def access_denied_says_what_the_document_carried():
    """PCRs, debug mode and the key; and AWS's words with the request's id."""
    with world() as w:
        w.key.policy = {"Version": "2012-10-17", "Statement": []}
        a = decrypt(w).refused("KMSC_E_DENIED", "KMS denies access: AccessDeniedException: User: ", "HTTP status 400, request id ",
                               f"key: {w.key.arn}", *(f"PCR{n}: {w.nsm.pcr(n).hex()}" for n in (0, 1, 2, 3, 4, 8)))
        check("debug" not in a.err, a.story)
        same(a.value("attempts"), "1", "attempts")
        for n in (0, 1, 2):
            w.nsm.set_pcr(n, bytes(48))
        decrypt(w).refused("KMSC_E_DENIED", "the enclave runs in debug mode", f"PCR0: {'0' * 96}")


CODES = {
    "InvalidCiphertextException": "KMSC_E_CIPHERTEXT", "IncorrectKeyException": "KMSC_E_OTHER_KEY",
    "NotFoundException": "KMSC_E_NOT_FOUND", "DisabledException": "KMSC_E_REFUSED", "ValidationException": "KMSC_E_REFUSED",
    "InvalidSignatureException": "KMSC_E_SIGNATURE", "DryRunOperationException": "KMSC_E_DRY_RUN",
    "SomethingNewException": "KMSC_E_REFUSED",
}


@test(seconds=2)
def errors_of_kms_have_codes_and_are_final():
    """In each form that they have been seen in; nothing is sent again."""
    with world() as w:
        for code, name in CODES.items():
            w.kms.faults.append(f"error {code} 400 plain")
            a = decrypt(w).refused(name, code, "1 attempt)")
        for form in ("Message", "no-message", "prefix", "url", "code-member", "control", "long"):
            w.kms.faults.append(f"error NotFoundException 400 {form}")
            a = decrypt(w).refused("KMSC_E_NOT_FOUND", "NotFoundException")
            check(len(a.err) < 4000, a.story)
        for form in ("empty", "html"):
            w.kms.faults.append(f"error X 400 {form}")
            decrypt(w).refused("KMSC_E_REFUSED", "HTTP status 400")


@test(seconds=12)
def what_passes_is_repeated_and_waited_for():
    """Throttling and failures of KMS: up to four attempts, those after throttling later; then the last reason."""
    with world() as w:
        for code, status in (("KMSInternalException", 500), ("ServiceUnavailable", 503), ("DependencyTimeoutException", 500)):
            w.kms.faults += [f"error {code} {status}"] * 2
            same((decrypt(w).lines["attempts"]), "3", code)
        w.kms.faults += ["error ThrottlingException 400"]
        same(decrypt(w).lines["attempts"], "2", "after throttling")
        w.kms.always = "error KMSInternalException 500"
        decrypt(w).refused("KMSC_E_UNAVAILABLE", "KMSInternalException", "4 attempts")
        w.kms.always = "error ThrottlingException 400"
        before = len(w.kms.seen)
        decrypt(w).refused("KMSC_E_THROTTLED", "ThrottlingException", "4 attempts")
        same(len(w.kms.seen) - before, 4, "requests")
        before = len(w.kms.seen)
        decrypt(w, attempts=1).refused("KMSC_E_THROTTLED", "1 attempt)")
        same(len(w.kms.seen) - before, 1, "requests of one attempt")


@test
def refused_credentials_are_asked_for_once_more():
    """Others are taken; if they are refused as well, or there are none, the call ends with KMS's words."""
    with world() as w:
        w.kms.credentials["AKIDOLD"] = Credential(expired=True)
        a = decrypt(w, id="AKIDOLD", refreshed=ACCESS[0])
        same((a.plaintext, a.lines["attempts"], a.err), (SECRET, "2", "asked\nasked again\n"), "with others")
        a = decrypt(w, id="AKIDOLD", refreshed="AKIDOLD").refused("KMSC_E_CREDENTIALS_REFUSED", "ExpiredTokenException")
        same((a.value("attempts"), a.err.count("asked")), ("2", 2), "attempts, and asked")
        decrypt(w, id="AKIDOLD", no_more=1).refused("KMSC_E_CREDENTIALS_REFUSED", "others could not be had: the source?is dry",
                                                    "ExpiredTokenException")
        decrypt(w, id="AKIDOLD").refused("KMSC_E_CREDENTIALS_REFUSED", "ExpiredTokenException")
        decrypt(w, id="AKIDNONE").refused("KMSC_E_CREDENTIALS_REFUSED", "UnrecognizedClientException")
        decrypt(w, secret="x" * 40).refused("KMSC_E_SIGNATURE", "InvalidSignatureException")
        decrypt(w, id="").refused("KMSC_E_NO_CREDENTIALS")
        a = decrypt(w, id="AKID/x")
        check(a.code == 3 and "malformed" in a.err, a.story)


@test
def a_refused_time_is_read_once_more():
    """An hour off at the NSM: refused, read again, refused; right by then: the call succeeds."""
    with world() as w:
        w.nsm.clock_off_s = -3600

        def set_right(seen: Seen) -> None:
            w.nsm.clock_off_s = 0.0
        w.kms.on_answer = set_right
        a = decrypt(w)
        same((a.plaintext, a.lines["attempts"]), (SECRET, "2"), "with the time read anew")
        w.kms.on_answer = lambda seen: None
        w.nsm.clock_off_s = 3600
        a = decrypt(w).refused("KMSC_E_CLOCK", "KMS refuses the time")
        same(a.value("attempts"), "2", "attempts")


@test
def faults_of_the_nsm_are_named():
    """Refusals, errors of the device, documents that are none: nothing is sent."""
    with world() as w:
        w.nsm.faults["Attestation"] = Fault(refusal="InternalError")
        decrypt(w).refused("NSMC_E_INTERNAL_ERROR", "InternalError")
        w.nsm.faults["Attestation"] = Fault(errno=110)
        decrypt(w).refused("errno", "timed out")
        w.nsm.faults["Attestation"] = Fault(change=lambda d: d[:-200])
        decrypt(w).refused("NSMC_E_DOC_CUT", "the NSM's document")
        w.nsm.faults["Attestation"] = Fault(change=lambda d: w.nsm.document(public_key=b"x" * 294))
        decrypt(w).refused("NSMC_E_OTHER", "not over the recipient's key")
        w.nsm.faults = {"GetRandom": Fault(refusal="InternalError")}
        decrypt(w).refused("NSMC_E_INTERNAL_ERROR")
        same(w.kms.seen, [], "requests")
        w.nsm.faults = {}
        with folder() as d:
            w.nsm.path.rename(d / "gone")
            decrypt(w).refused("KMSC_E_NO_NSM")
            (d / "gone").rename(w.nsm.path)


@test
def requests_that_kms_would_refuse_are_not_sent():
    """Members that are missing, of other operations, or out of range; contexts that are too many."""
    with world() as w:
        calls = [("Nothing", {"ciphertext": None}), ("Decrypt", {"ciphertext": "/dev/null"}), ("Decrypt", {"spec": "AES_256"}),
                 ("GenerateDataKey", {}), ("GenerateDataKey", {"spec": "AES_256", "bytes": 32}), ("GenerateRandom", {"bytes": 1025}),
                 ("GenerateRandom", {"bytes": 0}), ("GenerateRandom", {"bytes": 8, "key": w.key.arn}),
                 ("DeriveSharedSecret", {}), ("GenerateDataKeyPair", {})]
        for operation, members in calls:
            call(w, operation, region=REGION, **members).refused("KMSC_E_REQUEST")
        big = w.path / "big"
        big.write_bytes(bytes(6145))
        decrypt(w, ciphertext=big).refused("KMSC_E_REQUEST")
        decrypt(w, *(f"context=n{i}=v" for i in range(65))).refused("KMSC_E_REQUEST")
        decrypt(w, *(f"grant={i}" for i in range(11))).refused("KMSC_E_REQUEST")
        call(w, "GenerateRandom", bytes=8).refused("KMSC_E_REGION")
        same((w.kms.seen, len(w.nsm.requests)), ([], 0), "requests")


@test(seconds=2)
def no_secret_is_left_in_memory_that_is_freed():
    """Plaintext, secret key and token, in calls that succeed, that are refused in the clear or repeated, and that are forwarded."""
    with world() as w:
        secret, token = "s3cret/s3cret/s3cret/s3cret/s3cret/s3cre", "T0KENT0KENT0KENT0KEN"
        w.kms.credentials["ASIAEXAMPLE"] = Credential(secret=secret, token=token)
        env = {"KMS_SECRETS": "\n".join((SECRET.decode().strip(), base64.b64encode(SECRET).decode(), secret, token, "aGVsbG8gd29ybGQ="))}
        keys = {"program": WIPED, "env": env, "id": "ASIAEXAMPLE", "secret": secret, "token": token}
        a = decrypt(w, **keys)
        same((a.plaintext, a.err), (SECRET, ""), "what is freed")
        a = decrypt(w, **{**keys, "refreshed": "ASIAEXAMPLE"})
        same((a.plaintext, a.err), (SECRET, "asked\n"), "what is freed, of a callback's")
        for fault in ("plaintext-instead", "plaintext-too", "cut-json", "cms-damaged", "truncated", "body-too-large", "html"):
            w.kms.faults.append(fault)
            a = decrypt(w, **keys, attempts=1)
            check(a.code == 1 and "that are freed" not in a.err, f"{fault}: {a.story}")
        w.kms.faults += ["error KMSInternalException 500", "eof-before-answer"]
        same(decrypt(w, **keys).err, "", "what is freed, of three attempts")
        body = w.path / "body"
        body.write_text(json.dumps({"KeyId": w.key.arn, "Plaintext": "aGVsbG8gd29ybGQ="}))
        a = call(w, "Encrypt", body=body, region=REGION, **{**keys, "env": {"KMS_SECRETS": f"{secret}\n{token}"}})
        same((a.code, a.err), (0, ""), "what is freed, of a forwarded request")
        # It does see them: the program's own copy of a file.
        w.secret_file.write_bytes(b"attack at dawn")
        check("secret 1 in" in decrypt(w, **keys).err, "a secret that is freed is not seen")


@test
def endpoints_are_named_by_region_or_by_hand():
    """Host and certificate are those of the region, of FIPS, or of the endpoint that is given, with its port in Host."""
    for members, host, header in (({"flags": 1}, "kms-fips.eu-west-1.amazonaws.com", ""), ({"flags": 2}, "kms.eu-west-1.api.aws", ""),
                                  ({"endpoint": "vpce-0.kms.eu-west-1.vpce.amazonaws.com"}, "vpce-0.kms.eu-west-1.vpce.amazonaws.com", ""),
                                  ({"endpoint": "kms.test:8443"}, "kms.test", ":8443"), ({"endpoint": "kms.test:443"}, "kms.test", "")):
        with world(host=host) as w:
            a = decrypt(w, **members)
            same(w.kms.seen[-1].headers["host"], host + header, "Host")
            if header:
                a.refused("KMSC_E_SIGNATURE")  # a KMS at another port wants another Host than this one
            else:
                same(a.plaintext, SECRET, host)
            same(w.kms.names, [host], "the name that was asked for")
            decrypt(w).refused("KMSC_E_CERTIFICATE", f"the certificate is for {host}")


