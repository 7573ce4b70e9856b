"""Which zones offer the types of machines that a cluster is made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from generator.errors import UserError


@dataclass(frozen=True, slots=True)
class Offers:
    """What the zones of a region offer of `types`: `zones` maps each zone to those it has.

    `section` is where the definition says it (`providers.aws`); `absent` is why a zone may not be among them.
    """

    region: str
    types: frozenset[str]
    zones: Mapping[str, Collection[str]]
    section: str
    absent: str

    @property
    def complete(self) -> tuple[str, ...]:
        """The zones that have all types, sorted."""
        return tuple(zone for zone, has in sorted(self.zones.items()) if self.types <= set(has))

    def all(self) -> tuple[str, ...]:
        """The same; UserError where there are none."""
        if not self.complete:
            lacks = (f"{zone} lacks {self._lacking(zone)}" for zone in sorted(self.zones))
            raise UserError(
                f"No zone of {self.region} offers all of {', '.join(sorted(self.types))}: {'; '.join(lacks)}.",
                f"Choose other types in {self.section}.sizes, or another region.",
            )
        return self.complete

    def check(self, zones: Iterable[str]) -> None:
        """UserError where one of `zones` is not there or lacks a type."""
        for zone in zones:
            if zone not in self.zones:
                raise UserError(
                    f"{self.region} has no zone {zone}{self.absent}.",
                    f"Write some of these in {self.section}.zones: {', '.join(sorted(self.zones))}.",
                )
            if lacking := self._lacking(zone):
                having = ", ".join(self.complete)
                other = f"Zones that do: {having}" if having else f"No zone of {self.region} does"
                raise UserError(
                    f"Zone {zone} does not offer {lacking}.",
                    f"{other}. Mend {self.section}.zones or {self.section}.sizes.",
                )

    def _lacking(self, zone: str) -> str:
        return ", ".join(sorted(self.types - set(self.zones[zone])))
