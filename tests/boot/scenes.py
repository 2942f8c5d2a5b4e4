"""Boots that the cases of tests/conformance look at, for what is said of them here: our log's words, our steps, our times."""

from conformance import data, ours_conformance

from .lib import Boot, seen


def of_scene(name: str, machine: str = "module") -> Boot:
    """The boot of a scene of one boot, with our init as shipped, that this run of the tests makes once."""
    result, = ours_conformance.seen(name, machine).results
    return seen(Boot(result))


def code_of(name: str) -> str:
    """With which the application of a scene exits."""
    cmd = data.load().scenes[name].cmd
    return cmd[cmd.index("exit") + 1]
