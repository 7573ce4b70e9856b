"""A machine's packages, updated by the real apt and dpkg in a root of its own, and cut off in the middle."""

import json
import os
import shutil
import subprocess
import threading

import dpkg_root
import pytest
from agent import apt, cordon, debian
from agent.host import NodeError
from agent.turns import Waiting
from dpkg_root import Root
from free_turns import NoTurns

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("apt-get", "dpkg-deb"))), reason="takes root, apt and dpkg"
)
BROKEN = 'echo "cannot read its configuration"; exit 3'


@pytest.fixture
def root(tmp_path, programs, monkeypatch):
    """A machine with `tool` 1, its library, and a package that the archives below never have."""
    monkeypatch.setattr(cordon, "BOOT", tmp_path / "boot_id")
    cordon.BOOT.write_text("first\n")
    made = Root(tmp_path, programs, monkeypatch)
    made.install(made.build("libtool", "1"), made.build("tool", "1", depends="libtool (= 1)"), made.build("other", "1"))
    return made


def release(archive, kernel="held", reboots=()):
    archives = {"amd64": {"archive": archive, "packages": {}}} if archive else {}
    return {"arch": "amd64", "updates": {"kernel": kernel, "reboots": list(reboots), "archives": archives}}


def newer(root, version="2", **scripts):
    return root.build("libtool", version), root.build("tool", version, depends=f"libtool (= {version})", **scripts)


def kept():
    return json.loads(debian.RECORD.read_text())


def test_what_is_older_is_updated_in_the_machines_turn_and_nothing_else(root, turns, programs):
    root.build("unwanted", "1")
    archive = root.serve(*newer(root), root.build("absent", "2"))
    debian.ensure(release(archive), turns)
    assert root.installed() == {"libtool": "2 installed", "tool": "2 installed", "other": "1 installed"}
    assert (root.path / "usr/tool").read_text() == "2"
    assert turns.said == ["take debian", "back", "done debian"]
    assert kept()["done"] and not debian.FOLDER.exists() and "systemctl reboot" not in programs.runs()
    before = programs.runs()
    debian.ensure(release(archive), turns)
    assert programs.runs() == before and turns.said[3:] == ["done debian"]


def test_a_machine_that_has_all_takes_no_turn(root, turns):
    debian.ensure(release(root.serve(root.build("absent", "2"))), turns)
    assert turns.said == ["back", "done debian"]


@pytest.mark.parametrize("size", ["Installed-Size: 1\n", ""])
def test_a_package_of_the_same_version_is_not_installed_again(root, turns, monkeypatch, size):
    """To apt, one whose index lacks a field that the machine knows is another."""
    whole = dpkg_root.entry
    monkeypatch.setattr(dpkg_root, "entry", lambda file: whole(file).replace("Installed-Size: 1\n", size))
    root.install(same := root.build("same", "1"))
    debian.ensure(release(root.serve(same)), turns)
    assert turns.said == ["back", "done debian"] and kept()["done"]


def test_a_release_without_updates_leaves_it_as_it_is(root, turns, programs):
    debian.ensure(release(""), turns)
    assert turns.said == ["done debian"] and not any("apt-get" in run for run in programs.runs())


def test_nothing_is_installed_before_the_turn_comes(root):
    archive = root.serve(*newer(root))
    with pytest.raises(Waiting):
        debian.ensure(release(archive), NoTurns())
    assert root.installed()["tool"] == "1 installed"
    assert (debian.FOLDER / archive).is_dir()  # it is there already when the turn comes


def test_a_package_that_fails_is_named_with_its_last_line_and_goes_on_after_it_is_mended(root, turns):
    broken = root.serve(*newer(root, postinst=f"[ -e {root.path}/mended ] || {{ {BROKEN}; }}"))
    failure = (
        r"^tool: installed tool package post-installation script subprocess returned error exit status 3: "
        "cannot read its configuration$"
    )
    for _ in range(2):
        with pytest.raises(NodeError, match=failure):
            debian.ensure(release(broken), turns)
        assert root.installed()["libtool"] == "2 installed" and not kept()["done"]
    (root.path / "mended").touch()
    debian.ensure(release(broken), turns)
    assert root.installed()["tool"] == "2 installed" and kept()["done"]


def test_a_newer_archive_mends_a_package_that_failed(root, turns):
    with pytest.raises(NodeError, match=r"^tool: "):
        debian.ensure(release(root.serve(*newer(root, postinst=BROKEN))), turns)
    debian.ensure(release(root.serve(*newer(root, "3"))), turns)
    assert root.installed() == {"libtool": "3 installed", "tool": "3 installed", "other": "1 installed"}


@pytest.mark.parametrize("script", ["preinst", "postinst"])
def test_a_machine_whose_power_is_cut_while_dpkg_works_goes_on(root, turns, programs, script):
    """dpkg and apt are killed; what dpkg had begun is half done, and the machine boots."""
    once = f"[ -e {root.path}/cut ] || {{ touch {root.path}/cut; kill -9 $(cat {root.path}/apt) $PPID; sleep 1; }}"
    archive = root.serve(*newer(root, **{script: once}), root.build("other", "2"))
    real = (programs.folder / "apt-get").read_text()
    (programs.folder / "apt-get").write_text(real.replace("exec ", f"echo $$ >{root.path}/apt; exec "))
    with pytest.raises(NodeError):
        debian.ensure(release(archive, reboots=["tool"]), turns)
    assert any(state != "2 installed" for state in root.installed().values())
    assert {"tool", "libtool"} <= set(kept()["moved"]) and kept()["boot"] == ""
    cordon.BOOT.write_text("second\n")
    with pytest.raises(Waiting, match="its own boot"):
        debian.ensure(release(archive, reboots=["tool"]), turns)
    assert set(root.installed().values()) == {"2 installed"}
    cordon.BOOT.write_text("third\n")
    debian.ASKED.unlink()
    debian.ensure(release(archive, reboots=["tool"]), turns)
    assert kept()["done"] and programs.runs().count("systemctl reboot") == 1


def test_a_kernel_is_held_unless_the_release_and_the_machine_move_it(root, turns):
    name = "linux-image-cloud-all"
    root.install(root.build(name, "1"))
    archive = root.serve(root.build(name, "2", depends="linux-image-2-all"), root.build("linux-image-2-all", "2"))
    debian.BOOT_LOADER.mkdir(parents=True)
    debian.ensure(release(archive), turns)
    assert root.installed()[name] == "1 installed" and turns.said == ["back", "done debian"]
    debian.BOOT_LOADER.rmdir()
    debian.ensure(release(archive, "moved"), turns)
    assert root.installed()[name] == "1 installed"
    debian.BOOT_LOADER.mkdir()
    debian.RECORD.unlink()
    with pytest.raises(Waiting, match="its own boot"):
        debian.ensure(release(archive, "moved", ["linux-image-*"]), turns)
    assert root.installed()[name] == "2 installed" and root.installed()["linux-image-2-all"] == "2 installed"
    assert turns.said[-2:] == ["take debian", "away debian"]


def test_what_cannot_be_updated_without_others_is_said(root, turns, capsys):
    root.install(root.build("tied", "1", depends="libtool (= 1)"))
    debian.ensure(release(root.serve(*newer(root), root.build("other", "2"))), turns)
    assert root.installed()["libtool"] == "1 installed" and root.installed()["other"] == "2 installed"
    assert "kept back, since others would have to go: libtool, tool" in capsys.readouterr().out


def test_the_lock_of_dpkg_is_waited_for(root, turns, monkeypatch):
    monkeypatch.setattr(apt, "LOCK_SECONDS", 20)
    archive = root.serve(*newer(root))
    lock = root.status.parent / "lock-frontend"
    lock.touch()
    script = (
        f"import fcntl, sys, time; fcntl.lockf(open('{lock}', 'w'), fcntl.LOCK_EX); print(flush=True); time.sleep(1.5)"
    )
    holder = subprocess.Popen(["/usr/bin/python3", "-c", script], stdout=subprocess.PIPE)
    holder.stdout.readline()
    worker = threading.Thread(target=debian.ensure, args=(release(archive), turns))
    worker.start()
    worker.join()
    holder.wait()
    assert root.installed()["tool"] == "2 installed"
