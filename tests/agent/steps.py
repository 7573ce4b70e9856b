"""The steps of converge, each replaced by one that only notes its name."""

import json

from agent import __main__ as converge
from agent import (
    addons,
    bundle,
    cluster_dns,
    containerd,
    containers,
    debian,
    expiry,
    guard,
    health,
    host,
    images,
    kernel,
    leave,
    leftovers,
    membership,
    network,
    node_certificates,
    own_addons,
    packages,
    proxy,
    replacement,
    resolver,
    restore,
    resume,
    retire,
    service,
    settings,
    storage,
    turns,
)
from agent.host import Host
from agent.turns import AtOnce
from free_turns import FreeTurns

FIRST = {"INITIAL_CLUSTER": "etcd1=https://etcd1.weave.local:2380", "CLUSTER_STATE": "new"}
MACHINES = {
    "etcd": Host("etcd1", "etcd", "etcd", "10.20.0.10", "10.0.2.100", 1500),
    "master": Host("master1", "master", "master", "10.20.1.10", "10.0.2.100", 1500),
    "worker": Host("worker-general-1", "worker", "worker-general", "10.20.4.1", "10.0.2.100", 1500),
}
NOTED = (
    (host, ("take_name", "read")), (settings, ("ensure", "resolve_names")), (kernel, ("ensure",)),
    (packages, ("ensure",)), (guard, ("ensure",)), (leave, ("due", "leave", "clear", "prepare", "stay")),
    (images, ("ensure", "ensure_for_pods")), (resolver, ("ensure",)), (resume, ("prepare",)), (storage, ("ensure",)),
    (expiry, ("tell",)), (leftovers, ("remove",)), (cluster_dns, ("check", "watch")), (proxy, ("ensure",)),
    (health, ("api_ready", "wait_answering")), (node_certificates, ("sign_first",)), (addons, ("install_keys",)),
    (turns, ("load",)), (retire, ("due",)), (containerd, ("retire_earlier",)), (restore, ("ensure", "settle")),
)  # fmt: skip

HANDED = ("bootstrap-kubeconfig", "kubeconfig")  # to a machine, for its kubelet and its proxy


class Steps(list):
    """What is called, in order; `me` is the machine, `leaving` whether it is to leave, `dns` what DNS answers.

    `expired` is whether the certificate of its member of etcd has, `retiring` whether the release no longer has the
    machine, `blank` whether no component ran there yet, `new` whether it never was ready, `changed` whether
    components are started or replaced, `stops` the step that does not go on, and with what.
    """

    me, leaving, retiring, dns, stops = MACHINES["master"], False, False, "ok", ("", None)
    expired, blank, new, changed = False, False, False, False

    def __init__(self, document):
        self.document, self.turns = document, FreeTurns()
        self.turns.said = self

    def append(self, step):
        super().append(step)
        name, error = self.stops
        if step == name:
            raise error

    def note(self, name, answer=lambda: None):
        return lambda *_, **__: (self.append(name), answer())[1]

    def with_turns(self, name, answer=None):
        def step(release, me, turns):
            assert turns is self.turns
            self.append(name)
            return answer

        return step

    def patch(self, monkeypatch):
        """Put these in the place of all steps."""
        answers = {
            "host.read": lambda: self.me, "leave.due": lambda: self.leaving, "retire.due": lambda: self.retiring,
            "cluster_dns.check": lambda: self.dns, "turns.load": lambda: self.turns,
        }  # fmt: skip
        for module, names in NOTED:
            for name in names:
                step = f"{module.__name__.removeprefix('agent.')}.{name}"
                monkeypatch.setattr(module, name, self.note(step, answers.get(step, lambda: None)))
        monkeypatch.setattr(debian, "ensure", self.update)
        monkeypatch.setattr(host, "CONVERGED", self.document.with_name("converged"))
        if not self.new:
            host.CONVERGED.touch()
        monkeypatch.setattr(network, "load", lambda release, me: Network(self))
        monkeypatch.setattr(membership, "prepare", self.with_turns("membership.prepare", FIRST))
        monkeypatch.setattr(membership, "has_expired", lambda release, me: self.expired)
        monkeypatch.setattr(membership, "settle", self.with_turns("membership.settle"))
        monkeypatch.setattr(retire, "retire", self.with_turns("retire.retire"))
        for name in ("filled", "ensure", "begin", "create"):
            monkeypatch.setattr(containers, name, getattr(self, name))
        monkeypatch.setattr(addons, "apply", lambda release, group: self.append(f"addons.apply {group}"))
        monkeypatch.setattr(own_addons, "apply", lambda release: self.append("own_addons.apply"))
        monkeypatch.setattr(service, "ensure", lambda name, **_: self.append(name))
        monkeypatch.setattr(replacement, "is_there", lambda name: not self.blank)
        monkeypatch.setattr(bundle, "fetch_all", lambda release, specs: self.append("bundle.fetch_all"))
        monkeypatch.setattr(bundle, "secrets", lambda *_: dict.fromkeys(("ca.crt", *HANDED), ""))
        for module in (converge, bundle):
            monkeypatch.setattr(module, "put", lambda path, *_, **__: self.append(f"put {path.name}"))

    def update(self, release, turns, specs=()):
        if isinstance(turns, AtOnce):
            assert not specs
            return self.append("debian at once")
        assert turns is self.turns and specs and all(spec["health"] for spec in specs)
        self.append("debian")

    def filled(self, release, spec, me, network, **more):
        assert not more or (more == FIRST and spec["component"] == "etcd")
        return spec

    def begin(self, release, spec, network, turns):
        assert turns is self.turns
        self.append(f"begin {spec['component']}")

    def create(self, release, spec, network, turns):
        assert turns is self.turns
        self.append(f"create {spec['component']}")

    def ensure(self, release, spec, network, turns):
        if isinstance(turns, AtOnce):
            assert (spec["component"], spec["ready"]) == ("etcd", "")
            return self.append("etcd at once")
        specs = json.loads(self.document.read_text())["roles"][self.me.role]["containers"]
        assert turns is self.turns and spec == next(s for s in specs if s["component"] == spec["component"])
        self.append(spec["component"])
        return self.changed


class Network:
    def __init__(self, steps):
        self._steps = steps

    def begin(self):
        self._steps.append("network.begin")

    def up(self, turns):
        assert turns is self._steps.turns
        self._steps.append("network.up")

    def repair(self):
        self._steps.append("network.repair")

    def settle(self, turns):
        assert turns is self._steps.turns
        self._steps.append("network.settle")

    def images(self):
        return ()

    def name_servers(self):
        return ()
