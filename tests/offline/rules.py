"""What the real providers and clouds refuse, and no schema says. A rule is here once it has stopped a real cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from providers.local.terraform.schema import UNKNOWN, InvalidAttribute, State
from tests.offline.jsii import Block
from tests.offline.values import Path, children

REGIONAL_GROUP = "google_compute_region_instance_group_manager"
SURGES = ("max_surge", "max_unavailable")
REGION = "abc"  # the zones that a region has, where a group does not name its own


def check(name: str, block: Block, config: State) -> None:
    """InvalidAttribute where the configuration `config` of a resource of type `name` breaks a rule."""
    for path, missing in unpaired(block, config):
        raise InvalidAttribute(f"{path[-1]} requires {missing}.", "Set both, or neither.", *path)
    if name == REGIONAL_GROUP:
        _update_policy(config)


def unpaired(block: Block, config: State) -> Iterator[tuple[Path, str]]:
    """(path, missing attribute) of each write-only value without its version, or version without its value."""
    for name, attribute in block["attributes"].items():
        version = f"{name}_version"
        if attribute.get("write_only") and version in block["attributes"]:
            given = [each for each in (name, version) if config.get(each) is not None]
            if len(given) == 1:
                yield (given[0],), version if given == [name] else name
    for inner, value, path in children(block, config):
        yield from ((path + deeper, missing) for deeper, missing in unpaired(inner, value))


def _update_policy(config: State) -> None:
    """The provider sends 0 for what is left out, and Compute refuses two zeros, or less than one per zone."""
    zones = config["distribution_policy_zones"]
    for index, policy in enumerate(config["update_policy"] or ()):
        path = ("update_policy", index)
        if all(policy[f"{name}_{unit}"] in (None, 0) for name in SURGES for unit in ("fixed", "percent")):
            raise InvalidAttribute("max_surge or max_unavailable must be greater than 0.", "Set one of them.", *path)
        for fixed in (f"{name}_fixed" for name in SURGES):
            if _is_between(policy[fixed], zones):
                message = f"{fixed} must be 0 or at least the number of zones."
                raise InvalidAttribute(message, f"It is {policy[fixed]}.", *path, fixed)


def _is_between(fixed: Any, zones: Any) -> bool:
    """Whether `fixed` is more than 0 and less than the number of `zones`, as far as both are known."""
    known = fixed is not None and UNKNOWN not in (fixed, zones)
    return known and 0 < fixed < len(zones or REGION)
