"""The manifests of a cluster's add-ons, by group. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from math import ceil
from typing import Any

from generator import addon_catalog
from generator.addon_catalog import BOOTSTRAP, ONCE_UP
from generator.definition import SIZES, Definition
from generator.image_reference import image_name
from generator.lock import Lock
from generator.own_addon import OwnAddon

# How many machines and CPUs a pod of the cluster's DNS is for: as the proportional autoscaler of Kubernetes has it.
DNS_MACHINES, DNS_CPUS = 16, 256
VERSION_DIGITS = 12
DNS_CROWD = 4  # pods of it for each machine that there is at least, at most: all must find room while a pool is small


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
    values = {
        "images": {name.replace("-", "_"): pod_ref(lock, name) for name in next(iter(lock.images.values()))},
        # Machines that are handed archives have every image; their names are in no registry.
        "pull": "IfNotPresent" if definition.registry else "Never",
        "dns": dns,
        "driver": lock.driver,
        "masters": definition.masters.count,
        "machines": definition.masters.count + sum(pool.count for pool in definition.workers),
        "dns_replicas": dns_replicas(definition),
        "dns_machines": dns_machines(definition),
    }
    rendered: dict[str, dict[str, str]] = {BOOTSTRAP: {}, ONCE_UP: {}}
    for addon in addon_catalog.chosen(definition.addons, lock.driver):
        address = addon.service_address(definition.network.services)
        own = {"address": address, "pulled_as": addon.pulled_as, "files": addon.files}
        rendered[addon.group] |= {name: _render(text, {**values, **own}) for name, text in addon.manifests.items()}
    return rendered


def dns_replicas(definition: Definition) -> int:
    """How many pods answer for names: enough for all machines that pools may grow to, two where there are two.

    Masters count, whether ordinary pods run there or not: those of DNS do.
    """
    masters, pools = definition.masters, definition.workers
    machines = masters.count + sum(pool.most for pool in pools)
    cpus = SIZES[masters.size].cpus * masters.count + sum(SIZES[pool.size].cpus * pool.most for pool in pools)
    wanted = max(ceil(cpus / DNS_CPUS), ceil(machines / DNS_MACHINES))
    return max(2 if machines > 1 else 1, min(wanted, DNS_CROWD * dns_machines(definition)))


def dns_machines(definition: Definition) -> int:
    """How many machines there are at least that pods of the cluster's DNS may run on."""
    pools = (pool for pool in definition.workers if all(taint.endswith(":PreferNoSchedule") for taint in pool.taints))
    return definition.masters.count + sum(pool.least for pool in pools)


def workloads(definition: Definition, lock: Lock) -> tuple[tuple[str, str], ...]:
    """Kind and name of each workload in the manifests; all are in kube-system."""
    return tuple(each for addon in addon_catalog.chosen(definition.addons, lock.driver) for each in addon.workloads)


def own(definition: Definition, lock: Lock) -> list[dict[str, Any]]:
    """The add-ons that the definition brings, as machines apply them; `version` is another one with each change."""
    return [_own(addon, lock) for addon in definition.own_addons]


def _own(addon: OwnAddon, lock: Lock) -> dict[str, Any]:
    locked = next(iter(lock.images.values()), {})

    def pinned(reference: str) -> str:
        name = image_name(reference)
        return pod_ref(lock, name) if name in locked else reference

    content = {
        "name": addon.name,
        "namespace": addon.namespace,
        "objects": [found.with_images(pinned) for found in addon.objects],
    }
    text = json.dumps(content, sort_keys=True)
    return {**content, "version": hashlib.sha256(text.encode()).hexdigest()[:VERSION_DIGITS]}


def _render(template: str, values: Mapping[str, Any]) -> str:
    import jinja2

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return environment.from_string(template).render(values)
