"""The clock: stepped before anything runs, slewed from then on, left alone without a device."""

import os
import signal
import subprocess

from .lib import BUILD, DEADLINE_S, Jail, check, same, soon, status, test

SLEEP = ("/bin/act", "sleep", "600000")
DEBUG = ("nomodules", "init_debug")


def of_clock(j: Jail) -> list[str]:
    return [line for line in j.record_lines() if line.startswith("ptp ")]


def slews(j: Jail) -> list[int]:
    return [int(line.split()[2]) for line in of_clock(j) if line.startswith("ptp slew ")]


def said(j: Jail) -> list[str]:
    return [line for line in j.log() if line.startswith("init: time: ")]


def steered(j: Jail, times: int = 3) -> list[int]:
    j.wait(lambda: len(slews(j)) >= times, f"the clock is slewed {times} times")
    return slews(j)


@test
def clock_is_set_once_before_anything_runs() -> None:
    """By all that it is off, whichever way; that is nothing to talk of."""
    for ms in 86400000, -1234, 11:
        with Jail(*SLEEP, PTP_AHEAD_MS=ms) as j:
            steered(j)
            j.wait(lambda: j.parent.received, "a heartbeat")
            j.poll()
            record = j.record_lines()
            same(record.count(f"ptp step {ms * 1000000}"), 1, "steps by that")
            same([line.split()[1] for line in of_clock(j)[:3]], ["open", "step", "pause"], "the order")
            check(record.index("ptp open") > max(
                i for i, line in enumerate(record) if line.startswith("pool ")), f"{record}")
            check(record.index(f"ptp step {ms * 1000000}") < record.index("connect 3 9000"), f"{record}")
            same(len([line for line in record if line.startswith("ptp step")]), 1, "steps")
            same(said(j), [], "said")
    with Jail(*SLEEP, words=DEBUG, PTP_AHEAD_MS=86400000) as j:
        steered(j)
        j.wait_said("started by enclave-init")
        set_at = j.text.index("time: /dev/ptp0: the clock was set, by 86400000 ms")
        check(set_at < j.text.index("started by enclave-init"), j.text)


@test
def clock_that_is_right_is_not_set() -> None:
    """To 10 ms, which are slewed away."""
    for ms in 10, -10, 0:
        with Jail(*SLEEP, PTP_AHEAD_MS=ms) as j:
            found = steered(j)
            check("ptp step" not in "\n".join(of_clock(j)), f"{of_clock(j)}")
            check(all(n > 0 if ms > 0 else n < 0 if ms < 0 else n == 0 for n in found), f"{found}")
            check("ptp pause 32" in of_clock(j), f"{of_clock(j)}")


@test
def clock_that_is_off_later_is_slewed_and_said_once() -> None:
    """By 500 ppm at most, whatever the hypervisor says then; no more is set."""
    for later, limit in ((3600000, 32768000), (-3600000, -32768000)):
        with Jail(*SLEEP, PTP_AHEAD_MS=50, PTP_LATER_MS=later) as j:
            same(set(steered(j, 5)), {limit}, "the frequencies")
            same(len([line for line in of_clock(j) if line.startswith("ptp step")]), 1, "steps")
            j.wait(lambda: said(j), "a warning")
            same(len(said(j)), 1, "warnings")
            check(said(j)[0].startswith(f"init: time: /dev/ptp0: ahead of the clock by {later} ms"),
                  f"{said(j)}")
    with Jail(*SLEEP, PTP_AHEAD_MS=0, PTP_LATER_MS=400) as j:
        steered(j)
        same(said(j), [], "said")


@test
def clock_without_a_device_is_left_alone() -> None:
    """Nothing is recorded or said, and there is no child; with time = off the same with one."""
    for seams, config in (({}, None), ({"PTP_AHEAD_MS": 5000}, "time = off")):
        with Jail(*SLEEP, config=config, words=DEBUG, **seams) as j:
            j.started()
            same(len(j.children()), 1, "children")
            same(of_clock(j), [], "the record")
            check("nsm Attestation" not in j.record_lines(), "the NSM was asked")
            check("init: time" not in j.text and "ptp" not in j.text, j.text)
    with Jail(*SLEEP, config="time = ptp", PTP_AHEAD_MS=5000) as j:
        steered(j)


@test
def clock_of_a_container_is_left_alone() -> None:
    """It is the machine's: --container opens no device."""
    out, record = os.pipe()
    done = subprocess.run(["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc",
                           str(BUILD / "test/init"), "--container", "--", str(BUILD / "apps/act"), "say", "hello"],
                          env={"PTP_AHEAD_MS": "5000", "RECORD": str(record)}, pass_fds=[record],
                          capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    os.close(record)
    with os.fdopen(out) as f:
        same(f.read(), "", "the record")
    same((done.returncode, done.stdout), (0, "@say=hello\n"), "its code and what it said")


@test
def time_that_cannot_be_true_is_refused() -> None:
    """Said once, and not followed; the application runs."""
    refused = "init: time: /dev/ptp0: its time is not followed: before 2020, or after 2099"
    for time in 0, 1577836799, 4102444800, -1, 1 << 62:
        with Jail("/bin/act", PTP_AHEAD_MS=0, PTP_TIME_S=time) as j:
            j.expect_end("/bin/act", "exited with code 0")
            same(of_clock(j), ["ptp open"], "the record")
            same(said(j), [refused], "said")
    with Jail(*SLEEP, PTP_AHEAD_MS=0, PTP_TIME_S=4102444799) as j:
        steered(j, 1)


@test
def device_that_fails_is_said_once() -> None:
    """At once, later, or when the clock is to be set; the application runs."""
    fault = "init: time: /dev/ptp0: Operation not permitted"
    for seams in ({"PTP_ERRNO": 1}, {"PTP_STEP_ERRNO": 1}, {"PTP_SLEW_ERRNO": 1}):
        with Jail(*SLEEP, PTP_AHEAD_MS=500, **seams) as j:
            j.started()
            j.wait(lambda: said(j), "the fault")
            same(said(j), [fault], "said")
            check(len(slews(j)) <= 1, f"{of_clock(j)}")
    # The five readings before the application are fine.
    with Jail(*SLEEP, PTP_AHEAD_MS=500, PTP_ERRNO=1, PTP_ERRNO_FROM=6) as j:
        j.wait(lambda: of_clock(j).count("ptp pause 32") > 3, "it goes on")
        j.wait(lambda: said(j), "the fault")
        same((said(j), slews(j)), ([fault], []), "said, and slewed")


@test
def nsm_that_has_another_time_is_told() -> None:
    """Over a second; a refusal is none of it."""
    for ms in 5000, -5000:
        with Jail(*SLEEP, PTP_AHEAD_MS=0, NSM_AHEAD_MS=ms) as j:
            steered(j, 1)
            same(j.record_lines().count("nsm Attestation"), 1, "requests")
            j.wait(lambda: said(j), "a warning")
            same(len(said(j)), 1, "said")
            start = "init: time: /dev/nsm: its timestamp is off the clock by "
            check(said(j)[0].startswith(start), f"{said(j)}")
            check(abs(int(said(j)[0][len(start):].split()[0]) - ms) < 500, f"{said(j)}")
    for seams in ({"NSM_AHEAD_MS": 900}, {"NSM_REFUSAL": "InternalError", "NSM_FAULTS_FROM": 2},
                  {"NSM_CUT": 150, "NSM_FAULTS_FROM": 2}):
        with Jail(*SLEEP, PTP_AHEAD_MS=0, **seams) as j:
            steered(j, 1)
            same((said(j), j.record_lines().count("nsm Attestation")), ([], 1), "said, and asked")


@test
def clocks_child_ends_with_the_enclave() -> None:
    """At once, by TERM; it is in PID 1's session and has no signal but that open."""
    soon(clocks_child_ends, 1.5, "the end of the application and the clock's child")
    soon(clocks_child_pauses, 1.9, "an enclave that ends in the first pause")


def clocks_child_ends() -> float:
    with Jail(*SLEEP, PTP_AHEAD_MS=500) as j:
        steered(j)
        j.wait(lambda: j.parent.received and len(j.children()) == 2, "application and child")
        child = max(j.children(), key=lambda p: status(p, "SigBlk"))
        app = min(j.children(), key=lambda p: status(p, "SigBlk"))
        same(int(status(child, "SigBlk"), 16) >> (signal.SIGTERM - 1) & 1, 0, "TERM blocked")
        same(int(status(child, "SigBlk"), 16) >> (signal.SIGHUP - 1) & 1, 1, "HUP blocked")
        check(status(child, "NSsid") != status(app, "NSsid"), "the application's session")
        check(status(child, "NSpgid") != status(app, "NSpgid"), "the application's group")
        began = j.seconds
        os.kill(app, signal.SIGKILL)
        j.restarted()
        return j.seconds - began


def clocks_child_pauses() -> float:
    with Jail("/bin/act", PTP_AHEAD_MS=500) as j:
        j.expect_end("/bin/act", "exited with code 0")
        return j.seconds
