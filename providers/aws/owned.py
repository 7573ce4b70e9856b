"""What a running cluster created on AWS by itself: load balancers of Services, volumes of claims, security groups.

Terraform knows nothing of these, and a VPC cannot go while they are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from generator.progress import Progress
from providers.aws import balancers
from providers.aws.balancers import Balancer
from providers.aws.machines import CLUSTER, THERE, instances, tags
from providers.aws.refusal import AwsError
from providers.aws.session import Session
from providers.waiting import until

LOOK = "look for what the cluster created on AWS"
REMOVE = "remove what the cluster created on AWS"

# Tags that only controllers inside of a cluster set: the cloud controller manager, the AWS Load Balancer Controller
# and the EBS CSI driver.
MARKS = frozenset(
    {
        "kubernetes.io/service-name",
        "kubernetes.io/created-for/pvc/name",
        "ebs.csi.aws.com/cluster",
        "CSIVolumeName",
        "elbv2.k8s.aws/cluster",
        "elbv2.k8s.aws/resource",
        "service.k8s.aws/stack",
        "ingress.k8s.aws/stack",
    }
)


@dataclass(frozen=True, slots=True)
class Volume:
    """`holders` are the instances that it is attached to."""

    id: str
    holders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Owned:
    """What a cluster created on AWS, in the order in which it can be removed."""

    balancers: tuple[Balancer, ...]
    volumes: tuple[Volume, ...]
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a cluster's own things can be.

    `namesakes` are instances of some other cluster that bears the same name, which AWS's tags do not tell apart.
    """

    cluster: str
    vpcs: frozenset[str]
    instances: frozenset[str]
    namesakes: tuple[str, ...]

    def claims(self, found: Mapping[str, str]) -> bool:
        """Whether tags `found` say that it is this cluster's, and that no Terraform made it.

        What Terraform made has the tag of this project and no mark of a controller.
        """
        if found.get(CLUSTER) == self.cluster:
            return bool(found.keys() & MARKS)
        return CLUSTER not in found and (
            found.get(f"kubernetes.io/cluster/{self.cluster}") == "owned"
            or self.cluster in (found.get("elbv2.k8s.aws/cluster"), found.get("KubernetesCluster"))
        )

    def has_volume(self, volume: Mapping[str, Any]) -> bool:
        """Whether `volume` was made for a claim, and no machine outside of the cluster holds it."""
        holders = set(_holders(volume))
        found = tags(volume)
        here = holders <= self.instances if holders else not self.namesakes
        return here and self.claims(found) and bool(found.keys() & MARKS)


def scope(session: Session, cluster: str, vpc: str) -> Scope:
    """`vpc` is the id of the one that was there before the cluster, "" where the cluster has its own."""
    own = [{"Name": f"tag:{CLUSTER}", "Values": [cluster]}]
    vpcs = {found["VpcId"] for found in session.items("ec2", "describe_vpcs", "Vpcs", LOOK, Filters=own)}
    filters = [
        {"Name": f"tag:kubernetes.io/cluster/{cluster}", "Values": ["owned"]},
        {"Name": "instance-state-name", "Values": list(THERE)},
    ]
    reservations = session.items("ec2", "describe_instances", "Reservations", LOOK, Filters=filters)
    named = [instance for reservation in reservations for instance in reservation["Instances"]]
    return Scope(
        cluster,
        frozenset(vpcs | {vpc} - {""}),
        frozenset(instance["InstanceId"] for instance in instances(session, cluster, LOOK)),
        tuple(instance["InstanceId"] for instance in named if CLUSTER not in tags(instance)),
    )


def find(session: Session, where: Scope) -> Owned:
    """What is there of it now."""
    volumes = session.items("ec2", "describe_volumes", "Volumes", LOOK)
    groups = session.items("ec2", "describe_security_groups", "SecurityGroups", LOOK)
    return Owned(
        tuple(b for b in balancers.all_of(session, LOOK) if b.vpc in where.vpcs and where.claims(b.tags)),
        tuple(Volume(v["VolumeId"], _holders(v)) for v in volumes if where.has_volume(v)),
        tuple(g["GroupId"] for g in groups if g.get("VpcId") in where.vpcs and where.claims(tags(g))),
    )


def _holders(volume: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(attachment["InstanceId"] for attachment in volume.get("Attachments", ()))


def release(session: Session, where: Scope, progress: Progress) -> None:
    """Remove it all and wait until it is gone. UserError where something stays; nothing else is touched."""
    owned = find(session, where)
    if where.namesakes:
        progress.note(f"warning: {where.namesakes[0]} is of another cluster {where.cluster}: loose volumes are kept")
    for balancer in owned.balancers:
        progress.note(f"remove {balancer.what} {balancer.name}")
        _delete_balancer(session, balancer)
    for volume in owned.volumes:
        progress.note(f"remove volume {volume.id}")
        _detach(session, volume)
    for volume in owned.volumes:
        until(partial(_delete_volume, session, volume.id), f"volume {volume.id}", "AWS")
    for group in owned.groups:
        progress.note(f"remove security group {group}")
        _forget(session, group)
    for group in owned.groups:
        until(partial(_delete_group, session, group), f"security group {group}", "AWS")


def lines(owned: Owned) -> Iterator[str]:
    """What is there of it, a line each."""
    yield from (f"{balancer.what} {balancer.id} {balancer.name}" for balancer in owned.balancers)
    yield from (f"volume {volume.id} (of a claim)" for volume in owned.volumes)
    yield from (f"security group {group} (of a Service)" for group in owned.groups)


def _delete_balancer(session: Session, balancer: Balancer) -> None:
    """Target groups come after the load balancers that use them, and go at once then."""
    if balancer.what == "target group":
        until(lambda: _delete_target_group(session, balancer.id), f"target group {balancer.name}", "AWS")
    elif balancer.service == "elb":
        session.call("elb", "delete_load_balancer", REMOVE, LoadBalancerName=balancer.id)
    else:
        protection = [{"Key": "deletion_protection.enabled", "Value": "false"}]
        arn = {"LoadBalancerArn": balancer.id}
        session.call("elbv2", "modify_load_balancer_attributes", REMOVE, **arn, Attributes=protection)
        session.call("elbv2", "delete_load_balancer", REMOVE, **arn)


def _delete_target_group(session: Session, arn: str) -> bool:
    return _gone_unless("ResourceInUse", session, "elbv2", "delete_target_group", TargetGroupArn=arn)


def _detach(session: Session, volume: Volume) -> None:
    """By force: the machine it is attached to goes as well, and what is on the volume with it."""
    for holder in volume.holders:
        arguments = {"VolumeId": volume.id, "InstanceId": holder}
        _gone_unless("IncorrectState", session, "ec2", "detach_volume", **arguments, Force=True)


def _delete_volume(session: Session, volume: str) -> bool:
    return _gone_unless("VolumeInUse", session, "ec2", "delete_volume", VolumeId=volume)


def _delete_group(session: Session, group: str) -> bool:
    """A load balancer's interfaces keep its group in use for some minutes."""
    return _gone_unless("DependencyViolation", session, "ec2", "delete_security_group", GroupId=group)


def _gone_unless(code: str, session: Session, service: str, operation: str, **arguments: Any) -> bool:
    """Whether it is gone now, or was gone before; False where AWS answers `code`, "it is in use"."""
    try:
        session.call(service, operation, REMOVE, **arguments)
    except AwsError as error:
        if error.code != code and not error.code.endswith("NotFound"):
            raise
        return error.code != code
    return True


def _forget(session: Session, group: str) -> None:
    """Take `group` out of the rules of others, such as the machines' own: it cannot go while one names it."""
    filters = [{"Name": "ip-permission.group-id", "Values": [group]}]
    for other in session.items("ec2", "describe_security_groups", "SecurityGroups", LOOK, Filters=filters):
        rules = [
            {**permission, "UserIdGroupPairs": pairs, "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": []}
            for permission in other["IpPermissions"]
            if (pairs := [pair for pair in permission["UserIdGroupPairs"] if pair["GroupId"] == group])
        ]
        if other["GroupId"] != group and rules:
            arguments = {"GroupId": other["GroupId"], "IpPermissions": rules}
            session.call("ec2", "revoke_security_group_ingress", REMOVE, **arguments)
