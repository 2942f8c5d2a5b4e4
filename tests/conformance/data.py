"""The cases: cases/*.toml, read and checked. What may stand there is in README.md."""

from __future__ import annotations

import contextlib
import io
import re
import tomllib
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path

import parent

from . import expect

CASES = Path(__file__).resolve().parent / "cases"
MACHINES = ("module", "builtin", "unified", "modular", "aws")  # machines.py says what they are
KINDS = ("contract", "usual", "safety")


class DataError(Exception):
    """A file of cases that is not what it should be."""


@dataclass(frozen=True)
class Scene:
    """One boot: an image, a machine, a parent. Several cases look at it."""
    name: str
    group: str
    what: str
    # /cmd and /env: as nitro-cli writes them, or as they stand; none. In *_many "COUNT FORM" is that many more lines,
    # str.format's of 0, 1, ...: "3 N{:02}=x" is N00=x, N01=x, N02=x
    cmd: tuple[str, ...] = ("/bin/probe",)
    cmd_many: tuple[str, ...] = ()
    cmd_raw: str | None = None
    no_cmd: bool = False
    env: tuple[str, ...] = ()
    env_many: tuple[str, ...] = ()
    env_raw: str | None = None
    no_env: bool = False
    # the image: what is below /rootfs, what lies beside /init
    files: dict[str, object] = field(default_factory=dict)
    boot_files: dict[str, object] = field(default_factory=dict)
    trees: tuple[str, ...] = ()  # packages of Debian, with what they depend on; or "python3" alone
    programs: tuple[str, ...] = ()  # of trees: those that stay, by their paths with * and ?
    sample: bool = False  # the image of AWS's own sample, for arm64
    mount_points: tuple[str, ...] = ("dev", "run", "sys", "var", "proc", "tmp")
    rootfs: bool = True
    modules: dict[str, str] | None = None
    gzip: bool = False
    one_ramdisk: bool = False
    dotted: bool = False  # names as `find .` gives them to cpio: ".", "./init", ...
    cut: int = 0
    # the machine
    machines: tuple[str, ...] = ("module",)
    x86_only: str = ""
    memory: int = 512
    cpus: int = 1
    cpu: str = ""  # of x86-64; arm64's is always one without instructions for random numbers
    append: str = ""
    parent: tuple[str, ...] = ()  # its manners: options of parent.py, "slow=1"
    boots: int = 1
    slow_console: bool = False  # it takes a line each three milliseconds
    deadline: float = 60.0
    # what has to be so, or no case of it can be judged
    needs: tuple[str, ...] = ()

    def unmet(self, seen: "expect.Seen") -> str:
        """What of its needs is not so, or nothing."""
        return next((wrong for line in self.needs if (wrong := expect.judge(line, seen))), "")


@dataclass(frozen=True)
class Case:
    """What is expected of a scene, and why."""
    name: str
    group: str
    scene: str
    kind: str
    user: str  # what a user relies on
    source: str  # the public report or contract that it comes from
    expect: tuple[str, ...]
    mutant: tuple[str, ...] = ()  # ours with this mistake fails it; mutant.c
    alone: bool = False  # its mistake changes what other cases see
    proof: str = ""  # where there is no mutant: the init of docs/conformance.md that fails it

    def judge(self, seen: "expect.Seen", scene: Scene) -> str:
        """What was seen that should not be, or nothing."""
        return scene.unmet(seen) or next((wrong for line in self.expect if (wrong := expect.judge(line, seen))), "")


@dataclass(frozen=True)
class Data:
    scenes: dict[str, Scene]
    cases: dict[str, Case]


@cache
def load(folder: Path = CASES) -> Data:
    scenes: dict[str, Scene] = {}
    cases: dict[str, Case] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            _load_file(path, scenes, cases)
        except (DataError, tomllib.TOMLDecodeError, expect.ExpectError) as e:
            raise DataError(f"{path.name}: {e}") from None
    for case in cases.values():
        if case.scene not in scenes:  # which may be of another file
            raise DataError(f"{case.group}.toml: case {case.name}: no scene {case.scene}")
    unused = sorted(set(scenes) - {c.scene for c in cases.values()})
    if unused:
        raise DataError(f"no case looks at {', '.join(unused)}")
    return Data(scenes, cases)


def _load_file(path: Path, scenes: dict[str, Scene], cases: dict[str, Case]) -> None:
    doc = tomllib.loads(path.read_text())
    if extra := sorted(set(doc) - {"scene", "case"}):
        raise DataError(f"{extra[0]}: neither scene nor case")
    raw: dict[str, dict] = doc.get("scene", {})
    for name, keys in raw.items():
        if name in scenes:
            raise DataError(f"scene {name}: there is one of that name")
        try:
            keys = _inherit(raw, name, [])
            scenes[name] = _scene(name, path.stem, keys)
        except (DataError, expect.ExpectError) as e:
            raise DataError(f"scene {name}: {e}") from None
    for keys in doc.get("case", []):
        name = keys.get("name", "?")
        if name in cases:
            raise DataError(f"case {name}: there is one of that name")
        try:
            cases[name] = _case(path.stem, keys)
        except (DataError, expect.ExpectError) as e:
            raise DataError(f"case {name}: {e}") from None


def _inherit(raw: dict[str, dict], name: str, seen: list[str]) -> dict:
    """The keys of a scene, with those of the one that it is like; tables are joined, all else replaces."""
    if name not in raw:
        raise DataError(f"like = {name}: this file has no such scene")
    if name in seen:
        raise DataError(f"like = {name}: a circle")
    keys = dict(raw[name])
    if base := keys.pop("like", None):
        below = _inherit(raw, base, [*seen, name])
        keys = below | keys | {k: below[k] | keys[k] for k in keys if isinstance(keys[k], dict) and isinstance(below.get(k), dict)}
    return keys


def _take(kind: type, keys: dict, **given: str) -> object:
    """An object of KIND, whose fields are KEYS of the same types."""
    known = {f.name: f for f in fields(kind) if f.name not in given}
    values = {}
    for key, value in keys.items():
        if key not in known:
            raise DataError(f"no such key: {key}")
        wanted = str(known[key].type)
        if isinstance(value, list):
            if not wanted.startswith("tuple") or not all(isinstance(v, str) for v in value):
                raise DataError(f"{key}: not {wanted}")
            value = tuple(value)
        elif not isinstance(value, {"str": str, "int": int, "flo": (int, float), "boo": bool, "dic": dict}.get(wanted[:3], ())) or \
                (isinstance(value, bool) and not wanted.startswith("bool")):
            raise DataError(f"{key}: not {wanted}")
        values[key] = value
    try:
        return kind(**given, **values)
    except TypeError as e:
        raise DataError(str(e).partition(") ")[2] or str(e)) from None


def _scene(name: str, group: str, keys: dict) -> Scene:
    scene = _take(Scene, keys, name=name, group=group)
    for machine in scene.machines:
        if machine not in MACHINES:
            raise DataError(f"machines: no machine {machine}")
    _check_parent(scene)
    for line in scene.needs:
        expect.parse(line)
    return scene


def parent_options(scene: Scene) -> tuple[str, ...]:
    """The parent's manners as parent.py takes them."""
    words = (word.partition("=") for word in scene.parent)
    return tuple(w for name, _, value in words for w in (f"--{name}", *([value] if value else [])))


def _check_parent(scene: Scene) -> None:
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parent.OPTIONS.parse_args(parent_options(scene))
    except SystemExit:
        raise DataError("parent: " + said.getvalue().strip().rpartition("error: ")[2]) from None


def _case(group: str, keys: dict) -> Case:
    case = _take(Case, keys, group=group)
    if not re.fullmatch("[a-z0-9_]+", case.name):
        raise DataError("a name has small letters, digits and _")
    if case.kind not in KINDS:
        raise DataError(f"kind: {case.kind}: none of {' '.join(KINDS)}")
    if not case.expect:
        raise DataError("it expects nothing")
    for key in ("user", "source"):
        if len(getattr(case, key)) < 10:
            raise DataError(f"{key}: what a reader can use")
    if not case.user.endswith("."):
        raise DataError("user: a sentence")
    if bool(case.mutant) == bool(case.proof):
        raise DataError("mutant or proof: what fails it")
    for line in case.expect:
        expect.parse(line)
    return case
