"""Another init for an image that is there."""

import gzip
import lzma
from dataclasses import replace

from images.eifs import DIR, FILE, LINK, aws_image, cpio
from images.stubs import elf


from .lib import (ASAN, DONE, MKEIF, REFUSED, USAGE, Eif, Entry, built, check, cpio_read, enclave, folder, names, run, same, test)

OLD = elf()


def made(path, signature: bytes = b"", second: bytes = b"", **changes) -> Eif:
    """An image by scripts/enclave.py; its kernel need not boot."""
    boot = enclave.boot_ramdisk(OLD, {"nsm.ko": b"module"}, files={"etc/a": (b"a", 0o640), "nsm": (b"tool", 0o755)})
    boot.link("link", "etc/a")
    boot.node("tty", "c", 5, 0)
    eif = Eif(b"kernel", "cmdline", [boot.cpio(), second], signature=signature, **changes)
    path.write_bytes(eif.pack())
    return eif


def files(eif: Eif) -> dict:
    return {e.name: (e.mode, e.uid, e.gid, e.rdev, e.data) for e in cpio_read(eif.ramdisks[0])}


@test
def only_the_init_changes() -> None:
    """Kernel, command line, metadata and the other ramdisks stay, byte for byte; so does PCR2."""
    with folder() as d:
        old = made(d / "old.eif", second=b"anything at all")
        for program in (ASAN, None):
            done = run("set-init", d / "old.eif", "--output", d / "new.eif", "--init", built("init"),
                       **({"program": program} if program else {})).is_(DONE, "neither a newc archive nor")
            new = Eif.load(d / "new.eif")
            same({**files(new), "init": None}, {**files(old), "init": None}, "the other files of the boot ramdisk")
            same(files(new)["init"], (0o100755, 0, 0, (0, 0), built("init").read_bytes()), "init")
            same((new.kernel, new.cmdline, new.metadata, new.ramdisks[1:]),
                 (old.kernel, old.cmdline, Eif.load(d / "old.eif").metadata, old.ramdisks[1:]), "the rest")
            same(done.json["Measurements"], {"HashAlgorithm": "Sha384 { ... }", **new.measurements()}, "PCRs")
            same([new.measurements()[p] == old.measurements()[p] for p in ("PCR0", "PCR1", "PCR2")],
                 [False, False, True], "which PCRs stay")


@test
def the_default_is_ours_and_the_output_may_be_the_input() -> None:
    """build/ARCH/init, which is beside mkeif; nothing else is left in the folder."""
    with folder() as d:
        made(d / "x.eif")
        run("set-init", d / "x.eif", "--output", d / "x.eif").is_(DONE)
        same(files(Eif.load(d / "x.eif"))["init"][4], built("init").read_bytes(), "init")
        same(names(d), {"x.eif"}, "what is left in the folder")


@test
def boot_files_stand_for_those_of_that_name() -> None:
    """With another mode and content; a name that is there is no second one. But not twice by options."""
    with folder() as d:
        made(d / "x.eif")
        (d / "tool").write_bytes(b"new tool")
        run("set-init", d / "x.eif", "--output", d / "y.eif", "--boot-file", f"nsm={d}/tool:0700",
            "--boot-file", f"etc/b={d}/tool").is_(DONE)
        got = files(Eif.load(d / "y.eif"))
        same((got["nsm"][0], got["nsm"][4]), (0o100700, b"new tool"), "nsm")
        check("etc/b" in got and "etc/a" in got, "a file is missing")
        run("set-init", d / "x.eif", "--output", d / "z.eif", "--boot-file", f"nsm={d}/tool",
            "--boot-file", f"nsm={d}/tool").is_(USAGE, "nsm: twice")
        check(not (d / "z.eif").exists(), "an output in spite of that")


@test
def a_signature_is_left_out_and_it_is_said() -> None:
    """It was of another PCR0."""
    with folder() as d:
        made(d / "x.eif", signature=b"\x80")
        done = run("set-init", d / "x.eif", "--output", d / "y.eif").is_(DONE, "the signature is left out")
        same(Eif.load(d / "y.eif").signature, b"", "the signature")
        check("PCR8" not in done.json["Measurements"], "PCR8 without a signature")


@test
def what_is_no_image_with_an_init_is_refused() -> None:
    """Each names what is wrong, and leaves no output."""
    with folder() as d:
        eif = made(d / "x.eif")
        empty = enclave.Tree()
        empty.dir("dev")
        cases = {
            "no ramdisk": Eif(b"k", "c", []).pack(),
            "no init in the first ramdisk": Eif(b"k", "c", [empty.cpio()]).pack(),
            "not for aarch64": Eif(b"k", "c", [eif.ramdisks[0]], arch="aarch64").pack(),
            "the CRC is": eif.pack()[:561] + b"?" + eif.pack()[562:],
        }
        for words, raw in cases.items():
            (d / "bad.eif").write_bytes(raw)
            run("set-init", d / "bad.eif", "--output", d / "y.eif", "--init", built("init")).is_(REFUSED, words)
            same(names(d), {"x.eif", "bad.eif"}, f"what is in the folder after: {words}")


def nitro_cli_form(entries: list[Entry]) -> bytes:
    """An archive as nitro-cli's linuxkit writes it: numbers from 721 on, the trailer's too, device 3:1, one time."""
    made = [replace(e, ino=n, mtime=1492533000, dev=(3, 1), rdev=(0, 0)) for n, e in enumerate(entries, 721)]
    return enclave.cpio_write(made, replace(enclave.TRAILER, ino=721 + len(made), dev=(3, 1)))


@test(seconds=3)
def awss_image_with_its_own_init_is_itself() -> None:
    """Byte for byte, and so with its own PCRs; with another init it is what nitro-cli makes with that in its blobs."""
    aws = Eif.load(aws_image())
    entries = cpio_read(aws.ramdisks[0])
    same(nitro_cli_form(entries) == aws.ramdisks[0], True, "the form is nitro-cli's")
    old = next(e for e in entries if e.name == "init").data
    with folder() as d:
        (d / "own").write_bytes(old)
        for program in (MKEIF, ASAN):
            done = run("set-init", aws_image(), "--output", d / "y.eif", "--init", d / "own", program=program).is_(DONE)
            check((d / "y.eif").read_bytes() == aws_image().read_bytes(), "not the image that it was")
            same(done.json["Measurements"]["PCR0"][:16], "bb284bdbdb58acc5", "PCR0")
            # A static program of some other length.
            for more in (b"x", bytes(512), bytes(700)):
                (d / "other").write_bytes(old + more)
                run("set-init", aws_image(), "--output", d / "y.eif", "--init", d / "other", program=program).is_(DONE)
                new = [replace(e, data=old + more) if e.name == "init" else e for e in entries]
                check(Eif.load(d / "y.eif").ramdisks[0] == nitro_cli_form(new), "not what nitro-cli makes")
            # A new file comes last, with the number that the trailer had.
            (d / "tool").write_bytes(b"tool")
            run("set-init", aws_image(), "--output", d / "y.eif", "--init", d / "own", "--boot-file", f"nsm={d}/tool",
                program=program).is_(DONE)
            new = [*entries, Entry("nsm", FILE | 0o755, b"tool", nlink=1)]
            check(Eif.load(d / "y.eif").ramdisks[0] == nitro_cli_form(new), "not what nitro-cli would make")


@test
def a_ramdisk_of_find_and_cpio_is_taken() -> None:
    """With its root as ".", whose mode and owner stay, and any order, numbers, times and padding."""
    entries = [Entry(".", DIR | 0o700, uid=5, ino=90, nlink=3, mtime=7), Entry("./x", FILE | 0o600, b"x", ino=80, mtime=8),
               Entry("./init", FILE | 0o744, OLD, ino=70, mtime=9, dev=(8, 1)), Entry("./dev", DIR | 0o755, ino=60, nlink=2)]
    new = built("init").read_bytes()
    with folder() as d:
        for pad in (0, 4, 1024):
            first = cpio(entries).rstrip(b"\0") + b"\0"
            first += bytes(-len(first) % 4) + bytes(pad)
            (d / "x.eif").write_bytes(Eif(b"k", "c", [first]).pack())
            for program in (MKEIF, ASAN):
                run("set-init", d / "x.eif", "--output", d / "y.eif", "--init", built("init"), program=program).is_(DONE)
                want = [replace(e, data=new, mode=FILE | 0o755) if e.name == "./init" else e for e in entries]
                got = Eif.load(d / "y.eif").ramdisks[0]
                same(cpio_read(got), cpio_read(cpio(want)), "members")
                whole = cpio(want).rstrip(b"\0") + b"\0"
                check(got == whole + bytes(-len(whole) % 4) + bytes(pad), f"padding of {pad}")


@test
def a_hostile_ramdisk_gets_no_other_init() -> None:
    """A freed name was used where a member of it came again: /init was of 0 bytes, with code 0. All else stays."""
    entries = [Entry("dev", DIR | 0o755, ino=1), Entry("init", FILE | 0o755, OLD, ino=2),
               Entry("a", FILE | 0o644, b"1111", ino=5, nlink=2), Entry("a", FILE | 0o644, b"2222", ino=6, nlink=1),
               Entry("b", FILE | 0o644, b"", ino=5, nlink=2)]
    new = built("init").read_bytes()
    with folder() as d:
        (d / "x.eif").write_bytes(Eif(b"k", "c", [cpio(entries)]).pack())
        for program in (MKEIF, ASAN):
            run("set-init", d / "x.eif", "--output", d / "y.eif", "--init", built("init"), program=program).is_(DONE)
            want = [replace(e, data=new) if e.name == "init" else e for e in entries]
            check(Eif.load(d / "y.eif").ramdisks[0] == cpio(want), "other members changed")


@test
def the_init_is_the_one_that_the_kernel_runs() -> None:
    """The member that gives /init its content, by whatever path; a link there is replaced; what cannot be is refused."""
    new = built("init").read_bytes()
    i = Entry("init", FILE | 0o755, OLD, ino=2)
    last = [Entry("init", FILE | 0o755, b"first", ino=1), i]
    through = [Entry("x", LINK | 0o777, b"."), Entry("x/init", FILE | 0o755, OLD)]
    by_link = [Entry("bin", DIR | 0o755), Entry("bin/busybox", FILE | 0o755, OLD), Entry("init", LINK | 0o777, b"bin/busybox")]
    linked = [replace(i, nlink=2, data=b""), Entry("sbin", DIR | 0o755), replace(i, name="sbin/init", nlink=2)]
    folder_ = [Entry("init", DIR | 0o755)]
    cases: list[tuple[list[Entry], list[Entry] | None]] = [
        (last, [last[0], replace(i, data=new)]),
        (through, [through[0], replace(through[1], data=new)]),
        (by_link, [*by_link, Entry("init", FILE | 0o755, new, nlink=1)]),
        (linked, [*linked[:2], replace(linked[2], data=new)]),
        (folder_, None),
    ]
    with folder() as d:
        for entries, want in cases:
            (d / "x.eif").write_bytes(Eif(b"k", "c", [cpio(entries)]).pack())
            for program in (MKEIF, ASAN):
                done = run("set-init", d / "x.eif", "--output", d / "y.eif", "--init", built("init"), program=program)
                if want is None:
                    done.is_(REFUSED, "init: a folder is there")
                    continue
                done.is_(DONE)
                got = [replace(e, ino=0, nlink=0) for e in cpio_read(Eif.load(d / "y.eif").ramdisks[0])]
                same([e.data == new for e in got], [e.data == new for e in want], "which is the init")
                same([(e.name, e.mode) for e in got], [(e.name, e.mode) for e in want], "members")
        # Another ramdisk that has the kernel put its own there.
        (d / "x.eif").write_bytes(Eif(b"k", "c", [cpio([i]), cpio([Entry("y", LINK | 0o777, b"."),
                                                                  Entry("y/init", FILE | 0o755, b"evil")])]).pack())
        run("set-init", d / "x.eif", "--output", d / "z.eif", "--init", built("init")).is_(REFUSED, "section 4 (ramdisk)",
                                                                                          "another init")
        check(not (d / "z.eif").exists(), "an output in spite of that")


@test
def compressed_ramdisks_are_compressed_again_and_it_is_said() -> None:
    """By gzip; what is in front and behind stays. Of xz it becomes plain."""
    entries = [Entry("dev", DIR | 0o755), Entry("init", FILE | 0o755, OLD), Entry("z", FILE | 0o644, b"z")]
    new = built("init").read_bytes()
    want = [replace(e, data=new) if e.name == "init" else e for e in entries]
    early = cpio([Entry("kernel", DIR | 0o755)])
    packed = gzip.compress(cpio(entries), mtime=0)
    late = cpio([Entry("late", DIR | 0o755)])
    with folder() as d:
        def set_init(ramdisk: bytes, program, *err: str) -> bytes:
            (d / "x.eif").write_bytes(Eif(b"k", "c", [ramdisk]).pack())
            run("set-init", d / "x.eif", "--output", d / "y.eif", "--init", built("init"), program=program).is_(DONE, *err)
            return Eif.load(d / "y.eif").ramdisks[0]
        for program in (MKEIF, ASAN):
            got = set_init(packed, program, "is compressed anew by zlib", "another PCR0 and PCR1")
            check(gzip.decompress(got) == cpio(want), "what is compressed")
            got = set_init(early + packed + bytes(-len(packed) % 4) + late, program, "compressed anew")
            check(got.startswith(early + b"\x1f\x8b") and got.endswith(late), "what is around it")
            check(gzip.decompress(got[len(early):-len(late)].rstrip(b"\0") + bytes(8)) == cpio(want), "what is between")
            same(len(got) % 4, 0, "the length")
            same(set_init(lzma.compress(cpio(entries)), program, "compressed by xz, and is written without") == cpio(want),
                 True, "plain")
            # The part that has no init stays as it is.
            plain = cpio(entries)
            same(set_init(plain + packed[:0] + gzip.compress(late), program)[:len(cpio(want))] == cpio(want), True, "plain")


@test
def other_names_of_a_file_are_replaced_and_it_is_said() -> None:
    """A busybox that is /init: its hard links are the new init, too. Not so for what has one name."""
    new = built("init").read_bytes()
    with folder() as d:
        (d / "tool").write_bytes(b"tool")
        for first in ("bin/busybox", "init"):
            group = [first, *(n for n in ("bin/busybox", "bin/sh", "init") if n != first)]
            entries = [Entry("bin", DIR | 0o755), *(Entry(n, FILE | 0o775, OLD if n == group[-1] else b"", ino=50, nlink=3)
                                                    for n in group), Entry("nsm", FILE | 0o755, b"old")]
            (d / "x.eif").write_bytes(Eif(b"k", "c", [cpio(entries)]).pack())
            for program in (MKEIF, ASAN):
                done = run("set-init", d / "x.eif", "--output", d / "y.eif", "--init", built("init"), "--boot-file",
                           f"nsm={d}/tool", program=program).is_(
                    DONE, "init has other names (hard links), which are replaced with it: bin/busybox, bin/sh\n")
                same(done.err.count("other names"), 1, done.story)
                got = {e.name: (e.mode, e.data) for e in cpio_read(Eif.load(d / "y.eif").ramdisks[0])}
                same(got[group[-1]], (FILE | 0o755, new), "the one that has the content")
                same([got[n][1] for n in group[:-1]], [b"", b""], "its other names")


@test
def what_a_file_has_is_no_wrong_usage() -> None:
    """Code 1, by name; a name that an archive cannot have as an option is 2."""
    deep = [Entry("init", FILE | 0o755, OLD), Entry("etc", LINK | 0o777, b"x")]
    with folder() as d:
        (d / "x.eif").write_bytes(Eif(b"k", "c", [cpio(deep)]).pack())
        (d / "tool").write_bytes(b"tool")
        for dest, code, err in (("etc/b", REFUSED, "etc/b: what should be its folder is none"),
                                ("TRAILER!!!/x", USAGE, "no name for a file"), ("a/../b", USAGE, "not a plain path"),
                                ("init", USAGE, "init: twice")):
            run("set-init", d / "x.eif", "--output", d / "y.eif", "--init", built("init"), "--boot-file",
                f"{dest}={d}/tool").is_(code, err)
            check(not (d / "y.eif").exists(), "an output in spite of that")
