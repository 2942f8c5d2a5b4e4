"""relay over real vsock, in guests that are their own parent: what runs there is inside/."""

from .guest import cases
from .inside import forwards, peers

cases(__name__, forwards)
cases(__name__, peers)
