"""Where on its target a cluster stands, and how clients reach its API: as far as definition and lock say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from generator.topology import Machine


@dataclass(frozen=True, slots=True)
class Entry:
    """The way of clients to the API: what it is called, and what is to know of it.

    It leads to every master where it is `balanced`, else to the first one alone.
    """

    name: str
    detail: str
    balanced: bool


@dataclass(frozen=True, slots=True)
class Site:
    """`place` is in words for people, such as a region; `network` is one that was there before the cluster, else "".

    `zones` are those that etcd machines and masters take turns in, by their numbers: () where the target has none, or
    nobody has chosen them yet. `pool_zones` goes by worker pool, `types` by group of machines: the target's own words.
    `addressed` says whether the addresses of machines are known by now.
    """

    place: str
    entry: Entry
    network: str = ""
    zones: tuple[str, ...] = ()
    pool_zones: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    addressed: bool = True

    def zone(self, machine: Machine) -> str:
        """The zone of an etcd machine or a master, "" where there is none."""
        return self.zones[(machine.number - 1) % len(self.zones)] if self.zones else ""
