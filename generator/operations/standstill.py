"""When to stop waiting for something that no longer changes."""

from __future__ import annotations

import time
from collections.abc import Hashable


class Standstill:
    """Counts how long a state is the same; each other one begins anew."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout  # seconds
        self._state: Hashable = None
        self._since = time.monotonic()

    def exceeded(self, state: Hashable) -> bool:
        """Whether `state` is the same for longer than the timeout."""
        now = time.monotonic()
        if state != self._state:
            self._state, self._since = state, now
        return now - self._since > self._timeout
