"""What images lie in: layouts and archives of every maker, the choice of one of several, and what is wrong with them."""

import bz2
import gzip
import hashlib
import json
import lzma
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from images.containers import CMD, static_layer
from images.keys import key_pair
from images.oci import GO_ARCH, OCI, TIME, Layer, Layout, configuration, digest, gzipped, single, tagged, zstd

from .bad_pack import expect_bad_image, expect_refused
from .lib import (ASAN, DONE, FILE, MKEIF, REFUSED, USAGE, Eif, Failure, boot_options, build, built, check, folder, layout,
                 make, names, ramdisk, run, same, test, text, tool)

HEX = "0" * 64


# --- a layout whose documents can be anything --------------------------------

class Documents:
    """Of an image of one layer: each a value, or bytes as they stand; written with right digests and sizes."""

    def __init__(self) -> None:
        layer = static_layer().bytes()
        packed = gzipped(layer)
        self.blobs = {digest(packed): packed}
        self.layout: object = {"imageLayoutVersion": "1.0.0"}
        self.config: object = configuration([layer], dict(CMD))
        self.manifest: object = {
            "schemaVersion": 2, "config": {"mediaType": OCI + "config.v1+json"},
            "layers": [{"mediaType": OCI + "layer.v1.tar+gzip", "digest": digest(packed), "size": len(packed)}]}
        self.index: object = {"schemaVersion": 2, "manifests": [{"mediaType": OCI + "manifest.v1+json"}]}
        self.names = {"layout": "oci-layout", "index": "index.json"}

    def fill(self, *names: str) -> "Documents":
        """Makes blobs of these, config before manifest; the document above one gets its digest and size."""
        for name in names:
            value = getattr(self, name)
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.blobs[digest(data)] = data
            self.names[name] = "blobs/" + digest(data).replace(":", "/")
            above = self.manifest["config"] if name == "config" else self.index["manifests"][0]
            above.update(digest=digest(data), size=len(data))
        return self

    def break_(self, name: str, how: Callable[[object], object]) -> "Documents":
        """One document becomes what HOW makes of it; those above it know."""
        blobs = ("config", "manifest")
        first = blobs.index(name) if name in blobs else len(blobs)
        self.fill(*blobs[:first])
        setattr(self, name, how(getattr(self, name)))
        return self.fill(*blobs[first:])

    def write(self, path: Path) -> None:
        (path / "blobs/sha256").mkdir(parents=True)
        for name, data in self.blobs.items():
            (path / "blobs" / name.replace(":", "/")).write_bytes(data)
        for name, value in (("oci-layout", self.layout), ("index.json", self.index)):
            (path / name).write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())


def with_member(document: object, where: tuple, to: object) -> object:
    value = document
    for key in where[:-1]:
        value = value[key]
    if to is ABSENT:
        del value[where[-1]]
    else:
        value[where[-1]] = to
    return document


def expect_refused_once(path: Path, *err: str, program: Path = ASAN) -> str:
    """As expect_bad_image, where there are many of them: one run, and no look at an old output."""
    done = build(path / "x.eif", "--image", path / "image", program=program).is_(REFUSED, *err)
    same(names(path), {"image"}, f"what is there after {done.command}")
    return done.err


ABSENT = object()
DESCRIPTOR = (
    ("digest", (ABSENT, 5, "", "sha256", f"sha256:{HEX[1:]}", f"sha256:{HEX}0", f"sha256:{'A' * 64}", f"md5:{HEX[:32]}",
                "sha256:" + "../" * 21 + "x", f"SHA256:{HEX}", f"sha256:{HEX[:63]}/")),
    ("size", (ABSENT, -1, 1.5, "1", 1e300, [], 2 ** 53 + 2)),
    ("mediaType", (ABSENT, 5, [])),
)
# Where in which document, what is wrong there, and a word of what is said.
WRONG: tuple[tuple[str, tuple, tuple, str], ...] = (
    ("layout", ("imageLayoutVersion",), (ABSENT, "2.0.0", 1, [], None), "imageLayoutVersion"),
    ("index", ("schemaVersion",), (ABSENT, 1, "2", None), "schemaVersion"),
    ("index", ("mediaType",), (5, OCI + "manifest.v1+json"), "mediaType"),
    ("index", ("manifests",), ({}, 5, "x"), "manifests"),
    ("index", ("manifests", 0), ("x", [], 5, None), "object"),
    ("index", ("manifests", 0, "annotations"), ("x", [], {"org.opencontainers.image.ref.name": 5}), ""),
    ("index", ("manifests", 0, "platform"), ("x", [], {"architecture": 5}, {"architecture": "amd64", "os": []}), ""),
    *(("index", ("manifests", 0, key), values, key) for key, values in DESCRIPTOR),
    ("manifest", ("schemaVersion",), (ABSENT, 1, "2"), "schemaVersion"),
    ("manifest", ("mediaType",), (5, "text/plain"), "mediaType"),
    ("manifest", ("config",), (ABSENT, None, [], "x"), "config"),
    ("manifest", ("layers",), ({}, "x"), "layers"),
    ("manifest", ("layers", 0), ("x", [], None), "layer 1"),
    *(("manifest", ("config", key), values, "config") for key, values in DESCRIPTOR),
    *(("manifest", ("layers", 0, key), values, "layer 1") for key, values in DESCRIPTOR),
    ("config", ("architecture",), (5, []), "architecture"),
    ("config", ("os",), (5, "windows"), ""),
    ("config", ("rootfs",), (ABSENT, None, [], "x"), "rootfs"),
    ("config", ("rootfs", "type"), (ABSENT, "tar", 5), "rootfs"),
    ("config", ("rootfs", "diff_ids"), ("x", [5], ["x"], [f"md5:{HEX[:32]}"], {}), "rootfs"),
    ("config", ("config",), ([], "x", 5), "config"),
    *(("config", ("config", key), ({}, [5], [None], 5), key) for key in ("Entrypoint", "Cmd", "Env")),
    ("config", ("config", "Env"), ("x",), "Env"),
    *(("config", ("config", key), ([], {}, 5), key) for key in ("User", "WorkingDir", "StopSignal")),
    *(("config", ("config", key), ("x", [], 5), key) for key in ("Healthcheck", "Volumes", "ExposedPorts")),
)


@test
def the_documents_themselves_are_good() -> None:
    """What the next tests break makes an image."""
    with folder() as path:
        Documents().fill("config", "manifest").write(path / "image")
        same(text(make(path / "x.eif", "--image", path / "image"), "cmd"), "/tell\n", "cmd")


@test(seconds=8)
def members_of_a_wrong_kind_are_refused() -> None:
    """In each document, for each member that is read: the document is named, and the member."""
    for name, where, values, word in WRONG:
        for value in values:
            with folder() as path:
                documents = Documents().break_(name, lambda d: with_member(d, where, value))
                documents.write(path / "image")
                try:
                    expect_refused_once(path, documents.names[name], word, program=MKEIF)
                except Failure as e:
                    raise Failure(f"{name} {where} {'absent' if value is ABSENT else repr(value)}: {e}") from None


@test(seconds=3)
def what_is_not_json_is_refused() -> None:
    """Cut short, with more behind it, deep, huge, with a NUL, with a member twice; the document is named."""
    for name in ("layout", "index", "manifest", "config"):
        good = json.dumps(getattr(Documents().fill("config", "manifest"), name)).encode()
        for bad in (b"", b" ", good[:-1], good[:len(good) // 2], good + b"x", good + good, b"5", b'"x"', b"null", b"[]",
                    b"\0" + good, good[:-1] + b',"x":"\\u0000"}', good[:-1] + b',"x":"\0"}', b"[" * 100000,
                    b'{"a":' * 100000, good[:-1] + b',"x":' + b"[" * 2000 + b"]" * 2000 + b"}",
                    good[:-1] + b" " * (1 << 23) + b"}",
                    b'{"schemaVersion":2,"rootfs":{},"imageLayoutVersion":"1.0.0",' + good[1:], good.replace(b'"', b"'")):
            with folder() as path:
                documents = Documents().break_(name, lambda _: bad)
                documents.write(path / "image")
                expect_refused_once(path, documents.names[name])


# --- one of several ----------------------------------------------------------

def several(path: Path, *of: dict[str, object]) -> Layout:
    """An image for each of these, "name" apart, which is its program's argument, parts of its descriptor."""
    l = Layout(path)
    found = []
    for one in of:
        name = one.pop("name")
        arch = one.get("platform", {}).get("architecture", GO_ARCH)
        made = l.image([static_layer(name).bytes()], {"Cmd": ["/tell", name]}, arch=arch)
        found.append({**made, **one})
    l.index(*found)
    return l


def tag(name: str) -> dict[str, str]:
    return {"org.opencontainers.image.ref.name": name}


def platform(arch: str, os: str = "linux", **more: str) -> dict[str, str]:
    return {"architecture": arch, "os": os, **more}


def expect_chosen_cmd(path: Path, cmd: str) -> None:
    same(text(make(path / "x.eif", "--image", path / "image"), "cmd"), cmd, "cmd")


def expect_chosen(path: Path, name: str, *options: object, source: object = None) -> None:
    eif = make(path / "x.eif", "--image", source or path / "image", *options)
    same(text(eif, "cmd"), f"/tell\n{name}\n", f"what is chosen with {options}")


@test
def a_tag_names_one_of_several() -> None:
    """By option and behind the path, with a registry's name or without; without a tag, or with another: those there are."""
    with folder() as path:
        image = several(path / "image", {"name": "one", "annotations": tag("one")},
                        {"name": "two", "annotations": tag("registry.example/some/two:2.0")},
                        {"name": "three", "annotations": {"io.containerd.image.name": "registry.example/three:latest"}}).path
        expect_chosen(path, "one", "--tag", "one")
        expect_chosen(path, "one", source=f"oci:{image}:one")
        expect_chosen(path, "two", "--tag", "registry.example/some/two:2.0")
        expect_chosen(path, "three", "--tag", "registry.example/three:latest")
        expect_bad_image(path, "by its tag", "one", "some/two:2.0")
        expect_bad_image(path, "no image has the tag four", "one", options=("--tag", "four"))
        expect_refused(path, USAGE, ("another tag",), *boot_options(), "--image", f"oci:{image}:one", "--tag", "three")
        with tarfile.open(path / "image.tar", "w") as tar:
            tar.add(image, ".")
        expect_chosen(path, "one", source=f"oci-archive:{path}/image.tar:one")
        expect_chosen(path, "one", "--tag", "one", source=path / "image.tar")


@test
def an_index_is_searched_for_the_platform() -> None:
    """Other systems, architectures and attestations are passed over; the variant that any processor runs is taken."""
    mine, other = GO_ARCH, {"amd64": "arm64", "arm64": "amd64"}[GO_ARCH]
    base, better = {"amd64": ("v1", "v3"), "arm64": ("v8", "v9")}[mine]
    with folder() as path:
        several(path / "image", {"name": "windows", "platform": platform(mine, "windows")},
                {"name": "other", "platform": platform(other)},
                {"name": "better", "platform": platform(mine, variant=better)},
                {"name": "right", "platform": platform(mine, variant=base)},
                {"name": "best", "platform": platform(mine, variant=better + "x")},
                {"name": "unknown", "platform": platform("unknown", "unknown")},
                {"name": "about", "platform": platform(mine, variant=base),
                 "annotations": {"vnd.docker.reference.type": "attestation-manifest"}})
        expect_chosen(path, "right")
    with folder() as path:
        several(path / "image", {"name": "a", "platform": platform(other)}, {"name": "b", "platform": platform(mine, "plan9")})
        expect_bad_image(path, f"no image for linux/{mine}", f"linux/{other}", f"plan9/{mine}")
    with folder() as path:
        several(path / "image", {"name": "a", "platform": platform(mine)}, {"name": "b", "platform": platform(mine)})
        expect_bad_image(path, "several images", "they have none")
    with folder() as path:
        several(path / "image")
        expect_bad_image(path, "no image", "there is none")
    with folder() as path:  # the same image by two names is one
        several(path / "image", {"name": "a", "annotations": tag("x")}, {"name": "a", "annotations": tag("y")})
        expect_chosen(path, "a")


@test
def artifacts_are_no_images() -> None:
    """Signatures, lists of parts and other artifacts beside the image, each with a configuration of its own kind or not."""
    def artifact(l: Layout, config: str, layer: str, **more: object) -> dict:
        return l.json({"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": l.blob(b"{}", config),
                       "layers": [l.blob(layer.encode(), layer)], **more}, OCI + "manifest.v1+json")

    def with_artifacts(path: Path, *of: dict[str, object]) -> Layout:
        l = several(path, *of)
        found = l.manifests
        l.index(artifact(l, OCI + "config.v1+json", "application/vnd.dev.cosign.simplesigning.v1+json"),
                artifact(l, "application/vnd.oci.empty.v1+json", "application/spdx+json", artifactType="application/spdx+json"),
                artifact(l, OCI + "config.v1+json", OCI + "layer.v1.tar", artifactType="application/vnd.example"),
                {"mediaType": "text/html", "digest": digest(b""), "size": 0}, *found,
                artifact(l, "application/vnd.cncf.helm.config.v1+json", OCI + "layer.v1.tar"))
        return l

    with folder() as path:
        with_artifacts(path / "image", {"name": "image"})
        expect_chosen(path, "image")
    with folder() as path:
        with_artifacts(path / "image", {"name": "a"}, {"name": "b"})
        expect_bad_image(path, "several images for linux/")
    with folder() as path:  # a variant of its own loses against any other, but not against what is none
        better = {"amd64": "v3", "arm64": "v9"}[GO_ARCH]
        with_artifacts(path / "image", {"name": "image", "platform": platform(GO_ARCH, variant=better)})
        expect_chosen(path, "image")


@test
def what_a_tag_does_not_name_may_be_as_it_likes() -> None:
    """Of another tag or none: a digest that is none, a blob that is not there, a platform of another form."""
    with folder() as path:
        l = several(path / "image", {"name": "good", "annotations": tag("good")})
        good = l.manifests
        manifest = {"mediaType": OCI + "manifest.v1+json", "digest": "md5:0", "size": -1}
        for bad in (tagged(manifest, "bad"), manifest, tagged({**manifest, "platform": 5}, "bad"),
                    tagged({"mediaType": OCI + "index.v1+json", "digest": f"sha256:{HEX}", "size": 5}, "bad"),
                    tagged({"mediaType": 5}, "bad")):
            l.index(bad, *good)
            if "mediaType" in bad and bad["mediaType"] != 5:
                expect_chosen(path, "good", "--tag", "good")
            expect_bad_image(path)


@test(seconds=2)
def an_index_that_is_named_often_is_read_once() -> None:
    """A hundred times one of 4 MB, which took half a minute; and of all that is read there is a limit."""
    with folder() as path:
        l = several(path / "image", {"name": "a"})
        one = l.manifests
        large = {"schemaVersion": 2, "manifests": [], "x": [[]] * 100000, "y": "y" * 3700000}
        data = json.dumps(large, separators=(",", ":")).encode()
        inner = l.blob(data, OCI + "index.v1+json")
        l.index(*[inner] * 100, *one)
        expect_chosen(path, "a")
        others = [l.blob(data + b" " * n, OCI + "index.v1+json") for n in range(1, 7)]
        l.index(*others, *one)
        expect_bad_image(path, "indexes and manifests of more than 16777216 bytes")


@test
def indexes_in_indexes_end() -> None:
    """A tag is that of all below; four deep is fine, six is not; one that is not there is named."""
    def nested(path: Path, depth: int) -> Layout:
        l = several(path, {"name": "a"})
        inner = l.manifests
        for _ in range(depth):
            inner = [l.json({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": inner},
                            OCI + "index.v1+json")]
        l.index(tagged(inner[0], "deep"))
        return l

    with folder() as path:
        nested(path / "image", 3)
        expect_chosen(path, "a", "--tag", "deep")
    with folder() as path:
        nested(path / "image", 6)
        expect_bad_image(path, "deep")
    with folder() as path:
        l = nested(path / "image", 2)
        outer = l.manifests[0]["digest"]
        l.blob_path(outer).unlink()
        expect_bad_image(path, outer.split(":")[1], "not there")


# --- docker save -------------------------------------------------------------

class Saved:
    """An archive as docker save writes it, in its older form: manifest.json, configurations, layers."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.links: dict[str, str] = {}
        self.manifest: object = []

    def add(self, name: str, tags: list[str] | None, layer_name: str = "{}/layer.tar") -> dict:
        layer = static_layer(name).bytes()
        config = json.dumps(configuration([layer], {"Cmd": ["/tell", name]})).encode()
        config_name = hashlib.sha256(config).hexdigest() + ".json"
        self.files |= {config_name: config, layer_name.format(name): layer}
        one = {"Config": config_name, "RepoTags": tags, "Layers": [layer_name.format(name)]}
        self.manifest.append(one)
        return one

    def write(self, path: Path) -> None:
        out = Layer(tarfile.USTAR_FORMAT)
        for name, data in self.files.items():
            out.file(name, data)
        for name, target in self.links.items():
            out.link(name, target)
        value = self.manifest
        out.file("manifest.json", value if isinstance(value, bytes) else json.dumps(value))
        path.write_bytes(out.bytes())


@test
def docker_saves_are_read() -> None:
    """Of one image and several, by name or tag; layers that are links; a layout and manifest.json in one."""
    with folder() as path:
        saved = Saved()
        saved.add("one", ["example/one:latest", "one:1"])
        two = saved.add("two", ["two:latest"])
        saved.add("three", None)
        saved.links["linked/layer.tar"] = "../two/layer.tar"
        two["Layers"] = ["linked/layer.tar"]
        saved.write(path / "image")
        for option in ("one:1", "example/one:latest", "1"):
            expect_chosen(path, "one", "--tag", option)
        expect_chosen(path, "two", "--tag", "two:latest")
        expect_chosen(path, "two", source=f"docker-archive:{path}/image:two:latest")
        expect_bad_image(path, "several images", "example/one:latest", "two:latest")
        expect_bad_image(path, "no image has the tag none", options=("--tag", "none"))
        expect_bad_image(path, "several images", options=("--tag", "latest"))
    with folder() as path:
        saved = Saved()
        saved.add("alone", None)
        saved.write(path / "image")
        expect_chosen(path, "alone")
        (path / "image").write_bytes(gzip.compress((path / "image").read_bytes()))
        expect_chosen(path, "alone")
    with folder() as path:
        # As since Docker 25
        image = layout("shell")
        manifest = Layout(image).manifests[0]
        blob = lambda d: "blobs/" + d["digest"].replace(":", "/")  # noqa: E731
        inner = Layout(image).read(manifest)
        with tarfile.open(path / "image", "w") as tar:
            tar.add(image, ".")
            data = json.dumps([{"Config": blob(inner["config"]), "RepoTags": ["shell:latest"],
                                "Layers": [blob(d) for d in inner["layers"]]}]).encode()
            (path / "manifest.json").write_bytes(data)
            tar.add(path / "manifest.json", "manifest.json")
        wanted = make(path / "x.eif", "--image", image).measurements()
        for source in (path / "image", f"docker-archive:{path}/image", f"oci-archive:{path}/image"):
            same(make(path / "y.eif", "--image", source).measurements(), wanted, f"measurements of {source}")


@test
def an_empty_index_beside_a_good_manifest_is_passed_over() -> None:
    """Docker 25.0.0 to 25.0.2 saves an image that was named by its ID so (moby#47210); an index with an image is taken."""
    with folder() as path:
        saved = Saved()
        saved.add("by-id", None)
        saved.files["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
        for manifests in (b"null", b"[]"):
            saved.files["index.json"] = b'{"schemaVersion":2,"manifests":' + manifests + b"}"
            saved.write(path / "image")
            expect_chosen(path, "by-id")
        del saved.files["index.json"]
        saved.files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [{}]}).encode()
        saved.write(path / "image")
        expect_bad_image(path, "index.json")


@test(seconds=2)
def bad_docker_saves_are_refused() -> None:
    """Members of a wrong kind, files that are not there, that lead outside or in a circle, another content than named."""
    def broken(change: Callable[[Saved, dict], None], *err: str) -> None:
        with folder() as path:
            (path / "outside").write_bytes(static_layer("x").bytes())
            saved = Saved()
            change(saved, saved.add("x", ["x:latest"]))
            saved.write(path / "image")
            expect_bad_image(path, *err)

    def with_(key: str, value: object) -> Callable[[Saved, dict], None]:
        return lambda _, one: one.update({key: value})

    def manifest(value: object) -> Callable[[Saved, dict], None]:
        return lambda saved, _: setattr(saved, "manifest", value)

    for value in ({}, [], [[]], [5], [None], ["x"], b"", b"[", b"[{}]x", b"[" * 5000):
        broken(manifest(value), "manifest.json")
    for value in (None, 5, [], {}):
        broken(with_("Config", value), "manifest.json", "Config")
    for value in ("x", {}, [5], [None]):
        broken(with_("Layers", value), "manifest.json", "Layers")
    for value in ("x", {}, [5]):
        broken(with_("RepoTags", value), "manifest.json", "RepoTags")
    for value in ("none", "../outside", "/outside", "x", ""):
        broken(with_("Config", value))
        broken(with_("Layers", [value]), "layer 1")
    broken(with_("Layers", []), "layer")

    def change_config(saved: Saved, one: dict) -> None:
        saved.files[one["Config"]] = saved.files[one["Config"]].replace(b"tell", b"TELL")

    def change_layer(saved: Saved, one: dict) -> None:
        saved.files[one["Layers"][0]] = static_layer("y").bytes()

    def link(target: str) -> Callable[[Saved, dict], None]:
        def change(saved: Saved, one: dict) -> None:
            del saved.files[one["Layers"][0]]
            saved.links[one["Layers"][0]] = target
        return change

    broken(change_config, ".json")
    broken(change_layer, "layer 1")
    for target in ("layer.tar", "../../outside", "/etc/passwd", "."):
        broken(link(target), "layer 1")


# --- by skopeo ---------------------------------------------------------------

@contextmanager
def own_skopeo(script: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder, and the environment in which SCRIPT is skopeo and TMPDIR a folder in it."""
    with folder() as path:
        (path / "bin").mkdir()
        (path / "tmp").mkdir()
        if script:
            (path / "bin/skopeo").write_text(script)
            (path / "bin/skopeo").chmod(0o755)
        yield path, {"PATH": f"{path}/bin", "TMPDIR": f"{path}/tmp"}


@test
def other_transports_are_skopeos() -> None:
    """A store of skopeo's own kind gives the same image; what is copied is gone afterwards."""
    with folder() as path:
        (path / "tmp").mkdir()
        image = layout("shell")
        tool("skopeo", "--insecure-policy", "copy", "--quiet", f"oci:{image}:latest", f"dir:{path}/store")
        # The machine may have no policy of its own, and no daemon: what is asked of it comes from a folder.
        script = f"""#!/bin/sh
for word; do
	shift
	[ "$word" = docker-daemon:shell:latest ] && word=dir:{path}/store
	set -- "$@" "$word"
done
exec {shutil.which("skopeo")} --insecure-policy "$@"
"""
        with own_skopeo(script) as (_, env):
            eif = make(path / "x.eif", "--image", "docker-daemon:shell:latest", env={**env, "TMPDIR": f"{path}/tmp"})
        same(eif.measurements(), make(path / "y.eif", "--image", image).measurements(), "measurements")
        same(names(path / "tmp"), set(), "what is left")


@test(seconds=4)
def every_kind_of_source_has_a_prefix() -> None:
    """A layout, an archive of it, docker save as archive and unpacked, skopeo's folders, each by its name and, but for a
    root file system that looks like one of them, without: one image."""
    with folder() as path:
        image = layout("shell")
        tool("skopeo", "--insecure-policy", "copy", "--quiet", f"oci:{image}:latest", f"dir:{path}/store")
        tool("skopeo", "--insecure-policy", "copy", "--quiet", f"oci:{image}:latest", f"docker-archive:{path}/saved:shell:latest")
        (path / "unpacked").mkdir()
        tool("tar", "-xf", path / "saved", "-C", path / "unpacked")
        tool("tar", "-cf", path / "layout.tar", "-C", image, ".")
        wanted = make(path / "x.eif", "--image", image).measurements()
        for source in (f"oci:{image}", f"oci-archive:{path}/layout.tar", f"oci-archive:{image}", path / "store",
                       f"dir:{path}/store", path / "unpacked", f"docker-archive:{path}/unpacked",
                       f"docker-archive:{path}/unpacked:shell:latest", f"docker-archive:{path}/saved"):
            done = build(path / "y.eif", "--image", source, program=ASAN).is_(DONE)
            same(Eif.load(path / "y.eif").measurements(), wanted, f"measurements of {source}: {done.story}")
        for source, code, err in (("", USAGE, "--image: no name of a file, folder or image"),
                                  ("oci:", USAGE, "--image: oci:: no path behind it"),
                                  ("rootfs:", USAGE, "no path behind it"), (f"dir:{image}", REFUSED, "manifest.json: not there"),
                                  (f"docker-archive:{image}", REFUSED, "manifest.json: not there"),
                                  (f"dir:{path}/none", FILE, "No such file"), (f"rootfs:{path}/none", FILE, "No such file")):
            build(path / "z.eif", "--image", source, program=ASAN).is_(code, err)
        # Documents of an unpacked archive lead nowhere else.
        (path / "outside").write_bytes(json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {
            "type": "layers", "diff_ids": []}}).encode())
        for name in ("../outside", f"{path}/outside", "x/../../outside"):
            (path / "unpacked/manifest.json").write_text(json.dumps([{"Config": name, "Layers": []}]))
            build(path / "z.eif", "--image", path / "unpacked", program=ASAN).is_(REFUSED, "not within the folder")


@test
def a_digest_can_be_demanded() -> None:
    """Of the manifest, of an index above it, of the configuration; with a tag, or of a file without a prefix."""
    with folder() as path:
        l = several(path / "image", {"name": "one", "annotations": tag("one")}, {"name": "two", "annotations": tag("two")})
        one, two = l.manifests
        index = l.json({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [two]}, OCI + "index.v1+json")
        l.index(one, index)
        config = l.read(two)["config"]["digest"]
        for wanted in (two["digest"], index["digest"], config):
            for source in (f"oci:{path}/image@{wanted}", f"{path}/image@{wanted}", f"oci:{path}/image:two@{wanted}"):
                expect_chosen(path, "two", source=source)
        expect_chosen(path, "one", source=f"oci:{path}/image:one@{one['digest']}")
        nothing = f"sha256:{HEX}"
        for source in (f"oci:{path}/image@{nothing}", f"oci:{path}/image:one@{two['digest']}"):
            build(path / "z.eif", "--image", source, program=ASAN).is_(REFUSED, f"nothing has the digest {source[-71:]}",
                                                                       one["digest"])
        saved = Saved()
        saved.add("one", ["x:1"])
        name = saved.add("two", ["x:2"])["Config"].removesuffix(".json")
        saved.write(path / "saved")
        expect_chosen(path, "two", source=f"docker-archive:{path}/saved@sha256:{name}")
        expect_chosen(path, "two", source=f"{path}/saved@sha256:{name}")
        build(path / "z.eif", "--image", f"docker-archive:{path}/saved:x:1@sha256:{name}").is_(
            REFUSED, f"no image of the tag x:1 has a configuration with the digest sha256:{name}")
        (path / "root").mkdir()
        build(path / "z.eif", "--image", f"rootfs:{path}/root@{nothing}").is_(USAGE, "a plain folder has no digest")
        # skopeo's folder, of one image and of all.
        for words, digests in (((), ("one",)), (("--all",), ("one", "index"))):
            l.index(tagged(l.json({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [
                {**one, "platform": platform(GO_ARCH)}]}, OCI + "index.v1+json")) if words else one)
            tool("skopeo", "--insecure-policy", "copy", "--quiet", *words, f"oci:{path}/image", f"dir:{path}/s{len(words)}")
            raw = (path / f"s{len(words)}/manifest.json").read_bytes()
            for wanted in {digest(raw), one["digest"]}:
                expect_chosen(path, "one", source=f"dir:{path}/s{len(words)}@{wanted}")
            build(path / "z.eif", "--image", f"dir:{path}/s{len(words)}@{nothing}").is_(REFUSED, "nothing has the digest")


@test
def images_come_through_pipes() -> None:
    """By "-", by a name of a pipe, compressed too; a file as standard input from where it stands; no terminal, no device."""
    with folder() as path:
        saved = Saved()
        saved.add("piped", None)
        saved.write(path / "saved")
        data = (path / "saved").read_bytes()
        (path / "packed").write_bytes(gzip.compress(data))
        command = f'exec "{ASAN}" build --output "{path}/x.eif" "$@"'
        options = [str(o) for o in boot_options()]
        for script in (f'cat "{path}/saved" | {{ {command} --image -; }}', f'{command} --image - <"{path}/saved"',
                       f'cat "{path}/packed" | {{ {command} --image docker-archive:-; }}',
                       f'cat "{path}/saved" | {{ {command} --image /dev/stdin; }}'):
            (path / "x.eif").unlink(missing_ok=True)
            run("-c", script, "sh", *options, program=Path("/bin/sh")).is_(DONE)
            same(text(Eif.load(path / "x.eif"), "cmd"), "/tell\npiped\n", script)
        (path / "tmp").mkdir()
        done = run("-c", f'head -c {len(data) // 2} "{path}/saved" | {{ {command} --image -; }}', "sh", *options,
                   program=Path("/bin/sh"), env={"TMPDIR": str(path / "tmp")}).is_(REFUSED)
        same(names(path / "tmp"), set(), f"what is left: {done.story}")
        run("-c", f'{command} --image - </dev/null', "sh", *options, program=Path("/bin/sh")).is_(
            REFUSED, "standard input: neither a file nor a pipe")
        # A program before the pipe that fails is no image of nothing.
        run("-c", f'false | {{ {command} --image -; }}', "sh", *options, "--cmd", "/tell", program=Path("/bin/sh")).is_(
            REFUSED, "standard input: empty")
        (path / "none").touch()
        build(path / "x.eif", "--image", path / "none", "--cmd", "/tell").is_(REFUSED, f"{path}/none: empty")


ROOTFS = "taken for a root file system (a folder, docker export), has no entrypoint: --cmd PROGRAM, or take an image, as " \
         "docker save writes it"


@test
def what_docker_export_writes_is_a_root_file_system() -> None:
    """An archive without an image: as the same files in a layer, owners and all, a name like a whiteout's a name; told."""
    with folder() as path:
        layer = static_layer("srv")
        layer.file("srv/mine", "mine\n", 0o4755, uid=7, gid=8)
        single(path / "layout", [layer], {"Cmd": ["/tell"], "Env": ["A=1"]})
        wanted = make(path / "x.eif", "--image", path / "layout").measurements()
        for name, data in (("plain", layer.bytes()), ("packed", gzip.compress(layer.bytes()))):
            (path / name).write_bytes(data)
            for prefix in ("", "rootfs:"):
                done = build(path / "y.eif", "--image", f"{prefix}{path}/{name}", "--cmd", "/tell", "--env", "A=1", program=ASAN)
                note = "is taken for a root file system, as docker export writes it: without Entrypoint, Cmd, Env, User"
                done.is_(DONE)
                same(note in done.err, prefix == "", f"the note in {done.story}")
                same(Eif.load(path / "y.eif").measurements(), wanted, f"measurements of {prefix}{name}")
            build(path / "z.eif", "--image", path / name).is_(REFUSED, f"build: {path / name}, {ROOTFS}\n")
        for prefix in ("", "rootfs:"):
            root = path / "folder"
            root.mkdir(exist_ok=True)
            (root / "Dockerfile").unlink(missing_ok=True)
            build(path / "z.eif", "--image", f"{prefix}{root}").is_(REFUSED, f"build: {prefix}{root}, {ROOTFS}\n")
            (root / "Dockerfile").write_text("FROM scratch\n")
            build(path / "z.eif", "--image", f"{prefix}{root}").is_(REFUSED, f"{ROOTFS}; mkeif builds no Dockerfile\n")


@test
def a_name_of_no_file_may_be_one_of_an_image() -> None:
    """Where there is none, the transports that take one are named; a path is a path."""
    with folder() as path:
        for name, tag in (("five", ":latest"), ("team/five:1", "")):
            build(path / "x.eif", "--image", name, cwd=path).is_(
                FILE, f"--image: {name}: No such file or directory (in a registry: docker://{name}; in the local Docker: "
                f"docker-daemon:{name}{tag}; podman's or buildah's: containers-storage:localhost/{name})")
        for name in (path / "five", "./five"):
            build(path / "x.eif", "--image", name, cwd=path).is_(FILE, f"--image: {name}: No such file or directory\n")


@test
def a_tag_where_no_image_has_one_is_to_be_left_out() -> None:
    """As buildah push oci:DIR writes it."""
    with folder() as path:
        single(path / "layout", [static_layer("srv")], CMD)
        index = json.loads((path / "layout/index.json").read_text())
        for entry in index["manifests"]:
            entry.pop("annotations", None)
        (path / "layout/index.json").write_text(json.dumps(index))
        for words, left in ((("--image", f"oci:{path}/layout:latest"), ":latest"),
                            (("--image", path / "layout", "--tag", "latest"), "--tag latest")):
            build(path / "x.eif", *words).is_(REFUSED, f"no image there has a tag; leave {left} out\n")
        build(path / "x.eif", "--image", path / "layout").is_(DONE)
        odd = static_layer()
        odd.without("tell")
        odd.file("manifest.json", "{}")
        (path / "odd").write_bytes(odd.bytes())
        files = ramdisk(make(path / "y.eif", "--image", f"rootfs:{path}/odd", "--cmd", "/tell"))
        check({"rootfs/tell", "rootfs/.wh.tell", "rootfs/manifest.json"} <= set(files), sorted(files))


@test
def a_folder_is_what_its_documents_say() -> None:
    """A web root with index.json or manifest.json at its top is a root file system, and rootfs: makes one of any folder."""
    with folder() as path:
        root = path / "root"
        root.mkdir()
        shutil.copy(built("apps/tell"), root / "tell")
        for name in ("index.json", "manifest.json", "version"):
            (root / name).write_text('[{"name": "an application"}]')
            make(path / "x.eif", "--image", root, "--cmd", "/tell")
        check("rootfs/index.json" in ramdisk(Eif.load(path / "x.eif")), "no index.json")
        shutil.copytree(layout("nopasswd"), path / "layout")
        shutil.copy(built("apps/tell"), path / "layout/tell")
        files = ramdisk(make(path / "x.eif", "--image", f"rootfs:{path}/layout", "--cmd", "/tell"))
        check("rootfs/oci-layout" in files, "no layout in it")


@test
def skopeo_is_asked_for_the_architecture() -> None:
    """The source as it was given, the system, the architecture; what it says on stdout is not ours."""
    script = f"""#!/bin/sh
printf '%s\\n' "$@" >"${{0%/*}}/said"
echo progress
for last; do :; done
{shutil.which("cp")} -r {layout("nopasswd")}/. "${{last#oci:}}"
"""
    with own_skopeo(script) as (path, env):
        done = build(path / "x.eif", "--image", "docker://registry.invalid/a b:1", env=env).is_(DONE)
        check(b"progress" not in done.out, done.story)
        said = (path / "bin/said").read_text().splitlines()
        same((said[0], said[-2]), ("copy", "docker://registry.invalid/a b:1"), "what skopeo was told")
        options = dict(zip(said[1:-2:2], said[2:-2:2]))
        same(options, {"--override-arch": "amd64", "--override-os": "linux"}, "options")
        same(names(path / "tmp"), set(), "what is left")
        same(text(Eif.load(path / "x.eif"), "cmd"), "/tell\n", "cmd")


@test
def skopeo_gets_no_descriptor_of_a_key() -> None:
    """It could read the key, and leave none for mkeif, which has read it before."""
    script = f"""#!/bin/sh
{shutil.which("ls")} -l /proc/self/fd >"${{0%/*}}/open"
for last; do :; done
{shutil.which("cp")} -r {layout("nopasswd")}/. "${{last#oci:}}"
"""
    with own_skopeo(script) as (path, env):
        key, cert = key_pair(path)
        out, into = os.pipe()
        with open(into, "wb") as f:
            f.write(key.read_bytes())
        pipe = f"pipe:[{os.fstat(out).st_ino}]"
        try:
            build(path / "x.eif", "--image", "docker://registry.invalid/a", "--sign-key", f"fd:{out}", "--sign-cert", cert,
                  env=env, pass_fds=(out,)).is_(DONE)
        finally:
            os.close(out)
        seen = (path / "bin/open").read_text()
        check("/dev/null" in seen and pipe not in seen, seen)


@test
def a_failing_skopeo_is_told() -> None:
    """None, one that fails, is killed, leaves nothing or half an image; what it says is seen, and all is removed."""
    source = "docker://registry.invalid/image"
    for code, script, *err in ((FILE, "", "skopeo", "not installed"),
                               (FILE, "#!/bin/sh\necho 'mkeif: no such host' >&2\nexit 3\n", "no such host", "skopeo", "code 3"),
                               (FILE, "#!/bin/sh\nkill -9 $$\n", "skopeo", "signal 9"),
                               (REFUSED, "#!/bin/sh\n", "oci-layout"),
                               (REFUSED, '#!/bin/sh\nfor last; do :; done\necho "{}" >"${last#oci:}/oci-layout"\n',
                                "imageLayoutVersion")):
        with own_skopeo(script) as (path, env):
            done = build(path / "x.eif", "--image", source, env=env)
            done.is_(code, source, *err)
            same(names(path / "tmp"), set(), f"what is left by {script!r}")
            check(not (path / "x.eif").exists(), "an output")


# --- layers of every maker ---------------------------------------------------

def tree(path: Path) -> None:
    """A folder that any form of tar can hold."""
    for name in ("bin", "data", "data/empty"):
        (path / name).mkdir(parents=True)
    shutil.copy(built("apps/tell"), path / "bin/tell")
    (path / "data/small").write_text("small\n")
    (path / "data/same").hardlink_to(path / "data/small")
    (path / "data/link").symlink_to("../bin/tell")
    with open(path / "data/holes", "wb") as f:
        for at in (0, 1 << 18, (3 << 18) + 17):
            f.seek(at)
            f.write(b"content")
        f.truncate(5 << 18)
    for p in [path, *path.rglob("*")]:
        if not p.is_symlink():
            p.chmod(0o755 if p.is_dir() or p.name == "tell" else 0o640)
        os.utime(p, (TIME, TIME), follow_symlinks=False)


def of_tar(path: Path, tar: bytes, pack: Callable[[bytes], bytes] = bytes, kind: str = "layer.v1.tar") -> dict[str, str]:
    """The measurements of an image with that layer."""
    shutil.rmtree(path / "image", ignore_errors=True)
    l = Layout(path / "image")
    l.index(tagged(l.manifest(configuration([tar], {"Cmd": ["/bin/tell"]}), [l.blob(pack(tar), OCI + kind)])))
    return make(path / "x.eif", "--image", path / "image").measurements()


@test(seconds=4)
def every_form_of_tar_is_the_same() -> None:
    """By GNU tar and bsdtar, from v7 to pax, with holes or without, with a global header, without an end."""
    with folder() as path:
        tree(path / "tree")
        gnu = ("tar", "--owner=0", "--group=0", "--numeric-owner", "--sort=name", "-C", path / "tree", "-cf", "-")
        bsd = ("bsdtar", "--uid", "0", "--gid", "0", "-C", path / "tree", "-cf", "-")
        wanted = of_tar(path, tool(*gnu, "."))
        forms = {
            **{f"tar of {f}": tool(*gnu, f"--format={f}", ".") for f in ("v7", "ustar", "oldgnu", "gnu", "posix")},
            **{f"sparse tar of {f}": tool(*gnu, f"--format={f}", "--sparse", ".") for f in ("oldgnu", "gnu", "posix")},
            **{f"sparse {v}": tool(*gnu, "--format=posix", "--sparse", f"--sparse-version={v}", ".")
               for v in ("0.0", "0.1", "1.0")},
            "a global header": tool(*gnu, "--format=posix", "--pax-option=comment=of all", "."),
            "names without a dot": tool(*gnu, "bin", "data"),
            "names that begin with a slash": tool(*gnu, "-P", "--transform=s,^\\.,,S", "./bin", "./data"),
            **{f"bsdtar of {f}": tool(*bsd, f"--format={f}", ".") for f in ("v7", "ustar", "pax", "gnutar")},
        }
        for name, tar in forms.items():
            same(of_tar(path, tar), wanted, name)
        whole = forms["tar of ustar"]
        end = len(whole.rstrip(b"\0"))
        end = -(-end // 512) * 512
        for what, tar in (("more zeros behind it", whole + bytes(1 << 20)), ("one block of zeros", whole[:end + 512]),
                          ("no end", whole[:end])):
            same(of_tar(path, tar), wanted, what)


@test(seconds=2)
def every_way_to_pack_is_the_same() -> None:
    """gzip of several members, fast, with a name and a time; zstd of several frames, with one to be skipped; Docker's types."""
    with folder() as path:
        tree(path / "tree")
        tar = tool("tar", "--owner=0", "--group=0", "--sort=name", "-C", path / "tree", "-cf", "-", ".")
        wanted = of_tar(path, tar)
        half = len(tar) // 2 + 100

        def named(data: bytes) -> bytes:
            (path / "named").write_bytes(data)
            return tool("gzip", "-c", "-1", path / "named")

        skip = (0x184d2a53).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"skip!"
        for what, kind, pack in (
                ("members", "+gzip", lambda d: gzip.compress(d[:half], 9) + gzip.compress(d[half:], 1)),
                ("empty members", "+gzip", lambda d: gzip.compress(b"") + gzip.compress(d) + gzip.compress(b"")),
                ("a name", "+gzip", named),
                ("stored", "+gzip", lambda d: gzip.compress(d, 0)),
                ("xz", "+xz", lzma.compress),
                ("xz called gzip", "+gzip", lzma.compress),
                ("bzip2", "+bzip2", bz2.compress),
                ("bzip2 of two streams", "+bzip2", lambda d: bz2.compress(d[:half]) + bz2.compress(d[half:], 1)),
                ("frames", "+zstd", lambda d: zstd(d[:half]) + zstd(d[half:])),
                ("a skipped frame", "+zstd", lambda d: skip + zstd(d) + skip),
                ("gzip called zstd", "+zstd", gzip.compress),
                ("a sum and a window", "+zstd", lambda d: subprocess.run(
                    ["zstd", "-q", "-c", "--check", "--long=27", "-1"], input=d, stdout=subprocess.PIPE, check=True).stdout)):
            same(of_tar(path, tar, pack, "layer.v1.tar" + kind), wanted, what)

        l = Layout(path / "docker")
        docker = "application/vnd.docker."
        manifest = json.loads(l.blob_path(l.image([tar], {"Cmd": ["/bin/tell"]})["digest"]).read_text())
        manifest |= {"mediaType": docker + "distribution.manifest.v2+json"}
        manifest["config"]["mediaType"] = docker + "container.image.v1+json"
        manifest["layers"][0]["mediaType"] = docker + "image.rootfs.diff.tar.gzip"
        l.index(l.json(manifest, docker + "distribution.manifest.v2+json"))
        same(make(path / "x.eif", "--image", path / "docker").measurements(), wanted, "Docker's types")


@test
def blobs_by_sha512_are_read() -> None:
    """And checked: a configuration and a layer of that name."""
    with folder() as path:
        l = Layout(path / "image")
        (path / "image/blobs/sha512").mkdir()

        def renamed(d: dict) -> dict:
            data = l.blob_path(d["digest"]).read_bytes()
            name = "sha512:" + hashlib.sha512(data).hexdigest()
            l.blob_path(d["digest"]).rename(l.blob_path(name))
            return {**d, "digest": name}

        one = l.image([static_layer().bytes()], CMD)
        manifest = json.loads(l.blob_path(one["digest"]).read_text())
        manifest["config"] = renamed(manifest["config"])
        manifest["layers"] = [renamed(d) for d in manifest["layers"]]
        l.index(tagged(renamed(l.json(manifest, OCI + "manifest.v1+json"))))
        make(path / "x.eif", "--image", path / "image")
        layer = l.blob_path(manifest["layers"][0]["digest"])
        layer.write_bytes(layer.read_bytes()[:-1] + b"!")
        expect_bad_image(path, layer.name[:40])


@test
def layers_of_nothing_and_of_the_same_are_layers() -> None:
    """One that is empty, one that is there twice: as if they were not."""
    with folder() as path:
        base, more, nothing = static_layer(), Layer(), Layer()
        more.file("more", "more\n")
        single(path / "one", [base, more], CMD)
        single(path / "two", [nothing, base, nothing, more, more, nothing], CMD)
        same(make(path / "x.eif", "--image", path / "two").measurements(),
             make(path / "y.eif", "--image", path / "one").measurements(), "measurements")
        check("rootfs/more" in ramdisk(Eif.load(path / "x.eif")), "no file of the second layer")


@test
def layers_that_are_elsewhere_or_secret_are_told() -> None:
    """Foreign ones, which are to be fetched unless they are there, and encrypted ones."""
    for kind in (OCI + "layer.nondistributable.v1.tar+gzip", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"):
        with folder() as path:
            d = Documents().break_("manifest", lambda d: with_member(d, ("layers", 0, "mediaType"), kind))
            d.write(path / "image")
            expect_chosen_cmd(path, "/tell\n")
            name = d.manifest["layers"][0]["digest"]
            (path / "image/blobs" / name.replace(":", "/")).unlink()
            expect_bad_image(path, "layer 1", name.split(":")[1], "is not part of the image")
    with folder() as path:
        kind = OCI + "layer.v1.tar+gzip+encrypted"
        Documents().break_("manifest", lambda d: with_member(d, ("layers", 0, "mediaType"), kind)).write(path / "image")
        expect_bad_image(path, "layer 1", "encrypted")


@test
def a_folder_takes_the_place_of_a_file_of_a_layer_below() -> None:
    """a/b in a layer over a file, a link to a file, a device: as umoci since 0.5.0 (umoci#546). In one layer it is refused."""
    base, over = static_layer(), Layer()
    base.file("a", "a file\n")
    base.file("c", "another\n")
    base.link("l", "c")
    base.node("n", 1, 3)
    over.file("a/b", "below a\n")
    over.file("l/deep/er", "below what l leads to\n")
    over.dir("n/d")
    with folder() as path:
        single(path / "image", [base, over], CMD)
        files = ramdisk(make(path / "x.eif", "--image", path / "image"))
        same((files["rootfs/a"].mode, files["rootfs/a/b"].data), (0o40755, b"below a\n"), "a")
        same((files["rootfs/l"].data, files["rootfs/c/deep/er"].data), (b"c", b"below what l leads to\n"), "l")
        same(files["rootfs/n/d"].mode, 0o40755, "n")
    both = static_layer()
    both.file("a", "a file\n")
    both.file("a/b", "in the same layer\n")
    with folder() as path:
        single(path / "image", [both], CMD)
        expect_bad_image(path, "layer 1", "a/b: not a folder: a")


@test
def umocis_own_images_are_as_it_unpacks_them() -> None:
    """What umoci itself makes: init, a base, a repacked layer with what was removed, changed, linked."""
    from .build_pack import IS_ROOT, expect_files, on_disk, rootfs, unpacked
    rootless = [] if IS_ROOT else ["--rootless"]
    with folder() as path:
        base = static_layer("data", "data/gone", "data/turns")
        for name in ("gone/x", "gone/y", "stays", "goes", "changes", "turns/x"):
            base.file(f"data/{name}", f"{name}\n")
        base.hard("data/second", "data/stays")
        (path / "base.tar").write_bytes(base.bytes())
        image = f"{path}/image:latest"
        tool("umoci", "init", "--layout", path / "image")
        tool("umoci", "new", "--image", image)
        tool("umoci", "raw", "add-layer", "--image", image, path / "base.tar")
        tool("umoci", "unpack", *rootless, "--image", image, path / "bundle")
        data = path / "bundle/rootfs/data"
        shutil.rmtree(data / "gone")
        shutil.rmtree(data / "turns")
        (data / "goes").unlink()
        (data / "turns").write_text("a file now\n")
        (data / "changes").write_text("changed\n")
        (data / "changes").chmod(0o600)
        (data / "second").unlink()
        (data / "second").symlink_to("stays")
        (data / "new").mkdir()
        (data / "new/one").write_text("one content\n")
        (data / "new/two").hardlink_to(data / "new/one")
        tool("umoci", "repack", "--image", image, path / "bundle")
        tool("umoci", "config", "--image", image, "--config.entrypoint", "/tell", "--config.cmd", "from umoci",
             "--config.env", "A=b c", "--config.user", "3:4", "--config.stopsignal", "SIGINT")
        eif = make(path / "x.eif", "--image", path / "image")
        same((text(eif, "cmd"), text(eif, "env")), ("/tell\nfrom umoci\n", "A=b c\n"), "cmd and env")
        same(text(eif, "enclave-init.conf"), "user = 3:4\nstop-signal = SIGINT\n", "conf")
        theirs = on_disk(unpacked(path / "image", path / "again"))
        expect_files(rootfs(eif), theirs, {"dev", "run", "sys", "var", "proc", "tmp"})
