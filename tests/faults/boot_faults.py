"""Faults in QEMU."""

from boot.lib import no_emulator
from suite import Failure, Skip, test

from . import guest
from .outcome import spread

SAMPLE = 4


@test(9)
def calls_that_fail_in_a_machine_do_so_too() -> None:
    """A sample of the machines of `make faults`: the init as shipped, with the real NSM and vsock."""
    if why := no_emulator():
        raise Skip(why)
    chosen = spread(guest.faults(), SAMPLE)
    bad = [(f, o) for f, o in zip(chosen, guest.run_all(chosen)) if o.kind == "finding"]
    if bad:
        failure = Failure("\n".join(f"{f.name}: {o.why}" for f, o in bad))
        failure.add_note("\n".join(f"--- {f.name}\n{o.story}" for f, o in bad))
        raise failure
