"""PCRs, and what they will be."""

import hashlib

from .lib import DONE, FILE, MUSL, NSM, Z48, check, device, equal, folder, run, test


def sha384(data: bytes) -> bytes:
    return hashlib.sha384(data).digest()


def measured(name: bytes, data: bytes) -> bytes:
    """By the words of nsmc.h."""
    return sha384(b"enclave-init measurement 1\0" + len(name).to_bytes(8, "big") + name +
                  len(data).to_bytes(8, "big") + data)


def extended(*datas: bytes, start: bytes = Z48) -> bytes:
    for d in datas:
        start = sha384(start + d)
    return start


@test
def predictions_are_hashlibs() -> None:
    """Raw and measured data, mixed, in order, of every form; of any start."""
    big = bytes(range(256)) * 5000
    with folder() as path:
        (path / "app.conf").write_bytes(b"key = value\n")
        (path / "big").write_bytes(big)
        (path / "empty").write_bytes(b"")
        conf, start = f"@{path}/app.conf", bytes(range(48))
        for words, wanted in (
                (("010203",), extended(b"\1\2\3")),
                (("010203", "01:02 03"), extended(b"\1\2\3", b"\1\2\3")),
                (("0x010203", " 0X01 02:03"), extended(b"\1\2\3", b"\1\2\3")),
                (("",), extended(b"")),
                (("--data", "text:a", "--data=text:b"), extended(b"a", b"b")),
                (("00" * 4068,), extended(bytes(4068))),
                (("--name", "config", "--data", conf, "--name", "x", "--data", "text:y"),
                 extended(measured(b"config", b"key = value\n"), measured(b"x", b"y"))),
                (("--name", "config", conf, "--name", "x", "text:y"),
                 extended(measured(b"config", b"key = value\n"), measured(b"x", b"y"))),
                (("text:raw", "--name", "n", "text:named", "text:raw again"),
                 extended(b"raw", measured(b"n", b"named"), b"raw again")),
                (("--name", "big", f"@{path}/big"), extended(measured(b"big", big))),
                (("--name", "", "--data", ""), extended(measured(b"", b""))),
                (("--name", "e", f"@{path}/empty"), extended(measured(b"e", b""))),
                (("--name", "e", "@/dev/null"), extended(measured(b"e", b""))),
                (("--name", "ünï", "base64:AAEC"), extended(measured("ünï".encode(), b"\0\1\2"))),
                (("--from", start.hex(), "00"), extended(b"\0", start=start)),
                (("00", "--from", start.hex().upper()), extended(b"\0", start=start))):
            run("pcr", "predict", *words).is_(DONE, "", wanted.hex() + "\n")
            equal(run("pcr", "predict", *words, "--json").is_(DONE).json, {"data": wanted.hex()}, "JSON")
        run("pcr", "predict", "--name", "big", "-", stdin=big, program=MUSL).is_(
            DONE, "", extended(measured(b"big", big)).hex() + "\n")
        run("pcr", "predict", "@/dev/stdin", stdin=b"abc").is_(DONE, "", extended(b"abc").hex() + "\n")
        run("pcr", "predict", f"@{path}/big").is_(2, "DATA: too many bytes: at most 4068")
        run("pcr", "predict", "--name", "a", f"@{path}/none").is_(FILE, f"{path}/none: No such file")
        run("pcr", "predict", "--name", "a", f"@{path}").is_(FILE, f"{path}: Is a directory")


@test
def an_extension_is_what_was_predicted() -> None:
    """The same words give the same value, and the PCR has it; others stay."""
    words = ("text:raw", "--name", "n", "text:named", "--data", "0102")
    for program in (None, MUSL):
        how = {"program": program} if program else {}
        with device() as d:
            wanted = extended(b"raw", measured(b"n", b"named"), b"\1\2")
            d.run("pcr", "extend", 16, *words, **how).is_(DONE, "", wanted.hex() + "\n")
            equal(d.pcr(16), wanted, "the PCR")
            equal(run("pcr", "predict", *words).text, wanted.hex() + "\n", "the prediction")
            d.run("pcr", "get", 16, **how).is_(DONE, "", wanted.hex() + "\n")
            again = extended(b"", start=wanted)
            done = d.run("pcr", "extend", 16, "", "--json", **how).is_(DONE, "")
            equal(done.json, {"index": 16, "lock": False, "data": again.hex()}, "JSON")
            equal(d.pcr(17), Z48, "PCR17")


@test
def nothing_is_extended_if_a_word_is_wrong() -> None:
    """All is read before the NSM is asked at all."""
    with device() as d:
        d.run("pcr", "extend", 16, "00", "@/nowhere").is_(FILE, "/nowhere")
        d.run("pcr", "extend", 16, "00", "zz").is_(2)
        d.run("pcr", "extend", 16, "00", "--name", "a").is_(2)
        equal(d.requests(), [], "what was asked of the NSM")


@test
def a_locked_pcr_is_not_extended() -> None:
    """Code 4, with the PCR and the NSM's reason."""
    with device() as d:
        d.run("pcr", "extend", 3, "00").is_(NSM, "nsm: pcr extend: PCR3: it is locked (ReadOnlyIndex)\n", b"")
        equal(d.pcr(3), Z48, "PCR3")


@test
def pcrs_are_locked_and_looked_at() -> None:
    """Those given, each printed; again is fine; --below locks the PCRs before its number."""
    with device() as d:
        d.run("pcr", "extend", 17, "text:x").is_(DONE)
        line = f"locked    {extended(b'x').hex()}\n"
        d.run("pcr", "lock", 17, 20).is_(DONE, "", f"PCR17  {line}PCR20  locked    {Z48.hex()}\n")
        equal([n for n in range(32) if d.locked(n)], [*range(16), 17, 20], "locked")
        d.run("pcr", "lock", 17).is_(DONE, "", f"PCR17  {line}")
        d.requests()
        done = d.run("pcr", "lock", "--below", 18, "--json").is_(DONE, "")
        equal([(p["index"], p["lock"]) for p in done.json["pcrs"]], [(n, True) for n in range(18)], "JSON")
        check(any(b"LockPCRs" in r for r in d.requests()), "no LockPCRs was sent")
        equal([n for n in range(32) if d.locked(n)], [*range(18), 20], "locked")
        got = d.run("pcr", "lock", "22-24", 26, "31-31", "--json").is_(DONE, "").json
        equal([p["index"] for p in got["pcrs"]], [22, 23, 24, 26, 31], "ranges")
        equal([n for n in range(32) if d.locked(n)], [*range(18), 20, 22, 23, 24, 26, 31], "locked")
        d.run("pcr", "lock", "--below=32").is_(DONE)
        check(all(d.locked(n) for n in range(32)), "all are locked")


@test
def an_nsm_that_lies_is_found_out() -> None:
    """It says that it extended or locked, and did not: code 4, nothing on stdout."""
    with device() as d:
        for words, err in ((("extend", 16, "00"), "PCR16"), (("lock", 16), "PCR16"),
                           (("lock", "--below", 17), "PCR0-16")):
            d.run("pcr", *words, env={"NSM_LIES": "1"}).is_(NSM, f"{err}: ", b"")


@test
def the_list_is_all_pcrs() -> None:
    """A line or an object each; get is one of them."""
    with device() as d:
        lines = d.run("pcr", "list").is_(DONE, "").text.splitlines()
        equal(len(lines), 32, "lines")
        for n, line in enumerate(lines):
            equal(line.split(), [f"PCR{n}", "locked" if n < 16 else "unlocked", d.pcr(n).hex()], f"line {n}")
        equal(d.run("pcr", "list", "--json").is_(DONE).json,
              {"pcrs": [{"index": n, "lock": n < 16, "data": d.pcr(n).hex()} for n in range(32)]}, "JSON")
        equal(d.run("pcr", "get", 31, "--json").is_(DONE).json,
              {"index": 31, "lock": False, "data": Z48.hex()}, "get")
