"""What a lock holds of a cloud, and whether that is what the definition asks for. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from generator.definition import Definition
from generator.errors import UserError
from generator.lock import Lock
from generator.sections import Cloud


def facts(lock: Lock, target: str) -> Mapping[str, Any]:
    """What the lock holds of `target`; UserError where it holds nothing."""
    found = lock.facts.get(target)
    if not found:
        raise UserError(
            f"The lock has no facts of {target.upper()}.", f"Get them: anywhere images lock FILE --provider {target}"
        )
    return found


def images(lock: Lock, target: str) -> dict[str, str]:
    """Architecture -> machine image."""
    return dict(sorted(facts(lock, target)["images"].items()))


def subnets(lock: Lock, target: str) -> tuple[IPv4Network, ...]:
    """The subnets of an existing network, () where the cluster has a network of its own."""
    return tuple(IPv4Network(subnet["cidr"]) for subnet in lock.facts.get(target, {}).get("subnets", ()))


def balanced(definition: Definition, section: Cloud) -> bool:
    """Whether the API has a load balancer: as the definition says, else where there are several masters."""
    said = section.load_balancer
    return definition.masters.count > 1 if said is None else said


def agree(
    definition: Definition, target: str, section: Cloud, locked: Mapping[str, Any], others: Sequence[str]
) -> None:
    """UserError where the facts `locked` are of something else than the definition asks for.

    `others` are the disagreements that only the target knows.
    """
    if wrong := [*others, *_differing(definition, target, section, locked)]:
        raise UserError(
            f"The lock {', and '.join(wrong)}.",
            f"Refresh it: anywhere images lock {definition.path} --provider {target}",
        )


def _differing(definition: Definition, target: str, section: Cloud, locked: Mapping[str, Any]) -> Iterator[str]:
    images: Mapping[str, str] = locked["images"]
    if absent := [arch for arch in definition.architectures if arch not in images]:
        yield f"has no machine image for {', '.join(absent)}"
    given = {arch: image for arch, image in section.images.items() if arch in definition.architectures}
    if any(images.get(arch) != image for arch, image in given.items()):
        yield f"has another machine image than providers.{target}.images"
