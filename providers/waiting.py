"""Waiting until a cloud has released what a cluster created in it."""

from __future__ import annotations

import time
from collections.abc import Callable

from generator.errors import UserError

LIMIT_SECONDS = 300.0
POLL_SECONDS = 1.0


def until(done: Callable[[], bool], what: str, cloud: str) -> None:
    """Call `done` until it is true; UserError after LIMIT_SECONDS. `what` was created by the cluster in `cloud`."""
    end = time.monotonic() + LIMIT_SECONDS
    while not done():
        if time.monotonic() > end:
            raise UserError(
                f"The {what}, which the cluster created on {cloud}, is still in use after {LIMIT_SECONDS:.0f} s.",
                "Run `anywhere destroy` again; nothing of the cluster itself was removed yet.",
            )
        time.sleep(POLL_SECONDS)
