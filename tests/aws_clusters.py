"""Clusters on AWS for tests, by name."""

from __future__ import annotations

from typing import Any

FIRST, SECOND, PUBLIC = (f"subnet-0123456789abcdef{number}" for number in range(3))
VPC = {"id": "vpc-0123456789abcdef0", "subnets": [FIRST, SECOND], "public_subnets": [PUBLIC]}
SUBNETS = [
    {"id": FIRST, "zone": "eu-west-1b", "cidr": "10.20.64.0/20"},
    {"id": SECOND, "zone": "eu-west-1c", "cidr": "10.20.80.0/20"},
]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXdwlv7TC0DgiSmxj8Jj5SJmIRTmIWVCFXwPoBZWRmO me \U0001f680"
SPOT = {"workers": [{"name": "cheap", "count": 2, "size": "medium", "arch": "arm64", "spot": True, "min": 1, "max": 5}]}
# The example of each, and what differs from it.
CLUSTERS: dict[str, dict[str, Any]] = {
    "star-wars": {"case": "star-wars"},
    "ha": {"case": "ha"},
    "closed": {"case": "star-wars", "section": {"nat": "none"}},
    "zonal": {"case": "ha", "section": {"nat": "zone", "load_balancer": False, "tags": {"team": "a b"}}},
    "existing": {
        "case": "ha",
        "section": {"vpc": VPC},
        "facts": {"subnets": SUBNETS, "zones": ["eu-west-1b", "eu-west-1c"]},
    },
    "spot": {"case": "star-wars", "spec": {**SPOT, "access": {"ssh_keys": [KEY]}}},
    "flannel": {"case": "star-wars", "spec": {"network": {"driver": "flannel"}}},
    "open": {"case": "star-wars", "section": {"admin_cidrs": ["0.0.0.0/0"], "load_balancer": True}},
}
