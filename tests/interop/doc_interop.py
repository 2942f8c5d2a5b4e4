"""
Attestation documents of a test CA, good ones and bad ones, each refused for its own reason. That a
bad one has no fault but the one meant is what cbor2, cryptography and openssl are asked.
"""

import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from ssl import DER_cert_to_PEM_cert

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from . import ca
from . import lib
from .ca import (AS_AWS, BREAK, CERT_SIGN, CRL_SIGN, DAY, ENCIPHERS, INSTANCE_CA, LEAF, MODULE_ID,
                NON_REPUDIATION, NOW, NULL, REGIONAL, ROOT, SIGNS, TRUE, UNDEFINED, ZONAL, Chain,
                Key, array, as_aws, authority, der, document, extension, fields, head, integer, negative,
                octets, oid, pairs, payload, pcr_map, pcr_values, seconds, signed, text, uint)

ALL = "form,chain,validity,signature"
TRUTH = f"{ALL},debug_mode"
ONCE_TRUE = TRUTH.replace("validity,", "")  # at the time of the document


def both_of(seconds: int = 1):
    """
    A test of documents as NSMs sign them today, and once more, under another name, of documents as they
    signed them until the middle of 2025.
    """
    def register(function):
        def old() -> None:
            ca.FORM.set("definite")
            try:
                function()
            finally:
                ca.FORM.set("open")
        old.__name__ = f"{function.__name__}_in_the_old_form"
        old.__doc__ = function.__doc__
        old.__module__ = function.__module__
        lib.test(seconds)(old)
        return lib.test(seconds)(function)
    return register


both = both_of()


# --- the verifier ------------------------------------------------------------

@dataclass
class Case:
    name: str
    doc: bytes
    error: str = "ok"
    object: str = ""
    options: str = ""
    root: bytes | None = None        # trusted; None: the chain's
    checked: str = ""                # as far as it is to be looked at
    pcrs: int = 0
    debug: bool = False
    time: int = NOW
    chain: Chain | None = None       # where it differs
    openssl: str = ""                # what it does otherwise than we, and why
    forged: bool = False             # the document's signature is part of the fault
    by_id: bool = False              # the fault is a key identifier, which cryptography does not compare


def run(jobs: list[str]) -> list[str]:
    """A line for each job; in two processes."""
    program = lib.TOP / "build/host/interop/verify"
    if not program.exists():
        raise lib.Skip(f"no {program.relative_to(lib.TOP)}")

    def some(part: list[str]) -> list[str]:
        done = subprocess.run([program], input="".join(f"{j}\n" for j in part), text=True,
                              capture_output=True, timeout=300)
        lines = done.stdout.splitlines()
        lib.check(done.returncode == 0 and len(lines) == len(part),
                  f"the verifier broke at '{part[min(len(lines), len(part) - 1)]}': {done.stderr}")
        return lines
    half = (len(jobs) + 1) // 2
    with ThreadPoolExecutor(2) as pool:
        parts = pool.map(some, [p for p in (jobs[:half], jobs[half:]) if p])
        return [line for part in parts for line in part]


def job(where: Path, doc: bytes, root: bytes, words: str) -> str:
    """A job over files of their content's name."""
    names = []
    for data in (doc, root):
        path = where / f"{ca.hashlib.sha256(data).hexdigest()[:20]}"
        path.write_bytes(data)
        names.append(path)
    return f"doc={names[0]} root={names[1]} {words}"


def parse(line: str) -> dict[str, str]:
    """An object may hold a blank."""
    error, rest = line.split(" object=", 1)
    what, rest = rest.split(" checked=", 1)
    checked, rest = rest.split(" pcrs=", 1)
    pcrs, debug = rest.split(" debug=", 1)
    return {"error": error, "object": what, "checked": checked, "pcrs": pcrs, "debug": debug}


def root_of(c: Case) -> bytes:
    return (c.chain or as_aws()).ders[0] if c.root is None else c.root


def hold(cases: list[Case]) -> None:
    """All of CASES end as they are to end, and what can be asked of others agrees."""
    names = [c.name for c in cases]
    lib.check(len(set(names)) == len(names), "two cases of one name")
    with tempfile.TemporaryDirectory() as tmp:
        lines = run([job(Path(tmp), c.doc, root_of(c),
                         f"{'' if 'of_document' in c.options else f'time={c.time} '}{c.options}")
                     for c in cases])
    wrong = []
    for c, line in zip(cases, lines):
        got = parse(line)
        want = {"error": c.error, "object": c.object}
        if c.error == "ok" or c.checked:
            want |= {"checked": c.checked or TRUTH, "pcrs": f"{c.pcrs:x}",
                     "debug": f"{int(c.debug)}"}
        if bad := {k: (got[k], v) for k, v in want.items() if got[k] != v}:
            wrong.append(f"{c.name}: " + ", ".join(f"{k} '{g}', not '{w}'"
                                                   for k, (g, w) in bad.items()))
        if (reason := doubt(c)):
            wrong.append(f"{c.name}: {reason}")
    lib.check(not wrong, f"{len(wrong)} of {len(cases)}: " + "; ".join(wrong))


def doubt(c: Case) -> str:
    """What others say against the case itself: it shall have one fault."""
    if c.error == "ok" or not c.forged:
        if why := signature_fault(c.doc, c.chain or as_aws()):
            return f"by cryptography its signature is wrong ({why})"
    elif not signature_fault(c.doc, c.chain or as_aws()):
        return "by cryptography its signature is right"
    return ""


def signature_fault(doc: bytes, chain: Chain) -> str:
    """By cbor2 and cryptography; '' also where they cannot say."""
    public = chain.key.private.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.key_size != 384:
        return ""
    try:
        value = cbor2.loads(doc)
    except Exception:
        return ""
    value = value.value if isinstance(value, cbor2.CBORTag) else value
    if not isinstance(value, (list, tuple)) or len(value) != 4:
        return ""
    protected, _, body, sig = value
    if not all(isinstance(v, bytes) for v in (protected, body, sig)):
        return ""
    if len(sig) != 96:
        return "length"
    data = cbor2.dumps(["Signature1", protected, b"", body])
    try:
        public.verify(encode_dss_signature(int.from_bytes(sig[:48], "big"),
                                           int.from_bytes(sig[48:], "big")),
                      data, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        return "signature"
    return ""


# --- good ones ---------------------------------------------------------------

def chain_of(n: int) -> Chain:
    """A root, N authorities, a leaf."""
    return Chain((ROOT, *(authority(i, n - 1 - i) for i in range(n)), LEAF))


WIDE = 8


def wide_document() -> bytes:
    """Each length and number of the payload in eight bytes, and of the structure around it."""
    *bundle, leaf = as_aws().ders
    body = pairs([(text(k, WIDE), v) for k, v in {
        "module_id": text(MODULE_ID, WIDE), "digest": text("SHA384", WIDE),
        "timestamp": uint(NOW * 1000, WIDE),
        "pcrs": pairs([(uint(n, WIDE), octets(v, WIDE)) for n, v in pcr_values().items()], width=WIDE),
        "certificate": octets(leaf, WIDE),
        "cabundle": array(*(octets(c, WIDE) for c in bundle), width=WIDE), "public_key": NULL,
        "user_data": octets(b"", WIDE), "nonce": octets(b"n", WIDE)}.items()], width=WIDE)
    protected = pairs([(uint(1, 4), b"\x3b" + (34).to_bytes(8, "big"))], width=4)
    return ca.Document(body, protected=protected, before=head(6, 18, 4),
                       sent_protected=octets(protected, 8), unprotected=head(5, 0, 8),
                       sent_payload=octets(body, 8),
                       elements=lambda e: array(*e[:3], octets(cbor2.loads(e[3]), 8), width=8)).bytes()


@both
def a_good_document_of_any_form_is_true() -> None:
    """Tagged, with few and many authorities, optional fields absent, empty or there, in any order."""
    plain = fields(as_aws())
    constrained = Chain(changes={3: {"key_ids": False}})
    more = {
        "zz": pairs([(text("a"), array(uint(1), NULL, text("x"), octets(b"y"))),
                     (negative(-7), b"\xfb" + bytes(8)), (octets(b"k"), head(6, 1) + uint(5))]),
        "z": TRUE, "": UNDEFINED, "PCRs": b"\xf9\x3c\x00", "Nonce": octets(b"other")}
    others = {"x" + k: v for k, v in more.items()}
    deep = {"deep": head(4, 1) * 9000 + NULL}
    room = 16384 - len(payload({**plain, "fill": octets(bytes(1000))}))
    full = payload({**plain, "fill": octets(bytes(1000 + room))})
    lib.same(len(full), 16384, "the length of the longest payload")
    longest = Chain(changes={i: {"size": 1024} for i in range(5)})
    pcrs_of_all = pcr_map(pcr_values(range(32)))
    cached = Chain(changes={-1: {"not_before": NOW - 10000, "not_after": NOW + 803}})
    no_constraints = Chain(changes={-1: {"ca": None}})
    cases = [
        Case("as AWS's", document()),
        Case("as AWS's to 2024, without the instance's key identifiers", document(constrained),
             chain=constrained),
        Case("all open", ca.all_open()),
        Case("open unprotected header", signed(unprotected=b"\xbf\xff")),
        Case("open PCRs", document(pcrs=ca.open_pairs([(uint(n), octets(v))
                                                       for n, v in pcr_values(range(32)).items()]))),
        Case("16 certificates in an open bundle", document(chain_of(15), cabundle=ca.open_array(
            *(octets(c) for c in chain_of(15).ders[:-1]))), root=chain_of(15).ders[0], chain=chain_of(15)),
        Case("open unknown values, 32 deep", signed(payload({
            **plain, "x": b"\x9f" * 31 + b"\xbf" + text("a") + array(NULL) + BREAK * 32}))),
        Case("tagged", signed(before=b"\xd2")),
        Case("in one key's order", document_of(sorted(plain.items()))),
        Case("backwards", document_of(list(plain.items())[::-1])),
        Case("unknown keys", signed(payload({**more, **plain, **others}))),
        Case("an unknown key, 9000 deep", signed(payload({**plain, **deep}))),
        Case("PCRs 16 to 31 too", document(pcrs=pcrs_of_all)),
        Case("PCRs 0 and 31 only", document(pcrs=pcr_map(pcr_values(range(0, 32, 31))))),
        Case("PCRs backwards", document(pcrs=pcr_map(dict(list(pcr_values().items())[::-1])))),
        Case("without the optional keys", document(public_key=None, user_data=None, nonce=None)),
        Case("empty optional fields", document(public_key=octets(b""), user_data=octets(b""),
                                               nonce=octets(b""))),
        Case("optional fields there", document(public_key=octets(b"p"), user_data=octets(b"u"),
                                               nonce=octets(b"n"))),
        Case("the longest fields", document(longest, public_key=octets(bytes(1024)), pcrs=pcrs_of_all,
                                            user_data=octets(bytes(1024)), nonce=octets(bytes(1024))),
             root=longest.ders[0], chain=longest),
        Case("the longest payload", signed(full)),
        Case("a module_id of 128 bytes", document(module_id=text("m" * 128))),
        Case("a leaf from the cache", document(cached), chain=cached),
        Case("a leaf without basicConstraints", document(no_constraints), chain=no_constraints),
        Case("lengths of eight bytes", wide_document()),
        Case("s of the other sign", signed(signature=other_s)),
        Case("the root twice", document_by(as_aws().ders[0], *as_aws().ders)),
    ]
    for n in (0, 1, 8, 15):
        chain = chain_of(n)
        cases.append(Case(f"{n} authorities", document(chain), root=chain.ders[0], chain=chain))
    for c in cases:
        c.checked = TRUTH
    hold(cases)


def document_of(items: list[tuple[str, bytes]]) -> bytes:
    return signed(pairs([(text(k), v) for k, v in items]))


def document_by(*ders: bytes) -> bytes:
    """One with these certificates as they are; the last is the leaf's."""
    return document(cabundle=array(*(octets(d) for d in ders[:-1])), certificate=octets(ders[-1]))


def other_s(sig: bytes) -> bytes:
    """ECDSA holds for s and n - s (a document's bytes are no name for it)."""
    return sig[:48] + (ca.ORDER - int.from_bytes(sig[48:], "big")).to_bytes(48, "big")


# --- the structure around ----------------------------------------------------

@both
def what_is_no_cose_sign1_is_refused() -> None:
    """Tags, counts, types and headers that are not RFC 8152's COSE_Sign1 of an NSM."""
    good = document()
    doc, header, bare, sig = "document", "protected header", "unprotected header", "signature"

    def with_header(h: bytes) -> bytes:
        return signed(protected=h)

    def elements(edit) -> bytes:
        return signed(elements=edit)

    hold([
        Case("nothing", b"", "DOC_CUT", doc),
        Case("only a tag", b"\xd2", "DOC_CUT", doc),
        Case("tag 17", signed(before=b"\xd1"), "DOC_COSE", doc),
        Case("tag 98", signed(before=head(6, 98)), "DOC_COSE", doc),
        Case("tag 18 twice", signed(before=b"\xd2\xd2"), "DOC_COSE", doc),
        Case("tag 55799 before 18", signed(before=head(6, 55799) + b"\xd2"), "DOC_COSE", doc),
        Case("tag 18 + 2^32", signed(before=head(6, 18 + 2**32, 8)), "DOC_COSE", doc),
        Case("array of three", elements(lambda e: array(*e[:3])), "DOC_COSE", doc),
        Case("array of five", elements(lambda e: array(*e, NULL)), "DOC_COSE", doc),
        Case("array of none", b"\x80", "DOC_COSE", doc),
        Case("three of four", elements(lambda e: array(*e[:3], count=4)), "DOC_CUT", sig),
        Case("array of 2^32 + 4", elements(lambda e: array(*e, count=2**32 + 4)), "DOC_COSE", doc),
        Case("a map", elements(lambda e: pairs([(e[0], e[1]), (e[2], e[3])], count=4)), "DOC_COSE", doc),
        Case("a string of it", octets(good), "DOC_COSE", doc),
        Case("array without its break", elements(lambda e: b"\x9f" + b"".join(e)), "DOC_CUT", doc),
        Case("open array of three", elements(lambda e: ca.open_array(*e[:3])), "DOC_COSE", sig),
        Case("open array of five", elements(lambda e: ca.open_array(*e, NULL)), "DOC_COSE", doc),
        Case("a second break", elements(lambda e: ca.open_array(*e) + BREAK), "DOC_TRAILING", doc),
        Case("a break after an array of four", signed(after=BREAK), "DOC_TRAILING", doc),
        Case("a break in an array of four", elements(lambda e: array(*e[:3], BREAK)), "DOC_CBOR", sig),
        Case("a break alone", BREAK, "DOC_CBOR", doc),
        Case("a reserved byte", b"\x1c" + good, "DOC_CBOR", doc),
        Case("a byte after it", signed(after=b"\0"), "DOC_TRAILING", doc),
        Case("a document after it", good + good, "DOC_TRAILING", doc),

        Case("header: a map, not in a string", signed(sent_protected=ca.ES384), "DOC_COSE", header),
        Case("header: text", signed(sent_protected=b"\x64" + ca.ES384), "DOC_COSE", header),
        Case("header: empty", with_header(b""), "DOC_COSE", header),
        Case("header: an empty map", with_header(b"\xa0"), "DOC_COSE", header),
        Case("header: an array", with_header(array(uint(1), negative(-35))), "DOC_COSE", header),
        Case("header: alg twice", with_header(pairs([(uint(1), negative(-35))] * 2)), "DOC_COSE",
             header),
        Case("header: alg and a key id", with_header(pairs([(uint(1), negative(-35)),
                                                            (uint(4), octets(b"k"))])), "DOC_COSE",
                                                            header),
        Case("header: crit first", with_header(pairs([(uint(2), array(uint(1))),
                                                      (uint(1), negative(-35))])), "DOC_COSE", header),
        Case("header: only a key id", with_header(pairs([(uint(4), negative(-35))])), "DOC_COSE",
             header),
        Case("header: alg by -1", with_header(pairs([(negative(-2), negative(-35))])), "DOC_COSE",
             header),
        Case("header: alg by text", with_header(pairs([(text("alg"), negative(-35))])), "DOC_COSE",
             header),
        Case("header: alg is text", with_header(pairs([(uint(1), text("ES384"))])), "DOC_COSE", header),
        Case("header: alg is null", with_header(pairs([(uint(1), NULL)])), "DOC_COSE", header),
        Case("header: alg of 2^64", with_header(pairs([(uint(1), b"\x3b" + b"\xff" * 8)])),
             "DOC_COSE", header),
        Case("header: cut", with_header(b"\xa1\x01"), "DOC_CBOR", header),
        Case("header: without its break", with_header(b"\xbf" + ca.ES384[1:]), "DOC_CBOR", header),
        Case("header: open, alg twice", with_header(ca.open_pairs([(uint(1), negative(-35))] * 2)), "DOC_COSE",
             header),
        Case("header: open and empty", with_header(ca.open_pairs([])), "DOC_COSE", header),
        Case("header: a byte after it", with_header(ca.ES384 + b"\0"), "DOC_TRAILING", header),
        Case("header: a string without end", signed(sent_protected=b"\x5f" + octets(ca.ES384) + BREAK),
             "DOC_CBOR", header),

        Case("unprotected: alg", signed(unprotected=pairs([(uint(1), negative(-35))])), "DOC_COSE",
             bare),
        Case("unprotected: x5chain", signed(unprotected=pairs([(uint(33), octets(LEAF.key.spki))])),
             "DOC_COSE", bare),
        Case("unprotected: an array", signed(unprotected=b"\x80"), "DOC_COSE", bare),
        Case("unprotected: null", signed(unprotected=NULL), "DOC_COSE", bare),
        Case("unprotected: without its break", signed(unprotected=b"\xbf"), "DOC_COSE", bare),
        Case("unprotected: open, alg", signed(unprotected=ca.open_pairs([(uint(1), negative(-35))])), "DOC_COSE",
             bare),
        Case("unprotected: two breaks", signed(unprotected=b"\xbf\xff\xff"), "DOC_CBOR", "payload"),

        Case("payload: detached", signed(sent_payload=NULL), "DOC_COSE", "payload"),
        Case("payload: a map, not in a string", signed(sent_payload=payload(fields(as_aws()))),
             "DOC_COSE", "payload"),
        Case("payload: text", signed(sent_payload=text("payload")), "DOC_COSE", "payload"),
        Case("payload: without end", signed(
            sent_payload=b"\x5f" + octets(payload(fields(as_aws()))) + BREAK), "DOC_CBOR", "payload"),
        Case("payload: of 2^64 bytes", signed(sent_payload=b"\x5b" + b"\xff" * 8), "DOC_CUT", "payload"),

        Case("signature: null", signed(sent_signature=NULL), "DOC_COSE", sig),
        Case("signature: text", signed(sent_signature=text("s" * 96)), "DOC_COSE", sig),
        Case("signature: an array of two", signed(sent_signature=array(octets(bytes(48)),
                                                                       octets(bytes(48)))), "DOC_COSE",
                                                                       sig),
        Case("signature: without end", signed(sent_signature=b"\x5f" + octets(bytes(96)) + BREAK),
             "DOC_CBOR", sig, forged=True),
    ])


@both
def another_algorithm_than_es384_is_refused() -> None:
    """ES256, ES512, RSA, HMAC, QEMU's none: by the header, though the signature would hold."""
    def with_alg(alg: bytes) -> bytes:
        return signed(protected=pairs([(uint(1), alg)]))

    zero = octets(bytes(64))
    qemu = ca.Document(payload(fields(as_aws(), certificate=zero, cabundle=array(zero))),
                       protected=b"\xa1\x01\x20", sent_signature=zero).bytes()
    hold([Case(f"alg {n}", with_alg(negative(n)), "ALGORITHM", "protected header")
          for n in (-1, -7, -8, -34, -36, -37, -39, -47, -35 - 256, -35 - 2**32)]
         + [Case(f"alg {n}", with_alg(uint(n)), "ALGORITHM", "protected header")
            for n in (0, 4, 34, 35, 2**63 - 1)]
         + [Case("QEMU's document", qemu, "ALGORITHM", "protected header", forged=True)])


# --- the signature -----------------------------------------------------------

def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def number(n: int) -> bytes:
    return n.to_bytes(48, "big")


@both
def a_wrong_signature_is_refused() -> None:
    """Of another length or key, over other bytes, or of numbers out of range."""
    body, order = payload(fields(as_aws())), ca.ORDER
    other = document(timestamp=uint(NOW * 1000 + 1, 8))
    key = LEAF.key

    def by(sig: bytes) -> bytes:
        return signed(signature=lambda _: sig)

    def over(data: bytes) -> bytes:
        return by(key.sign_raw(data))

    def der_of(sig: bytes) -> bytes:
        return encode_dss_signature(int.from_bytes(sig[:48], "big"), int.from_bytes(sig[48:], "big"))

    structure = ca.to_be_signed(ca.ES384, body)
    sha512 = encode_to_raw(key.sign(structure, "SHA512"))
    hold([Case(name, doc, "SIGNATURE_LENGTH", "signature", forged=True) for name, doc in {
        "0 bytes": by(b""), "64 bytes": by(bytes(64)), "95 bytes": signed(signature=lambda s: s[:-1]),
        "97 bytes": signed(signature=lambda s: s + b"\0"),
        "a zero before": signed(signature=lambda s: b"\0" + s),
        "192 bytes": signed(signature=lambda s: s + s), "DER": signed(signature=der_of),
    }.items()] + [Case(name, doc, "SIGNATURE", "signature", forged=True) for name, doc in {
        "zero": by(bytes(96)), "ones": by(b"\xff" * 96),
        "r flipped": signed(signature=lambda s: flip(s, 47)),
        "r's first bit flipped": signed(signature=lambda s: bytes([s[0] ^ 0x80]) + s[1:]),
        "s flipped": signed(signature=lambda s: flip(s, 95)),
        "r is 0": signed(signature=lambda s: bytes(48) + s[48:]),
        "s is 0": signed(signature=lambda s: s[:48] + bytes(48)),
        "r is 1, s is 1": by(number(1) * 2),
        "r is n": signed(signature=lambda s: number(order) + s[48:]),
        "s is n": signed(signature=lambda s: s[:48] + number(order)),
        "s is n - 0 of r": signed(signature=lambda s: s[:48] + s[:48]),
        "r and s swapped": signed(signature=lambda s: s[48:] + s[:48]),
        "little-endian": signed(signature=lambda s: s[:48][::-1] + s[48:][::-1]),
        "by the instance's key": signed(key=INSTANCE_CA.key), "by the root's key": signed(key=ROOT.key),
        "by another leaf's key": signed(key=ca.key("another leaf")),
        "of another document": by(cbor2.loads(other)[3]),
        "with SHA-512": by(sha512), "over the payload alone": over(body),
        "over the document": over(array(octets(ca.ES384), b"\xa0", octets(body))),
        "as of COSE_Sign": over(array(text("Signature"), octets(ca.ES384), octets(b""), octets(body))),
        "as of COSE_Mac0": over(array(text("MAC0"), octets(ca.ES384), octets(b""), octets(body))),
        "with external data": over(array(text("Signature1"), octets(ca.ES384), octets(b"x"),
                                         octets(body))),
        "with the signer's header too": over(array(text("Signature1"), octets(ca.ES384), octets(b""),
                                                   octets(b""), octets(body))),
        "over a longer form of the payload's length": over(
            array(text("Signature1"), octets(ca.ES384), octets(b""), octets(body, 8))),
        "a payload's byte flipped": signed(sent_payload=octets(flip(body, 30))),
        "a PCR's byte flipped": signed(sent_payload=octets(flip(body, body.index(b"pcrs") + 20))),
        "the last value, null, is empty": signed(
            sent_payload=octets(body.replace(b"\x65nonce\xf6", b"\x65nonce\x40"))),
        "the payload's map in the other form": signed(sent_payload=octets(payload(
            fields(as_aws()), next(f for f in ca.FORMS if f != ca.FORM.get())))),
        "the header in a longer form": signed(
            sent_protected=octets(b"\xa1\x01\x39\x00\x22")),
        "the header's map in a longer form": signed(sent_protected=octets(b"\xb8\x01\x01\x38\x22")),
    }.items()])


def encode_to_raw(sig: bytes) -> bytes:
    r, s = ca.decode_dss_signature(sig)
    return number(r) + number(s)


# --- the payload -------------------------------------------------------------

@both
def a_field_missing_twice_or_of_another_type_is_refused() -> None:
    """Each of the nine by its name."""
    plain = fields(as_aws())
    optional = ("public_key", "user_data", "nonce")
    wrong = {
        "module_id": (octets(b"i-1"), uint(1), array(), TRUE),
        "digest": (octets(b"SHA384"), uint(384), array(text("SHA384"))),
        "timestamp": (text("1767268800000"), negative(-1), b"\xfb\x42\x79\xb7\x8d\x41\x00\x00\x00", TRUE,
                      octets(bytes(8)), head(6, 1) + uint(NOW)),
        "pcrs": (array(uint(0), octets(bytes(48))), octets(bytes(48)), uint(0)),
        "certificate": (text("certificate"), array(octets(LEAF.key.spki)), uint(0)),
        "cabundle": (octets(as_aws().ders[0]), pairs([]), uint(4), text("")),
        "public_key": (text("key"), uint(0), array(), pairs([]), UNDEFINED, b"\xf4"),
        "user_data": (text("data"), uint(0), array(), pairs([]), UNDEFINED, b"\xf4"),
        "nonce": (text("nonce"), uint(0), array(), pairs([]), UNDEFINED, head(6, 24) + octets(b"n")),
    }
    cases = []
    for k in plain:
        if k not in optional:
            cases.append(Case(f"without {k}", document(**{k: None}), "DOC_MISSING", k))
            cases.append(Case(f"{k} is null", document(**{k: NULL}), "DOC_MISSING", k))
        items = list(plain.items())
        cases.append(Case(f"{k} twice", document_of([*items, (k, plain[k])]), "DOC_TWICE", k))
        cases.append(Case(f"{k} twice, side by side", document_of(
            [i for n, v in items for i in [(n, v)] * (1 + (n == k))]), "DOC_TWICE", k))
        cases += [Case(f"{k} is of type {v[0] >> 5} ({v[:2].hex()})", document(**{k: v}), "DOC_TYPE", k)
                  for v in wrong[k]]
    # One that is there after one that is null, and the reverse.
    for k in optional:
        rest = [(n, v) for n, v in plain.items() if n != k]
        cases += [Case(f"{k} null, then bytes", document_of([(k, NULL), *rest, (k, octets(b"x"))]),
                       "DOC_TWICE", k),
                  Case(f"{k} bytes, then null", document_of([(k, octets(b"x")), *rest, (k, NULL)]),
                       "DOC_TWICE", k)]
    hold(cases)


@both
def a_length_or_number_out_of_range_is_refused() -> None:
    """Fields too long or empty, numbers and counts beyond what an NSM has."""
    bundle = [octets(c) for c in as_aws().ders[:-1]]
    values = pcr_values()

    def pcr(name: str, error: str, what: str, *more: tuple[bytes, bytes], without: int = -1) -> Case:
        items = [(uint(n), octets(v)) for n, v in values.items() if n != without]
        return Case(name, document(pcrs=pairs([*items, *more])), error, what)

    def padded(n: int) -> bytes:
        return octets(bytes(n))

    cases = [
        Case("module_id empty", document(module_id=text("")), "DOC_LENGTH", "module_id"),
        Case("digest empty", document(digest=text("")), "DOC_LENGTH", "digest"),
        *(Case(f"digest {d!r}", document(digest=text(d)), "DIGEST", "digest")
          for d in ("SHA256", "SHA512", "sha384", "SHA-384", "SHA38", "SHA384 ", "SHA3844", "SHA384\0")),
        *(Case(f"timestamp {t}", document(timestamp=uint(t)), "DOC_RANGE", "timestamp")
          for t in (0, 2**62, 2**63, 2**64 - 1)),
        Case("no PCR", document(pcrs=pairs([])), "DOC_RANGE", "pcrs"),
        Case("33 PCRs", document(pcrs=pairs([(uint(n), octets(bytes(48))) for n in range(33)])),
             "DOC_RANGE", "pcrs"),
        Case("2^32 + 1 PCRs", document(pcrs=pairs([(uint(0), octets(bytes(48)))], count=2**32 + 1)),
             "DOC_RANGE", "pcrs"),
        *(pcr(f"PCR {n}", "DOC_RANGE", "pcrs", (uint(n), octets(bytes(48))))
          for n in (32, 255, 256, 256 + 16, 2**32 + 16, 2**64 - 1)),
        pcr("PCR -1", "DOC_TYPE", "pcrs", (negative(-1), octets(bytes(48)))),
        pcr("PCR '16'", "DOC_TYPE", "pcrs", (text("16"), octets(bytes(48)))),
        pcr("PCR3 twice", "DOC_TWICE", "PCR3", (uint(3), octets(values[3]))),
        pcr("PCR3 twice, in other forms", "DOC_TWICE", "PCR3", (uint(3, 8), octets(values[3]))),
        *(pcr(f"a PCR of {n} bytes", "DOC_LENGTH", "PCR2", (uint(2), padded(n)), without=2)
          for n in (0, 1, 31, 33, 47, 49, 63, 65, 96)),
        *(pcr(f"a PCR of {n} bytes", "DIGEST", "PCR2", (uint(2), padded(n)), without=2)
          for n in (32, 64)),
        pcr("all PCRs but one of 48 bytes, the last of 64", "DIGEST", "PCR31", (uint(31), padded(64))),
        pcr("a PCR is text", "DOC_TYPE", "PCR2", (uint(2), text("p" * 48)), without=2),
        pcr("a PCR is an array", "DOC_TYPE", "PCR2", (uint(2), array(*[uint(0)] * 48)), without=2),
        pcr("a PCR is null", "DOC_TYPE", "PCR2", (uint(2), NULL), without=2),
        Case("certificate empty", document(certificate=octets(b"")), "DOC_LENGTH", "certificate"),
        Case("certificate of 1025 bytes", document(certificate=padded(1025)), "DOC_LENGTH",
             "certificate"),
        Case("cabundle empty", document(cabundle=array()), "DOC_RANGE", "cabundle"),
        Case("cabundle of 17", document(cabundle=array(*bundle[:1] * 17)), "DOC_RANGE", "cabundle"),
        Case("no PCR, open", document(pcrs=b"\xbf\xff"), "DOC_RANGE", "pcrs"),
        Case("PCR 32, open", document(pcrs=ca.open_pairs([(uint(n), octets(bytes(48))) for n in range(33)])),
             "DOC_RANGE", "pcrs"),
        Case("cabundle open and empty", document(cabundle=b"\x9f\xff"), "DOC_RANGE", "cabundle"),
        Case("cabundle open, of 17", document(cabundle=ca.open_array(*bundle[:1] * 17)), "DOC_RANGE", "cabundle"),
        Case("cabundle of 2^32 + 1", document(cabundle=array(*bundle, count=2**32 + 1)), "DOC_RANGE",
             "cabundle"),
        Case("cabundle with null", document(cabundle=array(*bundle, NULL)), "DOC_MISSING",
             "cabundle[4]"),
        Case("cabundle with text", document(cabundle=array(text("root"), *bundle)), "DOC_TYPE",
             "cabundle[0]"),
        Case("cabundle with an array", document(cabundle=array(bundle[0], array(*bundle[1:]))),
             "DOC_TYPE", "cabundle[1]"),
        Case("an authority of 0 bytes", document(cabundle=array(bundle[0], octets(b""), *bundle[2:])),
             "DOC_LENGTH", "cabundle[1]"),
        Case("an authority of 1025 bytes", document(cabundle=array(*bundle, padded(1025))), "DOC_LENGTH",
             "cabundle[4]"),
        *(Case(f"{k} of {n} bytes", document(**{k: padded(n)}), "DOC_LENGTH", k)
          for k, n in (("public_key", 1025), ("user_data", 1025), ("nonce", 1025),
                       ("nonce", 4096))),
    ]
    hold(cases)


@both
def a_payload_that_is_not_one_map_is_refused() -> None:
    """Other types, lengths without end, bytes after it, counts that lie."""
    plain = fields(as_aws())
    body = payload(plain)
    items = [(text(k), v) for k, v in plain.items()]
    room = 16385 - len(payload({**plain, "fill": octets(bytes(1000))}))

    def with_raw(k: str, v: bytes) -> bytes:
        return document(**{k: v})

    hold([Case(name, signed(p), error, what) for name, p, error, what in (
        ("empty", b"", "DOC_LENGTH", "payload"),
        ("16385 bytes", payload({**plain, "fill": octets(bytes(1000 + room))}), "DOC_LENGTH", "payload"),
        ("65536 bytes", payload({**plain, "fill": octets(bytes(65536))}), "DOC_LENGTH", "payload"),
        ("an array", array(*(i for kv in items for i in kv)), "DOC_TYPE", "payload"),
        ("a number", uint(0), "DOC_TYPE", "payload"),
        ("null", NULL, "DOC_TYPE", "payload"),
        ("a string of it", octets(body), "DOC_TYPE", "payload"),
        ("tagged", head(6, 55799) + body, "DOC_TYPE", "payload"),
        ("an empty map", pairs([]), "DOC_MISSING", "module_id"),
        ("a byte after it", body + b"\0", "DOC_TRAILING", "payload"),
        ("twice", body + body, "DOC_TRAILING", "payload"),
        ("a pair more than it says", pairs(items, count=8), "DOC_TRAILING", "payload"),
        ("a pair less than it says", pairs(items, count=10), "DOC_CBOR", "payload"),
        ("2^64 - 1 pairs", pairs(items, count=2**64 - 1), "DOC_CBOR", "payload"),
        ("cut", pairs(items)[:-1], "DOC_CBOR", "nonce"),
        ("without its break", ca.open_pairs(items)[:-1], "DOC_CBOR", "nonce"),
        ("a second break", ca.open_pairs(items) + BREAK, "DOC_TRAILING", "payload"),
        ("a break after a map of nine", pairs(items) + BREAK, "DOC_TRAILING", "payload"),
        ("a break in a map of nine", pairs(items[:8], count=9) + BREAK, "DOC_CBOR", "payload"),
        ("a break in place of a value", ca.open_pairs(items[:8]) [:-1] + text("nonce") + BREAK, "DOC_CBOR", "nonce"),
        ("a break in place of an unknown value", ca.open_pairs([*items, (text("x"), b"")]), "DOC_CBOR", "payload"),
        ("open and empty", b"\xbf\xff", "DOC_MISSING", "module_id"),
        ("open, a byte after it", ca.open_pairs(items) + b"\0", "DOC_TRAILING", "payload"),
        ("an unknown map with a key alone", pairs([(text("x"), b"\xbf\x61k\xff"), *items]), "DOC_CBOR", "payload"),
        ("an unknown array with a break in an array", pairs([(text("x"), b"\x9f\x82\x01\xff\xff"), *items]), "DOC_CBOR",
         "payload"),
        ("an unknown tag on a break", pairs([(text("x"), b"\x9f\xc1\xff"), *items]), "DOC_CBOR", "payload"),
        ("unknown values open, 33 deep", pairs([(text("x"), b"\x9f" * 33 + BREAK * 33), *items]), "DOC_CBOR", "payload"),
        ("an unknown string in chunks", pairs([(text("x"), b"\x9f\x5f\x41a\xff\xff"), *items]), "DOC_CBOR", "payload"),
        ("a reserved byte", b"\xbc" + pairs(items)[1:], "DOC_CBOR", "payload"),
        ("a key is a number", pairs([(uint(1), uint(2)), *items]), "DOC_TYPE", "payload"),
        ("a key is bytes", pairs([*items, (octets(b"nonce"), NULL)]), "DOC_TYPE", "payload"),
        ("a key is null", pairs([*items, (NULL, NULL)]), "DOC_TYPE", "payload"),
        ("a key without end", pairs([(b"\x7f\x61x\xff", NULL), *items]), "DOC_CBOR", "payload"),
        ("an unknown value without its break", pairs([*items, (text("x"), b"\x9f")]), "DOC_CBOR",
         "payload"),
        ("an unknown value that is cut", pairs([*items, (text("x"), array(NULL, count=2))]), "DOC_CBOR",
         "payload"),
        ("an unknown array of 2^64 - 1", pairs([*items, (text("x"), array(NULL, count=2**64 - 1))]),
         "DOC_CBOR", "payload"),
        ("an unknown map of 2^63", pairs([*items, (text("x"), head(5, 2**63))]), "DOC_CBOR", "payload"),
        ("an unknown value is a break", pairs([*items, (text("x"), BREAK)]), "DOC_CBOR", "payload"),
        ("an unknown tag on nothing", pairs([*items, (text("x"), head(6, 1))]), "DOC_CBOR", "payload"),
    )] + [Case(f"{k} without end", with_raw(k, v), "DOC_CBOR", what) for k, v, what in (
        ("module_id", b"\x7f" + text(MODULE_ID) + BREAK, "module_id"),
        ("digest", b"\x7f" + text("SHA384") + BREAK, "digest"),
        ("certificate", b"\x5f" + plain["certificate"] + BREAK, "certificate"),
        ("public_key", b"\x5f\x41p\xff", "public_key"), ("user_data", b"\x5f\xff", "user_data"),
        ("nonce", b"\x5f\x41n\xff", "nonce"),
    )] + [
        Case("a PCR without end", with_raw("pcrs", pairs([(uint(0),
                                                           b"\x5f" + octets(bytes(48)) + BREAK)])),
             "DOC_CBOR", "PCR0"),
        Case("an authority without end", with_raw("cabundle", array(
            octets(as_aws().ders[0]), b"\x5f" + octets(as_aws().ders[1]) + BREAK)), "DOC_CBOR",
            "cabundle[1]"),
    ])


# --- the chain ---------------------------------------------------------------

def at(n: int) -> str:
    return "certificate" if n == 4 else f"cabundle[{n}]"


def altered(n: int, **what: object) -> Chain:
    return Chain(changes={n: what})


def bad(name: str, chain: Chain, error: str, what: str, openssl: str = "", time: int = NOW,
        root: bytes | None = None, by_id: bool = False) -> Case:
    """A document by CHAIN, whose own root is the one trusted."""
    return Case(name, document(chain), error, what, root=chain.ders[0] if root is None else root,
                chain=chain, openssl=openssl, time=time, by_id=by_id)


def arranged(name: str, ders: list[bytes], error: str, what: str, openssl: str = "",
             root: bytes | None = None) -> Case:
    """AWS's form of chain, but these certificates."""
    return Case(name, document_by(*ders), error, what, root=root, openssl=openssl)


def openssl_accepts(where: Path, root: bytes, bundle: list[bytes], leaf: bytes, time: int) -> bool:
    """openssl's verdict; it builds the path itself, of what is there."""
    def pem(name: str, ders: list[bytes]) -> str:
        path = where / name
        path.write_text("".join(DER_cert_to_PEM_cert(d) for d in ders))
        return str(path)
    words = ["openssl", "verify", "-no-CApath", "-no-CAstore", "-attime", str(time), "-CAfile",
             pem("root", [root])]
    if bundle:
        words += ["-untrusted", pem("chain", bundle)]
    return subprocess.run([*words, pem("leaf", [leaf])], capture_output=True).returncode == 0


def links_hold(ders: list[bytes]) -> bool | None:
    """By cryptography: each certificate names the one before, which has signed it. None: cannot say."""
    try:
        certs = [x509.load_der_x509_certificate(d) for d in ders]
        for above, c in zip(certs, certs[1:]):
            public = above.public_key()
            if not isinstance(public, ec.EllipticCurvePublicKey) or not c.signature_hash_algorithm:
                return None
            if above.subject.public_bytes() != c.issuer.public_bytes():
                return False
            public.verify(c.signature, c.tbs_certificate_bytes, ec.ECDSA(c.signature_hash_algorithm))
    except InvalidSignature:
        return False
    except Exception:
        return None
    return True


def hold_chains(cases: list[Case]) -> None:
    """
    hold, and openssl refuses what we refuse, and accepts what we accept, but where a case says why. Not
    by -x509_strict: that wants key identifiers, which AWS's certificates of instances do not have.
    """
    hold(cases)
    wrong = []
    # What says itself that a link is broken, or that there is no reading it.
    broken = ("CERT_SIGNATURE", "CERT_ISSUER", "CERT_ALGORITHM", "ROOT_OTHER", "CERT_FORM")
    with tempfile.TemporaryDirectory() as tmp:
        for c in cases:
            f = cbor2.loads(cbor2.loads(c.doc)[2])
            accepts = openssl_accepts(Path(tmp), root_of(c), f["cabundle"], f["certificate"], c.time)
            if accepts != ((c.error == "ok") != bool(c.openssl)):
                wrong.append(f"{c.name}: openssl {'accepts' if accepts else 'refuses'} it")
            links = links_hold([*f["cabundle"], f["certificate"]])
            if links is False and c.error not in broken:
                wrong.append(f"{c.name}: by cryptography a link is broken")
            if links and c.error in ("CERT_SIGNATURE", "CERT_ISSUER") and not c.by_id:
                wrong.append(f"{c.name}: by cryptography no link is broken")
    lib.check(not wrong, f"{len(wrong)} of {len(cases)}: " + "; ".join(wrong))


@both
def each_certificate_is_valid_from_its_first_to_its_last_second() -> None:
    """Before and after is refused, with the certificate that is to blame."""
    first, last = NOW - 5000, NOW + 5000
    wide = {"not_before": NOW - 9 * DAY, "not_after": NOW + 9 * DAY}
    cases = []
    sooner = "refuses: for it the last second is over; for RFC 5280, 4.1.2.5, it is inside"
    for n in range(5):
        changes = {i: dict(wide) for i in range(5)}
        changes[n] = {"not_before": first, "not_after": last}
        chain = Chain(changes=changes)
        cases += [bad(f"{at(n)}, a second early", chain, "CERT_NOT_YET", at(n), time=first - 1),
                  bad(f"{at(n)}, at first", chain, "ok", "", time=first),
                  bad(f"{at(n)}, before the last", chain, "ok", "", time=last - 1),
                  bad(f"{at(n)}, at last", chain, "ok", "", sooner, time=last),
                  bad(f"{at(n)}, a second late", chain, "CERT_EXPIRED", at(n), time=last + 1)]
    wrong_way = Chain(changes={4: {"not_before": NOW + 5, "not_after": NOW - 5}})
    far = Chain(changes={i: {"not_before": seconds("1949-12-31T23:59:59Z"),
                             "not_after": seconds("2051-02-28T23:59:59Z")} for i in range(5)})
    cases += [
        bad("a leaf that ends before it begins", wrong_way, "CERT_NOT_YET", "certificate"),
        bad("beyond 2050, at last", far, "ok", "", sooner, time=seconds("2051-02-28T23:59:59Z")),
        bad("beyond 2050, a second late", far, "CERT_EXPIRED", at(0),
            time=seconds("2051-03-01T00:00:00Z")),
        bad("at the epoch", far, "ok", "", time=0),
        bad("AWS's form at the epoch", as_aws(), "CERT_NOT_YET", at(0), time=0),
        bad("AWS's form in 2100", as_aws(), "CERT_EXPIRED", at(0), time=seconds("2100-01-01T00:00:00Z")),
    ]
    hold_chains(cases)


@both
def a_bundle_in_another_order_is_refused() -> None:
    """Swapped, missing, doubled or foreign certificates, and roots that are not the one trusted."""
    root, regional, zonal, instance, leaf = ders = as_aws().ders
    below = replace(LEAF, key=ca.key("below"), subject=(("CN", "below"),))
    free = Chain(changes={n: {"path_len": None} for n in (1, 2, 3)}).ders
    builds = "accepts: it puts the path in order itself"
    impostor = Chain(changes={0: {"key": ca.key("impostor")}})
    same_name = Chain(changes={1: {"signer": ca.key("impostor")}})
    foreign = Chain(changes={0: {"subject": (("CN", "other.nitro-enclaves"),),
                                 "key": ca.key("foreign")}})
    renewed = Chain(changes={0: {"serial": 7}})
    hold_chains([
        arranged("as it should be", ders, "ok", ""),
        arranged("two swapped", [root, zonal, regional, instance, leaf], "CERT_ISSUER", at(1), builds),
        arranged("the last two swapped", [root, regional, instance, zonal, leaf], "CERT_ISSUER", at(2),
                 builds),
        arranged("the bundle backwards", [instance, zonal, regional, root, leaf], "ROOT_OTHER", at(0),
                 builds),
        arranged("without the root", [regional, zonal, instance, leaf], "ROOT_OTHER", at(0),
                 "accepts: the root that is trusted stands in"),
        arranged("without the first", [root, zonal, instance, leaf], "CERT_ISSUER", at(1)),
        arranged("without the second", [root, regional, instance, leaf], "CERT_ISSUER", at(2)),
        arranged("without the last", [root, regional, zonal, leaf], "CERT_ISSUER", "certificate"),
        arranged("the root alone", [root, leaf], "CERT_ISSUER", "certificate"),
        arranged("one twice", [*free[:2], *free[1:]], "CERT_ISSUER", at(2), builds),
        arranged("the root at the end too", [*free[:4], root, leaf], "CERT_ISSUER", "cabundle[4]",
                 builds),
        bad("a leaf below the leaf", Chain((ROOT, *(authority(n) for n in range(3)), LEAF, below)),
            "CERT_NOT_CA", "cabundle[4]"),
        arranged("the leaf as the only authority", [root, leaf, leaf], "CERT_ISSUER", at(1)),
        arranged("leaf and instance swapped", [root, regional, zonal, leaf, instance], "CERT_ISSUER",
                 at(3),
                 "accepts: it asks no leaf for what its key is to do, and drops what is no issuer"),
        arranged("another root is trusted", ders, "ROOT_OTHER", at(0), root=foreign.ders[0]),
        arranged("another root of the same name is trusted", ders, "ROOT_OTHER", at(0),
                 root=impostor.ders[0]),
        arranged("AWS's root is trusted", ders, "ROOT_OTHER", at(0),
                 root=(lib.TOP / "tests/data/doc/root.der").read_bytes()),
        arranged("the same key in another certificate is trusted", ders, "ROOT_OTHER", at(0),
                 "accepts: it does not look at the root that is in the bundle", root=renewed.ders[0]),
        bad("the whole chain of another root", foreign, "ROOT_OTHER", at(0), root=root),
        bad("the whole chain of an impostor", impostor, "ROOT_OTHER", at(0), root=root),
        bad("an impostor's chain behind the right root", same_name, "CERT_SIGNATURE", at(1)),
    ])


@both
def what_is_no_root_is_refused() -> None:
    """The root given is itself looked at."""
    root = as_aws().ders[0]
    pem = x509.load_der_x509_certificate(root).public_bytes(Encoding.PEM)
    small = Chain((replace(ROOT, key=Key("small", ec.SECP256R1), signed="ecdsa SHA384"), *AS_AWS[1:]))
    first = Chain(changes={0: {"version": 1}})
    hold([
        *(Case(name, document(), "ROOT", "root", root=data) for name, data in {
            "empty": b"", "zeros": bytes(533), "text": b"root", "cut": root[:-1],
            "a byte after it": root + b"\0", "PEM": pem, "twice": root + root}.items()),
        Case("on P-256", document(small), "ROOT", "root", root=small.ders[0], chain=small),
        Case("version 1", document(first), "ROOT", "root", root=first.ders[0], chain=first),
        bad("no authority", altered(0, ca=False), "CERT_NOT_CA", at(0)),
        bad("without keyCertSign", altered(0, usage=(SIGNS, CRL_SIGN)), "CERT_KEY_USAGE", at(0)),
        bad("expired", altered(0, not_after=NOW - 1), "CERT_EXPIRED", at(0)),
    ])


@both
def a_path_longer_than_allowed_is_refused() -> None:
    """At each level, by one; as long as allowed is fine."""
    cases = []
    for n in range(4):
        below = 3 - n
        cases.append(bad(f"{at(n)} allows {below}", altered(n, path_len=below), "ok", ""))
        if below:
            cases.append(bad(f"{at(n)} allows {below - 1}", altered(n, path_len=below - 1),
                             "CERT_PATH_LENGTH", at(n)))
        if below > 1:
            cases.append(bad(f"{at(n)} allows 0", altered(n, path_len=0), "CERT_PATH_LENGTH", at(n)))
        cases.append(bad(f"{at(n)} allows 2^30", altered(n, path_len=2**30), "ok", ""))
    one_more = Chain((ROOT, REGIONAL, ZONAL, INSTANCE_CA, authority(9), LEAF))
    cases += [
        bad("one authority more", one_more, "CERT_PATH_LENGTH", at(1)),
        bad("one authority below the last", Chain((ROOT, INSTANCE_CA, authority(9), LEAF)),
            "CERT_PATH_LENGTH", at(1)),
        bad("one of 15 allows one too few", Chain((ROOT, *(authority(i, 13 - i if i == 7 else None)
                                                           for i in range(15)), LEAF)),
            "CERT_PATH_LENGTH", at(8)),
    ]
    hold_chains(cases)


@both
def who_may_not_issue_or_sign_is_refused() -> None:
    """Authorities that are none, keys that are not meant for that."""
    strict = "accepts: RFC 5280 takes a certificate without key usage for all uses"
    purpose = "accepts: it was not told what the leaf's key is to do"
    cases = []
    for n in (1, 2, 3):
        cases += [
            bad(f"{at(n)} is no authority", altered(n, ca=False, path_len=None), "CERT_NOT_CA", at(n)),
            bad(f"{at(n)} is none, but has a path length", altered(n, ca=False, path_len=1), "CERT_NOT_CA", at(n)),
            bad(f"{at(n)} is none, but has a path length of 0", altered(n, ca=False, path_len=0), "CERT_NOT_CA",
                at(n)),
            bad(f"{at(n)} has no basicConstraints", altered(n, ca=None), "CERT_NOT_CA", at(n)),
            bad(f"{at(n)} has no keyCertSign", altered(n, usage=(SIGNS, CRL_SIGN)), "CERT_KEY_USAGE",
                at(n)),
            bad(f"{at(n)} has an empty key usage", altered(n, usage=()), "CERT_KEY_USAGE", at(n)),
            bad(f"{at(n)} has no key usage", altered(n, usage=None), "CERT_KEY_USAGE", at(n), strict),
            bad(f"{at(n)} says so, but not critically", altered(n, ca_critical=False,
                                                                usage_critical=False), "ok", ""),
        ]
    hold_chains(cases + [
        bad("the leaf has a path length", altered(4, path_len=0), "CERT_EXTENSION", "certificate", purpose),
        bad("the leaf has a path length of 1", altered(4, path_len=1), "CERT_EXTENSION", "certificate", purpose),
        bad("the leaf may sign certificates", altered(4, usage=(SIGNS, CERT_SIGN)), "CERT_KEY_USAGE", "certificate",
            purpose),
        bad("authorities below one that is none", Chain((ROOT, replace(
            authority(0), ca=False, path_len=1), *(authority(n) for n in range(1, 5)), LEAF)), "CERT_NOT_CA", at(1)),
        bad("the leaf is an authority", altered(4, ca=True), "CERT_IS_CA", "certificate", purpose),
        bad("the leaf is an authority in all", altered(4, ca=True, usage=(SIGNS, CERT_SIGN)),
            "CERT_IS_CA",
            "certificate", purpose),
        bad("the leaf signs nothing but contracts", altered(4, usage=(NON_REPUDIATION,)),
            "CERT_KEY_USAGE",
            "certificate", purpose),
        bad("the leaf enciphers", altered(4, usage=(ENCIPHERS,)), "CERT_KEY_USAGE", "certificate",
            purpose),
        bad("the leaf has no key usage", altered(4, usage=None), "CERT_KEY_USAGE", "certificate",
            strict),
        bad("the leaf's usage is critical", altered(4, usage_critical=True), "ok", ""),
        *(bad(f"{at(n)} is for servers of TLS{', critically' if critical else ''}",
              altered(n, more=(extension("2.5.29.37", der(0x30, oid("1.3.6.1.5.5.7.3.1")),
                                         critical),)),
              "CERT_KEY_USAGE", at(n), "accepts: it was told no purpose")
          for n in (1, 3, 4) for critical in (False, True)),
        bad("a leaf as the only authority", Chain((ROOT, LEAF, replace(
            LEAF, key=ca.key("below"), subject=(("CN", "below"),)))), "CERT_NOT_CA", at(1)),
    ])


def spki(parameters: bytes, point: bytes) -> bytes:
    return der(0x30, der(0x30, oid("1.2.840.10045.2.1"), parameters), der(3, b"\0" + point))


def explicit_p384() -> bytes:
    """P-384 spelt out in place of its name (as in CVE-2020-0601)."""
    p = 2**384 - 2**128 - 2**96 + 2**32 - 1
    b = int("b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
            16)
    g = bytes.fromhex("04aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3"
                      "a545e3872760ab73617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60"
                      "b1ce1d7e819d7a431d7c90ea0e5f")
    return der(0x30, integer(1), der(0x30, oid("1.2.840.10045.1.1"), integer(p)),
               der(0x30, der(4, number(p - 3)), der(4, number(b))), der(4, g), integer(ca.ORDER))


@both
def another_key_or_algorithm_than_p384_with_sha384_is_refused() -> None:
    """Other curves, RSA, points off the curve, other hashes, versions before 3."""
    curves = "accepts: it takes any curve"
    hashes_ = "accepts: it takes any hash of its security level"
    named = oid("1.3.132.0.34")
    point = LEAF.key.point
    edwards = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    cases = []
    for n in (1, 3, 4):
        p256, rsa = Key("P-256", ec.SECP256R1), rsa_key()
        below = {n + 1: {"signed": "ecdsa SHA384"}} if n < 4 else {}
        cases += [bad(f"{at(n)} on P-256", Chain(changes={n: {"key": p256}, **below}), "CERT_KEY", at(n),
                      curves),
                  bad(f"{at(n)} on P-521", Chain(changes={n: {"key": Key("P-521", ec.SECP521R1)},
                                                          **below}),
                      "CERT_KEY", at(n), curves),
                  bad(f"{at(n)} of RSA", Chain(changes={
                      n: {"key": rsa}, **({n + 1: {"signed": "rsa SHA384"}} if n < 4 else {})}),
                      "CERT_KEY", at(n), curves)]
        cases += [bad(f"{at(n)} signed with {h}", altered(n, signed=f"ecdsa {h}"), "CERT_ALGORITHM",
                      at(n),
                      hashes_) for h in ("SHA256", "SHA512")]
        cases.append(bad(f"{at(n)} signed with SHA1", altered(n, signed="ecdsa SHA1"), "CERT_ALGORITHM",
                         at(n), "accepts: openssl verify has no limit by default"))
        cases.append(bad(f"{at(n)} says SHA256 outside", altered(n, says="ecdsa SHA256"),
                         "CERT_ALGORITHM",
                         at(n)))
    forms = {
        "secp256k1": Key("k1", ec.SECP256K1).spki, "Ed25519": edwards,
        "P-384 spelt out": spki(explicit_p384(), point),
        "no curve": spki(b"", point),
        "for ECDH alone": der(0x30, der(0x30, oid("1.3.132.1.12"), named), der(3, b"\0" + point)),
        "a point off the curve": spki(named, flip(point, 96)),
        "a point at infinity": spki(named, b"\0"),
        "a point of 96 bytes": spki(named, point[:-1]),
        "a hybrid point": spki(named, bytes([6 | point[-1] & 1]) + point[1:]),
        "P-384's name, P-256's point": spki(named, Key("P-256", ec.SECP256R1).point),
    }
    hold_chains(cases)
    hold([bad(f"the leaf's key: {name}", altered(4, spki=data), "CERT_KEY", "certificate")
          for name, data in forms.items()])
    old = "accepts: it knows versions before 3 as leaves"
    hold_chains([
        bad("the leaf of version 1", altered(4, version=1), "CERT_VERSION", "certificate", old),
        bad("the leaf of version 2", altered(4, version=2), "CERT_VERSION", "certificate", old),
        bad("an authority of version 1", altered(2, version=1), "CERT_VERSION", at(2)),
        bad("the leaf of version 4", altered(4, version=4), "CERT_VERSION", "certificate", old),
    ])


@cache
def rsa_key() -> ca.RsaKey:
    return ca.RsaKey()


@both
def a_certificate_that_was_not_issued_so_is_refused() -> None:
    """Names that do not follow, signatures of others, changed certificates."""
    cases = []
    for n in range(1, 5):
        whole = list(as_aws().ders)
        whole[n] = flip(whole[n], len(whole[n]) - 1)
        cases += [
            arranged(f"{at(n)}: its signature's last bit", whole, "CERT_SIGNATURE", at(n)),
            bad(f"{at(n)}: signed by another", altered(n, signer=ca.key("impostor"), key_ids=False), "CERT_SIGNATURE",
                at(n)),
            bad(f"{at(n)}: signed by itself", altered(n, signer=AS_AWS[n].key, key_ids=False), "CERT_SIGNATURE", at(n)),
            bad(f"{at(n)}: another issuer's name", altered(n, issuer=(("CN", "nobody"),)), "CERT_ISSUER",
                at(n)),
        ]
        # Its issuer has a key identifier from the second on.
        other_id = extension("2.5.29.35", der(0x30, der(0x80, ca.sha1(ca.key("impostor").spki))))
        cases.append(bad(f"{at(n)}: issued by another key, it says", altered(n, key_ids=False, more=(other_id,)),
                         *(("ok", "") if n == 1 else ("CERT_ISSUER", at(n))), by_id=True))
        for name, serial in (("this", AS_AWS[n - 1].serial), ("another", 7)):
            names = der(0xa4, ca.name(Chain().certs[n - 1].issuer))
            by_serial = extension("2.5.29.35", der(0x30, der(0xa1, names), der(0x82, ca.integer(serial)[2:])))
            cases.append(bad(f"{at(n)}: issued by {name} certificate's serial number, it says", altered(
                n, key_ids=False, more=(by_serial,)), *(("ok", "") if name == "this" else ("CERT_ISSUER", at(n))),
                             by_id=True))
        names = der(0xa4, ca.name(LEAF.subject))
        by_name = extension("2.5.29.35", der(0x30, der(0xa1, names), der(0x82, ca.integer(AS_AWS[n - 1].serial)[2:])))
        cases.append(bad(f"{at(n)}: issued by a certificate that another issued, it says", altered(
            n, key_ids=False, more=(by_name,)), "CERT_ISSUER", at(n), by_id=True))
    grand = altered(4, signer=ZONAL.key)
    canonical = "accepts: it compares names without regard to case and blanks, as RFC 5280, 7.1, has it"
    louder = tuple((k, v.upper()) for k, v in INSTANCE_CA.subject)
    turned = list(as_aws().ders)
    turned[4] = turned[4].replace(ca.name(LEAF.subject), ca.name((*LEAF.subject[:-1], (
        "CN", LEAF.subject[-1][1].replace("i-07", "i-08")))))
    lib.check(turned[4] != as_aws().ders[4], "the leaf has another name")
    hold_chains(cases + [
        bad("the leaf: signed by the one above its issuer", grand, "CERT_SIGNATURE", "certificate"),
        bad("the leaf: its issuer in capitals", altered(4, issuer=louder), "CERT_ISSUER", "certificate",
            canonical),
        bad("the leaf: an issuer without its last part", altered(4, issuer=INSTANCE_CA.subject[:-1]),
            "CERT_ISSUER", "certificate"),
        bad("the leaf: its issuer in another order", altered(4, issuer=INSTANCE_CA.subject[::-1]),
            "CERT_ISSUER", "certificate"),
        arranged("the leaf: its subject changed", turned, "CERT_SIGNATURE", "certificate"),
    ])


@both
def what_is_no_certificate_is_refused() -> None:
    """Bytes after it, two of them, cut ones, extensions that nobody knows or that come twice."""
    ders = as_aws().ders
    passes = "accepts: what is after the certificate is passed over when read from PEM"
    pem = x509.load_der_x509_certificate(ders[4]).public_bytes(Encoding.PEM)

    def alone(n: int, data: bytes) -> list[bytes]:
        return [*ders[:n], data, *ders[n + 1:]]

    basic = extension("2.5.29.19", der(0x30), True)
    basic_ca = extension("2.5.29.19", der(0x30, der(1, b"\xff")), True)
    constraints = extension("2.5.29.30", der(0x30, der(0xa1, der(0x30, der(0x82, b"example.org")))),
                            True)
    unknown = extension("1.3.6.1.4.1.55555.2", der(5), True)
    quiet = extension("1.3.6.1.4.1.55555.2", der(5))
    cases = []
    for n in (1, 3, 4):
        cases += [
            arranged(f"{at(n)} with a byte after it", alone(n, ders[n] + b"\0"), "CERT_FORM", at(n),
                     passes),
            arranged(f"{at(n)} is cut", alone(n, ders[n][:-1]), "CERT_FORM", at(n)),
            arranged(f"{at(n)} is zeros", alone(n, bytes(64)), "CERT_FORM", at(n)),
            bad(f"{at(n)} with an unknown critical extension", altered(n, more=(unknown,)),
                "CERT_EXTENSION", at(n)),
            bad(f"{at(n)} with an unknown extension", altered(n, more=(quiet,)), "ok", ""),
        ]
    short = Chain(changes={4: {"subject": (("CN", "leaf"),), "issuer": ()}})
    two = Chain((replace(ROOT, subject=(("CN", "r"),)), replace(LEAF, subject=(("CN", "l"),))))
    double = two.ders[1] + two.ders[1]
    lib.check(len(double) <= 1024, "two certificates fit into one entry")
    hold_chains(cases + [
        Case("two certificates in one entry", document(two, certificate=octets(double)), "CERT_FORM",
             "certificate", root=two.ders[0], chain=two, openssl=passes),
        bad("a short leaf", short, "ok", ""),
        arranged("the leaf in PEM", alone(4, pem) if len(pem) <= 1024 else alone(4, pem[:1024]),
                 "CERT_FORM",
                 "certificate"),
        arranged("the leaf is its key alone", alone(4, LEAF.key.spki), "CERT_FORM", "certificate"),
        bad("the leaf with basicConstraints twice", altered(4, more=(basic,)), "CERT_EXTENSION",
            "certificate"),
        bad("an authority with two basicConstraints", altered(2, more=(basic_ca,)), "CERT_EXTENSION",
            at(2)),
        bad("an authority with name constraints", altered(2, more=(constraints,)), "CERT_EXTENSION",
            at(2),
            "accepts: it knows name constraints, and these are kept"),
        *(bad(f"{at(n)} with {name}", altered(n, more=more), "CERT_EXTENSION", at(n), openssl)
          for n in (1, 3, 4) for name, more, openssl in (
              ("a critical nsCertType", (extension("2.16.840.1.113730.1.1", der(3, b"\6\x40"), True),),
               "accepts: it knows the type, and was told no purpose"),
              ("a critical policy", (extension("2.5.29.32", der(0x30, der(0x30, oid("2.5.29.32.0"))), True),),
               "accepts: it knows policies"),
              ("a critical alternative name", (extension("2.5.29.17", der(0x30, der(0x82, b"a.example")), True),),
               "accepts: it knows such names"),
              ("name constraints, not critical", (extension("2.5.29.30", der(0x30, der(0xa1, der(
                  0x30, der(0x82, b"example.org")))),),), "accepts: it knows name constraints, and these are kept"),
              ("an unknown extension twice", (quiet, quiet), "accepts: it counts the ones it knows"),
              ("an unknown extension that is FALSE critical", (der(0x30, oid("1.3.6.1.4.1.55555.2"), der(1, b"\0"), der(
                  4, der(5))),), "accepts: it takes a default that is spelt out"),
          )),
        *(bad(f"{at(n)} with an extension that is critical by 1", altered(n, more=(der(
            0x30, oid("2.5.29.18"), der(1, b"\1"), der(4, der(0x30, der(0x82, b"a.example")))),)), "CERT_FORM", at(n)
            ) for n in (1, 3, 4)),
        *(bad(f"the leaf's notAfter is {name}", altered(4, when_after=data), "CERT_FORM", "certificate", openssl)
          for name, data, openssl in (
              ("without a zone", der(0x17, b"260101150000"), ""),
              ("in another zone", der(0x17, b"260101150000+0100"), ""),
              ("without seconds", der(0x17, b"2601011500Z"), ""),
              ("February 29", der(0x17, b"270229150000Z"), ""),
              ("hour 24", der(0x17, b"260101240000Z"), ""),
              ("second 60", der(0x17, b"260101145960Z"), ""),
              ("with a fraction", der(0x18, b"20260101150000.5Z"), ""),
          )),
        bad("the leaf's notAfter is a GeneralizedTime before 2050", altered(4, when_after=der(
            0x18, b"20260101150000Z")), "ok", ""),
        bad("the leaf's key usage has zeros at its end", altered(4, usage=None, more=(extension(
            "2.5.29.15", der(3, b"\0\xc0")),)), "CERT_EXTENSION", "certificate",
            "accepts: it takes any encoding of a list of bits"),
        bad("the leaf without extensions", altered(4, ca=None, usage=None), "CERT_KEY_USAGE",
            "certificate",
            "accepts: it asks no leaf for a key usage"),
    ])


# --- policy ------------------------------------------------------------------

@both
def pcrs_are_as_asked_for_or_refused() -> None:
    """By number; what was not asked for is not looked at, and not in the report."""
    values = pcr_values(range(20))
    doc = document(pcrs=pcr_map(values))
    with_pcrs = f"{TRUTH},PCRs"
    asked = " ".join(f"pcr{n}={values[n].hex()}" for n in values)
    other = bytes(48)
    cases = [
        Case("PCR0", doc, options=f"pcr0={values[0].hex()}", checked=with_pcrs, pcrs=1),
        Case("PCR3, which is zero", doc, options=f"pcr3={other.hex()}", checked=with_pcrs, pcrs=8),
        Case("all 20", doc, options=asked, checked=with_pcrs, pcrs=0xfffff),
        Case("PCR31 is missing", doc, options="pcr31=missing", checked=with_pcrs, pcrs=1 << 31),
        Case("PCR19 and 20 missing", doc, options=f"pcr19={values[19].hex()} pcr20=missing",
             checked=with_pcrs, pcrs=3 << 19),
        Case("PCR19 is to be missing", doc, "PRESENT", "PCR19", "pcr19=missing", checked=TRUTH),
        Case("PCR20 is absent", doc, "ABSENT", "PCR20", f"pcr20={other.hex()}", checked=TRUTH),
        Case("of all but the last", doc, "OTHER", "PCR19", asked.replace(values[19].hex(), "00" * 48),
             checked=TRUTH, pcrs=0x7ffff),
        Case("a value of 47 bytes", doc, "POLICY", "PCR1", f"pcr1={values[1][:-1].hex()}"),
        Case("a value of 0 bytes", doc, "POLICY", "PCR1", "pcr1="),
        Case("a value of 32 bytes", doc, "POLICY", "PCR1", f"pcr1={values[1][:32].hex()}"),
        Case("a value of 96 bytes", doc, "POLICY", "PCR1", f"pcr1={(values[1] * 2).hex()}"),
    ]
    for n in (0, 1, 15, 16):
        for what, value in (("first", flip(values[n], 0)), ("last", flip(values[n], 47))):
            cases.append(Case(f"the {what} byte of PCR{n}", doc, "OTHER", f"PCR{n}",
                              f"pcr{n}={value.hex()}", checked=TRUTH))
    hold(cases)


@both
def nonce_user_data_and_public_key_are_as_asked_for_or_refused() -> None:
    """Absent, empty and there are three things."""
    cases = []
    for k in ("nonce", "user_data", "public_key"):
        good = f"{TRUTH},{k}"
        there, null = document(**{k: octets(b"\0value")}), document()
        value = (b"\0value").hex()
        cases += [
            Case(f"{k}: not asked for", there, checked=TRUTH),
            Case(f"{k}: equal", there, options=f"{k}={value}", checked=good),
            Case(f"{k}: missing, null", null, options=f"{k}=missing", checked=good),
            Case(f"{k}: missing, no key", document(**{k: None}), options=f"{k}=missing", checked=good),
            Case(f"{k}: its first byte", there, "OTHER", k, f"{k}=01{value[2:]}", checked=TRUTH),
            Case(f"{k}: its last byte", there, "OTHER", k, f"{k}={value[:-2]}00", checked=TRUTH),
            Case(f"{k}: shorter", there, "OTHER", k, f"{k}={value[:-2]}", checked=TRUTH),
            Case(f"{k}: longer", there, "OTHER", k, f"{k}={value}00", checked=TRUTH),
            Case(f"{k}: to be empty", there, "OTHER", k, f"{k}=", checked=TRUTH),
            Case(f"{k}: to be missing", there, "PRESENT", k, f"{k}=missing", checked=TRUTH),
            Case(f"{k}: null, to be there", null, "ABSENT", k, f"{k}={value}", checked=TRUTH),
            Case(f"{k}: null, to be empty", null, "ABSENT", k, f"{k}=", checked=TRUTH),
            Case(f"{k}: no key, to be there", document(**{k: None}), "ABSENT", k, f"{k}={value}",
                 checked=TRUTH),
        ]
        empty = document(**{k: octets(b"")})
        cases += [
            Case(f"{k}: empty", empty, options=f"{k}=", checked=good),
            Case(f"{k}: empty, to be missing", empty, "PRESENT", k, f"{k}=missing", checked=TRUTH),
            Case(f"{k}: empty, to be there", empty, "OTHER", k, f"{k}={value}", checked=TRUTH),
        ]
    # Each in its own place.
    three = document(nonce=octets(b"n"), user_data=octets(b"u"), public_key=octets(b"p"))
    cases += [
        Case("all three", three, options="nonce=6e user_data=75 public_key=70",
             checked=f"{TRUTH},nonce,user_data,public_key"),
        Case("the nonce as user_data", three, "OTHER", "user_data", "nonce=6e user_data=6e",
             checked=f"{TRUTH},nonce"),
        Case("the key as nonce", three, "OTHER", "nonce", "nonce=70", checked=TRUTH),
        Case("the data as key", three, "OTHER", "public_key", "nonce=6e user_data=75 public_key=75",
             checked=f"{TRUTH},nonce,user_data"),
    ]
    hold(cases)


@both
def a_document_outside_its_window_is_refused() -> None:
    """Older than the age, newer than now and the difference of clocks; the edges are inside."""
    years = {"not_before": NOW - 500 * DAY, "not_after": NOW + 500 * DAY}
    leaf = Chain(changes={4: years})
    good = f"{TRUTH},age"

    def aged(ms: int, **k: object) -> bytes:
        return document(leaf, timestamp=uint(NOW * 1000 - ms, 8))

    def case(name: str, ms: int, options: str, error: str = "ok") -> Case:
        bad_ = error != "ok"
        return Case(name, aged(ms), error, "timestamp" if bad_ else "", options, chain=leaf,
                    checked=TRUTH if bad_ else good)

    def made(name: str, ms: int, options: str = "", error: str = "LEAF_TIME") -> Case:
        """By a leaf of NOW - 3 to NOW + 10800."""
        ok = error == "ok"
        return Case(name, document(timestamp=uint(NOW * 1000 + ms, 8)), error, "" if ok else "timestamp", options,
                    checked=TRUTH if ok else "form")

    stored = seconds("2030-06-01T00:00:00Z")
    hold([
        case("just now", 0, "age=0"),
        case("a millisecond ago, age 0", 1, "age=0", "TOO_OLD"),
        case("as old as may be", 300_000, "age=300"),
        case("a millisecond older", 300_001, "age=300", "TOO_OLD"),
        case("years old", 86400_000 * 400, "age=300", "TOO_OLD"),
        case("later in the second that is now", -999, "age=300"),
        case("in the next second", -1000, "age=300", "IN_FUTURE"),
        case("as far ahead as may be", -5999, "age=300 leeway=5"),
        case("a millisecond further ahead", -6000, "age=300 leeway=5", "IN_FUTURE"),
        case("as far ahead as the library has it", -5999, "age=300 leeway=default"),
        case("further ahead than the library has it", -6000, "age=300 leeway=default", "IN_FUTURE"),
        case("an hour ahead", -3600_999, "age=0 leeway=3600"),
        case("years ahead", -86400_000 * 400, "age=300 leeway=5", "IN_FUTURE"),
        case("old, but ahead is allowed", 300_001, "age=300 leeway=3600", "TOO_OLD"),
        case("the longest window", 86400_000 * 400, "age=4294967295 leeway=3600"),
        Case("nobody asks", aged(86400_000 * 400), chain=leaf, checked=TRUTH),
        Case("leeway alone asks nothing", aged(-9_000_000), chain=leaf, options="leeway=0", checked=TRUTH),
        Case("more leeway than there is", document(), "POLICY", "leeway", "leeway=3601"),
        made("in the first second of the leaf", -3000, error="ok"),
        made("before the leaf", -3001),
        made("before the leaf, within the leeway", -8000, "leeway=5", error="ok"),
        made("before the leaf and the leeway", -8001, "leeway=5"),
        made("in the last second of the leaf", 10800_999, error="ok"),
        made("after the leaf", 10801_000),
        made("after the leaf, within the leeway", 10805_999, "leeway=5", error="ok"),
        made("400 days before the leaf", -86400_000 * 400),
        made("the first timestamp", 1 - NOW * 1000),
        made("the latest timestamp", 2**62 - 1 - NOW * 1000, "age=4294967295 leeway=3600"),
        Case("stored, at its own time", document(), options="of_document=1", checked=ONCE_TRUE),
        Case("stored, but the leaf is younger", document(timestamp=uint((NOW - 4) * 1000)),
             "CERT_NOT_YET",
             "certificate", "of_document=1", checked="form"),
        Case("stored, the leaf's last millisecond", document(timestamp=uint((NOW + 10800) * 1000 + 999)),
             options="of_document=1", checked=ONCE_TRUE),
        Case("stored, a millisecond after", document(timestamp=uint((NOW + 10801) * 1000)),
             "CERT_EXPIRED",
             "certificate", "of_document=1", checked="form"),
        Case("stored, and now", document(), "CERT_EXPIRED", at(1), time=stored, checked="form"),
        Case("stored, and yet an age", document(), "POLICY", "age", "of_document=1 age=300"),
        Case("stored, before the leaf, within the leeway", document(timestamp=uint((NOW - 8) * 1000)),
             options="of_document=1 leeway=5", checked=ONCE_TRUE),
        Case("a slow clock", document(), "CERT_NOT_YET", "certificate", time=NOW - 4, checked="form"),
        Case("a clock as slow as the library has it", document(), options="leeway=default", time=NOW - 8,
             checked=TRUTH),
        Case("a clock slower than the library has it", document(), "CERT_NOT_YET", "certificate",
             "leeway=default", time=NOW - 9, checked="form"),
        Case("a fast clock", document(), "CERT_EXPIRED", "certificate", "leeway=3600", time=NOW + 10801,
             checked="form"),
        Case("a time before 1970", document(), "POLICY", "time", time=-1),
        Case("a time that no milliseconds hold", document(), "POLICY", "time", time=2**63 - 1),
    ])


@both
def debug_mode_is_refused_unless_allowed() -> None:
    """PCR0 that is zero; without PCR0 there is no telling."""
    debug = document(pcrs=pcr_map(pcr_values(debug=True)))
    almost = {**pcr_values(debug=True), 0: bytes(47) + b"\1"}
    first = {**pcr_values(debug=True), 0: b"\x80" + bytes(47)}
    none = document(pcrs=pcr_map(pcr_values(range(1, 16))))
    others = {**pcr_values(debug=True), 0: pcr_values()[0]}
    hold([
        Case("debug mode", debug, "DEBUG", "PCR0", checked=ALL, debug=True),
        Case("debug mode, its PCR0 asked for", debug, "DEBUG", "PCR0", f"pcr0={'00' * 48}", checked=ALL,
             debug=True),
        Case("debug mode, allowed", debug, options="debug=1", checked=ALL, debug=True),
        Case("debug mode, allowed, its PCR0 asked for", debug, options=f"debug=1 pcr0={'00' * 48}",
             checked=f"{ALL},PCRs", pcrs=1, debug=True),
        Case("debug mode, allowed, but another PCR0", debug, "OTHER", "PCR0",
             f"debug=1 pcr0={pcr_values()[0].hex()}", checked=ALL, debug=True),
        Case("not debug mode, allowed", document(), options="debug=1", checked=TRUTH),
        Case("PCR0's last bit", document(pcrs=pcr_map(almost)), checked=TRUTH),
        Case("PCR0's first bit", document(pcrs=pcr_map(first)), checked=TRUTH),
        Case("only the others are zero", document(pcrs=pcr_map(others)), checked=TRUTH),
        Case("without PCR0", none, "ABSENT", "PCR0", checked=ALL),
        Case("without PCR0, of debug mode by PCR1", document(pcrs=pcr_map(
            {n: v for n, v in pcr_values(debug=True).items() if n})), "DEBUG", "PCR0", checked=ALL, debug=True),
        Case("without PCR0 and 1, of debug mode by PCR2", document(pcrs=pcr_map(
            {n: v for n, v in pcr_values(debug=True).items() if n > 1})), "DEBUG", "PCR0", checked=ALL, debug=True),
        Case("without PCR0 to 2", document(pcrs=pcr_map(pcr_values(range(3, 16)))), "ABSENT", "PCR0", checked=ALL),
        Case("without PCR0, allowed", none, options="debug=1", checked=ALL),
        Case("without PCR0, to be missing", none, "ABSENT", "PCR0", "pcr0=missing", checked=ALL),
    ])


@both
def what_was_checked_is_told() -> None:
    """As far as it came, and no more."""
    forged = signed(signature=lambda s: flip(s, 0))
    hold([
        Case("all of it", document(nonce=octets(b"n"), user_data=octets(b"u"), public_key=octets(b"p")),
             options=f"pcr0={pcr_values()[0].hex()} nonce=6e user_data=75 public_key=70 age=0",
             checked=f"{TRUTH},PCRs,nonce,user_data,public_key,age", pcrs=1),
        Case("up to the chain", document(), "CERT_EXPIRED", at(4), time=NOW + 10801, checked="form"),
        Case("up to the signature", forged, "SIGNATURE", "signature", checked="form,chain,validity",
             forged=True),
        Case("up to the nonce", document(), "ABSENT", "nonce", f"pcr1={pcr_values()[1].hex()} nonce=00",
             checked=f"{TRUTH},PCRs", pcrs=2),
        Case("the signature before the nonce", forged, "SIGNATURE", "signature", "nonce=00",
             checked="form,chain,validity", forged=True),
    ])
    # What checked nothing says so.
    with tempfile.TemporaryDirectory() as tmp:
        for doc in (b"", b"\x84", signed(protected=b"\xa1\x01\x26")):
            got = parse(run([job(Path(tmp), doc, as_aws().ders[0], f"time={NOW}")])[0])
            lib.same((got["checked"], got["pcrs"], got["debug"]), ("", "0", "0"), "what was checked")


# --- all of them -------------------------------------------------------------

@both
def every_prefix_of_a_document_is_cut() -> None:
    """And nothing else, with whatever field it ends in."""
    docs = [document(user_data=octets(b"u"), nonce=octets(bytes(64))), signed(before=b"\xd2"),
            wide_document()]
    with tempfile.TemporaryDirectory() as tmp:
        for doc in docs:
            base = job(Path(tmp), doc, as_aws().ders[0], f"time={NOW}")
            for n, line in enumerate(run([f"{base} cut={n}" for n in range(len(doc))])):
                lib.same(parse(line)["error"], "DOC_CUT", f"the first {n} of {len(doc)} bytes")
            lib.same(parse(run([f"{base} cut={len(doc)}"])[0])["error"], "ok", "the whole")


@both_of(20)
def no_flipped_bit_leaves_a_document_true() -> None:
    """A bit of each byte of a short document; of a long one here and there."""
    chain = chain_of(0)
    short = document(chain, pcrs=pcr_map(pcr_values(range(1))), nonce=octets(b"nonce"))
    # The tag's presence, and lengths in longer forms, are no part of what is signed: no single bit
    # changes one good form into another.
    with tempfile.TemporaryDirectory() as tmp:
        for doc, root, step in ((short, chain.ders[0], 1), (document(), as_aws().ders[0], 41)):
            base = job(Path(tmp), doc, root, f"time={NOW} raw=1")
            flips = [8 * n + (n * 5 + n // 8) % 8 for n in range(0, len(doc), step)]
            for bit, line in zip(flips, run([f"{base} flip={bit}" for bit in flips])):
                lib.check(parse(line)["error"] != "ok",
                          f"bit {bit % 8} of byte {bit // 8} makes no difference")
