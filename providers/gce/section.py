"""`providers.gce` of a definition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.definition import Definition
from generator.errors import UserError


def of(definition: Definition) -> Mapping[str, Any]:
    """The section; UserError where the definition has none."""
    if "gce" not in definition.providers:
        raise UserError(
            f"{definition.path} does not say where on Google: it has no providers.gce.",
            "Add `providers: {gce: {project: my-project, region: europe-west1, admin_cidrs: [203.0.113.0/24]}}`, with "
            "your own values.",
        )
    return definition.providers["gce"]


def network(definition: Definition) -> str:
    """The network that was there before the cluster, "" where the cluster has its own."""
    return str(of(definition).get("network", {}).get("name", ""))
