"""
Reports and status, read by Python's json: whatever bytes a name or reason has, the line means what was
written, but for what its limit cuts off.
"""

import codecs
import json
import random
import subprocess

from .lib import TOP, check, same, test

PROGRAM = TOP / "build/host/interop/record"
MAX, FULL_MAX = 1000, 16384
KEYS = ["status", "ready", "code", "signal", "name", "error", "step", "service", "oom", "uptime_ms", "restarts",
        "boot", "report", "log_bytes", "lost_bytes"]

# One character for each byte that is no UTF-8.
codecs.register_error("each", lambda e: ("\ufffd", e.start + 1))


def text(data: bytes) -> str:
    return data.split(b"\0")[0].decode("utf-8", "each")


def word(value: object) -> str:
    return (value.hex() or "-") if isinstance(value, bytes) else str(int(value))


def some_bytes(rng: random.Random, most: int) -> bytes:
    kind = rng.randrange(5)
    if kind == 0:
        return b""
    if kind == 1:
        return rng.randbytes(rng.randint(1, most))
    if kind == 2:
        return bytes(rng.choices(b'"\\/ab\n\t\x7f\xff\xc3\xbc', k=rng.randint(1, most)))
    if kind == 3:
        return "".join(chr(rng.choice([rng.randrange(1, 0xd800), rng.randrange(0xe000, 0x110000)]))
                       for _ in range(most // 4)).encode()
    return b"a plain reason"[:most]


def record(rng: random.Random) -> dict:
    n64 = [0, 1, 12345, 2**53, 2**63 - 1]
    return {
        "status": rng.randrange(4), "code": rng.choice([0, 3, 255, -1, -2**31]),
        "signal": rng.choice([9, 64, 0]), "name": some_bytes(rng, 16), "error": some_bytes(rng, 512),
        "step": rng.choice([0, 3, 2**32 - 1]), "service": some_bytes(rng, 32),
        "ready": rng.random() < .5, "oom": rng.random() < .5, "uptime_ms": rng.choice(n64), "restarts": rng.choice([0, 2**32 - 1]),
        "boot": rng.choice([b"", rng.randbytes(4).hex().encode()]),
        "says_report": rng.random() < .5, "report": rng.random() < .5,
        "has_log": rng.random() < .5, "log_bytes": rng.choice(n64), "lost_bytes": rng.choice(n64)}


def expected(r: dict) -> dict:
    """What the line means, the error whole."""
    wanted = {"status": ["running", "exited", "signaled", "fatal"][r["status"]]}
    if r["status"] == 0:
        wanted["ready"] = r["ready"]
    if r["status"] == 1:
        wanted["code"] = r["code"]
    if r["status"] == 2:
        wanted |= {"signal": r["signal"], "name": text(r["name"])}
    if r["status"] == 3:
        wanted["error"] = text(r["error"])
        if r["step"]:
            wanted["step"] = r["step"]
    if text(r["service"]):
        wanted["service"] = text(r["service"])
    if r["status"] in (1, 2):
        wanted["oom"] = r["oom"]
    wanted |= {"uptime_ms": r["uptime_ms"], "restarts": r["restarts"]}
    if r["boot"]:
        wanted["boot"] = text(r["boot"])
    if r["says_report"]:
        wanted["report"] = r["report"]
    if r["has_log"]:
        wanted |= {"log_bytes": r["log_bytes"], "lost_bytes": r["lost_bytes"]}
    return wanted


def lines(jobs: list[list[object]]) -> list[bytes]:
    stdin = "".join(" ".join(map(word, job)) + "\n" for job in jobs)
    done = subprocess.run([PROGRAM], input=stdin.encode(), stdout=subprocess.PIPE, check=True)
    said = done.stdout.splitlines(keepends=True)
    same(len(said), len(jobs), "lines")
    return said


def read(line: bytes, most: int) -> dict:
    check(line.isascii() and line.endswith(b"\n") and len(line) <= most,
          f"not a line of {most} bytes: {line!r}")
    return json.loads(line)


def compare(got: dict, r: dict) -> None:
    wanted = expected(r)
    same(list(got), list(wanted), "keys")
    check([k for k in KEYS if k in got] == list(got), f"keys in another order: {list(got)}")
    if "error" in wanted:
        whole, cut = wanted.pop("error"), got.pop("error")
        check(whole.startswith(cut), f"{cut!r} does not begin {whole!r}")
        if len(json.dumps(whole)) < 480:
            same(cut, whole, "error")
    same(got, wanted, "record")


@test
def a_report_means_what_was_written():
    """A line of JSON in ASCII has the values of the record in their order, an error cut at its end."""
    rng = random.Random(1)
    records = [record(rng) for _ in range(3000)]
    for line, r in zip(lines([[MAX, *r.values()] for r in records]), records):
        compare(read(line, MAX), r)


@test
def a_full_status_leaves_out_texts_and_then_services():
    """A line that would be too long loses texts from the last service on, then services, and says how many."""
    rng = random.Random(2)
    jobs, wanted = [], []
    for _ in range(1500):
        r = record(rng)
        services = [{"name": some_bytes(rng, 32), "state": some_bytes(rng, 16),
                     "restarts": rng.randrange(2**32), "pid": rng.choice([-1, 0, 12]),
                     "text": some_bytes(rng, 128)} for _ in range(rng.randrange(17))]
        cap = rng.choice([MAX + 100, 3000, FULL_MAX, 50000])
        values = [v for s in services for v in s.values()]
        jobs.append([cap, *r.values(), len(services), *values])
        wanted.append((cap, r, services))
    for line, (cap, r, services) in zip(lines(jobs), wanted):
        got = read(line, min(cap, FULL_MAX))
        found, omitted = got.pop("services"), got.pop("omitted", 0)
        compare(got, r)
        same(len(found) + omitted, len(services), "services")
        has_texts = True
        for g, s in zip(found, services):
            if has_texts and text(s["text"]) and "text" not in g:
                has_texts = False
            has_text = has_texts and text(s["text"]) != ""
            keys = ["name", "state", "restarts"] + ["pid"] * (s["pid"] > 0) + ["text"] * has_text
            same(list(g), keys, "keys of a service")
            same(g, {k: text(s[k]) if isinstance(s[k], bytes) else s[k] for k in keys}, "service")
        check(not omitted or not any("text" in g for g in found), "a text, but not all services")
