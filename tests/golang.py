"""Programs in Go, built of the pinned modules of tests/peers, by the machine's Go or by a newer one where that is too old."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from suite import TOP, Skip, check

# Debian 12's Go is older than what the modules need, and too old to get another one by itself: a Go is a module, too.
TOOLCHAIN = "golang.org/toolchain@v0.0.1-go1.25.0.linux-{}"
SUMS = {"amd64": "h1:wVC9wx2XOcP5gHiN8ZzfyTfjlrDLSS7Hu1wjI01n68U=", "arm64": "h1:hHtJUQup8RrD0u1JkoREqx9fkdEMQQUusYS1dYLIUpk="}
ENV = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false", "CGO_ENABLED": "0"}

ARCHES = {"x86_64": "amd64", "aarch64": "arm64"}


def _output(*words: object, cwd: Path, **env: str) -> str:
    done = subprocess.run(list(map(str, words)), cwd=cwd, env=ENV | env, capture_output=True, text=True)
    check(done.returncode == 0, f"{words}: {done.stdout}{done.stderr}")
    return done.stdout


def _version(text: str) -> tuple[int, ...]:
    found = re.search(r"\bgo ?(\d+)\.(\d+)", text)
    check(found, f"no version of Go: {text}")
    return tuple(map(int, found.groups()))


def _newer(go: str) -> str:
    """A Go that is new enough, by GO, which is not."""
    machine = _output(go, "env", "GOARCH", cwd=TOP).strip()
    # Outside of a module, whose go.mod an old Go may not be able to read.
    got = json.loads(_output(go, "mod", "download", "-json", TOOLCHAIN.format(machine), cwd=Path("/")))
    check(got["Sum"] == SUMS[machine], f"{got['Version']} has the sum {got['Sum']}")
    root = Path(got["Dir"])
    for program in (*root.glob("bin/*"), *root.glob("pkg/tool/*/*")):  # modules have no modes
        program.chmod(0o755)
    return str(root / "bin/go")


def build(module: Path, package: str, path: Path, arch: str = "") -> None:
    """Builds PACKAGE of MODULE, a directory with go.mod and go.sum, to PATH: a static program, for the machine's architecture or ARCH."""
    go = shutil.which("go")
    if not go:
        raise Skip("no go")
    if _version(_output(go, "version", cwd=TOP)) < _version((module / "go.mod").read_text()):
        go = _newer(go)
    _output(go, "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", path, package, cwd=module,
            **({"GOARCH": ARCHES[arch]} if arch else {}))
