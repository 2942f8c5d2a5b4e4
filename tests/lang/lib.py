"""What the tests of languages share: the libraries as they are installed, and documents with their verdicts."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from interop import ca
from suite import TOP, Skip, check, lock, once, same, test  # noqa: F401

HERE = Path(__file__).resolve().parent
ARCH = os.uname().machine
BUILD = TOP / "build" / ARCH
MULTIARCH = f"lib/{ARCH}-linux-gnu"
VERSION = (TOP / "VERSION").read_text().strip()
HEADER = (TOP / "nsm/nsmc.h").read_text()
DEADLINE_S = 300


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lang-") as name:
        yield Path(name)


def run(*words: object, env: dict[str, str] | None = None, **how: object) -> subprocess.CompletedProcess:
    """What WORDS said and how they ended."""
    return subprocess.run([str(w) for w in words], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False, timeout=DEADLINE_S, env={**os.environ, **(env or {})}, **how)


def must(*words: object, **how: object) -> str:
    """What WORDS said, which succeed."""
    done = run(*words, **how)
    check(done.returncode == 0, f"{' '.join(map(str, words))[:200]}: code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def compiled(*words: object, **how: object) -> None:
    """By a compiler that has nothing to say."""
    done = run(*words, **how)
    same((done.returncode, done.stdout + done.stderr), (0, ""), f"{words[0]}")


def tool(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise Skip(f"no {name}")
    return found


# --- as installed -----------------------------------------------------------

MADE = ("init", "nsm", "relay", "kms", "api", "mkeif", "libnsmc.a", "libnsmc.so.0", "libkmsc.a", "kmsc.h", "compat/lib/libnsm.so")


def install(root: Path, *variables: str) -> None:
    """make install below ROOT, of what is built, as it is."""
    for name in MADE:
        if not (BUILD / name).exists():
            raise Skip(f"no build/{ARCH}/{name}")
    made = [f"build/{ARCH}/{n}" for n in MADE] + ["build/mkeif"]
    with lock("make"):  # two makes in one tree would be in each other's way
        must("make", "-s", "-C", TOP, *(f"--old-file={m}" for m in made), "install", f"ARCH={ARCH}", f"DESTDIR={root}",
             *variables)


def installed() -> Path:
    """The directory that would be /, as a distribution packs it."""
    return once("installed", lambda root: install(root, "PREFIX=/usr", f"LIBDIR=/usr/{MULTIARCH}"))


def libdir() -> Path:
    return installed() / "usr" / MULTIARCH


def pkg_config_env() -> dict[str, str]:
    return {"PKG_CONFIG_LIBDIR": str(libdir() / "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": str(installed())}


def pkg_config(*words: str) -> list[str]:
    return must("pkg-config", *words, "libnsmc", env=pkg_config_env()).split()


def shared_env() -> dict[str, str]:
    return {"LD_LIBRARY_PATH": str(libdir())}


def needed(program: Path) -> list[str]:
    """The libraries that it names."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]", must("readelf", "-dW", program))


def exported(library: Path) -> set[str]:
    """What a shared library shows."""
    lines = must("nm", "-D", "--defined-only", library).splitlines()
    return {line.split()[-1].partition("@")[0] for line in lines if line.split()[-2] == "T"}


# --- documents --------------------------------------------------------------

NONCE = bytes(range(32))
PCR0 = ca.pcr_values()[0]
# enum nsmc_check, in order.
FORM, CHAIN, VALIDITY, SIGNATURE, DEBUG, PCRS, NONCE_HOLDS = (1 << n for n in range(7))
TRUE = FORM | CHAIN | VALIDITY | SIGNATURE
NOT_KNOWN, PRODUCTION, DEBUG_MODE = range(3)


def good() -> bytes:
    return ca.document(nonce=ca.octets(NONCE))


def broken() -> bytes:
    """Its last byte is another one."""
    doc = good()
    return doc[:-1] + bytes([doc[-1] ^ 1])


@dataclass
class Case:
    """What a verifier says in one line of DOC, where NONCE and PCR0 are asked for at TIME."""
    doc: bytes
    error: str = "good"
    object: str = "-"
    checked: int = TRUE | DEBUG | PCRS | NONCE_HOLDS
    pcrs: int = 1
    debug: int = PRODUCTION
    nonce: bytes = NONCE
    pcr0: bytes = PCR0
    time: int = ca.NOW
    aws: bool = False  # AWS's root alone is trusted

    @property
    def said(self) -> str:
        module_id = ca.MODULE_ID if self.error == "good" else "-"
        return f"{self.error} {self.object} {self.checked:x} {self.pcrs:x} {self.debug} {module_id}\n"


@cache
def cases() -> dict[str, Case]:
    def refused(doc: bytes, error: str, object_: str, checked: int, pcrs: int = 0, debug: int = NOT_KNOWN,
                **asked: object) -> Case:
        return Case(doc, error, object_, checked, pcrs, debug, **asked)
    return {
        "good": Case(good()),
        "another nonce": refused(good(), "NSMC_E_OTHER", "nonce", TRUE | DEBUG | PCRS, 1, PRODUCTION,
                                 nonce=bytes(32)),
        "a nonce that begins so": refused(good(), "NSMC_E_OTHER", "nonce", TRUE | DEBUG | PCRS, 1, PRODUCTION,
                                          nonce=NONCE[:-1]),
        "no nonce": refused(ca.document(), "NSMC_E_ABSENT", "nonce", TRUE | DEBUG | PCRS, 1, PRODUCTION),
        "an empty nonce makes nothing new": refused(ca.document(nonce=ca.octets(b"")), "NSMC_E_POLICY", "age", 0, nonce=b""),
        "another image": refused(good(), "NSMC_E_OTHER", "PCR0", TRUE | DEBUG, 0, PRODUCTION, pcr0=bytes(48)),
        "debug mode": refused(ca.document(nonce=ca.octets(NONCE), pcrs=ca.pcr_map(ca.pcr_values(debug=True))),
                              "NSMC_E_DEBUG", "PCR0", TRUE, 0, DEBUG_MODE, pcr0=bytes(48)),
        "a wrong signature": refused(broken(), "NSMC_E_SIGNATURE", "signature", FORM | CHAIN | VALIDITY),
        "not AWS's": refused(good(), "NSMC_E_ROOT_OTHER", "cabundle[0]", FORM, aws=True),
        "a day later": refused(good(), "NSMC_E_CERT_EXPIRED", "cabundle[3]", FORM, time=ca.NOW + ca.DAY),
        "cut short": refused(good()[:-1], "NSMC_E_DOC_CUT", "signature", 0),
        "no document": refused(b"\x00", "NSMC_E_DOC_COSE", "document", 0),
    }


def check_verdicts(program: Path, env: dict[str, str] | None = None) -> None:
    """PROGRAM is verify in some language."""
    with folder() as tmp:
        (tmp / "root").write_bytes(ca.as_aws().ders[0])
        for name, c in cases().items():
            (tmp / "doc").write_bytes(c.doc)
            done = run(program, tmp / "doc", "-" if c.aws else tmp / "root", c.time, c.nonce.hex(), c.pcr0.hex(), env=env)
            same((done.stdout, done.stderr), (c.said, ""), name)
            same(done.returncode, c.error != "good", f"{name}: the code")
