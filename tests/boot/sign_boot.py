"""What scripts/nsm-preload.c makes of QEMU's answers, without QEMU but for its libcbor."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import cbor2
from machine import emulator

from .documents import HOUR, Document, name_of, verified
from .lib import Skip, check, same, test
from .preload import ROOM, Asked, Emulated

MODULE = "i-07e25f3bada361dec-enc0181d3dff86da785"
LEAST = 1800  # seconds of a leaf that is still used


def emulated(form: str = "", root: str = "") -> Emulated:
    tools = emulator("x86_64")
    linked = subprocess.run(["ldd", tools["QEMU_X86_64"]], stdout=subprocess.PIPE, text=True, check=False).stdout
    cbor = [line.split()[2] for line in linked.splitlines() if "libcbor.so" in line]
    if not cbor:
        raise Skip("this QEMU has no libcbor of its own")
    return Emulated(tools["NSM_PRELOAD"], cbor[0], root or str(root_file().parent), form)


def root_file() -> Path:
    return Path(emulator("x86_64")["NSM_ROOT"])


def answer(module: str = MODULE, key: bytes | None = None, data: bytes | None = None, nonce: bytes | None = None,
           **changes: object) -> bytes:
    """QEMU's, to a request for a document."""
    fields = {"module_id": module, "digest": "SHA384", "timestamp": 1700000000000,
              "pcrs": {i: bytes([i]) * 48 for i in range(18)}, "certificate": bytes(64), "cabundle": [bytes(64)],
              "public_key": key, "user_data": data, "nonce": nonce} | changes
    document = cbor2.dumps([cbor2.dumps({1: -1}), {}, cbor2.dumps(fields), bytes(64)])
    return cbor2.dumps({"Attestation": {"document": document}})


def document(got: bytes) -> Document:
    outer = cbor2.loads(got)
    same(got, cbor2.dumps(outer), "the answer")
    return verified(outer["Attestation"]["document"], root_file())


@test()
def documents_are_signed_in_both_forms():
    """Today's form by default, that of before 2025 when asked for; what QEMU said of the enclave is in there."""
    given = {"key": b"k" * 1024, "data": b"", "nonce": b"\1\2\3"}
    for form in ("", "open", "definite"):
        before = now_ms()
        d = document(*emulated(form).answers(Asked(answer(**given))))
        same(d.form, form or "open", "the form")
        wanted = cbor2.loads(cbor2.loads(cbor2.loads(answer(**given))["Attestation"]["document"])[2])
        for name in set(wanted) - {"timestamp", "certificate", "cabundle"}:
            same(d.fields[name], wanted[name], name)
        check(before <= d.fields["timestamp"] <= now_ms(), f"a timestamp of {d.fields['timestamp']}")
        same(name_of(d.certs[-1]), f"{MODULE}.us-east-1.aws", "the leaf's name")
        same(name_of(d.certs[-2]), "i-07e25f3bada361dec.us-east-1.emulated.nitro-enclaves", "its issuer's name")


def now_ms() -> int:
    return time.time_ns() // 1000000


@test()
def names_are_cut_where_x509_ends():
    """Module IDs of any length and language: 64 characters at most, whole ones."""
    modules = ("x", "i-0123456789abcdef0-enc0", "m" * 60, "m" * 255, "\u00e9" * 60, "\u4e2d" * 80, "-enc", "%s%n")
    for module, got in zip(modules, emulated().answers(*(Asked(answer(m)) for m in modules)), strict=True):
        d = document(got)
        same(d.fields["module_id"], module, "module_id")
        whole = f"{module}.us-east-1.aws"
        leaf = name_of(d.certs[-1])
        check(whole.startswith(leaf) and len(leaf.encode()) in range(61, 65) or whole == leaf, f"{module}: {leaf}")


@test()
def a_leaf_is_used_until_it_ends():
    """Documents share a leaf until it has half an hour left; an authority goes before what it issued ends."""
    times = [0, 600, 2 * HOUR, 3 * HOUR - LEAST - 60, 3 * HOUR - LEAST + 60, 3 * HOUR, 22 * HOUR, 4 * 86400, 30 * 86400,
             0]
    documents = [document(a) for a in emulated().answers(*(Asked(answer(), ahead=t) for t in times))]
    certs = [d.certs for d in documents]
    for at in range(1, 4):
        same(certs[at], certs[0], f"the chain after {times[at]} s")
    for at, kept in ((4, 4), (5, 5), (6, 3), (7, 2), (8, 1), (9, 1)):
        for level in range(5):
            same(certs[at][level] == certs[at - 1][level], level < kept,
                 f"certificate {level} is kept after {times[at]} s")
    for d in documents:
        ends = [c.not_valid_after for c in d.certs]
        same(ends, sorted(ends, reverse=True), "ends")


@test()
def each_module_has_its_leaf():
    """Another module ID gets its own instance and leaf below the same authorities."""
    modules = ("i-a-enc1", "i-b-enc2", "i-a-enc1")
    one, two, three = (document(a) for a in emulated().answers(*(Asked(answer(m)) for m in modules)))
    same(one.certs[:3], two.certs[:3], "authorities of both")
    same([name_of(d.certs[-1]) for d in (one, two, three)], [f"{m}.us-east-1.aws" for m in modules], "leaves")
    check(one.certs[-1].public_key().public_numbers() != two.certs[-1].public_key().public_numbers(), "one key")


@test()
def other_answers_stay():
    """Errors, other responses, pieces of an answer: byte for byte what libcbor writes; no word on stderr."""
    whole = cbor2.loads(answer())
    cose = cbor2.loads(whole["Attestation"]["document"])
    items = [cbor2.dumps(x) for x in (
        {"Error": "InvalidOperation"}, {"GetRandom": {"random": bytes(256)}}, "LockPCR", {"Attestation": {}},
        {"Attestation": "document"}, whole["Attestation"], whole["Attestation"]["document"], cose, cose[2],
        {"DescribePCR": {"lock": True, "data": bytes(48)}}, [], {}, None)]
    e = emulated()
    same(e.answers(*map(Asked, items)), items, "the answers")
    same(e.stderr, "", "stderr")


@test()
def documents_of_another_form_stay():
    """What is not QEMU's document as we know it is QEMU's to answer; stderr says so once."""
    fields = cbor2.loads(cbor2.loads(cbor2.loads(answer())["Attestation"]["document"])[2])

    def wrapped(payload: bytes, *, protected: bytes = b"\xa1\x01\x20", more: tuple = ()) -> bytes:
        document = cbor2.dumps([protected, {}, payload, bytes(64), *more])
        return cbor2.dumps({"Attestation": {"document": document}})

    plain = cbor2.dumps(fields)
    items = [answer(extra=1), answer(nonce=3), answer(module=""), answer(module=7), answer(module="a\0b"),
             answer(module="m" * 256), answer(pcrs={32: b""}), answer(pcrs={0: "x"}),
             answer(pcrs={i: b"" for i in range(33)}), answer(cabundle=[None]), answer(timestamp=-1),
             wrapped(plain[:-1]), wrapped(plain + b"\0"), wrapped(b""), wrapped(plain, more=(1,)),
             wrapped(plain, protected=b"\xa1\x01\x38\x22"), wrapped(b"\xbf" + plain[1:] + b"\xff"),
             wrapped(cbor2.dumps(dict(reversed(fields.items())))), wrapped(b"\xa8" + plain[1:]),
             *(wrapped(plain[:n]) for n in range(0, len(plain), 37))]
    items += [cbor2.dumps({"Attestation": {"document": x}}) for x in (b"", b"\x84", bytes(2000))]
    e = emulated()
    same(e.answers(*map(Asked, items)), items, "the answers")
    same(e.stderr, "nsm-preload: QEMU's document has another form than expected; attestation documents stay QEMU's, "
         "unsigned\n", "stderr")


@test()
def what_has_no_room_is_no_answer():
    """A document longer than the buffer, or than 12288 bytes, gives 0, which QEMU answers by InputTooLarge."""
    whole, = emulated().answers(Asked(answer()))
    large = answer(data=bytes(9000))
    rooms = [Asked(answer(), room=r) for r in (len(answer()), 4000, len(whole) - 60, len(whole) + 60)]
    got = emulated().answers(*rooms, Asked(large), Asked(large, room=20000), Asked(answer(data=bytes(6000))))
    same([bool(a) for a in got], [False, False, False, True, False, False, True], "answers")
    check(len(got[-1]) < ROOM, "longer than the buffer")


@test()
def without_a_root_documents_stay():
    """
    No folder, no key, another's key, another curve, a word that is no form: stderr says why, once, and
    the answer is QEMU's.
    """
    with tempfile.TemporaryDirectory() as tmp:
        def root(name: str, curve: str = "P-384", key: str = "") -> str:
            folder = Path(tmp, name)
            folder.mkdir()
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{curve}",
                            "-nodes", "-subj", "/CN=x", "-keyout", folder / "root.key", "-out", folder / "root.pem"],
                           check=True, stderr=subprocess.PIPE)
            if key:
                (folder / "root.key").write_text(key)
            return str(folder)

        secret = subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384",
                                 "-aes256", "-pass", "pass:x"], check=True, stdout=subprocess.PIPE, text=True).stdout
        no_key = root("no-key")
        os.unlink(Path(no_key, "root.key"))
        other = Path(root("one"), "root.key").read_text()
        for folder, form, why in (
                (f"{tmp}/none", "", f"{tmp}/none/root.pem: No such file or directory"),
                (no_key, "", f"{tmp}/no-key/root.key: No such file or directory"),
                (root("other", key=other), "", f"{tmp}/other/root.key: not the P-384 key of root.pem"),
                (root("curve", curve="P-256"), "", f"{tmp}/curve/root.key: not the P-384 key of root.pem"),
                (root("text", key="text"), "", f"{tmp}/text/root.key: no private key"),
                (root("secret", key=secret), "", f"{tmp}/secret/root.key: no private key"),
                (str(root_file().parent), "closed", "NSM_PRELOAD_ROOT must name a directory, and NSM_PRELOAD_FORM be ")):
            e = emulated(form, folder)
            same(e.answers(Asked(answer()), Asked(answer())), [answer()] * 2, f"the answers ({why})")
            same(len(e.stderr.splitlines()), 1, f"lines of stderr ({e.stderr})")
            check(e.stderr.startswith(f"nsm-preload: {why}"), f"{e.stderr}, not {why}")


@test()
def the_root_is_this_machines():
    """Only its owner can read the key, and its name cannot be mistaken for that of AWS."""
    same((root_file().parent / "root.key").stat().st_mode & 0o777, 0o600, "mode of the key")
    shown = subprocess.run(["openssl", "x509", "-in", root_file(), "-noout", "-subject"], check=True,
                           stdout=subprocess.PIPE, text=True).stdout
    same(shown.strip(), "subject=C = US, O = enclave-init, OU = emulator, CN = emulated.nitro-enclaves", "the root")
