"""What the interoperability tests share."""

from suite import TOP, Skip, check, same, test  # noqa: F401
