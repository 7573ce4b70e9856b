"""What of a cluster is still on AWS, by tag.

Each service is asked itself where it can be: the index of all tags lags behind, and still shows what went minutes ago.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from generator.errors import UserError
from providers.aws import balancers, owned, pools
from providers.aws.machines import CLUSTER, NAME, instances, tags
from providers.aws.refusal import AwsError
from providers.aws.session import Session

LOOK = "look for what is left of the cluster"

# What EC2 finds by tag: what it is, the noun of the request, the key of the answer, the key of the id.
_EC2 = (
    ("volume", "volumes", "Volumes", "VolumeId"),
    ("snapshot", "snapshots", "Snapshots", "SnapshotId"),
    ("launch template", "launch_templates", "LaunchTemplates", "LaunchTemplateId"),
    ("SSH endpoint", "instance_connect_endpoints", "InstanceConnectEndpoints", "InstanceConnectEndpointId"),
    ("NAT gateway", "nat_gateways", "NatGateways", "NatGatewayId"),
    ("elastic address", "addresses", "Addresses", "AllocationId"),
    ("endpoint", "vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    ("flow log", "flow_logs", "FlowLogs", "FlowLogId"),
    ("network interface", "network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    ("security group", "security_groups", "SecurityGroups", "GroupId"),
    ("route table", "route_tables", "RouteTables", "RouteTableId"),
    ("subnet", "subnets", "Subnets", "SubnetId"),
    ("internet gateway", "internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("VPC", "vpcs", "Vpcs", "VpcId"),
)
_FILTER = {"nat_gateways": "Filter", "flow_logs": "Filter"}  # what the argument is called, where not Filters
_ASKED = frozenset({"ec2", "elasticloadbalancing", "autoscaling", "secretsmanager", "iam"})  # beside the index

_GONE = frozenset({"deleted", "delete-complete"})  # states of what is shown for some time after it went

Finder = Callable[[Session, str], Iterator[str]]


def lines(session: Session, cluster: str, vpc: str) -> tuple[str, ...]:
    """A line each: what, id, name. What could not be looked for has a line as well.

    `vpc` is the id of the one that was there before the cluster, "" where it had its own.
    """
    found: dict[str, None] = {}
    for what, find in (*_finders(), ("what the cluster created on AWS", _made(vpc))):
        try:
            found.update(dict.fromkeys(find(session, cluster)))
        except UserError as error:
            session.call("sts", "get_caller_identity", LOOK, session.home())  # without credentials, that is all to say
            found[f"unknown: {what}: {error.message}"] = None
    return tuple(found)


def foundation(session: Session, cluster: str) -> tuple[str, ...]:
    """What no destroy leaves: machines, the volumes of etcd and the VPC. Three requests; what refuses one is raised."""
    return tuple(line for find in (_machines, _etcd_volumes, _ec2(*_EC2[-1])) for line in find(session, cluster))


def _finders() -> Iterator[tuple[str, Finder]]:
    yield "machines", _machines
    yield "auto scaling groups", _scaling_groups
    yield "load balancers", _balancers
    for what, noun, key, identity in _EC2:
        yield what, _ec2(what, noun, key, identity)
    yield "secrets", _secrets
    yield "roles", _roles
    yield "other things", _indexed


def _line(what: str, identity: str, own: Mapping[str, str]) -> str:
    return f"{what} {identity} {own.get('Name', '')}".rstrip()


def _machines(session: Session, cluster: str) -> Iterator[str]:
    for instance in instances(session, cluster, LOOK):
        yield _line("machine", instance["InstanceId"], tags(instance))


def _ec2(what: str, noun: str, key: str, identity: str) -> Finder:
    def find(session: Session, cluster: str) -> Iterator[str]:
        arguments: dict[str, Any] = {_FILTER.get(noun, "Filters"): [{"Name": f"tag:{CLUSTER}", "Values": [cluster]}]}
        for thing in session.items("ec2", f"describe_{noun}", key, LOOK, **arguments):
            if str(thing.get("State", "")).lower() not in _GONE:
                yield _line(what, thing[identity], tags(thing))

    return find


def _etcd_volumes(session: Session, cluster: str) -> Iterator[str]:
    """Those that the module names: what a pod claimed has no name of a machine."""
    filters = [{"Name": f"tag:{CLUSTER}", "Values": [cluster]}, {"Name": "tag-key", "Values": [NAME]}]
    for volume in session.items("ec2", "describe_volumes", "Volumes", LOOK, Filters=filters):
        yield _line("volume", volume["VolumeId"], tags(volume))


def _scaling_groups(session: Session, cluster: str) -> Iterator[str]:
    for group in pools.groups(session, cluster, LOOK):
        yield f"auto scaling group {group['AutoScalingGroupName']}"


def _balancers(session: Session, cluster: str) -> Iterator[str]:
    for balancer in balancers.all_of(session, LOOK):
        if balancer.tags.get(CLUSTER) == cluster:
            yield f"{balancer.what} {balancer.id} {balancer.name}"


def _secrets(session: Session, cluster: str) -> Iterator[str]:
    filters = [{"Key": "tag-key", "Values": [CLUSTER]}, {"Key": "tag-value", "Values": [cluster]}]
    for secret in session.items("secretsmanager", "list_secrets", "SecretList", LOOK, Filters=filters):
        if tags(secret).get(CLUSTER) == cluster:  # the filter takes the beginnings of words
            yield f"secret {secret['ARN']} {secret['Name']}"


def _roles(session: Session, cluster: str) -> Iterator[str]:
    """IAM finds nothing by tag; the cluster's roles and profiles bear its name, in front or as AWS's suffix."""
    for what, noun, key in (("role", "Role", "role"), ("instance profile", "InstanceProfile", "instance_profile")):
        for thing in session.items("iam", f"list_{key}s", f"{noun}s", LOOK):
            name = thing[f"{noun}Name"]
            if name.startswith(f"{cluster}-") or name.endswith(f"_{cluster}"):
                own = session.call("iam", f"list_{key}_tags", LOOK, **{f"{noun}Name": name})
                if tags(own).get(CLUSTER) == cluster:
                    yield f"{what} {thing['Arn']} {name}"


def _indexed(session: Session, cluster: str) -> Iterator[str]:
    """What the index of all tags has beside, unless its service says that it is gone."""
    filters = [{"Key": CLUSTER, "Values": [cluster]}]
    for mapping in session.items(
        "resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList", LOOK, TagFilters=filters
    ):
        arn = mapping["ResourceARN"]
        service = arn.split(":")[2]
        what, is_there = _KINDS.get(service, (f"{service} resource", None))
        if service not in _ASKED and (is_there is None or is_there(session, arn)):
            yield _line(what, arn, tags(mapping))


def _key_is_there(session: Session, arn: str) -> bool:
    """A key that waits for its deletion is as good as gone."""
    return _says("kms", "describe_key", session, KeyId=arn).get("KeyMetadata", {}).get("KeyState") in (
        "Enabled",
        "Disabled",
    )


def _bucket_is_there(session: Session, arn: str) -> bool:
    return bool(_says("s3", "head_bucket", session, Bucket=arn.rpartition(":")[2]))


def _log_group_is_there(session: Session, arn: str) -> bool:
    name = arn.partition(":log-group:")[2].removesuffix(":*")
    found = session.items("logs", "describe_log_groups", "logGroups", LOOK, logGroupNamePrefix=name)
    return any(group["logGroupName"] == name for group in found)


def _says(service: str, operation: str, session: Session, **arguments: Any) -> dict[str, Any]:
    """The answer, {} where the service knows nothing of it."""
    try:
        return session.call(service, operation, LOOK, **arguments)
    except AwsError as error:
        if error.code not in ("404", "NotFoundException", "NoSuchBucket"):
            raise
        return {}


_KINDS: Mapping[str, tuple[str, Callable[[Session, str], bool]]] = {
    "kms": ("key", _key_is_there),
    "s3": ("bucket", _bucket_is_there),
    "logs": ("log group", _log_group_is_there),
}


def _made(vpc: str) -> Finder:
    def find(session: Session, cluster: str) -> Iterator[str]:
        yield from owned.lines(owned.find(session, owned.scope(session, cluster, vpc)))

    return find
