"""Which type of disk a machine type takes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from generator.definition import Definition
from providers.gce import sizes

ETCD = 10  # GiB: the smallest disk that Google makes
BALANCED, HYPER = "pd-balanced", "hyperdisk-balanced"
QUOTAS: Mapping[str, str] = {BALANCED: "SSD_TOTAL_GB", HYPER: "HDB_TOTAL_GB"}

# From the fourth generation on (C4A, N4) machines take no Persistent Disks; T2A and E2 take no others.
_HYPER_ONLY = re.compile(r"[acghmnx]([4-9]|\d\d)")


def kind(machine: str) -> str:
    """The type of the disks of a machine type, such as pd-balanced of e2-medium."""
    return HYPER if _HYPER_ONLY.match(machine) else BALANCED


def types(definition: Definition) -> dict[str, str]:
    """`SIZE-ARCH` -> type of disk, for the machines that the cluster has."""
    return {name: kind(machine) for name, machine in sizes.types(definition).items()}
