"""
What programs that pass connections on cost: `make bench T=relay` runs this here, over TCP and AF_UNIX, and in a guest that is its
own parent, over TCP and vsock. The loads are those of bench_relay. Nothing here passes or fails.
"""

import os
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

LOADS = {  # by their names in the table: the words of bench_relay, AT being the entry, and the figures that are taken
    "1 stream": ("stream AT 1 16384 LONG", "mbs"),
    "8 streams": ("stream AT 8 16384 LONG", "mbs"),
    "64 B": ("turns AT 64 MS", "p50 p99"),
    "1 KiB": ("turns AT 1024 MS", "p50 p99"),
    "16 KiB": ("turns AT 16384 MS", "p50 p99"),
    "connections": ("connect AT 4 MS", "a-second"),
}

@dataclass
class Program:
    """How one is started: its words for what it listens at and its target, and what it is not tried with."""
    name: str
    words: list[str]
    lacks: tuple[str, ...] = ()

    def command(self, entry: str, target: str) -> list[str]:
        if self.words[0].endswith("socat"):
            return [*self.words[:-1], *socat(entry, target, self.words[-1] == "fork")]
        if self.words[0].endswith("vsock-proxy"):
            return [*self.words, entry.rpartition(":")[2], "127.0.0.1", target.rpartition(":")[2]]
        if "forward" in self.words:
            entry, target = (a.replace("tcp:", "tcp:127.0.0.1:") for a in (entry, target))
        return [*self.words, listening(entry), target]

def listening(address: str) -> str:
    """What is dialled, as what is listened at: without a CID."""
    return re.sub("^vsock:[0-9]+:", "vsock:", address)

def socat(entry: str, target: str, forks: bool) -> list[str]:
    def word(address: str, listens: bool) -> str:
        kind, _, rest = address.partition(":")
        last = rest.rpartition(":")[2]
        more = ",fork" if forks and listens else ""
        if listens:
            return {"tcp": f"TCP-LISTEN:{last},bind=127.0.0.1,reuseaddr,nodelay,backlog=4096{more}", "unix": f"UNIX-LISTEN:{rest}{more}",
                    "vsock": f"VSOCK-LISTEN:{last}{more}"}[kind]
        return {"tcp": f"TCP:127.0.0.1:{last},nodelay", "unix": f"UNIX-CONNECT:{rest}", "vsock": f"VSOCK-CONNECT:{rest}"}[kind]
    return [word(entry, True), word(target, False)]

# --- processes ----------------------------------------------------------------

def tree(pid: int) -> list[int]:
    """A process and those below it."""
    with suppress(OSError), open(f"/proc/{pid}/task/{pid}/children") as f:
        return [pid, *(p for child in f.read().split() for p in tree(int(child)))]
    return [pid]

def of_tree(pid: int, path: str, pattern: str) -> int:
    """The sum of what PATH says of each process of the tree."""
    total = 0
    for p in tree(pid):
        with suppress(OSError), open(f"/proc/{p}/{path}") as f:
            total += sum(map(int, re.findall(pattern, f.read(), re.MULTILINE)))
    return total

def rss(pid: int) -> int:
    """KiB; a page that several share is counted once (their Pss, of those that are below PID alone)."""
    return of_tree(pid, "smaps_rollup", r"^Pss: +(\d+)") or of_tree(pid, "status", r"^VmRSS:\s+(\d+)")

def cpu_ms(pid: int) -> float:
    """Processor time of the tree, and of what it has waited for."""
    total = 0
    for p in tree(pid):
        with suppress(OSError), open(f"/proc/{p}/stat") as f:
            total += sum(map(int, f.read().rpartition(")")[2].split()[11:15]))
    return total * 1000 / os.sysconf("SC_CLK_TCK")

def wakeups(pid: int) -> int:
    return of_tree(pid, "status", r"^(?:non)?voluntary_ctxt_switches:\s+(\d+)")

# --- a setting: programs between an entry and a target ---------------------------------

class Setting:
    """KIND: "tcp-unix", "unix-tcp" here; "in" (vsock to TCP) and "out" in a guest."""

    def __init__(self, kind: str, folder: str, bench: str, ms: int) -> None:
        self.kind, self.folder, self.bench, self.ms, self.port = kind, folder, bench, ms, 23000

    def addresses(self) -> tuple[str, str]:
        self.port += 2
        tcp, other = f"tcp:{self.port}", f"vsock:3:{self.port + 1}"
        if self.kind in ("tcp-unix", "unix-tcp"):
            other = f"unix:{self.folder}/{self.port}"
        return (tcp, other) if self.kind in ("out", "tcp-unix") else (other, tcp)

    def load(self, words: str, entry: str) -> dict[str, float]:
        done = subprocess.run([self.bench, *words.replace("AT", entry).replace("MS", str(self.ms)).replace("LONG", str(3 * self.ms)).split()],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False, timeout=300)
        return {} if done.returncode else {k: float(v) for k, v in map(str.split, done.stdout.splitlines())}

    @contextmanager
    def running(self, program: Program | None, under: tuple[str, ...] = ()) -> Iterator[tuple[str, int]]:
        """The entry, and the process of PROGRAM; without one the entry is the target."""
        entry, target = self.addresses()
        commands = [[self.bench, "serve", listening(target)]]
        if program:
            commands.append([*under, *program.command(entry, target)])
        children = []
        try:
            for command in commands:
                children.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                                 start_new_session=True))
                time.sleep(0.3)  # a listener that is asked whether it is there would have a connection more
            yield (entry if program else target), children[-1].pid
        finally:
            for child in children:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()

    def round(self, program: Program | None) -> dict[str, float]:
        """Each load once."""
        found: dict[str, float] = {}
        for name, (words, keys) in LOADS.items():
            if program and name in program.lacks:
                continue
            with self.running(program) as (entry, pid):
                said = self.load(words, entry)
            for key in keys.split():
                if key in said:
                    found[f"{name} {key}"] = said[key]
        return found

    def idle(self, program: Program) -> dict[str, float]:
        """Memory and wakeups without a connection, in two seconds."""
        with self.running(program) as (_, pid):
            time.sleep(0.5)
            before = wakeups(pid)
            time.sleep(2.0)
            return {"idle KiB": rss(pid), "idle own KiB": of_tree(pid, "status", r"^RssAnon:\s+(\d+)"), "idle wakeups": wakeups(pid) - before}

    def many(self, program: Program, count: int) -> dict[str, float]:
        """COUNT open connections of which one of a hundred is used: memory, and processor time for each turn."""
        with self.running(program) as (entry, pid):
            empty = rss(pid)
            clients = subprocess.Popen([self.bench, "many", entry, str(count), str(self.ms)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       text=True)
            said: dict[str, float] = {}

            def until(name: str) -> bool:
                for line in clients.stdout:
                    key, value = line.split()
                    said[key] = float(value)
                    if key == name:
                        return True
                return False

            try:
                if not until("open"):
                    return {}
                full, cpu = rss(pid), cpu_ms(pid)
                time.sleep(1.0)
                quiet = cpu_ms(pid) - cpu
                cpu = cpu_ms(pid)
                clients.stdin.write("\n")
                clients.stdin.flush()
                if not until("done"):
                    return {}
                used = cpu_ms(pid) - cpu
            finally:
                clients.kill()
                clients.wait()
            return {f"{count} KiB": full, f"{count} KiB more": full - empty, f"{count} quiet cpu ms": quiet, f"{count} p50": said["p50"],
                    f"{count} cpu us a turn": used * 1000 / max(said["turns"], 1), f"{count} opened ms": said["opened-ms"]}

    def calls(self, program: Program) -> dict[str, float]:
        """System calls for each MiB of a stream, by strace."""
        path = f"{self.folder}/calls"
        with self.running(program, ("strace", "-f", "-qq", "-c", "-o", path)) as (entry, pid):
            time.sleep(0.5)
            said = self.load("stream AT 1 16384 MS", entry)
            for p in reversed(tree(pid)[1:]):
                with suppress(ProcessLookupError):
                    os.kill(p, signal.SIGKILL)
            for _ in range(100):
                if os.path.exists(path) and os.path.getsize(path):
                    break
                time.sleep(0.05)
        with suppress(OSError), open(path) as f:
            total = re.search(r"^100\.\d+ +\S+ +(?:\S+ +)?(\d+)(?: +\d+)? total$", f.read(), re.MULTILINE)
            if total and said.get("mib"):
                return {"calls a MiB": int(total[1]) / said["mib"]}
        return {}

def measure(s: Setting, programs: list[Program], rounds: int, counts: tuple[int, ...]) -> None:
    """
    Prints "@figure=KIND|PROGRAM|NAME|VALUE" for each, the median of those so far; rounds take turns.
    """
    found: dict[str, dict[str, list[float]]] = {}

    def add(name: str, figures: dict[str, float]) -> None:
        for key, value in figures.items():
            values = found.setdefault(name, {}).setdefault(key, [])
            values.append(value)
            print(f"@figure={s.kind}|{name}|{key}|{statistics.median(values):.2f}", flush=True)

    for _ in range(rounds):
        for p in (None, *programs):
            add(p.name if p else "no program", s.round(p))
    for p in programs:
        add(p.name, s.idle(p))
        if shutil.which("strace") and "calls" not in p.lacks:
            add(p.name, s.calls(p))
        for count in counts:
            # In a guest one processor would open those of the others for many minutes.
            if f"{count}" not in p.lacks and (p.name == "ours" or s.kind not in ("in", "out")):
                add(p.name, s.many(p, count))

def programs(folder: str, kind: str) -> list[Program]:
    """Those that are there."""
    all_ = [
        Program("raw copy loop", [f"{folder}/bench_relay", "copy"], ("1000", "10000")),
        Program("ours", [f"{folder}/relay", "forward", "--max", "12000"]),
        Program("socat, fork", ["socat", "fork"], ("10000",)),
        Program("socat", ["socat", "once"], ("8 streams", "connections", "1000", "10000")),
        Program("Go, io.Copy", [f"{folder}/copy-go"]),
        Program("tokio, copy_bidirectional", [f"{folder}/copy-rust"]),
    ]
    if kind == "in":
        all_.append(Program("AWS's vsock-proxy", [f"{folder}/vsock-proxy", "-w", "16", "--config", f"{folder}/vsock-proxy.yaml"], ("1000", "10000")))
    return [p for p in all_ if shutil.which(p.words[0])]

def main(words: list[str]) -> None:
    """FOLDER MS ROUNDS COUNTS KIND..."""
    folder, ms, rounds, counts, *kinds = words
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for kind in kinds:
        with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as tmp:
            measure(Setting(kind, tmp, f"{folder}/bench_relay", int(ms)), programs(folder, kind), int(rounds),
                    tuple(int(n) for n in counts.split(",") if n))
    print("@end=yes")

if __name__ == "__main__":
    main(sys.argv[1:])
