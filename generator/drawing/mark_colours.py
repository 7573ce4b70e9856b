"""The colours of what a plan does to a machine, on light screens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Colours:
    fill: str
    stroke: str


_RED = Colours("#fde8e6", "#c0322b")
LIGHT = {
    "created": Colours("#e3f6e6", "#1f7a3a"),
    "changed": Colours("#fdf1d3", "#9a6700"),
    "replaced": _RED,
    "destroyed": _RED,
}
