"""Waiting until a cloud lets go of what a cluster had it make."""

from __future__ import annotations

import time
from collections.abc import Callable

from generator.errors import UserError

PATIENCE_SECONDS = 300.0
POLL_SECONDS = 1.0


def until(done: Callable[[], bool], what: str, maker: str) -> None:
    """Try `done` until it says so; UserError in the end. `maker` is the cloud's name."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() > end:
            raise UserError(
                f"The {what}, which the cluster had {maker} make, is still in use after {PATIENCE_SECONDS:.0f} s.",
                "Run `anywhere destroy` again; nothing of the cluster itself was removed yet.",
            )
        time.sleep(POLL_SECONDS)
