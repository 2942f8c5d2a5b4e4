"""Python by ctypes: the library without a line of C around it."""

import ctypes
import errno
import hashlib
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_int64, c_size_t, c_uint, c_uint32, c_uint64, c_void_p
from functools import cache
from pathlib import Path

from interop import ca

from .lib import (DEBUG_MODE, HEADER, NONCE, NOT_KNOWN, PCR0, PRODUCTION, TOP, VALIDITY, Case, Skip, broken, cases, check,
                 compiled, exported, folder, good, installed, libdir, must, same, test)

ERRORS = {name: int(number) for name, number in re.findall(r"\b(NSMC_E_\w+) = (\d+)", HEADER)}


class Bytes(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("len", c_size_t)]

    @property
    def value(self) -> bytes | None:
        return None if self.data is None else ctypes.string_at(self.data, self.len)


class Doc(ctypes.Structure):
    _fields_ = [("protected_header", Bytes), ("algorithm", c_int64), ("payload", Bytes), ("signature", Bytes),
                ("kind", c_int), ("module_id", Bytes), ("digest", Bytes), ("timestamp_ms", c_uint64), ("pcr", Bytes * 32),
                ("certificate", Bytes), ("cabundle", Bytes * 16), ("cabundle_count", c_size_t), ("public_key", Bytes),
                ("user_data", Bytes), ("nonce", Bytes), ("reserved", Bytes * 4)]


class Object(ctypes.Structure):
    _fields_ = [("name", c_char * 32)]


class Report(ctypes.Structure):
    _fields_ = [("checked", c_uint32), ("pcrs_checked", c_uint32), ("debug", c_int), ("object", Object),
                ("reserved", c_uint32 * 8)]


@cache
def library() -> ctypes.CDLL:
    nsmc = ctypes.CDLL(str(libdir() / "libnsmc.so.0"))
    for name in ("nsmc_error_text", "nsmc_error_name", "nsmc_check_text"):
        getattr(nsmc, name).restype = c_char_p
    nsmc.nsmc_aws_root.restype = Bytes
    for name in ("nsmc_policy_free", "nsmc_cache_free", "nsmc_recipient_free", "nsmc_policy_any_age",
                 "nsmc_policy_any_image", "nsmc_policy_allow_debug", "nsmc_policy_time_of_document"):
        getattr(nsmc, name).restype = None
        getattr(nsmc, name).argtypes = [c_void_p]
    nsmc.nsmc_measure.restype = nsmc.nsmc_predict.restype = None
    nsmc.nsmc_measure.argtypes = [c_char_p, c_size_t, c_char_p, c_size_t, c_char_p]
    nsmc.nsmc_predict.argtypes = [c_char_p, c_char_p, c_size_t]
    nsmc.nsmc_policy_new.argtypes = [POINTER(c_void_p)]
    nsmc.nsmc_policy_time.argtypes = [c_void_p, c_int64]
    nsmc.nsmc_policy_root.argtypes = [c_void_p, c_char_p, c_size_t]
    nsmc.nsmc_policy_field.argtypes = [c_void_p, c_int, c_char_p, c_size_t]
    nsmc.nsmc_policy_pcr.argtypes = [c_void_p, c_uint, c_char_p, c_size_t]
    nsmc.nsmc_policy_pcr_absent.argtypes = [c_void_p, c_uint]
    nsmc.nsmc_policy_max_age.argtypes = nsmc.nsmc_policy_leeway.argtypes = [c_void_p, c_uint32]
    nsmc.nsmc_cache_new.argtypes = [c_size_t, POINTER(c_void_p)]
    nsmc.nsmc_doc_parse.argtypes = [c_char_p, c_size_t, POINTER(Doc), POINTER(Object)]
    nsmc.nsmc_doc_verify.argtypes = [c_char_p, c_size_t, c_void_p, c_void_p, POINTER(Doc), POINTER(Report)]
    nsmc.nsmc_doc_debug.argtypes = [POINTER(Doc)]
    nsmc.nsmc_recipient_import.argtypes = [c_char_p, c_size_t, POINTER(c_void_p)]
    nsmc.nsmc_recipient_new.argtypes = [c_int, c_uint, POINTER(c_void_p)]
    for name in ("nsmc_recipient_export", "nsmc_recipient_public_key"):
        getattr(nsmc, name).argtypes = [c_void_p, c_char_p, c_size_t, POINTER(c_size_t)]
    nsmc.nsmc_recipient_open.argtypes = [c_void_p, c_char_p, c_size_t, c_char_p, c_size_t, POINTER(c_size_t),
                                         POINTER(Object)]
    nsmc.nsmc_get_random.argtypes = [c_int, c_char_p, c_size_t]
    return nsmc


def name_of(r: int) -> str:
    name = library().nsmc_error_name(r)
    return name.decode() if name else os.strerror(-r) if r < 0 else "good"


class Policy:
    """A policy with what all cases ask for."""

    def __init__(self, case: Case | None = None, root: bytes | None = None) -> None:
        self.nsmc, self.raw = library(), c_void_p()
        same(self.nsmc.nsmc_policy_new(byref(self.raw)), 0, "nsmc_policy_new")
        if case:
            if not case.aws:
                self.set("root", ca.as_aws().ders[0], len(ca.as_aws().ders[0]))
            self.set("time", case.time)
            self.set("field", 0, case.nonce, len(case.nonce))
            self.set("pcr", 0, case.pcr0, len(case.pcr0))

    def set(self, name: str, *values: object) -> None:
        same(self.try_(name, *values), 0, f"nsmc_policy_{name}")

    def try_(self, name: str, *values: object) -> int:
        return getattr(self.nsmc, f"nsmc_policy_{name}")(self.raw, *values) or 0

    def verify(self, doc: bytes, cache_: c_void_p | None = None) -> tuple[str, Doc, Report]:
        """Both structs are full of something before."""
        d, report = Doc.from_buffer_copy(b"\xee" * ctypes.sizeof(Doc)), Report.from_buffer_copy(b"\xee" * ctypes.sizeof(Report))
        r = self.nsmc.nsmc_doc_verify(doc, len(doc), self.raw, cache_, byref(d), byref(report))
        return name_of(r), d, report

    def __enter__(self) -> "Policy":
        return self

    def __exit__(self, *_: object) -> None:
        self.nsmc.nsmc_policy_free(self.raw)


@test
def python_verifies_documents():
    """What a good document has inside is what was put in; each bad one is refused for its reason."""
    for name, c in cases().items():
        with Policy(c) as policy:
            error, doc, report = policy.verify(c.doc)
            same((error, report.object.name.decode() or "-", report.checked, report.pcrs_checked, report.debug),
                 (c.error, c.object, c.checked, c.pcrs, c.debug), name)
            same([*report.reserved], [0] * 8, f"{name}: the report's reserved members")
            if error != "good":
                same(bytes(doc), bytes(ctypes.sizeof(Doc)), f"{name}: what is given out of it")
    with Policy(cases()["good"]) as policy:
        doc_bytes = ca.document(nonce=ca.octets(NONCE), user_data=ca.octets(b""), public_key=ca.octets(b"key"))
        error, doc, _ = policy.verify(doc_bytes)
        *bundle, leaf = ca.as_aws().ders
        same((error, doc.module_id.value, doc.digest.value, doc.timestamp_ms, doc.algorithm, doc.kind),
             ("good", ca.MODULE_ID.encode(), b"SHA384", ca.NOW * 1000, -35, 0), "the document")
        same([doc.cabundle[i].value for i in range(doc.cabundle_count)], bundle, "its bundle")
        same((doc.certificate.value, doc.nonce.value, doc.user_data.value, doc.public_key.value), (leaf, NONCE, b"", b"key"),
             "its fields")
        same([p.value for p in doc.pcr], [*ca.pcr_values().values(), *[None] * 16], "its PCRs")
        same(library().nsmc_doc_debug(byref(doc)), PRODUCTION, "debug mode")


@test
def python_parses_without_believing():
    """A document with a wrong signature is read, and so is what is wrong with one that cannot be."""
    doc, object_ = Doc(), Object()
    bad = broken()
    same(library().nsmc_doc_parse(bad, len(bad), byref(doc), byref(object_)), 0, "nsmc_doc_parse")
    same((doc.nonce.value, doc.signature.value[-1], object_.name), (NONCE, bad[-1], b""), "the document")
    without = ca.document(module_id=None)
    r = library().nsmc_doc_parse(without, len(without), byref(doc), byref(object_))
    same((name_of(r), object_.name), ("NSMC_E_DOC_MISSING", b"module_id"), "without a module_id")
    same(library().nsmc_doc_parse(without, len(without), byref(doc), None), r, "without a place for its name")
    zero = Doc()
    same(library().nsmc_doc_debug(byref(zero)), NOT_KNOWN, "debug mode of nothing")
    debug = ca.document(pcrs=ca.pcr_map(ca.pcr_values(debug=True)))
    same(library().nsmc_doc_parse(debug, len(debug), byref(doc), None), 0, "one of debug mode")
    same(library().nsmc_doc_debug(byref(doc)), DEBUG_MODE, "debug mode")


@test
def python_has_names_and_words_of_errors():
    """Each of the header's has its name and words of its own; an errno has the system's, and no name."""
    nsmc = library()
    check(len(ERRORS) > 50, f"the header's errors: {len(ERRORS)}")
    words = {}
    for name, number in ERRORS.items():
        same(nsmc.nsmc_error_name(-number), name.encode(), f"the name of {number}")
        words[name] = nsmc.nsmc_error_text(-number).decode()
        check(words[name] and words[name] != "no error" and not words[name].startswith("Unknown"), f"{name}: {words[name]}")
        same(nsmc.nsmc_error_name(number), None, f"the name of {number}, which is not negative")
    twice = {w for w in words.values() if [*words.values()].count(w) > 1}
    check(not twice, f"words of several: {twice}")
    for r in (0, 5301, 2**31 - 1):
        same((nsmc.nsmc_error_text(r), nsmc.nsmc_error_name(r)), (b"no error", None), str(r))
    for n in (errno.ENOENT, errno.EINVAL, errno.ENOBUFS):
        same((nsmc.nsmc_error_text(-n), nsmc.nsmc_error_name(-n)), (os.strerror(n).encode(), None), str(n))
    for r in (-5000, -5999, -2**31):
        check(nsmc.nsmc_error_text(r) and nsmc.nsmc_error_name(r) is None, f"{r}: {nsmc.nsmc_error_text(r)}")
    texts = [nsmc.nsmc_check_text(1 << n) for n in range(11)]
    check(all(texts[:10]) and len(set(texts)) == 11 and texts[10] is None, f"the checks: {texts}")


@test
def python_policies_copy():
    """What a setter was given may change or go afterwards."""
    with Policy() as policy:
        for setter, index, value in (("field", 0, NONCE), ("pcr", 0, PCR0)):
            buf = ctypes.create_string_buffer(value, len(value))
            policy.set(setter, index, ctypes.cast(buf, c_char_p), len(value))
            ctypes.memset(buf, 0, len(value))
        root = ca.as_aws().ders[0]
        buf = ctypes.create_string_buffer(root, len(root))
        policy.set("root", ctypes.cast(buf, c_char_p), len(root))
        ctypes.memset(buf, 0, len(root))
        policy.set("time", ca.NOW)
        same(policy.verify(good())[0], "good", "the document")
        # The last one counts.
        policy.set("field", 0, b"other", 5)
        same(policy.verify(good())[0], "NSMC_E_OTHER", "with another nonce")


@test
def python_policies_refuse_nonsense():
    """-EINVAL leaves a policy as it was; one that pins nothing verifies nothing, and names what is missing."""
    with Policy(cases()["good"]) as policy:
        for setter, *values in (("pcr", 32, PCR0, 48), ("pcr", 1, PCR0, 47), ("pcr", 1, None, 48), ("field", 3, b"", 0),
                                ("field", 0, None, 0), ("field", 0, bytes(1025), 1025), ("time", -1), ("time", 2**63 - 1),
                                ("leeway", 3601), ("pcr_absent", 32), ("root", None, 5)):
            same(policy.try_(setter, *values), -errno.EINVAL, f"{setter}{values}"[:80])
        same(name_of(policy.try_("root", b"0", 1)), "NSMC_E_ROOT", "a root that is none")
        same(policy.verify(good())[0], "good", "the document")
        root = ca.as_aws().ders[0]
        same([policy.try_("root", root, len(root)) for _ in range(8)], [0] * 7 + [-errno.ENOSPC], "nine roots")
    nsmc = library()
    same((nsmc.nsmc_policy_new(None), nsmc.nsmc_policy_time(None, 0)), (-errno.EINVAL,) * 2, "NULL")
    nsmc.nsmc_policy_free(None)
    root = ca.as_aws().ders[0]
    every = {"time": (ca.NOW,), "any_image": (), "any_age": ()}
    for missing in every:
        with Policy() as policy:
            policy.set("root", root, len(root))
            for setter, values in every.items():
                if setter != missing:
                    policy.set(setter, *values)
            error, _, report = policy.verify(good())
            same((error, report.checked), ("NSMC_E_POLICY", 0), f"without {missing}")
            check(report.object.name, f"without {missing}: what is missing is not named")
            policy.set(missing, *every[missing])
            same(policy.verify(good())[0], "good", "with it")


@test
def python_policies_ask_for_ages():
    """Within the window and the leeway, and not outside; a stored document is verified at its own time."""
    root = ca.as_aws().ders[0]
    for now, age, leeway, error in ((60, 60, None, "good"), (61, 60, None, "NSMC_E_TOO_OLD"), (-1, 60, None, "good"),
                                    (-2, 60, 1, "NSMC_E_IN_FUTURE"), (-2, 60, 2, "good")):
        with Policy() as policy:
            policy.set("root", root, len(root))
            policy.set("any_image")
            policy.set("time", ca.NOW + now)
            policy.set("max_age", age)
            if leeway is not None:
                policy.set("leeway", leeway)
            same(policy.verify(good())[0], error, f"made {now} s before, {age} s are fine, leeway {leeway}")
    with Policy() as policy:
        policy.set("root", root, len(root))
        policy.set("any_image")
        policy.set("time_of_document")
        error, _, report = policy.verify(good())
        same((error, report.checked & VALIDITY), ("good", 0), "a stored one")


@test
def python_caches_spare_signatures():
    """With a cache the second verification is the same and much cheaper; a bad document stays bad."""
    nsmc, cache_ = library(), c_void_p()
    same([nsmc.nsmc_cache_new(n, byref(cache_)) for n in (0, 65537)], [-errno.EINVAL] * 2, "no links, too many")
    same(nsmc.nsmc_cache_new(4, byref(cache_)), 0, "nsmc_cache_new")

    def cost(policy: Policy, with_: c_void_p | None) -> float:
        start = time.thread_time()
        same(policy.verify(doc, with_)[0], "good", "the document")
        return time.thread_time() - start
    with Policy(cases()["good"]) as policy:
        doc = good()
        same(policy.verify(doc, cache_)[0], "good", "the first time")
        # The quickest of many: what disturbs them makes some of them slower.
        without, cached = (min(cost(policy, with_) for _ in range(20)) for with_ in (None, cache_))
        check(cached < 0.7 * without, f"a verification: {without:.5f} s, with a cache {cached:.5f} s")
        same([bytes(x[2]) for x in (policy.verify(doc, cache_), policy.verify(doc, None))],
             [bytes(policy.verify(doc, None)[2])] * 2, "the reports")
        for c in cases().values():
            with Policy(c) as other:
                same(other.verify(c.doc, cache_)[0], c.error, "with a cache")
    nsmc.nsmc_cache_free(cache_)
    nsmc.nsmc_cache_free(None)


@test
def python_threads_share_a_policy():
    """ctypes lets go of the interpreter while the library works."""
    with Policy(cases()["good"]) as policy:
        doc, bad = good(), broken()
        with ThreadPoolExecutor(8) as pool:
            said = [*pool.map(lambda n: policy.verify(bad if n % 2 else doc)[0], range(40))]
    same(said, ["good", "NSMC_E_SIGNATURE"] * 20, "what they say")


@test
def python_structs_are_the_headers():
    """Sizes and offsets, as the compiler has them."""
    structs = {"nsmc_bytes": Bytes, "nsmc_doc": Doc, "nsmc_report": Report, "nsmc_object": Object}
    lines = [f'printf("%s %zu\\n", "{c}", sizeof(struct {c}));' for c in structs]
    lines += [f'printf("%s.%s %zu\\n", "{c}", "{f}", offsetof(struct {c}, {f}));' for c, s in structs.items()
              for f, _ in s._fields_]
    wanted = {c: ctypes.sizeof(s) for c, s in structs.items()}
    wanted |= {f"{c}.{f}": getattr(s, f).offset for c, s in structs.items() for f, _ in s._fields_}
    with folder() as tmp:
        (tmp / "a.c").write_text("#include <nsmc.h>\n#include <stddef.h>\n#include <stdio.h>\n"
                                 f"int main(void) {{ {' '.join(lines)} return 0; }}\n")
        compiled("gcc", f"-I{installed()}/usr/include", "-o", tmp / "a", tmp / "a.c")
        got = {line.split()[0]: int(line.split()[1]) for line in must(tmp / "a").splitlines()}
    same(got, wanted, "the layout")


@test
def python_finds_all_functions():
    """Each function of the header is in the shared library, by the version NSMC_0, and no other."""
    library_ = libdir() / "libnsmc.so.0"
    code = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.S)
    same(exported(library_), set(re.findall(r"\b(nsmc_\w+)\(", code)), "the functions")
    for line in must("nm", "-D", "--defined-only", library_).splitlines():
        check(line.endswith("@@NSMC_0") or line.split()[-2:] == ["A", "NSMC_0"], line)


@test
def python_measures():
    """What a PCR becomes, by hashlib."""
    nsmc, out = library(), ctypes.create_string_buffer(48)
    nsmc.nsmc_measure(b"name", 4, b"content", 7, out)
    wanted = hashlib.sha384(b"enclave-init measurement 1\0" + (4).to_bytes(8, "big") + b"name" + (7).to_bytes(8, "big")
                            + b"content").digest()
    same(out.raw, wanted, "the measurement")
    pcr = ctypes.create_string_buffer(bytes(48), 48)
    nsmc.nsmc_predict(pcr, out.raw, 48)
    same(pcr.raw, hashlib.sha384(bytes(48) + wanted).digest(), "the PCR")


@test
def python_knows_the_root_of_aws():
    """It is the certificate that AWS publishes."""
    same(hashlib.sha256(library().nsmc_aws_root().value).hexdigest(),
         hashlib.sha256((TOP / "tests/data/doc/root.der").read_bytes()).hexdigest(), "the root")


@test(seconds=2)
def python_opens_what_kms_encrypts():
    """As openssl does; the public key is openssl's, and a key is spent after three messages that do not decrypt."""
    nsmc, data = library(), TOP / "tests/data/cms"
    der, message = (data / "key.der").read_bytes(), (data / "A.der").read_bytes()
    recipient, out, n, object_ = c_void_p(), ctypes.create_string_buffer(6144), c_size_t(), Object()
    same(nsmc.nsmc_recipient_import(der, len(der), byref(recipient)), 0, "nsmc_recipient_import")
    with folder() as tmp:
        must("openssl", "cms", "-decrypt", "-inform", "DER", "-in", data / "A.der", "-inkey", data / "key.der", "-keyform",
             "DER", "-out", tmp / "plain")
        must("openssl", "pkey", "-inform", "DER", "-in", data / "key.der", "-pubout", "-outform", "DER", "-out", tmp / "spki")
        plain, spki = (tmp / "plain").read_bytes(), (tmp / "spki").read_bytes()

    def open_(cms: bytes) -> str:
        return name_of(nsmc.nsmc_recipient_open(recipient, cms, len(cms), out, len(out), byref(n), byref(object_)))
    same((open_(message), out.raw[:n.value]), ("good", plain), "the message")
    same(nsmc.nsmc_recipient_public_key(recipient, out, len(out), byref(n)), 0, "nsmc_recipient_public_key")
    same(out.raw[:n.value], spki, "the public key")
    same(nsmc.nsmc_recipient_public_key(recipient, out, 10, byref(n)), -errno.ENOBUFS, "without room")
    # A byte of what RSA encrypted: 256 of them in an octet string.
    at = message.index(b"\x04\x82\x01\x00") + 100
    bad = message[:at] + bytes([message[at] ^ 1]) + message[at + 1:]
    same([open_(m) for m in (bad, message, bad, bad, message)],
         ["NSMC_E_DECRYPT", "good", "NSMC_E_DECRYPT", "NSMC_E_DECRYPT", "NSMC_E_KEY_SPENT"], "good messages and bad ones")
    nsmc.nsmc_recipient_free(recipient)
    nsmc.nsmc_recipient_free(None)


@test(seconds=2)
def python_makes_a_key():
    """From the kernel's random bytes alone where that is said; an error of nsmc_open is no descriptor."""
    nsmc, recipient, out, n = library(), c_void_p(), ctypes.create_string_buffer(2560), c_size_t()
    same(nsmc.nsmc_recipient_new(-errno.ENOENT, 2048, byref(recipient)), -errno.ENOENT, "an error in place of an NSM")
    same(name_of(nsmc.nsmc_recipient_new(-1, 1024, byref(recipient))), "NSMC_E_KEY", "1024 bits")
    same(nsmc.nsmc_recipient_new(-1, 2048, byref(recipient)), 0, "nsmc_recipient_new")
    same(nsmc.nsmc_recipient_export(recipient, out, len(out), byref(n)), 0, "nsmc_recipient_export")
    with folder() as tmp:
        (tmp / "key").write_bytes(out.raw[:n.value])
        must("openssl", "rsa", "-check", "-noout", "-inform", "DER", "-in", tmp / "key")
    nsmc.nsmc_recipient_free(recipient)


@test
def python_is_told_that_there_is_no_nsm():
    """As -ENOENT, whose words are the system's."""
    if Path("/dev/nsm").exists():
        raise Skip("here is one")
    same(library().nsmc_open(), -errno.ENOENT, "nsmc_open")
    same(library().nsmc_get_random(-1, ctypes.create_string_buffer(8), 8), -errno.EBADF, "of no descriptor")
