"""/etc/enclave-init.conf of an image: put together with what the image says, and refused where it is wrong."""

import os
import shutil
import struct
from pathlib import Path

from images.containers import CMD, GROUP, PASSWD, static_layer
from images.oci import Layout, single, tagged

from .lib import (ARCH, ASAN, DONE, REFUSED, Done, Eif, boot_options, build, built, check, fake_kernel, folder, make, ramdisk, run, same,
                  test, text)

CONF = "enclave-init.conf"


def image(path: Path, conf: str | bytes, *, link: str = "", **config: object) -> Path:
    """A layout with tell, two users and /etc/enclave-init.conf, which may be a link to where it lies."""
    layer = static_layer("etc", "srv")
    layer.file("etc/passwd", PASSWD)
    layer.file("etc/group", GROUP)
    layer.file("etc/vars", "A=1\n")
    if link:
        layer.link(f"etc/{CONF}", link)
        layer.dir("opt")
    layer.file(link.lstrip("/") if link else f"etc/{CONF}", conf)
    single(path / "image", [layer], {"Cmd": ["/tell"], **config})
    return path / "image"


@test
def the_images_own_configuration_is_left_where_it_is() -> None:
    """init reads it there: nothing is written beside /cmd where the image says nothing else."""
    with folder() as path:
        eif = make(path / "x.eif", "--image", image(path, "umask = 077\n[b]\ncommand = /tell\n"))
        check(CONF not in ramdisk(eif), "a configuration at the top")
        same(text(eif, "cmd"), "/tell\n", "cmd")
        same(ramdisk(eif)[f"rootfs/etc/{CONF}"].data, b"umask = 077\n[b]\ncommand = /tell\n", "the image's")


@test
def what_the_image_says_comes_before_its_own_configuration() -> None:
    """The top one wins, so it has both; a key of the file stands for the image's."""
    with folder() as path:
        own = "# own\nuser = 5:6\n[b]\ncommand = /tell\n"
        eif = make(path / "x.eif", "--image", image(path, own, User="app", WorkingDir="/srv"))
        same(text(eif, CONF), f"workdir = /srv\n{own}", "conf")


@test
def a_command_of_the_configuration_stands_for_the_images() -> None:
    """Without one in the image there is no /cmd then, and nothing is at the top."""
    with folder() as path:
        eif = make(path / "x.eif", "--image", image(path, "command = /tell a\n", Cmd=[]))
        check("cmd" not in ramdisk(eif) and CONF not in ramdisk(eif), "cmd or conf")


@test
def a_link_of_the_image_is_followed_within_it() -> None:
    """An absolute one, too: its root is the image's."""
    with folder() as path:
        eif = make(path / "x.eif", "--image", image(path, "umask = 077\n", link="/opt/conf", User="app"))
        same(text(eif, CONF), "user = app\numask = 077\n", "conf")


@test
def config_takes_the_place_of_the_images_own() -> None:
    """--config names the whole file; that the image has one as well is said."""
    with folder() as path:
        (path / "mine").write_text("nice = 3\n")
        done = build(path / "x.eif", "--image", image(path, "umask = 077\n", User="app"), "--config", path / "mine")
        done.is_(DONE, "mine takes the place of the image's /etc/enclave-init.conf")

        same(text(Eif.load(path / "x.eif"), CONF), "user = app\nnice = 3\n", "conf")


@test
def an_option_without_effect_is_refused() -> None:
    """Where the image's own configuration, or that of --config, has the key of an option, it counts: somebody would run as root."""
    own = "command = /tell own\nuser = 0\nworkdir = /srv\nstop-signal = INT\n"
    with folder() as path:
        (path / "mine").write_text("user = 0\n")
        source = image(path, own)
        for words, key in ((("--user", "1000"), "user"), (("--user", "root"), "user"), (("--workdir", "/tmp"), "workdir"),
                           (("--stop-signal", "TERM"), "stop-signal"), (("--cmd", "x"), "command"),
                           (("--entrypoint", "/tell"), "command")):
            build(path / "x.eif", "--image", source, *words).is_(
                REFUSED, words[0], f": /etc/enclave-init.conf has {key}, which counts")
        build(path / "x.eif", "--image", source, "--config", path / "mine", "--user", "1000").is_(
            REFUSED, f"--user 1000: {path}/mine has user, which counts")
        build(path / "x.eif", "--image", source, "--config", path / "mine", "--workdir", "/tmp").is_(DONE)


SUPERVISED = ("kill-mode = group\nmemory-max = 64M\npids-max = 100\ncpu-weight = 50\nprotect-kernel = auto\n"
              "[b]\ncommand = /tell\nkill-mode = process\nmemory-max = 1G\nprotect-kernel = yes\n")
HANDED = "hand-over = yes\nheartbeat = off\nnice = 1\nprotect-kernel = no\n"


@test
def groups_and_protection_are_taken() -> None:
    """Keys of supervision and of control groups; and those that go with hand-over."""
    with folder() as path:
        for i, conf in enumerate((SUPERVISED, HANDED)):
            eif = make(path / "x.eif", "--image", image(path / f"{i}", conf))
            same(ramdisk(eif)[f"rootfs/etc/{CONF}"].data, conf.encode(), "the image's")


@test
def a_program_that_is_process_1_has_no_user_and_no_stop_signal() -> None:
    """hand-over: USER is refused, --user root stands for it; STOPSIGNAL, which such images have for docker stop, is left out."""
    own = f"/etc/{CONF} has hand-over"
    with folder() as path:
        for i, user in enumerate(("app", "1000", "0:5")):
            build(path / "x.eif", "--image", image(path / f"{i}", HANDED, User=user)).is_(
                REFUSED, f"USER {user}: {own}, which executes the program as process 1 and so as root: "
                "--user root takes the image's place\n")
        check(not (path / "x.eif").exists(), "an output")
        eif = make(path / "x.eif", "--image", path / "0/image", "--user", "root")
        check(CONF not in ramdisk(eif), "a configuration at the top")
        plain = image(path, HANDED, User="root", StopSignal="SIGRTMIN+3", WorkingDir="/srv")
        build(path / "x.eif", "--image", plain, "--user", "app").is_(
            REFUSED, f"--user app: {own}, which executes the program as process 1 and so as root\n")
        build(path / "x.eif", "--image", plain, "--stop-signal", "INT").is_(
            REFUSED, f"--stop-signal INT: {own}, with which nothing sends it\n")
        build(path / "x.eif", "--image", plain).is_(
            DONE, "note: STOPSIGNAL SIGRTMIN+3 has no effect: with hand-over nothing sends it\n")
        same(text(Eif.load(path / "x.eif"), CONF), f"workdir = /srv\n{HANDED}", "conf")


@test
def a_filter_blind_to_32_bit_calls_is_mentioned() -> None:
    """One that looks at the architecture is not."""
    allow, kill = (struct.pack("<HBBI", 6, 0, 0, k) for k in (0x7FFF0000, 0))
    looks = struct.pack("<HBBIHBBI", 0x20, 0, 0, 4, 0x15, 0, 1, 0xC000003E if ARCH == "x86_64" else 0xC00000B7) + allow + kill
    with folder() as path:
        for name, code in (("looks", looks), ("blind", allow)):
            layer = static_layer("etc")
            layer.file("etc/filter", code)
            layer.file(f"etc/{CONF}", "seccomp = /etc/filter\n")
            single(path / name, [layer], CMD)
            done = build(path / "x.eif", "--image", path / name).is_(DONE)
            same("note: seccomp /etc/filter: it does not look at the architecture of a call: " in done.err, name == "blind", done.err)


@test
def with_hand_over_a_filter_lets_process_1_read_the_clock() -> None:
    """It waits for deadlines if the program cannot be executed. Without hand-over the filter is not process 1's."""
    code = b"".join(struct.pack("<HBBI", *c) for c in ((0x20, 0, 0, 0), (0x15, 0, 1, 228), (6, 0, 0, 0x50001), (6, 0, 0, 0x7FFF0000)))
    with folder() as path:
        boot = ("--arch", "x86_64", "--kernel", fake_kernel(path / "kernel"), "--init", built("init", "x86_64"))
        for conf, wanted in (("", (DONE,)), (HANDED, (REFUSED, "seccomp /etc/filter: it forbids clock_gettime"))):
            layer = static_layer("etc")
            layer.file("etc/filter", code)
            layer.file(f"etc/{CONF}", f"{conf}seccomp = /etc/filter\n")
            single(path / f"image{len(conf)}", [layer], {"Cmd": ["/tell"]})
            run("build", "--output", path / "x.eif", "--image", path / f"image{len(conf)}", *boot).is_(*wanted)


@test
def what_init_would_refuse_is_refused() -> None:
    """With the file, line and column, or the service that it is about."""
    with folder() as path:
        for conf, said in (
                ("umask = 9\n", "/etc/enclave-init.conf: line 1, column 9: not an octal number"),
                ("\numsk = 9\n", "line 2, column 1: no such key, the nearest is umask"),
                ("restart = allways\n", "line 1, column 11: no such word here, the nearest is always"),
                (b"a\0b", "/etc/enclave-init.conf: a NUL byte at offset 1"),
                ("[b]\nuser = app\n", "line 1, column 1: a service without command"),
                ("[b]\ncommand = /nosuch\n", "service b: /nosuch: not in the image"),
                ("[b]\ncommand = nosuch\nenvironment = PATH=/srv:/x\n",
                 "service b: nosuch: not in the image, in PATH /srv:/x"),
                ("[b]\ncommand = /etc/passwd\n", "service b: /etc/passwd: not an executable file"),
                ("[b]\ncommand = /tell\nuser = nobody\n", "service b: user nobody: not in the image's /etc/passwd"),
                ("[b]\ncommand = /tell\ngroup = nogroup\n", "service b: group nogroup: not in the image's /etc/group"),
                ("supplementary-groups = video x\n", "group x: not in the image's /etc/group"),
                ("nsm-group = tpm\n", "group tpm: not in the image's /etc/group"),
                ("nsm-owner = tpm\n", "user tpm: not in the image's /etc/passwd"),
                ("environment-file = /etc/none\n", "environment-file /etc/none: not in the image"),
                ("environment-file = /etc\n", "environment-file /etc: not a file"),
                ("seccomp = /etc/filter\n", "seccomp /etc/filter: not in the image"),
                ("ambient-capabilities = CAP_KILL\nsecurebits = no-cap-ambient-raise\n",
                 "line 1, column 1: ambient-capabilities with no-cap-ambient-raise in securebits"),
                ("hand-over = yes\nrestart = always\n",
                 f"/etc/{CONF}: line 2, column 1: hand-over leaves no supervisor for this"),
                ("hand-over = yes\n[b]\ncommand = /tell\n", "line 2, column 1: hand-over leaves no supervisor for this")):
            layout = image(path / f"{abs(hash(conf))}", conf)
            done = run("build", "--output", path / "x.eif", *boot_options(), "--image", layout, program=ASAN)
            done.is_(REFUSED, said)
            check(not (path / "x.eif").exists(), "an output")


@test
def a_byte_order_mark_is_passed_over() -> None:
    """Alone, and behind what the image says, where it would be in the middle."""
    with folder() as path:
        for config in ({}, {"User": "app"}):
            own = image(path / f"{len(config)}", "\ufeffumask = 077\n", **config)
            eif = make(path / "x.eif", "--image", own)
            if config:
                same(text(eif, CONF), "user = app\numask = 077\n", "conf")
        (path / "mine").write_bytes(b"\xef\xbb\xbfumsk = 9\n")
        build(path / "y.eif", "--image", own, "--config", path / "mine").is_(REFUSED, "mine: line 1, column 1: no such key")


@test
def a_single_quote_is_mentioned() -> None:
    """Who comes from a shell writes sh -c 'echo hi': two words, with a quote each."""
    with folder() as path:
        own = image(path, "command = /tell -c 'echo hi'\n")
        build(path / "x.eif", "--image", own).is_(DONE, "command: 'echo: a single quote is a character of the word")
        own = image(path / "good", "command = /tell \"-c it's\" a'b'\n")
        check("quote" not in build(path / "x.eif", "--image", own).is_(DONE).err, "a note without need")


@test
def what_no_program_can_be_given_is_named() -> None:
    """A variable or an argument of more than 131071 bytes: execve(2) says E2BIG of all of them, in the enclave."""
    with folder() as path:
        of_config(path, Cmd=["/tell", "x" * 131071], Env=["BIG=" + "x" * 131067]).is_(DONE)
        of_config(path, Cmd=["/tell"], Env=["A=1", "BIG=" + "x" * 131068]).is_(
            REFUSED, "environment: BIG: 131072 bytes; a program can be given 131071 in one")
        of_config(path, Cmd=["/tell", "x" * 131072]).is_(REFUSED, "command: xxx", ": 131072 bytes; a program can be given")


@test
def a_configuration_among_the_boot_files_is_checked() -> None:
    """By build and set-init, as --config is: init prefers it to the image's own. To another init it is any file."""
    bad = {"umsk = 077\n": "line 1, column 1: no such key, the nearest is umask", "umask = 077\0\n": "a NUL byte at offset 11",
           "#" * 65537: "longer than 65536 bytes", "[a]\n": "line 1, column 1: a service without command"}
    with folder() as path:
        mine, good, eif = path / "mine", "umask = 077\n", path / "x.eif"
        kernel = ("--arch", "x86_64", "--kernel", fake_kernel(path / "kernel"), "--image", image(path, good))
        inits = {name: ("--init", built(name, "x86_64")) for name in ("init", "hello")}
        for text_ in (good, *bad):
            mine.write_text(text_)
            for dest in ("enclave-init.conf", "/enclave-init.conf"):
                boot = ("--boot-file", f"{dest}={mine}:0600")
                wanted = (DONE,) if text_ == good else (REFUSED, f"--boot-file: {mine}: {bad[text_]}")
                run("build", "--output", eif, *kernel, *inits["init"], *boot).is_(*wanted)
                run("build", "--output", path / "any.eif", *kernel, *inits["hello"], *boot).is_(DONE)
                if text_ == good:
                    same(ramdisk(Eif.load(eif), 0)[CONF].data, good.encode(), "the boot file")
                run("set-init", eif, "--output", path / "y.eif", *inits["init"], *boot).is_(*wanted)
                run("set-init", eif, "--output", path / "y.eif", *inits["hello"], *boot).is_(DONE)
            run("build", "--output", path / "any.eif", *kernel, *inits["init"], "--boot-file", f"etc/{CONF}={mine}").is_(DONE)


# --- the image's configuration, by the eyes of Go --------------------------------

def of_config(path: Path, **config: object) -> Done:
    """What a build of an image of these makes; path/x.eif."""
    shutil.rmtree(path / "image", ignore_errors=True)
    layer = static_layer("etc")
    layer.file("etc/passwd", PASSWD)
    single(path / "image", [layer], config)
    return build(path / "x.eif", "--image", path / "image", program=ASAN)


@test
def a_variable_is_there_once_with_its_last_value() -> None:
    """In the image and by --env; with PATH the program is found by the last one. One with a newline is one of them."""
    with folder() as path:
        of_config(path, Cmd=["/tell"], Env=["A=1", "B=2", "A=3", "AB=4", "B=5", "=x"]).is_(REFUSED, "=x: not NAME=VALUE")
        of_config(path, Cmd=["/tell"], Env=["A=1", "B=2", "A=3", "AB=4", "B=5", "C="]).is_(DONE)
        same(text(Eif.load(path / "x.eif"), "env"), "A=3\nB=5\nAB=4\nC=\n", "env")
        eif = make(path / "x.eif", "--image", path / "image", "--env", "A=9", "--env", "N=1", "--env", "N=2")
        same(text(eif, "env"), "A=9\nB=5\nAB=4\nC=\nN=2\n", "env with --env")
        of_config(path, Cmd=["tell"], Env=["PATH=/nowhere", "PATH=/"]).is_(DONE)
        of_config(path, Cmd=["tell"], Env=["PATH=/", "PATH=/nowhere"]).is_(REFUSED, "tell: not in the image, in PATH /nowhere")
        of_config(path, Cmd=["/tell"], Env=["A=1\n2", "B=1", "A=3", "B=1\n2"]).is_(DONE)
        eif = Eif.load(path / "x.eif")
        same((text(eif, "env"), text(eif, CONF)), ("A=3\n", 'environment = "B=1\\n2"\n'), "env and conf")


@test
def keys_are_read_in_any_case_of_letters() -> None:
    """As Go reads them, to the long s and the sign of Kelvin; in two cases there is no telling, and none is taken."""
    with folder() as path:
        of_config(path, cmd=["/tell", "a"], USER="1000", workingDir="/w", eNV=["A=1"], **{"\u017ftop\u017fignal": "INT"}).is_(DONE)
        eif = Eif.load(path / "x.eif")
        same((text(eif, "cmd"), text(eif, "env")), ("/tell\na\n", "A=1\n"), "cmd and env")
        same(text(eif, CONF), "workdir = /w\nuser = 1000\nstop-signal = INT\n", "conf")
        of_config(path, Cmd=["/tell"], User="1", user="2").is_(
            REFUSED, '"User" is there twice, as "User" and as "user"')
        of_config(path, Cmd=["/tell"], Users="1", Use="2").is_(DONE)
        check(CONF not in ramdisk(Eif.load(path / "x.eif")), "a user of another key")


@test
def commands_of_nothing_and_of_a_string() -> None:
    """null and [] are none; a string is a list of one, as docker reads it, not a shell's words."""
    with folder() as path:
        for nothing in (None, []):
            of_config(path, Entrypoint=["/tell", "a"], Cmd=nothing).is_(DONE)
            same(text(Eif.load(path / "x.eif"), "cmd"), "/tell\na\n", "cmd")
            of_config(path, Entrypoint=nothing, Cmd=["/tell", "b"]).is_(DONE)
            same(text(Eif.load(path / "x.eif"), "cmd"), "/tell\nb\n", "cmd")
            of_config(path, Entrypoint=nothing, Cmd=nothing).is_(REFUSED, "neither entrypoint nor command: --cmd does")
        of_config(path, Entrypoint="/tell", Cmd="two words").is_(DONE)
        same(text(Eif.load(path / "x.eif"), "cmd"), "/tell\ntwo words\n", "cmd")
        of_config(path, Cmd="/tell me").is_(REFUSED, "/tell me: not in the image\n")
        of_config(path, Cmd=["/tell"], Env="A=1").is_(REFUSED, '"Env" is no array')


@test
def volumes_are_folders_of_the_image() -> None:
    """Made where no layer has them, below links too, and left as they are where one has; what is none is refused."""
    with folder() as path:
        layer = static_layer("etc", "var", "real")
        layer.dir("var/has", 0o750, uid=7)
        layer.link("data", "/real")
        layer.file("file", "")
        volumes = {"/prometheus": {}, "/var/has": {}, "/var/deep/er": {}, "/data/x": {}, "relative": {}}
        single(path / "image", [layer], {"Cmd": ["/tell"], "Volumes": volumes})
        done = build(path / "x.eif", "--image", path / "image", program=ASAN).is_(
            DONE, "VOLUME /prometheus is a folder of the image, made for it: ", "VOLUME /var/has is a folder of the image: ")
        check("EXPOSE" not in done.err, done.story)
        files = ramdisk(Eif.load(path / "x.eif"))
        for name in ("prometheus", "var/deep", "var/deep/er", "real/x", "relative"):
            same((files[f"rootfs/{name}"].mode, files[f"rootfs/{name}"].uid), (0o40755, 0), name)
        same((files["rootfs/var/has"].mode, files["rootfs/var/has"].uid), (0o40750, 7), "var/has")
        for bad in ("/file", "/file/below"):
            single(path / f"bad{len(bad)}", [layer], {"Cmd": ["/tell"], "Volumes": {bad: {}}})
            build(path / "y.eif", "--image", path / f"bad{len(bad)}").is_(REFUSED, f"VOLUME: {bad}: not a folder")
        # Each was put in order among all the others: 40,000 took ten seconds, 400,000 hours.
        single(path / "many", [layer], {"Cmd": ["/tell"], "Volumes": {f"/v{i}": {} for i in range(40_000)}})
        build(path / "y.eif", "--image", path / "many").is_(DONE)
        same(sum(name.startswith("rootfs/v") and name[8:].isdigit() for name in ramdisk(Eif.load(path / "y.eif"))), 40_000, "volumes")


@test
def architectures_have_many_names() -> None:
    """Those of uname for Go's; --arch stands for one that is not said, or wrong, which is told."""
    boots = [o for o in boot_options() if o not in ("--arch", "x86_64")]
    with folder() as path:
        for arch, err in (("amd64", ""), ("x86_64", ""), ("AMD64", ""), ("x86-64", ""),
                          ("arm64", "the image says that it is for arm64: --arch x86_64 stands for it"), ("", "the image does not say for which architecture: --arch")):
            shutil.rmtree(path / "image", ignore_errors=True)
            l = Layout(path / "image")
            one = l.image([static_layer().bytes()], CMD, arch=arch)
            for found in (one, {**one, "platform": {"architecture": arch, "os": "linux"}}):
                l.index(tagged(found))
                done = build(path / "x.eif", "--image", path / "image").is_(DONE, err)
                check(err or "arch" not in done.err, done.story)
                if os.uname().machine == "x86_64":
                    run("build", "--output", path / "y.eif", *boots, "--image", path / "image").is_(
                        REFUSED if err else DONE)


@test
def what_is_as_it_should_be_is_taken() -> None:
    """Users, groups, files and programs of services that are there."""
    with folder() as path:
        make(path / "x.eif", "--image", image(
            path, "user = app\nsupplementary-groups = video 77\nenvironment-file = -/etc/none\nnsm-group = staff\n"
            "[b]\ncommand = tell\nenvironment = PATH=/\nuser = 7\ngroup = video\nenvironment-file = /etc/vars\n"
            "workdir = /new\n[c]\ncommand = /run/made/later\n"))
