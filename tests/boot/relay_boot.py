"""relay over real vsock, in a guest that is its own parent: what runs there is inside/."""

from .guest import cases
from .inside import forwards

cases(__name__, forwards)
