"""Writing files whole or not at all."""

import os
import stat
import subprocess
import sys
import threading

import pytest

from generator.files import PRIVATE, copy_atomic, create_atomic, replacing, rewrite, write_atomic


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_written_and_replaced(tmp_path, durable):
    path = tmp_path / "a"
    for data in (b"one", b"two"):
        write_atomic(path, data, durable=durable)
        assert path.read_bytes() == data
    assert names(tmp_path) == ["a"]


def test_a_private_file_is_never_public(tmp_path, monkeypatch):
    path = tmp_path / "key"
    path.write_bytes(b"old")
    path.chmod(0o644)
    modes = []
    usual = os.fdopen
    monkeypatch.setattr(
        os, "fdopen", lambda fd, *rest: (modes.append(os.fstat(fd).st_mode & 0o777), usual(fd, *rest))[1]
    )
    write_atomic(path, b"new", PRIVATE)
    assert modes == [0o600] and mode(path) == 0o600


def test_other_files_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert mode(tmp_path / "a") == 0o640


def test_what_is_durable_is_synced_with_its_folder(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(stat.S_ISDIR(os.fstat(fd).st_mode)))
    write_atomic(tmp_path / "a", b"")
    assert synced == []
    write_atomic(tmp_path / "a", b"", durable=True)
    assert synced == [False, True]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(type(error)), replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert path.read_bytes() == b"old" and names(tmp_path) == ["a"]


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    path = tmp_path / "a"
    program = "import os, sys, pathlib; from generator import files;" + (
        "pathlib.Path.replace = lambda *_: os._exit(9); files.write_atomic(pathlib.Path(sys.argv[1]), b'half')"
    )
    assert subprocess.run([sys.executable, "-c", program, path]).returncode == 9
    assert len(names(tmp_path)) == 1 and not path.exists()
    write_atomic(path, b"whole")
    assert names(tmp_path) == ["a"]


def test_a_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"mine")
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
    write_atomic(tmp_path / "a", b"new")
    assert (tmp_path / "elsewhere").read_bytes() == b"mine" and not (tmp_path / "a").is_symlink()


def test_many_writers_leave_one_whole_file(tmp_path):
    path = tmp_path / "a"
    texts = [bytes([65 + n]) * 100_000 for n in range(8)]
    threads = [threading.Thread(target=write_atomic, args=(path, text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in texts and names(tmp_path) == ["a"]


def test_what_a_person_keeps_stays_where_a_link_leads(tmp_path):
    (tmp_path / "kept").mkdir()
    kept, link = tmp_path / "kept" / "real", tmp_path / "a"
    kept.write_bytes(b"old")
    kept.chmod(0o640)
    link.symlink_to("kept/real")
    rewrite(link, b"new")
    assert link.is_symlink() and kept.read_bytes() == b"new" and mode(kept) == 0o640
    rewrite(link, b"newer", PRIVATE)
    assert link.is_symlink() and kept.read_bytes() == b"newer" and mode(kept) == 0o600
    assert (names(tmp_path), names(tmp_path / "kept")) == (["a", "kept"], ["real"])


def test_a_link_to_nothing_yet_is_followed_too(tmp_path):
    (tmp_path / "a").symlink_to("real")
    rewrite(tmp_path / "a", b"new")
    assert (tmp_path / "a").is_symlink() and (tmp_path / "real").read_bytes() == b"new"


def test_a_file_that_exists_is_not_created_again(tmp_path):
    path = tmp_path / "a"
    create_atomic(path, b"first", PRIVATE)
    with pytest.raises(FileExistsError):
        create_atomic(path, b"second", PRIVATE)
    assert path.read_bytes() == b"first" and mode(path) == 0o600 and names(tmp_path) == ["a"]


def test_a_copy_replaces_what_was_there(tmp_path):
    (tmp_path / "source").write_bytes(b"new")
    (tmp_path / "a").write_bytes(b"old")
    copy_atomic(tmp_path / "source", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"new" and names(tmp_path) == ["a", "source"]


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to write as another user")
def test_what_root_replaces_keeps_its_owner(tmp_path):
    path = tmp_path / "cluster.lock.yaml"
    path.write_bytes(b"old")
    os.chown(path, 65534, 65534)
    write_atomic(path, b"new", PRIVATE, durable=True)
    assert path.read_bytes() == b"new" and (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)
    write_atomic(tmp_path / "first", b"new")
    assert (tmp_path / "first").stat().st_uid == 0
