"""What a running cluster created on Google by itself: load balancers of Services, volumes of claims, firewall rules.

Terraform knows nothing of these, and a network cannot go while they are there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator.progress import Progress
from providers import waiting
from providers.gce import balancers
from providers.gce.balancers import SERVICE, Balancer
from providers.gce.machines import CLUSTER, NAME, instances
from providers.gce.refusal import GoogleError
from providers.gce.session import Session, last, place
from providers.waiting import until

LOOK = "look for what the cluster created on Google"
REMOVE = "remove what the cluster created on Google"
CHECKS = "https://compute.googleapis.com/compute/v1/projects/{}/global/httpHealthChecks"
CSI = "pd.csi.storage.gke.io"  # who made a disk is in its description


@dataclass(frozen=True, slots=True)
class Volume:
    """A disk of a claim. `field` says what `where` is: zone, or region where the disk is in two zones."""

    name: str
    field: str
    where: str
    holders: tuple[tuple[str, str, str], ...]  # zone, machine, what that calls the disk


@dataclass(frozen=True, slots=True)
class Owned:
    """What a cluster created on Google, in the order in which it can be removed."""

    balancers: tuple[Balancer, ...]
    firewalls: tuple[str, ...]
    volumes: tuple[Volume, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a cluster's own things can be. `network` is the cluster's, or the one that it was put in."""

    cluster: str
    region: str
    network: str
    shared: bool  # the network was there before, and others may be in it
    machines: tuple[Any, ...]

    @property
    def places(self) -> frozenset[str]:
        return frozenset(place(machine.self_link) for machine in self.machines)

    def has_volume(self, disk: Any) -> bool:
        """Whether `disk` was made for a claim of the cluster, and no machine outside of it holds it.

        One that no machine holds is known by a label that the driver was told to set, in the cluster's own region:
        a label is no more than a name, which a cluster elsewhere may have as well.
        """
        if CSI not in disk.description or NAME in disk.labels:
            return False
        if disk.labels.get(CLUSTER, self.cluster) != self.cluster:
            return False
        if disk.users:
            return {place(user) for user in disk.users} <= self.places
        region = last(disk.region) or last(disk.zone).rpartition("-")[0]
        marks = {CLUSTER, f"kubernetes-io-cluster-{self.cluster}"}
        return region == self.region and bool(marks & set(disk.labels))

    def has_firewall(self, rule: Any, own: frozenset[str]) -> bool:
        """Whether `rule` is of a balancer; in the cluster's own network, any rule of any Service is."""
        made = rule.name.startswith("k8s-") or SERVICE in rule.description
        return last(rule.network) == self.network and (rule.name in own or (made and not self.shared))


def scope(session: Session, cluster: str, network: str) -> Scope:
    """`network` is the one that was there before the cluster, "" where the cluster has its own."""
    machines = tuple(instances(session, cluster, LOOK))
    return Scope(cluster, session.region, network or cluster, bool(network), machines)


def find(session: Session, where: Scope) -> Owned:
    """What is there of it now."""
    rules = session.items("FirewallsClient", "list", LOOK, project=session.host)
    alone = frozenset(rule.name for rule in rules if not where.shared and last(rule.network) == where.network)
    found = balancers.all_of(session, where.places, "" if where.shared else where.network, alone, LOOK)
    own = frozenset(name for balancer in found for name in balancer.firewalls)
    disks = session.items("DisksClient", "aggregated_list", LOOK)
    return Owned(
        found,
        tuple(rule.name for rule in rules if where.has_firewall(rule, own)),
        tuple(_volume(disk, where) for disk in disks if where.has_volume(disk)),
    )


def _volume(disk: Any, where: Scope) -> Volume:
    holders = tuple(
        (last(machine.zone), machine.name, attached.device_name)
        for machine in where.machines
        for attached in machine.disks
        if place(attached.source) == place(disk.self_link)
    )
    return Volume(disk.name, "zone" if disk.zone else "region", last(disk.zone or disk.region), holders)


def release(session: Session, where: Scope, progress: Progress) -> None:
    """Remove it all and wait until it is gone. UserError where something stays; nothing else is touched."""
    owned = find(session, where)
    for balancer in owned.balancers:
        progress.note(f"remove {balancer.what} {balancer.name}")
        _delete_balancer(session, balancer)
    for rule in owned.firewalls:
        progress.note(f"remove firewall rule {rule}")
        fields = {"project": session.host, "firewall": rule}
        until(partial(_delete, session, "FirewallsClient", **fields), f"firewall rule {rule}", "Google")
    for volume in owned.volumes:
        progress.note(f"remove disk {volume.name}")
        until(partial(_delete_volume, session, volume), f"disk {volume.name}", "Google")


def lines(owned: Owned) -> Iterator[str]:
    """What is there of it, a line each."""
    yield from (f"{balancer.what} {balancer.name} (of a Service)" for balancer in owned.balancers)
    yield from (f"firewall rule {rule} (of a Service)" for rule in owned.firewalls)
    yield from (f"disk {volume.name} (of a claim)" for volume in owned.volumes)


def _delete_balancer(session: Session, balancer: Balancer) -> None:
    """From the address that is asked to the machines that answer; what others use as well stays."""
    region = {"region": session.region}
    for rule in balancer.rules:
        fields = {**region, "forwarding_rule": rule}
        until(partial(_delete, session, "ForwardingRulesClient", **fields), f"forwarding rule {rule}", "Google")
    if balancer.what == "target pool":
        client, fields = "TargetPoolsClient", {**region, "target_pool": balancer.name}
    else:
        client, fields = "RegionBackendServicesClient", {**region, "backend_service": balancer.name}
    until(partial(_delete, session, client, **fields), f"{balancer.what} {balancer.name}", "Google")
    for check in balancer.checks:
        _delete_check(session, check, balancer)
    for address in balancer.addresses:
        _delete(session, "AddressesClient", region=session.region, address=address)
    for zone, group in balancer.groups:
        _delete(session, "InstanceGroupsClient", zone=zone, instance_group=group)


def _delete_check(session: Session, check: str, balancer: Balancer) -> None:
    """Target pools have health checks of an old kind, which google-cloud-compute has no client for."""
    if balancer.what != "target pool":
        _delete(session, "HealthChecksClient", health_check=check)
        return
    try:
        session.rest(REMOVE, "DELETE", f"{CHECKS.format(session.project)}/{check}", accepted=(404,))
    except GoogleError as error:
        if not error.in_use:
            raise


def _delete_volume(session: Session, volume: Volume) -> bool:
    """A machine that goes as well holds it: it is taken from there, and with it what is on it."""
    for zone, machine, device in volume.holders:
        _done(session, "InstancesClient", "detach_disk", zone=zone, instance=machine, device_name=device)
    client = "DisksClient" if volume.field == "zone" else "RegionDisksClient"
    return _delete(session, client, disk=volume.name, **{volume.field: volume.where})


def _delete(session: Session, client: str, **fields: str) -> bool:
    return _done(session, client, "delete", **fields)


def _done(session: Session, client: str, method: str, **fields: str) -> bool:
    """Whether it is done now, or was before; False where Google answers that something is in use."""
    try:
        session.wait(client, method, REMOVE, waiting.LIMIT_SECONDS, **fields)
    except GoogleError as error:
        # A disk that is not on its machine any more is what was wanted.
        if not error.in_use and not error.gone and not (method == "detach_disk" and error.status == 400):
            raise
        return not error.in_use
    return True
