"""Local machines under QEMU, and the Terraform provider that serves them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from providers import Provider


def provider() -> Provider:
    """The adapter for the CLI."""
    from providers.local.adapter import Local

    return Local()
