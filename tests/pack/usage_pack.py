"""Help, commands and options."""

import re

from lib import ASAN, DONE, MKEIF, TOP, USAGE, VERSION, check, run, same, test

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
        for option in set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", run(command, "--help").text)) - {"help"}:
            check(f"Fl -{option} " in man or f"Fl -{option}\n" in man, f"mkeif.1 does not name --{option}")


@test
def misuse_is_told_from_all_else() -> None:
    """Code 2, what is wrong and where help is, nothing on stdout."""
    for program in PROGRAMS:
        for words, err in (
                ((), "which command?"),
                (("frob",), "frob: no such command"),
                (("--frob",), "--frob: no such command"),
                (("build",), "build: "),
                (("build", "--frob"), "build: --frob: no such option"),
                (("pcr", "-xy"), "pcr: -x: no such option"),
                (("build", "--image"), "build: --image: a value is missing"),
                (("build", "extra"), "build: extra: one argument too many")):
            done = run(*words, program=program).is_(USAGE, f"mkeif: {err}", "\nTry mkeif ")
            same(done.err.count("\n"), 2, f"lines of {done.command}")
