"""Machine types as Google describes them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from generator.definition import Definition
from generator.errors import UserError
from providers.gce import sizes
from providers.gce.refusal import GoogleError
from providers.gce.session import Session, last

LOOK = "look at the machine types"
FIX = "Fix providers.gce.sizes."


def found(session: Session, zones: Collection[str], names: Collection[str]) -> list[Any]:
    """Those of `names` that `zones` offer, each once for every zone that does."""
    listed = sorted(name for name in names if "custom" not in name)
    wanted = " OR ".join(f'(name = "{name}")' for name in listed)
    answers = session.items("MachineTypesClient", "aggregated_list", LOOK, filter=wanted) if listed else []
    custom = [kind for name in sorted(set(names) - set(listed)) for kind in _custom(session, zones, name)]
    return [kind for kind in (*answers, *custom) if last(kind.zone) in zones]


def _custom(session: Session, zones: Collection[str], name: str) -> Iterator[Any]:
    """A type that is made up of numbers is in no list."""
    for zone in sorted(zones):
        try:
            yield session.call("MachineTypesClient", "get", LOOK, zone=zone, machine_type=name)
        except GoogleError as error:
            if not error.gone:
                raise


def described(session: Session, definition: Definition, zones: Collection[str]) -> dict[str, Any]:
    """Every type that the cluster is made of, by name; UserError where one is unknown, or of another architecture."""
    groups = sizes.groups(definition)
    kinds = {kind.name: kind for kind in found(session, zones, {group.type for group in groups})}
    for group in groups:
        if group.type not in kinds:
            raise UserError(f"{session.region} has no machine type {group.type}.", FIX)
        has = kinds[group.type].architecture
        if has and has != sizes.ARCHITECTURES[group.arch]:
            message = f"{group.type} is for {has}, but machines of {group.name} are {group.arch}."
            raise UserError(message, FIX)
    return kinds
