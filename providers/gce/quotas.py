"""How much of something a region or the project may have, and how much of it is in use.

Each function says how much there is room for, and raises UserError where that is too little.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from generator.definition import SIZES, Definition
from generator.errors import UserError
from providers import locked
from providers.gce import disks, refusal, regions, section, sizes
from providers.gce.machines import GROUP, instances
from providers.gce.session import Session
from providers.groups import Group

LOOK = "see what quotas leave"
SPOT = "PREEMPTIBLE_CPUS"
SHARED = frozenset({"e2", "f1", "g1", "n1"})  # families that count as CPUS; others have a quota of their own

Kinds = Mapping[str, Any]  # machine type -> what Compute says of it
New = Sequence[tuple[Group, int]]


def new(session: Session, definition: Definition) -> New:
    """Groups, and how many of their machines are not there yet."""
    there = Counter(instance.labels.get(GROUP, "") for instance in instances(session, definition.name, LOOK))
    return [(group, max(0, group.count - there[group.name])) for group in sizes.groups(definition)]


def cpus(session: Session, kinds: Kinds, new: New) -> str:
    """CPUs of the machines that are not there yet, of the region."""
    has = _limits(regions.described(session, LOOK).quotas)
    wanted: Counter[str] = Counter()
    for group, count in new:
        wanted[_metric(group, has)] += count * kinds[group.type].guest_cpus
    return _room(session, session.region, has, wanted)


def region(session: Session, definition: Definition, new: New) -> str:
    """Machines, disks and addresses of the region that are not there yet."""
    gce, wanted = section.of(definition), Counter[str]()
    for group, count in new:
        gib = SIZES[group.size].disk + (disks.ETCD if _keeps_etcd(group, definition) else 0)
        wanted[disks.QUOTAS[disks.kind(group.type)]] += count * gib
        wanted["INSTANCES"] += count
    if _nothing_there(new):
        balanced, nat = locked.balanced(definition, gce), gce.network is None and gce.nat == "one"
        wanted += Counter({"STATIC_ADDRESSES": int(balanced), "IN_USE_ADDRESSES": int(balanced) + int(nat)})
    return _room(session, session.region, _limits(regions.described(session, LOOK).quotas), wanted)


def project(session: Session, definition: Definition, kinds: Kinds, new: New) -> str:
    """CPUs of all regions, and the network, of the project."""
    own = section.of(definition).network is None and _nothing_there(new)
    wanted = Counter(
        CPUS_ALL_REGIONS=sum(count * kinds[group.type].guest_cpus for group, count in new if not group.spot),
        NETWORKS=int(own),
    )
    found = session.call("ProjectsClient", "get", LOOK)
    return _room(session, f"Project {session.project}", _limits(found.quotas), wanted)


def _nothing_there(new: New) -> bool:
    return all(count == group.count for group, count in new)


def _keeps_etcd(group: Group, definition: Definition) -> bool:
    return group.name == ("etcd" if definition.etcd.count else "master")


def _metric(group: Group, has: Mapping[str, Any]) -> str:
    """What CPUs of `group` count as: spot machines have a quota of their own where the region has granted one."""
    if group.spot and SPOT in has and has[SPOT].limit:
        return SPOT
    family = re.split(r"-", group.type, maxsplit=1)[0]
    return "CPUS" if family in SHARED else f"{family.upper()}_CPUS"


def _limits(quotas: Iterable[Any]) -> dict[str, Any]:
    return {quota.metric: quota for quota in quotas}


def _room(session: Session, who: str, has: Mapping[str, Any], wanted: Counter[str]) -> str:
    said = []
    for metric, count in sorted(wanted.items()):
        if not count:
            continue
        if metric not in has:  # Compute does not tell those of the newest families, such as C4A
            said.append(f"{count} {metric} more to take, of a number that Google does not tell here")
            continue
        quota = has[metric]
        if quota.usage + count > quota.limit:
            raise UserError(
                f"{who} grants {quota.limit:g} {metric}; {quota.usage:g} are in use, and the cluster takes {count} "
                "more.",
                refusal.more(session.project),
            )
        said.append(f"{count} {metric} more to take, {quota.usage:g} of {quota.limit:g} in use")
    return "; ".join(said) or "nothing more to take"
