"""Weave's router: made once, replaced where the release describes another, put back where that does not answer."""

import copy
import json

import pytest
from agent import bundle, membership
from agent.host import Host, NodeError
from agent.network.weave import addresses, client, names, router
from releases import release

MASTER = Host("master1", "master", "master", "10.20.1.10", "10.0.2.100", 1500)


@pytest.fixture
def machine(engine, programs, monkeypatch, tmp_path, turns):
    """A machine with the images of the release; its router answers unless `engine.broken` has its image."""
    monkeypatch.setattr(router, "PLUGINS", tmp_path / "bin")
    monkeypatch.setattr(router, "CONFLIST", tmp_path / "net.d" / "10-weave.conflist")
    monkeypatch.setattr(router, "docker_bridge", lambda: "172.17.0.1")
    monkeypatch.setattr(router, "ANSWER_SECONDS", -1)
    monkeypatch.setattr(addresses, "DECIDED", tmp_path / "weave-addresses")
    monkeypatch.setattr(membership, "is_founded", lambda: False)
    engine.password, engine.silent, engine.turns = "secret", set(), turns
    monkeypatch.setattr(bundle, "secrets", lambda release, component: {"password": engine.password})

    def answers():
        found = engine.containers.get("weave")
        return bool(found and found["running"]) and not engine.silent & set(found["settings"]["Cmd"])

    monkeypatch.setattr(client, "answers", answers)
    monkeypatch.setattr(client, "is_shared", lambda: True)
    (tmp_path / "bin").mkdir()
    programs.put("docker", 'touch "$3"')
    engine.programs, engine.folder = programs, tmp_path
    return engine


def version(image):
    return "2.9.0-" + release("star-wars")["images"][image]["id"][7:19]


def ensure(machine, host=MASTER, image=None, **network):
    found = copy.deepcopy(release("star-wars"))
    found["network"] |= network
    if image:
        found["images"]["weave"]["id"] = image
    router.ensure(found, host, machine.turns)


def test_it_is_made_once_with_its_volumes_and_plugin(machine):
    ensure(machine)
    volumes, plugin = f"weavevolumes-{version('weaveexec')}", f"weave-plugin-{version('weave')}"
    assert machine.names() == {"weave", "weavedb", volumes}
    assert machine.containers["weave"]["running"] and not machine.containers["weavedb"]["running"]
    copied = f"{machine.folder}/bin/.{plugin}.new"  # a power cut may leave a part of that
    assert machine.programs.runs() == [f"docker cp {volumes}:/usr/bin/weaveutil {copied}"]
    for name in ("weave-net", "weave-ipam"):
        assert (machine.folder / "bin" / name).resolve() == machine.folder / "bin" / plugin
    conflist = json.loads((machine.folder / "net.d" / "10-weave.conflist").read_text())
    assert conflist["plugins"][0]["type"] == "weave-net"
    machine.done.clear()
    ensure(machine)
    assert machine.done == [] and len(machine.programs.runs()) == 1


def begin(machine):
    router.begin(release("star-wars"), MASTER)


def test_a_new_machines_router_begins_before_it_is_waited_for(machine):
    begin(machine)
    assert machine.containers["weave"]["running"] and machine.programs.runs() == []
    machine.done.clear()
    ensure(machine)
    assert machine.done == [] and len(machine.programs.runs()) == 1  # it is the one that is wanted


def test_a_router_that_is_there_is_left_to_its_turn(machine):
    ensure(machine, pods="10.64.0.0/12")
    machine.done.clear()
    begin(machine)
    assert machine.done == []


def test_a_router_is_replaced_in_a_turn_for_the_network(machine):
    ensure(machine)
    assert not [word for word in machine.turns.said if not word.startswith("done")]
    ensure(machine, pods="10.64.0.0/12")
    (stop,) = machine.turns.stops
    assert "take network" in machine.turns.said and (stop.component, stop.serving()) == ("network", True)
    ensure(machine, host=Host("master2", "master", "master", "10.20.1.42", "10.0.2.100", 1400), pods="10.64.0.0/12")
    assert machine.turns.stops[1].identity == stop.identity  # the same on every machine
    ensure(machine, pods="10.96.0.0/12")
    assert machine.turns.stops[2].identity != stop.identity


def test_a_router_without_addresses_need_not_wait_for_others(machine, monkeypatch):
    """Etcd, which gives turns, would wait for the network, and that for a turn: for ever."""
    ensure(machine)
    monkeypatch.setattr(client, "is_shared", lambda: False)
    ensure(machine, pods="10.64.0.0/12")
    assert not machine.turns.stops[0].serving()


def test_done_is_recorded(machine):
    ensure(machine)
    assert machine.turns.said == ["done network"]


def test_one_that_stopped_is_started(machine):
    ensure(machine)
    machine.containers["weave"]["running"] = False
    machine.done.clear()
    ensure(machine)
    assert machine.done == [("start", "weave")]


CHANGES = {
    "encryption": {"encryption": False},
    "founders": {"founders": ["10.20.1.10", "10.20.1.42"]},
    "range": {"pods": "10.64.0.0/12"},
    "image": {"image": "sha256:another"},
    "MTU": {"host": Host("master1", "master", "master", "10.20.1.10", "10.0.2.100", 1400)},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_description_replaces_it_and_keeps_what_it_stored(machine, change):
    ensure(machine)
    before = {name: container["Id"] for name, container in machine.containers.items()}
    ensure(machine, **change)
    after = {name: container["Id"] for name, container in machine.containers.items()}
    assert after.pop("weave") != before.pop("weave")
    assert after == before  # weavedb among them
    assert machine.containers["weave"]["running"]


def test_another_password_replaces_it(machine):
    ensure(machine)
    machine.password = "another"
    ensure(machine)
    assert "WEAVE_PASSWORD=another" in machine.containers["weave"]["settings"]["Env"]


def test_one_of_an_earlier_release_has_no_label_and_is_replaced(machine):
    machine.containers["weave"] = {"Id": "w", "settings": {"Image": "weave"}, "running": True, "files": b""}
    ensure(machine)
    assert machine.containers["weave"]["Id"] != "w"


def test_one_that_does_not_answer_is_put_back(machine):
    ensure(machine)
    before = machine.containers["weave"]["Id"]
    machine.silent.add("--ipalloc-range=10.64.0.0/12")
    with pytest.raises(NodeError, match=r"weave was not ready.*the previous container is back"):
        ensure(machine, pods="10.64.0.0/12")
    assert machine.containers["weave"]["Id"] == before and machine.containers["weave"]["running"]
    machine.done.clear()
    ensure(machine)
    assert machine.done == []


def test_the_machines_own_servers_are_asked_for_other_names(machine):
    """Not systemd-resolved's stub, which asks weaveDNS."""
    ensure(machine)
    settings = machine.containers["weave"]["settings"]
    assert "--resolv-conf=/var/run/weave/etc/resolv.conf" in settings["Cmd"]
    assert "/run/systemd/resolve:/var/run/weave/etc" in settings["HostConfig"]["Binds"]


@pytest.fixture
def resolved(tmp_path, monkeypatch, programs):
    for name in ("TOLD", "PODS", "GLOBAL", "NUMBER"):
        monkeypatch.setattr(names, name, tmp_path / name.lower())
    names.NUMBER.write_text("5\n")
    programs.put("resolvectl")
    programs.put("systemctl")
    return programs


TOLD = ["resolvectl dns weave 172.17.0.1", "resolvectl domain weave ~weave.local", "resolvectl default-route weave no"]


def test_weave_answers_for_its_own_names_alone(resolved):
    names.ensure("172.17.0.1")
    names.ensure("172.17.0.1")
    assert resolved.runs() == TOLD
    assert names.PODS.read_text() == "nameserver 172.17.0.1\n"


def test_resolved_is_told_again_where_the_link_is_another(resolved):
    names.ensure("172.17.0.1")
    names.NUMBER.write_text("6\n")
    names.ensure("172.17.0.1")
    assert resolved.runs() == TOLD * 2


def test_what_earlier_releases_configured_for_all_names_goes(resolved):
    names.GLOBAL.write_text("[Resolve]\nDNS=172.17.0.1\n")
    names.ensure("172.17.0.1")
    assert not names.GLOBAL.exists()
    assert resolved.runs() == ["systemctl restart systemd-resolved", *TOLD]
