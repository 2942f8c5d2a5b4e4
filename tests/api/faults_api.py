"""Each system call of the process fails, one at a time: what is asked then may fail, the next is served, and nothing is left."""

import os
import resource
import signal
import socket
import subprocess
import time
from contextlib import suppress

from kms.lib import PLAIN_ENV
from kms.nsm import Nsm
from suite import Failure

from .lib import DEADLINE_S, MUSL, Answer, Api, check, folder, head_of, read_answer, same, test

# How many times each is tried: at its first call, its second and so on, and the errors.
CALLS = {
    "accept4": "ECONNABORTED EMFILE ENFILE ENOMEM EINTR", "socketpair": "EMFILE ENFILE", "fork": "EAGAIN ENOMEM",
    "recvfrom": "ECONNRESET EINTR ENOMEM", "sendto": "EPIPE ECONNRESET ENOBUFS EINTR", "epoll_ctl": "ENOMEM ENOSPC",
    "epoll_pwait": "EINTR", "getsockopt": "ENOPROTOOPT", "wait4": "ECHILD EINTR", "kill": "ESRCH EPERM", "shutdown": "ENOTCONN",
    "mmap": "ENOMEM", "brk": "ENOMEM", "read": "EINTR EIO", "close": "EINTR EIO", "setitimer": "EINVAL",
    "socket": "EMFILE", "bind": "EADDRINUSE EACCES", "listen": "EADDRINUSE", "chmod": "EPERM", "rename": "EROFS", "open": "EACCES",
    "epoll_create1": "EMFILE", "signalfd4": "EMFILE", "prlimit64": "EPERM", "sendmsg": "ENOBUFS",
}
TRIES = 3
# strace counts for each process anew, so that the first of these fails in each child, and so does what it was started for.
EACH_CHILD = ("sendto", "sendmsg", "socketpair")
# A call that strace fails has no number, for which a filter kills: the third prctl of each process sets none.
NO_FILTER = "inject=prctl:error=EINVAL:when=3"
ASKED = (("GET", "/v1/health"), ("GET", "/v1/random"), ("POST", "/v1/attestation"))


class Faulty(Api):
    """Below strace, which makes calls fail and is no parent of the program."""

    def __init__(self, path, nsm: Nsm, call: str, error: str, when: int, no_filter: str = NO_FILTER) -> None:
        self.path, self.nsm, self.socket, self.log = path, nsm, path / "api.sock", path / "log"
        self.conf = path / "api.conf"
        self.conf.write_text(f"socket = {self.socket}\nnsm-timeout = 10m\n")
        self.process = subprocess.Popen(
            ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", path / "trace", "-e", f"trace={call},prctl", "-e", no_filter, "-e", f"inject={call}:error={error}:when={when}",
             MUSL, self.conf], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log.open("wb"),
            env={**PLAIN_ENV, "KMS_NSM": str(nsm.path)})

    def is_there(self) -> bool:
        """It listens. False: it has ended."""
        end = time.monotonic() + DEADLINE_S
        while not self.socket.exists():
            if self.process.poll() is not None:
                return False
            check(time.monotonic() < end, "it neither listens nor ends")
            time.sleep(0.005)
        return True


def status_of(a: Faulty, q: tuple[str, str]) -> int:
    with suppress(OSError, Failure):
        got: Answer = a.send(head_of(*q, {}, b"" if q[0] == "POST" else None))
        return got.status
    return 0


def try_one(call: str, error: str, when: int) -> None:
    what = f"{call}: {error} at the {when}. time"
    with folder() as path, Nsm() as nsm:
        a = Faulty(path, nsm, call, error, when)
        try:
            if not a.is_there():
                check(a.process.returncode in (1, 5) and a.story.startswith("enclave-api: "), f"{what}: {a.process.returncode} {a.story}")
                return
            got = [status_of(a, q) for q in ASKED * 3]
            if got[-1] == 0:
                a.process.wait(DEADLINE_S)  # it ends after it has listened
            if a.process.poll() in (1, 5) and a.story.startswith("enclave-api: "):
                return
            check(all(s in (0, 200, 500, 502, 503) for s in got), f"{what}: {got}")
            if call in EACH_CHILD and (when == 1 or call == "sendto") and error != "EINTR":
                check(got[::3].count(200) >= 2 and 200 not in got[4:6] + got[7:], f"{what}: {got} ({a.story})")
            else:
                check(sum(s != 200 for s in got) <= 3, f"{what}: {got} ({a.story})")
                same(got[-3:], [200] * 3, f"{what}: the last ones of {got} ({a.story})")
            check(a.process.poll() is None, f"{what}: {a.story}")
            a.process.send_signal(signal.SIGTERM)
            same(a.process.wait(DEADLINE_S), 0, f"{what}: its code ({a.story})")
            check(not a.socket.exists(), f"{what}: its socket is left")
        finally:
            with suppress(ProcessLookupError):
                os.kill(a.process.pid, signal.SIGKILL)
            a.process.wait()


@test
def a_kernel_without_filters_is_said() -> None:
    """It serves, and names what is missing; with them it says nothing."""
    for when in (1000, 3):
        with folder() as path, Nsm() as nsm:
            a = Faulty(path, nsm, "shutdown", "ENOTCONN", 1000, NO_FILTER if when == 3 else NO_FILTER.replace("=3", "=1000"))
            try:
                check(a.is_there(), a.story)
                same([status_of(a, q) for q in ASKED], [200] * 3, "answers")
                same("this kernel has no filters of system calls" in a.story, when == 3, f"what it says: {a.story}")
                a.process.send_signal(signal.SIGTERM)
                same(a.process.wait(DEADLINE_S), 0, "its code")
            finally:
                with suppress(ProcessLookupError):
                    os.kill(a.process.pid, signal.SIGKILL)
                a.process.wait()


@test
def fewer_descriptors_than_it_wants_are_no_reason_to_end() -> None:
    """Without the right to raise its limit it serves with what there is; those that find none wait."""
    with folder() as path, Nsm() as nsm:
        conf, at = path / "conf", path / "api.sock"
        conf.write_text(f"socket = {at}\n")
        p = subprocess.Popen(["setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource", MUSL, conf], stdin=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, text=True, env={**PLAIN_ENV, "KMS_NSM": str(nsm.path)},
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24)))
        try:
            end = time.monotonic() + DEADLINE_S
            while not at.exists():
                check(p.poll() is None and time.monotonic() < end, f"it has ended: {p.stderr.read() if p.poll() is not None else ''}")
                time.sleep(0.005)
            waiting = []
            for _ in range(28):
                s = socket.socket(socket.AF_UNIX)
                s.settimeout(DEADLINE_S)
                s.connect(str(at))
                waiting.append(s)
            for s in waiting[:14]:
                s.close()
            waiting[-1].sendall(head_of("GET", "/v1/health"))
            read_answer(waiting[-1]).is_(200)
            for s in waiting:
                s.close()
            p.send_signal(signal.SIGTERM)
            same(p.wait(DEADLINE_S), 0, "its code")
        finally:
            p.kill()
            p.wait()


def each(call: str) -> None:
    def run() -> None:
        for error in CALLS[call].split():
            for when in range(1, TRIES + 1):
                try_one(call, error, when)
    run.__name__, run.__doc__, run.__module__ = f"{call}_may_fail", f"{call} fails once: at most that is refused, or it does not start.", __name__
    test(5)(run)


for name in CALLS:
    each(name)
