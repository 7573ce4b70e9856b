"""Converge, with a real engine's protocol beneath and the network and documents stood in for."""

import os
import re
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from agent import __main__ as converge
from agent import (
    addon_record,
    addons,
    bundle,
    cluster_dns,
    console,
    containerd,
    debian,
    health,
    host,
    images,
    kernel,
    kubectl,
    leave,
    leftovers,
    membership,
    network,
    node_certificates,
    own_addons,
    packages,
    resolver,
    service,
    settings,
    storage,
    turns,
)
from agent.docker import Docker
from agent.host import Host, NodeError
from free_turns import FreeTurns
from releases import release, text

from generator.status import stages

FILES = ("ca.crt", "bootstrap-kubeconfig", "kubeconfig", "client.key", "bootstrap-token.yaml")
MASTER = Host("master1", "master", "master", "10.20.1.1", "10.0.2.100", 1500)


class Network:
    def __init__(self, steps):
        self.steps = steps

    def images(self):
        return ("cni",)

    def begin(self):
        """Nothing of it takes a while."""

    def up(self, turns):
        self.steps.append("network up")

    def repair(self):
        """It keeps nothing."""

    def settle(self, turns):
        pass

    def engine(self, spec):
        return Docker()

    def join(self, settings, spec):
        settings["HostConfig"]["NetworkMode"] = "none"

    def name_servers(self):
        return ("172.17.0.1",)

    def node_address(self):
        return "10.32.0.1"


class Api:
    """What is applied is written to a file."""

    paths = []

    def __init__(self, path):
        self.path = path

    def apply(self, objects, made=lambda path, uid: None):
        with self.path.open("a") as file:
            for path, text in objects:
                file.write(f"{text}\n")
                self.paths.append(path)
                made(path, f"of {path}")

    def call(self, method, path, body=None, kind=""):
        """It knows nothing of what was applied before."""
        return {}


@pytest.fixture
def serial(tmp_path, monkeypatch):
    """The serial console, which keeps all that is written to it."""
    path = tmp_path / "serial"
    path.touch()
    monkeypatch.setattr(console, "CONSOLES", (tmp_path / "absent", path))
    return path


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The folder that system paths are in, and beside it the release."""
    folder = tmp_path / "root"
    folder.mkdir()
    for module, name in (
        (node_certificates, "CA"), (converge, "READY"), (converge, "BOOTED"), (converge, "WAITING"), (service, "UNITS"),
        (leave, "LEFT"), (leave, "BEGUN"), (host, "CONVERGED"), (leftovers, "RECORD"), (leftovers, "ARCHIVE"),
        (kubectl, "KEYS"), (addons, "STATE"), (own_addons, "STATE"), (resolver, "PODS"), (containerd, "EARLIER"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, folder / name.lower())
    monkeypatch.setattr(node_certificates, "CLIENT", folder / "pki" / "kubelet-client-current.pem")
    document = tmp_path / "release.json"
    document.write_text(text("ha").replace("/var/lib/kubelet/", f"{folder}/"))
    monkeypatch.setattr(converge.sys, "argv", ["agent", str(document)])
    monkeypatch.setattr(host, "ARCHITECTURES", {os.uname().machine: "amd64"})
    certificate = folder / "pki" / "kubelet-client-current.pem"
    certificate.parent.mkdir()
    certificate.touch()
    return folder


@pytest.fixture
def prepared(monkeypatch):
    """A host that is as it is to be, and a member of etcd; `steps` tells what was done there."""
    steps = []
    for module, name in (
        (host, "take_name"), (settings, "ensure"), (kernel, "ensure"),
        (settings, "resolve_names"), (storage, "ensure"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, lambda: None)
    monkeypatch.setattr(packages, "ensure", lambda archive: steps.append(("packages", archive)))
    monkeypatch.setattr(debian, "ensure", lambda release, turns, specs=(): None)
    monkeypatch.setattr(host, "read", lambda release: MASTER)
    monkeypatch.setattr(turns, "load", lambda release, me, digest: FreeTurns())
    first = {"INITIAL_CLUSTER": "etcd1=https://etcd1.weave.local:2380", "CLUSTER_STATE": "new"}
    monkeypatch.setattr(membership, "prepare", lambda release, me, turns: first)
    monkeypatch.setattr(membership, "has_expired", lambda release, me: False)
    monkeypatch.setattr(membership, "settle", lambda release, me, turns: None)
    return steps


@pytest.fixture
def machine(root, prepared, monkeypatch, engine, programs, serial):
    """A master whose system paths are in a folder; `steps` tells what was done beside containers."""
    steps = prepared
    monkeypatch.setattr(network, "load", lambda release, me: Network(steps))
    monkeypatch.setattr(images, "ensure", lambda release, names: steps.append(("images", *names)))
    monkeypatch.setattr(images, "ensure_for_pods", lambda release, names: None)
    monkeypatch.setattr(health, "healthy", lambda spec, engine: True)
    monkeypatch.setattr(health, "serves", lambda spec, engine: True)
    monkeypatch.setattr(health, "wait_answering", lambda spec, engine: None)
    monkeypatch.setattr(cluster_dns, "ask", lambda server, name: "ok")
    monkeypatch.setattr(health, "api_ready", lambda ca, seconds, meanwhile: steps.append("api ready"))
    monkeypatch.setattr(
        bundle, "secrets", lambda release, c: {name: f"{c} {name} expires @EXPIRATION@\n" for name in FILES}
    )
    monkeypatch.setattr(kubectl, "api", lambda: Api(root.parent / "applied"))
    wants = root / "units" / "multi-user.target.wants"
    programs.put("systemctl", f'if [ "$1" = enable ]; then mkdir -p {wants}; touch "{wants}/$3"; fi')
    programs.put("iptables")
    return SimpleNamespace(steps=steps, engine=engine, serial=serial, programs=programs, root=root)


def said(machine):
    lines = machine.serial.read_text().split("\n") if machine.serial.exists() else []
    return [line.strip() for line in lines if line.strip()]


def names(machine):
    return [line.split("stage=")[1].split()[0] for line in said(machine)]


STAGES = [
    "boot", "fetch", "host", "images", "network", "etcd", "kube-apiserver", "kube-controller-manager",
    "kube-scheduler", "kubelet", "kube-proxy", "addons", "debian", "ready",
]  # fmt: skip


def test_a_master_from_nothing(machine):
    assert converge.main() == 0
    assert names(machine) == STAGES
    packages, (kind, *wanted), network = machine.steps[:3]
    assert packages == ("packages", None)
    assert kind == "images" and {"cni", "etcd", "hyperkube", "pause"} <= set(wanted)
    assert network == "network up"
    started = [step[1] for step in machine.engine.done if step[0] == "start"]
    assert started == ["etcd1", "kube-apiserver", "kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy"]


def test_the_console_is_what_status_reads(machine):
    converge.main()
    assert stages(machine.serial.read_text()).stage == "ready"


def test_the_second_time_changes_nothing_and_says_nothing(machine):
    converge.main()
    before, runs = said(machine), machine.programs.runs()
    machine.engine.done.clear()
    assert converge.main() == 0
    assert machine.engine.done == []
    assert said(machine) == before
    asked = [line for line in machine.programs.runs()[len(runs) :] if " -C " not in line]  # -C only looks
    assert asked == []


def test_ready_is_said_again_now_and_then(machine):
    """Clouds keep only the end of a console."""
    converge.main()
    assert names(machine) == STAGES
    said_ready = converge.READY.read_text().split()[0]
    converge.READY.write_text(f"{said_ready} {time.monotonic() - converge.AGAIN_SECONDS - 1}")
    assert converge.main() == 0
    assert names(machine) == [*STAGES, "ready"]
    assert converge.main() == 0
    assert names(machine) == [*STAGES, "ready"]


def test_a_machine_is_ready_without_dns_and_says_when_it_has_it(machine, monkeypatch):
    """The first master is: the pods of DNS may run elsewhere, later."""
    machine.programs.put("systemd-run")
    monkeypatch.setattr(cluster_dns, "ask", lambda server, name: "refused")
    assert converge.main() == converge.main() == 0
    assert names(machine) == STAGES and said(machine)[-1].endswith(" dns=refused")
    assert stages(machine.serial.read_text()).dns == "refused"
    assert [run.split()[0] for run in machine.programs.runs() if "agent.cluster_dns" in run] == ["systemd-run"] * 2
    monkeypatch.setattr(cluster_dns, "ask", lambda server, name: "ok")
    assert converge.main() == converge.main() == 0
    assert names(machine) == [*STAGES, "ready"] and said(machine)[-1].endswith(" dns=ok")


def test_a_machine_that_works_but_cannot_fetch_says_so_each_time_until_it_can(machine, monkeypatch):
    converge.main()
    before = len(said(machine))
    monkeypatch.setenv("ANYWHERE_PROBLEM", "HTTP 403:  AccessDenied")
    for _ in range(2):
        assert converge.main() == 1
    assert said(machine)[before:] == ["anywhere: failed stage=fetch reason=HTTP 403: AccessDenied"] * 2
    monkeypatch.delenv("ANYWHERE_PROBLEM")
    assert converge.main() == 0
    assert names(machine)[-1] == "ready"


def test_after_a_boot_the_stages_are_said_again(machine):
    converge.main()
    converge.READY.unlink()
    converge.BOOTED.unlink()  # /run is empty after a boot
    for container in machine.engine.containers.values():
        container["running"] = False
    machine.engine.done.clear()
    before = len(said(machine))
    assert converge.main() == 0
    assert names(machine)[before:] == STAGES
    assert {step[0] for step in machine.engine.done} == {"start"}


@pytest.mark.parametrize("error", [NodeError("no\r\nroute   to host"), OSError("no route to host")])
def test_a_stage_that_fails_is_said(machine, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(Network, "up", fail)
    assert converge.main() == 1
    assert said(machine)[-1] == "anywhere: failed stage=network reason=no route to host"
    assert machine.engine.done == []
    found = stages(machine.serial.read_text())
    assert "no route to host" in str(found)


def test_a_fault_of_the_agent_itself_is_said_too(machine, monkeypatch):
    monkeypatch.setattr(Network, "up", lambda self, turns: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        converge.main()
    assert said(machine)[-1].startswith("anywhere: failed stage=network reason=ZeroDivisionError")


def test_a_component_that_does_not_start_stops_the_rest(machine):
    machine.engine.broken.add(release("ha")["images"]["hyperkube"]["id"])
    assert converge.main() == 1
    assert said(machine)[-1].startswith("anywhere: failed stage=kube-apiserver reason=kube-apiserver: ")
    assert "kubelet" not in machine.engine.names()
    machine.engine.broken.clear()
    assert converge.main() == 0
    assert names(machine)[-1] == "ready"


def test_a_failure_after_ready_is_said_and_so_is_its_end(machine, monkeypatch):
    converge.main()
    with monkeypatch.context() as patch:
        patch.setattr(Network, "up", lambda self, turns: (_ for _ in ()).throw(NodeError("gone")))
        converge.main()
    assert "failed stage=network" in said(machine)[-1]
    assert converge.main() == 0
    assert names(machine)[-1] == "ready"


def test_keys_on_the_machine_are_for_root_alone(machine):
    converge.main()
    private = [*kubectl.KEYS.iterdir(), machine.root / "bootstrap-kubeconfig", machine.root / "kubeconfig"]
    assert len(private) > 3
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
    assert kubectl.KEYS.stat().st_mode & 0o777 == 0o700


def test_addons_are_applied_by_group_and_only_when_they_change(machine):
    converge.main()
    applied = (machine.root.parent / "applied").read_text()
    assert applied.index("addons bootstrap-token.yaml") < applied.index("kind: Deployment")
    found = release("ha")
    found["addons"]["cluster"]["dns.yaml"] += "# more\n"
    assert addons.apply(found, "cluster") is True
    assert addons.apply(found, "cluster") is False
    assert addons.apply(found, "bootstrap") is False


def test_what_could_not_be_applied_is_tried_again(machine, monkeypatch):
    addons.install_keys(release("ha"))
    with monkeypatch.context() as patch:
        patch.setattr(Api, "apply", refuse)
        with pytest.raises(NodeError, match="refused"):
            addons.apply(release("ha"), "cluster")
    assert addons.apply(release("ha"), "cluster") is True


def test_each_object_is_applied_at_its_path(machine):
    Api.paths.clear()
    addons.apply(release("ha"), "cluster")
    assert Api.paths[0] == "/api/v1/namespaces/kube-system/serviceaccounts/coredns"
    assert Api.paths[-1] == addon_record.PATH
    assert "/apis/apps/v1/namespaces/kube-system/deployments/coredns" in Api.paths


def refuse(self, objects, made=None):
    raise NodeError("refused")


def test_a_masters_services_run_from_this_archive(machine):
    converge.main()
    for name, program in (
        ("approver", "agent.approver 10.20.0.0/16 10.32.0.0/12"),
        ("snapshot", "agent.snapshot /var/lib/anywhere/release.json"),
        ("drain", "agent.drain "),
        ("front", "agent.front /var/lib/anywhere/release.json 10.20.1.1"),
        ("rollout", "agent.rollout "),
    ):
        text = (service.UNITS / f"anywhere-{name}.service").read_text()
        assert f"PYTHONPATH={service.HOME}" in text and "@" not in text
        assert program in text
    assert [run for run in machine.programs.runs() if "systemctl" in run] == [
        f"systemctl {words}"
        for unit in ("guard", "approver", "snapshot", "front", "drain", "rollout")
        for name in (f"anywhere-{unit}.service",)
        for words in (f"enable --no-reload {name}", f"restart {name}")
    ] + ["systemctl enable --no-reload anywhere-network.service"]


def test_the_bootstrap_token_is_kept_alive_in_time(machine):
    converge.main()
    applied = machine.root.parent / "applied"
    said = re.search(r"expires (\S+)", applied.read_text())[1]
    left = datetime.strptime(said, "%Y-%m-%dT%H:%M:%S%z") - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(hours=24)
    for hours, again in ((11, 0), (13, 1), (-1, 1)):  # -1: the clock was set back
        applied.write_text("")
        os.utime(addons.STATE / "addons-bootstrap", (time.time() - 3600 * hours,) * 2)
        assert converge.main() == 0
        assert applied.read_text().count("expires") == again, hours
        assert "kind: Deployment" not in applied.read_text()


def test_what_somebody_deleted_or_edited_is_applied_again_in_minutes(machine):
    converge.main()
    applied = machine.root.parent / "applied"
    for minutes, again in ((9, False), (11, True), (9, False)):
        applied.write_text("")
        os.utime(addons.STATE / "addons-cluster", (time.time() - 60 * minutes,) * 2)
        assert converge.main() == 0
        assert ("kind: Deployment" in applied.read_text()) is again


def test_a_token_that_another_replaced_is_not_applied_again(machine, monkeypatch):
    converge.main()
    monkeypatch.setattr(bundle, "secrets", lambda release, c: {name: f"{c} {name} anew\n" for name in FILES})
    applied = machine.root.parent / "applied"
    applied.write_text("")
    assert converge.main() == 0
    assert "addons bootstrap-token.yaml anew" in applied.read_text()
