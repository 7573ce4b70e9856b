"""Portable sizes as machine types."""

from __future__ import annotations

from generator.definition import Definition
from generator.sections import Types
from providers import groups as alike
from providers.gce import section
from providers.groups import Group

# Each has at least what its size promises, but for tiny and small: e2's shared cores are two at half speed or less.
# C4A is in most regions by now, T2A in few: where it is not, providers.gce.sizes names another.
TYPES: Types = {
    "tiny": {"amd64": "e2-small", "arm64": "c4a-standard-1"},
    "small": {"amd64": "e2-medium", "arm64": "c4a-standard-2"},
    "medium": {"amd64": "e2-standard-2", "arm64": "c4a-standard-2"},
    "large": {"amd64": "e2-standard-4", "arm64": "c4a-standard-4"},
    "xlarge": {"amd64": "e2-standard-8", "arm64": "c4a-standard-8"},
}
ARCHITECTURES = {"amd64": "X86_64", "arm64": "ARM64"}  # as Google names them


def groups(definition: Definition) -> tuple[Group, ...]:
    """Every group of the cluster that may have machines."""
    return alike.groups(definition, TYPES, section.of(definition).sizes)


def types(definition: Definition) -> dict[str, str]:
    """`SIZE-ARCH` -> type, for the machines that the cluster has."""
    return alike.types(groups(definition))
