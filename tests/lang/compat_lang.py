"""AWS's nine functions: programs that were written for AWS's libnsm, over a device that is in the program."""

from pathlib import Path

from .lib import HERE, check, compiled, exported, folder, libdir, must, needed, once, run, same, test

STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2")


def prefix() -> Path:
    return libdir() / "enclave-init/compat"


def make_programs(out: Path) -> None:
    out.mkdir()
    include = f"-I{prefix()}/include"
    by_link = {"archive": [prefix() / "lib/libnsm.a"], "shared": [f"-L{prefix()}/lib", "-lnsm"]}
    for name, flags in by_link.items():
        compiled("gcc", "-std=gnu11", *STRICT, include, "-o", out / name, HERE / "compat.c", *flags)
    compiled("g++", "-std=gnu++11", *STRICT, include, "-x", "c++", "-o", out / "cpp", HERE / "compat.c", "-x", "none",
             *by_link["archive"])
    same([n for n in needed(out / "shared") if "nsm" in n], ["libnsm.so.0"], "what it needs")
    same([n for n in needed(out / "archive") if "nsm" in n], [], "what it needs")


def programs() -> dict[str, Path]:
    out = once("compat", make_programs)
    return {name: out / name for name in ("archive", "shared", "cpp")}


def behaves(name: str) -> None:
    """The test of that name in compat.c, by each program."""
    for how, program in programs().items():
        done = run(program, name, env={"LD_LIBRARY_PATH": str(prefix() / "lib")})
        same((done.returncode, done.stderr), (0, ""), f"{how}: {name}")


# What of compat.c is which function.
BEHAVIOURS = {
    "aws_layouts_and_numbers": ("layout",),
    "aws_nsm_lib_init_opens_the_device": ("init",),
    "aws_nsm_lib_exit_closes_it": ("end",),
    "aws_nsm_extend_pcr": ("extend", "extend_without_room_or_data", "extend_with_much"),
    "aws_nsm_describe_pcr": ("describe",),
    "aws_nsm_lock_pcr_and_pcrs": ("lock",),
    "aws_nsm_get_description": ("description", "description_refused"),
    "aws_nsm_get_attestation_doc": ("attest", "attest_without_room", "attest_with_much"),
    "aws_nsm_get_random": ("random_bytes", "random_without_room"),
    "aws_errors_of_nsm_and_driver": ("refusals", "failures_of_the_device"),
    "aws_answers_that_are_no_good": ("answers_that_are_none", "answers_to_another_request"),
    "aws_indexes_above_255": ("indexes_above_255",),
}


def register(name: str, parts: tuple[str, ...]) -> None:
    def function() -> None:
        for part in parts:
            behaves(part)
    function.__name__ = name
    function.__doc__ = f"compat.c's {', '.join(parts)}: with the archive and the shared library, in C and C++."
    function.__module__ = __name__
    test(function)


for _name, _parts in BEHAVIOURS.items():
    register(_name, _parts)


@test
def aws_behaviours_are_all_tested():
    """Each test in compat.c is one of those above; and what is in none fails."""
    program = programs()["archive"]
    same(sorted(must(program, "-l").split()), sorted(p for parts in BEHAVIOURS.values() for p in parts), "the tests")
    check(run(program, "none").returncode == 2, "a test that there is not passed")


@test
def aws_names_are_nine():
    """The shared library shows them, as AWS's does, and nothing of ours."""
    nine = {"nsm_lib_init", "nsm_lib_exit", "nsm_extend_pcr", "nsm_describe_pcr", "nsm_lock_pcr", "nsm_lock_pcrs",
            "nsm_get_description", "nsm_get_attestation_doc", "nsm_get_random"}
    same(exported(prefix() / "lib/libnsm.so.0"), nine, "the names")


@test
def aws_sdk_compiles_with_it():
    """With the flags of aws-nitro-enclaves-sdk-c; it links what is called nsm, the shared library where there is one."""
    with folder() as tmp:
        (tmp / "a.c").write_text('#include <nsm.h>\nint main(void) { size_t n = 1; uint8_t b;\n'
                                 'return nsm_get_random(-1, &b, &n) != ERROR_CODE_INVALID_ARGUMENT; }\n')
        compiled("gcc", "-std=gnu99", "-Wall", "-Wextra", "-Wstrict-prototypes", "-Wpedantic", "-Werror",
                 f"-I{prefix()}/include", "-o", tmp / "a", tmp / "a.c", f"-L{prefix()}/lib", "-lnsm")
        same(run(tmp / "a", env={"LD_LIBRARY_PATH": str(prefix() / "lib")}).returncode, 0, "the program")
