"""Archives, layers and what decides where an image comes from."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile

import pytest

from generator import addon_catalog, command
from generator.definition import VERSION
from generator.errors import UserError
from generator.files import sha256
from generator.images import archive, archive_index, build, cache, catalog, layer, missing, recipe, registry
from generator.images.archive import Config
from generator.images.catalog import Wanted
from generator.lock import Lock
from generator.progress import Silent

WEAVE = Wanted("weave", "docker.io/rajchaudhuri/weave:2.9.0", "registry")
PLAIN = Config(cmd=("a",))
TINY = Wanted("pause", "anywhere.local/pause:3.10", "build")


def image(path, ref, text=b"hello", config=PLAIN, arch="amd64"):
    """A small archive; gives its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    top = path.parent / ".top"
    layer.write(top, {"bin/a": layer.File(text)})
    archive.write(path, ref, [top], config, arch)
    return path


def locked(images):
    return Lock(VERSION, "weave", {"amd64": images}, None, {}, {})


def test_an_archive_tells_what_was_written(tmp_path):
    path = tmp_path / "a.tar"
    top = tmp_path / "layer"
    layer.write(top, {"bin/a": layer.File(b"hello"), "bin/b": layer.Link("a"), "tmp": layer.Folder(0o1777)})
    written = archive.write(path, "example.org/a:1", [top], Config(cmd=("a",), user="1:1", labels={"k": "v"}), "amd64")
    assert archive.read(path) == written
    with tarfile.open(path) as tar:
        (entry,) = json.load(tar.extractfile("manifest.json"))
        config = tar.extractfile(entry["Config"]).read()
        with tarfile.open(fileobj=tar.extractfile(entry["Layers"][0])) as inner:
            members = inner.getmembers()
    assert written.id == "sha256:" + hashlib.sha256(config).hexdigest()
    assert json.loads(config)["config"]["Cmd"] == ["a"]
    assert json.loads(config)["rootfs"]["diff_ids"] == ["sha256:" + sha256(top)]
    assert [(m.name, m.mode, m.mtime) for m in members] == [
        ("bin", 0o755, 0), ("bin/a", 0o755, 0), ("bin/b", 0o777, 0), ("tmp", 0o1777, 0),
    ]  # fmt: skip


def test_the_same_contents_give_the_same_archive(tmp_path):
    source = tmp_path / "a"
    source.write_bytes(b"program")
    digests = set()
    for second in (1, 1_000_000_000):
        os.utime(source, (second, second))
        source.chmod(0o600 if second == 1 else 0o755)
        layer.write(tmp_path / "layer", {"b": layer.File(source), "a": layer.File(b"")})
        archive.write(tmp_path / "a.tar", "a:1", [tmp_path / "layer"], Config(), "amd64")
        digests.add(sha256(tmp_path / "a.tar"))
    assert len(digests) == 1


def test_a_rewritten_tar_loses_times_and_unwanted_members_only(tmp_path):
    def member(tar, name, seconds, **fields):
        info = tarfile.TarInfo(name)
        info.mtime, info.uname = seconds, "joe"
        for key, value in fields.items():
            setattr(info, key, value)
        tar.addfile(info, io.BytesIO(b"x" * info.size))

    results = []
    for seconds in (5, 9):
        with tarfile.open(tmp_path / "old", "w") as tar:
            member(tar, "./", seconds, type=tarfile.DIRTYPE)
            member(tar, "./bin/su", seconds, size=3, mode=0o4755, uid=7)
            member(tar, "./bin/hard", seconds, type=tarfile.LNKTYPE, linkname="./bin/su")
            member(tar, "./dev/null", seconds, type=tarfile.CHRTYPE)
        layer.rewrite(tmp_path / "old", tmp_path / "new", keep=lambda name: not name.startswith("dev/"))
        results.append((tmp_path / "new").read_bytes())
    assert results[0] == results[1]
    with tarfile.open(tmp_path / "new") as tar:
        members = {m.name: m for m in tar}
    assert members.keys() == {"bin/su", "bin/hard"}
    assert (members["bin/su"].mode, members["bin/su"].uid, members["bin/su"].mtime) == (0o4755, 7, 0)
    assert members["bin/hard"].linkname == "bin/su"


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
def test_another_tool_reads_our_archives(tmp_path):
    path = image(tmp_path / "a.tar", "example.org/a:1", config=Config(cmd=("a",), labels={"k": "v"}))
    said = subprocess.run(
        ["skopeo", "inspect", "--config", "--raw", f"docker-archive:{path}"], capture_output=True, check=True
    )
    assert json.loads(said.stdout)["config"]["Labels"] == {"k": "v"}
    assert archive.read(path).id == "sha256:" + hashlib.sha256(said.stdout).hexdigest()


@pytest.mark.parametrize("content", [b"", b"not a tar", b"\0" * 10240])
def test_what_is_no_archive_is_named(tmp_path, content):
    (tmp_path / "bad.tar").write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.tar is not an image archive"):
        archive_index.inspect(tmp_path)


def test_an_archive_cut_short_is_named(tmp_path):
    path = image(tmp_path / "cut.tar", "a:1", text=os.urandom(100_000))
    path.write_bytes(path.read_bytes()[:60_000])
    with pytest.raises(UserError, match=r"cut\.tar is not an image archive"):
        archive_index.inspect(tmp_path)


def test_the_second_look_at_a_folder_reads_no_archive(tmp_path, monkeypatch):
    image(tmp_path / "a.tar", "a:1")
    first = archive_index.inspect(tmp_path)
    assert first["docker.io/library/a:1"].sha256 == sha256(tmp_path / "a.tar")
    monkeypatch.setattr(archive, "read", lambda path: pytest.fail(f"{path} was read again"))
    assert archive_index.inspect(tmp_path) == first


def test_a_changed_archive_is_looked_at_again(tmp_path):
    image(tmp_path / "a.tar", "a:1")
    before = archive_index.inspect(tmp_path)["docker.io/library/a:1"]
    image(tmp_path / "a.tar", "a:1", text=b"longer than before")
    after = archive_index.inspect(tmp_path)["docker.io/library/a:1"]
    assert after.id != before.id
    assert after.sha256 == sha256(tmp_path / "a.tar")


def test_a_damaged_memory_of_a_folder_does_not_matter(tmp_path):
    image(tmp_path / "a.tar", "a:1")
    (tmp_path / archive_index.MEMORY).write_text("[]")
    assert list(archive_index.inspect(tmp_path)) == ["docker.io/library/a:1"]


def test_a_folder_that_was_copied_from_another_user_is_looked_at_anew(tmp_path):
    """Its memory names files that may not be looked at; root may look at all, but not at a name of this length."""
    image(tmp_path / "a.tar", "a:1")
    elsewhere = {"refs": ["a:1"], "id": "sha256:0", "arch": "amd64", "labels": {}, "sha256": "0"}
    (tmp_path / archive_index.MEMORY).write_text(json.dumps({f"1:1:/{'x' * 300}": elsewhere}))
    assert archive_index.inspect(tmp_path)["docker.io/library/a:1"].sha256 == sha256(tmp_path / "a.tar")
    assert str(tmp_path) in (tmp_path / archive_index.MEMORY).read_text()


def test_the_newest_archive_of_a_reference_counts(tmp_path):
    old = image(tmp_path / "z.tar", "a:1", text=b"old")
    new = image(tmp_path / "a.tar", "a:1", text=b"new")
    os.utime(old, (1, 1))
    assert archive_index.inspect(tmp_path)["docker.io/library/a:1"].path == new


@pytest.mark.parametrize("driver", ["weave", "flannel"])
def test_the_catalog(driver):
    wanted = {each.name: each for each in catalog.wanted("v1.37.2", driver)}
    own = {"flannel"} if driver == "flannel" else {"weave", "weaveexec", "weavedb", "weave-npc"}
    assert wanted.keys() == {"hyperkube", "etcd", "cni", "containerd", "coredns", "pause"} | own
    assert wanted["hyperkube"].ref == "anywhere.local/hyperkube:v1.37.2"
    assert {name for name, each in wanted.items() if "containerd" in each.runtimes} == (
        {"pause", "coredns"} | ({"weave-npc"} & own)
    )


def test_an_add_on_brings_its_images():
    names = {
        addons: {each.name for each in catalog.wanted("v1.37.2", "flannel", addons=addons)}
        for addons in ((), ("dns",), ("dns", "metrics"))
    }
    assert names["dns",] - names[()] == {"coredns"}
    assert names["dns", "metrics"] - names["dns",] == {"metrics-server"}
    assert {each.name for each in catalog.wanted("v1.37.2", "flannel")} == names["dns",]


def test_an_unknown_driver():
    with pytest.raises(UserError, match="calico"):
        catalog.wanted("v1.37.2", "calico")


def test_the_users_folder_comes_first(tmp_path):
    path = image(tmp_path / "brought" / "any-name.tar", "rajchaudhuri/weave:2.9.0")
    root = tmp_path / "cache"
    assert cache.available(WEAVE, path.parent, root)
    (got,) = cache.resolve([WEAVE], path.parent, root, Silent()).values()
    assert (got.source, got.ref, got.archive) == ("folder", WEAVE.ref, sha256(path))
    kept = root / "images" / f"{got.archive}.tar"
    assert kept.read_bytes() == path.read_bytes()
    assert got.size == kept.stat().st_size


def test_a_folder_that_is_the_cache(tmp_path):
    path = image(tmp_path / "images" / "weave.tar", "rajchaudhuri/weave:2.9.0")
    (got,) = cache.resolve([WEAVE], path.parent, tmp_path, Silent()).values()
    assert got.source == "folder"
    path.unlink()
    again = cache.resolve([WEAVE], path.parent, tmp_path, Silent())["weave"]
    assert again.archive == got.archive


def test_what_was_built_is_not_built_again(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "build", fake_build(recipe.recipe(TINY).key("amd64")))
    folder = tmp_path / "images"
    first = cache.resolve([TINY], folder, tmp_path, Silent())
    monkeypatch.setattr(build, "build", lambda *_: pytest.fail("built again"))
    assert cache.resolve([TINY], folder, tmp_path, Silent()) == first
    assert first["pause"].source == "build"


def test_another_recipe_builds_again(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "build", fake_build("an earlier recipe"))
    folder = tmp_path / "images"
    first = cache.resolve([TINY], folder, tmp_path, Silent())
    monkeypatch.setattr(build, "build", fake_build(recipe.recipe(TINY).key("amd64")))
    assert cache.resolve([TINY], folder, tmp_path, Silent()) != first


def fake_build(key):
    def made(wanted, _recipe, path, _cache, _progress):
        image(path, wanted.ref, config=build.labelled(Config(), "build", key))

    return made


def test_a_recipe_key_changes_with_its_sources(tmp_path, monkeypatch):
    source = tmp_path / "images" / "pause" / "main.go"
    source.parent.mkdir(parents=True)
    source.with_name("go.mod").touch()
    monkeypatch.setattr(recipe, "MODULES", tmp_path)
    keys = []
    for text in ("one", "two", "one"):
        source.write_text(text)
        keys.append(recipe.recipe(TINY).key("amd64"))
    assert keys[0] == keys[2] != keys[1]


def built(kubernetes=VERSION):
    every = catalog.wanted(kubernetes, "flannel", addons=addon_catalog.choices())
    return [each for each in every if each.source != "registry"]


def test_every_image_that_is_built_has_a_checked_module():
    for sources in (recipe.recipe(wanted).sources() for wanted in built()):
        assert "go.sum" in sources or "require" not in sources["go.mod"].read_text()


MODULES = {
    "hyperkube": "k8s.io/kubernetes", "etcd": "go.etcd.io/etcd/server/v3", "coredns": "github.com/coredns/coredns",
    "metrics-server": "sigs.k8s.io/metrics-server", "flannel": "github.com/flannel-io/flannel",
    "local-path-provisioner": "github.com/rancher/local-path-provisioner",
    "registry": "github.com/distribution/distribution/v3",
    "victoria-metrics": "github.com/VictoriaMetrics/VictoriaMetrics",
    "alertmanager": "github.com/prometheus/alertmanager", "node-exporter": "github.com/prometheus/node_exporter",
    "kube-state-metrics": "k8s.io/kube-state-metrics/v2", "cni": "github.com/containernetworking/plugins",
    "containerd": "github.com/containerd/containerd/v2",
}  # fmt: skip


@pytest.mark.parametrize("kubernetes", recipe.kubernetes_versions())
def test_the_module_of_each_image_is_of_the_version_in_its_reference(kubernetes):
    for wanted in built(kubernetes):
        lines = recipe.recipe(wanted).sources()["go.mod"].read_text().replace("require ", "").splitlines()
        required = [line.split()[1] for line in lines if line.strip().startswith(f"{MODULES.get(wanted.name)} v")]
        assert required == [wanted.ref.rpartition(":")[2]] * (wanted.name in MODULES)


def test_a_locked_image_that_is_there_is_left_alone(tmp_path):
    path = image(tmp_path / "brought" / "weave.tar", "rajchaudhuri/weave:2.9.0")
    root = tmp_path / "cache"
    images = cache.resolve([WEAVE], path.parent, root, Silent())
    path.unlink()
    (there,) = cache.present(locked(images), path.parent, root, Silent()).values()
    assert there == root / "images" / f"{images['weave'].archive}.tar"


def test_a_locked_image_comes_back_from_the_folder(tmp_path):
    path = image(tmp_path / "brought" / "weave.tar", "rajchaudhuri/weave:2.9.0")
    images = cache.resolve([WEAVE], path.parent, tmp_path / "one", Silent())
    (there,) = cache.present(locked(images), path.parent, tmp_path / "two", Silent()).values()
    assert sha256(there) == images["weave"].archive


def test_a_damaged_archive_in_the_cache_is_replaced(tmp_path):
    path = image(tmp_path / "brought" / "weave.tar", "rajchaudhuri/weave:2.9.0")
    root = tmp_path / "cache"
    images = cache.resolve([WEAVE], path.parent, root, Silent())
    kept = root / "images" / f"{images['weave'].archive}.tar"
    kept.unlink()
    image(kept, "rajchaudhuri/weave:2.9.0", text=b"changed")
    (there,) = cache.present(locked(images), path.parent, root, Silent()).values()
    assert sha256(there) == images["weave"].archive


def test_a_folder_with_another_archive_than_the_locks(tmp_path):
    path = image(tmp_path / "brought" / "weave.tar", "rajchaudhuri/weave:2.9.0")
    images = cache.resolve([WEAVE], path.parent, tmp_path / "one", Silent())
    path.unlink()
    image(path, "rajchaudhuri/weave:2.9.0", text=b"another")
    with pytest.raises(UserError, match="the lock says archive") as caught:
        cache.present(locked(images), path.parent, tmp_path / "two", Silent())
    assert images["weave"].archive in caught.value.message
    assert sha256(path) in caught.value.message
    assert "anywhere images lock" in caught.value.hint


def test_a_build_that_no_longer_gives_the_locks_digest(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "build", fake_build("one"))
    images = cache.resolve([TINY], tmp_path / "none", tmp_path / "one", Silent())
    monkeypatch.setattr(build, "build", fake_build("two"))
    with pytest.raises(UserError, match="the lock says archive") as caught:
        cache.present(locked(images), tmp_path / "none", tmp_path / "two", Silent())
    assert "anywhere images lock" in caught.value.hint


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A computer with an empty cache, a Go module proxy and mmdebstrap, and no registry or release site."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "mmdebstrap"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(command, "SBIN", "/nonexistent")
    monkeypatch.setenv("ANYWHERE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ANYWHERE_IMAGES", raising=False)
    monkeypatch.setenv("GOPROXY", "https://proxy.example.com,direct")
    monkeypatch.setenv("ANYWHERE_RELEASES", "http://127.0.0.1:1")
    return program


def test_what_can_be_built_is_not_missing(bare, tmp_path):
    assert missing("flannel") == []
    names = ("weave", "weaveexec", "weavedb", "weave-npc")
    assert missing("weave") == [f"docker.io/rajchaudhuri/{name}:2.9.0" for name in names]
    image(tmp_path / "cache" / "images" / "weave.tar", "rajchaudhuri/weave:2.9.0")
    assert "docker.io/rajchaudhuri/weave:2.9.0" not in missing("weave")


def test_what_no_build_gives_is_missing(bare, monkeypatch):
    assert missing("flannel", "v1.35.99") == ["anywhere.local/hyperkube:v1.35.99"]
    bare.unlink()
    assert missing("flannel") == ["anywhere.local/hyperkube:v1.37.2", f"anywhere.local/flannel:{catalog.FLANNEL}"]
    monkeypatch.setenv("GOPROXY", "off")
    assert len(missing("flannel")) == len(catalog.wanted("v1.37.2", "flannel"))


def test_a_cache_without_room_says_where_to_make_some(tmp_path, monkeypatch):
    path = image(tmp_path / "brought" / "weave.tar", "rajchaudhuri/weave:2.9.0")

    def fail(*words):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("generator.files.os.link", fail)
    monkeypatch.setattr("generator.files.shutil.copyfile", fail)
    with pytest.raises(UserError) as caught:
        cache.resolve([WEAVE], path.parent, tmp_path, Silent())
    assert "No space left" in caught.value.message and "ANYWHERE_CACHE" in caught.value.hint
    assert [file.name for file in (tmp_path / "images").iterdir()] == [".index.json"]


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
def test_a_registry_that_does_not_answer(tmp_path):
    nowhere = Wanted("weave", "127.0.0.1:1/rajchaudhuri/weave:2.9.0", "registry")
    assert not cache.available(nowhere, tmp_path, tmp_path)
    with pytest.raises(UserError, match="127") as caught:
        cache.resolve([nowhere], tmp_path, tmp_path, Silent())
    assert "ANYWHERE_IMAGES" in caught.value.hint


def test_skopeo_missing_names_its_package(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(UserError, match="skopeo is not installed") as caught:
        registry.digest(WEAVE)
    assert "apt-get install skopeo" in caught.value.hint
    assert "ANYWHERE_IMAGES" in caught.value.hint
