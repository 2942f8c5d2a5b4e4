#!/usr/bin/python3 -B
"""
Layers at random, with all that they may hold in any order, as umoci unpacks them. `PYTHONPATH=../scripts python3 -B -m
pack.random_pack FIRST LAST` in tests/ tries those of other numbers.
"""

import random
import stat
import sys
import tarfile
from dataclasses import replace

from enclave import MOUNT_POINTS
from images.oci import Layer, single

from .build_pack import expect_files, on_disk, rootfs, unpacked
from .lib import Eif, Failure, build, check, folder, test

# Few names, so that they meet: folders, links to folders, and what lies in them.
FOLDERS, LINKS, LEAVES = "AB", "LM", "abc"
MODES = (0o644, 0o755, 0o700, 0o4711, 0o1777, 0)
FORMATS = (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)
KINDS = {"dir": 4, "file": 6, "link": 2, "dirlink": 3, "hard": 4, "fifo": 1, "node": 1, "without": 4, "opaque": 5,
         "turn": 0.4}
IN_LAYERS_ABOVE = ("without", "opaque")


class Maker:
    """The layers of a number, and in words what is in them."""

    def __init__(self, number: int) -> None:
        self.random = random.Random(number)
        self.story: list[str] = []
        self.files: list[str] = []  # that may be there, for hard links to them
        self.links: list[str] = []  # to folders
        self.layers = [self.layer(n) for n in range(self.random.randint(2, 5))]

    def below(self) -> str:
        """A folder, or "": the root."""
        parts = self.random.choices(FOLDERS, k=self.random.randint(0, 2))
        if self.links and self.random.random() < 0.35:
            parts = [self.random.choice(self.links), *parts[:1]]
        return "".join(f"{p}/" for p in parts)

    def forget(self, path: str) -> None:
        """Mostly: another name of what is gone is a link to nothing, which umoci refuses."""
        if self.random.random() < 0.75:
            self.files = [f for f in self.files if f != path and not f.startswith(f"{path}/")]

    def layer(self, n: int) -> Layer:
        to = Layer(self.random.choice(FORMATS))
        for _ in range(self.random.randint(1, 10)):
            weights = [w if n or k not in IN_LAYERS_ABOVE else 0 for k, w in KINDS.items()]
            kind = self.random.choices([*KINDS], weights)[0]
            if said := getattr(self, kind)(to, self.below(), self.random.choice(MODES)):
                self.story.append(f"layer {n}: {kind} {said}")
        return to

    def owner(self) -> dict[str, int]:
        return {"uid": self.random.randint(0, 3), "gid": self.random.randint(0, 3)}

    def leaf(self, below: str) -> str:
        return below + self.random.choice(LEAVES)

    def dir(self, to: Layer, below: str, mode: int) -> str:
        path = below + self.random.choice(FOLDERS)
        to.dir(path, mode, **self.owner())
        return f"{path} {mode:o}"

    def file(self, to: Layer, below: str, mode: int) -> str:
        path = self.leaf(below)
        self.files.append(path)
        content = f"{len(self.story)}\n" if self.random.random() < 0.8 else ""
        to.file(path, content, mode, **self.owner())
        return f"{path} {mode:o} {content!r}"

    def link(self, to: Layer, below: str, _: int) -> str:
        path = self.leaf(below)
        target = self.random.choice(("a", "../b", "/A/c", "../../../../../A/b", "/etc/none"))
        to.link(path, target, **self.owner())
        return f"{path} -> {target}"

    def dirlink(self, to: Layer, _: str, __: int) -> str:
        path = self.random.choice(("", "", "A/")) + self.random.choice(LINKS)
        target = self.random.choice(("A", "/B", "../A", "../../../B", "A/B"))
        self.links.append(path)
        to.link(path, target, **self.owner())
        return f"{path} -> {target}"

    def hard(self, to: Layer, below: str, mode: int) -> str:
        if not self.files:
            return ""
        path, other = self.leaf(below), self.random.choice(self.files)
        self.files.append(path)
        to.hard(path, other, mode)
        return f"{path} = {other}"

    def fifo(self, to: Layer, below: str, mode: int) -> str:
        path = self.leaf(below)
        to.add(path, tarfile.FIFOTYPE, mode, **self.owner())
        return path

    def node(self, to: Layer, below: str, mode: int) -> str:
        path = self.leaf(below)
        to.node(path, 1, 3, mode)
        return path

    def without(self, to: Layer, below: str, _: int) -> str:
        path = below + self.random.choice(FOLDERS + LEAVES)
        if self.files and self.random.random() < 0.5:
            path = self.random.choice(self.files)
        to.without(path)
        self.forget(path)
        return path

    def opaque(self, to: Layer, below: str, _: int) -> str:
        path = below.rstrip("/")
        if path:
            to.without_all_in(path)
            self.files = [f for f in self.files if not f.startswith(f"{path}/")]
        return path

    def turn(self, to: Layer, below: str, mode: int) -> str:
        """A folder becomes a file, or a file a folder."""
        if self.random.random() < 0.5:
            path = below + self.random.choice(FOLDERS)
            to.file(path, "turned\n", mode)
        else:
            path = self.leaf(below)
            to.dir(path, mode)
        self.forget(path)
        return path


def same_as_umoci(number: int) -> bool:
    """False if umoci does not take it: a name below a file, a link to nothing."""
    made = Maker(number)
    with folder() as path:
        single(path / "image", made.layers, {"Cmd": ["/proc/nothing"]})
        try:
            theirs = on_disk(unpacked(path / "image", path / "bundle"))
        except RuntimeError:
            return False
        try:
            done = build(path / "x.eif", "--image", path / "image")
            check(done.code == 0, done.story)
            # Links have no other names in a ramdisk: the kernel makes two of them anyway.
            theirs = {name: replace(f, names=()) if stat.S_ISLNK(f.mode) else f for name, f in theirs.items()}
            expect_files(rootfs(Eif.load(path / "x.eif")), theirs, set(MOUNT_POINTS) - set(theirs))
        except Failure as e:
            raise Failure(f"number {number}: {e}\n" + "\n".join(made.story)) from None
    return True


def try_all(numbers: range) -> None:
    good = sum(map(same_as_umoci, numbers))
    check(good > len(numbers) * 0.6, f"umoci takes {good} of {len(numbers)}")


@test(seconds=9)
def layers_at_random_are_as_umoci_has_them() -> None:
    """Sixty images of few names: whiteouts, opaque folders, links of both kinds, what takes another's place."""
    try_all(range(60))


if __name__ == "__main__":
    try_all(range(int(sys.argv[1]), int(sys.argv[2])))
