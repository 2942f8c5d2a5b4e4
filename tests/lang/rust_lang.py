"""Rust by extern "C": rustc alone, without a crate."""

from .lib import HERE, check, check_verdicts, compiled, folder, libdir, needed, shared_env, test, tool


def built(tmp, kind: str):
    compiled(tool("rustc"), "--edition", "2021", "-D", "warnings", "-A", "dead_code", "-L", f"native={libdir()}", "-l",
             f"{kind}=nsmc", "-o", tmp / "verify", HERE / "verify.rs")
    return tmp / "verify"


@test(seconds=4)
def rust_with_the_shared_library():
    """The structs as Rust lays them out are as the library fills them in."""
    with folder() as tmp:
        program = built(tmp, "dylib")
        check("libnsmc.so.0" in needed(program), "the program does not name libnsmc.so.0")
        check_verdicts(program, shared_env())


@test(seconds=4)
def rust_with_the_archive():
    """All of it is in the program."""
    with folder() as tmp:
        program = built(tmp, "static")
        check(not [n for n in needed(program) if "nsm" in n], f"the program needs {needed(program)}")
        check_verdicts(program)
