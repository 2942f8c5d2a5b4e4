"""The enclave's way out over real vsock, as PID 1 starts it, in a guest that is its own parent: what runs there is inside/."""

from .guest import cases
from .inside import egress

cases(__name__, egress)
