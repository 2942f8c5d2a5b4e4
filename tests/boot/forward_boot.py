"""A forward of a booted enclave, on the oldest kernel that there is."""

import zlib

from .lib import same, test
from .network_boot import LARGE, on_4_14


@test()
def an_enclave_reaches_a_server_on_4_14() -> None:
    """AWS's kernel for arm64: over a forward there and one at the parent, 2 MB arrive whole, and their end."""
    b = on_4_14()
    same((b.all("code")[1], b.all("address")[1]), ("0", "192.0.2.53"), "the name")
    same((b.all("bytes")[1], b.all("adler")[1]), (str(len(LARGE)), str(zlib.adler32(LARGE))), "what arrived")
    same(b.all("exit")[1], "0", "its code")
