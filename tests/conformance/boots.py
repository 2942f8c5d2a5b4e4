"""Boots scenes, and has the cases judge what is seen."""

import hashlib
import os
import signal
import struct
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import enclave
import machine
from enclave import Eif, ImageError
from machine import Machine
from suite import Skip

from . import building, machines
from .data import Case, Data, Scene, parent_options
from .expect import Seen
from .machines import Kernel

# Messages of the kernel would tear lines apart; those that come all the same are known by their times (expect.py).
QUIET = "reboot=t panic=-1 quiet printk.time=1"


@dataclass
class Init:
    """What is tried."""
    path: Path
    data: bytes = field(repr=False, default=b"")
    arch: str = ""

    @classmethod
    def load(cls, path: Path) -> "Init":
        """A program, or that of an image."""
        data = path.read_bytes()
        try:
            if data.startswith(b".eif"):
                ramdisks = Eif.parse(data).ramdisks
                found = [e.data for e in (enclave.cpio_read(ramdisks[0]) if ramdisks else []) if e.name.strip("./") == "init"]
                if not found:
                    raise ImageError("no /init is in the first ramdisk of the image")
                data = found[0]
            arch = enclave.elf_arch(data)
            if loader := interpreter(data):
                raise ImageError(f"not static: it needs {loader}, and there is nothing beside an init")
            return cls(path, data, arch)
        except ImageError as e:
            raise ImageError(f"{path}: {e}") from None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def interpreter(data: bytes) -> str:
    """The dynamic loader that a 64-bit ELF program names; "" for a static one."""
    try:
        at, size, count = struct.unpack_from("<32xQ14xHH", data)
        for n in range(count):
            kind, offset, length = struct.unpack_from("<I4xQ16xQ", data, at + n * size)
            if kind == 3:  # PT_INTERP
                return data[offset:offset + length].rstrip(b"\0").decode(errors="replace")
    except struct.error:
        raise ImageError("an ELF program that is cut short") from None
    return ""


def places(scene: Scene, arch: str) -> tuple[tuple[str, ...], str]:
    """The machines on which an init for ARCH is tried in SCENE, or why it is on none."""
    if arch == "aarch64":
        return ((), scene.x86_only) if scene.x86_only else (("aws",), "")
    found = tuple(m for m in scene.machines if m != "aws")
    return (found, "") if found else ((), "it is AWS's kernel for arm64 that this asks for")


def places_given(scene: Scene, kernel: Kernel) -> tuple[tuple[str, ...], str]:
    """The same of KERNEL, which the user gives: a scene of a special machine asks for a kernel of that sort."""
    if kernel.arch != "x86_64":
        return ((), scene.x86_only) if scene.x86_only else (("given",), "")
    if "module" in scene.machines or kernel.sort in scene.machines:
        return ("given",), ""
    return (), f"it asks for another kernel: {' or '.join(machines.SAYS[m] for m in scene.machines)}"


def boot(scene: Scene, kernel: Kernel, init: bytes, mutant: tuple[str, ...] = (), patience: float = 1.0) -> Seen:
    """What comes of SCENE on the machine of KERNEL; PATIENCE: how much slower than usual this machine may be."""
    seen = Seen()
    eif = building.build(scene, kernel, init, mutant)
    append = " ".join(filter(None, [QUIET, kernel.append, scene.append]))
    cpu = scene.cpu if kernel.arch == "x86_64" else ""
    m = Machine(eif, memory=scene.memory, cpu=cpu, cpus=scene.cpus, append=append, parent=parent_options(scene),
                timeout=scene.deadline * patience, on_line=_slow_reader() if scene.slow_console else None)
    for _ in range(scene.boots):
        seen.take(replace(m).run())
    return seen


def _slow_reader() -> Callable[[float, str], None]:
    """
    One who reads a console over a slow line, so that more is queued than a pipe has room for. It has to be slower than the guest,
    whose speed shows in when its first line comes, two seconds on an idle machine; and not so slow that init waits in vain for
    what is in the guest's own queue, some 4 KiB.
    """
    first = 0.0

    def read(at: float, _line: str) -> None:
        nonlocal first
        first = first or at
        time.sleep(0.003 * min(3.0, max(1.0, first / 2)))

    return read


def side_by_side(work: Callable, each: Iterable[tuple], jobs: int, take: Callable) -> None:
    """TAKE gets what WORK makes of each, in order; JOBS go on at a time. What ends this early ends the boots under way, too."""
    with ThreadPoolExecutor(jobs) as pool:
        todo = [pool.submit(work, *args) for args in each]
        try:
            for one in todo:
                take(one.result())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            _end_all(todo)


def _end_all(todo: list[Future]) -> None:
    """Ends the programs that those of TODO wait for that were not cancelled, and what they start then, until all are done."""
    begun = [one for one in todo if not one.cancelled()]
    while wait(begun, 0.05).not_done:
        for path in Path("/proc/self/task").glob("*/children"):
            with suppress(OSError):
                for pid in path.read_text().split():
                    os.kill(int(pid), signal.SIGTERM)


@dataclass
class Verdict:
    """Of one case on one machine."""
    case: Case
    machine: str
    status: str  # "pass", "fail", "n/a", "error": it could not be tried
    seen: str = ""


def run(data: Data, cases: list[Case], init: Init, kernel: Kernel | None = None, jobs: int = 2, patience: float = 1.0,
        consoles: Path | None = None, told: Callable[[list[Verdict]], None] = lambda _: None) -> list[Verdict]:
    """
    All of CASES on INIT, each scene booted once a machine; on the machine of KERNEL alone, if that is given. What was seen is
    written to CONSOLES. A machine that does not start is an error of the cases of its scene; without any it is RuntimeError.
    """
    todo: dict[tuple[str, str], list[Case]] = {}
    verdicts: list[Verdict] = []
    for case in cases:
        scene = data.scenes[case.scene]
        found, why = places_given(scene, kernel) if kernel else places(scene, init.arch)
        if not found:
            verdicts.append(Verdict(case, "", "n/a", why))
        for place in found:
            todo.setdefault((case.scene, place), []).append(case)
    told(verdicts)
    kernels = {place: kernel or machines.kernel(place) for _, place in todo}
    if todo:
        machine.emulator(init.arch)

    def one(name: str, place: str) -> list[Verdict]:
        scene, asked = data.scenes[name], todo[name, place]
        try:
            seen = boot(scene, kernels[place], init.data, (), patience)
        except Skip as e:  # a tool that makes the image is not there
            return [Verdict(c, place, "n/a", str(e)) for c in asked]
        except (RuntimeError, OSError) as e:
            return [Verdict(c, place, "error", f"the scene {name} was not tried: {'; '.join(str(e).splitlines())}") for c in asked]
        if consoles:
            seen.write(consoles / f"{name}.{place}.log")
        return [Verdict(c, place, "fail" if wrong else "pass", wrong) for c in asked for wrong in [c.judge(seen, scene)]]

    def take(found: list[Verdict]) -> None:
        verdicts.extend(found)
        told(found)

    side_by_side(one, todo, jobs, take)
    return verdicts
