"""mkeif diff: which measurements differ, and what made them."""

import gzip
import hashlib
import json
import re
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

from images.eifs import APP, BOOT, DIR, FILE, LINK, METADATA, app, aws_image, cpio, metadata, small, write
from images.keys import key_pair

from .describe_pack import signed
from .lib import ASAN, DONE, MKEIF, USAGE, Done, Eif, Entry, check, cpio_read, folder, run, same, test

EQUAL, DIFFERS, TROUBLE = 0, 1, 2  # as diff and cmp have them


def diff(a: Eif, b: Eif, differ: str = "", program: Path = MKEIF, before: tuple = ()) -> Done:
    """DIFFER: the PCRs that do, as "01"; the values are those of an independent reader."""
    with folder() as path:
        done = run("diff", write(path / "a.eif", a), write(path / "b.eif", b), program=program, before=before)
    same((done.code, done.err), (DIFFERS if differ else EQUAL, ""), done.story)
    found = dict(re.findall(r"^PCR(\d): (the same|differs)$", done.text, re.M))
    for n in "012":
        same(found[n], "differs" if n in differ else "the same", f"PCR{n}")
        values = [a.measurements()[f"PCR{n}"], b.measurements()[f"PCR{n}"]]
        same(values[0] != values[1], n in differ, f"PCR{n} of the reader")
        if n in differ:
            check(f"PCR{n}: differs\n  A: {values[0]}\n  B: {values[1]}\n" in done.text, f"values: {done.text}")
    same(found.get("8") == "differs", "8" in differ, "PCR8")
    return done


def expect(done: Done, *lines: str) -> None:
    """These lines and no others, but for the measurements."""
    got = re.sub(r"^PCR\d: (the same|differs)\n(  [AB]: .*\n)*", "", done.text, flags=re.M).splitlines()
    same(got, list(lines), "what differs")


def sha(data: bytes) -> str:
    return hashlib.sha384(data).hexdigest()


def changed(name: str, **fields: object) -> list[Entry]:
    assert any(e.name == name for e in APP)
    return [replace(e, **fields) if e.name == name else e for e in APP]


@test
def the_same_image_differs_in_nothing() -> None:
    """AWS's, too."""
    for program in (MKEIF, ASAN):
        expect(diff(small(), small(), program=program))
    expect(diff(Eif.load(aws_image()), Eif.load(aws_image())))


@test
def kernel_and_command_line_are_told() -> None:
    """With what they are; control characters are escaped."""
    a = small()
    expect(diff(a, small(kernel=a.kernel + b"x"), "01"), "kernel (PCR0, PCR1): differs",
           f"  A: of an unknown version, 1024 bytes, SHA-384 {sha(a.kernel)}",
           f"  B: of an unknown version, 1025 bytes, SHA-384 {sha(a.kernel + b'x')}")
    expect(diff(a, small(cmdline="quiet \x1b[2J\\"), "01"), "cmdline (PCR0, PCR1): differs",
           "  A: console=ttyS0 quiet", "  B: quiet \\x1b[2J\\\\")
    aws = Eif.load(aws_image())
    done = diff(aws, replace(aws, kernel=a.kernel), "01")
    check(f"  A: 4.14.256-209.484.amzn2.aarch64, 10547712 bytes, SHA-384 {sha(aws.kernel)}\n" in done.text,
          f"AWS's kernel: {done.text}")


@test
def each_property_of_a_file_is_told() -> None:
    """Mode, owner, content, type, link target, device: of that file, and no other."""
    a = app(APP)
    one = "    {}: file, mode {}, owner {}, {} bytes, SHA-384 {}"
    program = sha(b"program")
    cases: list[tuple[str, dict, str, str, str]] = [
        ("rootfs/bin/one", {"mode": FILE | 0o755}, "mode",
         one.format("A", "4755", "7:8", 7, program), one.format("B", "0755", "7:8", 7, program)),
        ("rootfs/bin/one", {"uid": 0}, "owner",
         one.format("A", "4755", "7:8", 7, program), one.format("B", "4755", "0:8", 7, program)),
        ("rootfs/bin/one", {"gid": 70000, "mode": FILE}, "mode, owner",
         one.format("A", "4755", "7:8", 7, program), one.format("B", "0000", "7:70000", 7, program)),
        ("rootfs/bin/one", {"data": b"progrbm"}, "content",
         one.format("A", "4755", "7:8", 7, program), one.format("B", "4755", "7:8", 7, sha(b"progrbm"))),
        ("rootfs/bin/one", {"data": b""}, "content",
         one.format("A", "4755", "7:8", 7, program), one.format("B", "4755", "7:8", 0, sha(b""))),
        ("rootfs/bin/two", {"data": b"\xff\n"}, "target",
         "    A: link, mode 0777, owner 0:0, to one", "    B: link, mode 0777, owner 0:0, to \\xff\\x0a"),
        ("rootfs/null", {"rdev": (1, 5)}, "device",
         "    A: character device, mode 0666, owner 0:0, device 1:3",
         "    B: character device, mode 0666, owner 0:0, device 1:5"),
        ("rootfs/null", {"mode": 0o060666}, "type",
         "    A: character device, mode 0666, owner 0:0, device 1:3",
         "    B: block device, mode 0666, owner 0:0, device 1:3"),
        ("rootfs/pipe", {"mode": DIR | 0o600}, "type",
         "    A: FIFO, mode 0600, owner 0:0", "    B: folder, mode 0600, owner 0:0"),
    ]
    for name, fields, what, ours, theirs in cases:
        for program_ in (MKEIF, ASAN):
            expect(diff(a, app(changed(name, **fields)), "02", program_), "ramdisk 1 (PCR0, PCR2): differs",
                   f"  differs: {name} ({what})", ours, theirs)


@test
def hard_links_are_told() -> None:
    """A second name is no copy; the content is that of all its names."""
    a = app(APP)
    shared = sha(b"shared")
    copies = [replace(e, ino=0, nlink=1, data=b"shared") if e.ino == 900 else e for e in APP]
    expect(diff(a, app(copies), "02"), "ramdisk 1 (PCR0, PCR2): differs",
           "  differs: rootfs/first (hard links)",
           f"    A: file, mode 0644, owner 0:0, 6 bytes, SHA-384 {shared}",
           f"    B: file, mode 0644, owner 0:0, 6 bytes, SHA-384 {shared}",
           "  differs: rootfs/second (hard links)",
           f"    A: file, mode 0644, owner 0:0, hard link of rootfs/first, 6 bytes, SHA-384 {shared}",
           f"    B: file, mode 0644, owner 0:0, 6 bytes, SHA-384 {shared}")
    # The content with the other name, as some writers have it, is the same file.
    data = {"rootfs/first": b"shared", "rootfs/second": b""}
    other = [replace(e, data=data[e.name]) if e.ino == 900 else e for e in APP]
    expect(diff(a, app(other), "02"), "ramdisk 1 (PCR0, PCR2): differs", "  no file differs, but the archives do:",
           "    padding, or how headers and names are written")


@test
def files_of_one_side_are_told() -> None:
    """In the order of their names, with what they are; names do not reach the terminal as they are."""
    more = [*APP, Entry("rootfs/a\x1b[1m\u202e", LINK | 0o777, b"\x07")]
    b = app([e for e in more if e.name != "cmd"])
    expect(diff(app(APP), b, "02"), "ramdisk 1 (PCR0, PCR2): differs",
           "  only in A: cmd", f"    A: file, mode 0644, owner 0:0, 9 bytes, SHA-384 {sha(APP[-1].data)}",
           "  only in B: rootfs/a\\x1b[1m\\xe2\\x80\\xae", "    B: link, mode 0777, owner 0:0, to \\x07")


@test
def the_boot_ramdisk_makes_pcr0_and_pcr1() -> None:
    """The others PCR0 and PCR2; one more is told as a whole."""
    other = [replace(e, data=b"J") if e.name == "init" else e for e in BOOT]
    done = diff(small(), small(ramdisks=[cpio(other), cpio(APP)]), "01")
    check("\nramdisk 0 (PCR0, PCR1): differs\n  differs: init (content)\n" in done.text, done.text)
    third = cpio(BOOT)
    expect(diff(small(), small(ramdisks=[cpio(BOOT), cpio(APP), third]), "02"),
           f"ramdisk 2 (PCR0, PCR2): only in B, SHA-384 {sha(third)}",
           "  warning, in B: init: overwrites a file of ramdisk 0", "  warning, in B: nsm.ko: overwrites a file of ramdisk 0",
           "sections: others, or in another order", "  A: kernel cmdline metadata ramdisk ramdisk",
           "  B: kernel cmdline metadata ramdisk ramdisk ramdisk")


@test
def where_no_file_differs_the_archive_does() -> None:
    """Order, times, inode numbers, devices, link counts, repeated names, padding, compression, each alone."""
    plain = cpio(APP)
    header = bytearray(plain)
    header[6 + 8 * 12:6 + 8 * 13] = b"0000000A"  # the check field, which nothing reads
    order = [replace(e, ino=721 + n if e.ino != 900 else 900) for n, e in enumerate(APP)]
    order = [*order[:2], order[3], order[2], *order[4:]]
    cases = [
        (cpio(order), ["    order of names"]),
        (cpio([replace(e, mtime=5) for e in APP]), ["    times, of 10 names"]),
        (cpio([replace(e, ino=e.ino or 1) if e.name == "rootfs" else e for e in APP]),
         ["    inode numbers, of 1 names"]),
        (cpio([replace(e, dev=(8, 1)) for e in APP]), ["    device numbers, of 10 names"]),
        (cpio([replace(e, nlink=5) if stat.S_ISDIR(e.mode) else e for e in APP]),
         ["    link counts, of 3 names"]),
        (plain + bytes(512), ["    padding: 1536, 2048 bytes without compression"]),
        (bytes(header), ["    padding, or how headers and names are written"]),
        (gzip.compress(plain), ["    compression: none, gzip"]),
    ]
    same(len(plain), 1536, "bytes of the archive")
    for ramdisk, lines in cases:
        for program in (MKEIF, ASAN):
            expect(diff(app(APP), small(ramdisks=[cpio(BOOT), ramdisk]), "02", program),
                   "ramdisk 1 (PCR0, PCR2): differs", "  no file differs, but the archives do:", *lines)
    expect(diff(small(ramdisks=[cpio(BOOT), gzip.compress(plain, 1)]),
                small(ramdisks=[cpio(BOOT), gzip.compress(plain, 9)]), "02"),
           "ramdisk 1 (PCR0, PCR2): differs", "  no file differs, but the archives do:",
           "    how they are compressed, padding, or how headers and names are written")
    done = diff(app(APP), app([APP[0], *APP]), "02")
    check("    members: 10, 11\n" in done.text, done.text)
    expect(diff(app(APP), app([replace(e, name=f"./{e.name}") for e in APP]), "02"),
           "ramdisk 1 (PCR0, PCR2): differs", "  no file differs, but the archives do:", "    how names are written")


@test
def the_last_of_a_name_counts() -> None:
    """As it is what the kernel leaves: a second /tmp of AWS's gives it another mode."""
    aws = Eif.load(aws_image())
    entries = cpio_read(aws.ramdisks[1])
    again = [e for e in entries if e.name.rstrip("/") == "rootfs/tmp"]
    same([oct(e.mode) for e in again], ["0o41777", "0o40755"], "modes of /tmp in AWS's")
    less = [e for e in entries if e is not again[1]]
    done = diff(aws, replace(aws, ramdisks=[aws.ramdisks[0], cpio(less)]), "02")
    expect(done, "ramdisk 1 (PCR0, PCR2): differs", "  differs: rootfs/tmp (mode)",
           "    A: folder, mode 0755, owner 0:0", "    B: folder, mode 1777, owner 0:0")


@test
def every_file_of_an_image_is_compared() -> None:
    """AWS's against an empty ramdisk: each of its names once, in order, and nothing else."""
    aws = Eif.load(aws_image())
    done = diff(replace(aws, ramdisks=[aws.ramdisks[0], cpio([])]), aws, "02")
    got = re.findall(r"^  only in B: (.*)$", done.text, re.M)
    same(got, sorted({e.name.rstrip("/") for e in cpio_read(aws.ramdisks[1])}), "names")


@test
def what_is_not_measured_is_told_so() -> None:
    """Metadata by their keys, header: the PCRs are the same, and so is code 0."""
    build = {**METADATA["BuildMetadata"], "BuildTool": "other\x1b"}
    custom = {"k": [1]}
    done = diff(small(), small(metadata=metadata(BuildMetadata=build, CustomMetadata=custom)))
    expect(done, "metadata (not measured): differs", "  .BuildMetadata.BuildTool", '    A: "by-hand"',
           '    B: "other\\u001b"', "  .CustomMetadata", "    A: null", "    B: {", '      "k": [', "        1",
           "      ]", "    }")
    less = {k: v for k, v in METADATA.items() if k != "ImageName"}
    expect(diff(small(), small(metadata=json.dumps(less).encode())), "metadata (not measured): differs",
           "  .ImageName", '    A: "small"', "    B: none")
    expect(diff(small(), small(metadata=metadata() + b" ")), "metadata (not measured): differs",
           "  only in its form")
    expect(diff(small(), small(arch="aarch64")), "flags (not measured): A 0x0000, B 0x0001")


@test
def metadata_of_any_shape_take_no_time() -> None:
    """Objects within objects below an array, and many keys: as fast as they are read, in 0.1 s of the processor."""
    quick = ("prlimit", "--cpu=5")  # of the processor's time, whatever else the machine does; in square time it were 15
    deep: object = 1
    for _ in range(50):
        deep = {"a": deep, "b": [deep] if deep == 1 else None}
    wide = {f"key{i}": i for i in range(50000)}
    expect(diff(small(metadata=metadata(DockerInfo=[deep])), small(metadata=metadata(DockerInfo=[deep], ImageName="x")), before=quick),
           "metadata (not measured): differs", "  .ImageName", '    A: "small"', '    B: "x"')
    expect(diff(small(metadata=metadata(CustomMetadata=wide)), small(metadata=metadata(CustomMetadata={**wide, "x": 1})), before=quick),
           "metadata (not measured): differs", "  .CustomMetadata.x", "    A: none", "    B: 1")
    # In another order it is the same.
    turned = dict(reversed(wide.items()))
    expect(diff(small(metadata=metadata(CustomMetadata=wide)), small(metadata=metadata(CustomMetadata=turned)), before=quick),
           "metadata (not measured): differs", "  only in its form")


@test
def the_certificate_is_told() -> None:
    """None, one, another (PCR8); the same signs anew (not measured)."""
    with folder() as path:
        one, two = (signed(path / f"{n}.eif", *key_pair(path, name=n, subject=f"/CN={n}")) for n in ("one", "two"))
        eif = Eif.load(one)
        plain = write(path / "plain.eif", replace(eif, signature=b""))
        same(run("diff", one, one).is_(DONE).text.count("the same"), 4, "PCRs that are the same")
        for a, b, first, second in ((one, two, "CN=one, issued by CN=one, ", "CN=two, issued by CN=two, "),
                                    (plain, two, "none", "CN=two, issued by CN=two, ")):
            done = run("diff", a, b)
            same(done.code, DIFFERS, done.story)
            for n, path_ in ((0, a), (1, b)):
                pcr8 = Eif.load(path_).measurements().get("PCR8", "none: not signed")
                check(f"  {'AB'[n]}: {pcr8}\n" in done.text, f"PCR8 of {path_}: {done.text}")
            for part in ("PCR0: the same\nPCR1: the same\nPCR2: the same\nPCR8: differs\n",
                         f"certificate (PCR8): differs\n  A: {first}", f"\n  B: {second}"):
                check(part in done.text, f"no {part!r}: {done.text}")
        # The last byte is of the COSE signature.
        other = bytearray(eif.signature)
        other[-1] ^= 1
        again = write(path / "again.eif", replace(eif, signature=bytes(other)))
        expect(run("diff", one, again).is_(DONE), "signature (not measured): differs, the certificate is the same")


@test
def what_cannot_be_compared_is_refused() -> None:
    """A wrong checksum, no image: code 2 and the file's name; a ramdisk that cannot be read: all else is told."""
    with folder() as path:
        good = write(path / "good.eif", small())
        raw = bytearray(small().pack())
        raw[-1] ^= 1
        bad = write(path / "bad.eif", raw)
        for words in ((good, bad), (bad, good)):
            run("diff", *words).is_(TROUBLE, "bad.eif: offset 544: the CRC")
        run("diff", good, path / "none").is_(TROUBLE, "none: No such file")
        run("diff", good).is_(USAGE, "an image is missing")
        run("diff", good, good, good).is_(USAGE, "one argument too many")
        run("diff", "--jsn", good, good).is_(USAGE, "--jsn: no such option")
        with open("/dev/full", "wb") as full:
            p = subprocess.run([MKEIF, "diff", good, good], stdout=full, stderr=subprocess.PIPE, check=False)
            same(p.returncode, TROUBLE, f"code where stdout is full: {p.stderr!r}")
        broken = write(path / "broken.eif", small(cmdline="other", ramdisks=[b"070701junk", cpio(APP[:1])]))
        done = run("diff", good, broken)
        same(done.code, TROUBLE, done.story)
        check("broken.eif: section 3 (ramdisk): offset " in done.err, done.story)
        for part in ("cmdline (PCR0, PCR1): differs", "  only in A: cmd\n"):
            check(part in done.text, f"no {part!r}: {done.text}")


@test
def what_the_kernel_leaves_is_compared() -> None:
    """
    Not what the archive seems to say: of these two, as they were booted, one runs cmd with GOOD, the other with EVIL; and
    what is behind a ramdisk that changes the root.
    """
    good, bad = b"/bin/busybox\necho\nGOOD\n", b"/bin/busybox\necho\nEVIL\n"
    one = app([Entry("cmd", FILE | 0o644, good, ino=9001), Entry("zz", FILE | 0o644, ino=9002)])
    two = app([Entry("cmd", FILE | 0o644, ino=9000, nlink=2), Entry("cmd", FILE | 0o644, good, ino=9001),
               Entry("zz", FILE | 0o644, bad, ino=9000, nlink=2)])
    line = "    {}: file, mode 0644, owner 0:0, {}{} bytes, SHA-384 {}"
    for program in (MKEIF, ASAN):
        expect(diff(one, two, "02", program), "ramdisk 1 (PCR0, PCR2): differs",
               "  differs: cmd (hard links, content)", line.format("A", "", 23, sha(good)), line.format("B", "", 23, sha(bad)),
               "  differs: zz (hard links, content)", line.format("A", "", 0, sha(b"")),
               line.format("B", "hard link of cmd, ", 23, sha(bad)), "  warning, in B: cmd: overwrites a file",
               "  warning, in B: zz: a hard link of cmd, which another member has changed since",
               "  warning, in B: zz: overwrites what its other names have")
        # The same bytes, and a link of the first ramdisk that they go through.
        second = cpio([Entry("a/f", FILE | 0o644, b"1")])
        got = diff(small(ramdisks=[cpio([Entry("a", DIR | 0o755), Entry("b", DIR | 0o755)]), second]),
                   small(ramdisks=[cpio([Entry("a", LINK | 0o777, b"b"), Entry("b", DIR | 0o755)]), second]), "01", program)
        expect(got, "ramdisk 0 (PCR0, PCR1): differs", "  differs: a (type, mode)", "    A: folder, mode 0755, owner 0:0",
               "    B: link, mode 0777, owner 0:0, to b",
               "ramdisk 1 (PCR0, PCR2): the same, but by what is before it the kernel leaves something else of it",
               "  only in A: a/f", line.format("A", "", 1, sha(b"1")), "  only in B: b/f", line.format("B", "", 1, sha(b"1")),
               '  warning, in B: a/f: its path goes through a link or "..": it is b/f')


def diff_json(a: Eif, b: Eif, code: int, program: Path = MKEIF) -> dict:
    with folder() as path:
        done = run("diff", write(path / "a.eif", a), write(path / "b.eif", b), "--json", program=program)
    same((done.code, done.err), (code, ""), done.story)
    return done.json


@test
def all_of_it_is_json_too() -> None:
    """What the text has, by key; of what is equal only the measurements."""
    a = small()
    b = small(kernel=a.kernel + b"x", cmdline="other", arch="aarch64", metadata=metadata(ImageName="x"),
              ramdisks=[cpio(BOOT), cpio([*changed("rootfs/null", rdev=(1, 5)), Entry("no/f", FILE)]), b""])
    pcrs = [e.measurements() for e in (a, b)]
    for program in (MKEIF, ASAN):
        same(diff_json(a, a, EQUAL, program),
             {"Measurements": {p: {"Equal": True, "A": pcrs[0][p], "B": pcrs[0][p]} for p in ("PCR0", "PCR1", "PCR2")}},
             "nothing")
        got = diff_json(a, b, DIFFERS, program)
        same(got["Measurements"],
             {p: {"Equal": False, "A": pcrs[0][p], "B": pcrs[1][p]} for p in ("PCR0", "PCR1", "PCR2")}, "PCRs")
        same(got["Kernel"], {"A": {"Size": 1024, "Sha384": sha(a.kernel)}, "B": {"Size": 1025, "Sha384": sha(b.kernel)}},
             "kernel")
        same(got["Cmdline"], {"A": a.cmdline, "B": "other"}, "command line")
        same(got["Flags"], {"A": 0, "B": 1}, "flags")
        same(got["Metadata"], [{"Key": ".ImageName", "A": "small", "B": "x"}], "metadata")
        same(got["Sections"]["B"], ["kernel", "cmdline", "metadata", "ramdisk", "ramdisk", "ramdisk"], "sections")
        one, two = got["Ramdisks"]
        same((one["Number"], one["SameBytes"], [f["Path"] for f in one["Files"]]), (1, False, ["rootfs/null"]), "files")
        f = one["Files"][0]
        same((f["Differs"], f["A"]["Device"], f["B"]["Device"]), (["device"], [1, 3], [1, 5]), "a device")
        same(one["Warnings"], [{"In": "B", "Text": "no/f: not unpacked: its folder is missing"}], "warnings")
        same((two["Number"], two["OnlyIn"], two["Sha384"]), (2, "B", sha(b"")), "a ramdisk that one has")
        again = diff_json(app(APP), app([replace(e, mtime=5) for e in APP]), DIFFERS, program)["Ramdisks"][0]
        same((again["Files"], again["Archives"]), ([], {"Times": 10}), "archives")
