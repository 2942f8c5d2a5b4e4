"""make soak: what it counts."""

import subprocess
import tempfile
from pathlib import Path

from .lib import DEADLINE_S, TOP, check, image, same, test


def soak(eif: Path, *words: object) -> subprocess.CompletedProcess:
    return subprocess.run([TOP / "tests/soak", "--eif", eif, "--logs", eif.parent / "logs", "--deadline", str(int(DEADLINE_S)), *map(str, words)], cwd=TOP,
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def counted(said: str, what: str, number: int) -> None:
    rows = [line.split() for line in said.splitlines()]
    check(any(" ".join(row).startswith(f"{what} {number}") for row in rows), f"no {number} of '{what}' in: {said}")


@test(12)
def soak_counts_what_fails():
    """
    Good boots exit with 0; an image that cannot start its program, one without init, and one whose program fails do not.
    A log of an earlier run is deleted, and nothing else in its folder.
    """
    with tempfile.TemporaryDirectory() as tmp:
        path = Path(tmp, "x.eif")
        path.write_bytes(image("/bin/act", "exit", "0").pack())
        logs = Path(tmp, "logs")
        logs.mkdir()
        for name in ("00001.log", "mine.log", "1.log"):
            (logs / name).touch()
        done = soak(path, "-n", 2)
        same(done.returncode, 0, f"the code of good boots: {done.stdout}")
        counted(done.stdout, "good", 2)
        same(sorted(p.name for p in logs.iterdir()), ["1.log", "mine.log", "table"], "what is in the folder of logs")
        path.write_bytes(image("/bin/none").pack())
        done = soak(path, "-n", 1)
        same(done.returncode, 1, f"the code: {done.stdout}")
        counted(done.stdout, "good", 0)
        counted(done.stdout, "init: end: boot: stopped in step 8, spawn", 1)
        check("Kernel panic" not in done.stdout and "/logs/0000" in done.stdout, done.stdout)
        no_init = image("/bin/act")
        no_init.ramdisks = no_init.ramdisks[1:]
        path.write_bytes(no_init.pack())
        done = soak(path, "-n", 1)
        same(done.returncode, 1, f"the code: {done.stdout}")
        counted(done.stdout, "good", 0)
        check("the kernel panicked: " in done.stdout, done.stdout)
        path.write_bytes(image("/bin/act", "exit", "3").pack())
        done = soak(path, "-n", 1)
        same(done.returncode, 1, f"the code: {done.stdout}")
        counted(done.stdout, "init's last line: /bin/act: exited with code 3", 1)
