"""Which accelerator is chosen, with a stand-in for QEMU: a script that plays the guest's console."""

import json
import stat

import pytest

from generator.errors import UserError
from providers.local import accelerator, cache


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host whose /dev/kvm opens, with a machine image to probe with; returns a way to say what QEMU does."""
    monkeypatch.delenv("ANYWHERE_ACCEL", raising=False)
    monkeypatch.setenv("ANYWHERE_CACHE", str(tmp_path / "cache"))
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(accelerator, "DEVICE", device)
    monkeypatch.setattr(accelerator, "SECONDS", 5.0)
    for suffix in (".vmlinuz", ".initrd"):
        (cache.folder() / f"k{suffix}").touch()
    calls = tmp_path / "calls"
    calls.touch()
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")

    def qemu(body: str) -> None:
        program = programs / "qemu-system-x86_64"
        program.write_text(f'#!/bin/sh\necho "$@" >>{calls}\n{body}\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    qemu.calls = calls
    qemu.device = device
    return qemu


def test_kvm_where_a_guest_reaches_user_space(host):
    host("echo 'Linux version 6.12'; echo 'anywhere: probe ok'")
    assert accelerator.choose() == "kvm"
    assert "-accel kvm" in host.calls.read_text()


def test_tcg_where_a_guest_hangs_and_the_last_line_is_told(host, monkeypatch):
    monkeypatch.setattr(accelerator, "SECONDS", 0.3)
    host("echo 'Booting the kernel.'; exec sleep 60")
    assert accelerator.choose() == "tcg"
    assert "Booting the kernel." in accelerator.judge().reason


def test_tcg_where_a_guest_ends_without_the_mark(host):
    host("echo 'Kernel panic - not syncing'")
    assert accelerator.choose() == "tcg"


def test_tcg_where_qemu_itself_fails(host):
    host("echo 'failed to initialize kvm' >&2; exit 1")
    assert accelerator.choose() == "tcg"
    assert "failed to initialize kvm" in accelerator.judge().reason


def test_the_verdict_is_remembered_and_asked_anew_after_a_boot(host, monkeypatch, tmp_path):
    host("echo 'anywhere: probe ok'")
    for _ in range(3):
        assert accelerator.choose() == "kvm"
    assert len(host.calls.read_text().splitlines()) == 1
    boot = tmp_path / "boot_id"
    boot.write_text("another\n")
    monkeypatch.setattr(accelerator, "BOOT_ID", boot)
    host("exit 1")
    assert accelerator.choose() == "tcg"


@pytest.mark.parametrize("damage", ["", "{", "[]", json.dumps({"accelerator": "kvm"})])
def test_a_damaged_memory_is_no_verdict(host, damage):
    (cache.folder() / "accelerator.json").write_text(damage)
    host("exit 1")
    assert accelerator.choose() == "tcg"


@pytest.mark.parametrize("wish", ["kvm", "tcg"])
def test_the_user_decides(host, monkeypatch, wish):
    monkeypatch.setenv("ANYWHERE_ACCEL", wish)
    assert accelerator.choose() == wish
    assert not host.calls.read_text()


def test_an_unknown_wish_is_an_error(host, monkeypatch):
    monkeypatch.setenv("ANYWHERE_ACCEL", "xen")
    with pytest.raises(UserError, match="'xen'"):
        accelerator.choose()


def test_tcg_without_the_device(host):
    host.device.unlink()
    assert accelerator.choose() == "tcg"
    assert "absent" in accelerator.judge().reason


def test_without_an_image_nothing_is_remembered(host):
    (cache.folder() / "k.vmlinuz").unlink()
    assert accelerator.choose() == "tcg"
    assert not (cache.folder() / "accelerator.json").exists()
