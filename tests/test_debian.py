"""Root file systems by mmdebstrap: nothing of them stays behind, and what a user lacks is named first."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from generator import command, debian
from generator.errors import UserError

MOUNTS = Path("/proc/self/mounts")
# Does what mmdebstrap does, in short: a tree with a mount in it, taken down where it is told to end.
STUB = """#!/bin/sh
[ "$1" != --unshare-helper ] || { shift; exec "$@"; }
exec 2>/dev/null  # a reader that is gone must not end it
tree=$TMPDIR/tree
mkdir -p "$tree/proc"
[ -z "$MOUNT" ] || mount -t tmpfs tmpfs "$tree/proc"
trap 'echo told >"$SAID"; while [ -n "$LINGER" ] && [ -e "$LINGER" ]; do sleep 0.05; done; exit 1' TERM
export PID=$$
# Like mmdebstrap, it looks at signals once what it waits for has ended.
sh -c 'echo "$PID $TMPDIR" >"$STARTED.new"; mv "$STARTED.new" "$STARTED"; while [ -n "$WAIT" ]; do sleep 0.05; done'
"""
SCRIPT = "from generator import debian; debian.bootstrap(debian.mmdebstrap(), 'Making it', '', '0')"


def may_mount():
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


def until(true):
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A temporary folder of its own, and a stub for mmdebstrap."""
    program = tmp_path / "bin" / "mmdebstrap"
    program.parent.mkdir()
    program.write_text(STUB)
    program.chmod(0o755)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(debian, "check", lambda: None)
    for name in ("SAID", "STARTED"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    for name in ("MOUNT", "WAIT", "LINGER"):
        monkeypatch.setenv(name, "")
    return tmp_path


def started(place, monkeypatch, **environment):
    """A process that builds, once mmdebstrap is at work in it; mmdebstrap's id."""
    script = SCRIPT.replace("; ", "; debian.check = lambda: None; ", 1)
    process = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "WAIT": "1", **environment})
    until((place / "started").exists)
    pid, folder = (place / "started").read_text().split()
    (place / "started").unlink()
    return process, int(pid), Path(folder)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second where it ends while it is looked at
        return False


def test_a_build_leaves_nothing_in_the_temporary_folder(place):
    debian.bootstrap(debian.mmdebstrap(), "Making it", "", "0")
    _, folder = (place / "started").read_text().split()
    assert Path(folder).parent == place / "scratch"
    assert list((place / "scratch").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_mmdebstrap_is_told_to_end_however_its_build_ends(place, monkeypatch, number):
    process, pid, _ = started(place, monkeypatch)
    process.send_signal(number)
    process.wait()
    until((place / "said").exists)
    until(lambda: not is_running(pid))


def test_the_next_build_removes_what_a_killed_one_left_and_no_other(place, monkeypatch):
    process, pid, left = started(place, monkeypatch)
    other, _, in_use = started(place, monkeypatch)
    process.kill()
    process.wait()
    until(lambda: not is_running(pid))
    assert (left / "tree").is_dir()
    debian.bootstrap(debian.mmdebstrap(), "Making it", "", "0")
    assert list((place / "scratch").iterdir()) == [in_use] and (in_use / "tree").is_dir()
    other.kill()
    other.wait()


def test_a_folder_is_kept_while_mmdebstrap_is_still_ending(place, monkeypatch):
    linger = place / "linger"
    linger.touch()
    process, pid, folder = started(place, monkeypatch, LINGER=str(linger))
    process.kill()
    process.wait()
    until((place / "said").exists)
    debian.bootstrap(debian.mmdebstrap(), "Making it", "", "0")
    assert (folder / "tree").is_dir()
    linger.unlink()
    until(lambda: not is_running(pid))
    debian.bootstrap(debian.mmdebstrap(), "Making it", "", "0")
    assert not folder.exists()


@pytest.mark.skipif(not may_mount(), reason="only root mounts; without root mmdebstrap has a namespace by itself")
def test_a_killed_build_leaves_no_mounts(place, monkeypatch):
    process, pid, folder = started(place, monkeypatch, MOUNT="1")
    assert str(folder) in Path(f"/proc/{pid}/mounts").read_text()
    assert str(folder) not in MOUNTS.read_text()
    os.kill(pid, signal.SIGKILL)
    process.wait()
    assert str(folder) not in MOUNTS.read_text()
    debian.bootstrap(debian.mmdebstrap(), "Making it", "", "0")
    assert list((place / "scratch").iterdir()) == []


def test_what_a_user_without_root_lacks_is_named_before_anything_is_made(monkeypatch):
    there = {"mmdebstrap": "/usr/bin/mmdebstrap"}
    monkeypatch.setattr(command.shutil, "which", lambda name, path=None: there.get(name))
    monkeypatch.setattr(debian.os, "geteuid", lambda: 1000)
    with pytest.raises(UserError) as caught:
        debian.bootstrap(debian.mmdebstrap(), "Making it", "", "0")
    assert caught.value.message == "newuidmap is not installed."
    assert caught.value.hint == "Install it: apt-get install uidmap."
    monkeypatch.setattr(debian.os, "geteuid", lambda: 0)
    debian.check()


@pytest.mark.parametrize("known", ["nobody:100000:65536\n", "65534:100000:65536\n"])
def test_a_user_without_a_range_of_user_ids_is_told_how_to_get_one(monkeypatch, tmp_path, known):
    monkeypatch.setattr(command.shutil, "which", lambda name, path=None: f"/usr/bin/{name}")
    monkeypatch.setattr(debian.os, "geteuid", lambda: 65534)
    ranges = (tmp_path / "subuid", tmp_path / "subgid")
    monkeypatch.setattr(debian, "_SUBORDINATE", ranges)
    ranges[0].write_text(f"another:1:1\n{known}")
    with pytest.raises(UserError) as caught:
        debian.check()
    assert caught.value.message.startswith(f"nobody has no range in {ranges[1]}. ")
    assert caught.value.hint.endswith("usermod --add-subuids 100000-165535 --add-subgids 100000-165535 nobody")
    ranges[1].write_text(known)
    debian.check()
