"""Machines of a control plane that take their turns in one etcd in memory."""

import time
from types import SimpleNamespace

from agent import bundle, etcd, halts, progress, snapshot
from agent.host import Host
from agent.turns import DEBIAN, control_plane
from agent.turns.control_plane import ControlPlane
from etcd_gateway import Client, Cluster
from releases import release

DIGEST = "d" * 64


class Machines:
    """The machines of a golden release. `down` are the names of those whose API server does not answer."""

    def __init__(self, case, tmp_path, monkeypatch):
        self.release, self.down = release(case), set()
        self.etcd = Cluster(*self.release["etcd"]["members"])
        addresses = {each["address"]: name for name, each in self.release["control_plane"].items()}
        self.noted = None  # called with (member, path) before each call to etcd
        monkeypatch.setattr(etcd, "connect", self.connect)
        monkeypatch.setattr(control_plane, "_api_serves", lambda address, ca: addresses[address] not in self.down)
        monkeypatch.setattr(bundle, "secrets", lambda release, component: {"server-ca.crt": "ca"})
        monkeypatch.setattr(halts, "RUN", tmp_path / "run")
        monkeypatch.setattr(progress, "WRITTEN", tmp_path / "run" / "progress.json")
        monkeypatch.setattr(control_plane, "ATTENTION_SECONDS", -1)
        monkeypatch.setattr(control_plane, "RECORD_SECONDS", -1)
        clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: time.sleep(seconds / 1000))
        monkeypatch.setattr(control_plane, "time", clock)

    def connect(self, found, role, first=""):
        members = sorted(found["etcd"]["members"], key=lambda member: member != first)
        return Client(self.etcd, *members, noted=lambda *call: self.noted and self.noted(*call))

    @property
    def client(self):
        return self.connect(self.release, "etcd")

    def host(self, name):
        described = self.release["control_plane"][name]
        return Host(name, described["role"], described["role"], described["address"], "10.0.2.100", 1500)

    def turns(self, name, digest=DIGEST):
        """Those of a machine, once there is a snapshot of what was before."""
        self.etcd.keys[snapshot.TAKEN] = digest, ""
        return ControlPlane(self.release, self.host(name), digest)

    def components(self, name):
        role = self.release["roles"][self.release["control_plane"][name]["role"]]
        return [spec["component"] for spec in role["containers"]]

    def record(self, *components, names=None, digest=DIGEST):
        """Have machines, by default all, run components of the release already, as far as they have them."""
        for name in names or self.release["control_plane"]:
            done = frozenset(components) & {*self.components(name), DEBIAN}
            self.client.put(f"{progress.PREFIX}{name}", progress.Record(digest, done).text())
