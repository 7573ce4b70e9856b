"""Clusters on Google Compute Engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from providers.gce.adapter import Gce


def provider() -> Gce:
    """The adapter."""
    from providers.gce.adapter import Gce

    return Gce()
