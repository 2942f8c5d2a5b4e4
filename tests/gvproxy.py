"""gvproxy, the parent's end of an enclave's network, built of tests/peers/gvproxy for tests of any suite."""

from pathlib import Path

import golang
from suite import TOP, once

PACKAGE = "github.com/containers/gvisor-tap-vsock/cmd/gvproxy"


def gvproxy() -> Path:
    """The program."""
    return once("gvproxy", lambda path: golang.build(TOP / "tests/peers/gvproxy", PACKAGE, path))
