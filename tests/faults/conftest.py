"""What the fault tests need before the first of them."""

from ns.conftest import jails  # noqa: F401
