"""
Python packages that Debian 12 lacks, as wheels pinned by version and hash: tests/wheels.lock has them, pip gets them from the
machine's own index into the project's cache, once. Run as a program, wheels.py SET prints the directory for PYTHONPATH.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
LOCK = TOP / "tests/wheels.lock"
CACHE = Path(os.environ.get("ENCLAVE_INIT_CACHE") or
             Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "enclave-init") / "wheels"
# Those that Debian's Python takes, also where another one is the first of PATH.
PYTHON = "/usr/bin/python3"


def _sets() -> dict[str, list[str]]:
    """The requirements of each set, as pip reads them: "[NAME: OTHER...]" begins a set, with all of the OTHER sets in it."""
    out: dict[str, list[str]] = {}
    for line in LOCK.read_text().splitlines():
        if line.startswith("["):
            name, _, others = line.strip("[]").partition(":")
            out[name] = [r for other in others.split() for r in out[other]]
        elif line and not line.startswith("#"):
            out[name].append(line)
    return out


def _fill(path: Path, requirements: str) -> None:
    subprocess.run(["bash", "-c", ". scripts/lib.sh; need_packages python3 python3-pip"], cwd=TOP, check=True)
    with tempfile.TemporaryDirectory(prefix="new-", dir=CACHE) as new:
        listed, made = Path(new) / "requirements", Path(new) / "made"
        listed.write_text(requirements)
        p = subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:",
                            "--root-user-action", "ignore", "--target", made, "--requirement", listed],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if p.returncode:
            raise RuntimeError(f"pip cannot install what tests/wheels.lock lists: {p.stderr[-2000:]}")
        shutil.rmtree(made / "bin", ignore_errors=True)
        made.rename(path)


def folder(name: str) -> Path:
    """The directory with all packages of the set NAME."""
    requirements = "\n".join(_sets()[name]) + "\n"
    path = CACHE / f"{name}-{hashlib.sha256(requirements.encode()).hexdigest()[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("a") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        if not path.exists():
            _fill(path, requirements)
    return path


def use(name: str) -> None:
    """From here on `import` finds the packages of the set NAME, before Debian's."""
    path = str(folder(name))
    if path not in sys.path:
        sys.path.insert(0, path)


if __name__ == "__main__":
    print(folder(sys.argv[1]))
