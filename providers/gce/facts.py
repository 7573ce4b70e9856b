"""What the lock holds of Google, so that rendering asks nobody; and what is rendered from it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from generator.definition import Definition
from generator.errors import UserError
from generator.lock import Lock
from providers import locked
from providers.gce import disks, images, project, section, sizes, subnetworks, zones
from providers.gce.session import Session

LEAST = 19  # prefix length of a machines network that is cut into fixed machines and workers


def found(session: Session, definition: Definition) -> dict[str, Any]:
    """Zones, images by architecture, the subnetwork of an existing network, the project's number.

    Asks only for what is not given.
    """
    gce = section.of(definition)
    _fit(definition)
    facts: dict[str, Any] = {"project": session.project, "region": session.region}
    facts["project_number"] = gce.project_number or project.number(session)
    if gce.zones and set(definition.architectures) <= gce.images.keys() and gce.project_number:
        facts |= zones.settled(session, definition).facts()
        facts["images"] = {arch: gce.images[arch] for arch in definition.architectures}
    else:
        facts |= zones.chosen(session, definition).facts() | {"images": images.chosen(session, definition)}
    if gce.network:
        facts["subnets"] = subnetworks.chosen(session, definition)
    return facts


def foreseen(definition: Definition) -> dict[str, Any]:
    """Facts like those that Google would tell. UserError for an existing network, which nobody can guess. Pure."""
    gce = section.of(definition)
    if gce.network:
        raise locked.unforeseeable(definition, "gce", "the ranges of an existing network")
    image = "projects/debian-cloud/global/images/family/debian-13"
    return {
        "project": gce.project,
        "project_number": gce.project_number or "123456789012",
        "region": gce.region,
        "zones": list(gce.zones) or [f"{gce.region}-{letter}" for letter in "bcd"],
        "images": {arch: gce.images.get(arch, image) for arch in definition.architectures},
    }


def settings(definition: Definition, lock: Lock) -> dict[str, Any]:
    """Terraform's `settings` of GCE. Pure."""
    gce, facts = section.of(definition), locked.facts(lock, "gce")
    _fit(definition)
    _agree(definition, lock)
    return {
        "project": gce.project,
        "project_number": facts["project_number"],
        "region": gce.region,
        **locked.placement_settings(facts),
        "types": sizes.types(definition),
        "disks": disks.types(definition),
        "admin_cidrs": [str(cidr) for cidr in gce.admin_cidrs],
        "nat": gce.nat,
        "load_balancer": locked.balanced(definition, gce),
        "network": asdict(gce.network) if gce.network else None,
        "labels": dict(gce.labels),
        "kms_key": gce.kms_key,
    }


def _fit(definition: Definition) -> None:
    """UserError where a network of the cluster's own would not hold its subnetworks."""
    machines = definition.network.machines
    if section.of(definition).network is None and machines.prefixlen > LEAST:
        raise UserError(
            f"spec.network.machines {machines} is too small for GCE: fixed machines have an eighth, workers a half.",
            f"Make it a /{LEAST} or larger, or name a network that is there already in providers.gce.network.",
        )


def _agree(definition: Definition, lock: Lock) -> None:
    """UserError where the lock was made for something else than the definition asks for."""
    gce, facts = section.of(definition), lock.facts["gce"]
    asked = [gce.network.subnetwork] if gce.network else []
    named = {"project": gce.project, "region": gce.region, "project_number": gce.project_number}
    wrong = []
    if [subnet["id"] for subnet in facts.get("subnets", ())] != asked:
        wrong.append("has another subnetwork than providers.gce.network")
    if gce.zones and set(gce.zones) != set(facts["zones"]):
        wrong.append("has other zones than providers.gce.zones")
    locked.agree(definition, "gce", gce, lock, named, wrong)
