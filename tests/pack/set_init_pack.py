"""Another init for an image that is there."""

from lib import (ASAN, DONE, REFUSED, USAGE, Eif, built, check, cpio_read, enclave, folder, names, run, same, test)

OLD = b"\x7fELF" + bytes(14) + (62).to_bytes(2, "little") + bytes(64)


def made(path, signature: bytes = b"", second: bytes = b"0707", **changes) -> Eif:
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
                       **({"program": program} if program else {})).is_(DONE)
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
            "the CRC is": eif.pack()[:-1] + b"?",
        }
        for words, raw in cases.items():
            (d / "bad.eif").write_bytes(raw)
            run("set-init", d / "bad.eif", "--output", d / "y.eif", "--init", built("init")).is_(REFUSED, words)
            same(names(d), {"x.eif", "bad.eif"}, f"what is in the folder after: {words}")
