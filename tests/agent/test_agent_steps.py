"""The steps of converge, all of them and in order: a step that is forgotten or moved is noticed here."""

import os
from types import SimpleNamespace

import pytest
from agent import __main__ as converge
from agent import (
    addons,
    bundle,
    cluster_dns,
    console,
    containers,
    guard,
    health,
    host,
    images,
    kernel,
    leave,
    leftovers,
    network,
    packages,
    proxy,
    resolver,
    resume,
    service,
    settings,
    storage,
)
from agent.host import Host
from releases import text

PREPARE = [
    "host.take_name", "settings.ensure", "proxy.ensure", "kernel.ensure", "packages.ensure",
    "settings.resolve_names", "host.read", "guard.ensure", "leave.due",
]  # fmt: skip
NETWORK = ["leave.clear", "images.ensure", "network.up", "resolver.ensure"]
DONE = ["leftovers.remove", "resume.prepare", "cluster_dns.check"]
MACHINES = {
    "etcd": Host("etcd1", "etcd", "etcd", "10.20.0.10", "10.0.2.100", 1500),
    "master": Host("master1", "master", "master", "10.20.1.10", "10.0.2.100", 1500),
    "worker": Host("worker-general-1", "worker", "worker-general", "10.20.4.1", "10.0.2.100", 1500),
}


@pytest.fixture
def steps(tmp_path, monkeypatch):
    """What is called, in order; `me` is the machine, `leaving` whether it is to leave, `dns` what DNS answers."""

    class Steps(list):
        me, leaving, dns = MACHINES["master"], False, "ok"

    made = Steps()

    def note(name, answer=lambda: None):
        return lambda *_, **__: (made.append(name), answer())[1]

    net = SimpleNamespace(
        up=note("network.up"), images=lambda: (), name_servers=lambda: (), settle=note("network.settle")
    )
    answers = {"read": lambda: made.me, "due": lambda: made.leaving, "check": lambda: made.dns}
    for module, names in (
        (host, ("take_name", "read")), (settings, ("ensure", "resolve_names")), (kernel, ("ensure",)),
        (packages, ("ensure",)), (guard, ("ensure",)), (leave, ("due", "leave", "clear", "prepare")),
        (images, ("ensure",)), (resolver, ("ensure",)), (resume, ("prepare",)), (storage, ("ensure",)),
        (leftovers, ("remove",)), (cluster_dns, ("check", "watch")), (proxy, ("ensure",)),
        (health, ("api_ready",)), (addons, ("install_keys",)),
    ):  # fmt: skip
        for name in names:
            step = f"{module.__name__.removeprefix('agent.')}.{name}"
            monkeypatch.setattr(module, name, note(step, answers.get(name, lambda: None)))
    monkeypatch.setattr(network, "load", lambda release, me: net)
    monkeypatch.setattr(containers, "filled", lambda spec, *_: spec)
    monkeypatch.setattr(containers, "ensure", lambda release, spec, net: made.append(spec["component"]))
    monkeypatch.setattr(containers, "begin", lambda release, spec, net: made.append(f"begin {spec['component']}"))
    monkeypatch.setattr(addons, "apply", lambda release, group: made.append(f"addons.apply {group}"))
    monkeypatch.setattr(service, "ensure", lambda name, **_: made.append(name))
    monkeypatch.setattr(bundle, "secrets", lambda *_: {"ca.crt": "", "bootstrap-kubeconfig": ""})
    monkeypatch.setattr(converge, "put", lambda path, *_, **__: made.append(f"put {path.name}"))
    for name in ("READY", "BOOTED"):
        monkeypatch.setattr(converge, name, tmp_path / name)
    monkeypatch.setattr(console, "CONSOLES", (tmp_path / "serial",))
    monkeypatch.setattr(host, "ARCHITECTURES", {os.uname().machine: "amd64"})
    (tmp_path / "release.json").write_text(text("star-wars"))
    monkeypatch.setattr(converge.sys, "argv", ["agent", str(tmp_path / "release.json")])
    return made


def test_an_etcd_machine(steps):
    steps.me = MACHINES["etcd"]
    assert converge.main() == 0
    assert steps == [*PREPARE, *NETWORK, "storage.ensure", "etcd", "network.settle", *DONE]


def test_a_master(steps):
    assert converge.main() == 0
    assert steps == [
        *PREPARE, *NETWORK,
        "kube-apiserver", "network.settle", "addons.install_keys",
        "anywhere-approver.service", "anywhere-drain.service", "addons.apply bootstrap",
        "put bootstrap-kubeconfig", "put ca.crt", "health.api_ready",
        "begin kube-controller-manager", "begin kubelet", "begin kube-proxy", "begin kube-scheduler",
        "kube-controller-manager", "network.settle", "kubelet", "network.settle",
        "kube-proxy", "network.settle", "kube-scheduler", "network.settle",
        "addons.apply cluster", *DONE,
    ]  # fmt: skip


def test_a_worker(steps):
    steps.me = MACHINES["worker"]
    assert converge.main() == 0
    assert steps == [
        *PREPARE, *NETWORK,
        "put bootstrap-kubeconfig", "put ca.crt", "health.api_ready", "begin kubelet", "begin kube-proxy",
        "kubelet", "network.settle", "kube-proxy", "network.settle", "leave.prepare", *DONE,
    ]  # fmt: skip


def test_a_worker_that_its_target_takes_away(steps):
    steps.me, steps.leaving = MACHINES["worker"], True
    assert converge.main() == 0
    assert steps == [*PREPARE, "leave.leave"]


def test_dns_that_does_not_answer_is_watched(steps):
    steps.dns = "timeout"
    assert converge.main() == 0
    assert steps[-2:] == ["cluster_dns.check", "cluster_dns.watch"]
