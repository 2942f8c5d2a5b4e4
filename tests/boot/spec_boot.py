"""4: what to run, on a real kernel. tests/ns has the same and all else of it: nothing there is the kernel's."""

import gzip
from dataclasses import replace

from .lib import DEFAULT_PATH, Boot, boot, check, image, same, shared, test
from .parent import LINKED, listened
from .scenes import of_scene

PATH_LINE = f"[PATH={DEFAULT_PATH}]"


@shared
def with_little() -> Boot:
    """As monzo's builder makes images, on a kernel with all drivers built in and a command line full of words."""
    eif = image(raw_cmd=b"probe\nlast", raw_env=b"", kernel="builtin")
    eif = replace(eif, ramdisks=[gzip.compress(r, mtime=0) for r in eif.ramdisks])
    return boot(eif, append="LEAK=1 HOME=/evil PATH=/evil LD_PRELOAD=/evil.so init_debug=1 init_debugger no.init_debug")


@shared
def debugged() -> Boot:
    """A large environment, each step in the log, and a parent that is late."""
    names = [f"N{i:05}=" + "v" * 20 for i in range(30000)]
    return boot(image("/bin/act", "say", "large", "env", "N29999", env=tuple(names)), append="init_debug", parent=("--missed", "1"))


@shared
def not_found() -> Boot:
    """A program whose name has control characters and is not in the PATH, and a parent that takes the report."""
    return listened(image("nginx\x1b[31m\rinit: end: faked", env=("PATH=/opt/a:/opt/b",), config=LINKED + "end = main\n"))


@test()
def arguments_and_environment_arrive():
    """Blank lines of /cmd are empty arguments; an /env line without = is skipped and told, and nothing else is added."""
    b = of_scene("words")
    same([b.all("arg")[n] for n in (0, 1, 2, 3, 6)], ["[/bin/probe]", "[--save]", "[]", r"[  two  words\x09]", "[]"], "arguments")
    same(len(b.all("arg")), 7, "arguments")
    names = ["AFTER", "EMPTY", "HOME", "KEY", "LD_PRELOAD", "PATH", "SPACED", "TERM", "TUlJQg", "TWICE", "TWICE", "URL",
             "spring.profiles.active"]
    same(sorted(e[1:].partition("=")[0] for e in b.all("env")), names, "the environment's names")
    check({"[EMPTY=]", "[URL=https://example.org/?a=b&c==]", "[HOME=/home/me]", "[PATH=/opt/bin:/bin]"} <= set(b.all("env")),
          f"environment: {b.all('env')}")
    same([line for line in b.log if "/env" in line], [f"init: spec: /env: line {n} is not NAME=VALUE, skipped" for n in (13, 14)],
         "warnings")


@test()
def files_of_monzo_are_read():
    """monzo's builder: no final newline, an empty /env, gzip'ed ramdisks, the driver built in."""
    b = with_little()
    same(b.all("arg"), ["[probe]", "[last]"], "arguments")
    same(sorted(b.all("env")), ["[HOME=/]", PATH_LINE], "environment")


@test()
def kernel_words_do_not_leak():
    """What the kernel's command line gives PID 1's environment is not the application's."""
    b = with_little()
    check("LEAK=1" in b.fact("cmdline"), f"the kernel's command line: {b.fact('cmdline')}")
    same(sorted(b.all("env")), ["[HOME=/]", PATH_LINE], "environment")


@test()
def a_missing_cmd_stops():
    """Without /cmd the boot stops."""
    of_scene("no_command").expect_stop(3, "init: spec: /cmd: ")


@test()
def the_largest_allowed_files_run():
    """An /env of nearly 1 MiB, and thousands of lines, is fine."""
    debugged().expect(say="large", **{"env__N29999": "v" * 20})


@test()
def path_lookup_uses_the_images_path():
    """The image's PATH is searched in its order; what is not executable is passed over."""
    b = of_scene("searched")
    same(b.all("arg")[0], "[tool]", "its name")
    b.expect_end("/usr/bin/tool", "exited with code 0")


@test()
def what_is_not_found_is_named_with_the_path():
    """What PATH does not have is named with the PATH searched."""
    not_found().expect_stop(8, "init: spawn: nginx", ": not found, PATH searched: /opt/a:/opt/b")


@test()
def text_without_shebang_runs_in_the_shell():
    """A script without #! is run by /bin/sh, with its arguments (AWS's hello.sh)."""
    b = of_scene("plain_text")
    b.expect(zero="/usr/bin/start", rest="3:[one][][two words]")
    b.expect_heartbeat()


@test()
def elf_of_another_machine_is_named():
    """An ELF program for another architecture is named so, and not given to the shell."""
    b = of_scene("foreign_program")
    b.expect_stop(8, "init: spawn: /opt/app/server: an ELF file for aarch64, this machine is x86-64")
    check(not b.facts, "the shell ran")
