"""/etc/enclave-init.conf of an image: put together with what the image says, and refused where it is wrong."""

from pathlib import Path

import images
from lib import ASAN, DONE, REFUSED, Eif, boot_options, build, check, folder, make, ramdisk, run, same, test, text

CONF = "enclave-init.conf"


def image(path: Path, conf: str | bytes, *, link: str = "", **config: object) -> Path:
    """A layout with tell, two users and /etc/enclave-init.conf, which may be a link to where it lies."""
    layer = images.static_layer("etc", "srv")
    layer.file("etc/passwd", images.PASSWD)
    layer.file("etc/group", images.GROUP)
    layer.file("etc/vars", "A=1\n")
    if link:
        layer.link(f"etc/{CONF}", link)
        layer.dir("opt")
    layer.file(link.lstrip("/") if link else f"etc/{CONF}", conf)
    images.single(path / "image", [layer], {"Cmd": ["/tell"], **config})
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
                ("seccomp = /etc/filter\n", "seccomp /etc/filter: not in the image")):
            layout = image(path / f"{abs(hash(conf))}", conf)
            done = run("build", "--output", path / "x.eif", *boot_options(), "--image", layout, program=ASAN)
            done.is_(REFUSED, said)
            check(not (path / "x.eif").exists(), "an output")


@test
def what_is_as_it_should_be_is_taken() -> None:
    """Users, groups, files and programs of services that are there."""
    with folder() as path:
        make(path / "x.eif", "--image", image(
            path, "user = app\nsupplementary-groups = video 77\nenvironment-file = -/etc/none\nnsm-group = staff\n"
            "[b]\ncommand = tell\nenvironment = PATH=/\nuser = 7\ngroup = video\nenvironment-file = /etc/vars\n"
            "workdir = /new\n[c]\ncommand = /run/made/later\n"))
