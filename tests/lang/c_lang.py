"""C and C++: the library as make install leaves it, by pkg-config."""

import os

from .lib import (ARCH, BUILD, HERE, MULTIARCH, TOP, VERSION, check, check_verdicts, compiled, folder, install, installed,
                 libdir, must, needed, pkg_config, run, same, shared_env, test)

STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2")


@test(seconds=3)
def shared_by_pkg_config():
    """C and C++ with its flags: the program names libnsmc.so.0, and says what it should of documents."""
    flags = pkg_config("--cflags", "--libs")
    for compiler in (("gcc", "-std=c11"), ("g++", "-std=c++11", "-x", "c++")):
        with folder() as tmp:
            compiled(*compiler, *STRICT, "-o", tmp / "verify", HERE / "verify.c", "-x", "none", *flags)
            check("libnsmc.so.0" in needed(tmp / "verify"), "the program does not name libnsmc.so.0")
            check_verdicts(tmp / "verify", shared_env())


@test(seconds=3)
def static_by_name():
    """With -l:libnsmc.a the program needs no library of ours, and with -static none at all."""
    flags = [f if f != "-lnsmc" else "-l:libnsmc.a" for f in pkg_config("--cflags", "--libs")]
    with folder() as tmp:
        compiled("gcc", *STRICT, "-o", tmp / "verify", HERE / "verify.c", *flags)
        same(needed(tmp / "verify"), ["libc.so.6"], "what it needs")
        check_verdicts(tmp / "verify")
        compiled("gcc", *STRICT, "-static", "-o", tmp / "static", HERE / "verify.c", *flags)
        same(needed(tmp / "static"), [], "what it needs")
        check_verdicts(tmp / "static")


@test
def it_is_installed_as_distributions_do():
    """In the multiarch folder: the file by its version, the two links, .pc file, AWS's names where no one looks."""
    root, lib = installed(), libdir()
    for name, target in (("libnsmc.so", "libnsmc.so.0"), ("libnsmc.so.0", f"libnsmc.so.0.{VERSION}"),
                         ("enclave-init/compat/lib/libnsm.so", "libnsm.so.0")):
        same(os.readlink(lib / name), target, name)
    for name, built in (("libnsmc.a", "libnsmc.a"), (f"libnsmc.so.0.{VERSION}", "libnsmc.so.0"),
                        ("enclave-init/compat/lib/libnsm.a", "compat/lib/libnsm.a"),
                        ("enclave-init/compat/lib/libnsm.so.0", "compat/lib/libnsm.so.0")):
        same((lib / name).read_bytes() == (BUILD / built).read_bytes(), True, name)
        same(oct((lib / name).stat().st_mode), "0o100644", name)
    for name, source in (("include/nsmc.h", "nsmc.h"), (f"{MULTIARCH}/enclave-init/compat/include/nsm.h", "compat/nsm.h")):
        same((root / "usr" / name).read_bytes(), (TOP / "nsm" / source).read_bytes(), name)
    # AWS's own header and library have these names.
    found = {str(p.relative_to(root)) for p in root.rglob("*") if p.name in ("nsm.h", "libnsm.a", "libnsm.so", "libnsm.so.0")}
    check(all("/enclave-init/compat/" in f for f in found), f"{found}")
    check(not (root / "usr/lib/libnsmc.a").exists(), "it is in /usr/lib as well")
    same(must("pkg-config", "--modversion", lib / "pkgconfig/libnsmc.pc").strip(), VERSION, "the version")
    same((lib / "pkgconfig/libnsmc.pc").read_text().splitlines()[:3],
         ["prefix=/usr", f"libdir=/usr/{MULTIARCH}", "includedir=/usr/include"], "the .pc file")


@test
def folders_are_the_packagers():
    """PREFIX alone decides, unless LIBDIR or INCLUDEDIR are given; pkg-config follows."""
    for variables, lib, include in ((("PREFIX=/opt/x",), "opt/x/lib", "opt/x/include"),
                                    (("PREFIX=/usr", "LIBDIR=/usr/lib64", "INCLUDEDIR=/usr/include/nsmc"), "usr/lib64",
                                     "usr/include/nsmc")):
        with folder() as root:
            install(root, *variables)
            for name in (f"{lib}/libnsmc.a", f"{lib}/libnsmc.so", f"{lib}/enclave-init/compat/lib/libnsm.so",
                         f"{include}/nsmc.h"):
                check((root / name).is_file(), f"{variables}: no {name}")
            said = must("pkg-config", "--cflags", "--libs", "libnsmc",
                        env={"PKG_CONFIG_LIBDIR": str(root / lib / "pkgconfig")}).split()
            same(said, [f"-I/{include}", f"-L/{lib}", "-lnsmc"], f"{variables}: the flags")


@test
def a_program_finds_it_by_dlopen():
    """Loaded by name at run time, from C: all names are bound at once, and a function works."""
    with folder() as tmp:
        (tmp / "a.c").write_text("""
            #include <dlfcn.h>
            #include <stdio.h>
            int main(void)
            {
                void *lib = dlopen("libnsmc.so.0", RTLD_NOW | RTLD_LOCAL);
                const char *(*text)(int) = lib ? (const char *(*)(int))dlsym(lib, "nsmc_error_text") : NULL;
                puts(text ? text(-5301) : dlerror());
                return !text || dlsym(lib, "mbedtls_sha512_init") || dlclose(lib);
            }
        """)
        compiled("gcc", "-Wall", "-Wextra", "-o", tmp / "a", tmp / "a.c")
        done = run(tmp / "a", env=shared_env())
        same((done.returncode, done.stdout), (0, "the enclave is in debug mode\n"), f"{ARCH}: the program")
