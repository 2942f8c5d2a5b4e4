"""What is printed of a run: a table, JSON, and the document of several inits."""

import fcntl
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from . import machines
from .boots import Init, Verdict
from .data import KINDS, Data

STATUS = {"pass": "passed", "fail": "failed", "n/a": "not applicable", "error": "not tried, for an error"}


def status(verdicts: Iterable[Verdict]) -> str:
    """Of one case, over all machines."""
    found = {v.status for v in verdicts}
    return next((s for s in ("fail", "error", "pass") if s in found), "n/a")


def code(verdicts: Iterable[Verdict]) -> int:
    """What to exit with: 1 for a case that failed, or that could not be tried, 2 if none could."""
    found = {v.status for v in verdicts}
    return 2 if found <= {"n/a", "error"} else 1 if found & {"fail", "error"} else 0


def by_case(verdicts: list[Verdict]) -> dict[str, list[Verdict]]:
    found: dict[str, list[Verdict]] = {}
    for v in verdicts:
        found.setdefault(v.case.name, []).append(v)
    return found


def sums(statuses: Iterable[str]) -> dict[str, int]:
    statuses = list(statuses)
    return {s: statuses.count(s) for s in STATUS}


def sum_line(statuses: Iterable[str]) -> str:
    """For people; errors are seldom, and only told of if there are any."""
    return ", ".join(f"{n} {STATUS[s]}" for s, n in sums(statuses).items() if n or s != "error")


def seen(verdicts: list[Verdict]) -> str:
    """Why a case fails or is not applicable; the machine is named where there are several."""
    reasons: dict[str, list[str]] = {}
    for v in verdicts:
        if v.seen:
            reasons.setdefault(v.seen, []).append(v.machine)
    if len(verdicts) < 2:
        return "".join(reasons)
    return "; ".join(f"{reason} ({', '.join(names)})" for reason, names in reasons.items())


def log_folder(asked: Path | None, usual: Path) -> Path:
    """
    Where what was seen of each boot is written to: what the user has ASKED for, or USUAL, or "USUAL.2" and so on. No other run
    has it as long as this program lives.
    """
    for path in (asked,) if asked else (usual, *(usual.with_name(f"{usual.name}.{n}") for n in range(2, 100))):
        path.mkdir(parents=True, exist_ok=True)
        held = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            continue
        return path
    raise ValueError(f"{asked or usual}: another run writes its logs there")


def shown(path: Path) -> Path:
    """PATH, from where the user is if it is below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def table(data: Data, verdicts: list[Verdict], consoles: Path | None = None) -> Iterable[str]:
    """The lines for people, and the sums: what a failed case asks for is below it, and the log in CONSOLES."""
    found = by_case(verdicts)
    group = ""
    for name, case in data.cases.items():
        if name not in found:
            continue
        if case.group != group:
            group = case.group
            yield f"{group}:"
        why = seen(found[name])
        yield f"  {status(found[name]):4} {case.kind:8} {name}{': ' if why else ''}{why}"
        logs = [f"{case.scene}.{v.machine}.log" for v in found[name] if v.status == "fail" and v.machine]
        if logs:
            yield f"                {case.user} [{', '.join(logs)}]"
    yield ""
    if consoles and any(v.status == "fail" for v in verdicts):
        yield f"The logs, all that was seen of a boot, are in {shown(consoles)}; `conform --list --case NAME` says where a case comes from."
        yield ""
    for kind in KINDS:
        of_kind = [status(v) for n, v in found.items() if data.cases[n].kind == kind]
        if of_kind:
            yield f"{kind}: {sum_line(of_kind)}"
    yield sum_line(status(v) for v in found.values())


def as_json(data: Data, verdicts: list[Verdict], init: Init, name: str, seconds: float) -> dict:
    found = by_case(verdicts)
    used = sorted({v.machine for v in verdicts if v.machine})
    return {
        "init": {"name": name, "file": init.path.name, "architecture": init.arch, "bytes": len(init.data), "sha256": init.sha256},
        "date": datetime.now(UTC).strftime("%Y-%m-%d"), "seconds": round(seconds),
        "machines": {m: machines.SAYS.get(m, "the kernel given") for m in used},
        "sum": sums(status(v) for v in found.values()),
        "cases": [{
            "name": n, "group": data.cases[n].group, "kind": data.cases[n].kind, "user": data.cases[n].user,
            "source": data.cases[n].source, "status": status(v), "seen": seen(v),
            "machines": {x.machine: x.status for x in v if x.machine},
            "proven_by": "; ".join(data.cases[n].mutant) or data.cases[n].proof,
        } for n, v in found.items()],
    }


def update(data: Data, old: dict, new: dict) -> dict:
    """NEW with what OLD, a run of the same init, has of cases that are still there and were not tried again."""
    if old["init"]["sha256"] != new["init"]["sha256"]:
        raise ValueError(f"{old['init']['name']} was another init")
    found = {c["name"]: c for c in (*old["cases"], *new["cases"])}
    cases = [found[n] for n in data.cases if n in found]
    return new | {"cases": cases, "machines": old["machines"] | new["machines"], "sum": sums(c["status"] for c in cases)}


# --- the document of several inits -----------------------------------------------

def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def document(head: str, runs: list[dict]) -> str:
    """docs/conformance.md: HEAD, and a table of what RUNS, read from JSON, have; nothing is published of a run with errors."""
    for r in runs:
        if wrong := [c["seen"] for c in r["cases"] if c["status"] == "error"]:
            raise ValueError(f"{r['init']['name']}: {wrong[0]}")
    out = [head.rstrip(), "", "## Who was tried", "", "| | init | for | bytes | SHA-256 | tried on | passed | failed | not applicable |",
           "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for n, r in enumerate(runs, 1):
        i = r["init"]
        out.append(f"| {n} | {i['name']} | {i['architecture']} | {i['bytes']:,} | `{i['sha256'][:16]}` | {r['date']} | "
                   f"{r['sum']['pass']} | {r['sum']['fail']} | {r['sum']['n/a']} |")
    out += ["", "Of each kind, what passed and what failed:", "", "| kind | " + " | ".join(str(n) for n in range(1, len(runs) + 1)) + " |",
            "| --- |" + " --- |" * len(runs)]
    for kind in KINDS:
        of_kind = [sums(c["status"] for c in r["cases"] if c["kind"] == kind) for r in runs]
        out.append(f"| {kind} | " + " | ".join(f"{s['pass']}, {s['fail']}" for s in of_kind) + " |")
    used = {m: says for r in runs for m, says in r["machines"].items()}
    out += ["", "The machines:", "", *(f"- `{m}`: {says}" for m, says in used.items())]
    groups: dict[str, list[dict]] = {}
    for c in {c["name"]: c for r in runs for c in r["cases"]}.values():
        groups.setdefault(c["group"], []).append(c)
    by_run = [{c["name"]: c for c in r["cases"]} for r in runs]
    for group, cases in groups.items():
        out += ["", f"## {group.capitalize()}", "", "| case | kind | " + " | ".join(str(n) for n in range(1, len(runs) + 1)) + " |",
                "| --- | --- |" + " --- |" * len(runs)]
        notes = []
        for c in cases:
            states = [r.get(c["name"], {"status": "n/a"})["status"] for r in by_run]
            out.append(f"| `{c['name']}`: {_cell(c['user'])} | {c['kind']} | " + " | ".join(
                f"**{s}**" if s == "fail" else s for s in states) + " |")
            why: dict[str, list[str]] = {}
            for n, r in enumerate(by_run, 1):
                if (found := r.get(c["name"])) and found["status"] == "fail":
                    why.setdefault(found["seen"], []).append(str(n))
            notes += [f"| `{c['name']}` | {', '.join(who)} | {_cell(reason)} |" for reason, who in why.items()]
        if notes:
            out += ["", "What was seen:", "", "| case | init | seen |", "| --- | --- | --- |", *notes]
    return "\n".join(out) + "\n"


def read(path: Path) -> dict:
    return json.loads(path.read_text())
