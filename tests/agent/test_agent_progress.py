"""How far each machine is with a release, as the others read it."""

import time

import pytest
from agent import progress
from agent.progress import Record
from etcd_gateway import Client, Cluster
from hypothesis import given
from hypothesis import strategies as st

PARTS = ("etcd", "kube-apiserver", "kubelet")
DONE = st.frozensets(st.sampled_from(PARTS))


@pytest.fixture
def client(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "WRITTEN", tmp_path / "progress.json")
    found = Client(Cluster("etcd1"), "etcd1")
    found.puts = lambda: sum(path == "/v3/kv/put" for _, path in found._cluster.asked)
    return found


def test_a_machine_adds_to_its_record_and_begins_anew_with_each_release(client):
    progress.note(client, "master1", "a", "etcd")
    progress.note(client, "master1", "a", "kubelet")
    progress.note(client, "master10", "a", "etcd")
    assert progress.read(client)["master1"] == Record("a", frozenset({"etcd", "kubelet"}))
    progress.note(client, "master1", "b", "etcd")
    assert progress.read(client)["master1"] == Record("b", frozenset({"etcd"}))


def test_what_is_recorded_is_written_once_and_again_after_a_while(client, monkeypatch):
    """Etcd may have been restored from a snapshot of before."""
    for _ in range(3):
        progress.note(client, "master1", "a", "etcd")
    assert client.puts() == 1
    client.delete("/anywhere/machines/master1")
    later = time.monotonic() + progress.AGAIN_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    progress.note(client, "master1", "a", "etcd")
    assert progress.read(client)["master1"] == Record("a", frozenset({"etcd"}))


def test_what_etcd_did_not_hear_is_recorded_later(client, capsys):
    client._cluster.down.add("etcd1")
    progress.note(client, "master1", "a", "etcd")
    assert "not recorded yet" in capsys.readouterr().out
    client._cluster.down.clear()
    progress.note(client, "master1", "a", "kubelet")
    assert progress.read(client)["master1"] == Record("a", frozenset({"kubelet"}))
    progress.note(client, "master1", "a", "etcd")
    assert progress.read(client)["master1"] == Record("a", frozenset({"etcd", "kubelet"}))


@given(
    records=st.dictionaries(st.sampled_from("wxyz"), st.builds(Record, st.sampled_from("ab"), DONE)),
    wanted=st.dictionaries(st.sampled_from("wxyz"), DONE),
)
def test_late_are_those_that_lack_something_that_is_wanted_of_them(records, wanted):
    late = progress.late(records, "a", wanted)
    assert late == sorted(late)
    for name, components in wanted.items():
        has = records[name].done if name in records and records[name].release == "a" else frozenset()
        assert (name in late) == bool(components - has)
    assert set(late) <= set(wanted)
