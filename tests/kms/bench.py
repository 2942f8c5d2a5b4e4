"""
`make bench T=kms`: what a Decrypt by libkmsc and by the tool kms costs, part by part, beside boto3, against the same fake KMS.
The fakes are Python and slow, and run beside: of a part that waits for them the processor time of the client itself says more.
"""

import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[i]) for i in (1, 2)] + [str(Path(__file__).resolve().parents[2] / "scripts")]

from ports import free_port

from kms.lib import ACCESS, BUILD, CONTEXT, MUSL, SECRET, SHIPPED, World, boto3_client, wait_for, world

CALLS = 100
PROGRAM = BUILD / "bench_kms"
# Of bench_kms, in the order of a call.
PARTS = {"key": "recipient key, RSA-2048", "nsm": "NSM, the fake one", "connect": "connection", "handshake": "TLS handshake",
         "sign": "signature and head", "send": "sending", "receive": "answer", "open": "opening the CMS, RSA-2048"}


def columns(rows: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(v.ljust(w) if i == 0 else v.rjust(w) for i, (v, w) in enumerate(zip(row, widths, strict=True))))


def ms(us: float) -> str:
    return f"{us / 1000:.2f}"


def by_library(w: World, kind: str) -> dict[str, tuple[int, ...]]:
    blob = w.path / "blob"
    blob.write_bytes(w.blob)
    p = subprocess.run([PROGRAM, str(CALLS), kind, w.address, w.kms.ca, w.key.arn, blob, *ACCESS], env=w.env, capture_output=True,
                       text=True, check=False)
    if p.returncode:
        sys.exit(f"bench: {p.stderr}")
    return {name: tuple(map(int, numbers)) for name, *numbers in map(str.split, p.stdout.splitlines())}


def processor_s() -> float:
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime


def processes(run: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor time, in us, of a process that makes one call; medians."""
    wall, cpu = [], []
    for _ in range(10):
        began, spent = time.monotonic(), processor_s()
        run()
        wall.append((time.monotonic() - began) * 1e6)
        cpu.append((processor_s() - spent) * 1e6)
    return statistics.median(wall), statistics.median(cpu)


def peak_kib(*command: object, env: dict[str, str]) -> int:
    """By GNU time: a child of Python would begin with Python's memory."""
    p = subprocess.run(["time", "-f", "%M KiB", *command], env={**os.environ, **env}, capture_output=True, text=True, check=True)
    return int(re.search(r"(\d+) KiB", p.stderr)[1])


# --- boto3, in a process of its own ---------------------------------------------------

def boto3_calls(calls: int, endpoint: str, ca: str, port: int, blob: Path, key: str) -> None:
    """Through CA's TLS to PORT; without CA it is plain."""
    def now() -> tuple[float, float]:
        return time.monotonic(), time.process_time()

    client = boto3_client(endpoint, Path(ca), ("127.0.0.1", port)) if ca else boto3_client(endpoint)
    times = []
    for _ in range(calls):
        began = now()
        if client.decrypt(CiphertextBlob=blob.read_bytes(), EncryptionContext=CONTEXT, KeyId=key)["Plaintext"] != SECRET:
            sys.exit("another plaintext")
        times.append([b - a for a, b in zip(began, now(), strict=True)])
    later = times[1:] or times
    peak = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]
    print(*(round(statistics.mean(column) * 1e6) for column in zip(*later, strict=True)), peak)


def by_boto3(w: World, calls: int, endpoint: str = "") -> list[int]:
    """Wall and processor time of a call, in us, and the peak of its memory, in KiB; straight to KMS or to ENDPOINT."""
    blob = w.path / "blob"
    blob.write_bytes(w.blob)
    straight = [f"https://{w.kms.host}", str(w.kms.ca), str(w.kms.port)]
    p = subprocess.run(["/usr/bin/python3", "-B", __file__, "boto3", str(calls), *([endpoint, "", "0"] if endpoint else straight), blob,
                        w.key.arn], capture_output=True, text=True, check=False)
    if p.returncode:
        sys.exit(f"bench: {p.stderr}")
    return [int(n) for n in p.stdout.split()]


# --- the local API ------------------------------------------------------------------------

def tree(pid: int) -> list[int]:
    """A process and all below it."""
    children = [int(p) for t in Path(f"/proc/{pid}/task").iterdir() for p in (t / "children").read_text().split()]
    return [pid, *(p for c in children for p in tree(c))]


def ticks(pid: int) -> int:
    """Of the processor, with children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))


def pss_kib(pid: int) -> int:
    return int(re.search(r"^Pss:\s*(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)[1])


def by_api(w: World) -> tuple[list[int], float, int]:
    """What boto3 says of calls through it; the API's own processor time of one, in us, and its memory."""
    config, port = w.path / "api.conf", free_port()
    config.write_text(f"region = eu-west-1\nconnect = {w.address}\nca = {w.kms.ca}\ncredentials = file {w.credentials}\n"
                      f"listen = 127.0.0.1:{port}\nsocket = {w.path}/api.sock\nkey = orders {w.key.arn}\n")
    p = subprocess.Popen([BUILD / "test/api", config], env={**os.environ, **w.env}, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: p.poll() is not None or answers(port), "the API")
        by_boto3(w, 2, f"http://127.0.0.1:{port}")  # which makes its key
        before = sum(map(ticks, tree(p.pid)))
        said = by_boto3(w, CALLS, f"http://127.0.0.1:{port}")
        spent = (sum(map(ticks, tree(p.pid))) - before) / os.sysconf("SC_CLK_TCK") * 1e6 / CALLS
        return said, spent, sum(map(pss_kib, tree(p.pid)))
    finally:
        p.terminate()
        p.wait()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


# --- what is printed -------------------------------------------------------------------

def split(fresh: dict[str, tuple[int, ...]], kept: dict[str, tuple[int, ...]]) -> None:
    rows = [["a Decrypt by libkmsc, ms", "processor, key for each call", "and waits", "processor, one key kept", "and waits"]]
    for name, words in PARTS.items():
        rows.append([words, *(ms(of[name][i]) for of in (fresh, kept) for i in (1, 0))])
    rest = [[of["call"][i] - sum(of[p][i] for p in PARTS) for i in (1, 0)] for of in (fresh, kept)]
    rows.append(["all else: JSON, checks", *(ms(n) for of in rest for n in of)])
    rows.append(["the call", *(ms(of["call"][i]) for of in (fresh, kept) for i in (1, 0))])
    print()
    columns(rows)


def main() -> None:
    with world() as w:
        fresh, kept = by_library(w, "fresh"), by_library(w, "kept")
        command = [MUSL, "decrypt", "--region", "eu-west-1", "--connect", w.address, "--ca", w.kms.ca, "--credentials", w.credentials,
                   "--key", w.key.arn, "--context", "app=orders", w.secret_file]
        tool = processes(lambda: subprocess.run(command, env={**os.environ, **w.env}, stdout=subprocess.DEVNULL, check=True))
        tool_kib = peak_kib(*command, env=w.env)
        warm = by_boto3(w, CALLS)
        cold = processes(lambda: by_boto3(w, 1))
        through, api_us, api_kib = by_api(w)
    split(fresh, kept)
    rows = [["client, the same fake KMS", "ms a call", "processor ms", "a second by one processor", "peak KiB"]]
    for name, wall, cpu, kib in (
            ("libkmsc, a key for each call", fresh["call"][0], fresh["call"][1], fresh["peak"][0]),
            ("libkmsc, one key kept", kept["call"][0], kept["call"][1], kept["peak"][0]),
            ("kms, a process for each call", *tool, tool_kib),
            ("the local API alone, called by boto3", through[0], api_us, api_kib),
            ("boto3 through the local API, with it", through[0], through[1] + api_us, through[2] + api_kib),
            ("boto3 straight, without a document", *warm),
            ("the same, a process for each call", *cold, warm[2])):
        rows.append([name, ms(wall), ms(cpu), f"{1e6 / cpu:,.0f}", f"{kib:,}"])
    print()
    columns(rows)
    api = BUILD / "api"
    print(f"\nkms has {SHIPPED.stat().st_size:,} bytes, the local API {api.stat().st_size:,}.")


if __name__ == "__main__" and sys.argv[1:2] == ["boto3"]:
    boto3_calls(int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]), Path(sys.argv[6]), sys.argv[7])
