"""nitro-cli build-enclave and describe-eif, with AWS's blobs and with those of make blobs."""

import json
import subprocess

from .lib import ARCH, DEADLINE_S, IMAGES, INIT, MKEIF, TOP, Eif, blobs, built, check, pcrs, said, same, scratch, test

BUILDS = [(name, whose) for name in IMAGES for whose in ("aws", "ours")]


@test
def all_say_the_same_measurements():
    """build-enclave, describe-eif, mkeif describe, mkeif pcr and the reader of the tests, of each image."""
    for name, whose in BUILDS:
        path, printed = built(name, whose)
        logs = {"NITRO_CLI_LOGS_PATH": str(scratch() / "logs")}
        same(printed, Eif.load(path).measurements(), f"{path.name}: the reader's")
        same(pcrs(said("nitro-cli", "describe-eif", "--eif-path", path, env=logs)), printed, f"{path.name}: describe-eif's")
        same(pcrs(said(MKEIF, "pcr", path, "--json")), printed, f"{path.name}: mkeif pcr's")
        check(all(value in said(MKEIF, "describe", path) for value in printed.values()), f"{path.name}: mkeif describe's")


@test
def the_init_changes_what_it_should():
    """PCR0 and PCR1, not PCR2; and mkeif diff names the init alone."""
    for name in IMAGES:
        (theirs, a), (ours, b) = built(name, "aws"), built(name, "ours")
        same([a[p] == b[p] for p in ("PCR0", "PCR1", "PCR2")], [False, False, True], f"{name}: PCRs that are the same")
        done = subprocess.run([MKEIF, "diff", theirs, ours, "--json"], capture_output=True, text=True, check=False,
                              timeout=DEADLINE_S)
        same(done.returncode, 1, f"{name}: the code of mkeif diff: {done.stderr}")
        found = json.loads(done.stdout)
        same([(r["Number"], [f["Path"] for f in r["Files"]]) for r in found["Ramdisks"]], [(0, ["init"])], f"{name}: files")
        same(found.keys() & {"Kernel", "Cmdline", "Flags", "Sections"}, set(), f"{name}: what differs besides")


@test
def set_init_gives_what_nitro_cli_gives():
    """AWS's init replaced by ours, and ours by AWS's: each file has the PCRs of the other build."""
    for name in IMAGES:
        for whose, init, other in (("aws", INIT, "ours"), ("ours", blobs("aws") / "init", "aws")):
            path = scratch() / f"{name}-set-{other}.eif"
            said(MKEIF, "set-init", built(name, whose)[0], "--init", init, "--output", path)
            same(Eif.load(path).measurements(), built(name, other)[1], f"{path.name}: PCRs, against nitro-cli's")


@test
def they_boot():
    """Four: AWS's init and ours; and with a configuration by nitro-cli, and by mkeif set-init."""
    tried = [(built("cmd", "aws")[0], (IMAGES["cmd"][1][0],)), (built("cmd", "ours")[0], IMAGES["cmd"][1]),
             (built("conf", "ours")[0], IMAGES["conf"][1])]
    path = scratch() / "conf-booted.eif"
    said(MKEIF, "set-init", built("conf", "aws")[0], "--init", INIT, "--output", path)
    tried.append((path, IMAGES["conf"][1]))
    for eif, wanted in tried:
        out = said(TOP / "scripts/run-enclave", eif, "--timeout", DEADLINE_S)
        for text in ("parent: heartbeat after ", *wanted):
            check(text in out, f"{eif.name} ({ARCH}): no '{text}' in {out[-3000:]}")
