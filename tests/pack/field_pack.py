"""
What builders write, as they write it: configurations, archives, layouts and layers of real images, put together here by
hand, each with where it was seen and when.
"""

import gzip
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from images.containers import static_layer
from images.oci import GO_ARCH, OCI, Layer, Layout, configuration, digest, gzipped, single, tagged, zstd

from .lib import REFUSED, Eif, Failure, build, built, check, folder, make, ramdisk, same, test, text, tool

DOCKER = "application/vnd.docker."
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ZERO_TIME = "0001-01-01T00:00:00Z"  # Go's
CONF = "enclave-init.conf"
HEX = "0123456789abcdef" * 4


def base() -> Layer:
    """The programs that the images below start, and their users."""
    layer = static_layer("bin", "etc", "srv", "ko-app", "cnb", "cnb/process", "usr", "usr/bin", "workspace")
    for name in ("bin/sh", "bin/hello", "hello", "pause", "ko-app/koapp", "usr/bin/java", "cnb/process/web"):
        layer.hard(name, "tell", 0o755)
    layer.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:10001:10001:app:/home/app:/bin/sh\n")
    layer.file("etc/group", "root:x:0:\napp:x:10001:\n")
    return layer


# --- configurations ----------------------------------------------------------

@dataclass
class Seen:
    """A configuration but for its diff_ids, whose words are shortened; what mkeif makes of it."""
    where: str
    config: dict
    cmd: str
    env: str = ""
    conf: str = ""
    said: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


PLAIN = {"AttachStdin": False, "AttachStdout": False, "AttachStderr": False, "Tty": False, "OpenStdin": False,
         "StdinOnce": False}
RUN_SH = ["/bin/sh", "/srv/run.sh"]
APP = "workdir = /srv/work\nuser = app\nstop-signal = SIGINT\n"
ARGS = "/bin/sh\n/srv/run.sh\none\ntwo words\n"
VARS = ["PATH=/usr/local/bin:/usr/bin:/bin", "APP_VERSION=1.2", "GREETING=two words"]
NO_ARCH = f"does not say for which architecture: --arch {os.uname().machine} stands for it"

CONFIGS = (
    Seen("gcr.io/google-containers/pause:2.0 of Docker 1.8.2, 2015-10-06, in bazelbuild/rules_docker testdata/pause.tar",
         {"architecture": "amd64", "os": "linux", "created": "2015-10-06T20:20:51.049534658Z", "docker_version": "1.8.2",
          "container": HEX, "config": {
              **PLAIN, "Hostname": "014fb01744e5", "Domainname": "", "User": "", "Env": None, "Cmd": None, "Image": HEX,
              "Volumes": None, "WorkingDir": "", "Entrypoint": ["/pause"], "OnBuild": None, "Labels": None},
          "container_config": {**PLAIN, "User": "root", "Cmd": ["/bin/sh", "-c", "#(nop) ENTRYPOINT &{[\"/pause\"]}"]},
          "history": [{"created": "2015-10-06T20:20:51.049534658Z", "created_by": "/bin/sh -c #(nop) ENTRYPOINT"}]},
         "/pause\n"),
    Seen("Docker 20.10.24, docker build without BuildKit, run 2026-11-29",
         {"architecture": "amd64", "os": "linux", "docker_version": "20.10.24+dfsg1", "container": HEX, "config": {
             **PLAIN, "Hostname": "", "Domainname": "", "User": "app", "ExposedPorts": {"8080/tcp": {}}, "Env": VARS,
             "Cmd": ["one", "two words"], "Healthcheck": {"Test": ["CMD-SHELL", "/bin/true"], "Interval": 5000000000},
             "Image": f"sha256:{HEX}", "Volumes": {"/srv/data": {}, "/var/lib/new": {}}, "WorkingDir": "/srv/work",
             "Entrypoint": RUN_SH, "OnBuild": None, "Labels": {"org.opencontainers.image.version": "1.2"},
             "StopSignal": "SIGINT"},
          "container_config": {**PLAIN, "User": "root", "Cmd": ["/bin/sh", "-c", "#(nop) ", "CMD [\"one\"]"]}},
         ARGS, "\n".join(VARS) + "\n", APP,
         ("HEALTHCHECK is ignored", "EXPOSE 8080/tcp is ignored", "VOLUME /var/lib/new")),
    Seen("Docker 0.4.0, 2013-06-13, in moby/moby internal/testutil/specialimage/emptyfs.go, 2026-08-23",
         {"architecture": "x86_64", "comment": "Imported from -", "created": "2013-06-13T14:03:50.821769-07:00",
          "docker_version": "0.4.0", "container_config": {"Hostname": "", "User": "", "Env": None, "Cmd": None},
          "history": [{"created": "2013-06-13T14:03:50.821769-07:00", "comment": "Imported from -"}]},
         "/hello\n", options=("--cmd", "/hello")),
    Seen("busybox of Docker 20.10.12, 2022-11-18, in buildpacks/imgutil layout/testdata/layout/busybox",
         {"architecture": "amd64", "os": "linux", "config": {**PLAIN, "User": "", "Env": [PATH], "Cmd": ["sh"],
                                                             "Volumes": None, "WorkingDir": "", "Entrypoint": None,
                                                             "OnBuild": None, "Labels": None}},
         "sh\n", PATH + "\n"),
    Seen("BuildKit by docker buildx, 2025-01-26, in wagoodman/dive .data/test-oci-zstd-image.tar",
         {"architecture": "amd64", "os": "linux", "config": {"Env": [PATH], "WorkingDir": "/"},
          "created": "2025-01-26T22:54:00.500849935+01:00", "history": [
              {"created": "2025-01-26T22:54:00.500849935+01:00", "created_by": "COPY README.md /README.md # buildkit",
               "comment": "buildkit.dockerfile.v0"}]},
         "/hello\n", PATH + "\n", options=("--cmd", "/hello")),
    Seen("BuildKit, created null, in moby/moby internal/testutil/specialimage/dangling.go, 2026-08-23",
         {"architecture": "amd64", "os": "linux", "created": None, "config": {
             "Env": [PATH], "WorkingDir": "/", "Labels": {"org.mobyproject.test.specialimage": "1"}, "OnBuild": None},
          "history": [{"created_by": "LABEL org.mobyproject.test.specialimage=1", "comment": "buildkit.dockerfile.v0",
                       "empty_layer": True}]},
         "/hello\n", PATH + "\n", options=("--cmd", "/hello")),
    Seen("kaniko 1.24.0, --oci-layout-path, run 2026-11-29",
         {"architecture": "amd64", "os": "linux", "created": "2026-11-29T21:15:42.59073997Z", "history": [
             {"created": ZERO_TIME}, {"author": "kaniko", "created": ZERO_TIME, "created_by": "RUN true"}],
          "config": {"Cmd": ["one", "two words"], "Healthcheck": {"Test": ["CMD-SHELL", "/bin/true"]},
                     "Entrypoint": RUN_SH, "Env": VARS, "User": "app", "Volumes": {"/srv/data": {}},
                     "WorkingDir": "/srv/work", "ExposedPorts": {"8080/tcp": {}}, "StopSignal": "SIGINT"}},
         ARGS, "\n".join(VARS) + "\n", APP, ("HEALTHCHECK is ignored",)),
    Seen("ko 0.19.1 over a base that says no platform, run 2026-11-29",
         {"architecture": "", "os": "", "author": "github.com/ko-build/ko", "created": "1970-01-01T00:00:00Z",
          "history": [{"created": ZERO_TIME}, {"author": "ko", "created": ZERO_TIME, "created_by": "ko build ko://x",
                                               "comment": "kodata contents, at $KO_DATA_PATH"}],
          "config": {"Entrypoint": ["/ko-app/koapp"], "Env": ["PATH=/ko-app", "KO_DATA_PATH=/var/run/ko"]}},
         "/ko-app/koapp\n", "PATH=/ko-app\nKO_DATA_PATH=/var/run/ko\n", said=(NO_ARCH,)),
    Seen("imgutil, 2023-01-11, in buildpacks/imgutil layout/testdata/layout/my-previous-image",
         {"architecture": "", "os": "", "created": ZERO_TIME, "history": [{"created": ZERO_TIME}], "config": {}},
         "/hello\n", said=(NO_ARCH,), options=("--cmd", "/hello")),
    Seen("jib-maven-plugin 3.5.2, jib:buildTar, run 2026-11-29",
         {"created": "1970-01-01T00:00:00Z", "architecture": "amd64", "os": "linux", "config": {
             "Env": VARS, "Entrypoint": ["java", "-Xss512k", "-cp", "@/app/jib-classpath-file", "x.Main"], "Cmd": ["one"],
             "ExposedPorts": {"8080/tcp": {}}, "Labels": {"a": "b"}, "WorkingDir": "/app", "User": "1000:1000",
             "Volumes": {"/data": {}}},
          "history": [{"created": "1970-01-01T00:00:00Z", "author": "Jib", "created_by": "jib-maven-plugin:3.5.2",
                       "comment": "jvm arg files"}]},
         "java\n-Xss512k\n-cp\n@/app/jib-classpath-file\nx.Main\none\n", "\n".join(VARS) + "\n",
         "workdir = /app\nuser = 1000:1000\n"),
    Seen("jib-core, 2019-08-30, in GoogleContainerTools/jib core/busybox-jib.tar",
         {"created": "1970-01-01T00:00:00Z", "architecture": "amd64", "os": "linux", "config": {
             "Env": [PATH], "Cmd": ["sh"], "ExposedPorts": {}, "Labels": {}, "WorkingDir": "", "Volumes": {}},
          "history": [{"created": "1970-01-01T00:00:00Z", "author": "Jib", "created_by": "jib-core:null", "comment": ""}]},
         "sh\n", PATH + "\n"),
    Seen("buildah 1.28.2, run 2026-11-29",
         {"created": "2026-11-29T20:57:10.63747251Z", "architecture": "amd64", "os": "linux", "config": {
             "User": "app", "ExposedPorts": {"8080/tcp": {}}, "Env": VARS, "Entrypoint": RUN_SH, "Cmd": ["one", "two words"],
             "Volumes": {"/srv/data": {}}, "WorkingDir": "/srv/work", "Labels": {"io.buildah.version": "1.28.2"},
             "StopSignal": "SIGINT"},
          "history": [{"created": "2026-11-29T20:56:06.381100766Z", "created_by": "/bin/sh -c #(nop) ADD file:61 in / ",
                       "empty_layer": True}]},
         ARGS, "\n".join(VARS) + "\n", APP),
    Seen("umoci 0.6.0, umoci config, run 2026-11-29",
         {"created": "2026-11-29T21:14:52.37608945Z", "architecture": "amd64", "os": "linux",
          "config": {"Cmd": ["/hello"], "Volumes": {"/v": {}}},
          "history": [{"created": "2026-11-29T21:14:52.403710738Z", "created_by": "umoci raw add-layer"}]},
         "/hello\n", said=("VOLUME /v",)),
    Seen("NixOS/nixpkgs pkgs/build-support/docker/stream_layered_image.py of commit 0137840, read 2026-11-29",
         {"created": "1970-01-01T00:00:01+00:00", "architecture": "amd64", "os": "linux", "config": {"Cmd": ["hello"]},
          "history": [{"created": "1970-01-01T00:00:01+00:00", "comment": "store paths: ['/nix/store/s66m-hello']"}]},
         "hello\n"),
    Seen("apko, in chainguard-dev/apko internal/cli/testdata/golden, 2026-08-21",
         {"architecture": "amd64", "os": "linux", "author": "github.com/chainguard-dev/apko", "created": "1970-01-01T00:00:00Z",
          "history": [{"author": "apko", "created": "1970-01-01T00:00:00Z", "created_by": "apko", "comment": "a by b"}],
          "config": {"Entrypoint": ["/bin/sh", "-l"], "Env": [PATH, "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"],
                     "Labels": {"org.opencontainers.image.title": "Title"}}},
         "/bin/sh\n-l\n", PATH + "\nSSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt\n"),
    Seen("rules_oci, oci/private/image.sh from scratch, 2026-06-16",
         {"created": "1970-01-01T00:00:00Z", "history": [], "os": "linux", "architecture": "amd64", "variant": "",
          "config": {"Env": [PATH], "Cmd": ["/hello"], "Entrypoint": None}},
         "/hello\n", PATH + "\n"),
    Seen("buildpacks/lifecycle phase/exporter.go, 2026-08-21",
         {"architecture": "amd64", "os": "linux", "created": "1980-01-01T00:00:01Z", "history": [
             {"created": "1980-01-01T00:00:01Z", "created_by": "Buildpacks Launcher Config"}],
          "config": {"User": "1002:1000", "WorkingDir": "/workspace", "Entrypoint": ["/cnb/process/web"], "Cmd": None,
                     "Env": ["PATH=/cnb/process:/cnb/lifecycle:/usr/bin:/bin", "CNB_LAYERS_DIR=/layers",
                             "CNB_APP_DIR=/workspace", "CNB_PLATFORM_API=0.12", "CNB_DEPRECATION_MODE=quiet"],
                     "Labels": {"io.buildpacks.lifecycle.metadata": "{\"app\":[{\"sha\":\"sha256:0\"}]}"}}},
         "/cnb/process/web\n", "PATH=/cnb/process:/cnb/lifecycle:/usr/bin:/bin\nCNB_LAYERS_DIR=/layers\n"
         "CNB_APP_DIR=/workspace\nCNB_PLATFORM_API=0.12\nCNB_DEPRECATION_MODE=quiet\n",
         "workdir = /workspace\nuser = 1002:1000\n"),
)


def configured(path: Path, config: dict, manifest: dict | None = None, **layer: str) -> Path:
    """A layout with a CONFIG as it is, but for diff_ids and the architecture of this machine."""
    tar = base().bytes()
    config = {**config, "rootfs": configuration([tar], {})["rootfs"]}
    if config.get("architecture") == "amd64":
        config["architecture"] = GO_ARCH
    l = Layout(path / "image")
    blob = {**l.blob(gzipped(tar), OCI + "layer.v1.tar+gzip"), **layer}
    l.index(tagged(l.manifest(config, [blob], **(manifest or {}))))
    return path / "image"


@test(seconds=8)
def configurations_of_real_builders_are_taken() -> None:
    """Command, variables, user, folder, signal; what is missing, null, empty or no part of the specification."""
    for seen in CONFIGS:
        with folder() as path:
            done = build(path / "x.eif", "--image", configured(path, seen.config), *seen.options)
            try:
                done.is_(0, *seen.said)
                eif = Eif.load(path / "x.eif")
                files = ramdisk(eif)
                same(tuple(files[n].data.decode() if n in files else "" for n in ("cmd", "env", CONF)),
                     (seen.cmd, seen.env, seen.conf), "cmd, env and conf")
            except Failure as e:
                raise Failure(f"{seen.where}: {e}") from None


# Where it was seen, the configuration, a word of why.
NO_LINUX = (
    ("crane 0.22.1, mutate --set-platform windows/amd64, run 2026-11-29",
     {"architecture": "amd64", "os": "windows", "os.version": "10.0.17763.5122", "config": {"Cmd": ["c:\\\\x.exe"]}}, "windows"),
    ("Wasm images, architecture wasm of wasi, as docker's documentation builds them, 2026-11",
     {"architecture": "wasm", "os": "wasi", "config": {"Entrypoint": ["/x.wasm"]}}, "wasi"),
)


@test
def images_for_other_systems_are_named() -> None:
    """Windows and Wasm are refused, and it is said which it is."""
    for where, config, word in NO_LINUX:
        with folder() as path:
            done = build(path / "x.eif", "--image", configured(path, config))
            check(done.code == REFUSED and f"the image is for {word}, not linux" in done.err, f"{where}: {done.story}")


@test
def an_image_without_layers_has_no_program() -> None:
    """BuildKit writes "layers":null then: containers/container-libs common/libimage/testdata/buildkit-oci.tar, 2021-12-10."""
    for program, code in (("/hello", REFUSED), ("/run/made/later", 0)):
        with folder() as path:
            l = Layout(path / "image")
            config = l.json({"architecture": GO_ARCH, "os": "linux", "created": "2021-12-10T12:13:03.262961Z", "config": {
                "Env": [PATH], "Entrypoint": [program], "OnBuild": None}, "history": None,
                "rootfs": {"type": "layers", "diff_ids": None}}, DOCKER + "container.image.v1+json")
            kind = DOCKER + "distribution.manifest.v2+json"
            l.index(tagged(l.json({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": None}, kind)))
            done = build(path / "x.eif", "--image", path / "image").is_(code)
            check(code == 0 or "/hello: not in the image" in done.err, done.story)


# --- archives ----------------------------------------------------------------

@dataclass
class Archive:
    """The members of an archive: "{c}" and "{l}" in a name stand for the digests of configuration and layer."""
    where: str
    config: str                  # its member's name
    layer: str
    manifest: dict               # more keys of manifest.json
    gzip: bool = False           # the layer is
    keys: tuple[str, str, str] = ("Config", "RepoTags", "Layers")
    tags: list[str] | None = field(default_factory=lambda: ["example/x:1"])
    members: dict[str, str] = field(default_factory=dict)  # others
    links: dict[str, str] = field(default_factory=dict)
    last: bool = True            # manifest.json is


ARCHIVES = (
    Archive("docker save of Docker 20.10.24, run 2026-11-29", "{c}.json", HEX + "/layer.tar", {},
            members={HEX + "/VERSION": "1.0", HEX + "/json": '{"id":"x","container_config":{"Cmd":null}}',
                     "repositories": '{"x":{"1":"%s"}}\n' % HEX}),
    Archive("podman save 4.3.1, run 2026-11-29", "{c}.json", "{l}.tar", {}, links={HEX + "/layer.tar": "../{l}.tar"},
            members={HEX + "/VERSION": "1.0", "repositories": "{}"}),
    Archive("docker save by ID of Docker 25.0.0, in google/go-containerregistry hello-world-v25.tar, 2024-01-29",
            "blobs/sha256/{c}", "blobs/sha256/{l}",
            {"LayerSources": {"sha256:{l}": {"mediaType": OCI + "layer.v1.tar", "digest": "sha256:{l}", "size": 0}}}, tags=None,
            members={"oci-layout": '{"imageLayoutVersion":"1.0.0"}',
                     "index.json": '{"schemaVersion":2,"mediaType":"%sindex.v1+json","manifests":null}' % OCI}),
    Archive("kaniko, in wagoodman/dive .data/test-kaniko-image.tar, 2021-03-07", "sha256:{c}", "{l}.tar.gz", {}, gzip=True),
    Archive("docker save of two images of Docker 18.03, in containers/container-libs docker-two-images.tar.xz, 2018-07-27",
            "{c}.json", HEX + "/layer.tar", {"Parent": f"sha256:{HEX}"}, links={HEX[::-1] + "/layer.tar": f"../{HEX}/layer.tar"},
            members={HEX + "/VERSION": "1.0", "repositories": '{"example.com/empty":{"latest":"%s"}}' % HEX}),
    Archive("containerify 4.1.0 --toTar, run 2026-11-29", "config.json", "{l}.tar.gz", {}, gzip=True, last=False),
    Archive("crane 0.22.1 pull --format tarball, run 2026-11-29", "sha256:{c}", "{l}.tar.gz", {}, gzip=True),
    Archive("jib-core, in GoogleContainerTools/jib core/busybox-jib.tar, 2019-08-30", "config.json", "{l}.tar.gz", {}, gzip=True,
            keys=("config", "repoTags", "layers")),
    Archive("jib-maven-plugin 3.5.2, run 2026-11-29", "config.json", "{l}.tar.gz", {}, gzip=True),
    Archive("rules_oci, oci/private/tarball.sh.tpl, 2026-06-16", "blobs/sha256/{c}", "blobs/sha256/{l}.tar.gz", {}, gzip=True),
    Archive("rules_oci without tags, 2026-06-16", "blobs/sha256/{c}", "blobs/sha256/{l}.tar.gz", {}, gzip=True, tags=[]),
    Archive("rules_docker, in google/go-containerregistry test_link.tar, 2019", "{c}.json", "{l}/layer.tar", {}, last=False,
            links={HEX + "/layer.tar": "../{l}/layer.tar"}, members={"repositories": "{}"}),
    Archive("nixpkgs stream_layered_image.py, read 2026-11-29", "{c}.json", "{l}/layer.tar", {},
            tags=["hello:s66mzxpvicwk07gjbjfw9izjfa797vsw"]),
)


def write_archive(path: Path, a: Archive) -> None:
    tar = base().bytes()
    data = gzip.compress(tar, mtime=0) if a.gzip else tar
    config = json.dumps(configuration([tar], {"Cmd": ["/hello"]}), indent=4).encode()

    def fill(text: str) -> str:
        return text.replace("{c}", digest(config)[7:]).replace("{l}", digest(data)[7:])

    one = dict(zip(a.keys, (fill(a.config), a.tags, [fill(a.layer)])))
    manifest = fill(json.dumps([{**one, **a.manifest}], indent=3))
    out = Layer(tarfile.USTAR_FORMAT)
    if not a.last:
        out.file("manifest.json", manifest)
    out.file(fill(a.config), config)
    out.file(fill(a.layer), data)
    for name, content in a.members.items():
        out.file(name, content)
    for name, target in a.links.items():
        out.link(name, fill(target))
    if a.last:
        out.file("manifest.json", manifest)
    path.write_bytes(out.bytes())


@test(seconds=5)
def archives_of_real_builders_are_taken() -> None:
    """Each gives the image that the others give; compressed, too."""
    wanted = None
    for a in ARCHIVES:
        with folder() as path:
            write_archive(path / "image", a)
            try:
                got = make(path / "x.eif", "--image", path / "image").measurements()
                wanted = wanted or got
                same(got, wanted, "measurements")
                (path / "image.gz").write_bytes(gzip.compress((path / "image").read_bytes()))
                same(make(path / "y.eif", "--image", path / "image.gz").measurements(), wanted, "gzip'ed")
            except Failure as e:
                raise Failure(f"{a.where}: {e}") from None


@test(seconds=5)
def archives_that_were_unpacked_are_taken() -> None:
    """docker save | tar x, crane's --format legacy in a folder: the same image as from the archive."""
    for a in ARCHIVES:
        with folder() as path:
            write_archive(path / "image.tar", a)
            (path / "image").mkdir()
            tool("tar", "-C", path / "image", "-xf", path / "image.tar")
            try:
                same(make(path / "x.eif", "--image", path / "image").measurements(),
                     make(path / "y.eif", "--image", path / "image.tar").measurements(), "measurements")
            except Failure as e:
                raise Failure(f"{a.where}: {e}") from None
    with folder() as path:
        one, two = ({"Config": f"{n}.json", "RepoTags": [f"x:{n}"], "Layers": []} for n in "12")
        (path / "image").mkdir()
        (path / "image/manifest.json").write_text(json.dumps([one, two]))
        build(path / "x.eif", "--image", path / "image").is_(REFUSED, "a docker save archive, unpacked", "x:1, x:2")


@test
def folders_that_only_look_like_it_are_folders() -> None:
    """A root file system may have a manifest.json or a file "version" at its top, as web applications have."""
    for name, content in (("manifest.json", '{"name":"an app","icons":[]}'), ("manifest.json", "[]"), ("manifest.json", "[1"),
                          ("manifest.json", '[{"Config":"x"}]'), ("version", "Directory Transport Version: 1.1\n")):
        with folder() as path:
            (path / "image/bin").mkdir(parents=True)
            (path / "image/bin/tell").write_bytes(built("apps/tell").read_bytes())
            (path / "image/bin/tell").chmod(0o755)
            (path / "image").chmod(0o755)
            (path / "image" / name).write_text(content)
            files = ramdisk(make(path / "x.eif", "--image", path / "image", "--cmd", "/bin/tell"))
            check(f"rootfs/{name}" in files, f"no {name} with {content!r}")


@test
def what_is_no_image_is_told_what_it_is() -> None:
    """
    A folder of skopeo's dir: with a manifest of before (skopeo copy --format v2s1), docker export and buildx -o type=tar
    without --cmd, an archive of a Docker before 1.10 (google/go-containerregistry no_manifest.tar).
    """
    with folder() as path:
        (path / "image").mkdir()
        (path / "image/version").write_text("Directory Transport Version: 1.1\n")
        (path / "image/manifest.json").write_text('{"schemaVersion": 1, "name": "bb"}')
        build(path / "x.eif", "--image", path / "image").is_(REFUSED, "skopeo's dir:", "schemaVersion is 1", "skopeo copy")
    for members, word in ((("bin/sh", "etc/passwd"), "--cmd"), (("README.md",), "--cmd"),
                          ((f"{HEX}/json", f"{HEX}/layer.tar", "repositories"), "a Docker before 1.10")):
        with folder() as path:
            tar = Layer(tarfile.USTAR_FORMAT)
            for name in members:
                tar.file(name, "x")
            (path / "image").write_bytes(tar.bytes())
            build(path / "x.eif", "--image", path / "image").is_(REFUSED, word)


# --- descriptors -------------------------------------------------------------

ARTIFACT = OCI + "config.v1+json"
# What else the index's entry has, what else the manifest, and the layer's descriptor.
DESCRIPTORS: tuple[tuple[str, dict, dict, dict], ...] = (
    ("crane 0.22.1 and ko 0.19.1: an artifactType that is the configuration's, run 2026-11-29",
     {"artifactType": ARTIFACT}, {}, {}),
    ("docker buildx -o type=oci, 2025-01-26, in wagoodman/dive .data",
     {"annotations": {"org.opencontainers.image.created": "2025-01-26T22:05:43Z"},
      "platform": {"architecture": GO_ARCH, "os": "linux"}}, {"mediaType": OCI + "manifest.v1+json"},
     {"annotations": {"containerd.io/snapshot/stargz/toc.digest": f"sha256:{HEX}",
                      "io.containers.estargz.uncompressed-size": "14848"}}),
    ("docker save of Docker 29's image store, in moby/moby internal/testutil/specialimage, 2026-08-23",
     {"annotations": {"io.containerd.image.name": "docker.io/library/x:latest", "org.opencontainers.image.ref.name": "latest"}},
     {"mediaType": OCI + "manifest.v1+json"}, {}),
    ("regctl 0.11.7 image export, run 2026-11-29",
     {"mediaType": DOCKER + "distribution.manifest.v2+json",
      "annotations": {"io.containerd.image.name": "127.0.0.1:5000/x:1", "org.opencontainers.image.ref.name": "1"}},
     {"mediaType": DOCKER + "distribution.manifest.v2+json"}, {"mediaType": DOCKER + "image.rootfs.diff.tar.gzip"}),
    ("busybox of Docker's hub with all that a descriptor can have, in buildpacks/imgutil busybox-multi-platform, 2026-04-15",
     {"annotations": {"com.docker.official-images.bashbrew.arch": "amd64", "org.opencontainers.image.base.name": "scratch"},
      "platform": {"architecture": GO_ARCH, "os": "linux", "os.version": "4.5.6", "os.features": ["a", "b"],
                   "variant": {"amd64": "v1", "arm64": "v8"}[GO_ARCH], "features": ["c"]},
      "subject": {"mediaType": OCI + "manifest.v1+json", "digest": f"sha256:{HEX}", "size": 100, "urls": ["x"]}},
     {"subject": {"mediaType": OCI + "manifest.v1+json", "digest": f"sha256:{HEX}", "size": 100}}, {}),
    ("umoci 0.6.0, run 2026-11-29", {"annotations": {"org.opencontainers.image.ref.name": "a"}},
     {"mediaType": OCI + "manifest.v1+json"}, {"annotations": {"ci.umo.uncompressed_blob_size": "2007040"}}),
    ("apko, in chainguard-dev/apko internal/cli/testdata/golden, 2026-08-21",
     {"artifactType": ARTIFACT, "platform": {"architecture": GO_ARCH, "os": "linux"}},
     {"annotations": {"org.opencontainers.image.created": "1970-01-01T00:00:00Z"}}, {}),
    ("a Docker manifest with a layer of OCI's type, in buildpacks/imgutil my-previous-image, 2023-01-11",
     {"mediaType": DOCKER + "distribution.manifest.v2+json"}, {"mediaType": DOCKER + "distribution.manifest.v2+json"}, {}),
    ("an index with a platform that says no architecture, in buildpacks/imgutil index-with-docker-media-type, 2026-04-15",
     {"platform": {"architecture": "", "os": "linux"}}, {}, {}),
)


@test(seconds=4)
def descriptors_of_real_builders_are_taken() -> None:
    """Annotations, platforms, subjects, artifact types and mixed media types."""
    for where, entry, manifest, layer in DESCRIPTORS:
        with folder() as path:
            configured(path, {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/hello"]}}, manifest, **layer)
            index = json.loads((path / "image/index.json").read_text())
            del index["manifests"][0]["annotations"], index["mediaType"]
            index["manifests"][0].update(entry)
            (path / "image/index.json").write_text(json.dumps(index))
            try:
                same(text(make(path / "x.eif", "--image", path / "image"), "cmd"), "/hello\n", "cmd")
            except Failure as e:
                raise Failure(f"{where}: {e}") from None


@test
def what_is_no_container_image_is_named_by_its_type() -> None:
    """A chart and an artifact as oras 1.3.6 pushes them; a layer that is an EROFS, as apko of 2026-08-21 can write."""
    for config, word in (("application/vnd.cncf.helm.config.v1+json", "application/vnd.cncf.helm.config.v1+json"),
                         ("application/vnd.oci.empty.v1+json", "application/vnd.oci.empty.v1+json")):
        with folder() as path:
            l = Layout(path / "image")
            chart = l.blob(gzip.compress(b"x", mtime=0), "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
            l.index(tagged(l.json({"schemaVersion": 2, "config": l.blob(b"{}", config), "layers": [chart]},
                                  OCI + "manifest.v1+json")))
            done = build(path / "x.eif", "--image", path / "image").is_(REFUSED, word)
            check("no container image" in done.err or "no image" in done.err, done.story)
    with folder() as path:
        configured(path, {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/hello"]}},
                   mediaType="application/vnd.erofs")
        build(path / "x.eif", "--image", path / "image").is_(REFUSED, "layer 1", "application/vnd.erofs")


# --- layers ------------------------------------------------------------------

def behind(tar: bytes, more: Layer) -> bytes:
    """TAR without the zeros of its last record, and another archive behind its end."""
    end = -(-len(tar.rstrip(b"\0")) // 512) * 512 + 1024
    return tar[:end] + more.bytes()


def estargz(tar: bytes) -> tuple[bytes, bytes]:
    """
    As BuildKit's compression=estargz has it, in wagoodman/dive .data/test-oci-estargz-image.tar, 2025-01-26: a gzip member
    for each part, the table of contents as another archive behind the end of the first, and a footer that is an empty member
    with an extra field. What is behind the end is no file of the image, and part of the diff_id.
    """
    toc = Layer(tarfile.USTAR_FORMAT)
    toc.file("stargz.index.json", '{\n\t"version": 1,\n\t"entries": []\n}', 0o444)
    whole = behind(tar, toc)
    at = len(whole) - len(toc.bytes())
    footer = bytes.fromhex("1f8b08040000000000ff1a005347160030303030303030303030303031303338"
                           "53544152475a010000ffff0000000000000000")
    return whole, b"".join(gzip.compress(p, mtime=0) for p in (whole[:512], whole[512:at], whole[at:])) + footer


def chunked(tar: bytes) -> tuple[bytes, bytes]:
    """
    As containers/storage's zstd:chunked has it, docs/containers-storage-zstd-chunked.md, read 2026-11: a frame for each part,
    the manifest and tar-split in frames that a decompressor skips, a footer in a last one.
    """
    def skipped(data: bytes) -> bytes:
        return (0x184d2a50).to_bytes(4, "little") + len(data).to_bytes(4, "little") + data

    return tar, (zstd(tar[:1024]) + zstd(tar[1024:]) + skipped(zstd(b'{"version":1,"entries":[]}')) +
                 skipped(zstd(b"tar-split")) + skipped(bytes(56) + b"GNUlInUx"))


def pax_of_go(layer: Layer) -> None:
    """archive/tar's: PAX records for what does not fit, names of the owner, a size in base 256 has no need to be."""
    layer.file("usr/" + "n" * 200, "a long name\n", uname="root", gname="root", pax_headers={"mtime": "1700000000.5"})
    layer.file("usr/owner", "x", uid=3000000, gid=3000001)


LAYERS: tuple[tuple[str, Callable[[bytes], tuple[bytes, bytes]], str], ...] = (
    ("estargz", estargz, "gzip"),
    ("zstd:chunked", chunked, "zstd"),
)


def of_layer(path: Path, tar: bytes, packed: bytes, kind: str) -> dict[str, str]:
    l = Layout(path / f"image-{kind}-{len(packed)}")
    blob = l.blob(packed, OCI + "layer.v1.tar+" + kind)
    l.index(tagged(l.manifest(configuration([tar], {"Cmd": ["/hello"]}), [blob])))
    return make(path / "x.eif", "--image", l.path).measurements()


@test(seconds=2)
def layers_that_can_be_fetched_in_parts_are_layers() -> None:
    """estargz and zstd:chunked: the same image as from plain gzip, none of their tables in it."""
    with folder() as path:
        tar = base().bytes()
        wanted = of_layer(path, tar, gzip.compress(tar, mtime=0), "gzip")
        for name, pack, kind in LAYERS:
            same(of_layer(path, *pack(tar), kind), wanted, name)


@test
def headers_of_real_layers_are_read() -> None:
    """Folders without an entry, /-names, names of owners, long names, big owners, whiteouts that hide nothing, devices."""
    with folder() as path:
        layer = base()
        # kaniko 1.24.0 and jib 3.5.2 give names that begin with a slash; nixpkgs "/nix" without one at its end
        layer.dir("/nix", uname="root", gname="root")
        layer.file("/nix/store/s66m-hello/bin/hello", "#!/bin/sh\n", 0o555, uname="root", gname="root")
        pax_of_go(layer)
        # apko has devices, in no order and without a folder for each
        layer.node("dev/console", 5, 1, 0o620)
        layer.node("dev/null", 1, 3)
        # BuildKit's overlay differ and buildah write whiteouts of what is not there
        layer.without("srv/nothing")
        layer.without_all_in("srv/nowhere")
        layer.file("etc/xattr", "x", pax_headers={"SCHILY.xattr.user.note": "y", "LIBARCHIVE.xattr.user.note": "eQ=="})
        single(path / "image", [layer], {"Cmd": ["/hello"]})
        files = ramdisk(make(path / "x.eif", "--image", path / "image"))
        same(files["rootfs/nix/store/s66m-hello/bin/hello"].mode, 0o100555, "the mode of a file of nix")
        same(files["rootfs/nix/store/s66m-hello"].mode, 0o40755, "the mode of a folder that has no entry")
        same((files["rootfs/usr/owner"].uid, files["rootfs/usr/owner"].gid), (3000000, 3000001), "a big owner")
        same((files["rootfs/dev/console"].mode, files["rootfs/dev/console"].rdev), (0o20620, (5, 1)), "a device")
        check("rootfs/usr/" + "n" * 200 in files, "no long name")
        check(not [n for n in files if ".wh." in n], "a whiteout")
