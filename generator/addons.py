"""Add-on manifests, by group: `bootstrap` before any machine joins, `cluster` once the control plane is up. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from generator.definition import Definition
from generator.lock import Lock

# By add-on or driver: what its manifests make run, as kind and name.
WORKLOADS = {"dns": ("Deployment", "coredns"), "weave": ("DaemonSet", "weave-npc")}


def pod_ref(lock: Lock, name: str) -> str:
    """What manifests call an image: its tag, and the beginning of its digest.

    Another content has another name, which rolls its pods by the ordinary means of Kubernetes. A manifest is for all
    architectures, so where there are several the digest is one of theirs all.
    """
    images = [of_arch[name] for _, of_arch in sorted(lock.images.items())]
    ids = [image.id.removeprefix("sha256:") for image in images]
    digest = ids[0] if len(ids) == 1 else hashlib.sha256("\n".join(ids).encode()).hexdigest()
    return f"{images[0].ref}-{digest[:12]}"


def manifests(definition: Definition, lock: Lock, dns: str) -> dict[str, dict[str, str]]:
    """Group -> file name -> YAML. `dns` is the address of the DNS Service."""
    wanted = {"dns": "dns.yaml", "weave": "network-policy.yaml"}
    chosen = [wanted[name] for name in (*definition.addons, lock.driver) if name in wanted]
    bootstrap = ["bootstrap.yaml", *(["flannel.yaml"] if lock.driver == "flannel" else [])]
    values = {
        "images": {name.replace("-", "_"): pod_ref(lock, name) for name in next(iter(lock.images.values()))},
        # Machines that are handed archives have every image; their names are in no registry.
        "pull": "IfNotPresent" if definition.registry else "Never",
        "dns": dns,
        "driver": lock.driver,
    }
    return {
        "bootstrap": {name: _render(name, values) for name in bootstrap},
        "cluster": {name: _render(name, values) for name in chosen},
    }


def workloads(definition: Definition, lock: Lock) -> tuple[tuple[str, str], ...]:
    """Kind and name of each workload in the manifests; all are in kube-system."""
    return tuple(WORKLOADS[name] for name in (*definition.addons, lock.driver) if name in WORKLOADS)


def _render(name: str, values: Mapping[str, Any]) -> str:
    import jinja2

    text = resources.files("modules").joinpath("addons", f"{name}.j2").read_text()
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return environment.from_string(text).render(values)
