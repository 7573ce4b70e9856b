"""What machines with etcd keep, by the program of their target."""

from pathlib import Path

import pytest
from agent import store
from agent.host import NodeError

MODULES = Path(__file__).parent.parent.parent / "modules"


@pytest.fixture
def machine(programs, tmp_path, monkeypatch):
    """A local machine whose store is a folder: what `anywhere-store` does, in a line each."""
    kept, targets = tmp_path / "kept", tmp_path / "targets"
    kept.mkdir()
    (targets / "local").mkdir(parents=True)
    (targets / "local" / "anywhere-store").write_text(f"""\
file={kept}/$(echo "$2" | tr / _)
case $1 in
  put) cp "$3" "$file" ;;
  put-once) [ -e "$file" ] || cp "$3" "$file" ;;
  names) ls -r {kept} | tr _ / | grep "^$2" || : ;;
  remove) rm -f "$file" ;;
esac
""")
    programs.put("anywhere-fetch", f'exec cat "{kept}/$(echo "$1" | tr / _)"')
    monkeypatch.setattr(store, "TARGETS", targets)
    monkeypatch.setattr(store, "FETCH", MODULES / "local" / "anywhere-fetch")
    programs.kept, programs.targets = kept, targets
    return programs


@pytest.mark.parametrize("target", ["aws", "gce", "local"])
def test_a_machine_knows_its_target_by_what_it_fetches_with(target, monkeypatch):
    monkeypatch.setattr(store, "FETCH", MODULES / target / "anywhere-fetch")
    assert store._target() == target


def test_put_and_names(machine, tmp_path):
    (tmp_path / "file").write_bytes(b"\x00\xff")
    store.put("etcd/snapshots/b", tmp_path / "file")
    store.put("etcd/snapshots/a", tmp_path / "file")
    assert store.names("etcd/snapshots/") == ["etcd/snapshots/a", "etcd/snapshots/b"]
    store.remove("etcd/snapshots/a")
    assert store.names("etcd/snapshots/") == ["etcd/snapshots/b"]


def test_the_first_decides_what_is_put_once(machine):
    assert store.find("etcd/cluster") is None
    assert store.put_once("etcd/cluster", b"first") == b"first"
    assert store.put_once("etcd/cluster", b"second") == b"first"
    assert store.find("etcd/cluster") == b"first"


def test_what_is_not_there_is_not_fetched(machine):
    """A cloud answers that it is forbidden, which may mean anything."""
    store.find("etcd/cluster")
    assert machine.runs() == []


def test_a_failure_has_the_targets_words(machine):
    script = machine.targets / "local" / "anywhere-store"
    script.write_text('echo "anywhere-store $2: AccessDenied: no (HTTP 403)" >&2; exit 1\n')
    with pytest.raises(NodeError, match=r"anywhere-store etcd/: AccessDenied: no \(HTTP 403\)"):
        store.names("etcd/")


def test_nothing_of_a_marker_is_left_on_the_machine(machine, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    store.put_once("etcd/cluster", b"x")
    assert list((tmp_path / "tmp").iterdir()) == []
