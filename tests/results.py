"""
What pytest prints of the suites: a line "ok SUITE/NAME", "not ok SUITE/NAME: reason" or "skip SUITE/NAME: reason" for each
test, what a failing one saw, and a failure for whatever should have run and did not.
"""

import sys
from pathlib import Path

import pytest

import suite

HERE = Path(__file__).resolve().parent
LOGS = suite.TOP / "build/tests"
TAIL = 30  # lines shown of what a failing test saw
GROUPED = {"interop"}  # suites whose tests are shown with their group


def full_name(nodeid: str) -> str:
    """SUITE/GROUP/TEST, of SUITE/GROUP_SUITE.py::TEST; without a test that of the file, or of the suite."""
    path, _, name = nodeid.removeprefix("tests/").partition("::")
    parts = path.split("/")
    if len(parts) == 2:
        parts[1] = parts[1].removesuffix(f"_{parts[0]}.py")
    return "/".join([*parts, *([name] if name else [])])


def shown_name(nodeid: str) -> str:
    name, group, test = (*full_name(nodeid).split("/"), "", "")[:3]
    return "/".join(p for p in (name, group if name in GROUPED or not test else "", test) if p)


def is_named(nodeid: str, names: list[str]) -> bool:
    """Whether one of NAMES is a part between slashes of its name, with its group or without."""
    full = full_name(nodeid)
    name, _, test = full.split("/")
    return not names or any(f"/{n}/" in f"/{f}/" for n in names for f in (full, f"{name}/{test}"))


class Results:
    """In place of pytest's own report. Each suite's lines are in build/tests/SUITE.log, too, and what each test took in pytest.times
    and, of a processor, in pytest.cpu."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.announced: list[str] = []
        self.seen: set[str] = set()  # with a result
        self.took: dict[str, float] = {}
        self.cpu: dict[str, float] = {}  # seconds of a processor
        self.failed = 0
        self.files: dict[str, object] = {}
        LOGS.mkdir(parents=True, exist_ok=True)
        self.times, self.cpu_times = ((LOGS / f"pytest.{what}").open("w") for what in ("times", "cpu"))

    @staticmethod
    def replace(config: pytest.Config) -> None:
        """Registers one instead of the reporters of pytest and of xdist."""
        for name in ("terminalreporter", "terminaldistreporter"):
            if config.pluginmanager.has_plugin(name):
                config.pluginmanager.unregister(name=name)
        if workers := config.pluginmanager.get_plugin("dsession"):
            workers.terminal = None
        config.pluginmanager.register(Results(config), "results")

    def line(self, name: str, text: str) -> None:
        suite_ = name.partition("/")[0]
        if suite_ not in self.files:
            self.files[suite_] = (LOGS / f"{suite_}.log").open("w")
        for f in (sys.stdout, self.files[suite_]):
            print(text, file=f, flush=True)

    def result(self, nodeid: str, state: str, reason: str = "", story: str = "", more: str = "") -> None:
        name = shown_name(nodeid)
        seconds = self.took.get(nodeid, 0)
        self.failed += state == "not ok"
        first, *rest = reason.splitlines() or [""]
        took = f" # {seconds:.1f} s, {self.cpu.get(nodeid, 0):.1f} of a processor" if self.config.option.verbose > 0 else ""
        self.line(name, f"{state} {name}{': ' if first else ''}{first}{took}")
        path, _, test = name.partition("/")
        log = suite.TOP / "build" / path / f"{test.replace('/', '-')}.log"
        if test:
            log.unlink(missing_ok=True)
            if nodeid not in self.seen:
                print(f"{seconds:.2f} {name}", file=self.times, flush=True)
                print(f"{self.cpu.get(nodeid, 0):.2f} {name}", file=self.cpu_times, flush=True)
        if story and test:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(story + "\n")
            rest += [*story.splitlines()[-TAIL:], f"all of it: {log.relative_to(suite.TOP)}"]
        for line in rest:
            self.line(name, f"#   {line}")
        for line in more.splitlines():
            if line.startswith("# "):
                self.line(name, line)
        self.seen.add(nodeid)

    # --- pytest's hooks ---

    def announce(self, ids: list[str]) -> None:
        if ids and not self.announced:
            self.announced = [*ids]
            print(f"1..{len(ids)}", flush=True)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: list[str]) -> None:
        self.announce(ids)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if self.config.option.collectonly:
            for item in session.items:
                print(f"{shown_name(item.nodeid)}: {' '.join((item.obj.__doc__ or '').split())}")
        elif session.items:
            self.announce([i.nodeid for i in session.items])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.result(report.nodeid, "not ok", "cannot be read: " + str(report.longrepr).strip().splitlines()[-1],
                        more="\n".join(f"#   {line}" for line in str(report.longrepr).splitlines()))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.cpu[report.nodeid] = max(self.cpu.get(report.nodeid, 0), getattr(report, "cpu", 0))
        self.took[report.nodeid] = self.took.get(report.nodeid, 0) + getattr(report, "duration", 0)
        if report.failed:
            reason = getattr(report, "reason", str(report.longrepr))
            at = f"{report.when}: " if report.when == "teardown" else ""
            self.result(report.nodeid, "not ok", at + reason, getattr(report, "story", ""), report.capstdout)
        elif report.skipped:
            self.result(report.nodeid, "skip", report.reason, more=report.capstdout)
        elif report.when == "call":
            self.result(report.nodeid, "ok", more=report.capstdout)

    def pytest_internalerror(self, excrepr: object) -> None:
        self.failed += 1
        print(f"not ok pytest: an internal error\n{excrepr}", flush=True)

    def pytest_keyboard_interrupt(self, excinfo: object) -> None:
        print(f"# interrupted: {excinfo.value!r}", flush=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A suite without tests, a name that no test has, and a test without a result are failures."""
        if self.config.option.collectonly or self.config.option.help:
            return
        ids, names = self.announced, self.config.option.chosen
        for nodeid in ids:
            if nodeid not in self.seen:
                self.result(nodeid, "not ok", "no result")
        if not names and not self.config.option.keyword:
            for path in {Path(a.partition("::")[0]) for a in self.config.args}:
                path = (self.config.invocation_params.dir / path).resolve().relative_to(HERE)
                if path.parts and not any(i.startswith(f"{path}") for i in self.seen):
                    self.result(str(path), "not ok", "ran nothing")
        for name in names if not self.config.option.if_any else []:
            if not any(is_named(i, [name]) for i in ids):
                self.failed += 1
                print(f"not ok {name}: no such test", flush=True)
        if names and self.config.option.if_any and not self.seen:
            print("1..0", flush=True)
        if self.announced and len(self.seen) > len(ids):
            print(f"1..{len(self.seen)}", flush=True)  # with what stands for tests that could not run
        session.exitstatus = 1 if self.failed else 0
