"""The enclave's way out over real vsock, as PID 1 starts it, in a guest that is its own parent: what runs there is inside/."""

from .guest import KEYS, cases
from .inside import egress

CONFIG = KEYS + """\
add-host = out.test:127.9.9.9 other.test:127.9.9.9 inner.test:10.1.1.1
egress = 127.0.0.1:3128
egress-target = vsock:17002
egress-allow = out.test:1024-65535 byname.test:8080 inner.test
egress-names = byname.test:8080
"""

cases(__name__, egress, config=CONFIG)
