"""The suite itself: what its lines judge, which files it refuses, what it prints."""

import contextlib
import json
import os
import re
import signal
import struct
import subprocess
import tempfile
import time
from dataclasses import fields
from pathlib import Path

from suite import TOP, check, same, test

from . import boots, data, expect, proof, report
from .expect import Seen
from .ours_conformance import OPEN
from .machines import Kernel

CONFORM = TOP / "tests/conformance/conform"
DEADLINE = 300.0

SCENE = '[scene.s]\nwhat = "one"\n'
CASE = '[[case]]\nname = "c"\nscene = "s"\nkind = "usual"\nuser = "It is as usual."\nsource = "some place"\nexpect = ["k is v"]\nmutant = ["skip x"]\n'


def seen(**more: object) -> Seen:
    found = Seen(facts={"a": ["1"], "b": ["x", "y"], "c": ["1"], "empty": [""]}, console=["said something", "end"],
                 lines=["[    0.100000] kernel word", "said something", "end"], received=["b7"], ended="restarted")
    for key, value in more.items():
        setattr(found, key, value)
    return found


@test(0)
def lines_judge_what_they_say():
    """Each form of a line, with what passes and what fails."""
    for line, good in (
            ("a is 1", True), ("a is 2", False), ("b is x", False), ("none is 1", False), ("empty is", True), ("a is", False),
            ("a is one of 0 | 1", True), ("a is one of 0 | 2", False), ("b are x | y", True), ("b are y | x", False), ("none are x", False),
            ("a matches ^[0-9]$", True), ("a matches ^$", False), ("b matches x", False), ("b has ^y$", True), ("b has z", False),
            ("none has .", False), ("b lacks z", True), ("b lacks y", False), ("b all ^[xy]$", True), ("b all x", False), ("none all .", False),
            ("b differs", True), ("a differs", False), ("a equals c", True), ("a equals b", False), ("a at least 1", True), ("a at least 2", False),
            ("a at most 1", True), ("a at most 0", False), ("b at least 0", False), ("b told 2 times", True), ("a told 2 times", False),
            ("none told 0 times", True), ("console says thing$", True), ("console says kernel", False), ("console never says kernel", True),
            ("console never says end", False), ("kernel says word", True), ("kernel never says word", False),
            ("heartbeat", True), ("connections 0", True), ("connections 1", False), ("no heartbeat", False), ("ends", True)):
        same(not expect.judge(line, seen()), good, f"'{line}' passes")


@test(0)
def the_parent_and_the_end_are_judged():
    """Bytes that arrive in one piece or in two, other bytes, none; a panic, a deadline."""
    for received, line, good in ((["b7b7"], "heartbeat", False), (["b7", "b7"], "heartbeat", False), ([], "heartbeat", False),
                                 ([], "no heartbeat", True), (["05"], "no heartbeat", True), (["05", "b7"], "no heartbeat", False),
                                 (["05"], "heartbeat", False)):
        same(not expect.judge(line, seen(received=received)), good, f"'{line}' passes with {received}")
    check("panicked" in expect.judge("ends", seen(panicked=True)), "a panic is an end")
    check("did not end" in expect.judge("ends", seen(ended="deadline")), "a deadline is an end")


@test(0)
def lines_that_say_nothing_are_refused():
    """A line that cannot be judged, or whose pattern or number is none."""
    for line in ("", "a", "a is one", "a at least x", "a matches (", "console says", "heartbeat please", "a told x times"):
        if line == "a is one":
            continue  # a value like any other
        try:
            expect.parse(line)
        except expect.ExpectError:
            continue
        check(False, f"'{line}' is taken")


def refused(text: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "g.toml").write_text(text)
        try:
            data.load(Path(folder))
        except data.DataError as e:
            return str(e)
    return ""


@test(0)
def files_that_are_wrong_are_refused():
    """With the file, the scene or case, and what is wrong."""
    same(refused(SCENE + CASE), "", "a good file is refused")
    for text, word in (
            (SCENE.replace("what", "wat") + CASE, "g.toml: scene s: no such key: wat"), (SCENE + "cmd = 1\n" + CASE, "scene s: cmd: not tuple"),
            (SCENE + "memory = true\n" + CASE, "scene s: memory: not int"), (SCENE + 'machines = ["big"]\n' + CASE, "no machine big"),
            (SCENE + 'parent = ["loud"]\n' + CASE, "parent: unrecognized arguments: --loud"), (SCENE + 'parent = ["late=soon"]\n' + CASE, "parent: argument --late: invalid"),
            (SCENE + 'parent = ["deaf", "reset"]\n' + CASE, "not allowed with"), (SCENE + 'needs = ["nothing"]\n' + CASE, "'nothing' cannot be judged"),
            (SCENE + 'like = "t"\n' + CASE, "no such scene"), (SCENE + 'like = "s"\n' + CASE, "a circle"), (SCENE, "no case looks at s"),
            (SCENE + CASE + CASE, "case c: there is one of that name"), (SCENE + CASE.replace('"s"', '"t"'), "case c: no scene t"),
            (SCENE + CASE.replace("usual", "odd", 1), "case c: kind: odd"), (SCENE + CASE.replace("It is as usual.", "usual"), "user:"),
            (SCENE + CASE.replace("k is v", "k"), "'k' cannot be judged"), (SCENE + CASE.replace('mutant = ["skip x"]', ""), "mutant or proof"),
            (SCENE + CASE.replace('"c"', '"C d"'), "small letters"), (SCENE + CASE.replace('["k is v"]', "[]"), "expects nothing"),
            ("[other]\n", "g.toml: other: neither"), ("[", "g.toml: ")):
        check(word in refused(text), f"'{word}' is not said, but '{refused(text)}'")


@test(0)
def a_scene_is_like_another():
    """Keys are taken over and replaced, tables of files joined."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "g.toml").write_text(
            SCENE + 'memory = 100\ncpus = 2\n[scene.s.files]\na = "1"\n[scene.t]\nlike = "s"\nwhat = "two"\nmemory = 200\n[scene.t.files]\nb = "2"\n'
            + CASE + CASE.replace('"c"', '"d"').replace('"s"', '"t"'))
        t = data.load(Path(folder)).scenes["t"]
    same((t.what, t.memory, t.cpus, t.files), ("two", 200, 2, {"a": "1", "b": "2"}), "the scene")


def run_of(statuses: dict[str, str], name: str = "one") -> dict:
    """The JSON of a run with these."""
    scene = data.Scene("s", "g", "one")
    cases = {n: data.Case(n, "g", "s", "usual", "It is so.", "some place", ("k is v",), ("skip x",)) for n in statuses}
    verdicts = [boots.Verdict(cases[n], "module", s, "x is |1|, not 2" if s == "fail" else "") for n, s in statuses.items()]
    d = data.Data({"s": scene}, cases)
    same(list(report.table(d, verdicts))[-1], report.sum_line(statuses.values()), "the last line")
    return report.as_json(d, verdicts, boots.Init(Path("init"), b"\x7fELF", "x86_64"), name, 1.5)


@test(0)
def tables_tell_what_was_seen():
    """The sums, JSON and the document of two runs; what was seen of a failure is there, and breaks no table."""
    one, two = run_of({"a": "pass", "b": "fail"}), run_of({"a": "pass", "b": "n/a"}, "two")
    same(one["sum"], {"pass": 1, "fail": 1, "n/a": 0, "error": 0}, "the sum")
    same([c["status"] for c in json.loads(json.dumps(two))["cases"]], ["pass", "n/a"], "JSON")
    text = report.document("# Head", [one, two])
    check("| `b`: It is so. | usual | **fail** | n/a |" in text, text)
    check("| `b` | 1 | x is \\|1\\|, not 2" in text, text)


@test(0)
def nothing_is_there_that_no_case_uses():
    """Each key of a scene, and each form of a line, has a case: what has none is not tried either."""
    d = data.load()
    plain = data.Scene("s", "g", "one")
    keys = [f.name for f in fields(data.Scene) if all(getattr(s, f.name) == getattr(plain, f.name) for s in d.scenes.values())]
    same(keys, [], "keys of scenes without a case")
    lines = {line for c in d.cases.values() for line in (*c.expect, *d.scenes[c.scene].needs)}
    used = {next(form for form, _ in expect.FORMS if re.fullmatch(form, line)) for line in lines}
    same([form for form, _ in expect.FORMS if form not in used], [], "forms of lines without a case")


def named_mistakes() -> set[str]:
    """NAME of the mistakes that the wrappers know, mutant.c."""
    text = "".join(path.read_text() for path in sorted(CONFORM.parent.glob("wrap_*.c")))
    return set(re.findall(r'\b(?:mutant_is|mutant_word|mutant_word_of|has_number|is_called)\((?:\*?\w+, )?\s*"([^"]+)"', text) +
               re.findall(r'^\t\{ "(start-[a-z-]+)", \w+ \},$', text, re.MULTILINE))


@test(0)
def each_mistake_is_made():
    """A mistake that a case names is one that the init with mistakes knows, and it knows none but these."""
    text = "".join(path.read_text() for path in sorted(CONFORM.parent.glob("wrap_*.c")))
    calls = set(re.findall(r'mutant_takes\(\s*"(\w+)"', text))
    names, made = named_mistakes(), {line for c in data.load().cases.values() for line in c.mutant}
    for line in made:
        kind, _, rest = line.partition(" ")
        good = rest.split(" ")[0] in calls if kind in ("skip", "fail", "flags") else any(f"{line} ".startswith(f"{n} ") for n in names)
        check(good, f"no wrapper knows the mistake '{line}'")
    same(sorted(n for n in names if not any(f"{line} ".startswith(f"{n} ") for line in made)), [], "mistakes that no case names")


def proof_of(mistake: str) -> proof.Proof:
    scene = data.Scene("s", "g", "one", needs=("k is v",))
    return proof.Proof(scene, (data.Case("c", "g", "s", "usual", "It is so.", "some place", ("a is 2",), (mistake,)),), ())


@test(0)
def a_proof_shows_what_its_case_asks_for():
    """A case that its mistake fails is one; one that passes is none, and none is one whose scene did not come to what is asked."""
    p = proof_of("skip x")
    same(p.faults(seen(facts={"k": ["v"], "a": ["1"]})), [], "with a case that fails")
    same(p.faults(seen(facts={"k": ["v"], "a": ["2"]})), ["c passes with: skip x"], "with a case that passes")
    check("no case can be judged: the application did not tell k" in p.faults(seen(facts={}))[0], "an application that was not started is a proof")


@test(0)
def no_mistake_hides_another():
    """A fact that can be wrong once only is what one mistake of a boot is about."""
    for p in proof.proofs(data.load()):
        for fact in {fact for c in p.wrong for fact in proof.facts(c)}:
            mutants = {c.mutant for c in p.wrong if fact in proof.facts(c)}
            same(len(mutants), 1, f"mistakes for which {fact} is wrong, in the boot {p.name}")


@test(0)
def a_slow_machine_proves_nothing():
    """A boot whose deadline came before, or just behind, its first word is one more with a longer deadline; a quick one that hangs is not."""
    good, early = {"k": ["v"], "a": ["1"]}, {"ended": "deadline", "seconds": 30.0}
    real = proof.boot, proof.machines.kernel
    try:
        proof.machines.kernel = lambda name: name
        for what, first, tries in (("ends", {"facts": good}, [1.0]), ("hangs", {"facts": good, "begun": 4.0, **early}, [1.0]),
                                   ("says nothing", {"facts": {}, "begun": 30.0, **early}, [1.0, 5.0]),
                                   ("says a word, late", {"facts": good, "begun": 29.0, **early}, [1.0, 5.0])):
            made = []

            def boot(*words: object, first: dict = first, made: list = made) -> Seen:
                made.append(words[-1])
                return seen(**first)

            proof.boot = boot
            proof_of("skip x").run(b"", patience=5.0)
            same(made, tries, f"the patience with a machine that {what}")
    finally:
        proof.boot, proof.machines.kernel = real


@test(0)
def a_machine_that_does_not_start_is_an_error_of_its_scene():
    """All else is tried; the code says that something is missing, and that nothing could be tried only if that is so."""
    scenes = {n: data.Scene(n, "g", "one") for n in "ab"}
    cases = {n: data.Case(n, "g", n, "usual", "It is so.", "some place", ("k is v",), ("skip x",)) for n in "ab"}
    d, kernel = data.Data(scenes, cases), Kernel("given", "x86_64", "", b"", modules={"nsm.ko": b""})

    def boot(scene: data.Scene, *_: object) -> Seen:
        if scene.name in broken:
            raise RuntimeError("QEMU: no room\nfor it")
        return seen(facts={"k": ["v"]})

    real, boots.boot = boots.boot, boot
    try:
        for broken, code, last in (("", 0, "2 passed, 0 failed, 0 not applicable"), ("b", 1, "1 passed, 0 failed, 0 not applicable, 1 not tried, for an error"),
                                   ("ab", 2, "0 passed, 0 failed, 0 not applicable, 2 not tried, for an error")):
            found = boots.run(d, list(cases.values()), boots.Init(Path("init"), b"", "x86_64"), kernel)
            lines = list(report.table(d, found))
            same((report.code(found), lines[-1]), (code, last), f"without the scenes {broken}")
            for name in broken:
                check(f"  error usual    {name}: the scene {name} was not tried: QEMU: no room; for it" in lines, "\n".join(lines))
    finally:
        boots.boot = real
    try:
        report.document("# Head", [run_of({"a": "pass", "b": "error"})])
    except ValueError:
        return
    check(False, "a run with errors is published")


# A program that does nothing until a signal ends it, and PID 1 has none that does: pause(2), again and again.
SLEEPER = struct.pack("<4s4B8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 2, 62, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0) + struct.pack(
    "<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 0x1000, 0x1000, 0x1000) + b"\xb8\x22\0\0\0\x0f\x05\xeb\xf7"


def children(pid: int) -> dict[int, str]:
    """The programs that PID has started, by their numbers."""
    found = {}
    with contextlib.suppress(OSError):
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in path.read_text().split():
                with contextlib.suppress(OSError):  # it has ended meanwhile
                    found[int(child)] = Path(f"/proc/{child}/comm").read_text().strip()
    return found


@test(4)
def a_signal_ends_the_boots_under_way():
    """Ctrl-C or SIGTERM does so at once, though they have hours; no emulator and no folder of it is left."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with tempfile.TemporaryDirectory(dir="/tmp") as folder:
            _end_by(number, Path(folder))
            # QEMU leaves a file eif-* if it ends while it reads the image.
            same(sorted(name for name in os.listdir(folder) if not name.startswith("eif-")), ["init", "logs"], f"what {number.name} leaves")


def _end_by(number: signal.Signals, folder: Path) -> None:
    (folder / "init").write_bytes(SLEEPER)
    # Whose tests run in the background has SIGINT ignored. One of the boots has not begun.
    words = ["env", "--default-signal=INT", CONFORM, folder / "init", "--case", "idle orphans", "--patience", "1000", "--consoles", folder / "logs", "-j1"]
    with subprocess.Popen([*map(str, words)], env=os.environ | {"TMPDIR": str(folder)}, stdout=subprocess.DEVNULL) as run:
        try:
            end = time.monotonic() + DEADLINE
            while not (found := [pid for pid, name in children(run.pid).items() if name.startswith("qemu")]):
                check(run.poll() is None, "it has ended before")
                check(time.monotonic() < end, "no emulator was started")
                time.sleep(0.02)
            run.send_signal(number)
            same(run.wait(DEADLINE), 128 + number, "the code")
        finally:
            run.kill()
    same([pid for pid in found if Path(f"/proc/{pid}").exists()], [], "emulators that are left")


@test(0)
def runs_at_a_time_have_folders_of_their_own():
    """Two runs do not write their logs to the same files; nor does one that names the folder of another."""
    with tempfile.TemporaryDirectory() as folder:
        usual = Path(folder) / "logs"
        same([report.log_folder(None, usual).name for _ in range(3)], ["logs", "logs.2", "logs.3"], "the folders")
        try:
            report.log_folder(Path(folder) / "logs.2", usual)
        except ValueError:
            return
        check(False, "a folder that another has is taken")


@test(1)
def wrong_words_are_named():
    """Nothing is tried without an init, with what is none, or with a case or kernel that is not there: code 2, and a reason."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "text").write_text("no program")
        init = TOP / "build/x86_64/init"
        for words, reason in (
                ([], "which init?"), (["/none/init"], "/none/init: No such file"), (["/bin/ls"], "not static: it needs /lib"), ([f"{folder}/text"], "neither an x86-64 nor an arm64"),
                ([init, "--case", "no_such_case"], "called no_such_case;"),
                ([init, "--case", "process no_such_case"], "called no_such_case;"), ([init, "--case", "orphans", "--json", folder], "Is a directory"),
                ([init, "--kernel", folder], "neither a bzImage nor an Image"),
                ([init, "--eif", f"{folder}/text"], "not an EIF file")):
            done = subprocess.run([CONFORM, *map(str, words)], text=True, capture_output=True, check=False)
            same(done.returncode, 2, f"the code with {words}")
            check(reason in done.stderr and "Traceback" not in done.stderr, f"with {words}: {done.stderr}")


@test(0)
def a_kernel_that_is_given_is_asked_what_it_can():
    """A scene of a special machine is not applicable on another kernel, all others are."""
    def kernel(arch: str, modules: dict[str, bytes], order: tuple[str, ...] | None = None) -> Kernel:
        return Kernel("given", arch, "", b"", modules=modules, order=order)

    kernels = (kernel("x86_64", {"nsm.ko": b""}), kernel("x86_64", {}), kernel("x86_64", {"nsm.ko": b""}, ("nsm.ko",)), kernel("aarch64", {}))
    for wanted, tried in ((("module",), (1, 1, 1, 1)), (("module", "aws"), (1, 1, 1, 1)), (("builtin",), (0, 1, 0, 1)), (("modular",), (0, 0, 1, 1)),
                          (("unified", "builtin"), (0, 1, 0, 1)), (("aws",), (0, 0, 0, 1))):
        scene = data.Scene("s", "g", "one", machines=wanted)
        for k, n in zip(kernels, tried, strict=True):
            found, why = boots.places_given(scene, k)
            same((len(found), bool(why)), (n, not n), f"{wanted} on {k.arch}, {k.sort}")


@test(1)
def the_list_has_all_cases():
    """conform --list names each case, what a user relies on, and what fails it."""
    listed = subprocess.run([CONFORM, "--list"], text=True, capture_output=True, check=True).stdout
    for c in data.load().cases.values():
        check(f"{c.group}/{c.name} ({c.kind}): {c.user}" in listed, f"no {c.name}")


@test(0)
def a_run_of_some_cases_updates_a_whole_one():
    """What was tried again replaces, the rest stays, cases that are gone go; another init is refused."""
    old, new = run_of({"a": "pass", "b": "fail", "gone": "fail"}), run_of({"b": "pass"})
    d = data.Data({}, {"a": None, "b": None})
    both = report.update(d, old, new)
    same({c["name"]: c["status"] for c in both["cases"]}, {"a": "pass", "b": "pass"}, "the cases")
    same(both["sum"], {"pass": 2, "fail": 0, "n/a": 0, "error": 0}, "the sum")
    try:
        report.update(d, {**old, "init": {"name": "x", "sha256": ""}}, new)
    except ValueError:
        return
    check(False, "another init's run is updated")


# --- what is published -------------------------------------------------------------

ROW = re.compile(r"^\| `([a-z0-9_]+)`: .* \| (?:contract|usual|safety) \| (.*) \|$", re.MULTILINE)
TRIED = re.compile(r"^\| (\d) \| (.*?) \| (x86_64|aarch64) \| .* \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)


@test(0)
def the_document_has_all_cases():
    """docs/conformance.md has a row for each case, in which ours does not fail, and whoever a case names as its proof does."""
    text, cases = (TOP / "docs/conformance.md").read_text(), data.load().cases
    inits = [(name, arch) for _, name, arch, *_ in TRIED.findall(text)]
    rows = {name: cells.replace("*", "").split(" | ") for name, cells in ROW.findall(text)}
    same(sorted(set(rows) ^ set(cases)), [], "cases that only one of both has: make conformance-doc")
    for name, cells in rows.items():
        same(len(cells), len(inits), f"the columns of {name}")
        for (init, arch), status in zip(inits, cells):
            known = ("aws" if arch == "aarch64" else "module") in OPEN.get(name, ())
            check(not init.startswith("enclave-init") or known or status in ("pass", "n/a"), f"{init} for {arch}: {name}: {status}")
    for case in cases.values():
        check(not case.proof or any(init.startswith(case.proof) and status == "fail" for (init, _), status in zip(inits, rows[case.name])),
              f"{case.name}: {case.proof} does not fail it")


@test(0)
def the_readme_has_the_documents_sums():
    """README.md says how many cases there are, and how many of them each init for x86-64 passes."""
    text, readme = (TOP / "docs/conformance.md").read_text(), (TOP / "README.md").read_text()
    wanted = [str(len(data.load().cases))]
    wanted += [passed for _, _, arch, passed, *_ in TRIED.findall(text) if arch == "x86_64"]
    line = re.search(r"\*\*Tried in public\.\*\*(.*?)\n- ", readme, re.DOTALL)
    same(re.findall(r"\b[0-9]+\b", line[1].replace("x86-64", "")) if line else [], wanted, "the numbers below 'Tried in public'")
