"""Root file systems of Debian's packages for container images, made once and kept in the project's cache."""

import fcntl
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from .oci import TIME

# What the package python3.11 does when it is installed, and a guest would take seconds for.
COMPILE = "/usr/bin/python3 -I -m compileall -q --invalidation-mode unchecked-hash -s . usr/lib/python3.*"

# No hook but those of extraction runs here.
PYTHON_RECIPE = [
    "--mode=auto", "--variant=extract", "--format=tar", "--include=python3-minimal,libpython3-stdlib",
    "--extract-hook=cd \"$1\" && rm -rf usr/share/doc usr/share/man usr/share/locale usr/share/lintian && " + COMPILE]

INITS_RECIPE = ["--mode=auto", "--variant=extract", "--format=tar", "--include=systemd,s6,runit"]

# Of the packages only what servers need, so that a boot is short; psql is Perl's script else. The role app and its
# database are made where nothing runs yet, and then a log whose files have 1 MiB. What the packages have compiled themselves
# goes by the time of its source, which an enclave image does not keep: -f.
SERVERS_RECIPE = [
    "--mode=auto", "--variant=essential", "--format=tar",
    "--include=python3-minimal,libpython3-stdlib,nginx-light,curl,postgresql-15",
    "--aptopt=Apt::Install-Recommends \"false\"",
    *(f"--dpkgopt=path-exclude={path}" for path in (
        "/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*",
        "/usr/share/i18n/*", "/usr/lib/*/gconv/*", "/usr/lib/*/libLLVM*", "/usr/lib/postgresql/15/lib/llvmjit*",
        "/usr/lib/postgresql/15/lib/bitcode/*")),
    f"--customize-hook=cd \"$1\" && {COMPILE.replace(' -q ', ' -q -f ')} && "
    "useradd -R \"$PWD\" -M -U app && "
    "for sql in 'create role app login' 'create database app owner app'; do echo \"$sql\" | chroot . setpriv "
    "--reuid postgres --regid postgres --clear-groups /usr/lib/postgresql/15/bin/postgres --single "
    "-D /var/lib/postgresql/15/main -c config_file=/etc/postgresql/15/main/postgresql.conf postgres; done && "
    "chroot . setpriv --reuid postgres --regid postgres --clear-groups /usr/lib/postgresql/15/bin/pg_resetwal --wal-segsize=1 "
    "-D /var/lib/postgresql/15/main && "
    "ln -sf ../lib/postgresql/15/bin/psql usr/bin/psql && "
    "rm -rf usr/bin/perl* usr/lib/*/perl* usr/lib/*/libperl* usr/share/perl* usr/lib/*/libz3* var/lib/dpkg "
    "etc/hosts etc/hostname etc/resolv.conf"]


def cache() -> Path:
    base = os.environ.get("ENCLAVE_INIT_CACHE") or \
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "enclave-init"
    return Path(base) / "images"


@contextmanager
def locked(path: Path):
    with open(path, "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def cached(name: str, make: Callable[[Path], None], wanted: str, recipe: object) -> Path:
    """The folder that MAKE fills once for its RECIPE, with the file WANTED in it."""
    key = hashlib.sha256(json.dumps([name, recipe]).encode()).hexdigest()[:16]
    path = cache() / f"{name}-{key}"
    if (path / wanted).exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(cache() / f"{name}.lock"):
        if not (path / wanted).exists():
            with tempfile.TemporaryDirectory(prefix="new-", dir=cache()) as new:
                made = Path(new) / "it"
                made.mkdir()
                make(made)
                made.rename(path)
    return path


def root(name: str, recipe: list[str]) -> Path:
    """The archive that mmdebstrap makes by RECIPE."""
    return cached(name, lambda path: mmdebstrap(path, recipe), "root.tar", recipe) / "root.tar"


def debian(name: str, recipe: list[str]) -> bytes:
    """The same as a layer."""
    return root(name, recipe).read_bytes()


# Programs and libraries in these folders stay only if something needs them.
FOLDERS = ("bin/*", "sbin/*", "usr/bin/*", "usr/sbin/*", "lib/*-linux-gnu/*", "usr/lib/*-linux-gnu/*", "usr/lib/postgresql/15/bin/*")
# What no image reads; a library that one of these modules alone needs goes with it.
UNREAD = ("var/cache", "var/lib/dpkg", "var/lib/apt", "usr/share/perl*", "usr/share/info", "usr/share/common-licenses", "usr/share/vim",
          "usr/share/bash-completion", "usr/share/gcc",
          *(f"usr/lib/python3*/{name}" for name in (
              "pydoc*", "lib2to3", "unittest", "distutils", "ensurepip", "idlelib", "tkinter", "turtle*", "doctest*", "sqlite3", "_pydecimal*",
              *(f"lib-dynload/{name}*" for name in ("_codecs_", "_test", "_sqlite3", "_dbm", "_gdbm", "nis", "_curses", "readline")))))


def less(archive: Path, programs: tuple[str, ...], unread: tuple[str, ...] = ()) -> Path:
    """
    ARCHIVE, a root in the cache, with no programs but PROGRAMS and without what is UNREAD, in the cache as well. A megabyte costs
    a boot 0.03 s, and as much until it is packed.
    """
    def make(path: Path) -> None:
        (path / archive.name).write_bytes(lessened(archive.read_bytes(), programs, UNREAD + unread))

    made_of = archive.parent.name
    recipe = [made_of, programs, unread, Path(__file__).read_text()]
    return cached(f"{made_of.rpartition('-')[0]}-less", make, archive.name, recipe) / archive.name


def lessened(archive: bytes, programs: tuple[str, ...], unread: tuple[str, ...]) -> bytes:
    """ARCHIVE without what is UNREAD, in FOLDERS with no more than PROGRAMS and the libraries that what stays needs."""
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as new:
        members = {m.name.removeprefix("./"): m for m in old}
        members = {name: m for name, m in members.items() if name != "." and not fits(name, unread)}
        by_name: dict[str, list[str]] = {}
        for name in members:
            by_name.setdefault(name.rpartition("/")[2], []).append(name)
        contents = {name: old.extractfile(m).read() for name, m in members.items() if m.isreg()}
        stays, left = set(), [name for name, m in members.items() if fits(name, programs) or not m.issym() and not fits(name, FOLDERS)]
        while left:
            name = left.pop()
            if name not in stays:
                stays.add(name)
                target = members[name].linkname
                for needed in [target.rpartition("/")[2]] if target else libraries(contents.get(name, b"")):
                    left += by_name.get(needed, [])
        for name, m in members.items():
            if name in stays or m.isdir() or not fits(name, FOLDERS):
                new.addfile(m, io.BytesIO(contents[name]) if m.isreg() else None)
    return out.getvalue()


def fits(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether one of PATTERNS is NAME or a folder that it is in."""
    return any(fnmatch(name, p) or fnmatch(name, f"{p}/*") for p in patterns)


def libraries(program: bytes) -> list[str]:
    """The names of what the loader takes for an ELF file, and its own."""
    if program[:4] != b"\x7fELF":
        return []
    with tempfile.NamedTemporaryFile() as f:
        f.write(program)
        f.flush()
        said = subprocess.run(["readelf", "-ldW", f.name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout
    return re.findall(r"(?:\(NEEDED\).*\[|interpreter: .*/)([^]/]+)\]", said)


def outside() -> dict[str, str]:
    """The environment of what installs: without this, Python's packages would put what they compile where tests/suites has it."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONPYCACHEPREFIX"}


def mmdebstrap(path: Path, recipe: list[str]) -> None:
    """root.tar, by the machine's own sources of packages and its settings for them."""
    def said(*words: str) -> str:
        return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout

    sources = sorted(set(said("apt-get", "indextargets", "--format", "deb $(REPO_URI) $(CODENAME) $(COMPONENT)",
                              "Created-By: Packages", "Origin: Debian").splitlines()))
    suite = min((line.split()[2] for line in sources), key=len)  # not its -updates
    (path / "apt.conf").write_text("".join(f"{line}\n" for line in said("apt-config", "dump", "Acquire").splitlines()
                                           if line.startswith("Acquire::")))
    done = subprocess.run(["mmdebstrap", "--quiet", f"--aptopt={path}/apt.conf", *recipe, suite,
                           path / "root.tar", "-"], input="\n".join(sources), text=True, stderr=subprocess.PIPE,
                          env={**outside(), "SOURCE_DATE_EPOCH": str(TIME)}, check=False)
    (path / "apt.conf").unlink()
    if done.returncode:
        raise RuntimeError(f"mmdebstrap: {done.stderr[-1000:]}")
