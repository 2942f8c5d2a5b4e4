"""
What is expected of a boot, a line each, and what was seen of it.

    KEY is TEXT                 the application told KEY once, and it is TEXT
    KEY is one of A | B         or one of these
    KEY are A | B               all that it told of KEY, in this order
    KEY matches REGEX           once, and REGEX is found in it
    KEY has REGEX               at least once, and REGEX is found in one of them
    KEY lacks REGEX             in none of them
    KEY all REGEX               at least once, and in each of them
    KEY differs                 at least twice, and no two are equal
    KEY equals KEY              both once, and they are equal
    KEY at least N, at most N   once, a whole number
    KEY told N times
    console says REGEX          in a line that is neither the kernel's nor a fact; "console never says"
    kernel says REGEX           in any line, the kernel's among them; "kernel never says"
    heartbeat                   the parent received 0xB7 once, and nothing else
    connections N               to the port of the heartbeat, whatever was sent
    no heartbeat                nowhere 0xB7
    ends                        the machine ended by itself, without a panic
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from machine import Result

FACT = re.compile(r"@([A-Za-z0-9_./-]+)=(.*)$")
KERNEL = re.compile(r"^(<\d+>)?\[ *\d+\.\d{6}\]")
SHOWN = 100  # characters of what was seen
LISTED = 6  # values, the last ones


class ExpectError(Exception):
    """A line that says nothing that can be judged."""


@dataclass
class Seen:
    """What came of the boots of a scene on one machine."""
    facts: dict[str, list[str]] = field(default_factory=dict)
    console: list[str] = field(default_factory=list)  # but for the kernel's lines and facts
    lines: list[str] = field(default_factory=list)  # all
    received: list[str] = field(default_factory=list)  # by the parent, in hexadecimal
    connections: int = 0  # to the port of the heartbeat
    ended: str = ""  # "restarted" or "deadline"; of several boots the worst
    panicked: bool = False
    results: list[Result] = field(default_factory=list)  # for the tests of tests/boot that look at these boots
    begun: float = 0.0  # when the init or the application said its first word, of several boots in the slowest
    seconds: float = 0.0

    def take(self, result: Result) -> None:
        """Adds one boot."""
        self.results.append(result)
        begun = next((at for at, line in result.console if line and not KERNEL.match(line)), result.seconds)
        self.begun = max(self.begun, begun)
        for _, line in result.console:
            self.lines.append(line)
            if found := FACT.search(line):
                self.facts.setdefault(found[1], []).append(found[2])
            elif line and not KERNEL.match(line):
                self.console.append(line)
        self.received += result.received
        self.connections += sum(e["event"] == "connected" for e in result.parent)
        self.panicked = self.panicked or result.panicked
        if not self.ended or result.ended != "restarted":
            self.ended = result.ended
        self.seconds += result.seconds

    def write(self, path: Path) -> None:
        path.write_text("\n".join([*self.lines, f"parent: received {' '.join(self.received) or 'nothing'} in {self.connections} connections",
                                   f"machine: {self.ended} after {self.seconds:.1f} s", ""]))

    @property
    def last(self) -> str:
        """The last words, for who asks why nothing else is there."""
        said = [line.strip() for line in self.console if line.strip()][-1:]
        panic = [KERNEL.sub("", line).strip() for line in self.lines if "Kernel panic" in line][:1]
        failed = [f"failed: {what}" for what in self.facts.get("failed", [])[-1:]]  # each of tests/apps tells that
        return "; ".join(words[:SHOWN] for words in (*said, *panic, *failed)) or "nothing on the console"


Judge = Callable[[Seen], str]


def _show(value: str) -> str:
    return repr(value if len(value) <= SHOWN else value[:SHOWN] + "...")


def _listed(values: list[str]) -> str:
    """What was told, the last words if it is much: what nobody expected often comes at the end."""
    shown = values[-LISTED:]
    return ", ".join([*(["..."] if len(values) > len(shown) else []), *map(_show, shown)])


def _once(seen: Seen, key: str) -> tuple[str, str]:
    """The value of KEY, and why it has none."""
    values = seen.facts.get(key, [])
    if len(values) == 1:
        return values[0], ""
    if not values:
        return "", f"the application did not tell {key}; last: {seen.last}"
    return "", f"{key}: told {len(values)} times: {_listed(values)}"


def _regex(text: str) -> re.Pattern:
    try:
        return re.compile(text)
    except re.error as e:
        raise ExpectError(f"{text}: {e}") from None


def _value(key: str, good: Callable[[str], bool], wanted: str) -> Judge:
    def judge(seen: Seen) -> str:
        value, why = _once(seen, key)
        return why or ("" if good(value) else f"{key}: {_show(value)}, not {wanted}")
    return judge


def _is(key: str, text: str) -> Judge:
    return _value(key, lambda v: v == text, _show(text))


def _one_of(key: str, text: str) -> Judge:
    texts = [t.strip() for t in text.split("|")]
    return _value(key, lambda v: v in texts, " or ".join(map(_show, texts)))


def _matches(key: str, text: str) -> Judge:
    regex = _regex(text)
    return _value(key, lambda v: bool(regex.search(v)), f"like `{text}`")


def _number(word: str) -> int:
    try:
        return int(word, 10)
    except ValueError:
        raise ExpectError(f"{word}: not a whole number") from None


def _at(key: str, text: str, least: bool) -> Judge:
    number = _number(text)

    def good(value: str) -> bool:
        return bool(re.fullmatch("-?[0-9]+", value)) and (int(value) >= number if least else int(value) <= number)
    return _value(key, good, f"{'at least' if least else 'at most'} {number}")


def _are(key: str, text: str) -> Judge:
    wanted = [t.strip() for t in text.split("|")]

    def judge(seen: Seen) -> str:
        got = seen.facts.get(key, [])
        if not got:
            return _once(seen, key)[1]
        return "" if got == wanted else f"{key}: {_show(' | '.join(got))}, not {_show(' | '.join(wanted))}"
    return judge


def _values(key: str, text: str, how: str) -> Judge:
    regex = _regex(text)

    def judge(seen: Seen) -> str:
        values = seen.facts.get(key, [])
        found = [v for v in values if regex.search(v)]
        if how == "lacks":
            return f"{key}: {_show(found[0])}, but none should be like `{text}`" if found else ""
        if not values:
            return _once(seen, key)[1]
        if how == "has":
            return "" if found else f"{key}: none of {len(values)} is like `{text}`, the last is {_show(values[-1])}"
        bad = [v for v in values if v not in found]
        return f"{key}: {_show(bad[0])}, not like `{text}`" if bad else ""
    return judge


def _differs(key: str) -> Judge:
    def judge(seen: Seen) -> str:
        values = seen.facts.get(key, [])
        if len(values) < 2:
            return f"{key}: told {len(values)} times, not twice or more; last: {seen.last}"
        return "" if len(set(values)) == len(values) else f"{key}: {_show(values[0])} more than once"
    return judge


def _equals(a: str, b: str) -> Judge:
    def judge(seen: Seen) -> str:
        (x, why), (y, why_not) = _once(seen, a), _once(seen, b)
        return why or why_not or ("" if x == y else f"{a}: {_show(x)}, but {b}: {_show(y)}")
    return judge


def _told(key: str, text: str) -> Judge:
    number = _number(text)

    def judge(seen: Seen) -> str:
        values = seen.facts.get(key, [])
        if len(values) == number:
            return ""
        if not number:
            return f"the application told {key}, which it should not: {_listed(values)}"
        return f"{key}: told {len(values)} times, not {number}" + (f": {_listed(values)}" if values else f"; last: {seen.last}")
    return judge


def _says(who: str, text: str, never: bool) -> Judge:
    regex = _regex(text)

    def judge(seen: Seen) -> str:
        lines = seen.console if who == "console" else seen.lines
        found = next((line for line in lines if regex.search(line)), None)
        if never:
            return "" if found is None else f"the {who} says {_show(found.strip())}"
        return "" if found is not None else f"the {who} has no line like `{text}`; last: {seen.last}"
    return judge


def _received(seen: Seen) -> str:
    return "the parent received " + (" ".join(seen.received) if seen.received else f"nothing; last: {seen.last}")


def _heartbeat(seen: Seen) -> str:
    return "" if "".join(seen.received) == "b7" else _received(seen)


def _connections(number: int) -> Judge:
    return lambda seen: "" if seen.connections == number else f"{seen.connections} connections to the parent; last: {seen.last}"


def _no_heartbeat(seen: Seen) -> str:
    return _received(seen) if "b7" in "".join(seen.received) else ""


def _ends(seen: Seen) -> str:
    if seen.panicked:
        return f"the kernel panicked: {seen.last}"
    return "" if seen.ended == "restarted" else f"the machine did not end within {seen.seconds:.0f} s; last: {seen.last}"


KEY = r"([A-Za-z0-9_./-]+)"
FORMS: list[tuple[str, Callable[..., Judge]]] = [
    ("heartbeat", lambda: _heartbeat),
    (r"connections (\d+)", lambda n: _connections(int(n))),
    ("no heartbeat", lambda: _no_heartbeat),
    ("ends", lambda: _ends),
    ("(console|kernel) says (.+)", lambda who, text: _says(who, text, False)),
    ("(console|kernel) never says (.+)", lambda who, text: _says(who, text, True)),
    (KEY + " is one of (.+)", _one_of),
    (KEY + " is ?(.*)", _is),
    (KEY + " are (.+)", _are),
    (KEY + " matches (.+)", _matches),
    (KEY + " (has|lacks|all) (.+)", lambda key, how, text: _values(key, text, how)),
    (KEY + " differs", _differs),
    (KEY + " equals " + KEY, _equals),
    (KEY + " at least (.+)", lambda key, n: _at(key, n, True)),
    (KEY + " at most (.+)", lambda key, n: _at(key, n, False)),
    (KEY + r" told (\d+) times?", _told),
]


def parse(line: str) -> Judge:
    for form, make in FORMS:
        if found := re.fullmatch(form, line):
            return make(*found.groups())
    raise ExpectError(f"'{line}' cannot be judged")


def judge(line: str, seen: Seen) -> str:
    """What was seen that LINE does not allow, or nothing."""
    return parse(line)(seen)
