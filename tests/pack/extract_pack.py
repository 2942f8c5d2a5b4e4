"""mkeif extract: the sections as they stand, and nothing else touched."""

import os
from pathlib import Path

from images.eifs import CRC, aws_image, small, with_crc, write


from .lib import ASAN, DONE, FILE, MKEIF, REFUSED, USAGE, Eif, check, folder, names, run, same, test


def expect_parts(path: Path, eif: Eif) -> None:
    wanted = {"kernel": eif.kernel, "cmdline": eif.cmdline.encode(), "metadata.json": eif.metadata,
              **{f"ramdisk-{n}": r for n, r in enumerate(eif.ramdisks)},
              **({"signature": eif.signature} if eif.signature else {})}
    same(names(path), set(wanted), "files")
    for name, data in wanted.items():
        check((path / name).read_bytes() == data, f"{name} is not the section's bytes")


@test(seconds=3)
def extract_and_build_give_the_same_image() -> None:
    """AWS's image for arm64: its sections are those of an independent reader, and the image of them is AWS's."""
    with folder() as path:
        parts, again = path / "parts", path / "same.eif"
        done = run("extract", aws_image(), "--output", parts).is_(DONE)
        expect_parts(parts, Eif.load(aws_image()))
        same(set(done.text.split()), names(parts), "names on stdout")
        run("build", "--output", again, "--arch", "aarch64", "--kernel", parts / "kernel", "--cmdline",
            f"@{parts / 'cmdline'}", "--metadata-section", parts / "metadata.json", "--ramdisk", parts / "ramdisk-0",
            "--ramdisk", parts / "ramdisk-1").is_(DONE)
        check(again.read_bytes() == aws_image().read_bytes(), "another image than AWS's")


@test
def a_signature_and_many_ramdisks_are_extracted() -> None:
    """Also empty ones, into a folder that is there and empty."""
    with folder() as path:
        eif = small(ramdisks=[b"%d" % n * n for n in range(12)], signature=b"any bytes")
        (path / "parts").mkdir()

        def empty() -> None:
            for name in names(path / "parts"):
                (path / "parts" / name).unlink()

        for program in (MKEIF, ASAN):
            run("extract", "--output", path / "parts", write(path / "x.eif", eif), program=program, again=empty).is_(DONE)
            expect_parts(path / "parts", eif)
            empty()


@test
def what_is_there_is_never_written_to() -> None:
    """A folder with anything in it, a file, a link to a folder, a dangling link: refused, and as it was."""
    with folder() as path:
        eif = write(path / "x.eif", small())
        (path / "full").mkdir()
        (path / "full" / ".hidden").write_text("mine")
        (path / "file").write_text("mine")
        (path / "empty").mkdir()
        (path / "link").symlink_to("empty")
        (path / "dangling").symlink_to("nowhere")
        before = names(path)
        for name, code, err in (("full", REFUSED, "not empty: .hidden"), ("file", FILE, "file: "),
                                ("link", FILE, "link: "), ("dangling", FILE, "dangling: "),
                                ("no/such", FILE, "no/such: No such file")):
            run("extract", eif, "--output", path / name).is_(code, err)
            same(names(path), before, f"files after {name}")
        same(names(path / "full"), {".hidden"}, "full")
        same(names(path / "empty"), set(), "empty, by a link")
        same((path / "file").read_text(), "mine", "file")


@test
def a_failure_leaves_nothing() -> None:
    """No room for the files: those that were made go, and the folder if it was made."""
    with folder() as path:
        eif = write(path / "x.eif", small(ramdisks=[b"r" * 300000]))
        (path / "there").mkdir()
        for name in ("there", "new"):
            run("extract", eif, "--output", path / name, before=("prlimit", "--fsize=100000", "--")).is_(
                FILE, f"{name}/ramdisk-0: File too large")
        same(names(path), {"x.eif", "there"}, "files")
        same(names(path / "there"), set(), "files of a folder that was there")
        eif = write(path / "x.eif", small())
        for words in ((), ("--json",)):
            for name in ("there", "new"):
                run("extract", eif, "--output", path / name, *words, before=("sh", "-c", '"$@" >/dev/full', "sh")).is_(
                    FILE, "stdout: No space left on device")
        same((names(path), names(path / "there")), ({"x.eif", "there"}, set()), "files, without a word of them")


@test
def a_damaged_image_is_not_extracted() -> None:
    """A byte changed: the folder is not made. Nor for what is no image."""
    with folder() as path:
        raw = bytearray(small().pack())
        raw[-1] ^= 1
        eif = write(path / "x.eif", raw)
        run("extract", eif, "--output", path / "parts").is_(REFUSED, "x.eif", f"offset {CRC}", "CRC")
        run("extract", write(path / "y.eif", with_crc(raw)), "--output", path / "good").is_(DONE)
        run("extract", write(path / "z.eif", raw[:-1]), "--output", path / "parts").is_(REFUSED, "section 4")
        run("extract", path / "none.eif", "--output", path / "parts").is_(FILE, "none.eif: No such file")
        same(names(path), {"x.eif", "y.eif", "z.eif", "good"}, "files")


@test
def extract_wants_an_image_and_a_folder() -> None:
    """Code 2 without."""
    run("extract", "x.eif").is_(USAGE, "extract: --output is missing")
    run("extract", "--output", "x").is_(USAGE, "extract: the image is missing")
    run("extract", "--output", "x", "--output", "y", "z").is_(USAGE, "twice")
    run("extract", "--output", "x", "y", "z").is_(USAGE, "z: one argument too many")
    with folder() as path:
        run("extract", write(path / "x.eif", small()), "--output", "-", cwd=path).is_(USAGE, "--output -: ", "is ./-")
        same(names(path), {"x.eif"}, "files")


@test
def files_are_made_as_the_umask_has_it() -> None:
    """As any program's."""
    with folder() as path:
        eif = write(path / "x.eif", small())
        run("extract", eif, "--output", path / "parts", preexec_fn=lambda: os.umask(0o027)).is_(DONE)
        same((path / "parts").stat().st_mode & 0o7777, 0o750, "the folder's mode")
        same((path / "parts/kernel").stat().st_mode & 0o7777, 0o640, "a file's mode")
