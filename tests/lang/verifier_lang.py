"""The verifier alone (make libnsmc-verify), by each compiler that is here."""

import hashlib
import re
from functools import partial
from pathlib import Path

from images.debian import cached

from .lib import ARCH, HEADER, HERE, TOP, check, check_verdicts, compiled, folder, lock, must, run, same, test, tool

# What the C11 library has, and glibc's compilers and mbedTLS take where they see glibc.
C11 = {"calloc", "free", "ldexp", "malloc", "memchr", "memcmp", "memcpy", "memmove", "memset", "snprintf", "strchr", "strcmp",
       "strerror", "strlen", "strncmp", "strstr"}
OF_GLIBC = {"bcmp", "explicit_bzero"}
# Not what talks to the device, to KMS, or hashes files.
OF_DOCUMENTS = re.compile(r"nsmc_(doc|policy|cache|error|check|aws)_\w+")
COMPILERS = {"gcc": "gcc -m64" if ARCH == "x86_64" else "gcc -g", "clang": "clang"}


def make_verifier(name: str, build: Path) -> None:
    done = run("make", "-s", "-C", TOP, "libnsmc-verify", f"BUILD={build}", f"VERIFY_CC={COMPILERS[name]}")
    # Of a make that is above this one, or not.
    said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    same((done.returncode, said), (0, [f"libnsmc-verify: {build}/verify/libnsmc-verify.a: made with {COMPILERS[name]}"]),
         f"make: {done.stdout}")
    same((build / "verify/nsmc.h").read_text(), HEADER, "the header")


def made_of(name: str) -> str:
    """A hash of all that it is made of: sources, what builds them, and the compilers; gcc lists the names for the other one."""
    hash = hashlib.sha256("".join(must(compiler, "--version") for compiler in ("gcc", name)).encode())
    for path in sorted([TOP / "Makefile", Path(__file__), *(TOP / "nsm").iterdir(),
                        *(TOP / "scripts" / script for script in ("libnsmc-verify", "lib.sh", "deps", "deps.lock"))]):
        if path.is_file():
            hash.update(path.read_bytes() + b"\0")
    return hash.hexdigest()


def made(name: str) -> Path:
    """
    The folder with header and archive, of a compiler that warned of nothing. As make does, what was made of the same before
    is taken as it is; it lies in the project's cache, since to compile it takes 20 times as long as to try it.
    """
    tool(name)
    with lock("make"):
        return cached(f"verifier-{name}", partial(make_verifier, name), "verify/libnsmc-verify.a", made_of(name)) / "verify"


def asks_and_shows(archive: Path) -> tuple[set[str], set[str]]:
    """What it asks for, and what it defines, of all members together."""
    lines = [line.split() for line in must("nm", "-g", archive).splitlines() if line and not line.endswith(":")]
    shown = {words[2] for words in lines if len(words) == 3}
    return {words[1] for words in lines if len(words) == 2} - shown, shown


def verifies(name: str) -> None:
    verifier = made(name)
    asks, shown = asks_and_shows(verifier / "libnsmc-verify.a")
    check(asks <= C11 | OF_GLIBC, f"it asks for {sorted(asks - C11 - OF_GLIBC)}")
    code = re.sub(r"/\*.*?\*/", "", HEADER, flags=re.S)
    wanted = {f for f in re.findall(r"\b(nsmc_\w+)\(", code) if OF_DOCUMENTS.fullmatch(f)}
    same({s for s in shown if not s.startswith("nsmc_inner_")}, wanted, "its functions")
    with folder() as tmp:
        compiled(*COMPILERS[name].split(), "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{verifier}", "-o",
                 tmp / "verify", HERE / "verify.c", verifier / "libnsmc-verify.a")
        check_verdicts(tmp / "verify")


@test(seconds=5)
def verifier_of_gcc():
    """It builds without a warning, asks for C11's library alone, and says of documents what the library says."""
    verifies("gcc")


@test(seconds=5)
def verifier_of_clang():
    """The same, where clang is."""
    verifies("clang")


@test(seconds=5)
def verifier_keeps_its_own_functions():
    """An application's own of the same names, which find each signature and certificate good, change no verdict."""
    verifier = made("gcc")
    names = ("es384_verify", "es384_is_key", "certificate_read", "verify_form", "verify_signature", "cache_knows", "cache_add",
             "item_next", "item_skip", "cbor_stream_decode", "mbedtls_sha512_update", "mbedtls_sha512_finish", "object_set")
    with folder() as tmp:
        (tmp / "own.c").write_text("".join(f"int {name}(void);\nint {name}(void) {{ return 1; }}\n" for name in names))
        compiled(*COMPILERS["gcc"].split(), f"-I{verifier}", "-o", tmp / "verify", tmp / "own.c", HERE / "verify.c",
                 verifier / "libnsmc-verify.a")
        check_verdicts(tmp / "verify")


@test
def verifier_needs_a_compiler():
    """One that is not there is named, and nothing is made."""
    with lock("make"):
        done = run("make", "-s", "-C", TOP, "libnsmc-verify", "BUILD=build/lang/none", "VERIFY_CC=no-such-compiler")
    check(done.returncode != 0 and "no-such-compiler: no such compiler" in done.stderr, done.stderr)
    check(not (TOP / "build/lang/none").exists(), "something was made")
