"""What a lock holds of a cloud, and whether that is what the definition asks for. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from generator import lock as locks
from generator.definition import Definition
from generator.errors import UserError
from generator.lock import Lock
from generator.sections import Cloud
from providers import placement as placements
from providers.placement import Placement, Pools


def facts(lock: Lock, target: str) -> Mapping[str, Any]:
    """What the lock holds of `target`; UserError where it holds nothing."""
    found = lock.facts.get(target)
    if not found:
        raise UserError(f"The lock has no facts of {target.upper()}.", f"Get them: {locks.RELOCK}.")
    return found


def unforeseeable(definition: Definition, target: str, what: str) -> UserError:
    """The error where nobody is asked, and the lock lacks what nobody can guess."""
    return UserError(
        f"The lock has no facts of {target.upper()}, and offline {what} are not known.",
        f"Get them once, with credentials, and commit the lock: {locks.RELOCK}.",
    )


def beside(definition: Definition, target: str, same: Mapping[str, str]) -> Lock | None:
    """The lock beside `definition`, where it has facts of `target` that agree with `same`, such as the region."""
    path = locks.path_beside(definition.path)
    lock = locks.read(path) if path.exists() else None
    known = lock.facts.get(target, {}) if lock else {}
    return lock if known and all(known.get(key) == value for key, value in same.items()) else None


def placement(lock: Lock | None, target: str) -> tuple[Placement | None, Pools]:
    """Where machines stand by the lock so far, and the zones of the pools that have addresses in it."""
    if lock is None:
        return None, {}
    found = placements.locked(lock.facts[target])
    return found, {pool: found.pools.get(pool, found.zones) for pool in lock.blocks}


def placement_settings(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What Terraform is told of it."""
    return {key: facts[key] for key in ("zones", "spread", "pool_zones") if key in facts}


def images(lock: Lock, target: str) -> dict[str, str]:
    """Architecture -> machine image."""
    return dict(sorted(facts(lock, target)["images"].items()))


def subnets(lock: Lock, target: str) -> tuple[IPv4Network, ...]:
    """The subnets of an existing network that fixed machines stand in, () where the cluster has its own network."""
    facts = lock.facts.get(target, {})
    return tuple(IPv4Network(subnet["cidr"]) for subnet in facts.get("subnets", ())[: facts.get("spread")])


def balanced(definition: Definition, section: Cloud) -> bool:
    """Whether the API has a load balancer: as the definition says, else where there are several masters."""
    said = section.load_balancer
    return definition.masters.count > 1 if said is None else said


def agree(
    definition: Definition,
    target: str,
    section: Cloud,
    lock: Lock,
    named: Mapping[str, str | None],
    others: Sequence[str],
) -> None:
    """UserError where the facts of `lock` are of something else than the definition asks for.

    `named` has the facts that a cluster keeps, as the definition gives them, such as the region; `others` are further
    disagreements that only the target knows.
    """
    locked = lock.facts[target]
    moved = {key: value for key, value in named.items() if value and locked.get(key) != value}
    kept = ", ".join(f"{key}: {locked[key]}" for key in moved if key in locked)
    wrong = [f"is of {key} {locked.get(key, 'unknown')}, the definition of {value}" for key, value in moved.items()]
    if wrong := [*wrong, *others, *_differing(definition, target, section, locked)]:
        raise UserError(f"The lock {', and '.join(wrong)}.", locks.remedy(lock, kept))


def _differing(definition: Definition, target: str, section: Cloud, locked: Mapping[str, Any]) -> Iterator[str]:
    images: Mapping[str, str] = locked["images"]
    if absent := [arch for arch in definition.architectures if arch not in images]:
        yield f"has no machine image for {', '.join(absent)}"
    given = {arch: image for arch, image in section.images.items() if arch in definition.architectures}
    if any(images.get(arch) != image for arch, image in given.items()):
        yield f"has another machine image than providers.{target}.images"
