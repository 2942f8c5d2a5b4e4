"""Go by cgo: nothing but its standard library."""

from .lib import HERE, check, check_verdicts, folder, libdir, must, needed, pkg_config_env, shared_env, test, tool


def built(tmp, **more: str):
    """verify.go, with the flags of pkg-config; nothing is fetched."""
    env = {**pkg_config_env(), "CGO_ENABLED": "1", "GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local",
           "GO111MODULE": "off", "GOWORK": "off", **more}
    (tmp / "verify.go").write_bytes((HERE / "verify.go").read_bytes())
    must(tool("go"), "build", "-o", "verify", "verify.go", env=env, cwd=tmp)
    return tmp / "verify"


@test(seconds=20)
def go_with_the_shared_library():
    """Its struct types come from nsmc.h; slices are handed over without being pinned."""
    with folder() as tmp:
        program = built(tmp)
        check("libnsmc.so.0" in needed(program), "the program does not name libnsmc.so.0")
        check_verdicts(program, shared_env())


@test(seconds=20)
def go_with_the_archive():
    """As a program that goes into an image alone."""
    with folder() as tmp:
        # The flags of pkg-config come first, and a library is looked for in order.
        (tmp / "lib").mkdir()
        (tmp / "lib/libnsmc.a").symlink_to(libdir() / "libnsmc.a")
        program = built(tmp, CGO_LDFLAGS=f"-L{tmp}/lib -l:libnsmc.a")
        check(not [n for n in needed(program) if "nsm" in n], f"the program needs {needed(program)}")
        check_verdicts(program)
