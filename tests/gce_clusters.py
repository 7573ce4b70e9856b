"""Clusters on GCE for tests, by name, and how they are rendered."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path
from typing import Any
from unittest import mock

import providers
from tests import clouds

NETWORK = {"name": "shared", "subnetwork": "kubernetes"}
SUBNETS = [{"id": "kubernetes", "zone": "", "cidr": "10.20.64.0/20"}]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXdwlv7TC0DgiSmxj8Jj5SJmIRTmIWVCFXwPoBZWRmO somebody"
KMS_KEY = "projects/galaxy-1138/locations/europe-west1/keyRings/empire/cryptoKeys/death-star"
SPOT = {"workers": [{"name": "cheap", "count": 2, "size": "medium", "arch": "arm64", "spot": True, "min": 1, "max": 5}]}
# The example of each, and what differs from it.
CLUSTERS: dict[str, dict[str, Any]] = {
    "star-wars": {"case": "star-wars"},
    "ha": {"case": "ha"},
    "closed": {"case": "star-wars", "section": {"nat": "none"}},
    "own-key": {"case": "ha", "section": {"kms_key": KMS_KEY, "load_balancer": False, "labels": {"team": "a-b"}}},
    "existing": {"case": "ha", "section": {"network": NETWORK}, "facts": {"subnets": SUBNETS}},
    "spot": {"case": "star-wars", "spec": {**SPOT, "access": {"ssh_keys": [KEY]}}},
    "flannel": {"case": "star-wars", "spec": {"network": {"driver": "flannel"}}},
    "open": {"case": "star-wars", "section": {"admin_cidrs": ["0.0.0.0/0"], "load_balancer": True}},
}

FACTS = {
    "project_number": "123456789012",
    "zones": ["europe-west1-b", "europe-west1-c", "europe-west1-d"],
    "images": {
        arch: f"projects/debian-cloud/global/images/debian-13-trixie-{arch}v20251111" for arch in ("amd64", "arm64")
    },
}
SECTION = {"project": "galaxy-1138", "region": "europe-west1", "admin_cidrs": ["203.0.113.0/24"]}
TYPES = {"small-amd64": "e2-small", "medium-amd64": "e2-medium", "large-amd64": "e2-standard-4"}
TYPES |= {kind.replace("amd64", "arm64"): f"c4a-standard-{cpus}" for kind, cpus in zip(TYPES, (1, 1, 4), strict=True)}


class Adapter:
    """What rendering needs of an adapter."""

    def settings(self, definition, lock):
        section, facts = definition.providers["gce"], lock.facts["gce"]
        known = {"zones": facts["zones"], "project_number": facts["project_number"], "types": TYPES}
        known["load_balancer"] = section.get("load_balancer", definition.masters.count > 1)
        return {key: value for key, value in section.items() if key not in ("sizes", "images", "backend")} | known

    def base_images(self, lock):
        return lock.facts["gce"]["images"]

    def subnets(self, lock):
        return tuple(IPv4Network(subnet["cidr"]) for subnet in lock.facts["gce"].get("subnets", ()))


def write(folder: Path, case: str, **changes) -> Path:
    with (
        mock.patch.dict(clouds.FACTS, gce=FACTS),
        mock.patch.dict(clouds.SECTIONS, gce=SECTION),
        mock.patch.object(providers, "load", lambda name: Adapter()),
    ):
        return clouds.write(folder, "gce", case, **changes)


def started(cluster: clouds.Applied) -> list[dict[str, Any]]:
    """Everything that machines are started from."""
    templates = cluster.all("google_compute_region_instance_template.pool")
    return [*cluster.all("google_compute_instance.machine").values(), *templates.values()]
