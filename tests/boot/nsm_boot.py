"""The NSM from applications: the device itself, libnsm.a, and documents."""

import hashlib
import struct

import cbor2
from aws_boot import aws_ramdisks
from lib import Boot, Tree, boot, built, check, image, same, shared, test


def text(s: str) -> str:
    return bytes([0x60 + len(s)]).hex() + s.encode().hex()


def error(name: str) -> str:
    return "a1" + text("Error") + text(name)


def with_index(name: str, index: str, more: str = "", fields: str = "a1", key: str = "index") -> str:
    return "a1" + text(name) + fields + text(key) + index + more


EXTENDED = hashlib.sha384(bytes(48) + b"\1\2\3").hexdigest()
# What goes to a bare device and what it answers, in this order: requests as documented, then
# what is not, then what is no request at all.
TRANSCRIPT = [
    (text("DescribeNSM"),
     "a1" + text("DescribeNSM") + "a7" + text("digest") + text("SHA384") + text("max_pcrs") + "1820"
     + text("module_id") + text("i-test-encabc") + text("locked_pcrs") + "80"
     + text("version_major") + "01" + text("version_minor") + "00" + text("version_patch") + "00"),
    (with_index("DescribePCR", "1820"), error("InvalidIndex")),
    (with_index("DescribePCR", "19012c"), error("InvalidOperation")),
    (with_index("DescribePCR", "190010"), error("InvalidOperation")),
    ("a1" + text("DescribePCR") + "a0", error("InvalidOperation")),
    (with_index("ExtendPCR", "10", text("data") + "43010203", "a2"),
     "a1" + text("ExtendPCR") + "a1" + text("data") + "5830" + EXTENDED),
    (with_index("LockPCR", "10"), text("LockPCR")),
    (with_index("LockPCR", "10"), error("ReadOnlyIndex")),
    (with_index("ExtendPCR", "10", text("data") + "43010203", "a2"), error("ReadOnlyIndex")),
    (with_index("LockPCRs", "00", key="range"), text("LockPCRs")),
    (with_index("LockPCRs", "1821", key="range"), error("InvalidIndex")),
    (with_index("LockPCRs", "190100", key="range"), error("InvalidOperation")),
    (text("Foo"), error("InvalidOperation")),
    ("ff", error("InvalidOperation")),
    ("00", error("InvalidOperation")),
    (text("LockPCR"), error("InvalidOperation")),
    (text("Attestation"), error("InvalidOperation")),
    ("a1" + text("Attestation") + "a1" + text("user_data") + "00", error("InvalidOperation")),
]


@test()
def the_device_answers_as_the_transcript_says():
    """Each request of the transcript gets its answer from the emulated device, byte for byte."""
    b = boot(image("/bin/raw", *(q for q, _ in TRANSCRIPT), kernel="builtin",
                   files=app("raw")), mode="microvm", module_id="i-test-encabc")
    replies = b.all("reply")
    same(len(replies), len(TRANSCRIPT), "answers")
    for (request, wanted), got in zip(TRANSCRIPT, replies):
        same(got, wanted, f"the answer to {request}")


def app(name: str, arch: str = "x86_64") -> Tree:
    tree = Tree()
    tree.file(f"bin/{name}", built(f"apps/{name}", arch), 0o755)
    return tree


def measured(name: bytes, data: bytes) -> bytes:
    return hashlib.sha384(b"enclave-init measurement 1\0" + struct.pack(">Q", len(name)) + name
                          + struct.pack(">Q", len(data)) + data).digest()


def extended(data: bytes, old: bytes = bytes(48)) -> str:
    return hashlib.sha384(old + data).hexdigest()


def attest_image():
    return image("/bin/attest", "some data", "-", files=app("attest"))


@shared
def attested() -> Boot:
    return boot(attest_image())


@test()
def libnsm_makes_all_requests():
    """Each of the seven requests is answered, and refusals are the NSM's own."""
    b = attested()
    b.expect(open="ok", describe="ok", random="ok", extend="ok", measure="ok", lock="ok",
             lock__below="ok", attest="ok")
    b.expect(module="i-0123456789abcdef0-enc0 SHA384 1.0.0 32 0000ffff",
             again="ReadOnlyIndex | ReadOnlyIndex | InvalidIndex | InvalidIndex")
    b.expect_end("/bin/attest", "exited with code 0")
    random = bytes.fromhex(b.fact("random.bytes"))
    same(len(random), 1000, "random bytes")
    check(len(set(random)) > 200, "1000 random bytes are hardly random")


@test()
def pcrs_are_those_of_the_image_and_as_predicted():
    """PCR0-2 measure the image, 16 and 17 are as predicted and locked, the rest is zero."""
    b = attested()
    wanted = {i: bytes(48).hex() for i in range(32)}
    wanted |= {int(k[3:]): v for k, v in attest_image().measurements().items()}
    wanted |= {16: extended(b"abc"), 17: extended(measured(b"config", b"abc"))}
    for i, value in wanted.items():
        b.expect(**{f"pcr{i}" + ("__locked" if i < 18 else ""): value})


@test()
def documents_hold_what_was_asked_for():
    """
    The document, read by cbor2: COSE_Sign1, PCR0-2 of the image, the user PCRs as extended, what
    was given and what was not.
    """
    b = attested()
    document = bytes.fromhex(b.fact("document"))
    protected, unprotected, payload, signature = cbor2.loads(document)
    same(unprotected, {}, "the unprotected header")
    same(cbor2.loads(protected), {1: -1}, "the protected header (the emulator's)")
    same(len(signature), 64, "bytes of the signature (the emulator's)")
    fields = cbor2.loads(payload)
    same(fields["user_data"], b"some data", "user_data")
    same((fields["nonce"], fields["public_key"]), (None, None), "what was not given")
    same(fields["module_id"], "i-0123456789abcdef0-enc0", "module_id")
    pcrs = {i: v.hex() for i, v in fields["pcrs"].items()}
    same(sorted(pcrs), list(range(18)), "the PCRs that are locked")
    for name, value in attest_image().measurements().items():
        same(pcrs[int(name[3:])], value, name)
    same(pcrs[16], extended(b"abc"), "PCR16")
    same(pcrs[17], extended(measured(b"config", b"abc")), "PCR17")


@test()
def absent_and_empty_are_two_things():
    """An empty nonce comes back empty, not absent."""
    b = boot(image("/bin/attest", "-", "", files=app("attest")))
    fields = cbor2.loads(cbor2.loads(bytes.fromhex(b.fact("document")))[2])
    same((fields["user_data"], fields["nonce"]), (None, b""), "user_data, nonce")


@test(8)
def libnsm_works_on_4_14():
    """The same application on AWS's own 4.14 kernel for arm64, with AWS's driver."""
    b = boot(aws_ramdisks(app("attest", "aarch64"), "/bin/attest", "x", "y"), append="panic=-1")
    b.expect(open="ok", describe="ok", random="ok", extend="ok", measure="ok", lock="ok",
             lock__below="ok", attest="ok", pcr16__locked=extended(b"abc"),
             pcr17__locked=extended(measured(b"config", b"abc")))
    fields = cbor2.loads(cbor2.loads(bytes.fromhex(b.fact("document")))[2])
    same((fields["user_data"], fields["nonce"]), (b"x", b"y"), "user_data, nonce")
