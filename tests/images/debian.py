"""Root file systems of Debian's packages for container images, made once and kept in the project's cache."""

import fcntl
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
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
# database are made where nothing runs yet.
SERVERS_RECIPE = [
    "--mode=auto", "--variant=essential", "--format=tar",
    "--include=python3-minimal,libpython3-stdlib,nginx-light,curl,postgresql-15",
    "--aptopt=Apt::Install-Recommends \"false\"",
    *(f"--dpkgopt=path-exclude={path}" for path in (
        "/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*",
        "/usr/share/i18n/*", "/usr/lib/*/gconv/*", "/usr/lib/*/libLLVM*", "/usr/lib/postgresql/15/lib/llvmjit*",
        "/usr/lib/postgresql/15/lib/bitcode/*")),
    f"--customize-hook=cd \"$1\" && {COMPILE} && "
    "useradd -R \"$PWD\" -M -U app && "
    "for sql in 'create role app login' 'create database app owner app'; do echo \"$sql\" | chroot . setpriv "
    "--reuid postgres --regid postgres --clear-groups /usr/lib/postgresql/15/bin/postgres --single "
    "-D /var/lib/postgresql/15/main -c config_file=/etc/postgresql/15/main/postgresql.conf postgres; done && "
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


def debian(name: str, recipe: list[str]) -> bytes:
    """The layer that mmdebstrap makes by RECIPE."""
    return (cached(name, lambda path: mmdebstrap(path, recipe), "root.tar", recipe) / "root.tar").read_bytes()


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
