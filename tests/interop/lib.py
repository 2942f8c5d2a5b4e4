"""What the interoperability tests share."""

from suite import TOP, Skip, check, once, same, test  # noqa: F401
