"""What the lock holds of AWS, so that rendering asks nobody; and what is rendered from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.definition import Definition
from generator.errors import UserError
from generator.lock import Lock
from generator.sections import Vpc
from providers import locked
from providers.aws import images, section, sizes, subnets, zones
from providers.aws.session import Session

WHO = "see whose credentials these are"
LEAST = 19  # prefix length of a machines network that is cut into subnets by zone


def found(session: Session, definition: Definition) -> dict[str, Any]:
    """Zones, images by architecture, subnets of an existing VPC, the account. Asks only for what is not given."""
    aws = section.of(definition)
    settled = aws.zones and set(definition.architectures) <= aws.images.keys()
    facts: dict[str, Any] = {"region": session.region}
    if settled and aws.vpc is None:
        return facts | {
            **zones.settled(session, definition).facts(),
            "images": {arch: aws.images[arch] for arch in definition.architectures},
            **({"account": aws.account} if aws.account else {}),
        }
    facts["account"] = account(session)
    if aws.account not in (None, facts["account"]):
        raise UserError(
            f"The credentials are of account {facts['account']}, and the definition is for {aws.account}.",
            f"Name a profile of {aws.account} in AWS_PROFILE, or fix providers.aws.account.",
        )
    facts["images"] = images.chosen(session, definition)
    if aws.vpc is None:
        return facts | zones.chosen(session, definition).facts()
    return facts | zones.of_subnets(session, definition, subnets.chosen(session, definition))


def foreseen(definition: Definition) -> dict[str, Any]:
    """Facts like those that AWS would tell. UserError for an existing VPC, whose subnets nobody can guess. Pure."""
    aws = section.of(definition)
    if aws.vpc:
        raise locked.unforeseeable(definition, "aws", "the subnets of an existing VPC")
    return {
        "region": aws.region,
        "zones": list(aws.zones) or [f"{aws.region}{letter}" for letter in "abc"],
        "images": {arch: aws.images.get(arch, "ami-00000000000000000") for arch in definition.architectures},
        **({"account": aws.account} if aws.account else {}),
    }


def account(session: Session) -> str:
    """The number of the account that the credentials belong to."""
    return str(session.call("sts", "get_caller_identity", WHO, session.home())["Account"])


def settings(definition: Definition, lock: Lock) -> dict[str, Any]:
    """Terraform's `settings` of AWS. Pure."""
    aws, facts = section.of(definition), locked.facts(lock, "aws")
    _agree(definition, lock)
    _fit(definition)
    return {
        "region": aws.region,
        **locked.placement_settings(facts),
        "types": sizes.types(definition),
        "admin_cidrs": [str(cidr) for cidr in aws.admin_cidrs],
        "nat": aws.nat,
        "load_balancer": locked.balanced(definition, aws),
        "vpc": _vpc(aws.vpc, facts),
        "tags": dict(aws.tags),
        **({"account": facts["account"]} if "account" in facts else {}),
    }


def _fit(definition: Definition) -> None:
    """UserError where a VPC of the cluster's own would not hold its subnets."""
    machines = definition.network.machines
    if section.of(definition).vpc is None and machines.prefixlen > LEAST:
        raise UserError(
            f"spec.network.machines {machines} is too small for AWS: each zone's workers have an eighth of it.",
            f"Make it a /{LEAST} or larger, or name a VPC that is there already in providers.aws.vpc.",
        )


def _vpc(vpc: Vpc | None, facts: Mapping[str, Any]) -> dict[str, Any] | None:
    if vpc is None:
        return None
    return {
        "id": vpc.id,
        "subnets": [dict(subnet) for subnet in facts["subnets"]],
        "public_subnets": list(vpc.public_subnets),
    }


def _agree(definition: Definition, lock: Lock) -> None:
    """UserError where the lock was made for something else than the definition asks for."""
    aws, facts = section.of(definition), lock.facts["aws"]
    asked = aws.vpc.subnets if aws.vpc else ()
    wrong = []
    if {subnet["id"] for subnet in facts.get("subnets", ())} != set(asked):
        wrong.append("has other subnets than providers.aws.vpc")
    if aws.vpc is None and aws.zones and set(aws.zones) != set(facts["zones"]):
        wrong.append("has other zones than providers.aws.zones")
    locked.agree(definition, "aws", aws, lock, {"region": aws.region, "account": aws.account}, wrong)
