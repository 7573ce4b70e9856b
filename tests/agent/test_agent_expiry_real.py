"""Real members of etcd whose certificates have all expired: the agents of their machines renew them."""

import time

import pytest
import real_etcd
from agent import bundle, etcd, membership
from agent.host import Host
from releases import release

MEMBERS = ("etcd1", "etcd2", "etcd3")


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    folder = tmp_path / "members"
    folder.mkdir()
    found = real_etcd.Cluster(real_etcd.program(tmp_path), folder)
    files = dict(zip(("ca.crt", "client.crt", "client.key"), (found.authority.ca, *found.client), strict=True))
    monkeypatch.setattr(etcd, "FILES", tmp_path / "client")
    monkeypatch.setattr(bundle, "secrets", lambda release, component: files)
    monkeypatch.setattr(etcd, "host_of", found.host)
    try:
        yield found
    finally:
        found.close()


def test_each_is_renewed_as_soon_as_it_can_be_and_then_they_serve(cluster):
    """The first is alive, and not ready before the second is renewed: they refuse each other's certificates."""
    described = ",".join(f"{member}={etcd.peer_url(member)}" for member in MEMBERS)
    end = time.monotonic() + 60
    for member in MEMBERS:
        cluster.start(member, described, days=60 / 86400)
    cluster.wait(*MEMBERS)
    client = etcd.connect(release("star-wars"), "etcd")
    client.put("/a", "1")
    real_etcd.wait(lambda: time.monotonic() > end, "the end of the certificates", 90)
    assert all(client.has_expired(etcd.host_of(member)) for member in MEMBERS)
    for member in MEMBERS:
        me = Host(member, "etcd", "etcd", "", "", 1500)
        assert membership.has_expired(release("star-wars"), me)
        cluster.stop(member)
        cluster.start(member, described)
        cluster.wait(member, path="/livez")
        assert not membership.has_expired(release("star-wars"), me)
    cluster.wait(*MEMBERS)
    assert etcd.connect(release("star-wars"), "etcd").get("/a") == "1"
