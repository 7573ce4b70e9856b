"""`providers.aws` of a definition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.definition import Definition
from generator.errors import UserError


def of(definition: Definition) -> Mapping[str, Any]:
    """The section; UserError where the definition has none."""
    if "aws" not in definition.providers:
        raise UserError(
            f"{definition.path} does not say where on AWS: it has no providers.aws.",
            "Add `providers: {aws: {region: eu-west-1, admin_cidrs: [203.0.113.0/24]}}`, with your own values.",
        )
    return definition.providers["aws"]


def vpc(definition: Definition) -> str:
    """The id of the VPC that was there before the cluster, "" where the cluster has its own."""
    return str(of(definition).get("vpc", {}).get("id", ""))
