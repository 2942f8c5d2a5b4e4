"""Each case, tried on our init as shipped: on all machines that its scene names."""

import pickle
from collections.abc import Callable
from functools import cache

import suite
from suite import once

from . import boots, machines
from .data import Case, load
from .expect import Seen

# What init fails on these machines, always or now and then, and why: no test here, and "fail" in docs/conformance.md.
OPEN: dict[str, tuple[str, ...]] = {}
PATIENCE = 5.0  # other tests run beside


@cache
def seen(scene: str, machine: str) -> Seen:
    """One boot that all cases of a scene look at, whichever worker runs them."""
    kernel = machines.kernel(machine)
    init = suite.built("init", kernel.arch).read_bytes()
    path = once(f"conformance/{scene}.{machine}",
                lambda path: path.write_bytes(pickle.dumps(boots.boot(load().scenes[scene], kernel, init, (), PATIENCE))))
    return pickle.loads(path.read_bytes())


def _as_test(case: Case) -> Callable[[], None]:
    def run() -> None:
        scene = load().scenes[case.scene]
        for machine in scene.machines:
            got = seen(scene.name, machine)
            wrong = case.judge(got, scene)
            if wrong:
                failure = suite.Failure(f"{machine}: {wrong}")
                failure.add_note("\n".join(got.lines))
                raise failure

    run.__name__, run.__module__, run.__doc__ = case.name, __name__, case.user
    return run


def _register() -> None:
    booted = set()
    for case in load().cases.values():
        if set(load().scenes[case.scene].machines) & set(OPEN.get(case.name, ())):
            continue
        # One boots, and the others would only wait for it.
        suite.test(0 if case.scene in booted else 2)(_as_test(case))
        booted.add(case.scene)


_register()
