"""
Each case fails with a mistake: proof.py. They show something of the suite and not of the init, and are more boots than the
cases: make conformance-proofs tries them, and make test does not.
"""

import os
from collections.abc import Callable

import suite

from . import proof
from .data import load

PATIENCE = 5.0


def _as_test(p: proof.Proof) -> Callable[[], None]:
    def run() -> None:
        seen = p.run(suite.built("test/mistaken", "x86_64").read_bytes(), patience=PATIENCE)
        if faults := p.faults(seen):
            failure = suite.Failure("; ".join(faults))
            failure.add_note("\n".join(seen.lines))
            raise failure

    run.__name__, run.__module__ = f"{p.name}_can_fail", __name__
    run.__doc__ = f"With {len(p.mutant)} mistake{'s' if len(p.mutant) > 1 else ''} in one boot."
    return run


for _proof in proof.proofs(load()) if os.environ.get("PROOFS") == "1" else []:
    suite.test(2)(_as_test(_proof))


@suite.test(0)
def each_mistake_has_a_boot():
    """Whatever case has a mistake stands in one of the boots that show it."""
    shown = {c.name for p in proof.proofs(load()) for c in p.wrong}
    wanted = {c.name for c in load().cases.values() if c.mutant and set(load().scenes[c.scene].machines) != {"aws"}}
    suite.same(sorted(wanted - shown), [], "cases without a proof")
