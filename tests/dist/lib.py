"""What the tests of releases share: scratch folders, and running the scripts."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from suite import TOP, Skip, built, check, once, same, test  # noqa: F401

VERSION = (TOP / "VERSION").read_text().strip()
ARCHES = ("x86_64", "aarch64")


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dist-") as name:
        yield Path(name)


def run(*words: object, env: dict[str, str | None] | None = None, **how: object) -> subprocess.CompletedProcess:
    """What WORDS said and how they ended. ENV: variables that are set, or by None unset."""
    variables = {**os.environ, **(env or {})}
    return subprocess.run([str(w) for w in words], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False,
                          env={k: v for k, v in variables.items() if v is not None}, **how)
