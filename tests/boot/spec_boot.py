"""4: what to run, on a real kernel. tests/ns has the same and all else of it: nothing there is the kernel's."""

import gzip
from dataclasses import replace

from images.stubs import elf

from .lib import DEFAULT_PATH, Boot, Tree, boot, check, image, same, shared, test

PATH_LINE = f"[PATH={DEFAULT_PATH}]"


def program(name: str, data: bytes | str, mode: int = 0o755) -> Tree:
    tree = Tree()
    tree.file(name, data, mode)
    return tree


@shared
def with_all() -> Boot:
    """A command by PATH with odd arguments, and an environment with all that may be in one."""
    tree = program("first/tool", "#!/none\n", 0o644)
    tree.link("second/tool", "/bin/probe")
    return boot(image(raw_cmd=b"tool\n--save\n\n  two  words \n\n", files=tree,
                      raw_env=b"A=1\nB=a b=c\nPRIVATE KEY-----\nE=\nHOME=/home/me\nPATH=/nowhere:/first:/second:/bin\n"))


@shared
def with_little() -> Boot:
    """As monzo's builder makes images, on a kernel with all drivers built in and a command line full of words."""
    eif = image(raw_cmd=b"probe\nlast", raw_env=b"", kernel="builtin")
    eif = replace(eif, ramdisks=[gzip.compress(r, mtime=0) for r in eif.ramdisks])
    return boot(eif, append="LEAK=1 HOME=/evil PATH=/evil LD_PRELOAD=/evil.so init_debug=1 init_debugger no.init_debug")


@shared
def debugged() -> Boot:
    """A large environment, and each step in the log."""
    names = [f"N{i:05}=" + "v" * 20 for i in range(30000)]
    return boot(image("/bin/act", "say", "large", "env", "N29999", env=tuple(names)), append="init_debug")


@test()
def arguments_and_environment_arrive():
    """Blank lines of /cmd are empty arguments; an /env line without = is skipped and told."""
    b = with_all()
    same(b.all("arg"), ["[tool]", "[--save]", "[]", "[  two  words ]", "[]"], "arguments")
    same(sorted(b.all("env")),
         sorted(["[A=1]", "[B=a b=c]", "[E=]", "[HOME=/home/me]", "[PATH=/nowhere:/first:/second:/bin]"]),
         "environment")
    warnings = [line for line in b.log if "/env" in line]
    same(len(warnings), 1, "warnings")
    check("line 3" in warnings[0] and "PRIVATE KEY" not in warnings[0], warnings[0])


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
    boot(image(no_cmd=True)).expect_stop(3, "init: spec: /cmd: ")


@test()
def the_largest_allowed_files_run():
    """An /env of nearly 1 MiB, and thousands of lines, is fine."""
    debugged().expect(say="large", **{"env__N29999": "v" * 20})


@test()
def path_lookup_uses_the_images_path():
    """The image's PATH is searched in its order; what is not executable is passed over."""
    b = with_all()
    same(b.all("arg")[0], "[tool]", "its name")
    b.expect_end("/second/tool", "exited with code 0")


@test()
def what_is_not_found_is_named_with_the_path():
    """What PATH does not have is named with the PATH searched."""
    b = boot(image("nginx", env=("PATH=/opt/a:/opt/b",)))
    b.expect_stop(8, "init: spawn: nginx: not found, PATH searched: /opt/a:/opt/b")


@test()
def text_without_shebang_runs_in_the_shell():
    """A script without #! is run by /bin/sh, with its arguments (AWS's hello.sh)."""
    tree = program("hello.sh", "# a comment\nprintf hello\n")
    tree.link("bin/sh", "/bin/probe")
    b = boot(image("/hello.sh", "one", "", files=tree))
    same(b.all("arg"), ["[/bin/sh]", "[/hello.sh]", "[one]", "[]"], "arguments")
    b.expect_heartbeat()


@test()
def elf_of_another_machine_is_named():
    """An ELF program for another architecture is named so, and not given to the shell."""
    tree = program("app", elf("aarch64"))
    tree.link("bin/sh", "/bin/probe")
    b = boot(image("/app", files=tree))
    b.expect_stop(8, "init: spawn: /app: an ELF file for aarch64, this machine is x86-64")
    check(not b.facts, "the shell ran")
