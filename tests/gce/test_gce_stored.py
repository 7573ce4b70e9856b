"""What machines with etcd keep in the bucket, as whoever operates the cluster reads it."""

import socket
from dataclasses import replace

import pytest

from generator.errors import UserError
from providers.gce import session as sessions
from providers.gce.session import Session
from providers.gce.stored import Stored
from tests.fetch import google
from tests.fetch.endpoint import Endpoint

BUCKET, HOST = "wars-documents-123", "/storage.googleapis.com"


@pytest.fixture
def store(monkeypatch):
    """Cloud Storage at an address of ours, with the rights of a machine."""
    found = google.Store()

    def answer(request):
        asked = replace(request, path=request.path.removeprefix(HOST))
        missing = google.error(404, "NOT_FOUND", f"No such object: {asked.path}")
        return found(asked, BUCKET) or missing

    endpoint = Endpoint(socket.create_server(("127.0.0.1", 0)), answer)
    host, port = endpoint.server.socket.getsockname()
    monkeypatch.setenv(sessions.ENDPOINT, f"http://{host}:{port}")
    yield found
    endpoint.close()


@pytest.fixture
def stored():
    return Stored(Session("my-project", "europe-west1"), "wars", "123")


def test_names_over_all_pages(store, stored):
    store.page = 2
    store.kept |= {f"etcd/snapshots/{number}": b"" for number in range(5)} | {"etcd/cluster": b""}
    assert stored.names("etcd/snapshots/") == tuple(f"etcd/snapshots/{number}" for number in range(5))


def test_no_names(store, stored):
    assert stored.names("etcd/snapshots/") == ()


def test_reads_and_writes(store, stored, tmp_path):
    stored.write("etcd/snapshots/asked", {"at": "now"})
    assert store.kept["etcd/snapshots/asked"] == b'{"at": "now"}'
    store.kept["etcd/snapshots/1.age"] = data = bytes(range(256)) * 5000
    stored.read("etcd/snapshots/1.age", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == data


def test_refusals_say_what_was_asked(store, stored, tmp_path):
    with pytest.raises(UserError) as caught:
        stored.read("etcd/snapshots/none", tmp_path / "file")
    assert f"gs://{BUCKET}/etcd/snapshots/none" in caught.value.message
    assert not (tmp_path / "file").exists()
