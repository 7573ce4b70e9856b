"""A cluster in a rollout: three masters that run the release, the API, and workers that follow."""

import hashlib
import json
import os

from agent import containers, host, kubectl
from agent.host import NodeError
from agent.rollout import STATUS, Controller
from agent.turns.worker import RELEASE, TURN
from machines import Machines
from node_api import VERSION, Api, node
from releases import release, text

ALL = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "debian")
TEXT = text("ha")
DIGEST = hashlib.sha256(TEXT.encode()).hexdigest()
KUBELET = next(c for c in release("ha")["roles"]["worker"]["containers"] if c["component"] == "kubelet")
IDENTITY = containers.identity_of(release("ha"), KUBELET)


class Cluster(Machines):
    """Three masters that run the release, and the API; the leading master's `controller`."""

    def __init__(self, tmp_path, monkeypatch):
        super().__init__("ha", tmp_path, monkeypatch)
        self.document = tmp_path / "release.json"
        self.document.write_text(TEXT)
        monkeypatch.setattr(host, "ARCHITECTURES", {os.uname().machine: "amd64"})
        self.api, self.drained, self.stuck = Api(*(node(f"master{n}") for n in (1, 2, 3))), [], set()
        monkeypatch.setattr(kubectl, "run", self._drain)
        monkeypatch.setattr(kubectl, "api", lambda: self.api)
        self.controller = Controller(self.document, self.client, self.api)
        self.record(*ALL, digest=DIGEST)

    def _drain(self, image, container, verb, name, *options):
        self.drained.append(name)
        self.api.nodes[name]["spec"]["unschedulable"] = True
        if name in self.stuck:
            raise NodeError("a disruption budget forbids it")

    def workers(self, number, **more):
        for n in range(1, number + 1):
            name = f"worker-general-{n:03}"
            self.api.nodes[name] = node(name, **({"release": "old", "waits": DIGEST} | more))

    def said(self, name):
        return self.api.nodes[name]["metadata"]["annotations"]

    def given(self):
        return [name for name in sorted(self.api.nodes) if self.said(name).get(TURN) == DIGEST]

    def converge(self):
        """The workers that have their turn run the release."""
        for name in self.given():
            self.said(name)[RELEASE] = DIGEST
            self.api.nodes[name]["status"]["nodeInfo"]["kubeletVersion"] = VERSION

    def publish_taints(self, group, *taints):
        """Give the release other taints for a group. It runs on the control plane already; its checksum."""
        whole = json.loads(TEXT)
        whole["groups"][group]["taints"] = list(taints)
        content = json.dumps(whole)
        self.document.write_text(content)
        digest = hashlib.sha256(content.encode()).hexdigest()
        self.record(*ALL, digest=digest)
        return digest

    def status(self):
        return json.loads(self.api.objects[STATUS]["data"]["status"])
