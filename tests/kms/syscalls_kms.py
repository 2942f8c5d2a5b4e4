"""Each system call of `kms decrypt` fails once, as shipped but for the NSM: an error with a name, or no harm; never half a secret."""

import os
import re
import shutil
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .lib import DEADLINE_S, MUSL, PATIENT, PLAIN_ENV, REGION, SECRET, Skip, World, check, folder, test, world

# By what each call may fail; short answers are among it. "": it cannot.
ERRORS = {
    "open": ("EACCES", "EMFILE"), "read": ("EIO", "EINTR"), "readv": ("EIO", "EINTR"), "write": ("EIO", "EINTR", "ENOSPC"),
    "socket": ("EMFILE", "EAFNOSUPPORT"), "socketpair": ("EMFILE",), "connect": ("ECONNREFUSED", "EINTR", "ENETUNREACH"),
    "sendmsg": ("ECONNRESET", "EINTR"), "sendto": ("ECONNRESET", "EINTR", "EPIPE"), "recvfrom": ("ECONNRESET", "EINTR", "EIO"),
    "poll": ("ENOMEM", "EINTR"), "getsockopt": ("ENOMEM",), "setsockopt": ("ENOPROTOOPT",), "getrandom": ("ENOSYS", "EINTR"),
    "mmap": ("ENOMEM",), "munmap": ("ENOMEM",), "brk": ("ENOMEM",), "fcntl": ("EBADF",), "ioctl": ("EBADF",),
    "close": ("EINTR", "EIO"), "prctl": ("EINVAL",), "prlimit64": ("EPERM",), "rt_sigaction": ("EINVAL",),
    "rt_sigprocmask": ("EINVAL",),
}
# Before main, and what no errno is known of.
SKIPPED = {"execve", "arch_prctl", "set_tid_address", "exit_group", "clock_gettime", "exit"}
# After these the secret may still be written; all other failures end the call, or are made good by another attempt.
HARMLESS = {"munmap", "close", "setsockopt", "ioctl", "prlimit64", "rt_sigaction", "rt_sigprocmask", "fcntl", "brk"}


def command(w: World) -> list[str]:
    return [str(MUSL), "decrypt", "--key", w.key.arn, "--context", "app=orders", "--region", REGION, "--connect", w.address, "--ca",
            str(w.kms.ca), "--credentials", str(w.credentials), *PATIENT, str(w.secret_file)]


def traced(w: World, log: Path, *options: str) -> subprocess.CompletedProcess:
    """Its output to files, as a caller may have it."""
    return subprocess.run(["strace", "-qq", "-o", log, *options, *command(w)], env={**PLAIN_ENV, **w.env}, capture_output=True,
                          timeout=DEADLINE_S, check=False)


def calls_of(w: World, log: Path) -> Counter:
    p = traced(w, log)
    check((p.returncode, p.stdout) == (0, SECRET), f"it fails by itself: {p.stderr!r}")
    return Counter(m[1] for line in log.read_text().splitlines() if (m := re.match(r"(\w+)\(", line)))


def outcome(w: World, log: Path, name: str, number: int, error: str) -> str:
    """What came of it: "good", or the words on stderr; whatever else fails the test."""
    # It stops at that call alone: what strace does at each other one is a third of what such a run takes.
    p = traced(w, log, "-f", "--seccomp-bpf", "-e", f"trace={name}", "-e", f"inject={name}:error={error}:when={number}")
    err = p.stderr.decode(errors="replace")
    story = f"{name} {number} {error}: code {p.returncode}, stdout {p.stdout!r}, stderr {err!r}"
    if "(INJECTED)" not in log.read_text():
        return "not reached"
    check(p.returncode >= 0 and p.returncode < 128, f"a signal ended it: {story}")
    if p.returncode == 0:
        check(p.stdout == SECRET, f"success without the secret: {story}")
        check(err == "", f"success, but: {story}")
        return "good"
    check(p.stdout in (b"", SECRET), f"half of the secret: {story}")
    check(re.match(r"kms: .+: .+\n", err) or re.match(r"kms: .+\n", err), f"no words: {story}")
    check(len(err.splitlines()[0]) > 12, f"hardly any words: {story}")
    return err.splitlines()[0]


def table() -> list[tuple[str, int, str, str]]:
    with folder() as path:
        with world() as w:
            counts = calls_of(w, path / "trace")
        unknown = set(counts) - set(ERRORS) - SKIPPED
        check(not unknown, f"calls without a row in the table: {unknown}")
        todo = [(name, n + 1, error) for name, count in sorted(counts.items()) if name in ERRORS for n in range(count)
                for error in ERRORS[name]]

        def one(job: tuple[int, tuple[str, int, str]]) -> tuple[str, int, str, str]:
            number, (name, n, error) = job
            return name, n, error, outcome(w, path / f"trace{number}", name, n, error)

        with world() as w, ThreadPoolExecutor(2) as pool:
            return list(pool.map(one, enumerate(todo)))


@test(seconds=90)
def each_system_call_fails_once():
    """By each likely error: the secret, whole, or a message and a code; a lost connection or an interrupted wait is made good."""
    if not shutil.which("strace"):
        raise Skip("no strace")
    rows = table()
    check(len(rows) > 150, f"{len(rows)} failures")
    for name, n, error, came in rows:
        if (name, n) == ("connect", 1):
            continue  # of the NSM that is a socket: a device is opened
        if name in HARMLESS or error == "EINTR":
            check(came in ("good", "not reached") or name in ("fcntl", "brk", "rt_sigaction") or (name, error) == ("close", "EIO"),
                  f"{name} {n} {error} should do no harm: {came}")
    made_good = [came for name, _, error, came in rows if error in ("ECONNRESET", "EPIPE") and name != "sendmsg"]
    # How many reads an answer takes is for the network to say: the last of those that were counted may not come again.
    check("good" in made_good and set(made_good) <= {"good", "not reached"}, f"lost connections: {set(made_good)}")
    if os.environ.get("KMS_TABLE"):
        for row in rows:
            print("| " + " | ".join(map(str, row)) + " |")
