"""Role containers: started once, replaced when they differ, put back when the new one is not healthy."""

import io
import json
import tarfile
from dataclasses import replace

import pytest
from agent import bundle, containers, health
from agent.docker import Docker
from agent.host import Host, NodeError
from agent.network import load
from agent.turns import Waiting
from free_turns import NoTurns
from releases import release

SECRETS = {"server.crt": "certificate\n", "server.key": "very secret\n"}
HOST = Host("master1", "master", "master", "10.20.1.1", "10.0.2.100", 1500)


class Plain:
    """A network that adds nothing."""

    def engine(self, spec):
        return Docker()

    def join(self, settings, spec):
        settings["HostConfig"]["NetworkMode"] = "none"

    def node_address(self):
        return "10.32.0.1"


@pytest.fixture
def sick(monkeypatch):
    """Words of a command that make a container unhealthy; with "ready " before them, it is only not ready."""
    words = set()

    def answers(name, url, engine):
        found = engine.inspect(name)
        if not (found and found["State"]["Running"]):
            return False
        command = {*found["Config"]["Entrypoint"], *found["Config"]["Cmd"]}
        return not words & command and not (url.endswith("/ready") and words & {f"ready {word}" for word in command})

    monkeypatch.setattr(health, "_answers", answers)
    return words


@pytest.fixture
def secrets(monkeypatch):
    files = dict(SECRETS)
    monkeypatch.setattr(bundle, "secrets", lambda release, component: dict(files))
    return files


def spec(**changes):
    base = {
        "component": "etcd",
        "name": "etcd1",
        "image": "etcd",
        "command": ["etcd", "--name=etcd1"],
        "network": "cluster",
        "hostname": "",
        "advertise": "",
        "secrets": "etcd",
        "files": {"etcd.yaml": "a: b\n"},
        "handed": {},
        "mounts": ["/var/lib/etcd:/var/lib/etcd"],
        "env": {},
        "publish": [],
        "privileged": False,
        "pid": "",
        "needs_api": False,
        "after": "",
        "needs": "",
        "stop_seconds": 30,
        "oom_score": -997,
        "cpu_shares": 0,
        "health": "http://127.0.0.1/live",
        "ready": "http://127.0.0.1/ready",
        "health_seconds": -1,
        "identity": "0123456789abcdef",
    }
    return base | changes


def release_with(image):
    return {"images": {"etcd": {"id": image}}}


@pytest.fixture
def ensure(turns):
    def ensure(image="sha256:one", own=turns, **changes):
        return containers.ensure(release_with(image), spec(**changes), Plain(), own)

    return ensure


@pytest.fixture
def begin(turns):
    return lambda **changes: containers.begin(release_with("sha256:one"), spec(**changes), Plain(), turns)


def settings(data="etcd-pki-1", **changes):
    return containers.settings(spec(**changes), {"id": "sha256:one"}, data, Plain())


def test_docker_makes_nothing_in_the_place_of_what_a_component_needs():
    """At a boot it would start etcd on a disk that is empty, before this machine has looked whether it may."""
    assert "Mounts" not in settings()["HostConfig"]
    (mount,) = settings(needs="/var/lib/etcd/start.json")["HostConfig"]["Mounts"]
    assert (mount["Type"], mount["Source"], mount["ReadOnly"]) == ("bind", "/var/lib/etcd/start.json", True)


def test_a_label_tells_what_a_container_was_made_from():
    label = settings()["Labels"]
    assert settings()["Labels"] == label
    others = [
        settings(data="etcd-pki-2"),
        settings(command=["etcd", "--name=etcd2"]),
        settings(env={"A": "b"}),
        settings(mounts=[]),
        settings(privileged=True),
        settings(publish=[6443]),
        settings(oom_score=0),
        settings(cpu_shares=2048),
    ]
    labels = [tuple(other["Labels"].items()) for other in others]
    assert len({*labels, tuple(label.items())}) == 1 + len(others)


def test_a_bundle_is_for_root_alone_and_named_by_its_content():
    with tarfile.open(fileobj=io.BytesIO(bundle.tar("etcd", SECRETS))) as tar:
        found = {member.name: (member.mode, tar.extractfile(member).read().decode()) for member in tar}
    assert found == {f"etc/kubernetes/etcd/{name}": (0o600, text) for name, text in SECRETS.items()}
    assert bundle.checksum(SECRETS) == bundle.checksum(dict(reversed(SECRETS.items())))
    assert bundle.checksum(SECRETS) != bundle.checksum(SECRETS | {"server.key": "other"})
    assert bundle.tar("etcd", SECRETS) == bundle.tar("etcd", SECRETS)


def test_the_first_time(engine, sick, secrets, ensure):
    assert ensure() is True
    made = engine.containers["etcd1"]
    data = f"etcd-pki-{bundle.checksum(SECRETS | {'etcd.yaml': 'a: b' + chr(10)})}"
    assert engine.names() == {"etcd1", data}
    assert made["running"] and not engine.containers[data]["running"]
    assert made["settings"]["HostConfig"]["VolumesFrom"] == [f"{data}:ro"]
    assert (made["settings"]["Entrypoint"], made["settings"]["Cmd"]) == (["etcd"], ["--name=etcd1"])
    assert b"very secret" in engine.containers[data]["files"]
    assert "very secret" not in json.dumps([c["settings"] for c in engine.containers.values()])


def test_one_that_needs_a_file_starts_once_it_is_there(engine, sick, secrets, tmp_path, ensure, begin):
    """kube-proxy takes its node's certificate, which kubelet asks for: before that it would only end, over and over."""
    after = tmp_path / "kubelet-client-current.pem"
    begin(after=str(after))
    with pytest.raises(NodeError, match=f"{after} was not ready"):
        ensure(after=str(after))
    assert "etcd1" not in engine.containers
    after.touch()
    begin(after=str(after))
    assert engine.containers["etcd1"]["running"]
    after.unlink()
    assert ensure(after=str(after)) is False  # it runs, and keeps running


def test_the_second_time_changes_nothing(engine, sick, secrets, ensure):
    ensure()
    engine.done.clear()
    assert ensure() is False
    assert engine.done == []


def test_one_that_stopped_is_started_not_made_anew(engine, sick, secrets, ensure):
    ensure()
    before = engine.containers["etcd1"]["Id"]
    engine.containers["etcd1"]["running"] = False
    engine.done.clear()
    assert ensure() is True
    assert engine.done == [("start", "etcd1")]
    assert engine.containers["etcd1"]["Id"] == before


def test_other_secrets_make_another_container_in_its_turn_and_the_old_ones_go(engine, sick, secrets, turns, ensure):
    ensure()
    before = engine.names(), engine.containers["etcd1"]["Id"]
    secrets["server.key"] = "rotated\n"
    assert ensure() is True
    assert engine.containers["etcd1"]["Id"] != before[1]
    assert len(engine.names()) == 2 and engine.names() != before[0]
    verbs = [step[:2] for step in engine.done]
    assert verbs.index(("stop", "etcd1")) < verbs.index(("rename", "etcd1"))
    assert turns.said == ["done etcd", "take etcd", "done etcd"]


def test_the_old_one_comes_back_where_the_new_is_not_healthy(engine, sick, secrets, ensure):
    ensure()
    before = dict(engine.containers)
    sick.add("--broken")
    with pytest.raises(NodeError, match="the previous container is back") as caught:
        ensure(command=["etcd", "--broken"])
    assert "the last words of etcd1" in str(caught.value)
    assert engine.containers["etcd1"]["Id"] == before["etcd1"]["Id"]
    assert engine.containers["etcd1"]["running"]
    assert engine.names() == set(before)
    engine.done.clear()
    assert ensure() is False
    assert engine.done == []


def test_the_old_one_comes_back_where_the_new_does_not_start(engine, sick, secrets, ensure):
    ensure()
    engine.broken.add("sha256:two")
    with pytest.raises(NodeError, match="no such file"):
        ensure(image="sha256:two")
    assert engine.containers["etcd1"]["settings"]["Image"] == "sha256:one"
    assert engine.containers["etcd1"]["running"]


def test_a_first_one_that_is_not_healthy_says_what_it_said(engine, sick, secrets, ensure):
    sick.add("--name=etcd1")
    with pytest.raises(NodeError, match="the last words of etcd1"):
        ensure()


def test_one_that_begins_is_not_waited_for(engine, sick, secrets, ensure, begin):
    sick.add("etcd")
    begin()
    assert engine.containers["etcd1"]["running"]
    engine.done.clear()
    begin()
    assert engine.done == []
    with pytest.raises(NodeError, match=r"etcd1: .*; log: "):
        ensure()
    sick.clear()
    assert ensure() is False


@pytest.mark.parametrize("interrupted", [False, True])
def test_one_that_was_created_early_is_started_by_what_comes_next(
    engine, sick, secrets, turns, ensure, begin, interrupted
):
    containers.create(release_with("sha256:one"), spec(), Plain(), turns)
    first = engine.containers["etcd1"]["Id"]
    assert not engine.containers["etcd1"]["running"]
    if not interrupted:
        begin()
        assert engine.containers["etcd1"]["running"]
    ensure()
    assert engine.containers["etcd1"]["running"] and engine.containers["etcd1"]["Id"] == first


def test_one_that_begins_leaves_the_one_before_it_alone(engine, sick, secrets, ensure, begin):
    ensure()
    before = engine.containers["etcd1"]["Id"]
    begin(command=["etcd", "--other"])
    assert engine.containers["etcd1"]["Id"] == before


@pytest.mark.parametrize("healthy", [True, False])
def test_a_replacement_that_was_cut_short_is_done_again(engine, sick, secrets, healthy, ensure):
    """The machine lost power while the new container was not known to be healthy."""
    ensure()
    first = engine.containers["etcd1"]["Id"]
    sick.add("--broken")

    def power_off(*_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(health, "wait_serving", power_off)
        with pytest.raises(KeyboardInterrupt):
            ensure(command=["etcd", "--broken"])
    assert {"etcd1", "etcd1-previous"} <= engine.names()
    if healthy:
        sick.clear()
        assert ensure(command=["etcd", "--broken"]) is True
        assert engine.containers["etcd1"]["Id"] != first
    else:
        with pytest.raises(NodeError, match="previous container is back"):
            ensure(command=["etcd", "--broken"])
        assert engine.containers["etcd1"]["Id"] == first
    assert "etcd1-previous" not in engine.names()
    assert engine.containers["etcd1"]["running"]


def test_a_component_without_files_needs_no_bundle(engine, sick, ensure):
    assert ensure(secrets="", files={}) is True
    assert engine.names() == {"etcd1"}
    assert engine.containers["etcd1"]["settings"]["HostConfig"]["VolumesFrom"] == []


def test_what_is_handed_to_the_machine_is_not_in_the_bundle(engine, sick, secrets, ensure):
    ensure(handed={"server.key": "/var/lib/key"})
    assert not any(b"very secret" in container["files"] for container in engine.containers.values())


def test_every_component_of_a_release_is_filled_in(any_release, monkeypatch):
    monkeypatch.setattr("agent.network.weave.run", lambda *_: '[{"addr_info": [{"local": "10.32.0.1"}]}]')
    network = load(any_release, HOST)
    first = {"INITIAL_CLUSTER": "etcd1=https://etcd1.weave.local:2380", "CLUSTER_STATE": "new"}
    for group in any_release["groups"]:
        role = group.partition("-")[0]
        for component in any_release["roles"].get(role, {"containers": []})["containers"]:
            me = replace(HOST, role=role, group=group)
            found = containers.filled(any_release, component, me, network, **first)
            assert "@" not in json.dumps(found)
            made = containers.settings(found, any_release["images"][found["image"]], "data", network)
            assert all(isinstance(word, str) and word for word in made["Entrypoint"] + made["Cmd"])
            assert made == containers.settings(found, any_release["images"][found["image"]], "data", network)


@pytest.mark.parametrize("text", ['"', "\\", "${x}", "`reboot`", "a\nb", "@TAINTS@"[:3]])
def test_what_is_filled_in_stays_one_word(text):
    found = release("ha")
    found["groups"]["master"] = {"labels": {"a": text}, "taints": [text], "max_pods": 110}
    found = containers.filled(found, spec(command=["x", "--node-labels=@LABELS@"]), HOST, Plain())
    assert found["command"] == ["x", f"--node-labels=a={text}"]


def test_labels_taints_and_pods_as_the_kubelet_takes_them():
    found = release("ha")
    kubelet = next(c for c in found["roles"]["worker"]["containers"] if c["component"] == "kubelet")
    worker = Host("worker-batch-1", "worker", "worker-batch", "10.20.8.1", "10.0.2.100", 1500)
    command = containers.filled(found, kubelet, worker, Plain())["command"]
    assert "--node-labels=example.com/tier=batch,node.kubernetes.io/pool=batch" in command
    assert "--register-with-taints=dedicated=batch:NoSchedule" in command
    assert "--max-pods=110" in command
    assert "--hostname-override=worker-batch-1" in command
    assert "--node-ip=10.32.0.1" in command


def test_what_is_done_is_recorded_once_it_is_healthy(engine, sick, secrets, turns, ensure):
    sick.add("etcd")
    with pytest.raises(NodeError):
        ensure()
    assert "done etcd" not in turns.said
    sick.clear()
    ensure()
    assert turns.said[-1] == "done etcd"
    assert ensure() is False
    assert turns.said[-1] == "done etcd" and turns.said.count("done etcd") == 2


def test_a_replacement_takes_a_turn_for_this_component_and_nothing_else_does(
    engine, sick, secrets, turns, ensure, begin
):
    begin()
    ensure()
    engine.containers["etcd1"]["running"] = False
    ensure()
    assert turns.said == ["done etcd", "done etcd"]
    ensure(command=["etcd", "--other"])
    assert turns.said[2:] == ["take etcd", "done etcd"]
    stop = turns.stops[0]
    assert (stop.component, stop.identity, stop.serving()) == ("etcd", "0123456789abcdef", True)
    sick.add("ready --other")
    assert not stop.serving()


def test_nothing_is_touched_before_its_turn(engine, sick, secrets, turns, ensure):
    ensure()
    before = {name: container for name, container in engine.containers.items() if "-pki-" not in name}
    engine.done.clear()
    secrets["server.key"] = "rotated\n"
    with pytest.raises(Waiting):
        ensure(own=NoTurns(), command=["etcd", "--other"])
    assert {name: container for name, container in engine.containers.items() if "-pki-" not in name} == before
    assert not [step for step in engine.done if "etcd1" in step]


def test_one_that_is_alive_and_never_ready_is_put_back(engine, sick, secrets, ensure):
    """A member of etcd that is alive with no majority would else cost the old one, its way back."""
    ensure()
    before = engine.containers["etcd1"]["Id"]
    sick.add("ready --broken")
    with pytest.raises(NodeError, match="the previous container is back"):
        ensure(command=["etcd", "--broken"])
    assert engine.containers["etcd1"]["Id"] == before


def test_the_first_one_needs_only_be_alive(engine, sick, secrets, ensure):
    """The first member of etcd is no majority, and the others wait for it."""
    sick.add("ready etcd")
    assert ensure() is True
    assert ensure() is False
