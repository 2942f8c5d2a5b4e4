"""
Files, stdin and stdout: what fails is code 5, and leaves nothing behind. No device is an output here: a
fault of the tool might replace it by a file, on the machine that runs the tests.
"""

import os
import resource
import signal
import subprocess

from .lib import (ASAN, DONE, FILE, MUSL, NSM, SHIPPED, USAGE, check, device, equal, folder, names, run, test)

FULL = "No space left on device"


@test
def a_file_is_whole_or_not_there() -> None:
    """Where the NSM or the disk fails a file stays as it was, and nothing lies beside it."""
    def small() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    with device(b"document") as d:
        old = d.path / "old"
        old.write_bytes(b"before")
        before = names(d.path)
        for name in ("old", "new"):
            d.run("random", 100, "--out", d.path / name, env={"NSM_REFUSAL": "InternalError"}).is_(NSM)
            d.run("random", 100000, "--out", d.path / name, program=MUSL, preexec_fn=small,
                  env={"NSM_LOG": "/dev/null"}).is_(FILE, f"{name}: File too large")
            equal(names(d.path) - {"log"}, before, "files")
            equal(old.read_bytes(), b"before", "the old file")
        d.run("random", 3, "--out", old).is_(DONE, "", b"")
        equal(old.read_bytes(), b"\0\1\2", "the file afterwards")
        equal(names(d.path) - {"log"}, before, "files")


@test
def files_have_the_modes_they_should() -> None:
    """0600 for what may be secret, else as umask has it; also where a file is replaced."""
    with device(b"document") as d:
        for name, words, mode in (("r", ("random", 3), 0o600), ("a", ("attest",), 0o640)):
            for _ in range(2):
                d.run(*words, "--out", d.path / name, preexec_fn=lambda: os.umask(0o027)).is_(DONE)
                equal((d.path / name).stat().st_mode & 0o777, mode, f"{name}'s mode")
                (d.path / name).chmod(0o666)


@test
def links_are_followed_and_pipes_kept() -> None:
    """The file behind a link is replaced, not the link; what is no file is written to."""
    with device(b"document") as d:
        (d.path / "dir").mkdir()
        (d.path / "dir/real").write_bytes(b"before")
        (d.path / "link").symlink_to("dir/real")
        d.run("attest", "--out", "link", cwd=d.path).is_(DONE, "", b"")
        check((d.path / "link").is_symlink(), "the link is gone")
        equal((d.path / "dir/real").read_bytes(), b"document", "the file behind the link")
        equal(names(d.path / "dir"), {"real"}, "files beside it")
        (d.path / "link").unlink()
        (d.path / "link").symlink_to("dir/none")
        for words in (("attest", "--out", "link"), ("recipient", "new", "--out", "k", "--public-out", "link"),
                      ("recipient", "new", "--force", "--out", "link"),
                      ("recipient", "attest", "--out", "k", "--document", "link"),
                      ("random", 3, "--out", "link")):
            d.run(*words, cwd=d.path).is_(FILE, "link: it is a symbolic link to nothing", b"")
        check((d.path / "link").is_symlink() and not (d.path / "k").exists(), "the link or a key")
        d.run("attest", "--out", "/dev/stdout").is_(DONE, "", b"document")
        os.mkfifo(d.path / "fifo")
        # Open before, and read after: nobody waits for anybody.
        reader = os.open(d.path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        d.run("attest", "--out", "fifo", cwd=d.path).is_(DONE, "", b"")
        equal(os.read(reader, 100), b"document", "through the pipe")
        os.close(reader)
        check((d.path / "fifo").is_fifo(), "the pipe was replaced")


@test
def paths_that_cannot_be_are_named() -> None:
    """Code 5, with the path and the system's reason."""
    with device(b"document") as d:
        d.run("attest", "--out", d.path).is_(FILE, f"{d.path}: Is a directory", b"")
        d.run("attest", "--out", d.path / "no/file").is_(FILE, "no/file: No such file or directory", b"")
        d.run("attest", "--out", d.path / "document/file").is_(FILE, "document/file: Not a directory", b"")
        d.run("attest", "--out", "x" * 5000).is_(FILE, "File name too long", b"")
        d.run("attest", "--out", "").is_(FILE, "the name of a file to write is empty", b"")
        equal(names(d.path) - {"log"}, {"state", "document"}, "files")
        run("show", d.path).is_(FILE, f"nsm: show: {d.path}: Is a directory", b"")
        run("show", "/nowhere").is_(FILE, "nsm: show: /nowhere: No such file or directory", b"")
        run("verify", "/dev/null", "--any-image", "--any-age", "--root", "/nowhere").is_(FILE, "/nowhere: No such", b"")
        run("recipient", "open", "--key", "/nowhere").is_(FILE, "/nowhere: No such", b"")


def commands_with_output(path: str) -> tuple[tuple[object, ...], ...]:
    return (("--help",), ("--version",), ("pcr", "--help"), ("verify", "--help"), ("pcr", "predict", "00"),
            ("describe",), ("describe", "--json"), ("pcr", "list"), ("pcr", "list", "--json"), ("pcr", "get", 0),
            ("pcr", "extend", 16, "00"), ("pcr", "lock", 16), ("random", 8), ("random", 9000), ("random", 9000, "--json"),
            ("random", 9000, "--out", "-"), ("attest",), ("attest", "--json"), ("attest", "--out", path))


@test
def a_full_stdout_is_an_error() -> None:
    """Of every command: code 5."""
    with device(b"document" * 100) as d, open("/dev/full", "wb") as full:
        for words in commands_with_output("-"):
            d.run(*words, stdout=full).is_(FILE, f"stdout: {FULL}")


@test
def a_closed_stdout_is_an_error() -> None:
    """Closed from the start, or a pipe that nobody reads: code 5, and no file gets its number."""
    with device(b"document" * 100) as d:
        for words in commands_with_output("/dev/stdout"):
            err = "/dev/stdout" if "/dev/stdout" in words else "stdout: "
            d.run(*words, preexec_fn=lambda: os.close(1)).is_(FILE, err)
            r, w = os.pipe()
            os.close(r)
            # As head leaves one: the code says enough.
            done = d.run(*words, stdout=w)
            equal((done.code, done.err), (FILE, ""), f"{done.command} to nobody")
            os.close(w)
        # A file that is written needs none.
        d.run("attest", "--out", d.path / "doc", preexec_fn=lambda: os.close(1)).is_(DONE, "")
        equal((d.path / "doc").read_bytes(), b"document" * 100, "the file")
        d.run("attest", "--out", d.path / "doc2", preexec_fn=lambda: os.closerange(0, 3)).is_(DONE)
        equal((d.path / "doc2").read_bytes(), b"document" * 100, "the file, all three closed")
        check((d.path / "state").stat().st_size == 32 * 49, "the NSM's file was written to")


@test
def a_closed_stdin_is_an_error() -> None:
    """Where it is to be read: code 5; else it does not matter."""
    with device(b"document") as d:
        d.run("attest", "--nonce", "-", preexec_fn=lambda: os.close(0)).is_(FILE, "stdin: Bad file descriptor")
        run("show", "-", preexec_fn=lambda: os.close(0)).is_(FILE, "stdin: Bad file descriptor")
        d.run("attest", preexec_fn=lambda: os.close(0)).is_(DONE)


@test
def input_without_an_end_is_refused() -> None:
    """As soon as it is longer than the limit: nobody waits, and no memory is used up."""
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (256 << 20, 256 << 20))

    for words, code, err in ((("attest", "--nonce", "@/dev/zero"), USAGE, "--nonce: too many bytes: at most 1024"),
                             (("pcr", "predict", "@/dev/zero"), USAGE, "too many bytes: at most 4068"),
                             (("pcr", "predict", "--name", "a", "@/dev/zero"), USAGE, "more than 64 MiB"),
                             (("show", "/dev/zero"), 1, "a document has not more than 64 KiB"),
                             (("verify", "/dev/null", "--any-image", "--any-age", "--root", "/dev/zero"), 1,
                              "has not more than 64 KiB"),
                             (("recipient", "open", "--key", "/dev/null", "/dev/zero"), 1, "/dev/null: it is empty"),
                             (("recipient", "open", "--key", "/dev/zero"), 1, "it is not an RSA key")):
        run(*words, program=MUSL, preexec_fn=small).is_(code, err, b"")


@test
def stderr_may_be_closed() -> None:
    """The code is the same, and what was to be said does not get into a file."""
    for words, code in ((("frob",), USAGE), (("show", "/nowhere"), FILE)):
        p = subprocess.run([MUSL, *words], preexec_fn=lambda: os.close(2), check=False)
        equal(p.returncode, code, f"{words}")


@test
def the_tool_writes_nothing_else() -> None:
    """A call that fails, or none of whose output goes to a file, leaves the folder as it was."""
    with folder() as path:
        for program in (SHIPPED, ASAN):
            for words in (("describe",), ("pcr", "predict", "00"), ("attest", "--out", "doc"),
                          ("recipient", "new", "--out", "key"), ("recipient", "attest", "--out", "key", "--document", "doc")):
                run(*words, program=program, cwd=path)
        equal(names(path), set(), "files")
