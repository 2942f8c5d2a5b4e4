"""The cases of all modules here, or those that are named."""

import sys

from . import egress, forwards, peers  # noqa: F401
from .streams import run_cases

if __name__ == "__main__":
    with egress.around():
        run_cases(sys.argv[1:])
