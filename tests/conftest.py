"""
pytest's side of the suites: which functions are tests (@test of suite.py), in which order workers take them, which of them
run, and what a result is. results.py prints them.
"""

import fcntl
import os
import resource
import signal
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import suite
from results import Results, is_named

HERE = Path(__file__).resolve().parent
STRICT = os.environ.get("STRICT") == "1"


# --- which tests there are -----------------------------------------------------

def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--name", action="append", default=[], dest="chosen", metavar="NAME",
                     help="run tests of that name: a test's, with its group or without, or a group's")
    parser.addoption("--if-any", action="store_true", help="a NAME that no test has is no failure")


class Tests(pytest.Module):
    """A file GROUP_SUITE.py."""

    def collect(self) -> Iterator[pytest.Item]:
        module = self.obj.__name__
        for t in suite.TESTS:
            if t.run.__module__ == module:
                item = pytest.Function.from_parent(self, name=t.run.__name__, callobj=t.run)
                item.seconds, item.alone = t.seconds, t.alone
                yield item


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> Tests:
    return Tests.from_parent(parent, path=module_path)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """
    The longest of each suite go first, and the suites go side by side, so that those that wait, those that boot and those
    that compute share the processors from the first test to the last. At the end come those that run alone.
    """
    wanted = [i for i in items if is_named(i.nodeid, config.option.chosen)]
    total, before = Counter(), Counter()
    for i in wanted:
        total[i.path.parent] += i.seconds
    for i in sorted(wanted, key=lambda i: -i.seconds):
        i.at = before[i.path.parent] / max(total[i.path.parent], 1)
        before[i.path.parent] += i.seconds
    items[:] = sorted(wanted, key=lambda i: (i.alone, i.at))


# --- running them ----------------------------------------------------------------

@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two for each processor, since tests wait; none where so few tests are named that a worker's start costs more."""
    names = {n.rpartition("/")[2] for n in config.option.chosen}
    groups = {part for path in HERE.glob("*/*_*.py") for part in (path.parent.name, path.stem.rpartition("_")[0])}
    if config.option.collectonly or (names and len(names) < 3 and not names & groups):
        return 0
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    from xdist.scheduler import LoadScheduling

    class OneAtATime(LoadScheduling):
        """A worker gets a test when it begins its last one: xdist's own portions would give one all the longest."""

        def schedule(self) -> None:
            if self.collection is None and self._check_nodes_have_same_collection():
                self.collection = next(iter(self.node2collection.values()))
                self.pending[:] = range(len(self.collection))
                for _ in range(2):
                    for node in self.nodes:
                        self._send_tests(node, 1)
            for node in self.nodes:
                self.check_schedule(node)

        def check_schedule(self, node: object, duration: float = 0) -> None:
            if node.shutting_down:
                return
            self._send_tests(node, 2 - len(self.node2pending[node]))
            if not self.pending:
                node.shutdown()

    return OneAtATime(config, log)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    # Ignored by what a shell without job control starts in the background, and then by all that is tested.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    suite.run_directory()
    if not hasattr(config, "workerinput"):
        Results.replace(config)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    with suite.lock("alone", fcntl.LOCK_EX if item.alone else fcntl.LOCK_SH):
        yield


def processor_seconds() -> float:
    """What this worker and the processes that it has waited for have used of a processor."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    before = processor_seconds()
    yield
    item.cpu = processor_seconds() - before


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """REASON is why it failed or was skipped, STORY what a failing test saw: the notes of the exception."""
    report = (yield).get_result()
    report.reason = report.story = ""
    report.cpu = getattr(item, "cpu", 0.0)
    if not call.excinfo:
        return
    error = call.excinfo.value
    if isinstance(error, (suite.Skip, pytest.skip.Exception)):
        report.outcome, report.reason = ("failed", f"{error} (skipped)") if STRICT else ("skipped", str(error))
        report.longrepr = report.reason if STRICT else (str(item.path), 0, report.reason)
    elif isinstance(error, suite.Failure):
        report.reason, report.story = str(error), "\n".join(getattr(error, "__notes__", []))
    else:
        report.reason = f"a fault of the test: {traceback.format_exception_only(error)[0].strip()}"
        report.story = "".join(traceback.format_exception(error))
