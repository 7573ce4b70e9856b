"""What a running cluster had Google make: load balancers of its Services, disks of its volumes. They go before it does.

What Terraform made carries the label of the cluster, and is never touched here.
"""

from __future__ import annotations

from typing import Any

from generator.progress import Progress
from providers.gce.machines import CLUSTER, instances
from providers.gce.session import Session, last

LOOK = "look for what the cluster had made"
REMOVE = "remove what the cluster had made"
SECONDS = 180.0
CSI = "pd.csi.storage.gke.io"


def release(session: Session, cluster: str, network: str, progress: Progress) -> None:
    """Remove the balancers and volumes of the cluster's own controllers, and wait until they are gone.

    `network` is the one that was there before the cluster, "" where the cluster has its own.
    """
    machines = instances(session, cluster, LOOK)
    _balancers(session, {machine.name for machine in machines}, progress)
    _rules(session, network or cluster, progress)
    _volumes(session, machines, progress)


def _balancers(session: Session, machines: set[str], progress: Progress) -> None:
    """Forwarding rules and target pools that send to the cluster's machines."""
    region = session.region
    pools = [p for p in session.items("TargetPoolsClient", "list", LOOK, region=region) if _sends_to(p, machines)]
    if not pools:
        return
    names = {pool.name for pool in pools}
    for rule in session.items("ForwardingRulesClient", "list", LOOK, region=region):
        if last(rule.target) in names and CLUSTER not in rule.labels:
            progress.note(f"removing the forwarding rule {rule.name}")
            session.wait("ForwardingRulesClient", "delete", REMOVE, SECONDS, region=region, forwarding_rule=rule.name)
    for pool in pools:
        progress.note(f"removing the target pool {pool.name}")
        session.wait("TargetPoolsClient", "delete", REMOVE, SECONDS, region=region, target_pool=pool.name)


def _sends_to(pool: Any, machines: set[str]) -> bool:
    return any(last(instance) in machines for instance in pool.instances)


def _rules(session: Session, network: str, progress: Progress) -> None:
    """Firewall rules that Kubernetes names so, in the cluster's own network or the one it was put in."""
    for rule in session.items("FirewallsClient", "list", LOOK):
        if last(rule.network) == network and rule.name.startswith("k8s-"):
            progress.note(f"removing the firewall rule {rule.name}")
            session.wait("FirewallsClient", "delete", REMOVE, SECONDS, firewall=rule.name)


def _volumes(session: Session, machines: list[Any], progress: Progress) -> None:
    """Disks of claims that hang on the cluster's machines."""
    urls = {machine.self_link: machine for machine in machines}
    for disk in session.items("DisksClient", "aggregated_list", LOOK):
        users = [urls[user] for user in disk.users if user in urls]
        if not users or CLUSTER in disk.labels or CSI not in disk.description:
            continue
        zone = last(disk.zone)
        for machine in users:
            device = next(d.device_name for d in machine.disks if d.source == disk.self_link)
            fields = {"zone": last(machine.zone), "instance": machine.name, "device_name": device}
            session.wait("InstancesClient", "detach_disk", REMOVE, SECONDS, **fields)
        progress.note(f"removing the disk {disk.name}")
        session.wait("DisksClient", "delete", REMOVE, SECONDS, zone=zone, disk=disk.name)
