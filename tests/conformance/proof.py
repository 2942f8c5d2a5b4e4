"""
Whether the cases can fail: the init with mistakes (mutant.c) has to fail each case whose mistake it makes, and no other. The
mistakes of one scene are made in two boots, half of them in each, so that those of one half show that the others fail by
their own; cases of one mistake are of one half, and a case that is "alone" has a boot of its own. No boot has two
mistakes for which the same fact is wrong: one would hide the other.
"""

import re
from dataclasses import dataclass

from . import machines
from .boots import boot, places
from .data import Case, Data, Scene
from .expect import Seen

SINGLE = re.compile(r"(\S+) (?:is|is one of|matches|equals|at least|at most)(?: |$)")


@dataclass(frozen=True)
class Proof:
    """One boot with mistakes."""
    scene: Scene
    wrong: tuple[Case, ...]  # whose mistakes are made
    right: tuple[Case, ...]  # which have to pass all the same

    @property
    def name(self) -> str:
        return self.wrong[0].name if len(self.wrong) == 1 else f"{self.scene.name}_{self.wrong[0].name}"

    @property
    def mutant(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(line for c in self.wrong for line in c.mutant))

    def run(self, init: bytes, arch: str = "x86_64", patience: float = 1.0) -> Seen:
        """
        The boot, of INIT, the one with mistakes. Where all have to fail, a machine that hangs is nothing to wait for, but one
        that was slow shows nothing: it has all of PATIENCE then.
        """
        kernel = machines.kernel(places(self.scene, arch)[0][0])
        seen = boot(self.scene, kernel, init, self.mutant, patience if self.right else 1.0)
        if seen.ended == "deadline" and not self.right and patience > 1.0 and (self.scene.unmet(seen) or seen.seconds < 2 * seen.begun):
            seen = boot(self.scene, kernel, init, self.mutant, patience)
        return seen

    def reasons(self, seen: Seen) -> list[str]:
        """What each case whose mistake was made fails with."""
        return [f"{c.name} with {'; '.join(c.mutant)}: {c.judge(seen, self.scene)}" for c in self.wrong]

    def faults(self, seen: Seen) -> list[str]:
        """What is not as it should be. A case that could not be judged has not found its mistake."""
        if unmet := self.scene.unmet(seen):
            return [f"no case can be judged: {unmet}"]
        found = [f"{c.name} passes with: {'; '.join(c.mutant)}" for c in self.wrong if not c.judge(seen, self.scene)]
        return found + [f"{c.name} fails, too: {wrong}" for c in self.right if (wrong := c.judge(seen, self.scene))]


def proofs(data: Data, names: set[str] | None = None) -> list[Proof]:
    """All of them, or those of some cases."""
    found = []
    for scene in data.scenes.values():
        machine, _ = places(scene, "x86_64")
        cases = [c for c in data.cases.values() if c.scene == scene.name and (names is None or c.name in names)]
        if not machine:
            continue
        shared = [c for c in cases if c.mutant and not c.alone]
        rest = tuple(c for c in cases if not c.mutant)
        for wrong in _boots_of(shared):
            found.append(Proof(scene, tuple(wrong), (*(c for c in shared if c not in wrong), *rest)))
        found += [Proof(scene, (c,), ()) for c in cases if c.mutant and c.alone]
    return found


def _boots_of(cases: list[Case]) -> list[list[Case]]:
    """CASES by the boots in which their mistakes are made."""
    boots: list[list[Case]] = [[], []]
    for n, mutant in enumerate(dict.fromkeys(c.mutant for c in cases)):
        these = [c for c in cases if c.mutant == mutant]
        wanted = {fact for c in these for fact in facts(c)}
        fit = [b for b in (boots[n % 2], boots[1 - n % 2], *boots[2:]) if not any(wanted & facts(c) for c in b)]
        if not fit:
            boots.append([])
        (fit or boots[-1:])[0].extend(these)
    return [b for b in boots if b]


def facts(case: Case) -> set[str]:
    """The facts that have one value each in what CASE expects."""
    return {found[1] for line in case.expect if (found := SINGLE.match(line))}
