"""After a boot the network comes up as it was, with no fetch: the store may be away."""

import os
import re
from types import SimpleNamespace

import pytest
from agent import host, leave, resolver, resume, service
from agent.host import Host
from agent.network.weave import client, names, router
from releases import text

MASTER = Host("master1", "master", "master", "10.20.1.10", "10.0.2.100", 1500)


@pytest.fixture
def machine(tmp_path, monkeypatch, engine, programs):
    """A machine on weave that was ready before it booted; `asked` is what weave was asked."""
    for module, name in ((host, "CONVERGED"), (leave, "BEGUN"), (service, "UNITS"), (resolver, "PODS")):
        monkeypatch.setattr(module, name, tmp_path / name.lower())
    for name in ("TOLD", "PODS", "GLOBAL", "NUMBER"):
        monkeypatch.setattr(names, name, tmp_path / "names" / name.lower())
    names.NUMBER.parent.mkdir()
    names.NUMBER.write_text("5\n")
    monkeypatch.setattr(host, "ARCHITECTURES", {os.uname().machine: "amd64"})
    monkeypatch.setattr(host, "read", lambda release: MASTER)
    asked = []
    monkeypatch.setattr(client, "call", lambda *call, **_: asked.append(call) or "10.32.0.1/12\n")
    for name in ("systemctl", "ipset", "iptables", "resolvectl"):
        programs.put(name)
    programs.put("ip", 'case "$*" in *docker0) echo \'[{"addr_info": [{"local": "172.17.0.1"}]}]\' ;; esac')
    programs.put("anywhere-fetch", "exit 22")
    engine.containers["weave"] = {"Id": "w", "settings": {"Image": "weave"}, "running": False, "files": b""}
    resume.prepare(text("star-wars"))
    return SimpleNamespace(asked=asked, engine=engine, programs=programs)


def test_the_network_comes_up_and_nothing_is_fetched(machine):
    assert resume.main() == 0
    assert machine.engine.done == [("start", "weave")]
    assert ("POST", "/expose/10.32.0.1/12") in machine.asked
    assert "ip route replace 10.96.0.0/16 dev weave src 10.32.0.1" in machine.programs.runs()
    assert not any(run.startswith("anywhere-fetch") for run in machine.programs.runs())


def test_a_router_of_another_release_is_started_as_it_is(machine, monkeypatch):
    """What a newer release asks for may not be on the machine; that is for converge."""
    monkeypatch.setattr(router, "container", lambda *_: pytest.fail("the release was looked at"))
    assert resume.main() == 0


@pytest.mark.parametrize("file", ["BEGUN", "CONVERGED"])
def test_a_machine_that_leaves_or_never_joined_stays_away(machine, file):
    if file == "BEGUN":
        leave.BEGUN.touch()
    else:
        host.CONVERGED.unlink()
    assert resume.main() == 0
    assert machine.engine.done == [] and machine.asked == []


def test_on_flannel_there_is_nothing_to_do(machine):
    resume.prepare(text("quickstart-flannel"))
    assert resume.main() == 0
    assert machine.engine.done == []


def test_it_is_installed_once_and_comes_before_converge(machine):
    unit = (service.UNITS / "anywhere-network.service").read_text()
    assert re.search(r"^Before=anywhere-converge.service$", unit, re.MULTILINE)
    assert "@" not in unit
    assert "systemctl enable --no-reload anywhere-network.service" in machine.programs.runs()
