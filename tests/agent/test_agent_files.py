"""Files that survive a power cut: at any moment the old content or the new, never a part of either."""

import os
import re
import stat
from pathlib import Path

import pytest
from agent import files

AGENT = Path(files.__file__).parent


class PowerCut(BaseException):
    """The machine goes off."""


@pytest.fixture
def calls(monkeypatch):
    """The calls that matter for durability, in order."""
    made = []
    for name in ("fsync", "sync"):
        monkeypatch.setattr(files.os, name, lambda *_, name=name: made.append(name))
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, to: (made.append("rename"), replace(path, to))[1])
    return made


def test_content_is_on_the_disk_before_it_has_its_name_and_the_name_after(tmp_path, calls):
    files.write(tmp_path / "new" / "file", "content")
    assert calls == ["fsync", "rename", "fsync"]
    assert (tmp_path / "new" / "file").read_text() == "content"


def test_a_folder_is_on_the_disk_before_it_has_its_name(tmp_path, calls):
    (tmp_path / "unfinished").mkdir()
    files.publish(tmp_path / "unfinished", tmp_path / "folder")
    assert calls == ["sync", "rename", "fsync"]


@pytest.mark.parametrize("at", [1, 2])
def test_a_power_cut_leaves_the_old_content_or_the_new(tmp_path, monkeypatch, at):
    path, calls = tmp_path / "file", []
    files.write(path, "old")

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == at:
            raise PowerCut

    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(files.os, "fsync", fsync)
        files.write(path, "new content")
    assert path.read_text() == ("old" if at == 1 else "new content")
    files.write(path, "after")
    assert path.read_text() == "after"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_secret_is_for_root_alone_from_its_first_byte(tmp_path, monkeypatch):
    modes, real = [], os.fsync
    monkeypatch.setattr(files.os, "fsync", lambda fd: (modes.append(stat.S_IMODE(os.fstat(fd).st_mode)), real(fd)))
    files.write(tmp_path / "key", "secret", mode=0o600)
    assert modes[0] == 0o600


def test_the_same_content_is_not_written_again(tmp_path):
    assert files.put(tmp_path / "file", "a") is True
    before = (tmp_path / "file").stat().st_ino
    assert files.put(tmp_path / "file", b"a") is False
    assert (tmp_path / "file").stat().st_ino == before


def test_a_mounted_file_stays_the_same_file(tmp_path):
    (tmp_path / "hosts").write_text("a long first content")
    before = (tmp_path / "hosts").stat().st_ino
    files.overwrite(tmp_path / "hosts", "short")
    assert ((tmp_path / "hosts").stat().st_ino, (tmp_path / "hosts").read_text()) == (before, "short")


def test_a_link_is_replaced_in_one_step(tmp_path):
    (tmp_path / "link").write_text("a file")
    files.link(tmp_path / "link", "target")
    assert (tmp_path / "link").readlink() == Path("target")
    files.link(tmp_path / "link", "target")
    files.link(tmp_path / "link", "other")
    assert (tmp_path / "link").readlink() == Path("other")


def test_nothing_else_in_the_agent_writes_files():
    """These may: the console and /proc are no disks; what apt is told and what is fetched is verified before use.

    What a snapshot writes goes to the store and is then removed; nothing reads it on the disk again.
    """
    allowed = {"files.py", "console.py", "kernel.py", "apt.py", "host.py", "snapshot.py"}
    pattern = re.compile(r"write_text|write_bytes|\.open\(\"[wax]|symlink_to")
    wrong = [path.name for path in AGENT.rglob("*.py") if path.name not in allowed and pattern.search(path.read_text())]
    assert wrong == []
