"""relay in an image: put there when the configuration needs it, its lines checked by the code that relay has."""

import shutil
from pathlib import Path

from images.containers import static_layer
from images.oci import single

from .config_pack import image
from .lib import DONE, MKEIF, REFUSED, Eif, build, built, check, cpio_read, folder, same, test

FORWARD = "forward = vsock:8080 tcp:127.0.0.1:80\n"


def first(eif: Path) -> dict[str, bytes]:
    """The files of the boot ramdisk."""
    return {e.name: e.data for e in cpio_read(Eif.load(eif).ramdisks[0])}


@test
def relay_is_there_when_it_is_needed() -> None:
    """That of build/ARCH, which is beside mkeif; without its keys it is left out, also if it is named."""
    with folder() as path:
        x = path / "x.eif"
        done = build(x, "--image", image(path, FORWARD), "--json").is_(DONE)
        same(first(x)["relay"], built("relay").read_bytes(), "relay")
        check("Relay" in done.json["BuildInputs"], "its digest")
        done = build(x, "--image", image(path, "umask = 077\n"), "--relay", built("relay"), "--json").is_(DONE, "left out")
        check("relay" not in first(x), "it is there without need")
        check("Relay" not in done.json["BuildInputs"], "a digest of nothing")


@test
def another_relay_may_be_named() -> None:
    """By --relay, or as a boot file; it is a static program of the image's architecture."""
    with folder() as path:
        x, mine = path / "x.eif", path / "mine"
        shutil.copy(built("nsm"), mine)
        build(x, "--image", image(path, FORWARD), "--relay", mine).is_(DONE)
        same(first(x)["relay"], mine.read_bytes(), "relay")
        build(x, "--image", image(path, FORWARD), "--boot-file", f"relay={mine}").is_(DONE)
        same(first(x)["relay"], mine.read_bytes(), "relay")
        build(x, "--image", image(path, FORWARD), "--relay", "/bin/ls").is_(REFUSED, "/bin/ls: relay has to be static")
        build(x, "--image", image(path, FORWARD), "--relay", path / "image/oci-layout").is_(REFUSED, "oci-layout: ")
        check(build(x, "--image", image(path, FORWARD), "--relay", path / "absent").code != DONE, "what is absent is found")


@test
def the_images_own_relay_will_do() -> None:
    """At /usr/bin/enclave-relay, where images of nitro-cli have it: none is put beside it, unless one is named."""
    with folder() as path:
        x = path / "x.eif"
        layer = static_layer("etc", "usr/bin")
        layer.file("etc/enclave-init.conf", FORWARD)
        layer.file("usr/bin/enclave-relay", built("relay").read_bytes(), 0o755)
        single(path / "own", [layer], {"Cmd": ["/tell"]})
        build(x, "--image", path / "own").is_(DONE)
        check("relay" not in first(x), "two of them")
        build(x, "--image", path / "own", "--relay", built("relay")).is_(DONE)
        check("relay" in first(x), "it was named")


@test
def an_image_without_it_is_not_made() -> None:
    """A mkeif that has none beside it says where it has looked."""
    with folder() as path:
        alone, x = path / "bin" / "mkeif", path / "x.eif"
        alone.parent.mkdir()
        shutil.copy(MKEIF, alone)
        done = build(x, "--image", image(path, FORWARD), program=alone)
        done.is_(REFUSED, "the configuration needs relay, and none")
        check("--relay" in done.err and not x.exists(), done.err)


@test
def its_lines_are_checked_with_their_numbers() -> None:
    """In the words of relay, with the line of the user's own file, before anything that mkeif puts before it."""
    with folder() as path:
        conf, x = path / "conf", path / "x.eif"
        for text, words in (
            ("# one\nforward = vsock:8080 tcp:example.com:80\n", "conf: line 2: forward: tcp:example.com:80: it must be an address"),
            ("umask = 077\n\negress = nowhere\n", "conf: line 3: egress"),
            (FORWARD + FORWARD, "conf: line 2: forward"),
            ("egress-allow = a.example\n", "conf: line 1: egress-allow"),
            ("tap-mtu = 1500\n", "conf: line 1: tap-mtu"),
            ("log = listen\nforward = vsock:17001 unix:/a\n", "conf: line 2: forward: vsock port 17001 is that of log-port"),
            ("control = stop\ncontrol-port = 5\nforward = vsock:4-6 unix:/a\n", "conf: line 3: forward: vsock port 5 is that of control-port"),
        ):
            conf.write_text(text)
            build(x, "--image", image(path, "umask = 077\n", WorkingDir="/srv"), "--config", conf).is_(REFUSED, words)


@test
def who_goes_around_is_named() -> None:
    """Each service that may open vsock itself, where something limits what may be reached."""
    limits = "egress = 127.0.0.1:3128\negress-allow = a.example\n"
    with folder() as path:
        x = path / "x.eif"
        done = build(x, "--image", image(path, limits + "[a]\ncommand = /tell\n[b]\ncommand = /tell\nvsock = none\n")).is_(DONE)
        notes = [line for line in done.err.splitlines() if "vsock" in line]
        same([line.split("vsock: ")[1].split()[0] for line in notes], ["main", "a"], "who")
        done = build(x, "--image", image(path, limits + "vsock = none\n")).is_(DONE)
        check("vsock" not in done.err, done.err)
        done = build(x, "--image", image(path, FORWARD)).is_(DONE)
        check("vsock" not in done.err, done.err)
