"""Clusters on GCE for tests, by name, and how they are rendered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests import clouds

NETWORK = {"name": "shared", "subnetwork": "kubernetes"}
SUBNETS = [{"id": "kubernetes", "zone": "", "cidr": "10.20.64.0/20"}]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXdwlv7TC0DgiSmxj8Jj5SJmIRTmIWVCFXwPoBZWRmO me \U0001f680"
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


def write(folder: Path, case: str, **changes: Any) -> Path:
    return clouds.write(folder, "gce", case, **changes)


def started(cluster: clouds.Applied) -> list[dict[str, Any]]:
    """Everything that machines are started from."""
    templates = cluster.all("google_compute_region_instance_template.pool")
    return [*cluster.all("google_compute_instance.machine").values(), *templates.values()]
