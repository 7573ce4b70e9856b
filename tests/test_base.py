"""The base image: where it is kept, what it is made of, and the cloud image's way against a site of our own."""

import hashlib
import http.server
import json
import os
import shutil
import struct
import subprocess
import threading
import tomllib
import uuid

import pytest

from generator import debian
from generator.errors import UserError
from generator.images import catalog
from generator.lock import Base
from generator.progress import Silent
from providers.local import base, cache, cloud_image, debian_archive, recipe
from providers.local.container.filesystem import STORES
from providers.local.guest import Bootable


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ANYWHERE_CACHE", str(tmp_path / "cache"))


def made_by(contents):
    """A builder that makes `contents`, and counts how often it is asked."""

    def build(work, progress):
        build.count += 1
        files = Bootable(work / "disk", work / "kernel", work / "initrd")
        for path in (files.disk, files.kernel, files.initrd):
            path.write_bytes(contents + path.name.encode())
        return files

    build.count = 0
    return build


@pytest.fixture
def builder(monkeypatch):
    build = made_by(b"made ")
    monkeypatch.setattr(base, "_source", lambda: "debian-archive")
    monkeypatch.setitem(base._BUILDERS, "debian-archive", build)
    return build


def test_it_is_kept_under_the_digest_of_its_disk(builder):
    sha256 = hashlib.sha256(b"made disk").hexdigest()
    assert base.ensure(Silent()) == Base("debian-archive", sha256)
    files = cache.bootable(sha256)
    assert files.kernel.read_bytes() == b"made kernel"
    assert files.disk == cache.folder() / f"{sha256}.qcow2"
    assert not files.disk.stat().st_mode & 0o222


def test_the_second_call_builds_nothing(builder):
    assert base.ensure(Silent()) == base.ensure(Silent())
    assert builder.count == 1


@pytest.mark.parametrize("suffix", cache.SUFFIXES)
def test_it_is_built_again_where_a_file_is_gone(builder, suffix):
    sha256 = base.ensure(Silent()).sha256
    (cache.folder() / f"{sha256}{suffix}").unlink()
    with pytest.raises(UserError, match="missing"):
        cache.bootable(sha256)
    assert base.ensure(Silent()).sha256 == sha256
    assert builder.count == 2


def test_a_changed_recipe_is_another_image(builder, tmp_path, monkeypatch):
    base.ensure(Silent())
    copy = tmp_path / "modules"
    shutil.copytree(recipe.MODULES / "local", copy / "local")
    shutil.copytree(recipe.HOST.parent, copy / "node")
    monkeypatch.setattr(recipe, "MODULES", copy)
    monkeypatch.setattr(recipe, "FOLDER", copy / "local" / "base")
    monkeypatch.setattr(recipe, "HOST", copy / "node" / "host")
    monkeypatch.setattr(recipe, "NODE", copy / "node" / "packages")
    base.ensure(Silent())
    assert builder.count == 1  # the same bytes elsewhere are the same recipe
    for number, path in enumerate((recipe.FOLDER / "packages", recipe.NODE), 2):
        with path.open("a") as packages:
            packages.write("nano\n")
        base.ensure(Silent())
        assert builder.count == number
    assert {"docker.io", "linux-image-cloud-amd64"} <= set(recipe.packages())


def test_a_failed_build_leaves_nothing(monkeypatch):
    def build(work, progress):
        (work / "half").write_bytes(b"half")
        raise UserError("no archive")

    monkeypatch.setattr(base, "_source", lambda: "debian-archive")
    monkeypatch.setitem(base._BUILDERS, "debian-archive", build)
    with pytest.raises(UserError, match="no archive"):
        base.ensure(Silent())
    assert [path.name for path in cache.folder().iterdir() if not path.name.startswith(".lock-")] == []


@pytest.mark.parametrize(
    ("present", "source"),
    [(("mmdebstrap", "qemu-img"), "debian-archive"), (("qemu-img",), "cloud-image")],
)
def test_the_way_is_chosen_by_the_tools_present(monkeypatch, present, source):
    monkeypatch.setattr(shutil, "which", lambda name, **_: f"/usr/bin/{name}" if name in present else None)
    assert base._source() == source


def test_without_tools_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name, **_: None)
    with pytest.raises(UserError) as caught:
        base.ensure(Silent())
    assert "mmdebstrap" in caught.value.hint


@pytest.mark.parametrize("absent", ["newuidmap", "fakeroot"])
def test_what_making_it_takes_is_looked_for_where_there_is_none(builder, monkeypatch, absent):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(debian, "_check_range", lambda path: None)
    monkeypatch.setattr(shutil, "which", lambda name, **_: None if name == absent else f"/usr/bin/{name}")
    with pytest.raises(UserError, match=f"{absent} is not installed"):
        base.check()
    base.ensure(Silent())
    base.check()


def test_the_host_settings_are_what_their_readers_take():
    daemon = json.loads((recipe.HOST / "etc/docker/daemon.json").read_text())
    assert daemon["exec-opts"] == ["native.cgroupdriver=systemd"]
    containerd = tomllib.loads((recipe.HOST / "etc/anywhere/containerd.toml").read_text())
    cri = containerd["plugins"]["io.containerd.cri.v1.runtime"]
    assert cri["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is True
    assert cri["cni"] == {"bin_dirs": ["/opt/cni/bin"], "conf_dir": "/etc/cni/net.d"}
    assert containerd["root"].startswith(tuple(f"/{store}/" for store in STORES))  # no layer goes on top of a layer


def test_pods_have_the_pause_image_of_the_catalog():
    containerd = tomllib.loads((recipe.HOST / "etc/anywhere/containerd.toml").read_text())
    pinned = containerd["plugins"]["io.containerd.cri.v1.images"]["pinned_images"]
    assert pinned == {"sandbox": f"anywhere.local/pause:{catalog.PAUSE}"}


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_the_scripts_are_clean():
    scripts = [*recipe.FOLDER.glob("*.sh"), recipe.FOLDER / "init"]
    done = subprocess.run(["shellcheck", "--shell=dash", *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("fakeroot") is None, reason="fakeroot is not installed")
@pytest.mark.skipif(not any(os.access(f"{d}/mke2fs", os.X_OK) for d in ("/sbin", "/usr/sbin")), reason="no mke2fs")
def test_the_file_system_has_the_owners_of_the_tar_without_root(tmp_path, monkeypatch):
    """The way of a user who is not root; and no identity is left."""
    import tarfile

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(recipe, "SIZE", "16M")
    tree = tmp_path / "tree.tar"
    (tmp_path / "id").write_text("0123456789abcdef0123456789abcdef\n")
    with tarfile.open(tree, "w") as tar:
        for name in ("etc", "home"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode, folder.uid = tarfile.DIRTYPE, 0o755, 4321 if name == "home" else 0
            tar.addfile(folder)
        tar.add(tmp_path / "id", "etc/machine-id")
    raw = tmp_path / "tree.raw"
    debian_archive.write_file_system(tree, raw)

    def ask(request):
        tool = next(f"{d}/debugfs" for d in ("/sbin", "/usr/sbin") if os.access(f"{d}/debugfs", os.X_OK))
        return subprocess.run([tool, "-R", request, raw], capture_output=True, text=True, check=True).stdout

    assert "User:  4321" in ask("stat /home")
    assert ask("cat /etc/machine-id") == ""
    assert "stub-resolv.conf" in ask("stat /etc/resolv.conf")


@pytest.fixture
def site(tmp_path):
    """A folder that is served over HTTP, and its URL."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def publish(folder, data, sums=None):
    (folder / cloud_image.IMAGE).write_bytes(data)
    digest = sums or hashlib.sha512(data).hexdigest()
    (folder / "SHA512SUMS").write_text(f"{'0' * 128}  other.qcow2\n{digest}  {cloud_image.IMAGE}\n")


def test_a_cloud_image_is_downloaded_and_verified(site, tmp_path):
    folder, url = site
    publish(folder, b"image" * 1000)
    target = tmp_path / cloud_image.IMAGE
    cloud_image.download(url, target, Silent())
    assert target.read_bytes() == b"image" * 1000


def test_a_cloud_image_with_another_checksum_is_refused(site, tmp_path):
    folder, url = site
    publish(folder, b"image", sums="f" * 128)
    target = tmp_path / cloud_image.IMAGE
    with pytest.raises(UserError, match=r"has SHA-512 .* f{128} was expected"):
        cloud_image.download(url, target, Silent())
    assert not target.exists()


def test_a_cloud_image_that_is_not_listed_is_refused(site, tmp_path):
    folder, url = site
    (folder / "SHA512SUMS").write_text(f"{'0' * 128}  other.qcow2\n")
    with pytest.raises(UserError, match="does not list"):
        cloud_image.download(url, tmp_path / cloud_image.IMAGE, Silent())


def test_a_site_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        cloud_image.download("http://127.0.0.1:9", tmp_path / cloud_image.IMAGE, Silent())


def partitioned(path, kinds):
    """A disk with a GUID partition table: partitions of 16 sectors, the first at sector 64, by their types."""
    disk = bytearray(512 * (64 + 16 * len(kinds)))
    disk[512:520] = b"EFI PART"
    struct.pack_into("<QII", disk, 512 + 72, 2, 8, 128)
    for number, kind in enumerate(kinds):
        first = 64 + 16 * number
        entry = uuid.UUID(kind).bytes_le + uuid.uuid4().bytes_le + struct.pack("<QQ", first, first + 15)
        disk[1024 + 128 * number : 1024 + 128 * number + len(entry)] = entry
        disk[512 * first : 512 * first + 4] = b"PART" if number else b"BIOS"
    path.write_bytes(disk)


BIOS = "21686148-6449-6e6f-744e-656564454649"


def test_the_root_partition_is_found_and_copied(tmp_path):
    disk, target = tmp_path / "disk", tmp_path / "root"
    partitioned(disk, [BIOS, cloud_image.LINUX_ROOT_X86_64])
    offset, length = cloud_image.root_partition(disk)
    assert (offset, length) == (512 * 80, 512 * 16)
    cloud_image.extract(disk, target, offset, length)
    assert target.read_bytes() == b"PART" + b"\0" * (512 * 16 - 4)


def test_a_disk_without_a_root_partition_is_refused(tmp_path):
    partitioned(tmp_path / "disk", [BIOS])
    with pytest.raises(UserError, match="no Linux root partition"):
        cloud_image.root_partition(tmp_path / "disk")
    (tmp_path / "empty").write_bytes(b"\0" * 4096)
    with pytest.raises(UserError, match="partition table"):
        cloud_image.root_partition(tmp_path / "empty")


def test_the_guest_gets_the_whole_recipe(tmp_path):
    import tarfile

    cloud_image.pack(tmp_path / "payload.tar")
    with tarfile.open(tmp_path / "payload.tar") as tar:
        names = set(tar.getnames())
    recipe_files = {f"base/{name}" for name in ("packages", "customise.sh", "provision.sh", "init", "files/etc/fstab")}
    wanted = recipe_files | {"host/etc/docker/daemon.json", "packages"}
    assert {f"provision/{name}" for name in wanted} <= names


@pytest.mark.parametrize(("user", "mode"), [(0, "--mode=root"), (1000, "--mode=unshare")])
def test_mmdebstrap_is_asked_for_what_the_user_may_do(tmp_path, monkeypatch, user, mode):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setattr(debian_archive, "find", lambda name: f"/usr/bin/{name}")
    monkeypatch.setenv("ANYWHERE_DEBIAN_MIRROR", "http://mirror.example.com/")
    files = Bootable(tmp_path / "d", tmp_path / "it's a kernel", tmp_path / "i")
    command = debian_archive.bootstrap(tmp_path / "tree.tar", files)
    assert command[:2] == ["/usr/bin/mmdebstrap", mode]
    assert "deb http://mirror.example.com/debian trixie main" in command
    assert f"""--customize-hook=download /boot/vmlinuz '{tmp_path}/it'"'"'s a kernel'""" in command
