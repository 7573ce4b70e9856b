"""Load balancers, classic and new, and target groups, with their tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from providers.aws.machines import tags
from providers.aws.session import Session

PAGE = 20  # names or ARNs that may be asked for their tags at once


@dataclass(frozen=True, slots=True)
class Balancer:
    """`id` is an ARN, or the name of a classic one; `what` is "load balancer" or "target group"."""

    what: str
    service: str  # boto3's name of the API it belongs to
    id: str
    name: str
    vpc: str
    tags: Mapping[str, str]


def all_of(session: Session, purpose: str) -> Iterator[Balancer]:
    """Every load balancer of the region, then every target group: neither API can filter by tag."""
    yield from _classic(session, purpose)
    yield from _new(session, "load balancer", "describe_load_balancers", "LoadBalancer", purpose)
    yield from _new(session, "target group", "describe_target_groups", "TargetGroup", purpose)


def _classic(session: Session, purpose: str) -> Iterator[Balancer]:
    found = session.items("elb", "describe_load_balancers", "LoadBalancerDescriptions", purpose)
    vpcs = {balancer["LoadBalancerName"]: balancer.get("VPCId", "") for balancer in found}
    for page in _pages(list(vpcs)):
        answer = session.call("elb", "describe_tags", purpose, LoadBalancerNames=page)
        for described in answer["TagDescriptions"]:
            name = described["LoadBalancerName"]
            yield Balancer("load balancer", "elb", name, name, vpcs.get(name, ""), tags(described))


def _new(session: Session, what: str, operation: str, prefix: str, purpose: str) -> Iterator[Balancer]:
    found = session.items("elbv2", operation, f"{prefix}s", purpose)
    things = {thing[f"{prefix}Arn"]: thing for thing in found}
    for page in _pages(list(things)):
        answer = session.call("elbv2", "describe_tags", purpose, ResourceArns=page)
        for described in answer["TagDescriptions"]:
            thing = things[described["ResourceArn"]]
            arn, name, vpc = thing[f"{prefix}Arn"], thing[f"{prefix}Name"], thing.get("VpcId", "")
            yield Balancer(what, "elbv2", arn, name, vpc, tags(described))


def _pages(names: list[str]) -> Iterator[list[str]]:
    yield from (names[start : start + PAGE] for start in range(0, len(names), PAGE))
