"""Images of two architectures beside each other: told apart on shelves, in the cache, the lock and at a registry."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile

import pytest

from generator import command
from generator.definition import VERSION
from generator.errors import UserError
from generator.files import sha256
from generator.images import archive, archive_index, build, cache, catalog, layer, missing, recipe, registry, rootfs
from generator.images.archive import Config
from generator.images.catalog import Wanted
from generator.lock import Lock
from generator.progress import Silent

ARCHES = ("amd64", "arm64")
WEAVE = {arch: Wanted("weave", "docker.io/rajchaudhuri/weave:2.9.0", "registry", arch) for arch in ARCHES}
PAUSE = {arch: Wanted("pause", f"anywhere.local/pause:{catalog.PAUSE}", "build", arch) for arch in ARCHES}


def image(path, wanted, config=None):
    """A small archive; gives its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    top = path.parent / ".top"
    layer.write(top, {"bin/a": layer.File(wanted.arch.encode())})
    archive.write(path, wanted.ref, [top], config or Config(cmd=("a",)), wanted.arch)
    return path


def fake_build(wanted, found, path, _cache, _progress):
    image(path, wanted, build.labelled(Config(), "build", found.key(wanted.arch)))


def test_an_archive_says_what_it_is_for(tmp_path):
    assert archive.read(image(tmp_path / "a.tar", PAUSE["amd64"])).arch == "amd64"
    path = image(tmp_path / "b.tar", PAUSE["arm64"])
    assert archive.read(path).arch == "arm64"
    with tarfile.open(path) as tar:
        (entry,) = json.load(tar.extractfile("manifest.json"))
        config = json.load(tar.extractfile(entry["Config"]))
    assert (config["architecture"], config["variant"], config["os"]) == ("arm64", "v8", "linux")


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
def test_another_tool_sees_the_architecture(tmp_path):
    path = image(tmp_path / "a.tar", PAUSE["arm64"])
    asked = ["skopeo", "inspect", "--format", "{{.Architecture}}", f"docker-archive:{path}"]
    assert subprocess.check_output(asked, text=True).strip() == "arm64"


def test_a_folder_may_hold_both(tmp_path):
    paths = {arch: image(tmp_path / "brought" / f"{arch}.tar", wanted) for arch, wanted in WEAVE.items()}
    images = {arch: cache.resolve([WEAVE[arch]], tmp_path / "brought", tmp_path, Silent()) for arch in ARCHES}
    assert {arch: found["weave"].archive for arch, found in images.items()} == {
        arch: sha256(path) for arch, path in paths.items()
    }
    lock = Lock(VERSION, "weave", images, None, {}, {})
    there = cache.present(lock, tmp_path / "none", tmp_path, Silent())
    assert {(arch, archive.read(path).arch) for (arch, _), path in there.items()} == {(arch, arch) for arch in ARCHES}


def test_an_archive_of_another_architecture_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "has", lambda wanted: False)
    image(tmp_path / "brought" / "weave.tar", WEAVE["amd64"])
    assert cache.available(WEAVE["amd64"], tmp_path / "brought", tmp_path)
    assert not cache.available(WEAVE["arm64"], tmp_path / "brought", tmp_path)


def test_what_was_built_for_one_is_not_taken_for_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "build", fake_build)
    first = {arch: cache.resolve([PAUSE[arch]], tmp_path / "none", tmp_path, Silent()) for arch in ARCHES}
    assert first["amd64"]["pause"].id != first["arm64"]["pause"].id
    monkeypatch.setattr(build, "build", lambda *_: pytest.fail("built again"))
    assert {arch: cache.resolve([PAUSE[arch]], tmp_path / "none", tmp_path, Silent()) for arch in ARCHES} == first


def test_a_memory_without_architectures_is_not_used(tmp_path):
    image(tmp_path / "a.tar", PAUSE["arm64"])
    first = archive_index.inspect(tmp_path)
    memory = json.loads((tmp_path / archive_index.MEMORY).read_text())
    for facts in memory.values():
        del facts["arch"]
    (tmp_path / archive_index.MEMORY).write_text(json.dumps(memory))
    assert archive_index.inspect(tmp_path) == first


def test_every_recipe_has_a_key_for_each():
    for wanted in catalog.wanted(VERSION, "flannel"):
        found = recipe.recipe(wanted)
        assert found.key("amd64") != found.key("arm64")


def test_the_lock_wants_what_can_no_longer_be_built(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "build", fake_build)
    images = {"arm64": cache.resolve([PAUSE["arm64"]], tmp_path / "none", tmp_path / "one", Silent())}
    lock = Lock(VERSION, "weave", images, None, {}, {})
    monkeypatch.setattr(build, "build", lambda wanted, *words: image(words[1], wanted))
    with pytest.raises(UserError, match=r"pause:\S+ \(arm64\): the lock says archive"):
        cache.present(lock, tmp_path / "none", tmp_path / "two", Silent())


# A registry


SKOPEO = """#!/bin/sh
# A registry whose image is of the architecture in REGISTRY_HAS, or, where that is `both`, of the one asked for.
echo "$@" >>"$LOG"
arch=$4
[ "$REGISTRY_HAS" = both ] || arch=$REGISTRY_HAS
case " $* " in
*" inspect "*) echo "sha256:0123 $arch" ;;
*) for last; do :; done; path=${last#docker-archive:}; cp "$PULLED.$arch" "${path%%:*}" ;;
esac
"""


@pytest.fixture
def skopeo(tmp_path, monkeypatch):
    """A stand-in for skopeo; gives what it was asked, line by line."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "skopeo").write_text(SKOPEO)
    (tmp_path / "bin" / "skopeo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setenv("PULLED", str(tmp_path / "pulled"))
    monkeypatch.setenv("REGISTRY_HAS", "both")
    for arch, wanted in WEAVE.items():
        image(tmp_path / f"pulled.{arch}", wanted)
    return lambda: (tmp_path / "log").read_text().splitlines()


@pytest.mark.parametrize("arch", ARCHES)
def test_a_registry_is_asked_for_the_architecture(tmp_path, skopeo, arch):
    (tmp_path / "cache").mkdir()
    (got,) = cache.resolve([WEAVE[arch]], tmp_path / "none", tmp_path / "cache", Silent()).values()
    assert archive.read(tmp_path / "cache" / "images" / f"{got.archive}.tar").arch == arch
    asked, pulled = skopeo()
    assert f"--override-arch {arch} " in asked and f"--override-arch {arch} " in pulled
    assert "docker://docker.io/rajchaudhuri/weave@sha256:0123 " in pulled


def test_a_registry_that_has_one_architecture_only(tmp_path, skopeo, monkeypatch):
    monkeypatch.setenv("REGISTRY_HAS", "amd64")
    assert cache.available(WEAVE["amd64"], tmp_path / "none", tmp_path)
    assert not cache.available(WEAVE["arm64"], tmp_path / "none", tmp_path)
    with pytest.raises(UserError, match="for amd64 only, not for arm64") as caught:
        cache.resolve([WEAVE["arm64"]], tmp_path / "none", tmp_path, Silent())
    assert "ANYWHERE_IMAGES" in caught.value.hint


def test_images_are_missing_by_architecture(tmp_path, skopeo, monkeypatch):
    monkeypatch.setenv("REGISTRY_HAS", "amd64")
    monkeypatch.setenv("ANYWHERE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ANYWHERE_IMAGES", raising=False)
    monkeypatch.setenv("GOPROXY", "https://proxy.example.com")
    monkeypatch.setattr(build, "check", lambda recipe: None)
    assert missing("weave") == []
    assert {ref.split("/")[1] for ref in missing("weave", arch="arm64")} == {"rajchaudhuri"}


# The Debian root


MMDEBSTRAP = """#!/bin/sh
# Writes down what it was asked for, and makes a root of two files.
echo "$@" >"$LOG"
for word; do case $word in */raw.tar) tar=$word ;; esac; done
mkdir -p "$LOG.root/etc" && cd "$LOG.root" && echo mine >etc/hostname && echo 13 >etc/debian_version
tar -cf "$tar" ./etc
"""


@pytest.fixture
def mmdebstrap(tmp_path, monkeypatch):
    """A stand-in for mmdebstrap; gives the words that it was called with."""
    (tmp_path / "mmdebstrap").write_text(MMDEBSTRAP)
    (tmp_path / "mmdebstrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    return lambda: (tmp_path / "log").read_text().split()


def test_only_amd64_runs_the_packages_scripts(tmp_path, mmdebstrap):
    amd64 = rootfs.make("amd64", tmp_path / "cache", Silent())
    assert {"--variant=essential", "--architectures=amd64"} <= set(mmdebstrap())
    arm64 = rootfs.make("arm64", tmp_path / "cache", Silent())
    assert {"--variant=extract", "--architectures=arm64", f"--extract-hook={rootfs.SETTLE}"} <= set(mmdebstrap())
    assert amd64 != arm64
    with tarfile.open(arm64) as tar:
        assert tar.getnames() == ["etc", "etc/debian_version"]  # nothing of this computer's own


def test_the_root_of_another_architecture_changes_with_the_script_that_settles_it(tmp_path, monkeypatch):
    before = {arch: rootfs.key(arch) for arch in ARCHES}
    monkeypatch.setattr(rootfs, "SETTLE", tmp_path / "settle")
    rootfs.SETTLE.write_text("another")
    assert rootfs.key("amd64") == before["amd64"]
    assert rootfs.key("arm64") != before["arm64"]


@pytest.fixture
def unpacked(tmp_path):
    """A root of unpacked packages, as much of it as `settle` looks at."""
    root = tmp_path / "root"
    files = {
        "usr/share/base-passwd/passwd.master": "root:*:0:0\n",
        "usr/share/base-passwd/group.master": "root:*:0:\n",
        "usr/share/base-files/profile": "umask 022\n",
        "usr/share/libc-bin/nsswitch.conf": "hosts: files dns\n",
        "usr/share/ca-certificates/mozilla/b.crt": "second\n",
        "usr/share/ca-certificates/mozilla/Z.crt": "first\n",
        "usr/sbin/iptables-nft-save": "",
        "usr/bin/mawk": "",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    for name in ("etc/ssl/certs", "var/lib/dpkg", "var/cache/apt/archives", "package/DEBIAN"):
        (root / name).mkdir(parents=True)
    control = "Package: tiny\nVersion: 1\nArchitecture: arm64\nMaintainer: a <a@example.com>\nDescription: tiny\n"
    (root / "package" / "DEBIAN" / "control").write_text(control)
    deb = root / "var" / "cache" / "apt" / "archives" / "tiny.deb"
    subprocess.run([command.find("dpkg-deb"), "--build", root / "package", deb], check=True, capture_output=True)
    return root


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg is not installed")
def test_what_packages_scripts_would_do(unpacked):
    subprocess.run([rootfs.SETTLE, unpacked], check=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
    assert (unpacked / "etc/passwd").read_text() == "root:*:0:0\n"
    assert (unpacked / "etc/ssl/certs/ca-certificates.crt").read_text() == "first\nsecond\n"
    assert (unpacked / "usr/sbin/iptables-save").resolve().name == "iptables-nft-save"
    assert (unpacked / "usr/bin/awk").resolve().name == "mawk"
    known = unpacked / "var/lib/dpkg"
    asked = ["dpkg-query", f"--admindir={known}", "--show", "--showformat=${Package} ${Status}\n"]
    assert subprocess.check_output(asked, text=True) == "tiny install ok installed\n"
