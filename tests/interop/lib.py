"""What the interoperability tests share: checks, and the list of tests."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


class Failure(Exception):
    """The behaviour is not there."""


class Skip(Exception):
    """It cannot be tried here."""


@dataclass
class Test:
    name: str  # GROUP/FUNCTION, of a file GROUP_interop.py
    run: Callable[[], None]
    seconds: int


TESTS: list[Test] = []


def test(seconds: int = 1):
    """A test of that name; SECONDS: about what it takes, the longest go first."""
    def register(function: Callable[[], None]) -> Callable[[], None]:
        assert function.__doc__, f"{function.__name__} says no behaviour"
        group = function.__module__.removesuffix("_interop")
        TESTS.append(Test(f"{group}/{function.__name__}", function, seconds))
        return function
    return register


def check(good: object, what: str) -> None:
    if not good:
        raise Failure(what)


def same(got: object, wanted: object, what: str) -> None:
    check(got == wanted, f"{what}: {got!r}, not {wanted!r}")
