"""Portable sizes as instance types."""

from __future__ import annotations

from generator.definition import Definition
from generator.sections import Types
from providers import groups as alike
from providers.aws import section
from providers.groups import Group

# Burstable types: no others are offered in nearly every zone. Each has at least what its size promises.
TYPES: Types = {
    "tiny": {"amd64": "t3.micro", "arm64": "t4g.micro"},
    "small": {"amd64": "t3.small", "arm64": "t4g.small"},
    "medium": {"amd64": "t3.medium", "arm64": "t4g.medium"},
    "large": {"amd64": "t3.xlarge", "arm64": "t4g.xlarge"},
    "xlarge": {"amd64": "t3.2xlarge", "arm64": "t4g.2xlarge"},
}
ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}  # as AWS names them


def groups(definition: Definition) -> tuple[Group, ...]:
    """Every group of the cluster that may have machines."""
    return alike.groups(definition, TYPES, section.of(definition).sizes)


def types(definition: Definition) -> dict[str, str]:
    """`SIZE-ARCH` -> type, for the machines that the cluster has."""
    return alike.types(groups(definition))
