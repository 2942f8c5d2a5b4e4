"""
scripts/nsm-preload.c without QEMU: this file, run as a program with that library preloaded, has libcbor serialise
what QEMU would. Emulated.answers() starts it.
"""

import ctypes
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOM = 12288  # the guest's buffer
# The clock of the whole program, ahead by as much as it is told.
CLOCK_C = """
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
long ahead;
int clock_gettime(clockid_t id, struct timespec *ret)
{
	int r = (int)syscall(SYS_clock_gettime, id, ret);

	ret->tv_sec += ahead;
	return r;
}
"""


@dataclass
class Asked:
    """An item to be serialised into that much room, AHEAD seconds from now."""
    item: bytes
    room: int = ROOM
    ahead: int = 0


@dataclass
class Emulated:
    library: str
    libcbor: str  # QEMU's
    root: str  # a folder
    form: str = ""
    stderr: str = field(default="", init=False)

    def answers(self, *asked: Asked) -> list[bytes]:
        """What came of each, in one process: nothing where there was no room. stderr is kept."""
        env = os.environ | {"NSM_PRELOAD_ROOT": self.root, "NSM_PRELOAD_FORM": self.form}
        with tempfile.TemporaryDirectory() as tmp:
            clock = Path(tmp) / "clock.so"
            subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-o", clock, "-"], input=CLOCK_C.encode(), check=True)
            env["LD_PRELOAD"] = f"{clock} {self.library} {self.libcbor}"
            if not self.form:
                del env["NSM_PRELOAD_FORM"]
            lines = "".join(f"{a.ahead} {a.room} {a.item.hex()}\n" for a in asked)
            done = subprocess.run([sys.executable, "-B", __file__], input=lines, text=True, env=env, check=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.stderr = done.stderr
        return [bytes.fromhex(line) for line in done.stdout.splitlines()]


class LoadResult(ctypes.Structure):
    _fields_ = [("position", ctypes.c_size_t), ("code", ctypes.c_int), ("read", ctypes.c_size_t)]


def main() -> None:
    process = ctypes.CDLL(None)
    process.cbor_load.restype = ctypes.c_void_p
    process.cbor_load.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(LoadResult)]
    process.cbor_serialize.restype = ctypes.c_size_t
    process.cbor_serialize.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    ahead = ctypes.c_long.in_dll(process, "ahead")
    for line in sys.stdin:
        seconds, room, text = line.split()
        item = bytes.fromhex(text)
        loaded = process.cbor_load(item, len(item), LoadResult())
        assert loaded, text
        buffer = ctypes.create_string_buffer(int(room))
        ahead.value = int(seconds)
        size = process.cbor_serialize(loaded, buffer, int(room))
        print(buffer.raw[:size].hex(), flush=True)


if __name__ == "__main__":
    main()
