"""The local API in an image: its configuration is read by the API's own code, and what it names is there."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from images.containers import GROUP, PASSWD, static_layer
from images.oci import Layer, single

from .lib import DONE, REFUSED, Eif, build, built, check, folder, ramdisk, run, same, test

TMPFS = "tmpfs = /run/api:uid=1000,gid=50,mode=0755\n"
INIT_CONF = TMPFS + """nsm-group = api
[api]
command = /usr/bin/enclave-api
user = app
ready = notify
"""
API_CONF = """region = eu-west-1
credentials = imds vsock:3:8002
key = orders arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab context.app=orders
allow = kms user=app
socket-group = api
"""


API_GROUP = "api:x:4000:app\n"


def image(path: Path, conf: str | None = API_CONF, init_conf: str = INIT_CONF, at: str = "etc/enclave-api.conf",
          program: bool = True, group: str = API_GROUP, more: Callable[[Layer], object] | None = None) -> Path:
    layer = static_layer("etc", "usr/bin", "opt")
    layer.file("etc/passwd", PASSWD)
    layer.file("etc/group", GROUP + group)
    if more:
        more(layer)
    layer.file("etc/enclave-init.conf", init_conf)
    if conf is not None:
        layer.file(at, conf)
    if program:
        layer.file("usr/bin/enclave-api", built("api").read_bytes(), 0o755)
    single(path / "image", [layer], {"Cmd": ["/tell"]})
    return path / "image"


@test
def a_configuration_that_the_api_takes_is_taken() -> None:
    """Also of another path, that of the command; a path that is made at boot is not looked for."""
    with folder() as path:
        done = build(path / "x.eif", "--image", image(path)).is_(DONE)
        check("api" not in done.err, f"words on a good image: {done.err}")
        other = INIT_CONF.replace("enclave-api\n", "enclave-api /opt/api.conf\n")
        build(path / "x.eif", "--image", image(path, API_CONF, other, "opt/api.conf")).is_(DONE)
        build(path / "x.eif", "--image", image(path, None, INIT_CONF.replace("enclave-api\n", "enclave-api /run/api.conf\n"))).is_(DONE)
        build(path / "x.eif", "--image", image(path, None, "umask = 077\n", program=False)).is_(DONE)


@test
def what_the_api_refuses_is_refused_with_its_words() -> None:
    """The line and the reason are those of `enclave-api --check`, run by hand."""
    with folder() as path:
        api, bad = built("api"), path / "bad.conf"
        for line in ("no-such-key = 1", "region = mars", "key = orders alias/orders", "listen = 0.0.0.0:80", "allow = kms someone",
                     "kms-workers = 17", "credentials = imds", "compat = nobody 127.0.0.1:9999", "socket = api.sock", "region"):
            text = f"# a configuration\n{line}\n"
            bad.write_text(text)
            said = run("--check", bad, program=api)
            same(said.code, 1, f"enclave-api --check: {said.story}")
            words = said.err.strip().partition("enclave-api: ")[2]
            check(words.startswith("line 2: "), f"its words: {said.err}")
            done = build(path / "x.eif", "--image", image(path, text)).is_(REFUSED, f"/etc/enclave-api.conf: {words}")
            check(not (path / "x.eif").exists(), f"an image was written: {done.story}")


@test
def what_is_missing_is_named() -> None:
    """The program, the configuration, a user, a group, certificates."""
    with folder() as path:
        x = path / "x.eif"
        build(x, "--image", image(path, program=False)).is_(REFUSED, "/usr/bin/enclave-api")
        build(x, "--image", image(path, None)).is_(REFUSED, "enclave-api: /etc/enclave-api.conf is not in the image")
        for old, new, words in (
                ("user=app", "user=nobody1", "/etc/enclave-api.conf: line 4: nobody1 is not in /etc/passwd"),
                ("user=app", "group=none", "/etc/enclave-api.conf: line 4: none is not in /etc/group"),
                ("socket-group = api", "socket-group = none", "/etc/enclave-api.conf: socket-group: none is not in /etc/group"),
                ("socket-group = api", "secret = a/b orders /etc/blob",
                 "/etc/enclave-api.conf: line 5: secret: /etc/blob is not in the image"),
                ("socket-group = api", "secret = a/b orders /etc", "line 5: secret: /etc is not in the image"),
                ("socket-group = api", "ca = /etc/ca.pem", "/etc/enclave-api.conf: ca: /etc/ca.pem is not in the image")):
            build(x, "--image", image(path, API_CONF.replace(old, new))).is_(REFUSED, words)
        build(x, "--image", image(path, API_CONF.replace("user=app", "user=77"))).is_(DONE)
        build(x, "--image", image(path, API_CONF + "secret = a/b orders /etc/passwd\nsecret = c orders /run/blob\n")).is_(DONE)


@test
def what_is_hardly_meant_is_said() -> None:
    """A device that is open to all, or to the application, and others that start before the API answers."""
    with folder() as path:
        x = path / "x.eif"
        build(x, "--image", image(path, API_CONF, INIT_CONF.replace("ready = notify\n", ""))).is_(DONE, "ready = notify")
        build(x, "--image", image(path, API_CONF, INIT_CONF.replace("nsm-group = api", "nsm = open"))).is_(DONE, "every process may ask")
        build(x, "--image", image(path, API_CONF, INIT_CONF.replace("nsm-group = api\n", ""))).is_(DONE, "no nsm-group: the application's group")
        done = build(x, "--image", image(path, API_CONF, INIT_CONF.replace("nsm-group = api\n[api]\n", ""))).is_(DONE)
        check("past enclave-api" not in done.err, f"of an application that is the API: {done.err}")


@test
def a_socket_that_cannot_be_made_is_found() -> None:
    """By the user of the API, in a directory as it will be: a note, since a service that starts earlier may make it."""
    none = INIT_CONF.replace(TMPFS, "")

    def other(options: str) -> str:
        return INIT_CONF.replace(TMPFS, f"tmpfs = /run/api{options}\n")

    def at(socket: str) -> str:
        return API_CONF + f"socket = {socket}\n"

    with folder() as path:
        for what, conf, init_conf, more in (
                ("mode 1777", API_CONF, other(""), None), ("the group's", API_CONF, other(":gid=50,mode=775"), None),
                ("a group of the user's", API_CONF, other(":gid=44,mode=0070"), None),
                ("root", API_CONF, none.replace("user = app\n", ""), None),
                ("a capability", API_CONF, none.replace("ready =", "ambient-capabilities = DAC_OVERRIDE\nready ="), None),
                ("of init's", at("/tmp/api.sock"), none, None), ("of init's, too", at("/dev/shm/api.sock"), none, None),
                ("init's own", at("/run/enclave/api.sock"), none, None),
                ("of the image", API_CONF, none, lambda layer: layer.dir("run/api", uid=1000)),
                ("of the image, and /run", API_CONF, none, lambda layer: layer.dir("run", 0o777)),
                ("outside /run", at("/opt/a/api.sock"), none, lambda layer: layer.dir("opt/a", 0o750, uid=1000)),
                ("by a link", at("/var/run/api/api.sock"), INIT_CONF, lambda layer: (layer.dir("var"), layer.link("var/run", "/run"))),
                ("mounted by a link", API_CONF, INIT_CONF.replace("tmpfs = /run/", "tmpfs = /var/run/"),
                 lambda layer: (layer.dir("var"), layer.link("var/run", "/run"))),
                ("made on the way", API_CONF, other("/below"), None), ("the last line", API_CONF, "tmpfs = /run:mode=0755\n" + INIT_CONF, None)):
            done = build(path / "x.eif", "--image", image(path, conf, init_conf, more=more)).is_(DONE)
            check("needs a directory" not in done.err, f"{what}: {done.err}")
        mend = "in enclave-init.conf, and socket ="
        for what, conf, init_conf, more, tmpfs in (
                ("no line", API_CONF, none, None, "/run/api"), ("another's", API_CONF, other(":uid=1001,mode=0755"), None, "/run/api"),
                ("the owner's mode counts", API_CONF, other(":uid=1000,mode=0577"), None, "/run/api"),
                ("read-only", API_CONF, other(":uid=1000,ro"), None, "/run/api"),
                ("covered", API_CONF, INIT_CONF.replace(TMPFS, TMPFS + "tmpfs = /run:mode=0755\n"), None, "/run/api"),
                ("of root in the image", at("/opt/api.sock"), none, None, "/run/api"), ("the root", at("/api.sock"), none, None, "/run/api"),
                ("nowhere", at("/nowhere/api.sock"), none, None, "/nowhere"), ("two levels", at("/run/a/b/api.sock"), none, None, "/run/a/b"),
                ("a root that is read-only", at("/opt/a/api.sock"), "read-only = yes\n" + none,
                 lambda layer: layer.dir("opt/a", uid=1000), "/run/api"),
                ("the image's /run/api is root's", API_CONF, none, lambda layer: layer.dir("run/api"), "/run/api")):
            build(path / "x.eif", "--image", image(path, conf, init_conf, more=more)).is_(
                DONE, f"user 1000 needs a directory of its own: tmpfs = {tmpfs}:uid=1000,gid=50,mode=0755 {mend} {tmpfs}/api.sock")


@test
def a_user_that_is_not_in_the_sockets_group_is_refused() -> None:
    """It could not give the socket to the group. All that a process's groups come from counts."""
    empty = "api:x:4000:\n"
    with folder() as path:
        x = path / "x.eif"
        for line in ("", "group = staff\n"):
            init_conf = INIT_CONF.replace("ready =", f"{line}ready =")
            build(x, "--image", image(path, init_conf=init_conf, group=API_GROUP if line else empty)).is_(
                REFUSED, "/etc/enclave-api.conf: socket-group api: user app is not in that group")
        for line in ("supplementary-groups = api\n", "group = api\n", "ambient-capabilities = CHOWN\n"):
            build(x, "--image", image(path, init_conf=INIT_CONF.replace("ready =", f"{line}ready ="), group=empty)).is_(DONE)
        build(x, "--image", image(path, init_conf=INIT_CONF.replace("user = app\n", ""), group=empty)).is_(DONE)
        for options, code in (("uid=1000,gid=4000,mode=2755", DONE), ("uid=1000,gid=4000,mode=0755", REFUSED),
                              ("uid=1000,gid=50,mode=2755", REFUSED)):  # of a directory that hands its group on
            conf = INIT_CONF.replace(TMPFS, f"tmpfs = /run/api:{options}\n")
            build(x, "--image", image(path, init_conf=conf, group=empty)).is_(code)
        for group in ("staff", "50", "video"):
            build(x, "--image", image(path, API_CONF.replace("socket-group = api", f"socket-group = {group}"))).is_(DONE)


@test
def files_are_put_into_an_image() -> None:
    """The API and its configuration into an image that has neither, over files and through links of the image, with their digests."""
    with folder() as path:
        layer = static_layer("etc", "usr/bin", "opt")
        layer.file("etc/passwd", PASSWD)
        layer.file("etc/group", GROUP + API_GROUP)
        layer.file("etc/enclave-api.conf", "no = configuration\n")
        layer.link("bin", "usr/bin")
        single(path / "image", [layer], {"Cmd": ["/tell"]})
        (path / "api.conf").write_text(API_CONF)
        (path / "init.conf").write_text(INIT_CONF)
        files = ("--file", f"/bin/enclave-api={built('api')}", "--file", f"etc/enclave-api.conf={path / 'api.conf'}:0640")
        x = path / "x.eif"
        for options in ((), ("--squashfs",)):
            done = build(x, "--image", path / "image", "--config", path / "init.conf", *files, "--json", *options).is_(DONE)
            same(done.json["BuildInputs"]["Files"],
                 [{"Name": "bin/enclave-api", "Mode": "0755", "Digest": digest(built("api"))},
                  {"Name": "etc/enclave-api.conf", "Mode": "0640", "Digest": digest(path / "api.conf")}], "the inputs")
        build(x, "--image", path / "image", "--config", path / "init.conf", *files).is_(DONE)
        entries = ramdisk(Eif.load(x))
        same((entries["rootfs/etc/enclave-api.conf"].data, entries["rootfs/etc/enclave-api.conf"].mode),
             (API_CONF.encode(), 0o100640), "the configuration")
        same(entries["rootfs/usr/bin/enclave-api"].data, built("api").read_bytes(), "the program")
        first = Eif.load(x).measurements()
        build(x, "--image", path / "image", "--config", path / "init.conf", *reversed_pairs(files)).is_(DONE)
        same(Eif.load(x).measurements(), first, "what is measured with the options in another order")
        for words, err in ((("--file", "x"), "--file: x: not DEST=FILE"), (("--file", f"x={path / 'none'}"), "--file: "),
                           (("--file", f"../x={x}"), "--file: "), (("--file", f"bin={path / 'api.conf'}"), None)):
            done = build(path / "y.eif", "--image", path / "image", *words)
            check(done.code == DONE if err is None else done.code != DONE and err in done.err, done.story)


def digest(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def reversed_pairs(words: tuple[object, ...]) -> list[object]:
    pairs = [words[i:i + 2] for i in range(0, len(words), 2)]
    return [w for pair in reversed(pairs) for w in pair]
