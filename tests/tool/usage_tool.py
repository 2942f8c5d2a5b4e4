"""Help, commands and options."""

import re

from .lib import (ASAN, DONE, MUSL, NO_NSM, SHIPPED, TOP, USAGE, VERSION, check, device, equal, run, test)

COMMANDS = ("describe", "random", "pcr list", "pcr get", "pcr extend", "pcr lock", "pcr predict",
            "attest", "verify", "show", "recipient new", "recipient attest", "recipient open")
NEEDS_NSM = (("describe",), ("random", 1), ("pcr", "list"), ("pcr", "get", 0), ("pcr", "extend", 16, "00"),
             ("pcr", "lock", 16), ("pcr", "lock", "--below", 17), ("attest",),
             ("recipient", "new", "--out", "/nowhere/key"), ("recipient", "attest", "--out", "/nowhere/key"))


def options_of(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))


@test
def every_help_fits_a_screen() -> None:
    """24 lines of 80 columns, on stdout, and it begins with how it is called."""
    for program in (SHIPPED, ASAN):
        for words in ([], ["pcr"], ["recipient"], *(c.split() for c in COMMANDS)):
            done = run(*words, "--help", program=program).is_(DONE, "")
            lines = done.text.splitlines()
            check(len(lines) <= 24, f"{done.command}: {len(lines)} lines")
            check(max(map(len, lines)) <= 80, f"{done.command}: {max(map(len, lines))} columns")
            check(lines[0].startswith(" ".join(["usage: nsm", *words])), f"{done.command}: {lines[0]}")
            equal(run(*words, "-h", program=program).text, done.text, f"{done.command} by -h")
            equal(run("help", *words, program=program).text, done.text, f"help {words}")


@test
def the_list_names_all_commands_and_codes() -> None:
    """And the man page and the completion name each command and each option, too."""
    text = run("--help").text
    man = (TOP / "nsm/nsm.1").read_text().replace("\\-", "-")
    completion = (TOP / "nsm/nsm.bash-completion").read_text()
    for c in COMMANDS:
        check(re.search(rf"^  {c}  ", text, re.M), f"{c} is not in the list")
        check(f"nsm {c}" in man.replace(".Nm ", "nsm "), f"nsm.1 does not name nsm {c}")
        for option in options_of(run(*c.split(), "--help").text):
            if option == "--help" or option == "--fingerprint":
                continue
            check(f"Fl -{option[2:]}" in man, f"nsm.1 does not name {option} of {c}")
            check(option in completion, f"the completion does not name {option} of {c}")
    for code in range(6):
        check(re.search(rf"\b{code} \w", text), f"code {code} is not explained")
        check(re.search(rf"^\.It {code}$", man, re.M), f"code {code} is not in nsm.1")


@test
def the_version_is_the_projects() -> None:
    """Of both builds."""
    for program in (SHIPPED, ASAN, MUSL):
        run("--version", program=program).is_(DONE, "", f"nsm {VERSION}\n")


@test
def misuse_is_told_from_all_else() -> None:
    """Code 2, one line on stderr that names what is wrong, nothing on stdout, nothing done."""
    with device() as d:
        for words, err in (
                ((), "which command?"),
                (("frob",), "no command frob"),
                (("pcr",), "pcr: which of its commands? (see nsm pcr --help)"),
                (("recipient",), "which of its commands? (see nsm recipient --help)"),
                (("pcr", "frob"), "no command pcr frob (see nsm pcr --help)"),
                (("help", "pcr", "frob"), "no command pcr frob (see nsm pcr --help)"),
                (("--json", "describe"), "--json: options follow a command"),
                (("describe", "x"), "describe: x: an argument too many"),
                (("describe", "--frob"), "describe: no option --frob"),
                (("describe", "-j"), "no option -j"),
                (("describe", "--json=1"), "--json: takes no value"),
                (("describe", "--json", "--json"), "--json: given twice"),
                (("random",), "random: how many bytes?"),
                (("random", "0"), "N: it must be a number from 1 to 1073741824"),
                (("random", "1x"), "N: it must be"),
                (("random", "-1"), "no option -1"),
                (("random", "--", "-1"), "N: it must be"),
                (("random", "1", "2"), "2: an argument too many"),
                (("random", "99999999999999999999999"), "N: it must be"),
                (("random", "1", "--json", "--out", "x"), "--json and --out"),
                (("random", "1", "--out"), "--out: needs a value"),
                (("random", "1", "--out", "--json"), "--out: needs a value"),
                (("pcr", "get"), "which PCR?"),
                (("pcr", "get", "32"), "INDEX: it must be a number from 0 to 31"),
                (("pcr", "get", "0", "1"), "an argument too many"),
                (("pcr", "extend", "16"), "with which data?"),
                (("pcr", "extend"), "which PCR?"),
                (("pcr", "extend", "x", "00"), "INDEX: it must be"),
                (("pcr", "extend", "16", "--name", "a"), "--name: data must follow"),
                (("pcr", "extend", "16", "--name", "a", "--name", "b", "00"), "the name before has no data"),
                (("pcr", "extend", "16", "00", "xx"), "DATA: that is not hex"),
                (("pcr", "extend", "16", "00" * 4069), "DATA: 4069 bytes: at most 4068"),
                (("pcr", "get", "0x10"), "INDEX: it must be a number from 0 to 31, not '0x10'"),
                (("pcr", "lock", "16-"), "INDEX: it must be a number from 0 to 31, not ''"),
                (("pcr", "lock", "16-32"), "not '32'"), (("pcr", "lock", "16-17-18"), "not '17-18'"),
                (("pcr", "lock", "18-16"), "18-16: the range ends before it begins"),
                (("pcr", "lock", "00000016-17"), "INDEX: it must be"),
                (("pcr", "lock", "0-31", "5"), "5: an argument too many"),
                (("pcr", "lock", "--below", "18", "16-17"), "--below: it excludes INDEX"),
                (("pcr", "lock"), "which PCRs?"),
                (("pcr", "lock", "16", "--below", "18"), "--below: it excludes INDEX"),
                (("pcr", "lock", "--below", "18", "16"), "--below: it excludes INDEX"),
                (("pcr", "lock", "--below", "0"), "--below: it must be a number from 1 to 32"),
                (("pcr", "lock", "--below", "33"), "--below: it must be a number from 1 to 32"),
                (("pcr", "predict"), "with which data?"),
                (("pcr", "predict", "--from", "00", "00"), "--from: 1 byte: it must be 48"),
                (("attest", "--nonce", "00" * 1025), "--nonce: 1025 bytes: at most 1024"),
                (("attest", "--user-data", "00" * 1025), "--user-data: 1025 bytes: at most 1024"),
                (("attest", "--public-key", ""), "--public-key: 0 bytes: it must be 1 to 1024"),
                (("attest", "--nonce", "hello"), "other forms: base64:..., text:..., @FILE, - for stdin"),
                (("attest", "--nonce", "-", "--user-data", "@-"), "stdin: it can be read once"),
                (("attest", "--json", "--out", "x"), "--json and --out"),
                (("verify",), "which document?"),
                (("verify", "a", "b"), "b: an argument too many"),
                (("verify", "a", "--pcr", "0"), "--pcr: it must be N=BYTES"),
                (("verify", "a", "--pcr", "32=00"), "--pcr: it must be N=BYTES, N from 0 to 31"),
                (("verify", "a", "--pcr", "=00"), "--pcr: it must be N=BYTES"),
                (("verify", "a", "--pcr", "0=00"), "--pcr: 1 byte: it must be 48"),
                (("verify", "a", "--pcr", "0=" + "0" * 96, "--pcr", "0=" + "0" * 96), "PCR0 given twice"),
                (("verify", "a", "--nonce", "00", "--no-nonce"), "--no-nonce: it excludes --nonce"),
                (("verify", "a", "--no-user-data", "--user-data", ""), "it excludes --no-user-data"),
                (("verify", "a", "--nonce", "00", "--nonce", "00"), "--nonce: given twice"),
                (("verify", "a", "--time", "yesterday"), "--time: it must be a time"),
                (("verify", "a", "--time", "2026-02-29T00:00:00Z"), "--time: it must be a time"),
                (("verify", "a", "--time", "2026-02-28T00:00:00"), "--time: it must be a time"),
                (("verify", "a", "--time", "2026-02-28T00:00:00Zz"), "--time: it must be a time"),
                (("verify", "a"), "of which image? --pcr N=BYTES, or --any-image: anybody's (see nsm verify --help)"),
                (("verify", "a", "--any-image"),
                 "how new? --nonce BYTES or --max-age SECONDS; --time document for a stored one; or --any-age: a replayed one, too"),
                (("verify", "a", "--any-image", "--any-image"), "--any-image: given twice"),
                (("verify", "a", "--any-age=1"), "--any-age: takes no value"),
                (("verify", "a", "--max-ahead", "1"), "no option --max-ahead (see nsm verify --help)"),
                (("verify", "a", "--leeway", "3601"), "--leeway: it must be a number from 0 to 3600, not '3601'"),
                (("verify", "a", "--max-age", "4294967296"), "--max-age: it must be a number from 0 to 4294967295"),
                (("verify", "a", "--max-age", "-1"), "--max-age: it must be a number"),
                (("verify", "a", "--max-age", "1", "--time", "document"), "--max-age: it excludes"),
                (("show",), "which document?"),
                (("recipient", "new"), "--out is needed"),
                (("recipient", "new", "--out", "-"), "needs --public-out"),
                (("recipient", "new", "--out", "k", "--bits", "1024"), "--bits: it must be 2048, 3072 or 4096"),
                (("recipient", "new", "--out", "k", "--public-out", "p", "--json"), "--json and --public-out exclude"),
                (("recipient", "new", "--out", "-", "--json"), "needs --public-out"),
                (("recipient", "new", "--out", "k", "--nonce", "00"), "no option --nonce"),
                (("recipient", "attest"), "--out is needed"),
                (("recipient", "attest", "--out", "-"), "--out: the key on stdout needs --document FILE"),
                (("recipient", "attest", "--out", "-", "--document", "-"), "--out: the key on stdout needs --document FILE"),
                (("recipient", "attest", "--out", "k", "--document", "./k"), "--document: it is the same file as --out"),
                (("recipient", "attest", "--out", "k", "--document", "d", "--json"), "--json and --document exclude"),
                (("recipient", "attest", "--out", "k", "--bits", "2047"), "--bits: it must be 2048, 3072 or 4096"),
                (("recipient", "attest", "--out", "k", "--no-nsm"), "no option --no-nsm"),
                (("recipient", "attest", "--out", "k", "--public-key", "00"), "no option --public-key"),
                (("recipient", "attest", "--out", "k", "--user-data", "00" * 1025), "--user-data: 1025 bytes: at most 1024"),
                (("recipient", "attest", "k"), "k: an argument too many"),
                (("recipient", "open", "--key", "-", "--once", "m"), "--once: it needs the key in a file"),
                (("recipient", "open", "--once"), "--key is needed"),
                (("recipient", "open", "--key", "k", "--out", "p", "--json"), "--json and --out exclude"),
                (("recipient", "open"), "--key is needed"),
                (("recipient", "open", "--key", "k", "a", "b"), "an argument too many")):
            d.run(*words, cwd=d.path).is_(USAGE, err, b"")
        equal(d.requests(), [], "what was asked of the NSM")
        equal(set(p.name for p in d.path.iterdir()), {"state", "document"}, "files")


@test
def help_is_an_option_of_its_own() -> None:
    """Where it is the value of another, or after an unknown one, nothing is good: a script would take 0 for yes."""
    with device() as d:
        for words, err in ((("verify", "X", "--nonce", "-h"), "--nonce: that is not hex"),
                           (("verify", "X", "--nonce", "--help"), "--nonce: needs a value"),
                           (("verify", "X", "--user-data", "--help"), "--user-data: needs a value"),
                           (("verify", "X", "--pcr", "-h"), "--pcr: it must be N="),
                           (("attest", "--nonce", "--help"), "--nonce: needs a value"),
                           (("attest", "--nonse", "--help"), "no option --nonse"),
                           (("pcr", "predict", "--name", "-h"), "--name: data must follow"),
                           (("show", "--", "-h", "--help"), "--help: an argument too many"),
                           (("pcr", "lock", "--below", "-h", "--json"), "--below: it must be")):
            d.run(*words).is_(USAGE, err, b"")
        equal(d.requests(), [], "what was asked of the NSM")
        for words in (("verify", "X", "--nonce", "00", "-h"), ("verify", "-h", "--nonce"), ("attest", "--nonce=-h", "--help"),
                      ("pcr", "predict", "--name", "-h", "-", "--help"), ("show", "-", "-h"), ("random", "x", "--json", "-h")):
            check(d.run(*words).is_(DONE, "").text.startswith("usage: nsm "), f"the help of {words}")


@test
def the_nearest_word_is_offered() -> None:
    """For commands and options, if there is one."""
    for words, meant in ((("vrify",), "verify"), (("discribe",), "describe"), (("pcr", "lsit"), "pcr list"),
                         (("pcr", "pedict"), "pcr predict"), (("recipent", "new"), "recipient"), (("verifyy",), "verify"), (("rndom", "1"), "random"),
                         (("predict",), "pcr predict"), (("list",), "pcr list"), (("get", 0), "pcr get"),
                         (("extend",), "pcr extend"), (("lock", 16), "pcr lock"), (("new",), "recipient new"),
                         (("recipient", "atest", "--out", "k"), "recipient attest"), (("atest",), "attest"),
                         (("verify", "x", "--leway=1"), "--leeway"),
                         (("help", "shw"), "show"),
                         (("attest", "--nonse=1"), "--nonce"), (("attest", "--userdata", "1"), "--user-data"),
                         (("verify", "x", "--alow-debug"), "--allow-debug")):
        run(*words).is_(USAGE, f"did you mean {meant}?")
    for words in (("frobnicate",), ("attest", "--frobnicate"), ("x" * 5000,), ("attest", "--" + "x" * 5000)):
        check("did you mean" not in run(*words).is_(USAGE).err, f"{words[-1][:20]} is near to nothing")


@test
def options_stand_anywhere() -> None:
    """Before and after arguments, with = or without, until --."""
    with device() as d:
        wanted = d.run("pcr", "get", 0, "--json").is_(DONE).text
        equal(d.run("pcr", "get", "--json", 0).is_(DONE).text, wanted, "an option first")
        equal(d.run("pcr", "get", "--json", "--", 0).is_(DONE).text, wanted, "arguments after --")
        hex_ = d.run("random", 3).is_(DONE).text
        equal(d.run("random", "--out=-", 3).is_(DONE).out.hex() + "\n", hex_, "--out=-")
        equal(d.run("random", "--out", "-", 3).is_(DONE).out.hex() + "\n", hex_, "--out -")
        d.run("pcr", "predict", "--name=--data", "text:x").is_(DONE)


@test
def no_nsm_has_a_code_of_its_own() -> None:
    """3, of the build that is shipped, as of every machine without /dev/nsm; nothing is on stdout."""
    for words in NEEDS_NSM:
        run(*words).is_(NO_NSM, "no NSM here", b"")
        if not TOP.joinpath("/dev/nsm").exists():
            run(*words, program=SHIPPED).is_(NO_NSM, "no NSM here", b"")


@test
def control_characters_of_arguments_stay_harmless() -> None:
    """On stderr they are \\xHH; other characters are as they are."""
    done = run("show", "a\x1b[31m\u009b\u202eü\n").is_(5)
    check("a\\x1b[31m\\xc2\\x9b\\xe2\\x80\\xaeü\\x0a" in done.err, done.err)
    done = run("show", "a\u061c\u200d\u2060\ufeff\u00e4")
    check("a\\xd8\\x9c\\xe2\\x80\\x8d\\xe2\\x81\\xa0\\xef\\xbb\\xbf\u00e4" in done.err, done.err)
    run(b"\xff\x1b").is_(USAGE, "no command \\xff\\x1b")
