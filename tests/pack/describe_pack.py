"""mkeif describe: what an image is, as others read it; what is wrong with one is said, with section and offset."""

import bz2
import gzip
import hashlib
import json
import lzma
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from images.eifs import (APP, BOOT, FILE, FIRST, LINK, METADATA, app, aws_image, cpio, metadata, put, sections,
                         signature, small, with_crc, write)
from images.keys import expired, key_pair
from images.oci import zstd_bomb
from images.stubs import kernel

from .lib import (ASAN, DONE, MKEIF, REFUSED, USAGE, Done, Eif, Entry, Skip, built, check, enclave, folder, names, run, same,
                  test, tool)
from .lib import FILE as EXIT_FILE

TYPES = {1: "kernel", 2: "cmdline", 3: "ramdisk", 4: "signature", 5: "metadata"}


def sha(data: bytes) -> str:
    return hashlib.sha384(data).hexdigest()


def described(raw: bytes | bytearray | Eif, *options: str, code: int = DONE, err: tuple[str, ...] = (),
              program: Path = MKEIF) -> Done:
    """What is described, also of an image that is not as it should be."""
    with folder() as path:
        done = run("describe", write(path / "x.eif", raw), *options, program=program)
    same(done.code, code, done.story)
    same(len(done.err.splitlines()), len(err), f"lines on stderr: {done.story}")
    for part, line in zip(err, done.err.splitlines()):
        check(line.startswith("mkeif: describe: ") and "/x.eif: " in line and part in line,
              f"no {part!r} in {line!r}")
    return done


def refused(raw: bytes | bytearray, *err: str) -> None:
    with folder() as path:
        for program in (MKEIF, ASAN):
            run("describe", write(path / "x.eif", raw), program=program).is_(REFUSED, "/x.eif: ", *err)


def signed(path: Path, key: Path, cert: Path) -> Path:
    """An image of mkeif's with a signature, at PATH."""
    for name, data in (("kernel", kernel("aarch64")), ("metadata", metadata()), ("boot", cpio(BOOT)), ("app", cpio(APP))):
        path.with_suffix(f".{name}").write_bytes(data)
    run("build", "--output", path, "--arch", "aarch64", "--kernel", path.with_suffix(".kernel"), "--cmdline", "quiet",
        "--metadata-section", path.with_suffix(".metadata"), "--ramdisk", path.with_suffix(".boot"), "--ramdisk",
        path.with_suffix(".app"), "--sign-key", key, "--sign-cert", cert).is_(DONE)
    return path


def pairs(text: bytes) -> list:
    """JSON with its keys in their order."""
    return json.loads(text, object_pairs_hook=list)


# --- text --------------------------------------------------------------------

@test(seconds=2)
def all_of_awss_image_is_described() -> None:
    """Header, sections with offset, size and hash, checksum, measurements and their contents, kernel, metadata."""
    raw = aws_image().read_bytes()
    text = run("describe", aws_image()).is_(DONE).text
    aws = Eif.parse(raw)
    for part in ("version       4\n", "flags         0x0001 (aarch64)\n", "default_mem   1073741824\n",
                 "default_cpus  2\n", "size          15415213\n", "CRC           7db75a75 (computed: the same)\n",
                 "\n5 sections\n", "kernel   aarch64, 4.14.256-209.484.amzn2.aarch64\n", f"cmdline  {aws.cmdline}\n",
                 "\nSignature\n  none\n"):
        check(part in text, f"no {part!r}: {text}")
    found = re.findall(r"^ +(\d+) (\w+) +(\d+) +(\d+)  ([0-9a-f]{96})$", text, re.M)
    same(found, [(str(i), TYPES[kind], str(at), str(size), sha(raw[at + 12:at + 12 + size]))
                 for i, (kind, at, size) in enumerate(sections(raw))], "sections")
    same([f[2] for f in found], ["548", "10548272", "10548368", "10550165", "11311009"], "offsets")
    boot = aws.kernel + aws.cmdline.encode()
    contents = [boot + b"".join(aws.ramdisks), boot + aws.ramdisks[0], aws.ramdisks[1]]
    same(re.findall(r"^  PCR(\d)  (\w{96})\n        (\w{96})$", text, re.M),
         [(str(n), aws.measurements()[f"PCR{n}"], sha(c)) for n, c in enumerate(contents)], "measurements")
    same(aws.measurements()["PCR0"][:16], "bb284bdbdb58acc5", "PCR0 of the reader")
    same(json.loads(text[text.index("(not measured)\n") + 15:]), json.loads(aws.metadata), "metadata")


@test
def control_characters_are_escaped() -> None:
    """Of the command line, metadata and names: nothing that a terminal acts on, in either form."""
    entries = [Entry("a\x1b[2J\x7f\\", FILE | 0o644), Entry("u\u061c\u200b\u2060\ufeffü", FILE | 0o644),
               Entry("b", LINK | 0o777, b"\xff\xc2\x9b\n")]
    eif = replace(app(entries), cmdline="c\x1b]0;x\x07\u009b",
                  metadata=metadata(ImageName="n\x1b\u202e\u009b\x7f", CustomMetadata={"k\x1b": "\u2028"}))
    for program in (MKEIF, ASAN):
        done = described(eif, "--files", program=program)
        for part in ("cmdline  c\\x1b]0;x\\x07\\xc2\\x9b\n", " a\\x1b[2J\\x7f\\\\\n", " u\\xd8\\x9c\\xe2\\x80\\x8b\\xe2\\x81\\xa0\\xef\\xbb\\xbfü\n",
                     " b -> \\xff\\xc2\\x9b\\x0a\n",
                     '"n\\u001b\\u202e\\u009b\\u007f"', '"k\\u001b": "\\u2028"'):
            check(part in done.text, f"no {part!r}: {done.text}")
        both = done.text + described(eif, "--json", program=program).text
        bad = {c for c in both if c != "\n" and (c < " " or "\x7f" <= c < "\xa0" or c in "\u061c\u200b\u2028\u202e\u2060\ufeff")}
        same(bad, set(), "characters on stdout")


# --- as nitro-cli prints it --------------------------------------------------

def as_serde(value: object) -> str:
    """serde_json's pretty form, where Python's differs in nothing but characters beyond ASCII."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


@test(seconds=2)
def json_is_as_nitro_cli_prints_it() -> None:
    """Keys, their order and the blanks of nitro-cli describe-eif: of AWS's image, and one by hand."""
    for eif, raw in ((Eif.load(aws_image()), aws_image().read_bytes()), (small(), small().pack())):
        m = json.loads(eif.metadata)
        build = {k: m["BuildMetadata"][k] for k in ("BuildTime", "BuildTool", "BuildToolVersion", "OperatingSystem",
                                                    "KernelVersion")}
        docker = json.loads(json.dumps(m["DockerInfo"], sort_keys=True))
        wanted = {"EifVersion": 4, **enclave.measurements_json(eif), "IsSigned": False, "CheckCRC": True,
                  "ImageName": m["ImageName"], "ImageVersion": m["ImageVersion"],
                  "Metadata": {**build, "DockerInfo": docker}}
        for program in (MKEIF, ASAN):
            same(described(raw, "--json", program=program).text, as_serde(wanted), "JSON")


@test
def custom_metadata_stands_among_the_others() -> None:
    """As serde flattens it: sorted, behind DockerInfo. What is no object has a key of its own."""
    eif = small(metadata=metadata(CustomMetadata={"z": 1, "a": {"y": 2, "b": []}}))
    keys = [k for k, _ in dict(pairs(described(eif, "--json").out))["Metadata"]]
    same(keys, ["BuildTime", "BuildTool", "BuildToolVersion", "OperatingSystem", "KernelVersion", "DockerInfo", "a",
                "z"], "keys")
    eif = small(metadata=metadata(CustomMetadata=[1]))
    same(described(eif, "--json").json["Metadata"]["CustomMetadata"], [1], "CustomMetadata")


@test
def numbers_are_as_short_as_they_can_be() -> None:
    """As serde_json and Python print them; both whole and not."""
    numbers = [0, 0.1, 1.5, -2.25, 1 / 3, 9007199254740991, -9007199254740991, 5e-324, 1.7976931348623157e308]
    eif = small(metadata=metadata(DockerInfo={"n": numbers}))
    same(re.findall(r"^ {8}(-?[0-9.e+-]+),?$", described(eif, "--json").text, re.M), [str(n) for n in numbers], "numbers")


@test(seconds=2)
def a_signature_is_described() -> None:
    """Certificate, PCR8 and whether it is right: as openssl reads it, in the words of nitro-cli."""
    with folder() as path:
        key, cert = key_pair(path, subject="/C=DE/O=One, Two/CN=signer \u00e4")
        eif = signed(path / "x.eif", key, cert)
        for program in (MKEIF, ASAN):
            found = run("describe", eif, "--json", program=program).is_(DONE).json
            same(list(found), ["EifVersion", "Measurements", "IsSigned", "SigningCertificate", "CheckCRC",
                               "SignatureCheck", "ImageName", "ImageVersion", "Metadata"], "keys")
            same(found["Measurements"], enclave.measurements_json(Eif.load(eif))["Measurements"], "measurements")
            same((found["IsSigned"], found["SignatureCheck"]), (True, True), "signed, and right")
            c = found["SigningCertificate"]
            same(list(c), ["IssuerName", "Algorithm", "NotBefore", "NotAfter", "Signature"], "keys")
            same(c["IssuerName"], {"commonName": "signer \u00e4", "countryName": "DE", "organizationName": "One, Two"},
                 "issuer")
            same(list(c["IssuerName"]), sorted(c["IssuerName"]), "order of the issuer's keys")
            said = tool("openssl", "x509", "-in", cert, "-noout", "-dates", "-text", "-certopt",
                        "no_header,no_version,no_serial,no_issuer,no_subject,no_pubkey,no_extensions,no_aux").decode()
            for key_, name in (("NotBefore", "notBefore="), ("NotAfter", "notAfter=")):
                check(f"{name}{c[key_]}\n" in said, f"{key_}: {c[key_]}: {said}")
            check(f"Signature Algorithm: {c['Algorithm']}\n" in said, f"{c['Algorithm']}: {said}")
            hex_ = re.sub(r"\s", "", said.split("Signature Value:")[1]).split("not")[0]
            same(c["Signature"].lower(), hex_, "signature")
        text = run("describe", eif).is_(DONE).text
        for part in ("of PCR0       right\n", "CN=signer \\C3\\A4", f"PCR8  {found['Measurements']['PCR8']}\n", "\n6 sections"):
            check(part in text, f"no {part!r}: {text}")


# --- what is wrong, and described nevertheless -------------------------------

@test
def a_wrong_checksum_is_told() -> None:
    """Stored and computed; code 1, and all else is there."""
    raw = bytearray(small().pack())
    stored = raw[544:548].hex()
    raw[sections(raw)[1][1] + 12] ^= 1  # of the command line
    computed = with_crc(raw)[544:548].hex()
    err = (f"offset 544: the CRC is {stored}, but the file's is {computed}",)
    for program in (MKEIF, ASAN):
        text = described(raw, code=REFUSED, err=err, program=program).text
        check(f"CRC           {stored} (computed: {computed}, WRONG)\n" in text, text)
        check("Measurements" in text and '"ImageName": "small"' in text, text)
        found = described(raw, "--json", code=REFUSED, err=err, program=program).json
        same((found["CheckCRC"], found["ImageName"]), (False, "small"), "CheckCRC and name")


@test(seconds=2)
def a_wrong_signature_is_told() -> None:
    """Of another image, damaged, no signature at all, or by a certificate whose time is over."""
    with folder() as path:
        eif = Eif.load(signed(path / "good.eif", *key_pair(path)))
        damaged = bytearray(eif.signature)
        damaged[-1] ^= 1
        for bad, err, is_valid in (
                (replace(eif, cmdline="other"), "the signature is not", False),
                (replace(eif, signature=bytes(damaged)), "the signature is not", False),
                (replace(eif, signature=b"\x80"), "section 5 (signature) at offset ", None)):
            for program in (MKEIF, ASAN):
                found = described(bad, "--json", code=REFUSED, err=(err,), program=program).json
                same((found["IsSigned"], found["SignatureCheck"]), (True, False), "signed, and wrong")
                same("SigningCertificate" in found, is_valid is not None, "certificate")
                text = described(bad, code=REFUSED, err=(err,), program=program).text
                check(("of PCR0       WRONG\n" if is_valid is False else "Signature\n  cannot be read\n") in text, text)
        # mkeif signs nothing with a certificate that is over: openssl's signature, in AWS's frame.
        key, cert = expired(path)
        old = replace(eif, signature=signature(path, eif, key, cert))
        found = described(old, "--json", code=REFUSED, err=("valid from 2020-01-01T00:00:00",)).json
        same((found["SignatureCheck"], found["SigningCertificate"]["NotAfter"]), (True, "Feb  1 00:00:00 2020 GMT"),
             "signature, and the certificate's end")


@test
def a_table_that_another_signer_left_is_told() -> None:
    """AWS's tools leave the old signature's size in the header, which QEMU refuses; sign puts it right."""
    with folder() as path:
        key, cert = key_pair(path)
        whole = signed(path / "x.eif", key, cert).read_bytes()
        raw = put(whole, 284 + 8 * (len(sections(whole)) - 1), ">Q", 1500)
        for program in (MKEIF, ASAN):
            done = described(raw, code=REFUSED, err=("its size is not that of the table",), program=program)
            check("of PCR0       right\n" in done.text, done.text)
        (path / "x.eif").write_bytes(raw)
        run("sign", path / "x.eif", "--sign-key", key, "--sign-cert", cert, "--output", path / "y.eif").is_(DONE)
        check((path / "y.eif").read_bytes() == whole, "signed anew, it is another")


@test
def metadata_that_are_not_as_they_should_be_are_told() -> None:
    """Not JSON, not UTF-8, a NUL, without a key that nitro-cli wants: with section and offset."""
    at = sections(small().pack())[2][1]
    where = f"section 2 (metadata) at offset {at}: "
    for data, err in ((b"{", "not JSON"), (b'{"a": "\xff"}', "not UTF-8"), (b'{"a": 1}\0', "a NUL"),
                      (b"[" * 100, "deep"), (b"x" * (1 << 21), "longer than 1048576 bytes"), (b"7", "no object")):
        for program in (MKEIF, ASAN):
            text = described(small(metadata=data), code=REFUSED, err=(where,), program=program).text
            check("Metadata (not measured)\n  none\n" in text, text)
            done = described(small(metadata=data), "--json", code=REFUSED, err=(err,), program=program)
            same([k for k in done.json if k in ("ImageName", "Metadata")], [], "metadata")
    for key in METADATA:
        less = json.dumps({k: v for k, v in METADATA.items() if k != key}).encode()
        found = described(small(metadata=less), "--json", code=REFUSED, err=(f"{where}{key}: not as",)).json
        check("Metadata" not in found, f"metadata without {key}")
        described(small(metadata=less))


# --- files -------------------------------------------------------------------

def files(raw: bytes | Eif, program: Path = MKEIF) -> list[list[str]]:
    """Of each ramdisk the lines of --files, without what is in columns of blanks."""
    text = described(raw, "--files", program=program).text
    parts = re.split(r"^Ramdisk \d+ \(section \d+\): .*\n", text, flags=re.M)[1:]
    return [[" ".join(line.split()) for line in part.splitlines() if line and not line.startswith("  warning: ")]
            for part in parts]


def warnings(raw: bytes | Eif, program: Path = MKEIF) -> list[str]:
    """What --files and --json warn of, which is the same: "0: PATH: words", of all ramdisks."""
    text = described(raw, "--files", program=program).text
    found, number = [], -1
    for line in text.splitlines():
        number += line.startswith("Ramdisk ")
        if line.startswith("  warning: "):
            found.append(f"{number}: {line.removeprefix('  warning: ')}")
    same([w.removeprefix("ramdisk ") for w in described(raw, "--json", program=program).json.get("Warnings", [])],
         found, "warnings of --json")
    return found


def by_cpio(ramdisk: bytes) -> list[str]:
    """The same by GNU cpio, whose listing has another form of the time."""
    p = subprocess.run(["cpio", "-itvn", "--quiet"], input=ramdisk, stdout=subprocess.PIPE, check=True,
                       env={"TZ": "UTC", "LC_ALL": "C", "PATH": "/usr/bin:/bin"})
    return p.stdout.decode().splitlines()


def by_name(lines: list[str], form: str) -> dict[str, str]:
    """
    Of each file, the last of its name, what stands before the time; a folder's links and a link's mode are the
    kernel's to choose.
    """
    found = {}
    for line in lines:
        fields = re.fullmatch(form, re.sub(r" +", " ", line))
        check(fields, f"what is {line!r}?")
        before, name = fields[1], fields[2].rstrip("/")
        found[name] = re.sub(r"^(d\S+) \d+", r"\1", re.sub(r"^l\S+", "lrwxrwxrwx", before))
    return found


@test(seconds=2)
def files_are_listed_as_cpio_lists_them() -> None:
    """AWS's two ramdisks, and one with all types: mode, links, owner, size or device, name, target."""
    aws = Eif.load(aws_image())
    for eif in (aws, small()):
        for ours, ramdisk in zip(files(eif), eif.ramdisks, strict=True):
            # drwxr-xr-x 2 0 0 0 2017-04-18 16:30 dev; drwxr-xr-x 2 0 0 0 Apr 18 2017 dev
            head = r"(\S+ \d+ \d+ \d+ (?:\d+|\d+, \d+)) "
            mine = by_name(ours, head + r"\d{4}-\d\d-\d\d \d\d:\d\d (.*?)(?: link to .*)?")
            theirs = by_name(by_cpio(ramdisk), head + r"\w{3} \d+ [\d:]+ (.*)")
            same(len(mine), len(ours), "names that are listed once")
            if "rootfs/first" in mine:  # where cpio sees no content yet
                same(mine.pop("rootfs/first"), "-rw-r--r-- 2 0 0 6", "a hard link's size is of all its names")
                del theirs["rootfs/first"]
            same({k: (mine.get(k), theirs.get(k)) for k in {**mine, **theirs} if mine.get(k) != theirs.get(k)}, {},
                 "what is other than cpio's")
    ours = "\n".join(files(small())[1])
    for part in ("rootfs/second link to rootfs/first", "-rwsr-xr-x 1 7 8 7 2001-09-09 01:46 rootfs/bin/one",
                 "crw-rw-rw- 1 0 0 1, 3 1970-01-01 00:00 rootfs/null", "drwxrwxrwt"):
        check(part in ours, f"no {part!r}: {ours}")


@test
def hard_links_are_told_apart() -> None:
    """By number and device, within one archive; a name alone with its number is none."""
    def one(name: str, ino: int, data: bytes = b"", dev: tuple[int, int] = (0, 0)) -> Entry:
        return Entry(name, FILE | 0o644, data, ino=ino, nlink=2, dev=dev)
    first = [one("a", 5), one("b", 6), one("c", 5, b"12"), one("d", 6, b"3"), one("e", 5, b"", (1, 0)),
             one("f", 7)]
    text = "\n".join(files(small(ramdisks=[cpio(first) + cpio([one("g", 7)])]))[0])
    same(re.findall(r"(\d+) 1970-01-01 00:00 (.*)", text),
         [("2", "a"), ("1", "b"), ("2", "c link to a"), ("1", "d link to b"), ("0", "e"), ("0", "f"), ("0", "g")],
         "sizes and links")


def lzma_alone(data: bytes) -> bytes:
    return lzma.compress(data, lzma.FORMAT_ALONE)


def by(*words: str):
    def compress(data: bytes) -> bytes:
        if not shutil.which(words[0]):
            raise Skip(f"no {words[0]}")
        return subprocess.run(words, input=data, stdout=subprocess.PIPE, check=True).stdout
    return compress


METHODS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "lzma": lzma_alone,
           "zstd": by("zstd", "-q", "-c"), "lz4": by("lz4", "-l", "-c", "-q")}


@test
def a_ramdisk_that_is_a_bomb_is_told() -> None:
    """More than 1 GiB and 4096 times the section, in a file or behind the archive: no matter who reads it."""
    head = b"070701" + b"%08x" * 13 % (1, FILE | 0o644, 0, 0, 1, 0, 1200000000, 0, 0, 0, 0, 4, 0) + b"big\0\0\0"
    for first in (head, cpio(BOOT)):
        with folder() as path:
            packed = zstd_bomb(first, 1200000000)
            eif = write(path / "x.eif", small(ramdisks=[packed, cpio(APP)]))
            init = ("--init", built("init", "x86_64"))
            for words in (("describe", "--files", eif), ("set-init", eif, "--output", path / "y.eif", *init)):
                done = run(*words)
                same(done.code, REFUSED, done.story)
                check("offset" in done.err and f"{len(packed)} bytes unpack to more than 4096 times" in done.err, done.story)
            same(names(path), {"x.eif"}, "files")


@test(seconds=4)
def compressed_ramdisks_are_listed() -> None:
    """All that the kernel takes and libarchive undoes; alone, behind a plain archive, twice, and mixed."""
    first, plain = cpio(APP), cpio(BOOT)
    want = files(small())
    same(len(want[0]), 3, "names of the first")
    for name, compress in METHODS.items():
        packed = compress(first)
        for ramdisk, label, archives, listed in (
                (packed, name, 1, want[1]),
                (plain + packed, "mixed", 2, want[0] + want[1]),
                (plain + bytes(1024) + packed, "mixed", 2, want[0] + want[1]),
                (packed + packed, name, 2, want[1])):
            eif = small(ramdisks=[ramdisk])
            for program in (MKEIF, ASAN):
                text = described(eif, "--files", program=program).text
                check(f"(section 3): {len(listed)} names, {archives} archive{'s' * (archives > 1)}, "
                      f"compression: {label}\n" in text, f"{name}: {text[-2000:]}")
                same(sorted(files(eif, program)[0]), sorted(listed), f"files of {name}")
    # Not all of libarchive's methods tell what is behind from more of the same; gzip's does.
    packed = gzip.compress(first)
    for ramdisk in (packed + bytes(700), packed + bytes(-len(packed) % 4) + plain):
        check({*want[1]} <= {*files(small(ramdisks=[ramdisk]))[0]}, "files")


@test
def several_archives_and_none_are_listed() -> None:
    """Zeros between them, in front and behind; an empty section; names as one would write them."""
    same(files(small(ramdisks=[bytes(8) + cpio(BOOT) + bytes(4) + cpio(BOOT[:1]) + bytes(3)]))[0],
         files(small())[0], "files")
    same(files(small(ramdisks=[b"", bytes(5)])), [[], []], "files of nothing")
    names = ["./a", "/b", "c//d///", ".", "./", "././e/", "g/."]
    found = files(app([Entry("c", 0o040755), *(Entry(n, 0o040755) for n in names)]))[1]
    same([line.split()[-1] for line in found], ["c", "a", "b", "c/d", ".", "e"], "names, and no g/.")


def field(archive: bytes, number: int, value: bytes, at: int = 0) -> bytes:
    """An archive with another field in the header at AT."""
    begin = at + 6 + 8 * number
    return archive[:begin] + value + archive[begin + 8:]


@test(seconds=3)
def a_ramdisk_that_the_kernel_would_not_unpack_is_told() -> None:
    """Section and offset, code 1; the other ramdisk and all else are described."""
    one = cpio([Entry("file", FILE | 0o644, b"12345")])
    at = sections(small(ramdisks=[one, cpio(BOOT)]).pack())[3][1] + 12
    link = cpio([Entry("link", LINK | 0o777, b"x")])
    cases: list[tuple[bytes, int, str]] = [
        (b"junk", 0, "neither a newc archive nor compressed"),
        (b"070707" + one[6:], 0, "no header"),
        (one[:50], 50, "cut short"),
        (one[:118], 118, "cut short"),
        (field(one, 6, b"ffffffff"), len(one), "cut short"),
        (field(one, 6, b"0000000g"), 0, "no number"),
        (field(one, 6, b"  000005"), 0, "no number"),
        (field(one, 11, b"00000000"), 0, "a name of no or too many bytes"),
        (field(one, 11, b"00001001"), 0, "a name of no or too many bytes"),
        (field(one, 11, b"00000004"), 113, "a name without its end"),
        (one[:112] + b"\0" + one[113:], 110, "a NUL in a name"),
        (field(one, 1, b"00000000"), 116, "unknown type"),
        (field(one, 1, b"000041ed"), 116, "a content, but not a file"),
        (field(link, 6, b"00000000"), 116, "a link of no"),
        (field(link, 6, b"00001000"), 116, "a link of no or too many bytes"),
        (b"070702" + one[6:], 116, "a wrong checksum"),
        (field(cpio([]), 6, b"00000001"), 0, "a trailer with a content"),
        (one + b"\0" + one, len(one) + 1, "does not end at a multiple of 4"),
        (one + b"x", len(one), "neither"),
        (gzip.compress(one)[:-20], 0, "cannot be unpacked"),
        (gzip.compress(one[:100]), 0, "cut short"),
        (gzip.compress(one + b"junk"), 0, "no archive"),
        (gzip.compress(gzip.compress(one)), 0, "compressed twice, by gzip"),
        (b"\x1f\x8b" + bytes(50), 0, "begins as, but is not gzip"),
        (b"\x89LZO" + bytes(50), 0, "neither"),
        (gzip.compress(b"") + one, 0, "must come first"),
        (gzip.compress(bytes(4) + one), 0, "must come first"),
    ]
    good = described(small(ramdisks=[b"", cpio(BOOT)]), "--files").text.rsplit("Ramdisk 1", 1)[1]
    for ramdisk, offset, err in cases:
        for program in (MKEIF, ASAN):
            done = described(small(ramdisks=[ramdisk, cpio(BOOT)]), "--files", code=REFUSED,
                             err=("section 3 (ramdisk): ",), program=program)
            where = rf"\boffset (\d+ of what is compressed at offset )?{at + offset}\b"
            check(err in done.err and re.search(where, done.err), f"no {err!r} at {at + offset}: {done.err}")
            same(done.text.rsplit("Ramdisk 1", 1)[1], good, "the other ramdisk")
            described(small(ramdisks=[ramdisk, cpio(BOOT)]), program=program)
            found = described(small(ramdisks=[ramdisk, cpio(BOOT)]), "--json", program=program).json["Warnings"]
            check(found[0].startswith("ramdisk 0: cannot be read: ") and err in found[0], f"{found}")


def entry(name: str, mode: int = FILE | 0o644, data: bytes = b"", **more: object) -> Entry:
    return Entry(name, mode, data, **more)


DIR_ = 0o040755
LINK_ = LINK | 0o777


@test
def what_the_kernel_leaves_is_listed() -> None:
    """Hard links by name, what is dropped, overwritten or elsewhere: the image of each was booted, and listed there."""
    cases: list[tuple[list[Entry], dict[str, str], list[str]]] = [
        # The second link's content is written to the name that another member has overwritten.
        ([entry("cmd", ino=9, nlink=2), entry("cmd", data=b"good", ino=10), entry("zz", data=b"evils", ino=9, nlink=2)],
         {"cmd": "-rw-r--r-- 2 0 0 5", "zz": "-rw-r--r-- 2 0 0 5"},
         ["cmd: overwrites a file", "zz: a hard link of cmd, which another member has changed since",
          "zz: overwrites what its other names have"]),
        ([entry("nodir/f")], {}, ["nodir/f: not unpacked: its folder is missing"]),
        ([entry("null", 0o20666, rdev=(1, 3)), entry("null", 0o20600, rdev=(1, 5))], {"null": "crw------- 1 0 0 1, 3"},
         ["null: not unpacked: a device is there, 1:3, and stays; it gets its owner and mode"]),
        ([entry("dd", DIR_), entry("lk", LINK_, b"dd"), entry("lk/through", data=b"1")],
         {"dd": "drwxr-xr-x", "lk": "lrwxrwxrwx 1 0 0 2", "dd/through": "-rw-r--r-- 1 0 0 1"},
         ['lk/through: its path goes through a link or "..": it is dd/through']),
        ([entry("x", LINK_, b"."), entry("x/cmd", data=b"12"), entry("x/../cmd", data=b"123")],
         {"x": "lrwxrwxrwx 1 0 0 1", "cmd": "-rw-r--r-- 1 0 0 3"},
         ['x/cmd: its path goes through a link or "..": it is cmd',
          'x/../cmd: its path goes through a link or "..": it is cmd', "x/../cmd: overwrites a file"]),
        # A hard link of itself is gone.
        ([entry("a", ino=5, nlink=2, data=b"1"), entry("a", ino=5, nlink=2, data=b"2")], {},
         ["a: a hard link in the place of what was there; Linux 4.14 leaves what was there", "a: replaces a file",
          "a: not unpacked: a hard link of a, which is no file then"]),
        ([entry("d", DIR_), entry("d/f"), entry("d", data=b"1"), entry("d", LINK_, b"x", uid=7)],
         {"d": "drwxr-xr-x", "d/f": "-rw-r--r-- 1 0 0 0"},
         ["d: not unpacked: a folder that is not empty is there", "d: not unpacked: a folder is there, which gets its owner"]),
        ([entry("d", DIR_), entry("d", data=b"1")], {"d": "-rw-r--r-- 1 0 0 1"}, ["d: replaces an empty folder"]),
        ([entry("f/"), entry("f", data=b"12"), entry("f/", DIR_)], {"f": "-rw-r--r-- 1 0 0 2"},
         ["f/: not unpacked: a slash behind its name",
          "f/: not unpacked: something else is there"]),
        ([entry("n" * 256)], {}, [f"{'n' * 256}: not unpacked: its name is longer than 255 bytes"]),
        ([entry("l", LINK_, b"l"), entry("l/x")], {"l": "lrwxrwxrwx 1 0 0 1"},
         ["l/x: not unpacked: too many links on the way"]),
        # Two names of one file: what is written to one is in both.
        ([entry("a", ino=5, nlink=2), entry("b", ino=5, nlink=2, data=b"1"), entry("a", ino=6, data=b"123")],
         {"a": "-rw-r--r-- 2 0 0 3", "b": "-rw-r--r-- 2 0 0 3"},
         ["a: overwrites a file, and with it its other names"]),
        # The kernel has made /dev and /dev/console.
        ([entry("dev/x"), entry("dev/console", data=b"1")],
         {"dev/x": "-rw-r--r-- 1 0 0 0", "dev/console": "-rw-r--r-- 1 0 0 1"},
         ["dev/console: replaces a character device of the kernel's own"]),
        ([entry(".", 0o040700), entry("f", uid=0xffffffff, gid=5)], {".": "drwx------", "f": "-rw-r--r-- 1 0 5 0"}, []),
    ]
    for entries, listed, said in cases:
        eif = small(ramdisks=[cpio(entries)])
        for program in (MKEIF, ASAN):
            got = by_name(files(eif, program)[0],
                          r"(\S+ \d+ \d+ \d+ (?:\d+|\d+, \d+)) \S+ \S+ (.*?)(?: -> .*| link to .*)?")
            same({k: re.sub(r"^d(\S+) .*", r"d\1", v) for k, v in got.items()}, listed, "files")
            same(warnings(eif, program), [f"0: {w}" for w in said], "warnings")


@test
def where_the_kernel_stops_unpacking_is_told() -> None:
    """A file that is to be written into what a hard link has made of a device or a FIFO, as no writer makes it."""
    for mode, rdev, err in ((0o20666, (1, 3), "written into a device"), (0o10666, (0, 0), "who reads this FIFO")):
        entries = [entry("a", ino=5, nlink=2), entry("a", mode, rdev=rdev), entry("b", ino=5, nlink=2, data=b"1")]
        for program in (MKEIF, ASAN):
            described(small(ramdisks=[cpio(entries)]), "--files", code=REFUSED, err=("b: the kernel ",), program=program)
            said = described(small(ramdisks=[cpio(entries)]), "--json", program=program).json["Warnings"]
            check(any(err in line for line in said), f"{said}")


@test
def all_ramdisks_are_unpacked_into_one_root() -> None:
    """What one does to files of those before it is told; each is listed as it is once that one is unpacked."""
    first = [entry("init", FILE | 0o755, b"mine"), entry("rootfs", LINK_, b"etc"), entry("etc", DIR_), entry("d", DIR_)]
    second = [entry("init", FILE | 0o755, b"other"), entry("rootfs/f", data=b"1"), entry("d", 0o040700)]
    eif = small(ramdisks=[cpio(first), cpio(second)])
    for program in (MKEIF, ASAN):
        got = [[" ".join(line.split(" ")[i] for i in (0, 4, -1)) for line in part] for part in files(eif, program)]
        same(got[0], ["-rwxr-xr-x 4 init", "lrwxrwxrwx 3 etc", "drwxr-xr-x 0 etc", "drwxr-xr-x 0 d"], "files of the first")
        same(got[1], ["-rwxr-xr-x 5 init", "-rw-r--r-- 1 etc/f", "drwx------ 0 d"], "files of the second")
        same(warnings(eif, program),
             ["1: init: overwrites a file of ramdisk 0",
              '1: rootfs/f: its path goes through a link or "..": it is etc/f', "1: d: changes a folder of ramdisk 0"],
             "warnings")
    # Without a trailer its hard links reach into the next.
    open_ = cpio([entry("a", ino=5, nlink=2, data=b"1")]).split(b"070701")
    open_ = b"070701" + open_[1]
    eif = small(ramdisks=[open_, cpio([entry("b", ino=5, nlink=2)])])
    same(files(eif)[1], ["-rw-r--r-- 2 0 0 1 1970-01-01 00:00 a", "-rw-r--r-- 2 0 0 1 1970-01-01 00:00 b link to a"],
         "files of the second")


@test
def an_archive_begins_at_a_multiple_of_four_of_all_ramdisks() -> None:
    """The kernel reads them as one: behind an odd one the next is lost, though it is right by itself."""
    odd = gzip.compress(cpio(BOOT[:1]))
    odd += bytes((1 - len(odd)) % 4)
    for program in (MKEIF, ASAN):
        eif = small(ramdisks=[odd, cpio(APP)])
        described(eif, "--files", code=REFUSED, err=("does not begin at a multiple of 4",), program=program)
        eif = small(ramdisks=[odd, bytes(3) + cpio(APP)])
        same(len(files(eif, program)[1]), len(APP), "names")
        eif = small(ramdisks=[cpio(BOOT) + b"\0", odd])
        described(eif, "--files", code=REFUSED, err=("does not end at a multiple of 4",), program=program)


@test
def names_that_are_padded_by_zeros_are_taken() -> None:
    """As newer kernels' gen_init_cpio aligns contents; and a ramdisk without a trailer."""
    name = b"file" + bytes(8)
    head = b"070701" + b"%08x" * 13 % (1, FILE | 0o644, 0, 0, 1, 0, 4, 0, 0, 0, 0, len(name), 0)
    eif = small(ramdisks=[head + name + bytes(-(len(head) + len(name)) % 4) + b"1234"])
    for program in (MKEIF, ASAN):
        same(files(eif, program), [["-rw-r--r-- 1 0 0 4 1970-01-01 00:00 file"]], "files")


@test
def many_compressed_parts_are_refused() -> None:
    """Each costs a reader: 2.4 MB of empty ones took 1.3 s."""
    empty = gzip.compress(b"")
    described(small(ramdisks=[cpio(BOOT) + (empty + bytes(4)) * 2000]), "--files", code=REFUSED,
              err=("more than 1024 compressed parts",))


@test
def files_are_json_too() -> None:
    """What --files lists, by key, behind what nitro-cli prints."""
    eif = small()
    for program in (MKEIF, ASAN):
        done = described(eif, "--json", "--files", program=program).json
        same(list(done)[-1], "Ramdisks", "the last key")
        lists = [r["Files"] for r in done["Ramdisks"]]
        same([[f["Path"] for f in one] for one in lists], [[e.name for e in BOOT], [e.name for e in APP]], "paths")
        found = {f["Path"]: f for f in lists[1]}
        same(found["rootfs/bin/one"],
             {"Path": "rootfs/bin/one", "Type": "file", "Mode": "4755", "Uid": 7, "Gid": 8, "Links": 1,
              "Time": 1000000000, "Size": 7, "Sha384": sha(b"program")}, "a file")
        same((found["rootfs/second"]["HardLinkOf"], found["rootfs/second"]["Sha384"]), ("rootfs/first", sha(b"shared")),
             "a hard link")
        same((found["rootfs/null"]["Type"], found["rootfs/null"]["Device"]), ("character device", [1, 3]), "a device")
        same((found["rootfs/bin/two"]["Type"], found["rootfs/bin/two"]["Target"]), ("link", "one"), "a link")
        same(done["Ramdisks"][1]["Compression"], "none", "compression")


@test
def a_checksum_of_the_archives_is_checked() -> None:
    """070702, which the kernel takes, too."""
    one = cpio([Entry("file", FILE | 0o644, b"12345")])
    good = b"070702" + field(one, 12, b"%08x" % sum(b"12345"))[6:]
    # Its trailer stays 070701.
    same(files(small(ramdisks=[good]))[0], files(small(ramdisks=[one]))[0], "files")


# --- images that are none ----------------------------------------------------

@test(seconds=4)
def what_is_cut_short_is_refused() -> None:
    """At each border of a section and one byte beside it: with the section and its offset."""
    raw = small(signature=b"s").pack()
    for i, (_, at, size) in enumerate(sections(raw)):
        for end in (at, at + 1, at + 11, at + 12, at + 12 + size - 1):
            refused(raw[:end], f"section {i}", f"{at}")
    for end in (0, 1, FIRST - 1):
        refused(raw[:end], f"{end} bytes")
    refused(raw + b"\0", f"offset {len(raw)}: 1 bytes behind the last section")


@test(seconds=4)
def a_header_that_lies_is_refused() -> None:
    """Sizes, offsets, counts, types, version, flags, each with a right checksum: section and offset are named."""
    raw = small().pack()
    table = sections(raw)
    offsets, sizes = 28, 284
    cases: list[tuple[bytes, tuple[str, ...]]] = [
        (put(raw, 0, ">4s", b"ELF\0"), ("offset 0",)),
        (put(raw, 4, ">H", 5), ("offset 4", "version 5")),
        (put(raw, 4, ">H", 0), ("offset 4", "version 0")),
        (put(raw, 6, ">H", 2), ("offset 6", "flags 0x0002")),
        (put(raw, 6, ">H", 0x0242), ("offset 6", "flags 0x0242")),
        (put(raw, 26, ">H", 33), ("offset 26", "33 sections")),
        (put(raw, 26, ">H", 65535), ("offset 26", "65535 sections")),
        (put(raw, 26, ">H", 1), ("offset 26", "1 sections")),
        (put(raw, 26, ">H", 6), ("section 5",)),
        (put(raw, 26, ">H", 4), ("section 4",)),
    ]
    for i, (_, at, size) in enumerate(table):
        where = (f"section {i}", f"{at}")
        cases += [
            (put(raw, offsets + 8 * i, ">Q", at + 1), (f"section {i}", f"offset {at + 1}")),
            (put(raw, offsets + 8 * i, ">Q", at - 1), (f"section {i}", f"offset {at - 1}")),
            (put(raw, offsets + 8 * i, ">Q", (1 << 64) - 1), (f"section {i}", f"offset {(1 << 64) - 1}")),
            (put(raw, sizes + 8 * i, ">Q", size + 1), where),
            (put(raw, at + 4, ">Q", size + 1), where),
            (put(raw, at, ">H", 6), (*where, "unknown type 6")),
            (put(raw, at, ">H", 0), (*where, "unknown type 0")),
            (put(raw, at + 2, ">H", 1), (*where, "unknown flags")),
        ]
        for lie in (1 << 63, (1 << 64) - 1, len(raw)):
            both = put(put(raw, at + 4, ">Q", lie), sizes + 8 * i, ">Q", lie)
            cases.append((both, where))
    # Two that are one and the same, and one within another.
    cases.append((put(raw, offsets + 8 * 4, ">Q", table[3][1]), ("section 4", f"offset {table[3][1]}")))
    cases.append((put(raw, offsets + 8 * 2, ">Q", table[1][1] + 12), ("section 2", f"offset {table[1][1] + 12}")))
    for bad, err in cases:
        refused(bad, *err)


def with_flags(eif: Eif, flags: int) -> bytes:
    return put(eif.pack(), 6, ">H", flags)


@test
def images_for_sidecars_are_known() -> None:
    """
    Bottlerocket's: flags PCIE (1 << 6) and PCIE_VIRTIO (1 << 9), one empty ramdisk, the root on a block device that the
    command line names (bottlerocket-os/twoliter#673). Described, measured, compared, extracted, built and signed.
    """
    eif = replace(small(), kernel=kernel("aarch64"), arch="aarch64", cmdline="root=/dev/dm-0 dm-mod.create=x", ramdisks=[b""])
    raw, plain = with_flags(eif, 0x0241), eif.pack()
    with folder() as path:
        x, y = write(path / "x.eif", raw), write(path / "y.eif", plain)
        for program in (MKEIF, ASAN):
            text = described(raw, "--files", program=program).text
            for part in ("flags         0x0241 (aarch64, PCIE, PCIE_VIRTIO; in no PCR)\n", "Ramdisk 0 (section 3): 0 names"):
                check(part in text, f"no {part!r}: {text}")
            found = described(raw, "--json", program=program).json
            same((found["Flags"], found["Measurements"]["PCR0"]), (["PCIE", "PCIE_VIRTIO"], eif.measurements()["PCR0"]), "JSON")
            check("Flags" not in described(plain, "--json", program=program).json, "flags of one that has none")
            done = run("diff", x, y, program=program)
            same((done.code, done.text.splitlines()[3:]), (0, ["flags (not measured): A 0x0241, B 0x0001"]), done.story)
            run("extract", x, "--output", path / program.parent.name, program=program,
                again=lambda: shutil.rmtree(path / program.parent.name)).is_(
                DONE, "the header's flags are in none of these files: mkeif build --flags 0x0240")
        parts = path / MKEIF.parent.name
        key, cert = key_pair(path)
        made = ("build", "--kernel", parts / "kernel", "--cmdline", f"@{parts}/cmdline", "--metadata-section",
                parts / "metadata.json", "--ramdisk", parts / "ramdisk-0")
        run(*made, "--flags", "0x240", "--output", path / "z.eif").is_(DONE)
        check((path / "z.eif").read_bytes() == raw, "another image of its parts")
        run("sign", x, "--sign-key", key, "--sign-cert", cert, "--output", path / "s.eif").is_(DONE)
        same((path / "s.eif").read_bytes()[6:8].hex(), "0241", "flags of the signed one")
        run("set-init", x, "--output", path / "i.eif", "--init", x).is_(REFUSED, "no init in the first")
        for flags, err in (("0x2", "known are PCIE"), ("1", "known are PCIE"), ("x", "no flags"), ("", "no flags"),
                           ("-18446744073709551040", "no flags"), (" 0x240", "no flags"), ("0x10000", "no flags")):
            run(*made, "--flags", flags, "--output", path / "bad.eif").is_(USAGE, "--flags: ", err)
            check(not (path / "bad.eif").exists(), "an output in spite of that")


@test
def ramdisks_that_the_kernel_would_lose_are_not_built() -> None:
    """A plain one behind a compressed one of odd length."""
    odd = gzip.compress(cpio(BOOT))
    odd += bytes((1 - len(odd)) % 4)
    with folder() as path:
        write(path / "kernel", kernel("aarch64"))
        write(path / "odd", odd)
        write(path / "plain", cpio(APP))
        made = ("build", "--kernel", path / "kernel", "--cmdline", "quiet", "--output", path / "x.eif")
        for program in (MKEIF, ASAN):
            run(*made, "--ramdisk", path / "odd", "--ramdisk", path / "plain", program=program).is_(
                REFUSED, f"plain: behind {len(odd)} bytes, not a multiple of 4")
            run(*made, "--ramdisk", path / "odd", "--ramdisk", path / "odd", program=program).is_(DONE)


@test
def what_must_be_there_once_is() -> None:
    """No kernel, two command lines, a signature before others: the section is named."""
    def of(*kinds: int) -> bytes:
        body, offsets, sizes_ = bytearray(), [0] * 32, [0] * 32
        for i, kind in enumerate(kinds):
            offsets[i], sizes_[i] = FIRST + len(body), 3
            body += enclave.SECTION.pack(kind, 0, 3) + b"abc"
        head = enclave.HEADER.pack(b".eif", 4, 0, 0, 0, 0, len(kinds), *offsets, *sizes_, 0, 0)
        return with_crc(head + body)
    for kinds, err in (((2, 5), "no kernel"), ((1, 5), "no cmdline"), ((1, 2), "no metadata"),
                       ((1, 2, 5, 2), "section 3 (cmdline) at offset 593"), ((1, 1, 2, 5), "section 1 (kernel)"),
                       ((3, 1, 2, 5), "section 0 (ramdisk)"), ((1, 2, 5, 4, 3), "section 3 (signature)")):
        refused(of(*kinds), err)


@test
def what_is_no_file_is_told_so() -> None:
    """No such file, a folder; and misuse."""
    with folder() as path:
        run("describe", path / "none\x1b").is_(EXIT_FILE, "none\\x1b: No such file")
        run("describe", path).is_(REFUSED, f"{path}: not a regular file")
        eif = write(path / "x.eif", small())
        run("describe").is_(USAGE, "the image is missing")
        run("describe", eif, eif).is_(USAGE, "one argument too many")
        with open("/dev/full", "wb") as full:
            for words in ([], ["--json"], ["--files"]):
                p = subprocess.run([MKEIF, "describe", eif, *words], stdout=full, stderr=subprocess.PIPE, check=False)
                same(p.returncode, EXIT_FILE, f"code where stdout is full: {p.stderr!r}")
