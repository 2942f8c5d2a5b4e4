"""gvproxy, the parent's end of an enclave's network, built of tests/peers/gvproxy for tests of any suite."""

import os
import shutil
import subprocess
from pathlib import Path

from suite import TOP, Skip, check, once

PACKAGE = "github.com/containers/gvisor-tap-vsock/cmd/gvproxy"


def _build(path: Path) -> None:
    go = shutil.which("go")
    if not go:
        raise Skip("no go")
    done = subprocess.run([go, "build", "-mod=readonly", "-trimpath", "-o", path, PACKAGE], cwd=TOP / "tests/peers/gvproxy",
                          env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"}, capture_output=True, text=True)
    if "requires go >=" in done.stderr:
        raise Skip(done.stderr.strip())
    check(done.returncode == 0, done.stderr)


def gvproxy() -> Path:
    """The program."""
    return once("gvproxy", _build)
