"""What the lock holds of Google, so that rendering asks nobody; and what is rendered from it."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Any

from generator.definition import Definition
from generator.errors import UserError
from generator.lock import Lock
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
    facts["project_number"] = gce.get("project_number") or project.number(session)
    given: Mapping[str, str] = gce.get("images", {})
    settled = gce.get("zones") and set(definition.architectures) <= given.keys() and "project_number" in gce
    if settled:
        facts |= {"zones": list(gce["zones"]), "images": {arch: given[arch] for arch in definition.architectures}}
    else:
        facts |= {"zones": list(zones.chosen(session, definition)), "images": images.chosen(session, definition)}
    if section.network(definition):
        facts["subnets"] = subnetworks.chosen(session, definition)
    return facts


def locked(lock: Lock) -> Mapping[str, Any]:
    """What the lock holds of Google; UserError where it holds nothing."""
    facts = lock.facts.get("gce")
    if not facts:
        raise UserError("The lock has no facts of GCE.", "Get them: anywhere images lock FILE --provider gce")
    return facts


def settings(definition: Definition, lock: Lock) -> dict[str, Any]:
    """Terraform's `settings` of GCE. Pure."""
    gce, facts = section.of(definition), locked(lock)
    _fit(definition)
    _agree(definition, facts)
    balanced = gce.get("load_balancer")
    return {
        "project": gce["project"],
        "project_number": facts["project_number"],
        "region": gce["region"],
        "zones": list(facts["zones"]),
        "types": sizes.types(definition),
        "disks": disks.types(definition),
        "admin_cidrs": [str(cidr) for cidr in gce["admin_cidrs"]],
        "nat": gce.get("nat", "one"),
        "load_balancer": definition.masters.count > 1 if balanced is None else balanced,
        "network": dict(gce["network"]) if "network" in gce else None,
        "labels": dict(gce.get("labels", {})),
        "kms_key": gce.get("kms_key"),
    }


def base_images(lock: Lock) -> dict[str, str]:
    """Architecture -> image. Pure."""
    return dict(sorted(locked(lock)["images"].items()))


def networks(lock: Lock) -> tuple[IPv4Network, ...]:
    """The subnetwork of an existing network, () where the cluster has its own. Pure."""
    return tuple(IPv4Network(subnet["cidr"]) for subnet in lock.facts.get("gce", {}).get("subnets", ()))


def _fit(definition: Definition) -> None:
    """UserError where a network of the cluster's own would not hold its subnetworks."""
    machines = definition.network.machines
    if not section.network(definition) and machines.prefixlen > LEAST:
        raise UserError(
            f"spec.network.machines {machines} is too small for GCE: fixed machines have an eighth, workers a half.",
            f"Make it a /{LEAST} or larger, or name a network that is there already in providers.gce.network.",
        )


def _agree(definition: Definition, facts: Mapping[str, Any]) -> None:
    """UserError where the lock was made for something else than the definition asks for."""
    gce = section.of(definition)
    given: Mapping[str, str] = gce.get("images", {})
    asked = [gce["network"]["subnetwork"]] if "network" in gce else []
    wrong = [
        f"is of {key} {facts[key]}, the definition of {gce[key]}"
        for key in ("project", "region", "project_number")
        if key in gce and facts[key] != gce[key]
    ]
    if absent := [arch for arch in definition.architectures if arch not in facts["images"]]:
        wrong.append(f"has no machine image for {', '.join(absent)}")
    if any(facts["images"].get(arch) != image for arch, image in given.items() if arch in definition.architectures):
        wrong.append("has another machine image than providers.gce.images")
    if [subnet["id"] for subnet in facts.get("subnets", ())] != asked:
        wrong.append("has another subnetwork than providers.gce.network")
    if gce.get("zones") and list(gce["zones"]) != list(facts["zones"]):
        wrong.append("has other zones than providers.gce.zones")
    if wrong:
        raise UserError(
            f"The lock {', and '.join(wrong)}.",
            f"Refresh it: anywhere images lock {definition.path} --provider gce",
        )
