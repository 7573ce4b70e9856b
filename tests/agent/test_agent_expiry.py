"""A machine tells when the certificates of its kubelet end, by its own node."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from agent import expiry
from agent.host import Host, NodeError
from node_api import Api, node
from test_agent_node_certificates import NEW, issued

NAME = "worker-general-1"
ME = Host(NAME, "worker", "worker-general", "10.20.4.1", "10.0.2.100", 1500)
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """The API with the machine's node, and the two certificates of its kubelet, which end in 90 and in 60 days."""
    api = Api(node(NAME))
    paths = [tmp_path / f"kubelet-{kind}-current.pem" for kind in ("client", "server")]
    for path, days in zip(paths, (90, 60), strict=True):
        path.write_text(issued(NEW, NOW, days))
    monkeypatch.setattr(expiry, "Api", lambda *_: api)
    monkeypatch.setattr(expiry, "AUTHORITIES", dict.fromkeys(paths, ""))
    monkeypatch.setattr(expiry, "CLIENT", paths[0])
    monkeypatch.setattr(expiry, "TOLD", tmp_path / "told")
    api.client, api.server = paths
    return api


def told(api):
    return json.loads(api.nodes[NAME]["metadata"]["annotations"][expiry.ENDS])


def test_when_its_certificates_end_is_told_once(machine):
    for _ in range(2):
        expiry.tell(ME)
    ends = {kind: (NOW + timedelta(days=days)).isoformat() for kind, days in (("client", 90), ("server", 60))}
    assert told(machine) == {f"kubelet-{kind}": at for kind, at in ends.items()}
    assert len(machine.calls) == 1


def test_a_certificate_that_was_renewed_is_told_at_once(machine):
    expiry.tell(ME)
    machine.server.unlink()
    machine.server.write_text(issued(NEW, NOW, 80))
    expiry.tell(ME)
    assert told(machine)["kubelet-server"] == (NOW + timedelta(days=80)).isoformat()


def test_a_node_that_was_registered_anew_is_told_within_the_hour(machine, monkeypatch):
    expiry.tell(ME)
    machine.nodes[NAME] = node(NAME)
    monkeypatch.setattr(expiry, "AGAIN_SECONDS", 0)
    expiry.tell(ME)
    assert told(machine)


@pytest.mark.parametrize("error", [NodeError("403"), OSError("no route")])
def test_without_the_api_it_is_told_later(machine, monkeypatch, capsys, error):
    usual = machine.call
    monkeypatch.setattr(machine, "call", lambda *_: (_ for _ in ()).throw(error))
    expiry.tell(ME)
    assert f"not told yet: {error}" in capsys.readouterr().out
    monkeypatch.setattr(machine, "call", usual)
    expiry.tell(ME)
    assert told(machine)


def test_a_machine_without_a_kubelet_tells_nothing(machine):
    machine.client.unlink()
    expiry.tell(ME)
    assert machine.calls == []
