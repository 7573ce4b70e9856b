"""Baking images into a base: keys, the guest it asks for, and what is kept, with a stand-in for QEMU."""

import io
import shutil
import subprocess
import tarfile

import pytest

from generator.errors import UserError
from generator.lock import Base, Image
from generator.progress import Silent
from providers.local import bake, cache, cpio, guest
from providers.local.guest import Bootable, GuestFailed

BASE = Base("debian-archive", "b" * 64)


def image(name, digit="1"):
    return Image(name, f"anywhere.local/{name}:v1", f"sha256:{digit * 64}", digit * 64, 1024, "folder")


def test_the_key_is_of_the_base_and_the_images_whatever_their_order():
    one, two = image("etcd", "1"), image("pause", "2")
    assert bake.key(BASE, (one, two)) == bake.key(BASE, (two, one))
    keys = {
        bake.key(BASE, ()),
        bake.key(BASE, (one,)),
        bake.key(BASE, (one, two)),
        bake.key(BASE, (image("etcd", "3"), two)),
        bake.key(Base("debian-archive", "c" * 64), (one, two)),
    }
    assert len(keys) == 5
    assert all(len(key) == 64 for key in keys)


def test_an_archive_is_aligned_and_ends_with_its_trailer():
    data = cpio.archive({"a": b"1", "bb": b"22"})
    assert len(data) % 4 == 0
    assert data.count(b"070701") == 3
    assert data.rstrip(b"\0").endswith(b"TRAILER!!!")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A cache with a base image, a folder with one archive, and a way to say what the guest does."""
    if shutil.which("qemu-img") is None:
        pytest.skip("qemu-img is not installed")
    monkeypatch.setenv("ANYWHERE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ANYWHERE_ACCEL", "tcg")
    made = Bootable(tmp_path / "disk", tmp_path / "kernel", tmp_path / "initrd")
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", made.disk, "1M"], check=True)
    made.kernel.write_bytes(b"kernel")
    made.initrd.write_bytes(b"init")
    cache.place(made, BASE.sha256)
    archives = tmp_path / "archives"
    archives.mkdir()
    with tarfile.open(archives / f"{'1' * 64}.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("manifest.json"), io.BytesIO())
    asked = []

    def plays(console):
        def run(wanted, *, seconds, hint="", seen=lambda line: None):
            asked.append((wanted, wanted.initrd.read_bytes()))
            for line in console.splitlines():
                seen(line)
            return console

        monkeypatch.setattr(bake, "run_guest", run)

    plays.archives = archives
    plays.asked = asked
    return plays


def test_the_images_are_loaded_once_by_a_guest_without_network(place):
    place(f"bake: anywhere.local/etcd:v1 is in docker\n{bake.DONE}\n")
    arguments = (BASE, (image("etcd"),), {"etcd": ("docker", "containerd")}, place.archives, Silent())
    key = bake.ensure(*arguments)
    assert key == bake.key(BASE, (image("etcd"),)) == bake.ensure(*arguments)
    assert len(place.asked) == 1
    wanted, initrd = place.asked[0]
    assert not wanted.egress
    assert [drive.serial for drive in wanted.drives] == ["root", "archive0"]
    assert wanted.drives[1].readonly
    assert initrd.startswith(b"init")
    assert b"archive0 docker anywhere.local/etcd:v1\narchive0 containerd anywhere.local/etcd:v1\n" in initrd
    files = cache.bootable(key)
    assert files.kernel.read_bytes() == b"kernel"
    told = subprocess.run(["qemu-img", "info", files.disk], check=True, capture_output=True, text=True).stdout
    assert "backing file" not in told  # it outlives the base that it came from


def test_a_guest_that_fails_leaves_nothing_and_shows_its_console(place):
    place("bake: failed: dockerd did not start\n")
    with pytest.raises(GuestFailed, match="dockerd did not start"):
        bake.ensure(BASE, (image("etcd"),), {"etcd": ("docker",)}, place.archives, Silent())
    assert not cache.holds(bake.key(BASE, (image("etcd"),)))
    assert not list(cache.folder().glob(".build-*"))


def test_a_missing_archive_is_named(place):
    place("")
    with pytest.raises(UserError, match="pause:v1 is missing"):
        bake.ensure(BASE, (image("pause", "2"),), {"pause": ("containerd",)}, place.archives, Silent())


def test_a_guest_past_its_time_is_ended_and_its_last_lines_told(tmp_path, monkeypatch):
    program = tmp_path / guest.QEMU
    program.write_text("#!/bin/sh\necho first; echo last\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    seen = []
    with pytest.raises(GuestFailed, match="last") as caught:
        guest.run(guest.Guest(tmp_path, tmp_path, "", "tcg"), seconds=0.5, hint="again", seen=seen.append)
    assert seen == ["first", "last"]
    assert caught.value.hint == "again"


def test_a_comma_in_a_path_is_no_option(tmp_path):
    drive = guest.Drive(tmp_path / "a,b.tar", "raw", "archive0", readonly=True)
    assert f"file={tmp_path}/a,,b.tar,format=raw,if=none,id=disk1,readonly=on" in drive.arguments(1)
