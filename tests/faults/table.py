"""The whole table, as `make faults` prints it: each call, the errors it was tried with, what came of each."""

import sys
import time
from collections import Counter

from boot.lib import no_emulator

from . import space
from .outcome import in_parallel


def rows(faults: list, outcomes: list) -> None:
    """A line for each call."""
    lines: dict[str, list[str]] = {}
    for f, o in zip(faults, outcomes):
        lines.setdefault(f.row, []).append(f"{f.error}:{o.kind}")
    for row, found in lines.items():
        print(f"{row:76} {' '.join(found)}")


def show(title: str, faults: list, outcomes: list, seconds: float) -> int:
    """The table and its sum; the number of findings."""
    print(f"--- {title}")
    rows(faults, outcomes)
    for f, o in zip(faults, outcomes):
        if o.kind == "finding":
            print(f"FINDING {f.name}: {o.why}")
            print("".join(f"    {line}\n" for line in o.story.splitlines()), end="")
    blocking = Counter(call for o in outcomes for call in o.blocking)
    callers = {call: by for o in outcomes for call, by in o.blocking.items()}
    for call, n in blocking.items():
        print(f"FINDING PID 1 could be blocked in {n} of {len(faults)} boots, {call}\n    {callers[call]}")
    kinds = Counter(o.kind for o in outcomes)
    print(f"=== {title}: {len(set(f.row for f in faults))} calls, {len(faults)} faults in {seconds:.0f} s: "
          + ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items())), flush=True)
    return kinds["finding"] + len(blocking)


def main(parts: list[str]) -> int:
    """PARTS: scenes of the namespaces, "boot"; all if there are none."""
    findings = 0
    for scene in space.scenes():
        if not parts or scene in parts:
            start, faults = time.monotonic(), [*space.faults(scene)]
            findings += show(f"namespaces, {scene}", faults, in_parallel(space.run, faults), time.monotonic() - start)
    if (not parts or "boot" in parts) and not (why := no_emulator()):
        from . import guest
        start, faults = time.monotonic(), guest.faults()
        findings += show("QEMU", faults, guest.run_all(faults), time.monotonic() - start)
    elif not parts or "boot" in parts:
        print(f"--- QEMU: skipped, {why}")
    print(f"{findings} findings", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    space.ns.low_limits()
    sys.exit(main(sys.argv[1:]))
