"""When a machine boots for its packages, and what it waits for; apt is stood in for."""

import json
import time

import pytest
from agent import apt, cordon, debian, health
from agent.host import NodeError
from agent.turns import AtOnce, Waiting

SPECS = [{"name": "etcd"}, {"name": "kubelet"}]


class Source:
    """What apt would do: `newer` are packages to install, `fails` what it says of one."""

    newer, fails, upgraded = ("openssl",), "", 0

    def __init__(self, folder, held=()):
        pass

    def configure(self):
        pass

    def moves(self):
        return dict.fromkeys(Source.newer, "2")

    def upgrade(self):
        if Source.fails:
            raise NodeError(Source.fails)
        Source.newer, Source.upgraded = (), Source.upgraded + 1

    def kept_back(self):
        return []


@pytest.fixture
def machine(tmp_path, monkeypatch, programs):
    for name in ("newer", "fails", "upgraded"):
        monkeypatch.setattr(Source, name, getattr(Source, name))
    for name in ("FOLDER", "RECORD", "REQUIRED", "BOOT_LOADER", "ASKED"):
        monkeypatch.setattr(debian, name, tmp_path / name.lower())
    monkeypatch.setattr(apt, "Source", Source)
    monkeypatch.setattr(debian, "Source", Source)
    monkeypatch.setattr(apt, "fetch", lambda archive, folder: folder / archive)
    monkeypatch.setattr(cordon, "BOOT", tmp_path / "boot_id")
    boot("first")
    programs.put("systemctl")
    monkeypatch.setattr(health, "serves", lambda spec, engine: spec["name"] not in programs.down)
    programs.down = set()
    return programs


def boot(name):
    """The machine boots; what is in /run is gone."""
    cordon.BOOT.write_text(f"{name}\n")
    for path in (debian.ASKED, debian.REQUIRED):
        path.unlink(missing_ok=True)


def release(archive="a" * 64, kernel="held"):
    archives = {"amd64": {"archive": archive, "packages": {}}}
    return {"arch": "amd64", "updates": {"kernel": kernel, "reboots": ["libc6", "linux-image-*"], "archives": archives}}


def ensure(turns, **changes):
    debian.ensure(release(**changes), turns, SPECS)


def booted(machine):
    return machine.runs().count("systemctl reboot")


@pytest.mark.parametrize("newer", ["openssl", "libc6-dev", "linux-base"])
def test_most_packages_take_no_boot(machine, turns, newer):
    Source.newer = (newer,)
    ensure(turns)
    assert turns.said == ["take debian", "back", "done debian"] and booted(machine) == 0


@pytest.mark.parametrize("newer", ["libc6", "linux-image-6.12-cloud-amd64"])
def test_those_that_go_on_in_their_old_version_take_one(machine, turns, newer):
    Source.newer = (newer,)
    with pytest.raises(Waiting, match="its own boot, which its packages take"):
        ensure(turns)
    assert turns.said == ["take debian", "away debian"] and booted(machine) == 1
    boot("second")
    ensure(turns)
    assert turns.said[2:] == ["back", "done debian"] and booted(machine) == 1


def test_what_debian_itself_asks_to_boot_for_does(machine, turns):
    debian.REQUIRED.touch()
    with pytest.raises(Waiting):
        ensure(turns)
    assert booted(machine) == 1


def test_a_wish_of_somebody_else_to_boot_is_left_to_them(machine, turns):
    Source.newer = ()
    debian.REQUIRED.touch()
    ensure(turns)
    assert booted(machine) == 0 and turns.said == ["back", "done debian"]


def test_a_machine_that_is_about_to_boot_is_told_once_and_one_that_does_not_says_so(machine, turns, monkeypatch):
    Source.newer = ("libc6",)
    for _ in range(3):
        with pytest.raises(Waiting):
            ensure(turns)
    assert booted(machine) == 1
    later = time.monotonic() + debian.RESTART_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with pytest.raises(NodeError, match="did not: restart it by hand"):
        ensure(turns)
    assert turns.said == ["take debian", "away debian"]


def test_a_machine_that_is_not_emptied_yet_asks_again_and_installs_nothing_twice(machine, turns, monkeypatch):
    def wait(stop):
        raise Waiting("a disruption budget")

    Source.newer = ("libc6",)
    with monkeypatch.context() as patched:
        patched.setattr(turns, "away", wait)
        for _ in range(2):
            with pytest.raises(Waiting, match="budget"):
                ensure(turns)
    assert booted(machine) == 0
    with pytest.raises(Waiting, match="its own boot"):
        ensure(turns)
    assert booted(machine) == 1 and Source.upgraded == 1


def test_a_power_cut_between_the_installation_and_the_boot_is_that_boot(machine, turns, monkeypatch):
    def cut(stop):
        raise KeyboardInterrupt

    Source.newer = ("libc6",)
    with monkeypatch.context() as patched:
        patched.setattr(turns, "away", cut)
        with pytest.raises(KeyboardInterrupt):
            ensure(turns)
    boot("second")
    ensure(turns)
    assert booted(machine) == 0 and json.loads(debian.RECORD.read_text())["done"]


def test_the_turn_lasts_until_what_ran_before_serves_again(machine, turns, monkeypatch):
    monkeypatch.setattr(debian, "SERVE_SECONDS", 0)
    machine.down.add("etcd")
    with pytest.raises(NodeError, match="what ran before its packages were updated was not ready"):
        ensure(turns)
    assert "done debian" not in turns.said
    machine.down.clear()
    ensure(turns)
    assert turns.said[-1] == "done debian"


def test_a_newer_release_takes_the_place_of_one_that_failed_and_still_boots(machine, turns):
    Source.newer, Source.fails = ("libc6",), "libc6: exit 1"
    with pytest.raises(NodeError, match="libc6: exit 1"):
        ensure(turns)
    Source.newer, Source.fails = ("openssl",), ""
    with pytest.raises(Waiting, match="its own boot"):
        ensure(turns, archive="b" * 64)
    assert Source.upgraded == 1 and booted(machine) == 1


def test_a_new_machine_waits_for_nobody(machine):
    debian.ensure(release(), AtOnce())
    assert Source.upgraded == 1


def test_a_kernel_that_is_no_longer_held_is_looked_for_again(machine, turns):
    debian.BOOT_LOADER.mkdir()
    ensure(turns)
    Source.newer = ("linux-image-6.12-cloud-amd64",)
    ensure(turns)
    assert Source.upgraded == 1
    with pytest.raises(Waiting):
        ensure(turns, kernel="moved")
    assert Source.upgraded == 2


def test_an_image_of_updates_is_the_same_on_machines_of_every_architecture(monkeypatch):
    assert debian.identity_of({**release(), "arch": "arm64"}) == debian.identity_of(release())


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        ("Setting up a (2) ...\nno\ndpkg: error processing package a (--configure):\n it failed\n", "a: it failed: no"),
        ("dpkg: error processing archive /x/libb_2_all.deb (--unpack):\n no space left\n", "libb: no space left"),
        ("dpkg: error processing package c:amd64 (--configure):\n it failed\n", "c: it failed"),
        ("E: Could not get lock\n", ""),
    ],
)
def test_the_package_that_failed_is_named(said, failure):
    assert apt.failure(said) == failure
