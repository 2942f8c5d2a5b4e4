"""
The enclaves that run on this machine: each has a directory in the cache, with the sockets of its machine, its console and
what describe-enclaves prints. Whoever runs it holds a lock on it; what is left of dead ones is removed.
"""

import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATH_MAX = 107  # of a socket's path
NAME_MAX = len("/17001.listen")
CID_MIN = 16  # as nitro-cli begins
CID_MAX = 2**32 - 2
# What Nitro's instances have before the part that an enclave gets.
INSTANCE = "i-0123456789abcdef0"


class RunningError(Exception):
    """An enclave cannot be found, or cannot have what it asks for."""


def directory() -> Path:
    """Where the directories of running enclaves are: ENCLAVE_INIT_RUN, or in the cache."""
    cache = os.environ.get("ENCLAVE_INIT_CACHE") or \
        os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "enclave-init")
    path = Path(os.environ.get("ENCLAVE_INIT_RUN") or os.path.join(cache, "run")).absolute()
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


@dataclass
class Running:
    """One of them. STATE is what describe-enclaves prints."""
    folder: Path
    state: dict

    @property
    def console(self) -> Path:
        return self.folder / "console"

    @property
    def id(self) -> str:
        return self.state["EnclaveID"]

    @property
    def name(self) -> str:
        return self.state["EnclaveName"]

    def write(self, **changes: object) -> None:
        self.state |= changes
        new = self.folder / "state.new"
        new.write_text(json.dumps(self.state))
        new.rename(self.folder / "state.json")

    def has_ended(self) -> bool:
        """Nobody runs it any more."""
        try:
            with (self.folder / "lock").open("rb") as f:
                fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return True
        except BlockingIOError:
            return False
        return True


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """While nobody else adds or removes directories."""
    with (path / "lock").open("a") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


def _look(path: Path) -> list[Running]:
    found = []
    for folder in sorted(p for p in path.iterdir() if p.is_dir()):
        enclave = Running(folder, {})
        if enclave.has_ended():
            shutil.rmtree(folder, ignore_errors=True)
            continue
        try:
            enclave.state = json.loads((folder / "state.json").read_text())
        except (FileNotFoundError, ValueError):
            continue  # it begins, or ends, just now
        found.append(enclave)
    return found


def running() -> list[Running]:
    """Those that run, by the time of their start."""
    path = directory()
    with _alone(path):
        return sorted(_look(path), key=lambda r: r.state["Started"])


def find(name: str) -> Running:
    """The one of that name or ID; without a NAME, the only one."""
    all_ = running()
    if not name and len(all_) == 1:
        return all_[0]
    if not name:
        raise RunningError("no enclave runs" if not all_ else
                           "name one of the enclaves: " + " ".join(r.name for r in all_))
    for r in all_:
        if name in (r.id, r.name):
            return r
    raise RunningError(f"no enclave of the name or ID '{name}' runs")


def _free_name(wanted: str, taken: set[str]) -> str:
    """As nitro-cli: a number is added if there is one of that name already."""
    if wanted not in taken:
        return wanted
    return next(name for n in range(1, len(taken) + 2) if (name := f"{wanted}_{n}") not in taken)


def _free_cid(wanted: int, taken: set[int]) -> int:
    if wanted in taken:
        raise RunningError(f"the CID {wanted} is another enclave's")
    return wanted or next(cid for cid in range(CID_MIN, CID_MIN + len(taken) + 1) if cid not in taken)


@contextmanager
def register(name: str, cid: int, cpus: int, memory: int, measurements: dict, published: list[str]) -> Iterator[Running]:
    """
    The directory of a new enclave, which is this process's; it is removed at the end. A CID of 0: any. PUBLISHED are its
    ports on this machine.
    """
    path = directory()
    token = secrets.token_hex(8)
    folder = path / f"enc{token}"
    if len(os.fsencode(folder)) + NAME_MAX > PATH_MAX:
        raise RunningError(f"{path}: too long for the sockets of an enclave; ENCLAVE_INIT_RUN names another directory")
    with _alone(path):
        others = _look(path)
        state = {
            "EnclaveName": _free_name(name, {r.name for r in others}),
            "EnclaveID": f"{INSTANCE}-enc{token}",
            "ProcessID": os.getpid(),
            "EnclaveCID": _free_cid(cid, {r.state["EnclaveCID"] for r in others}),
            "NumberOfCPUs": cpus,
            "CPUIDs": list(range(cpus)),
            "MemoryMiB": memory,
            "State": "EMPTY",  # nitro-cli's word for one that has sent no heartbeat yet
            "Flags": "NONE",
            **measurements,
            **({"Published": published} if published else {}),
            "Directory": str(folder),
            "Started": max((r.state["Started"] for r in others), default=0) + 1,
        }
        folder.mkdir(mode=0o700)
        lock = (folder / "lock").open("wb")
        fcntl.flock(lock, fcntl.LOCK_EX)
        mine = Running(folder, state)
        mine.console.touch()
        mine.write()
    try:
        yield mine
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()
