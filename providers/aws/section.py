"""`providers.aws` of a definition."""

from __future__ import annotations

from generator.definition import Definition
from generator.errors import UserError
from generator.sections import Aws, Vpc


def of(definition: Definition) -> Aws:
    """The section; UserError where the definition has none."""
    if definition.providers.aws is None:
        raise UserError(
            f"{definition.path} does not say where on AWS: it has no providers.aws.",
            "Add `providers: {aws: {region: eu-west-1, admin_cidrs: [203.0.113.0/24]}}`, with your own values.",
        )
    return definition.providers.aws


def vpc(definition: Definition) -> Vpc:
    """The VPC that was there before the cluster; UserError where the cluster has its own."""
    found = of(definition).vpc
    if found is None:
        raise UserError(f"{definition.path} names no existing VPC.", "Name one in providers.aws.vpc.")
    return found


def vpc_id(definition: Definition) -> str:
    """Its id, "" where the cluster has a VPC of its own."""
    found = of(definition).vpc
    return found.id if found else ""
