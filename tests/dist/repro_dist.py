"""scripts/repro: the same sources give the same bytes."""

import hashlib
import os
from pathlib import Path

from .lib import TOP, check, folder, run, same, test

QUICK = ("init", "init.debug", "nsm", "nsm.debug")
EACH = (*QUICK, "libnsmc.a", "libnsmc.so.0", "libnsmc.pc", "compat/lib/libnsm.a", "compat/lib/libnsm.so.0", "image.eif",
        "image-gzip.eif", "mkeif", "mkeif.debug", "relay", "relay.debug", "kms", "kms.debug", "api", "api.debug", "libkmsc.a")
ONCE = ("dist/SHA256SUMS", "dist/enclave-init-1-x86_64.tar.gz")


@test(seconds=20)
def two_builds_are_the_same():
    """init and nsm of this machine, as make built them here and from scratch in another place, umask, locale and time zone."""
    arch = os.uname().machine
    done = run(TOP / "scripts/repro", "--quick", arch, env={"DEEP": None, "KEEP": None})
    same(done.returncode, 0, f"the status: {done.stderr[-3000:]}")
    sums = {name: hash for hash, name in (line.split("  ") for line in done.stdout.splitlines())}
    same(set(sums), {f"build/{arch}/{n}" for n in QUICK}, "what is compared")
    check(all(len(h) == 64 for h in sums.values()), f"the hashes: {sums}")


def builds(tmp: Path) -> tuple[Path, Path]:
    """Two that are the same."""
    for place in ("a", "b"):
        for name in (*(f"{arch}/{n}" for arch in ("x86_64", "aarch64") for n in EACH), *ONCE):
            path = tmp / place / "build" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
    return tmp / "a", tmp / "b"


@test(5)
def a_difference_fails():
    """Each file that differs, or is in one build alone, is named with both hashes; without one all are printed."""
    with folder() as tmp:
        a, b = builds(tmp)
        done = run(TOP / "scripts/repro", "--compare", a, b)
        same((done.returncode, done.stderr), (0, ""), "the same")
        same(done.stdout.splitlines(), [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(a)}"
                                        for p in sorted(a.rglob("*")) if p.is_file()], "the hashes")
    for name in ("x86_64/init", "aarch64/libnsmc.a", "x86_64/libnsmc.so.0", "aarch64/compat/lib/libnsm.so.0",
                 "aarch64/image.eif", *ONCE):
        with folder() as tmp:
            a, b = builds(tmp)
            (b / "build" / name).write_text(name.upper())
            done = run(TOP / "scripts/repro", "--compare", a, b)
            same(done.returncode, 1, f"the status with another {name}")
            for text in (f"repro: build/{name}: differs", f"{hashlib.sha256(name.encode()).hexdigest()}  {a}",
                         f"{hashlib.sha256(name.upper().encode()).hexdigest()}  {b}"):
                check(text in done.stderr, f"no '{text}' in {done.stderr}")
            check(f"build/{name}\n" not in done.stdout, f"{name} is among the hashes")
            (b / "build" / name).unlink()
            for words in ((a, b), (b, a)):
                done = run(TOP / "scripts/repro", "--compare", *words)
                same((done.returncode, done.stderr), (1, f"repro: build/{name}: not in both builds\n"), "one alone")


@test
def no_build_is_no_success():
    """Two folders without any of it are not the same."""
    with folder() as tmp:
        (tmp / "a").mkdir(), (tmp / "b").mkdir()
        done = run(TOP / "scripts/repro", "--compare", tmp / "a", tmp / "b")
        same((done.returncode, done.stdout), (1, ""), "the run")
        check("repro: build/x86_64/init: not in both builds\n" in done.stderr, done.stderr)
