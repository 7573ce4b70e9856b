"""How much of something an account may have, and how much of it is in use.

Each function says how much there is room for, and raises UserError where that is too little.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from generator.errors import UserError
from providers.aws.machines import CLUSTER, GOING_ON, GROUP, tags
from providers.aws.refusal import AwsError
from providers.aws.session import Session
from providers.groups import Group

LOOK = "see what the account's quotas leave"
ON_DEMAND, SPOT = "L-1216C47A", "L-34B43A08"  # vCPUs of the standard families
ADDRESSES, VPCS = "L-0263D0A3", "L-F678F1CE"
Described = Mapping[str, Mapping[str, Any]]  # instance type -> what EC2 says of it
STANDARD = frozenset({"a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"})


def cpus(session: Session, cluster: str, groups: Iterable[Group], described: Described) -> str:
    """vCPUs of the machines that are not there yet, against what on-demand machines may still take."""
    return _cpus(session, cluster, [group for group in groups if not group.spot], described, False)


def spot_cpus(session: Session, cluster: str, groups: Iterable[Group], described: Described) -> str:
    """The same of spot machines, which have a quota of their own."""
    return _cpus(session, cluster, [group for group in groups if group.spot], described, True)


def addresses(session: Session, cluster: str, wanted: int) -> str:
    """Elastic IP addresses of the NAT gateways that are not there yet."""
    found = session.items("ec2", "describe_addresses", "Addresses", LOOK)
    own = sum(1 for address in found if tags(address).get(CLUSTER) == cluster)
    return _room(session, "elastic IP addresses", "ec2", ADDRESSES, max(0, wanted - own), len(found))


def vpcs(session: Session, cluster: str) -> str:
    """The VPC of the cluster, if it is not there yet."""
    found = session.items("ec2", "describe_vpcs", "Vpcs", LOOK)
    own = any(tags(vpc).get(CLUSTER) == cluster for vpc in found)
    return _room(session, "VPCs", "vpc", VPCS, 0 if own else 1, len(found))


def _cpus(session: Session, cluster: str, groups: Iterable[Group], described: Described, spot: bool) -> str:
    running = _running(session)
    own = Counter(tags(i).get(GROUP) for i in running if tags(i).get(CLUSTER) == cluster)
    wanted = sum(
        max(0, group.count - own[group.name]) * int(described[group.type]["VCpuInfo"]["DefaultVCpus"])
        for group in groups
        if _standard(group.type)
    )
    used = sum(_cpus_of(i) for i in running if _is_spot(i) == spot and _standard(i["InstanceType"]))
    what, quota = ("vCPUs of spot machines", SPOT) if spot else ("vCPUs", ON_DEMAND)
    return _room(session, what, "ec2", quota, wanted, used)


def _room(session: Session, what: str, service: str, quota: str, wanted: int, used: int) -> str:
    limit = _limit(session, service, quota)
    if wanted and wanted + used > limit:
        raise UserError(
            f"{session.region} grants {limit:g} {what}; {used} are in use, and the cluster takes {wanted} more.",
            f"Ask for more: aws service-quotas request-service-quota-increase --region {session.region} "
            f"--service-code {service} --quota-code {quota} --desired-value {wanted + used}",
        )
    return f"{wanted} more to take, {used} of {limit:g} in use"


def _limit(session: Session, service: str, quota: str) -> float:
    """The account's own quota, or AWS's default where it has none."""
    arguments = {"ServiceCode": service, "QuotaCode": quota}
    try:
        answer = session.call("service-quotas", "get_service_quota", LOOK, **arguments)
    except AwsError as error:
        if error.code != "NoSuchResourceException":
            raise
        answer = session.call("service-quotas", "get_aws_default_service_quota", LOOK, **arguments)
    return float(answer["Quota"]["Value"])


def _running(session: Session) -> list[dict[str, Any]]:
    """Every instance of the region that counts against its quotas, whoever's it is."""
    filters = [{"Name": "instance-state-name", "Values": list(GOING_ON)}]
    reservations = session.items("ec2", "describe_instances", "Reservations", LOOK, Filters=filters)
    return [instance for reservation in reservations for instance in reservation["Instances"]]


def _is_spot(instance: Mapping[str, Any]) -> bool:
    return bool(instance.get("InstanceLifecycle") == "spot")


def _standard(kind: str) -> bool:
    """Whether an instance type counts against the quota of the standard families; others have quotas of their own."""
    family = re.match(r"[a-z]+", kind)
    return bool(family and family[0] in STANDARD)


def _cpus_of(instance: Mapping[str, Any]) -> int:
    options = instance.get("CpuOptions", {})
    return int(options.get("CoreCount", 1)) * int(options.get("ThreadsPerCore", 1))
