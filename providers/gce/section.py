"""`providers.gce` of a definition."""

from __future__ import annotations

from generator.definition import Definition
from generator.errors import UserError
from generator.sections import Gce, GceNetwork


def of(definition: Definition) -> Gce:
    """The section; UserError where the definition has none."""
    if definition.providers.gce is None:
        raise UserError(
            f"{definition.path} does not say where on Google: it has no providers.gce.",
            "Add `providers: {gce: {project: my-project, region: europe-west1, admin_cidrs: [203.0.113.0/24]}}`, with "
            "your own values.",
        )
    return definition.providers.gce


def network(definition: Definition) -> GceNetwork:
    """The network that was there before the cluster; UserError where the cluster has its own."""
    found = of(definition).network
    if found is None:
        raise UserError(f"{definition.path} names no existing network.", "Name one in providers.gce.network.")
    return found


def network_name(definition: Definition) -> str:
    """Its name, "" where the cluster has a network of its own."""
    found = of(definition).network
    return found.name if found else ""
