"""Making images: release binaries from an HTTP server, the Go toolchain from a module proxy, builds by a small `go`."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import json
import os
import shutil
import tarfile
import threading
import types
import zipfile

import pytest

from generator import download
from generator.definition import VERSION
from generator.errors import UserError
from generator.files import sha256
from generator.images import archive, build, cache, catalog, layer, recipe, rootfs, toolchain, upstream
from generator.progress import Silent

(HYPERKUBE, *_) = catalog.wanted("v1.37.9", "flannel")
PAUSE = next(w for w in catalog.wanted("v1.37.9", "flannel") if w.name == "pause")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def serve(tmp_path):
    """A web server over `tmp_path / "site"`; gives its address."""
    (tmp_path / "site").mkdir()
    handler = functools.partial(Quiet, directory=tmp_path / "site")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def released(tmp_path, serve, monkeypatch):
    """A release site with small binaries of v1.37.9, and a root file system that takes no time."""
    folder = tmp_path / "site" / "v1.37.9" / "bin" / "linux" / "amd64"
    folder.mkdir(parents=True)
    for role in recipe.ROLES:
        (folder / role).write_text(f'#!/bin/sh\necho "{role} $@"\n')
        (folder / f"{role}.sha256").write_text(sha256(folder / role))

    def root(_arch, root, _progress):
        path = root / "root.tar"
        layer.write(path, {"etc/os-release": layer.File(b"ID=debian\n", 0o644)})
        return path

    monkeypatch.setattr(rootfs, "make", root)
    monkeypatch.setenv("ANYWHERE_RELEASES", f"{serve}/")
    return folder


def get(tmp_path):
    return cache.resolve([HYPERKUBE], tmp_path / "none", tmp_path / "cache", Silent())["hyperkube"]


def unpacked(tmp_path, image):
    """The image's files, its layers one over the other."""
    root = tmp_path / "root"
    with tarfile.open(tmp_path / "cache" / "images" / f"{image.archive}.tar") as tar:
        for name in json.load(tar.extractfile("manifest.json"))[0]["Layers"]:
            with tarfile.open(fileobj=tar.extractfile(name)) as inner:
                inner.extractall(root, filter="tar")
    return root


def test_hyperkube_from_release_binaries(tmp_path, released):
    image = get(tmp_path)
    assert (image.source, image.ref) == ("release", "anywhere.local/hyperkube:v1.37.9")
    root = unpacked(tmp_path, image)
    assert (root / "etc" / "os-release").read_text() == "ID=debian\n"
    for role in recipe.ROLES:
        assert (root / recipe.BIN / role).read_bytes() == (released / role).read_bytes()
        assert os.access(root / recipe.BIN / role, os.X_OK)


def test_the_dispatcher_plays_every_role(tmp_path, released, monkeypatch):
    import subprocess

    root = unpacked(tmp_path, get(tmp_path))
    monkeypatch.setenv("PATH", f"{root / recipe.BIN}:{os.environ['PATH']}")
    for role in recipe.ROLES:
        assert subprocess.check_output(["hyperkube", role, "--a b", "c"], text=True) == f"{role} --a b c\n"
    wrong = subprocess.run(["hyperkube", "rm"], capture_output=True, text=True)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "usage" in wrong.stderr


def test_a_release_image_is_made_once_and_the_same(tmp_path, released):
    first = get(tmp_path)
    again = tmp_path / "again"
    (again / "cache").mkdir(parents=True)
    assert get(again) == first
    for role in recipe.ROLES:
        (released / role).unlink()
    assert get(tmp_path) == first


def test_a_release_binary_with_another_checksum_is_refused(tmp_path, released):
    (released / "kubelet").write_text("something else")
    with pytest.raises(UserError, match="kubelet has SHA-256") as caught:
        get(tmp_path)
    assert not isinstance(caught.value, download.Unreachable)
    assert not list((tmp_path / "cache" / "images").glob("*"))


def test_release_binaries_are_those_of_the_architecture(tmp_path, released):
    wanted = dataclasses.replace(HYPERKUBE, arch="arm64")
    with pytest.raises(UserError, match=r"v1\.37\.9"):  # only amd64's are there
        cache.resolve([wanted], tmp_path / "none", tmp_path / "cache", Silent())
    other = released.with_name("arm64")
    shutil.copytree(released, other)
    (other / "kubelet").write_text("arm64's")
    (other / "kubelet.sha256").write_text(sha256(other / "kubelet"))
    image = cache.resolve([wanted], tmp_path / "none", tmp_path / "cache", Silent())["hyperkube"]
    assert (unpacked(tmp_path, image) / recipe.BIN / "kubelet").read_text() == "arm64's"
    assert get(tmp_path).archive != image.archive


def test_a_page_instead_of_a_checksum_is_refused(tmp_path, released):
    (released / "kubelet.sha256").write_text("<html>sign in</html>")
    with pytest.raises(UserError, match=r"kubelet\.sha256 holds no SHA-256"):
        get(tmp_path)


def test_without_the_release_site_hyperkube_is_built(tmp_path, monkeypatch):
    monkeypatch.setenv("ANYWHERE_RELEASES", "http://127.0.0.1:1")

    def built(wanted, _recipe, path, _cache, _progress):
        layer.write(tmp_path / "top", {"a": layer.File(b"")})
        archive.write(path, wanted.ref, [tmp_path / "top"], build.labelled(recipe.HYPERKUBE, "build", "key"), "amd64")

    monkeypatch.setattr(build, "build", built)
    (hyperkube, *_) = catalog.wanted(VERSION, "flannel")
    images = cache.resolve([hyperkube], tmp_path / "none", tmp_path / "cache", Silent())
    assert images["hyperkube"].source == "build"


def test_neither_a_release_site_nor_checked_sources(tmp_path, monkeypatch):
    monkeypatch.setenv("ANYWHERE_RELEASES", "http://127.0.0.1:1")
    with pytest.raises(UserError, match=r"v1\.37\.9") as caught:
        get(tmp_path)
    assert "ANYWHERE_RELEASES" in caught.value.hint


# The toolchain

FAKE_GO = """#!/bin/sh
# Stands for the Go command: writes what it was asked to build, and with what.
[ "$1 $2" != "env GOVERSION" ] || { echo go0.0.1; exit; }
[ "$1" != list ] || exit 0
[ -z "$FAIL" ] || { echo "main.go:1:1: it does not compile" >&2; exit 1; }
while [ "$1" != -o ]; do flags="$flags $1"; shift; done
echo "$flags $GOARCH ${GOAMD64:-none} ${GOARM64:-none}" >"$2"
echo "$3 $CGO_ENABLED $GOTOOLCHAIN $GOFLAGS ${GOEXPERIMENT:-none}" >>"$2"
"""


@pytest.fixture
def go_proxy(tmp_path, serve, monkeypatch):
    """A Go module proxy that has only a toolchain, made of FAKE_GO; no Go on PATH counts."""
    folder = tmp_path / "site" / "golang.org" / "toolchain" / "@v"
    folder.mkdir(parents=True)
    packed = folder / f"{toolchain.version()}.zip"
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr(f"{toolchain.MODULE}@{toolchain.version()}/bin/go", FAKE_GO)
        file.writestr(f"{toolchain.MODULE}@{toolchain.version()}/VERSION", "go")
    monkeypatch.setattr(toolchain, "SHA256", dict.fromkeys(toolchain.SHA256, sha256(packed)))
    none = types.SimpleNamespace(which=lambda _: None, copyfileobj=shutil.copyfileobj)
    monkeypatch.setattr(toolchain, "shutil", none)
    monkeypatch.setenv("GOPROXY", f"{serve},direct")
    return packed


def test_the_toolchain_comes_from_the_proxy_once(tmp_path, go_proxy):
    go = toolchain.go(tmp_path / "cache", Silent())
    assert os.access(go, os.X_OK)
    assert not os.access(go.parent.parent / "VERSION", os.X_OK)
    go_proxy.unlink()
    assert toolchain.go(tmp_path / "cache", Silent()) == go


def test_a_toolchain_with_another_checksum_is_refused(tmp_path, go_proxy, monkeypatch):
    monkeypatch.setattr(toolchain, "SHA256", dict.fromkeys(toolchain.SHA256, "0" * 64))
    with pytest.raises(UserError, match="has SHA-256"):
        toolchain.go(tmp_path / "cache", Silent())
    assert not (tmp_path / "cache" / "go" / f"go{toolchain.VERSION}").exists()


@pytest.mark.parametrize(("machine", "arch"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_the_toolchain_is_the_building_computers_own(tmp_path, go_proxy, monkeypatch, machine, arch):
    other = "arm64" if toolchain.version().endswith("amd64") else "amd64"
    monkeypatch.setattr(toolchain.platform, "machine", lambda: machine)
    assert toolchain.version() == f"v0.0.1-go{toolchain.VERSION}.linux-{arch}"
    if arch == other:  # which the proxy has not
        with pytest.raises(UserError, match=f"linux-{arch}"):
            toolchain.go(tmp_path / "cache", Silent())


def test_a_computer_without_a_checked_toolchain(tmp_path, go_proxy, monkeypatch):
    monkeypatch.setattr(toolchain.platform, "machine", lambda: "riscv64")
    with pytest.raises(UserError, match="riscv64") as caught:
        toolchain.go(tmp_path / "cache", Silent())
    assert f"Install Go {toolchain.VERSION}" in caught.value.hint


@pytest.mark.parametrize(("arch", "target"), [("amd64", ["amd64", "v1", "none"]), ("arm64", ["arm64", "none", "v8.0"])])
def test_programs_are_compiled_for_the_architecture(tmp_path, go_proxy, monkeypatch, arch, target):
    for name in ("GOARCH", "GOAMD64", "GOARM64"):
        monkeypatch.setenv(name, "the user's own")
    found = recipe.recipe(PAUSE)
    (file,) = build.compile_programs(found, arch, tmp_path, tmp_path / "cache", Silent()).values()
    assert file.read_text().split("\n")[0].split()[-3:] == target


def test_no_proxy_to_get_a_toolchain_from(tmp_path, go_proxy, monkeypatch):
    monkeypatch.setenv("GOPROXY", "off")
    with pytest.raises(UserError, match=f"no Go {toolchain.VERSION}") as caught:
        toolchain.go(tmp_path / "cache", Silent())
    assert "GOPROXY" in caught.value.hint


def test_another_go_on_the_path_is_not_used(tmp_path, go_proxy, monkeypatch):
    other = tmp_path / "go"
    other.write_text(FAKE_GO)
    other.chmod(0o755)
    monkeypatch.setattr(toolchain.shutil, "which", lambda _: str(other))
    assert toolchain.go(tmp_path / "cache", Silent()) != other
    other.write_text(f"#!/bin/sh\necho go{toolchain.VERSION}\n")
    assert toolchain.go(tmp_path / "cache", Silent()) == other


def test_a_build_depends_on_nothing_of_the_users_environment(tmp_path, go_proxy, monkeypatch):
    digests = set()
    for experiment in ("", "greenteagc"):
        monkeypatch.setenv("GOEXPERIMENT", experiment)
        root = tmp_path / f"cache{experiment}"
        (root / "images").mkdir(parents=True)
        image = cache.resolve([PAUSE], tmp_path / "none", root, Silent())["pause"]
        digests.add(image.archive)
    assert len(digests) == 1
    with tarfile.open(root / "images" / f"{image.archive}.tar") as tar:
        (entry,) = json.load(tar.extractfile("manifest.json"))
        document = tar.extractfile(entry["Config"]).read()
        with tarfile.open(fileobj=tar.extractfile(entry["Layers"][0])) as inner:
            words = inner.extractfile("pause").read().decode().split()
    assert "-trimpath" in words and "-buildid=" in words
    assert words[-5:] == [".", "0", "local", "-mod=readonly", "none"]
    assert image.id == "sha256:" + hashlib.sha256(document).hexdigest()
    assert json.loads(document)["config"]["Entrypoint"] == ["/pause"]


def test_a_build_that_fails_says_why_and_leaves_nothing(tmp_path, go_proxy, monkeypatch):
    monkeypatch.setenv("FAIL", "1")
    with pytest.raises(UserError, match="it does not compile"):
        cache.resolve([PAUSE], tmp_path / "none", tmp_path / "cache", Silent())
    assert not list((tmp_path / "cache" / "images").glob("*"))


@pytest.mark.parametrize(("machine", "named"), [("x86_64", False), ("aarch64", True)])
def test_a_root_file_system_that_cannot_be_made(tmp_path, monkeypatch, machine, named):
    monkeypatch.setattr(rootfs.platform, "machine", lambda: machine)
    fake = tmp_path / "mmdebstrap"
    fake.write_text('#!/bin/sh\necho "E: cannot download packages" >&2\nexit 25\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(UserError, match="cannot download packages") as caught:
        rootfs.make("amd64", tmp_path / "cache", Silent())
    assert "ANYWHERE_DEBIAN_MIRROR" in caught.value.hint
    assert ("qemu-user-binfmt" in caught.value.hint) == named
    assert not list((tmp_path / "cache" / "layers").glob("*"))


def test_the_release_site_is_asked_under_its_public_name(monkeypatch):
    monkeypatch.delenv("ANYWHERE_RELEASES", raising=False)
    assert upstream.site() == "https://dl.k8s.io/release"


def test_what_a_root_file_system_takes_is_missed_before_anything_is_compiled(tmp_path, monkeypatch):
    """That may take a quarter of an hour."""

    def root(*_):
        raise UserError("newuidmap is not installed.")

    monkeypatch.setattr(rootfs, "make", root)
    monkeypatch.setattr(build, "compile_programs", lambda *_: pytest.fail("it was compiled first"))
    wanted, found = types.SimpleNamespace(arch="amd64", ref="x"), types.SimpleNamespace(debian=True)
    with pytest.raises(UserError, match="newuidmap"):
        build.build(wanted, found, tmp_path / "image.tar", tmp_path / "cache", Silent())
