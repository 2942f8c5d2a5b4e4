"""Help, commands and options."""

import re
import subprocess
from pathlib import Path

from images.keys import key_pair

from .lib import (ASAN, DONE, FILE, MKEIF, REFUSED, TOP, USAGE, VERSION, built, check, fake_kernel, folder, layout, run, same,
                 test)

PROGRAMS = (MKEIF, ASAN)


def commands() -> list[str]:
    return re.findall(r"^  ([a-z-]+)  ", run("--help").text, re.M)


@test
def the_version_is_the_projects() -> None:
    """Of both builds."""
    for program in PROGRAMS:
        same(run("--version", program=program).is_(DONE).out, f"mkeif {VERSION}\n".encode(), "--version")


@test
def help_is_on_stdout_and_fits_a_screen() -> None:
    """The list, and each command's: 24 lines of 80 columns that begin with how it is called."""
    check("build" in commands(), "no build in the list")
    for words in ([], *([c] for c in commands())):
        done = run(*words, "--help").is_(DONE)
        same(done.err, "", f"stderr of {done.command}")
        lines = done.text.splitlines()
        check(lines[0].startswith(" ".join(["usage: mkeif", *words])), f"{done.command}: {lines[0]}")
        check(len(lines) <= 24, f"{done.command}: {len(lines)} lines")
        check(max(map(len, lines)) <= 80, f"{done.command}: {max(map(len, lines))} columns")
        same(run(*words, "-h").is_(DONE).out, done.out, f"{words} -h")
        same(run("help", *words).is_(DONE).out, done.out, f"help {words}")


@test
def the_list_names_the_exit_codes() -> None:
    """And the man page names them, each command and each option, too."""
    listed = run("--help").text
    man = (TOP / "rootfs/pack/mkeif.1").read_text()
    for code in (0, 1, 2, 5):
        check(re.search(rf"\b{code} \w", listed), f"code {code} is not explained")
        check(re.search(rf"^\.It {code}$", man, re.M), f"code {code} is not in mkeif.1")
    for command in commands():
        check(re.search(rf"^\.Ss {command}$", man, re.M), f"mkeif.1 does not describe {command}")
        for option in set(re.findall(r"(?<![\w-])--([a-z][a-z0-9-]*)", run(command, "--help").text)) - {"help"}:
            check(f"Fl -{option} " in man or f"Fl -{option}\n" in man, f"mkeif.1 does not name --{option}")


COMPLETION = TOP / "rootfs/pack/mkeif.bash-completion"


def complete(*words: str) -> list[str]:
    """What the function offers for the last of the words behind mkeif."""
    script = '. "$0"; COMP_WORDS=(mkeif "$@") COMP_CWORD=$#; _mkeif; printf "%s\\n" "${COMPREPLY[@]}"'
    p = subprocess.run(["bash", "-uc", script, COMPLETION, *words], capture_output=True, text=True, check=False)
    check(p.returncode == 0 and not p.stderr, f"{words}: {p.returncode} {p.stderr}")
    return p.stdout.split()


def options_in_code(name: str) -> set[str]:
    """Of the command's table, with those that several have."""
    file = name.replace("-", "_")
    paths = [TOP / f"rootfs/pack/command/{stem}.c" for stem in (f"{file}_options", file)]
    code = next(text for path in paths if path.exists() and "struct option" in (text := path.read_text()))
    table = code[code.index("const struct option "):]
    found = set(re.findall(r'\{ "([a-z0-9_-]+)", ', table[:table.index("{ 0 }")]))
    for mark, path in (("SIGN_OPTIONS,", "command/sign_options.h"), ("PCRS_EXPECT_OPTIONS,", "eif/pcrs.h")):
        if mark in table[:table.index("{ 0 }")]:
            found |= set(re.findall(r'"([a-z0-9-]+)",\s+\\?\s*required_argument', (TOP / "rootfs/pack" / path).read_text()))
    return found | {"quiet", "help"}


@test
def the_completion_and_the_page_have_every_option() -> None:
    """Those of the command's table in the code, nitro-cli's too, and no others."""
    check(set(commands()) <= set(complete("")), "the commands")
    man = (TOP / "rootfs/pack/mkeif.1").read_text()
    for command in commands():
        wanted = options_in_code(command)
        same({o.removeprefix("--") for o in complete(command, "--")}, wanted, command)
        for option in wanted:
            check(re.search(rf"[ -]-{option}(?![a-z0-9-])", man), f"mkeif.1 does not name --{option} of {command}")
    with folder() as path:
        (path / "x.eif").touch()
        for words, found in ((("build", "--arch", ""), ["x86_64", "aarch64"]), (("build", "--squashfs", "=", "g"), ["gzip"]),
                             (("build", "--cmd", ""), []), (("d",), ["describe", "diff", "describe-eif"]),
                             (("sign", "--pri"), ["--private-key"])):
            same(complete(*words), found, f"{words}")


@test
def misuse_is_told_from_all_else() -> None:
    """Code 2, what is wrong and where help is, nothing on stdout."""
    for program in PROGRAMS:
        for words, err in (
                ((), "which command?"),
                (("frob",), "frob: no such command"),
                (("run",), "run: no such command; booting is scripts/run-enclave, or nitro-cli on an instance"),
                (("run-enclave",), "run-enclave: no such command; booting is scripts/run-enclave"),
                (("bild",), "bild: no such command; did you mean build?"),
                (("--frob",), "--frob: no such command"),
                (("help", "nope"), "nope: no such command"),
                (("help", "bild"), "bild: no such command; did you mean build?"),
                (("build",), "build: "),
                (("build", "--frob"), "build: --frob: no such option"),
                (("pcr", "-xy"), "pcr: -x: no such option"),
                (("build", "--image"), "build: --image: a value is missing"),
                (("describe", "x", "--json=yes"), "describe: --json: this option has no value"),
                (("build", "extra"), "build: extra: one argument too many")):
            done = run(*words, program=program).is_(USAGE, f"mkeif: {err}", "\nTry mkeif ")
            same(done.err.count("\n"), 2, f"lines of {done.command}")


@test
def an_option_with_a_value_is_given_once() -> None:
    """Under whichever of its names; which one would count? Those that add to a list may come again, and so may those
    that only say yes."""
    once = [(c, o) for c in commands() for o in sorted(options_in_code(c)) if takes_value(c, o) and (c, o) not in REPEAT and o != "eif-path"]
    check(len(once) > 40, f"{len(once)} options")
    for command, option in once:
        run(command, f"--{option}={VALUES.get(option, 'x')}", f"--{option}={VALUES.get(option, 'x')}").is_(
            USAGE, f"{command}: --{option}: twice")
    for command, option in sorted(REPEAT):
        done = run(command, f"--{option}", "x", f"--{option}", "x").is_(USAGE)
        check("twice" not in done.err, done.story)
    for words in (("build", "--output", "x", "--output-file", "y"), ("sign", "--private-key", "x", "--sign-key", "x")):
        run(*words).is_(USAGE, f"{words[0]}: {words[3]}: twice")
    run("pcr", "--cert", "x", "--signing-certificate", "x").is_(USAGE, "either --cert or --signing-certificate")
    run("describe", "--json", "--json", "--quiet", "--quiet").is_(USAGE, "the image is missing")


REPEAT = {*(("build", o) for o in ("entrypoint", "cmd", "env", "module", "boot-file", "file", "ramdisk")), ("set-init", "boot-file"),
          *(("policy", o) for o in ("pcr", "action", "context", "encrypt", "admin"))}
VALUES = {"owner": "keep", "compress": "gzip", "squashfs": "xz", "role": "arn:aws:iam::111122223333:role/x",
          "key": "arn:aws:kms:eu-west-1:111122223333:key/x", **{f"expect-pcr{n}": "0" * 96 for n in (0, 1, 2, 8)}}


def takes_value(command: str, option: str) -> bool:
    """Else it is said that it has none."""
    return "has no value" not in run(command, f"--{option}=", "--no-such-option").err and option not in ("quiet", "help")


@test
def names_of_options_are_exact() -> None:
    """Not cut short, and a slip is named; else each new option would break somebody's script."""
    for words, err in (
            (("build", "--outp", "x"), "build: --outp: no such option; did you mean --output?"),
            (("build", "--ramdsik", "x"), "build: --ramdsik: no such option; did you mean --ramdisk?"),
            (("build", "--imgae=x"), "build: --imgae: no such option; did you mean --image?"),
            (("describe", "--file"), "describe: --file: no such option; did you mean --files?"),
            (("build", "-o", "x"), "build: -o: no such option; did you mean --output?"),
            (("set-init", "-o", "x"), "set-init: -o: no such option; did you mean --output?"),
            (("build", "--command", "x"), "build: --command: no such option; did you mean --cmd?"),
            (("sign", "--key=x"), "sign: --key: no such option; did you mean --sign-key?"),
            (("sign", "--cert", "x"), "sign: --cert: no such option; did you mean --sign-cert?"),
            (("pcr", "--x"), "pcr: --x: no such option\n"),
            (("sign", "--" + "x" * 5000), "no such option\n")):
        run(*words).is_(USAGE, err)


def small(path: Path) -> list[object]:
    """The options of a small image whose kernel is none."""
    return ["--image", layout("nopasswd"), "--kernel", fake_kernel(path / "bzImage"), "--init", built("init", "x86_64")]


@test
def options_stand_anywhere_whatever_the_environment_says() -> None:
    """Behind arguments with POSIXLY_CORRECT, too; behind -- there are none."""
    with folder() as path:
        run("build", *small(path), "--output", path / "x.eif").is_(DONE)
        wanted = run("describe", "--json", path / "x.eif").is_(DONE).out
        for env in ({}, {"POSIXLY_CORRECT": "1"}):
            for words in (("describe", path / "x.eif", "--json"), ("describe", "--json", "--", path / "x.eif"),
                          ("describe", "--eif-path", path / "x.eif", "--json"), ("describe-eif", "--eif-path", path / "x.eif"),
                          ("describe-eif", f"--eif-path={path / 'x.eif'}")):
                same(run(*words, env=env).is_(DONE).out, wanted, f"{words}")
        (path / "--json").write_bytes((path / "x.eif").read_bytes())
        same(run("pcr", "--", "--json", cwd=path).is_(DONE).out, run("pcr", path / "x.eif").is_(DONE).out, "pcr")
        run("describe", "--", path / "x.eif", "--json").is_(USAGE, "--json: one argument too many")
        run("describe", "-", path / "x.eif").is_(USAGE, "x.eif: one argument too many")


@test
def help_is_anywhere_but_behind_what_is_wrong() -> None:
    """And not where it is a value or an argument."""
    text = run("build", "--help").is_(DONE).out
    for words in (("build", "--image", "x", "--help"), ("build", "-h", "--image"), ("build-enclave", "--help"),
                  ("help", "build-enclave")):
        same(run(*words).is_(DONE).out, text, f"{words}")
    run("build", "--frob", "--help").is_(USAGE, "--frob: no such option")
    run("describe", "--", "--help").is_(FILE, "--help: No such file or directory")
    run("build", "--image", "--help").is_(USAGE, "--output is missing")


@test
def quiet_is_quiet_but_for_what_failed() -> None:
    """Of all commands: no notes, the same result, and errors as ever."""
    with folder() as path:
        loud = run("build", *small(path), "--output", path / "x.eif").is_(DONE, "no --module")
        quiet = run("build", *small(path), "--output", path / "y.eif", "--quiet").is_(DONE)
        same((quiet.err, quiet.out), ("", loud.out), "quiet")
        same((path / "x.eif").read_bytes(), (path / "y.eif").read_bytes(), "the image")
        run("pcr", "--role", "x", "--quiet").is_(DONE)
        same(run("pcr", "--role", "x", "--quiet").err, "", "a note of pcr")
        check(run("pcr", "--role", "x").err, "no note of pcr")
    run("describe", "--quiet", "/dev/null").is_(REFUSED, "/dev/null: ")
    run("describe", "--quiet", "--frob").is_(USAGE, "--frob: no such option")


@test
def nitro_clis_names_do_the_same() -> None:
    """build-enclave, sign-eif, describe-eif, and the options that they have."""
    with folder() as path:
        key, cert = key_pair(path)
        ours = run("build", *small(path), "--output", path / "x.eif", "--image-version", "7", "--name", "n", "--sign-key", key,
                   "--sign-cert", cert).is_(DONE)
        theirs = run("build-enclave", *small(path), "--output-file", path / "y.eif", "--version", "7", "--name", "n",
                     "--private-key", key, "--signing-certificate", cert).is_(DONE)
        same(theirs.out, ours.out, "the measurements")
        same((path / "y.eif").read_bytes(), (path / "x.eif").read_bytes(), "the image")
        run("build", *small(path), "--output", path / "z.eif", "--image-version", "7", "--name", "n").is_(DONE)
        run("sign-eif", "--eif-path", path / "z.eif", "--signing-certificate", cert, "--private-key", key).is_(DONE)
        same((path / "z.eif").read_bytes(), (path / "x.eif").read_bytes(), "the image signed in its place")
        run("sign", path / "z.eif", "--sign-cert", cert, "--sign-key", key).is_(USAGE, "--output is missing")
