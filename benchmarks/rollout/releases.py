"""The releases of a simulation: one that machines have, one that they are brought to, and one that does not work."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.lock import lock
from generator import pki, render, schema, topology
from generator.definition import Definition

DEFINITION = """\
apiVersion: anywhere/v1
kind: Cluster
metadata: {{name: rollout}}
spec:
  etcd: {{count: 0}}
  masters: {{count: 1}}
  workers: {{count: {workers}}}
  addons: [{addons}]
"""
GOOD, BAD = "--v=2", "--no-such-flag"  # flags of the kubelet


def definition(workers: int, addons: Sequence[str] = ("dns",)) -> Definition:
    """One master, and that many workers in one pool."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cluster.yaml"
        path.write_text(DEFINITION.format(workers=workers, addons=", ".join(addons)))
        return schema.load(path)


def first(wanted: Definition) -> str:
    """The release of a cluster as it is rendered, but for its secrets."""
    known = lock(wanted)
    machines = topology.lay_out(wanted, known.blocks)
    secrets = {name: {"roles": list(roles), "version": "0" * 12} for name, roles in pki.readers(machines).items()}
    target = render.Target("local", asdict(wanted.providers.local), {"amd64": "0" * 64})
    return render.tree(wanted, known, machines, target, secrets)["documents/release.json"].decode()


def changed(text: str, flag: str) -> str:
    """The same release with another flag of the workers' kubelet."""
    release = json.loads(text)
    for spec in release["roles"]["worker"]["containers"]:
        if spec["component"] == "kubelet":
            spec["command"].append(flag)
    return json.dumps(release, sort_keys=True)
