"""How much of something a region may have, and how much of it is in use."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from generator.definition import Definition
from generator.errors import UserError
from generator.topology import Topology
from providers.gce import section, sizes
from providers.gce.machines import GROUP, instances
from providers.gce.session import Session
from providers.groups import Group

LOOK = "see what the region's quotas leave"
FAMILIES = {"e2": "CPUS", "n1": "CPUS"}  # others have a quota of their own, such as C4A_CPUS


def region(session: Session) -> Any:
    """The region, with its quotas."""
    return session.call("RegionsClient", "get", LOOK, region=session.region)


def cpus(session: Session, definition: Definition, zone: str) -> str:
    """CPUs of the machines that are not there yet; UserError where the region does not grant them."""
    there = Counter(i.labels.get(GROUP, "") for i in instances(session, definition.name, LOOK))
    wanted: Counter[str] = Counter()
    for group in sizes.groups(definition):
        new = max(0, group.count - there[group.name])
        if new:
            kind = session.call("MachineTypesClient", "get", LOOK, zone=zone, machine_type=group.type)
            wanted[_metric(group)] += new * kind.guest_cpus
    return _room(session, definition, wanted)


def others(session: Session, definition: Definition, topology: Topology) -> str:
    """Disks and addresses of the machines that are not there yet; UserError where there is no room for them."""
    there = {i.labels.get("anywhere-name", i.name) for i in instances(session, definition.name, LOOK)}
    new = [machine for machine in topology.machines if machine.name not in there]
    gce = section.of(definition)
    balanced = gce.get("load_balancer")
    addresses = int(definition.masters.count > 1 if balanced is None else balanced) + int(
        gce.get("nat", "one") == "one"
    )
    wanted = Counter({"SSD_TOTAL_GB": sum(m.size.disk + (10 if "etcd" in m.components else 0) for m in new)})
    if not there:
        wanted["IN_USE_ADDRESSES"] = addresses
    return _room(session, definition, wanted)


def _metric(group: Group) -> str:
    family = re.split(r"[-0-9]*-", group.type, maxsplit=1)[0]
    if group.spot:
        return "PREEMPTIBLE_CPUS"
    return FAMILIES.get(family, f"{family.upper()}_CPUS")


def _room(session: Session, definition: Definition, wanted: Counter[str]) -> str:
    quotas = {quota.metric: quota for quota in region(session).quotas}
    said = []
    for metric, count in sorted(wanted.items()):
        # A region without a quota of spot CPUs, or of a family, counts them as any other.
        quota = quotas.get(metric) or quotas.get("CPUS" if metric.endswith("CPUS") else metric)
        if quota is None or not count:
            continue
        if quota.usage + count > quota.limit:
            raise UserError(
                f"{session.region} grants {quota.limit:g} {quota.metric}; {quota.usage:g} are in use, and the cluster "
                f"takes {count} more.",
                f"Ask for more: https://console.cloud.google.com/iam-admin/quotas?project={session.project}",
            )
        said.append(f"{count} {quota.metric} more to take, {quota.usage:g} of {quota.limit:g} in use")
    return "; ".join(said) or "nothing more to take"
