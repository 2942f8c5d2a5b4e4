"""The NSM from applications: the device itself, libnsmc.a, and documents."""

import base64
import hashlib
import json
import struct
import subprocess
import tempfile
from functools import cache

import cbor2
from machine import nsm_root

from .documents import name_of, verified
from .environment_boot import unconfigured_on_4_14
from .lib import TOP, Boot, Tree, boot, built, check, enclave, image, same, shared, test


def text(s: str) -> str:
    return bytes([0x60 + len(s)]).hex() + s.encode().hex()


def error(name: str) -> str:
    return "a1" + text("Error") + text(name)


def with_index(name: str, index: str, more: str = "", fields: str = "a1", key: str = "index") -> str:
    return "a1" + text(name) + fields + text(key) + index + more


EXTENDED = hashlib.sha384(bytes(48) + b"\1\2\3").hexdigest()
MODULE = "i-test-encabc"
DESCRIBED = ("a1" + text("DescribeNSM") + "a7" + text("digest") + text("SHA384") + text("max_pcrs") + "1820"
             + text("module_id") + text(MODULE) + text("locked_pcrs") + "{locked}"
             + text("version_major") + "01" + text("version_minor") + "00" + text("version_patch") + "00")
# What goes to a device and what it answers, in this order: requests as documented, then what is not, then what is no
# request at all.
TRANSCRIPT = [
    (text("DescribeNSM"), DESCRIBED),
    (with_index("DescribePCR", "1820"), error("InvalidIndex")),
    (with_index("DescribePCR", "19012c"), error("InvalidOperation")),
    (with_index("DescribePCR", "190010"), error("InvalidOperation")),
    ("a1" + text("DescribePCR") + "a0", error("InvalidOperation")),
    (with_index("ExtendPCR", "14", text("data") + "43010203", "a2"),
     "a1" + text("ExtendPCR") + "a1" + text("data") + "5830" + EXTENDED),
    (with_index("LockPCR", "14"), text("LockPCR")),
    (with_index("LockPCR", "14"), error("ReadOnlyIndex")),
    (with_index("ExtendPCR", "14", text("data") + "43010203", "a2"), error("ReadOnlyIndex")),
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


def expect_transcript(b: Boot, locked: range) -> None:
    """LOCKED: the PCRs that are locked before it, by numbers of one byte each."""
    replies = b.all("reply")
    same(len(replies), len(TRANSCRIPT), "answers")
    for (request, wanted), got in zip(TRANSCRIPT, replies):
        same(got, wanted.replace("{locked}", bytes([0x80 + len(locked), *locked]).hex()), f"the answer to {request}")


@test()
def the_device_answers_as_the_transcript_says():
    """Each request of the transcript gets its answer from the emulated device, byte for byte; what signs documents changes none."""
    expect_transcript(unsigned(), range(0))
    expect_transcript(of_before_2025(), range(17))


def app(*names: str) -> Tree:
    tree = Tree()
    for name in names:
        tree.file(f"bin/{name}", built(f"apps/{name}"), 0o755)
    return tree


def measured(name: bytes, data: bytes) -> bytes:
    return hashlib.sha384(b"enclave-init measurement 1\0" + struct.pack(">Q", len(name)) + name
                          + struct.pack(">Q", len(data)) + data).digest()


def extended(data: bytes, old: bytes = bytes(48)) -> str:
    return hashlib.sha384(old + data).hexdigest()


@test()
def libnsmc_makes_all_requests():
    """Each of the seven requests is answered, and refusals are the NSM's own."""
    b = with_tool()
    b.expect(open="ok", describe="ok", random="ok", extend="ok", measure="ok", lock="ok",
             lock__below="ok", attest="ok")
    b.expect(module="i-0123456789abcdef0-enc0 SHA384 1.0.0 32 0000ffff",
             again="ReadOnlyIndex | ReadOnlyIndex | InvalidIndex | InvalidIndex")
    same(b.all("exit")[0], "0", "its exit code")
    random = bytes.fromhex(b.fact("random.bytes"))
    same(len(random), 1000, "random bytes")
    check(len(set(random)) > 200, "1000 random bytes are hardly random")


@test()
def pcrs_are_those_of_the_image_and_as_predicted():
    """PCR0-2 measure the image, 16 and 17 are as predicted and locked, the rest is zero."""
    b = with_tool()
    wanted = {i: bytes(48).hex() for i in range(32)}
    wanted |= {int(k[3:]): v for k, v in tool_image().measurements().items()}
    wanted |= {16: extended(b"abc"), 17: extended(measured(b"config", b"abc"))}
    for i, value in wanted.items():
        b.expect(**{f"pcr{i}" + ("__locked" if i < 18 else ""): value})


@test()
def documents_are_signed_as_awss():
    """
    The document, verified by python3-cryptography and openssl: today's form, AWS's sort of chain
    from this machine's root, the leaf of this enclave, its time to the millisecond.
    """
    d = verified(bytes.fromhex(with_tool().fact("document")), nsm_root())
    same(d.form, "open", "the form")
    same(name_of(d.certs[-1]), "i-0123456789abcdef0-enc0.us-east-1.aws", "the leaf's name")
    same(name_of(d.certs[-2]), "i-0123456789abcdef0.us-east-1.emulated.nitro-enclaves", "its issuer's name")


@test()
def documents_hold_what_was_asked_for():
    """PCR0-2 of the image, the user PCRs as extended, what was given and what was not."""
    fields = verified(bytes.fromhex(with_tool().fact("document")), nsm_root()).fields
    same(fields["user_data"], b"some data", "user_data")
    same((fields["nonce"], fields["public_key"]), (None, None), "what was not given")
    same(fields["module_id"], "i-0123456789abcdef0-enc0", "module_id")
    pcrs = {i: v.hex() for i, v in fields["pcrs"].items()}
    same(sorted(pcrs), list(range(18)), "the PCRs that are locked")
    for name, value in tool_image().measurements().items():
        same(pcrs[int(name[3:])], value, name)
    same(pcrs[16], extended(b"abc"), "PCR16")
    same(pcrs[17], extended(measured(b"config", b"abc")), "PCR17")


RAW = ("/bin/raw", *(request for request, _ in TRANSCRIPT), ";")


def unsigned_image() -> enclave.Eif:
    return image("/bin/sequence", *RAW, "/bin/attest", "-", "", ";", files=app("sequence", "raw", "attest"), kernel="builtin")


@shared
def unsigned() -> Boot:
    """The transcript, on a device whose PCRs nobody has locked, and a document as QEMU makes it."""
    return boot(unsigned_image(), mode="microvm", module_id=MODULE, documents="unsigned")


@test()
def absent_and_empty_are_two_things():
    """An empty nonce comes back empty, not absent."""
    fields = cbor2.loads(cbor2.loads(bytes.fromhex(unsigned().fact("document")))[2])
    same((fields["user_data"], fields["nonce"]), (None, b""), "user_data, nonce")


@test()
def unsigned_documents_are_qemus():
    """As asked for: QEMU's algorithm, no signature, no certificates. The tool shows the document, and refuses it."""
    document = bytes.fromhex(unsigned().fact("document"))
    protected, unprotected, payload, signature = cbor2.loads(document)
    same((cbor2.loads(protected), unprotected, signature), ({1: -1}, {}, bytes(64)), "headers and signature")
    fields = cbor2.loads(payload)
    same((fields["certificate"], fields["cabundle"]), (bytes(64), [bytes(64)]), "certificates")
    code, said = host_tool("show", "-", "--json", stdin=document)
    same(code, 0, said)
    same(json.loads(said)["module_id"], fields["module_id"], "module_id")
    code, said = host_tool("verify", "-", "--root", str(nsm_root()), "--nonce", "", "--max-age", "3600",
                           *pcr_options(unsigned_image()), stdin=document)
    same(code, 1, said)
    check("ES384" in said, said)


@test(8)
def libnsmc_works_on_4_14():
    """The same application on AWS's own 4.14 kernel for arm64, with AWS's driver; its document is signed, too."""
    b = unconfigured_on_4_14()
    b.expect(open="ok", describe="ok", random="ok", extend="ok", measure="ok", lock="ok",
             lock__below="ok", attest="ok", pcr16__locked=extended(b"abc"),
             pcr17__locked=extended(measured(b"config", b"abc")))
    fields = verified(bytes.fromhex(b.fact("document")), nsm_root()).fields
    same((fields["user_data"], fields["nonce"]), (b"x", b"y"), "user_data, nonce")


# --- the tool ----------------------------------------------------------------

TOOL = "/run/enclave/bin/nsm"
COMMANDS = [
    [TOOL, "describe", "--json"],
    [TOOL, "random", "40"],
    [TOOL, "pcr", "extend", "18", "--name", "config", "text:abc"],
    [TOOL, "pcr", "extend", "19", "text:abc"],
    [TOOL, "pcr", "lock", "18", "19"],
    [TOOL, "pcr", "extend", "18", "text:x"],  # locked
    [TOOL, "pcr", "list", "--json"],
    [TOOL, "attest", "--user-data", "text:some data", "--nonce", "00ff", "--public-key", "base64:AAEC"],
    [TOOL, "recipient", "new", "--out", "/tmp/key.pem"],
]


@cache
def tool_image() -> enclave.Eif:
    """The application of libnsmc, which has PCR16 and 17, and then the tool's commands."""
    cmd = [w for c in [["/bin/attest", "some data", "-"], *COMMANDS] for w in (*c, ";")]
    return image("/bin/sequence", *cmd, files=app("sequence", "attest"), boot_files={"nsm": built("nsm")})


@shared
def with_tool() -> Boot:
    return boot(tool_image())


def old_image() -> enclave.Eif:
    """Init measures what the configuration says, and the tool looks at that, and at the form of documents; then the transcript."""
    tree = app("sequence", "raw")
    tree.file("etc/conf", b"x" * 5000)
    return image("/bin/sequence", TOOL, "pcr", "get", "16", ";", TOOL, "attest", "--nonce", "00ff", ";", *RAW, files=tree, config="""
pcr-extend = 16 data version 1.2 of today
pcr-extend = 16 file conf /etc/conf
pcr-lock = 16
""", boot_files={"nsm": built("nsm")})


@shared
def of_before_2025() -> Boot:
    return boot(old_image(), module_id=MODULE, documents="definite")


def host_tool(*words: str, stdin: bytes = b"") -> tuple[int, str]:
    """The same program on this machine."""
    done = subprocess.run([TOP / "build" / "x86_64" / "nsm", *words], input=stdin, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode()


@test()
def the_tool_works_in_an_enclave():
    """Each command that needs an NSM, in an image that does not contain the tool."""
    b = with_tool()
    same(b.all("exit")[1:], ["0", "0", "0", "0", "0", "4", "0", "0", "0"], "exit codes")
    check("ReadOnlyIndex" in b.result.text, "the refusal is not told")
    out = b.all("out")
    described = json.loads(out[0])
    same((described["module_id"], described["max_pcrs"]), ("i-0123456789abcdef0-enc0", 32),
         "describe")
    same(len(bytes.fromhex(out[1])), 40, "random bytes")


@test()
def the_tool_extends_as_it_predicts():
    """`pcr predict` on this machine gives what the PCRs of the enclave hold."""
    lists = [json.loads(o) for o in with_tool().all("out") if o.startswith("{")]
    pcrs = {p["index"]: (p["lock"], p["data"]) for p in lists[-1]["pcrs"]}
    for index, words in ((18, ("--name", "config", "text:abc")), (19, ("text:abc",))):
        code, said = host_tool("pcr", "predict", *words)
        same(code, 0, said)
        same(pcrs[index], (True, said.split()[-1]), f"PCR{index}")
    for name, value in tool_image().measurements().items():
        same(pcrs[int(name[3:])], (True, value), name)


def pcr_options(eif: enclave.Eif, **instead: str) -> list[str]:
    """PCR0 to PCR2 as mkeif predicts them of the image, for `nsm verify`; INSTEAD names other values."""
    with tempfile.NamedTemporaryFile(suffix=".eif") as f:
        f.write(eif.pack())
        f.flush()
        said = subprocess.run([TOP / "build/mkeif", "pcr", f.name], check=True, stdout=subprocess.PIPE,
                              text=True).stdout
    pcrs = dict(line.split() for line in said.splitlines()) | instead
    same(sorted(pcrs), ["PCR0", "PCR1", "PCR2"], "PCRs of mkeif")
    return [word for name, value in pcrs.items() for word in ("--pcr", f"{name[3:]}={value}")]


@test()
def the_tool_shows_a_document():
    """`show` outside reads what cbor2 reads."""
    document = tools_document()
    fields = cbor2.loads(cbor2.loads(base64.b64decode(document))[2])
    same((fields["user_data"], fields["nonce"], fields["public_key"]),
         (b"some data", b"\0\xff", b"\0\1\2"), "user_data, nonce, public_key")
    code, said = host_tool("show", "-", "--json", stdin=document.encode())
    same(code, 0, said)
    shown = json.loads(said)
    same(shown["module_id"], fields["module_id"], "module_id")
    same(base64.b64decode(shown["user_data"]), b"some data", "user_data")


def tools_document() -> str:
    return next(o for o in with_tool().all("out") if o.startswith("hE"))


@test()
def an_enclaves_document_is_verified_end_to_end():
    """
    Outside, with the PCRs that mkeif predicts of the image and the nonce that was given: yes. With
    another nonce, another PCR or AWS's root: no.
    """
    document = tools_document().encode()
    d = verified(base64.b64decode(document), nsm_root())
    same(d.form, "open", "the form")
    good = {"root": ["--root", str(nsm_root())], "age": ["--max-age", "3600"], "nonce": ["--nonce", "00ff"],
            "pcrs": pcr_options(tool_image()), "user_data": ["--user-data", "text:some data"],
            "public_key": ["--public-key", "base64:AAEC"]}
    code, said = host_tool("verify", "-", *sum(good.values(), []), stdin=document)
    same(code, 0, said)
    check("verified:" in said and "yes\n" in said, said)
    for what, bad in (("root", []), ("nonce", ["--nonce", "00fe"]), ("pcrs", pcr_options(tool_image(), PCR1="0" * 96)),
                      ("pcrs", pcr_options(unsigned_image())), ("user_data", ["--user-data", "text:other data"])):
        code, said = host_tool("verify", "-", *sum((good | {what: bad}).values(), []), stdin=document)
        same(code, 1, f"with {what} {bad}: {said}")


@test(6)
def a_document_of_before_2025_is_verified_as_well():
    """The same of the form that AWS's had then."""
    document = next(o for o in of_before_2025().all("out") if o.startswith("hE")).encode()
    same(verified(base64.b64decode(document), nsm_root()).form, "definite", "the form")
    words = ["verify", "-", "--root", str(nsm_root()), *pcr_options(old_image()), "--no-user-data"]
    code, said = host_tool(*words, "--nonce", "00ff", stdin=document)
    same(code, 0, said)
    code, said = host_tool(*words, "--nonce", "00fe", stdin=document)
    same(code, 1, said)


@test()
def the_tool_makes_a_key_in_an_enclave():
    """The key that `recipient new` shows is one that openssl reads."""
    spki = base64.b64decode(with_tool().all("out")[-1])
    read = subprocess.run(["openssl", "rsa", "-pubin", "-inform", "DER", "-noout", "-text"],
                          input=spki, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    same(read.returncode, 0, read.stdout.decode())
    check(b"Public-Key: (2048 bit)" in read.stdout, read.stdout.decode())


@test()
def init_measures_as_the_tool_predicts():
    """What `pcr-extend` of the configuration does, `pcr predict` says before."""
    code, said = host_tool("pcr", "predict", "--name", "version", "text:1.2 of today",
                           "--name", "conf", "-", stdin=b"x" * 5000)
    same(code, 0, said)
    same(of_before_2025().all("out")[0].split()[-1], said.split()[-1], "PCR16")
