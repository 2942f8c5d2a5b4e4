"""The kernel as the judge of what mkeif says that it leaves of ramdisks."""

import gzip
import hashlib
import json
import os
import random
import subprocess
import tempfile
from pathlib import Path

from .lib import TOP, Eif, boot, built, check, enclave, kernel_file, same, test

Entry, cpio_write = enclave.Entry, enclave.cpio_write

REG, DIR, LNK, CHR, BLK, FIFO, SOCK = 0o100000, 0o040000, 0o120000, 0o020000, 0o060000, 0o010000, 0o140000
# The seed and the number of archives, for more by hand: SEED=2 ARCHIVES=3000 tests/boot/run ramdisk
SEED, ARCHIVES = int(os.environ.get("SEED", "1")), int(os.environ.get("ARCHIVES", "300"))
OWN = {".", "dev", "dev/console", "root"}  # which the kernel makes before

NAMES = ("a", "b", "c", "d", "d/a", "d/b", "d/e", "d/e/f", "l", "l/a", "l/b", "a/b", "../s", "../s/t", "d/../b", "./c",
         "d/", "a/", "l/", "l/../a", "d/e/../a", ".", "d/.", "..", "b//c", "n" * 256, "m" * 255)
TARGETS = ("d", "a", ".", "..", "nowhere", "d/", "../s", "l", "d/e/..", "/s", "../d/a", "/nowhere/at/all", "a/")
# No folder like /tmp: in it Debian's kernels, this one too, follow only some links. AWS's follow all.
MODES = (0o644, 0o600, 0o755, 0o4755, 0o2755, 0o1755, 0o000, 0o6711)
# Devices and their like have names of their own, which no hard link of a file is made of and no link leads to: writing a
# file into one would have the kernel wait, or stop.
OTHERS = ((CHR, (1, 3)), (CHR, (1, 5)), (BLK, (7, 0)), (BLK, (7, 1)), (FIFO, (0, 0)), (SOCK, (0, 0)))
OTHER_NAMES = ("p", "q", "d/p", "./p", "q/")


def member(r: random.Random, prefix: str) -> Entry:
    kind = r.choices((REG, DIR, LNK, 0), (10, 5, 4, 4))[0]
    e = Entry(f"{prefix}{r.choice(NAMES)}", kind | r.choice(MODES), uid=r.choice((0, 0, 1, 7, 0xffffffff)),
              gid=r.choice((0, 0, 2, 0xffffffff)), mtime=r.randint(1, 2000000000), ino=r.randint(5, 7),
              nlink=r.choice((1, 2, 2, 3)), dev=r.choice(((0, 0), (0, 0), (3, 1))))
    if kind == REG:
        e.data = bytes(r.choices(range(256), k=r.choice((0, 0, 1, 3, 8))))
    elif kind == LNK:
        e.data = r.choice(TARGETS).encode()
    elif kind == 0:
        kind, e.rdev = r.choice(OTHERS)
        e.mode |= kind
    if kind not in (REG, DIR, LNK) or r.random() < 0.1:
        e.name = f"{prefix}{r.choice(OTHER_NAMES)}"
        e.nlink = 1 if kind == REG else e.nlink
    return e


def ramdisk(r: random.Random, count: int) -> bytes:
    """COUNT archives, each below a folder of its own; some have no trailer, some are compressed."""
    out = bytearray()
    for n in range(count):
        entries = [Entry(f"{n}", DIR | 0o755, ino=1)]
        if r.random() < 0.1:
            entries = []
        if r.random() < 0.5:
            entries.append(Entry(f"{n}/d", DIR | 0o755, ino=2))
        entries += [member(r, f"{n}/") for _ in range(r.choice((r.randint(1, 9), r.randint(10, 30))))]
        archive = cpio_write(entries)
        if r.random() < 0.05:
            archive = archive[:archive.rindex(b"070701")]
        if n and r.random() < 0.05:
            archive = gzip.compress(archive, mtime=0)
            archive += bytes(-len(archive) % 4)
        out += archive + bytes(4 * r.randint(0, 2))
    return bytes(out)


def by_mkeif(eif: Eif) -> tuple[dict[str, str], int]:
    """
    What mkeif says, in the words of apps/list.c, and how much it warns of. Not times: at the end of all the kernel gives
    what has a folder's name then the time that the folder was to have.
    """
    with tempfile.TemporaryDirectory(prefix="ramdisk-") as d:
        path = Path(d) / "x.eif"
        path.write_bytes(eif.pack())
        done = subprocess.run([TOP / "build/mkeif", "describe", path, "--json", "--files"], stdout=subprocess.PIPE,
                              check=True)
    found = json.loads(done.stdout)
    types = {"file": REG, "folder": DIR, "link": LNK, "character device": CHR, "block device": BLK, "FIFO": FIFO,
             "socket": SOCK}
    files = {}
    for disk in found["Ramdisks"]:
        for f in disk["Files"]:
            major, minor = f.get("Device", (0, 0))
            what = f["Sha384"] if f["Type"] == "file" else f.get("Target", "").encode().hex()
            files[f["Path"]] = (f"{types[f['Type']] | int(f['Mode'], 8):o} {f['Links']} {f['Uid']} {f['Gid']} {major} "
                                f"{minor} {what}")
    return files, len(found.get("Warnings", []))


def by_kernel(lines: list[str]) -> dict[str, str]:
    files = {}
    for line in lines:
        mode, *numbers, _, content, path = line.split(" ", 8)
        if int(mode, 8) & 0o170000 == REG:
            content = hashlib.sha384(bytes.fromhex(content)).hexdigest()
        files[path.lstrip("/") or "."] = " ".join([mode, *numbers, content])
    return files


@test(20)
def the_kernel_leaves_what_mkeif_says():
    """Hundreds of random archives: each name's type, mode, links, owner, device, time, target and content."""
    r = random.Random(SEED)
    first = cpio_write([Entry("init", REG | 0o755, built("apps/list"))])
    eif = Eif(kernel_file("module", "bzImage"), enclave.CMDLINES["x86_64"], [first, ramdisk(r, ARCHIVES)])
    said, warnings = by_mkeif(eif)
    check(warnings > ARCHIVES, f"only {warnings} warnings: the archives are too tame")
    b = boot(eif, until="init: listed", timeout=300.0)
    same(b.all("lost"), [], "what could not be looked at")
    made = by_kernel(b.all("file"))
    check(len(made) > ARCHIVES, f"only {len(made)} files: {b.result.text[-2000:]}")
    # Of /init the content is not told.
    made.pop("init"), said.pop("init")
    wrong = [f"{p}: mkeif: {said.get(p)}, the kernel: {made.get(p)}" for p in sorted({*said, *made})
             if said.get(p) != made.get(p) and not (p in OWN and p not in said)]
    print(f"# {ARCHIVES} archives, {len(made)} files, {warnings} warnings", flush=True)
    check(not wrong, f"seed {SEED}: {len(wrong)} files of {len(made)}: {'; '.join(wrong[:5])}")
